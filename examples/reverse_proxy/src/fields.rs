//! The header fields that a proxy changes on the way (RFC 9110 §7.2 and §7.6).

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};

/// The fields that are for one connection alone, whether or not `Connection` lists them (RFC 9110
/// §7.6.1).
///
/// `Trailer` is not one of them any more: it describes the trailer section, which is forwarded, and
/// hyper sends those trailer fields only that it announces.
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What the proxy calls itself: a pseudonym, for its address is nobody's business (RFC 9110 §7.6.3).
macro_rules! via {
    ($version:literal) => {
        HeaderValue::from_static(concat!($version, " method-policy"))
    };
}

/// Makes a request that was received one to send.
pub(crate) fn prepare_request(request: &mut Request<Incoming>) -> Result<(), StatusCode> {
    let host = host(request)?;
    let version = request.version();
    let takes_trailers = takes_trailers(request.headers());
    let length = request.body().size_hint().exact();

    let headers = request.headers_mut();
    remove_hop_by_hop(headers);
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    if takes_trailers {
        // What was said for the client's connection holds for the upstream's: trailer fields are
        // passed on to the client (RFC 9110 §6.5.1, §10.1.4).
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if length.is_none() {
        // Said for hyper, which otherwise leaves out what a GET has of content. A length beside it
        // does not count (RFC 9112 §6.3).
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    add_via(headers, version);
    Ok(())
}

/// Makes a response that was received one to send.
pub(crate) fn prepare_response(response: &mut Response<Incoming>) {
    let version = response.version();
    remove_hop_by_hop(response.headers_mut());
    add_via(response.headers_mut(), version);
}

/// The `Host` to send: the client's, so that the upstream knows what it was asked for and its links
/// and redirects lead to the proxy.
///
/// The authority of the request's target, which every HTTP/2 request and an absolute-form target
/// have, takes its place (RFC 9112 §3.2.2, RFC 9113 §8.3.1). Only an HTTP/1.0 request may be without
/// (RFC 9112 §3.2).
fn host(request: &Request<Incoming>) -> Result<Option<HeaderValue>, StatusCode> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || host.is_none() && request.version() == Version::HTTP_11 {
        return Err(StatusCode::BAD_REQUEST);
    }
    // A `Host` has no user information, and what an authority has of it is not passed on (RFC 9110
    // §4.2.4, RFC 9113 §8.3.1).
    if host.is_some_and(|host| host.as_bytes().contains(&b'@')) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let Some(authority) = request.uri().authority() else {
        return Ok(host.cloned());
    };
    let authority = authority.as_str();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    HeaderValue::from_str(host)
        .map(Some)
        .map_err(|_| StatusCode::BAD_REQUEST)
}

/// Whether `TE` says so: the one member of it that is no transfer coding (RFC 9110 §10.1.4).
fn takes_trailers(headers: &HeaderMap) -> bool {
    members(headers, &TE).any(|member| member.eq_ignore_ascii_case("trailers"))
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = members(headers, &CONNECTION)
        .filter_map(|option| option.parse().ok())
        .collect();
    for name in listed.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Adds this hop to the path that the message has taken (RFC 9110 §7.6.3).
fn add_via(headers: &mut HeaderMap, received: Version) {
    let via = match received {
        Version::HTTP_10 => via!("1.0"),
        Version::HTTP_2 => via!("2.0"),
        _ => via!("1.1"),
    };
    headers.append(VIA, via);
}

/// The members of a list, over all lines of the field (RFC 9110 §5.6.1).
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}
