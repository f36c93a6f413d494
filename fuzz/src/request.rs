//! Requests, and responses of the inner service.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use http::header::CONTENT_TYPE;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use tower_method_policy::Rejection;

use crate::body::{Plan, Script};
use crate::names;
use crate::settings::{Payload, append};

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Plan,
}

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

impl Sent {
    pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
        let method = names::method(&names::draw(u)?);
        let uri = target(u)?;
        let version = *u.choose(&[Version::HTTP_11, Version::HTTP_10, Version::HTTP_2])?;
        let mut headers = HeaderMap::new();
        for _ in 0..u.int_in_range(0..=5)? {
            match u.int_in_range(0..=3)? {
                0 => append(&mut headers, "man", u.choose(DECLARATIONS)?.0),
                // A CORS preflight, if the method is OPTIONS.
                1 => {
                    append(&mut headers, "origin", "http://a.example");
                    append(&mut headers, "access-control-request-method", "PUT");
                }
                _ => {
                    let (name, values) = *u.choose(FIELDS)?;
                    append(&mut headers, name, choose(u, values)?);
                }
            }
        }
        Ok(Self { method, uri, version, headers, body: Plan::draw(u)? })
    }

    pub(crate) fn request(&self, body: Script) -> Request<Script> {
        let request = Request::builder().method(&self.method).uri(&self.uri).version(self.version);
        let mut request = request.body(body).expect("valid parts");
        *request.headers_mut() = self.headers.clone();
        request
    }

    pub(crate) fn is_http_1(&self) -> bool {
        self.version <= Version::HTTP_11
    }

    /// RFC 9110 §10.1.1.
    pub(crate) fn expects(&self) -> bool {
        self.version >= Version::HTTP_11 && self.headers.contains_key("expect")
    }

    /// Fetch, "CORS-preflight request".
    pub(crate) fn is_preflight(&self) -> bool {
        let has = |name| self.headers.contains_key(name);
        self.method == "OPTIONS" && has("origin") && has("access-control-request-method")
    }

    /// The `Content-Type` of a gRPC call.
    pub(crate) fn grpc(&self) -> Option<&HeaderValue> {
        let value = self.headers.get(CONTENT_TYPE)?;
        let is_grpc = self.method == "POST" && GRPC.split('|').any(|grpc| value == grpc);
        is_grpc.then_some(value)
    }

    /// The extensions that all `Man` fields declare. `None` if one is malformed.
    pub(crate) fn declared(&self) -> Option<Vec<&'static str>> {
        let mut all = Vec::new();
        for value in self.headers.get_all("man") {
            let known = DECLARATIONS.iter().find(|(text, _)| value == text);
            all.extend(known.expect("drawn from these").1?.split_whitespace());
        }
        Some(all)
    }
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

/// The response of the inner service.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Whether it has the mark of an inner policy.
    pub(crate) is_rejection: bool,
}

/// Values of `Allow`, and the methods that they list. `None` if a value is not a list of valid methods.
const ALLOW: &[(&[u8], Option<&str>)] = &[
    (b"GET, HEAD", Some("GET HEAD")),
    (b"PUT,FOO\t,, BAR ,PUT", Some("PUT FOO BAR")),
    (b"OPTIONS, get", Some("OPTIONS get")),
    (b"", Some("")),
    (b" ,\t,", Some("")),
    (b"GET, *", None),
    (b"PRI, POST", None),
    (b"pri, !#$%&'*+-.^_`|~", Some("pri !#$%&'*+-.^_`|~")),
    (b"GET POST", None),
    (b"\"GET\"", None),
    (b"GET, \xc3\xa9", None),
];

/// The layer removes these fields when it turns a `405` into a `200`. Then it sets `Content-Length` to zero.
pub(crate) const OF_CONTENT: &str = "content-type|content-encoding|content-language|content-length|\
content-location|content-range|content-disposition|content-digest|transfer-encoding|trailer|etag|\
last-modified|accept-ranges|repr-digest";

const INNER_FIELDS: &[(&str, &str)] = &[
    ("connection", "keep-alive|close"),
    ("cache-control", "public|private, no-cache=\"ext\""),
    ("ext", "x"),
    ("expires", "0"),
    ("vary", "accept|origin"),
    ("content-security-policy", "sandbox"),
    ("access-control-allow-origin", "*"),
    ("dav", "1"),
];

impl Head {
    pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        for _ in 0..u.int_in_range(0..=4)? {
            let (name, value) = match u.int_in_range(0..=3)? {
                0 | 1 => ("allow", u.choose(ALLOW)?.0),
                2 => (choose(u, OF_CONTENT)?, &b"7"[..]),
                _ => {
                    let (name, values) = *u.choose(INNER_FIELDS)?;
                    (name, choose(u, values)?.as_bytes())
                }
            };
            let value = HeaderValue::from_bytes(value).expect("a field value");
            headers.append(HeaderName::from_static(name), value);
        }
        let status = *u.choose(&[405, 405, 405, 405, 405, 200, 204, 300, 404, 501])?;
        Ok(Self {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            is_rejection: u.ratio(1, 2)?,
        })
    }

    /// The methods of all `Allow` fields. `None` if there is no such field, or if one is not a list of valid methods.
    pub(crate) fn allow(&self) -> Option<BTreeSet<String>> {
        self.headers.get("allow")?;
        let mut methods = BTreeSet::new();
        for value in self.headers.get_all("allow") {
            let known = ALLOW.iter().find(|(text, _)| value == *text);
            let listed = known.expect("drawn from these").1?;
            methods.extend(listed.split_whitespace().map(str::to_owned));
        }
        Some(methods)
    }

    pub(crate) fn response(self) -> Response<Payload> {
        let mut response = Response::new(Payload::Inner);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.is_rejection {
            response.extensions_mut().insert(inner_rejection());
        }
        response
    }
}

/// The mark of an inner policy.
pub(crate) fn inner_rejection() -> Rejection {
    Rejection::not_allowed([Method::TRACE])
}
