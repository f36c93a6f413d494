//! The fields that a proxy checks and changes (RFC 9110 §7, RFC 9112 §3 and §6).

use std::net::Ipv6Addr;

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRANSFER_ENCODING, VIA};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};

/// The fields of one connection, even if `Connection` does not list them (RFC 9110 §7.6.1). `Trailer`
/// is not one of them because the trailer fields are forwarded.
const HOP_BY_HOP: &str = "connection keep-alive proxy-connection te transfer-encoding upgrade";

/// How many proxies of this name a request may have passed. A request that passed more is in a loop.
const MAX_PASSES: usize = 5;

/// A result, or the status of an error response.
pub(crate) type OrStatus<T> = Result<T, StatusCode>;

/// Rejects a request without a clear target, or in a loop. Returns the `Host` of the client's request. The
/// upstream needs it for links in its responses.
pub(crate) fn check_request(request: &Request<Incoming>) -> OrStatus<Option<HeaderValue>> {
    let headers = request.headers();
    let hops = members(headers, &VIA).filter(|hop| hop.ends_with(b" method-policy"));
    if hops.count() > MAX_PASSES {
        return Err(StatusCode::LOOP_DETECTED);
    }
    // A target in authority form has no path. If the proxy added a path, the upstream would see
    // a different path than the policy (RFC 9112 §3.2).
    let is_path = match request.uri().path() {
        "*" => request.method() == Method::OPTIONS,
        path => path.starts_with('/'),
    };
    // The authority of the target replaces `Host` (RFC 9112 §3.2.2, RFC 9113 §8.3.1), without user
    // information (RFC 9110 §4.2.4).
    let authority = request.uri().authority().map(Authority::as_str);
    let authority = authority.and_then(|authority| authority.rsplit('@').next());
    let authority = authority.map(str::as_bytes);
    let mut hosts = headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    let is_optional = match request.version() {
        Version::HTTP_10 => true,
        Version::HTTP_11 => false,
        _ => authority.is_some(),
    };
    let is_one = (is_optional || host.is_some()) && hosts.next().is_none();
    if !is_path || !is_one || !host.into_iter().chain(authority).all(is_host) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let host = authority.or(host).map(HeaderValue::from_bytes);
    host.transpose().map_err(|_| StatusCode::BAD_REQUEST)
}

/// Replaces the fields for the proxy with the fields for the upstream.
pub(crate) fn prepare_request(
    request: &mut Request<Incoming>,
    host: Option<HeaderValue>,
) -> OrStatus<()> {
    let version = request.version();
    let has_length = request.body().size_hint().exact().is_some();
    let headers = request.headers_mut();
    let takes_trailers = members(headers, &TE).any(|te| te.eq_ignore_ascii_case(b"trailers"));
    prepare(headers, version)?;
    // HTTP/2 may split the cookies over several fields (RFC 9113 §8.2.3).
    let cookies = headers.get_all(COOKIE).iter();
    let cookies: Vec<_> = cookies.map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let joined = HeaderValue::from_bytes(&cookies.join(&b"; "[..]));
        headers.insert(COOKIE, joined.map_err(|_| StatusCode::BAD_REQUEST)?);
    }
    if version == Version::HTTP_10 {
        // The client does not understand `100 (Continue)` (RFC 9110 §10.1.1).
        headers.remove(EXPECT);
    }
    if takes_trailers {
        // The proxy forwards trailer fields, so the upstream may send them (RFC 9110 §6.5.1).
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if !has_length {
        // Without this, hyper drops the content of a GET.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    Ok(())
}

/// Replaces the fields for the proxy with the fields for the client.
pub(crate) fn prepare_response<B>(response: &mut Response<B>) -> OrStatus<()> {
    let (status, version) = (response.status(), response.version());
    prepare(response.headers_mut(), version).map_err(|_| StatusCode::BAD_GATEWAY)?;
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(())
}

/// Changes the fields that requests and responses have in common. Fails if another program might find a
/// different end of the content than hyper (RFC 9112 §6.3).
fn prepare(headers: &mut HeaderMap, received: Version) -> OrStatus<()> {
    if headers.contains_key(TRANSFER_ENCODING) {
        // hyper decodes `chunked` and nothing else.
        let codings: Vec<_> = members(headers, &TRANSFER_ENCODING).collect();
        if !matches!(codings[..], [coding] if coding.eq_ignore_ascii_case(b"chunked")) {
            return Err(StatusCode::NOT_IMPLEMENTED);
        }
        headers.remove(CONTENT_LENGTH);
    } else if headers.contains_key(CONTENT_LENGTH) {
        let lengths: Vec<_> = members(headers, &CONTENT_LENGTH).map(number).collect();
        match lengths[..] {
            [Some(length), ref rest @ ..] if rest.iter().all(|other| *other == Some(length)) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            _ => return Err(StatusCode::BAD_REQUEST),
        }
    }
    remove_hop_by_hop(headers);
    // A pseudonym does not reveal the address of the proxy (RFC 9110 §7.6.3).
    let via = HeaderValue::from_static(match received {
        Version::HTTP_10 => "1.0 method-policy",
        Version::HTTP_2 => "2.0 method-policy",
        _ => "1.1 method-policy",
    });
    headers.append(VIA, via);
    Ok(())
}

/// Removes the fields of one connection, and the fields that `Connection` lists.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed = members(headers, &CONNECTION).map(HeaderName::from_bytes);
    for name in listed.flatten().collect::<Vec<_>>() {
        headers.remove(name);
    }
    for name in HOP_BY_HOP.split(' ') {
        headers.remove(name);
    }
}

/// The members of a list, over all lines of the field (RFC 9110 §5.6.1).
///
/// The members are bytes, because a byte outside ASCII must not hide the rest of its line.
pub(crate) fn members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Parses digits without a sign. A number that is too large becomes the largest one.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(number.saturating_mul(10).saturating_add(digit.into()))
    })
}

/// Whether it is a host, with or without a port, and nothing else (RFC 9110 §7.2).
fn is_host(value: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(value) else {
        return false;
    };
    let host = authority.host();
    let is_host = match host.strip_prefix('[') {
        Some(ip) => ip.trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains(['[', ']']),
    };
    // User information would precede the host.
    let port = authority.as_str().strip_prefix(host);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    is_host
        && port.is_some_and(|port| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}
