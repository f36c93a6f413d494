//! `GET` and `HEAD` reach the inner service under every configuration, exactly as they were sent:
//! "All general-purpose servers MUST support the methods GET and HEAD" (RFC 9110 §9.1).

mod support;

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use http_body_util::{BodyExt, Full};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower::{Layer, ServiceExt, service_fn};
#[cfg(feature = "rfc2774")]
use tower_method_policy::rfc2774::MandatoryExtensions;
use tower_method_policy::{
    BodyDrain, EmptyBody, MethodPolicy, MethodPolicyLayer, PlainText, Policy, ProblemDetails,
    Rejection, Respond, RetryAfter, method_excerpt,
};

use crate::support::strategies::{block_on, policies, uris};

/// A response body: the request that reached the inner service, or `None` in the layer's own response.
#[derive(Default)]
struct Echo(Option<Box<Request<Full<Bytes>>>>);

impl From<Bytes> for Echo {
    fn from(_: Bytes) -> Self {
        Self(None)
    }
}

/// A value that a server puts into a request's extensions.
#[derive(Clone, Debug, PartialEq)]
struct Peer(u64);

/// A request that must arrive as it is.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
    peer: Peer,
    body: Vec<u8>,
}

fn requests() -> impl Strategy<Value = Sent> {
    let versions = select(vec![
        Version::HTTP_09,
        Version::HTTP_10,
        Version::HTTP_11,
        Version::HTTP_2,
        Version::HTTP_3,
    ]);
    // Fields that this or other layers act on, and any field.
    let name = prop_oneof![
        select(vec![
            "host",
            "origin",
            "access-control-request-method",
            "access-control-request-headers",
            "x-http-method-override",
            "content-type",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "expect",
            "max-forwards",
            "allow",
            "c-man",
            "c-opt",
            "man",
            "opt",
        ])
        .prop_map(HeaderName::from_static),
        "[a-z0-9!#$%&'*+.^_`|~-]{1,12}".prop_map(|name| name.parse().expect("a token")),
    ];
    let value = prop_oneof![
        select(vec![
            "",
            "DELETE",
            "FOO",
            "application/grpc",
            "close",
            "100-continue",
            "0",
            "C-Man",
            "\"http://example.com/\"",
            "\"malformed"
        ])
        .prop_map(HeaderValue::from_static),
        "[ -~]{0,20}".prop_map(|value| value.parse().expect("a field value")),
    ];
    let method = select(vec![Method::GET, Method::HEAD]);
    let headers = vec((name, value), 0..=8);
    let body = vec(any::<u8>(), 0..=32);
    (method, uris(), versions, headers, any::<u64>(), body).prop_map(
        |(method, uri, version, headers, peer, body)| Sent {
            method,
            uri,
            version,
            headers,
            peer: Peer(peer),
            body,
        },
    )
}

impl Sent {
    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.header_map();
        request.extensions_mut().insert(self.peer.clone());
        request
    }

    fn header_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        headers
    }
}

/// The request that reaches the inner service behind `layer`.
async fn arrived<R: Respond<Echo> + Clone>(
    layer: MethodPolicyLayer<R>,
    sent: &Sent,
) -> Request<Full<Bytes>> {
    let inner = service_fn(async |request| {
        Ok::<_, Infallible>(Response::new(Echo(Some(Box::new(request)))))
    });
    let Ok(response) = layer.layer(inner).oneshot(sent.request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    *response.into_body().0.expect("the inner service answers")
}

/// A responder of any kind. None is called here.
#[derive(Clone, Copy, Debug)]
enum Responder {
    Empty,
    Text,
    Problem,
    Nonsense,
    Panic,
}

impl Respond<Echo> for Responder {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<Echo> {
        match self {
            Self::Empty => EmptyBody.respond(rejection, request),
            Self::Text => PlainText.respond(rejection, request),
            Self::Problem => ProblemDetails.respond(rejection, request),
            Self::Nonsense => Response::builder()
                .status(StatusCode::CONTINUE)
                .header("allow", "FOO")
                .header("transfer-encoding", "nonsense")
                .body(Echo(None))
                .expect("valid"),
            Self::Panic => panic!("called for {}", method_excerpt(&request.method)),
        }
    }
}

fn layers() -> impl Strategy<Value = MethodPolicyLayer<Responder>> {
    let responders = select(vec![
        Responder::Empty,
        Responder::Text,
        Responder::Problem,
        Responder::Nonsense,
        Responder::Panic,
    ]);
    let retry_after = prop::option::of(prop_oneof![
        any::<u32>().prop_map(|seconds| RetryAfter::after(Duration::from_secs(seconds.into()))),
        Just(RetryAfter::at(SystemTime::UNIX_EPOCH)),
        Just(RetryAfter::at(
            SystemTime::now() + Duration::from_secs(3600)
        )),
    ]);
    #[cfg(feature = "rfc2774")]
    let extensions = prop::option::of(select(vec![
        MandatoryExtensions::at_origin(),
        MandatoryExtensions::at_proxy(),
    ]));
    #[cfg(not(feature = "rfc2774"))]
    let extensions = Just(());
    let settings = (retry_after, any::<bool>(), 0..=3, any::<u64>());
    let switches = (any::<bool>(), any::<bool>());
    (policies(), responders, settings, switches, extensions).prop_map(
        |(policy, responder, settings, (answers_options, reports), _extensions)| {
            let (retry_after, cache_control, observers, max_bytes) = settings;
            let mut layer = MethodPolicyLayer::new(policy)
                .respond_with(responder)
                .answer_options(answers_options)
                .report_only(reports)
                .body_drain(BodyDrain::default().max_bytes(max_bytes));
            #[cfg(feature = "rfc2774")]
            if let Some(extensions) = _extensions {
                layer = layer.mandatory_extensions(extensions);
            }
            if let Some(retry_after) = retry_after {
                layer = layer.retry_after(retry_after);
            }
            if cache_control {
                layer = layer.cache_control(HeaderValue::from_static("no-store"));
            }
            for _ in 0..observers {
                layer = layer.on_rejection(|rejection, _| panic!("{rejection:?} was observed"));
            }
            layer
        },
    )
}

proptest! {
    #[test]
    fn get_and_head_reach_the_inner_service_as_they_were_sent(
        layer in layers(),
        sent in requests(),
    ) {
        let (arrived, body) = block_on(async {
            let (arrived, body) = arrived(layer, &sent).await.into_parts();
            (arrived, body.collect().await)
        });
        prop_assert_eq!(arrived.method, sent.method.clone());
        prop_assert_eq!(arrived.uri.to_string(), sent.uri.to_string());
        prop_assert_eq!(arrived.version, sent.version);
        prop_assert!(arrived.headers.iter().eq(sent.header_map().iter()), "{:?}", arrived.headers);
        prop_assert_eq!(arrived.extensions.get(), Some(&sent.peer));
        prop_assert_eq!(arrived.extensions.len(), 1);
        prop_assert_eq!(body?.to_bytes(), sent.body);
    }
}

/// No policy is stricter. Both ways to make a service are tried.
#[tokio::test]
async fn a_policy_whose_rules_list_nothing_forwards_get_and_head() {
    let policy = Policy::new()
        .recognize_only([])
        .fallback([])
        .route("/", [])
        .unwrap()
        .route("/{*rest}", [])
        .unwrap()
        .subtree("/dav", [])
        .unwrap();
    let inner = service_fn(async |request: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    for uri in [
        "/",
        "/a/b?c",
        "/a//b",
        "/dav",
        "/dav/a",
        "*",
        "example.com:443",
        "http://example.com",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let request = Request::builder().method(&method).uri(uri);
            let request = request.body(Full::<Bytes>::default()).unwrap();
            for service in [
                MethodPolicy::new(inner, policy.clone()),
                MethodPolicyLayer::new(policy.clone()).layer(inner),
            ] {
                let response = service.oneshot(request.clone()).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK, "{method} {uri}");
            }
        }
    }
}
