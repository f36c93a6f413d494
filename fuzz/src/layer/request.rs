//! A request, and what of it the rules look at.

use arbitrary::{Result, Unstructured};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::body::{Plan, Script};
use super::policy;
use crate::names;

/// Something that a server puts into a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Peer(pub(super) u8);

#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) peer: Option<Peer>,
    pub(super) body: Plan,
}

/// Fields that something in the layer looks at, or must not.
const FIELDS: &[(&str, &str)] = &[
    ("expect", "100-continue"),
    ("expect", "something"),
    ("origin", "http://a.example"),
    ("origin", "null"),
    ("access-control-request-method", "PUT"),
    ("max-forwards", "0"),
    ("max-forwards", "000000000000000000000000000000000000000000"),
    ("max-forwards", "1"),
    ("max-forwards", ""),
    ("max-forwards", "-0"),
    ("connection", "close"),
    ("connection", "keep-alive, C-Man"),
    ("connection", "c-man,c-opt"),
    ("connection", "Man, X-Hop"),
    ("connection", "opt, , connection"),
    ("x-hop", "1"),
    ("content-length", "5"),
    ("content-length", "18446744073709551616"),
    ("transfer-encoding", "chunked"),
    ("content-type", GRPC[0]),
    ("content-type", GRPC[0]),
    ("content-type", GRPC[1]),
    ("content-type", GRPC[2]),
    ("content-type", "text/html"),
    ("content-type", "application/grp"),
    ("content-type", " application/grpc"),
    ("allow", "FOO"),
    ("retry-after", "1"),
    ("x-http-method-override", "GET"),
    ("upgrade", "websocket"),
];

/// Media types that begin with `application/grpc` (RFC 9110 §8.3.1: in any case).
const GRPC: [&str; 3] = [
    "application/grpc+proto",
    "Application/GRPC-web",
    "application/grpc",
];

/// Together they make an `OPTIONS` request a CORS preflight.
const PREFLIGHT: [(&str, &str); 2] = [
    ("origin", "http://a.example"),
    ("access-control-request-method", "PUT"),
];

/// The fields of RFC 2774 §3 and §4.2.
const DECLARING: [&str; 4] = ["man", "c-man", "opt", "c-opt"];

/// Header prefixes are strings of digits.
pub(super) type Declared = (&'static str, Option<&'static str>);

/// Values of these, and what they declare: identifiers and header prefixes; `None` if malformed.
const DECLARATIONS: &[(&str, Option<&[Declared]>)] = &[
    (
        "\"http://a.example/x\"",
        Some(&[("http://a.example/x", None)]),
    ),
    (
        "\"http://a.example/x\"; ns=16",
        Some(&[("http://a.example/x", Some("16"))]),
    ),
    (
        "\"http://a.example/y\" ;ns=16,\"X-Field\"; q=\"a, b\"; NS=16",
        Some(&[("http://a.example/y", Some("16")), ("x-field", Some("16"))]),
    ),
    ("\"x-field\"; ns=17; n", Some(&[("x-field", Some("17"))])),
    (
        "\"http://a.example/X\"",
        Some(&[("http://a.example/X", None)]),
    ),
    ("", Some(&[])),
    (" , ,", Some(&[])),
    ("http://a.example/x", None),
    ("\"http://a.example/x", None),
    ("\"http://a.example/x\"; ns=1", None),
    ("\"http://a.example/x\" \"x-field\"", None),
];

impl Sent {
    pub(super) fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
        let method = names::draw(u)?;
        let uri = target(u)?;
        let version = *u.choose(&[
            Version::HTTP_11,
            Version::HTTP_10,
            Version::HTTP_2,
            Version::HTTP_3,
            Version::HTTP_09,
        ])?;
        let mut headers = HeaderMap::new();
        for _ in 0..u.int_in_range(0..=5)? {
            let fields: &[(&'static str, &'static str)] = match u.int_in_range(0..=5)? {
                0 | 1 => &[(*u.choose(&DECLARING)?, u.choose(DECLARATIONS)?.0)],
                2 => &PREFLIGHT,
                _ => &[*u.choose(FIELDS)?],
            };
            for (name, value) in fields {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a field name");
                headers.append(name, HeaderValue::from_static(value));
            }
        }
        let peer = u.ratio(1, 2)?.then_some(Peer(7));
        let body = Plan::draw(u)?;
        Ok(Self {
            method,
            uri,
            version,
            headers,
            peer,
            body,
        })
    }

    pub(super) fn request(&self, body: Script) -> Request<Script> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.clone();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        request
    }

    pub(super) fn is_http_1(&self) -> bool {
        [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11].contains(&self.version)
    }

    /// RFC 9110 §10.1.1.
    pub(super) fn expects(&self) -> bool {
        let can = ![Version::HTTP_09, Version::HTTP_10].contains(&self.version);
        can && self.headers.contains_key("expect")
    }

    /// Fetch, "CORS-preflight request".
    pub(super) fn is_preflight(&self) -> bool {
        let has = |name| self.headers.contains_key(name);
        has("origin") && has("access-control-request-method")
    }

    /// The `Content-Type` of a gRPC call.
    pub(super) fn grpc(&self) -> Option<&HeaderValue> {
        let value = self.headers.get(CONTENT_TYPE)?;
        let is_grpc = self.method == "POST" && GRPC.iter().any(|grpc| value == grpc);
        is_grpc.then_some(value)
    }

    /// The names that `Connection` lists, in lower case.
    pub(super) fn hop_by_hop(&self) -> Vec<String> {
        let lists = self.headers.get_all("connection").iter();
        let lists = lists.map(|list| list.to_str().expect("ASCII").to_lowercase());
        lists
            .flat_map(|list| {
                let options = list.split(',').map(|option| option.trim().to_owned());
                options.collect::<Vec<_>>()
            })
            .collect()
    }

    /// The declarations of a field, one line after the other; `None` if one is malformed.
    pub(super) fn declared_by(&self, name: &str) -> Option<Vec<Declared>> {
        let mut all = Vec::new();
        for value in self.headers.get_all(name) {
            let known = DECLARATIONS.iter().find(|(text, _)| value == text);
            let (_, declared) = known.expect("drawn from these");
            all.extend_from_slice((*declared)?);
        }
        Some(all)
    }
}

/// A request target of any form (RFC 9112 §3.2).
fn target(u: &mut Unstructured<'_>) -> Result<Uri> {
    let path = policy::path(u)?;
    let text = match u.int_in_range(0..=9)? {
        0..=5 => path,
        6 => format!("{path}?query"),
        7 => format!("http://a.example{path}"),
        8 => u
            .choose(&["http://a.example", "a.example:443"])?
            .to_string(),
        _ => "*".to_owned(),
    };
    Ok(text.parse().expect("a request target"))
}
