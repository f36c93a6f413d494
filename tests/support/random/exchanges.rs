//! Draws requests, and responses of the inner service.

use arbitrary::{Result, Unstructured};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version};

use super::layers::EXTENSION;
use super::names;
use crate::model::rejection::Rejection;
use crate::model::{Body, Content, Extensions, Marks, Request, Response};

const PATH_SEGMENTS: &[&str] =
    &["users", "me", "a%2Fb", "{id}", "id", "7", "", "", "meme", "m", "Users", "..", "%75sers"];

/// Fields that the layer reads or must not read, each with its values.
const FIELDS: &[(&str, &str)] = &[
    ("expect", "100-continue|something"),
    ("origin", "http://a.example|null"),
    ("access-control-request-method", "PUT"),
    ("connection", "close|keep-alive"),
    ("content-length", "5|18446744073709551616"),
    ("content-type", GRPC),
    ("content-type", "text/html|application/grp"),
    ("allow", "FOO"),
    ("x-http-method-override", "GET"),
    ("x-http-method", "DELETE"),
    ("max-forwards", "0"),
    // `Connection` does not list it, so the layer ignores it.
    ("c-man", "x"),
    ("opt", "\"http://a.example/y\""),
    ("if-match", "*|\u{e9}"),
    ("te", "trailers"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "websocket"),
];

/// Values of `Man` (RFC 2774 §3), and the extensions that they declare. `None` if malformed.
const DECLARATIONS: &[(&str, Option<&str>)] = &[
    ("\"http://a.example/x\" ;n", Some("http://a.example/x")),
    ("\"http://a.example/y\"; q=\"a, b\"", Some("http://a.example/y")),
    (" , ,", Some("")),
    ("\"http://a.example/x", None),
];

/// Media types that begin with `application/grpc` (RFC 9110 §8.3.1: in any case).
const GRPC: &str = "application/grpc+proto|Application/GRPC-web|application/grpc";

pub(crate) fn request(u: &mut Unstructured<'_>, body: Body) -> Result<Request> {
    let method = names::draw(u)?;
    let target = target(u)?;
    let version =
        *u.choose(&[Version::HTTP_11, Version::HTTP_10, Version::HTTP_2, Version::HTTP_3])?;
    let mut fields = HeaderMap::new();
    let mut declared = Vec::new();
    for _ in 0..u.int_in_range(0..=5)? {
        match u.int_in_range(0..=3)? {
            0 => {
                let (value, identifiers) = *u.choose(DECLARATIONS)?;
                append(&mut fields, "man", value.as_bytes());
                declared.push(identifiers);
            }
            // A CORS preflight, if the method is OPTIONS.
            1 => {
                append(&mut fields, "origin", b"http://a.example");
                append(&mut fields, "access-control-request-method", b"PUT");
            }
            _ => {
                let (name, values) = *u.choose(FIELDS)?;
                append(&mut fields, name, choose(u, values)?.as_bytes());
            }
        }
    }
    let extensions = match declared.into_iter().collect::<Option<Vec<_>>>() {
        None => Extensions::Malformed,
        Some(declared) => {
            let mut identifiers = declared.iter().flat_map(|list| list.split_whitespace());
            match identifiers.next() {
                None => Extensions::None,
                Some(first) if first != EXTENSION => Extensions::Unsupported,
                Some(_) if identifiers.any(|other| other != EXTENSION) => Extensions::Unsupported,
                Some(_) => Extensions::Supported,
            }
        }
    };
    Ok(Request { method, target, version, fields, extensions, body })
}

fn append(map: &mut HeaderMap, name: &'static str, value: &[u8]) {
    let value = HeaderValue::from_bytes(value).expect("a field value");
    map.append(HeaderName::from_static(name), value);
}

fn choose(u: &mut Unstructured<'_>, values: &'static str) -> Result<&'static str> {
    u.choose_iter(values.split('|').collect::<Vec<_>>())
}

/// A request target of any form (RFC 9112 §3.2).
fn target(u: &mut Unstructured<'_>) -> Result<Uri> {
    let segments = (0..u.int_in_range(0..=4)?).map(|_| u.choose(PATH_SEGMENTS).copied());
    let segments = segments.collect::<Result<Vec<_>>>()?;
    let path = format!("/{}", segments.join("/"));
    let text = match u.int_in_range(0..=9)? {
        0..=5 => path,
        6 => format!("{path}?query"),
        7 => format!("http://a.example{path}"),
        8 => choose(u, "http://a.example|a.example:443")?.to_owned(),
        _ => "*".to_owned(),
    };
    Ok(text.parse().expect("a request target"))
}

/// Values of `Allow`: lists of methods, and other texts.
const ALLOW: &[&[u8]] = &[
    b"GET, HEAD",
    b"PUT,FOO\t,, BAR ,PUT",
    b"OPTIONS, get",
    b"",
    b" ,\t,",
    b"GET, *",
    b"PRI, POST",
    b"pri, !#$%&'*+-.^_`|~",
    b"GET POST",
    b"\"GET\"",
    b"GET, \xc3\xa9",
];

/// Fields of the content or of gRPC.
const OF_CONTENT: &str = "content-type|content-encoding|content-language|content-length|\
content-location|content-range|content-disposition|content-digest|transfer-encoding|trailer|etag|\
last-modified|accept-ranges|repr-digest|content-md5|digest|signature|signature-input|sourcemap|\
grpc-status|grpc-message|grpc-status-details-bin";

const INNER_FIELDS: &[(&str, &str)] = &[
    ("connection", "keep-alive|close"),
    ("cache-control", "public|private, no-cache=\"ext\""),
    ("ext", "x"),
    ("expires", "0"),
    ("vary", "accept|origin"),
    ("set-cookie", "a|b"),
    ("retry-after", "5"),
    ("x-silly", "0|1"),
    ("content-security-policy", "sandbox"),
    ("access-control-allow-origin", "*"),
    ("dav", "1"),
];

/// A response of the inner service.
pub(crate) fn response(u: &mut Unstructured<'_>) -> Result<Response> {
    let mut fields = HeaderMap::new();
    for _ in 0..u.int_in_range(0..=4)? {
        let (name, value) = match u.int_in_range(0..=3)? {
            0 | 1 => ("allow", *u.choose(ALLOW)?),
            2 => (choose(u, OF_CONTENT)?, &b"7"[..]),
            _ => {
                let (name, values) = *u.choose(INNER_FIELDS)?;
                (name, choose(u, values)?.as_bytes())
            }
        };
        append(&mut fields, name, value);
    }
    let status = *u.choose(&[405, 405, 405, 405, 405, 200, 204, 300, 404, 501])?;
    Ok(Response {
        status: StatusCode::from_u16(status).expect("a status"),
        fields,
        content: Content::OfInnerService,
        marks: Marks {
            rejection: u.ratio(1, 2)?.then(Rejection::of_inner_policy),
            would_reject: None,
            of_inner_service: u.ratio(1, 2)?,
            shared: u.ratio(1, 2)?.then_some("the inner service"),
        },
    })
}
