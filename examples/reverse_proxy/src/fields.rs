//! The fields that a proxy checks and changes (RFC 9110 §7, RFC 9112 §3 and §6).

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TRANSFER_ENCODING, VIA};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Frame};

/// The fields of one connection, even if `Connection` does not list them (RFC 9110 §7.6.1). `Trailer`
/// is not one of them because the trailer fields are forwarded.
const HOP_BY_HOP: &str = "connection keep-alive proxy-connection te transfer-encoding upgrade";

/// A result, or the status of an error response.
pub(crate) type OrStatus<T> = Result<T, StatusCode>;

/// Rejects a request without a clear target. Returns the `Host` of the client's request. The upstream needs it for
/// links in its responses.
pub(crate) fn check_request<B>(request: &Request<B>) -> OrStatus<Option<HeaderValue>> {
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
    let mut hosts = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    let is_optional = match request.version() {
        Version::HTTP_10 => true,
        Version::HTTP_11 => false,
        _ => authority.is_some(),
    };
    let is_one = (is_optional || host.is_some()) && hosts.next().is_none();
    let is_host = |host: &[u8]| !host.contains(&b'@') && Authority::try_from(host).is_ok();
    if !is_path || !is_one || !host.into_iter().chain(authority).all(is_host) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let host = authority.or(host).map(HeaderValue::from_bytes);
    host.transpose().map_err(|_| StatusCode::BAD_REQUEST)
}

/// Replaces the fields for the proxy with the fields for the upstream.
pub(crate) fn prepare_request<B: Body>(
    request: &mut Request<B>,
    host: Option<HeaderValue>,
) -> OrStatus<()> {
    let version = request.version();
    let has_length = request.body().size_hint().exact().is_some();
    let headers = request.headers_mut();
    prepare(headers, version)?;
    // HTTP/2 may split the cookies over several fields (RFC 9113 §8.2.3).
    let cookies = headers.get_all(COOKIE).iter();
    let cookies: Vec<_> = cookies.map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let joined = HeaderValue::from_bytes(&cookies.join(&b"; "[..]));
        headers.insert(COOKIE, joined.map_err(|_| StatusCode::BAD_REQUEST)?);
    }
    // hyper's server sends `100 (Continue)` itself, and hyper's client does not wait for it.
    headers.remove(EXPECT);
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
    let version = response.version();
    prepare(response.headers_mut(), version).map_err(|_| StatusCode::BAD_GATEWAY)
}

/// Removes the fields of one connection from a trailer section.
pub(crate) fn prepare_frame<D>(mut frame: Frame<D>) -> Frame<D> {
    frame.trailers_mut().map(remove_hop_by_hop);
    frame
}

/// Changes the fields that requests and responses have in common. Fails if another program might find a
/// different end of the content than hyper (RFC 9112 §6.3). hyper has rejected lengths that are not equal.
fn prepare(headers: &mut HeaderMap, received: Version) -> OrStatus<()> {
    if headers.contains_key(TRANSFER_ENCODING) {
        // hyper decodes `chunked` and nothing else.
        let codings: Vec<_> = members(headers, &TRANSFER_ENCODING).collect();
        if !matches!(codings[..], [coding] if coding.eq_ignore_ascii_case(b"chunked")) {
            return Err(StatusCode::NOT_IMPLEMENTED);
        }
        headers.remove(CONTENT_LENGTH);
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
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed = members(headers, &CONNECTION).flat_map(HeaderName::from_bytes);
    // hyper has already used the length.
    let listed = listed.filter(|name| name != CONTENT_LENGTH);
    for name in listed.collect::<Vec<_>>() {
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
