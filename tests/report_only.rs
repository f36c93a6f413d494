//! A layer that only reports: everything is forwarded, and what would have been rejected is told.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use proptest::prelude::*;
use support::serve::Server;
use support::server::Connection;
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{
    MethodPolicyLayer, MethodSet, Policy, Reason, Rejection, RetryAfter, WouldReject,
};

use crate::support::strategies::{any_method, block_on, method, policies, set, uris};

type Body = Full<Bytes>;

/// Answers with what it was sent, and with the method in a field.
async fn echo(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let method = request.method().as_str().to_owned();
    let response = Response::builder().header("x-method", method);
    Ok(response.body(request.into_body()).unwrap())
}

fn request(name: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(name).uri(path);
    request.body(Full::from("content")).unwrap()
}

/// What observers are told, in their words.
fn observed(layer: MethodPolicyLayer) -> (MethodPolicyLayer, Arc<Mutex<Vec<String>>>) {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let seen = log.clone();
    let layer = layer.on_rejection(move |rejection: &Rejection, request: &Parts| {
        let reason = rejection.reason().as_str();
        let enforced = rejection.is_enforced();
        let line = format!("{} {reason} enforced: {enforced}", request.method);
        seen.lock().unwrap().push(line);
    });
    (layer, log)
}

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
        .retry_after(RetryAfter::after(std::time::Duration::from_secs(1)))
        .report_only(true)
}

#[tokio::test]
async fn what_would_be_rejected_is_forwarded_and_told() {
    let (layer, log) = observed(layer());
    let service = layer.layer(service_fn(echo));
    for (name, reason) in [
        ("GET", None),
        ("POST", None),
        ("DELETE", Some(Reason::NotAllowed)),
        ("FOO", Some(Reason::NotImplemented)),
    ] {
        let response = service.clone().oneshot(request(name, "/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().len(), 1, "{:?}", response.headers());
        assert_eq!(response.headers()["x-method"], name);
        assert!(response.extensions().get::<Rejection>().is_none());
        let mark = response.extensions().get::<WouldReject>();
        assert_eq!(mark.map(WouldReject::reason), reason, "{name}");
        let allow = mark.and_then(WouldReject::allow).map(ToString::to_string);
        let expected = (name == "DELETE").then(|| "GET, HEAD, POST".to_owned());
        assert_eq!(allow, expected);
        let content = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(content, "content");
    }
    assert_eq!(
        *log.lock().unwrap(),
        [
            "DELETE not_allowed enforced: false",
            "FOO not_implemented enforced: false"
        ]
    );
}

#[tokio::test]
async fn what_is_rejected_is_told_as_enforced() {
    let (layer, log) = observed(layer().report_only(false));
    let response = layer.layer(service_fn(echo)).oneshot(request("FOO", "/"));
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    assert!(response.extensions().get::<WouldReject>().is_none());
    assert!(
        response
            .extensions()
            .get::<Rejection>()
            .unwrap()
            .is_enforced()
    );
    assert_eq!(*log.lock().unwrap(), ["FOO not_implemented enforced: true"]);
}

#[tokio::test]
async fn options_that_would_be_answered_is_forwarded() {
    let policy = Policy::new().allow([Method::OPTIONS]);
    let layer = MethodPolicyLayer::new(policy)
        .answer_options()
        .report_only(true);
    for path in ["/", "*"] {
        let service = layer.layer(service_fn(echo));
        let response = service.oneshot(request("OPTIONS", path)).await.unwrap();
        assert_eq!(response.headers()["x-method"], "OPTIONS");
        assert_eq!(response.headers().len(), 1);
        assert!(response.extensions().is_empty());
    }
}

/// A failure of the inner service's stays one.
#[tokio::test]
async fn a_failure_is_not_hidden() {
    let service = layer().layer(service_fn(async |_: Request<Body>| {
        let response = Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR);
        Ok::<_, Infallible>(response.body(Body::default()).unwrap())
    }));
    let response = service.oneshot(request("FOO", "/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.extensions().get::<Rejection>().is_none());
    assert!(response.extensions().get::<WouldReject>().is_some());

    let service = layer().layer(service_fn(async |_: Request<Body>| {
        Err::<Response<Body>, _>("the inner service's")
    }));
    let error = service.oneshot(request("FOO", "/")).await.unwrap_err();
    assert_eq!(error, "the inner service's");
}

/// The stricter policy outside, which only reports, beside the one that counts.
#[tokio::test]
async fn a_stricter_policy_is_tried_beside_the_one_that_counts() {
    let counts = MethodPolicyLayer::new(Policy::new().allow([Method::POST, Method::PUT]));
    let (stricter, log) = observed(layer());
    let service = stricter.layer(counts.layer(service_fn(echo)));
    for (name, status, would, is) in [
        ("POST", 200, None, None),
        ("PUT", 200, Some(Reason::NotAllowed), None),
        (
            "DELETE",
            405,
            Some(Reason::NotAllowed),
            Some(Reason::NotAllowed),
        ),
        (
            "FOO",
            501,
            Some(Reason::NotImplemented),
            Some(Reason::NotImplemented),
        ),
    ] {
        let response = service.clone().oneshot(request(name, "/")).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let mark = response.extensions().get::<WouldReject>();
        assert_eq!(mark.map(WouldReject::reason), would, "{name}");
        let mark = response.extensions().get::<Rejection>();
        assert_eq!(mark.map(Rejection::reason), is, "{name}");
    }
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[cfg(feature = "rfc2774")]
#[tokio::test]
async fn mandatory_requests_are_forwarded_as_they_came() {
    use tower_method_policy::rfc2774::{Declarations, MandatoryExtensions};

    let extensions = MandatoryExtensions::at_origin()
        .support("http://a/")
        .unwrap();
    let layer = layer().mandatory_extensions(extensions);
    let service = layer.layer(service_fn(async |request: Request<Body>| {
        assert!(request.extensions().get::<Declarations>().is_none());
        echo(request).await
    }));
    for (name, man, reason) in [
        ("M-POST", Some("\"http://a/\""), None),
        ("M-POST", Some("\"http://b/\""), Some(Reason::NotExtended)),
        ("M-POST", Some("a"), Some(Reason::MalformedDeclaration)),
        ("M-POST", None, Some(Reason::NotExtended)),
        ("M-DELETE", Some("\"http://a/\""), Some(Reason::NotAllowed)),
        ("POST", Some("\"http://a/\""), Some(Reason::NotExtended)),
    ] {
        let mut request = request(name, "/");
        if let Some(man) = man {
            request.headers_mut().insert("man", man.parse().unwrap());
        }
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().len(), 1, "{name} {man:?}");
        let mark = response.extensions().get::<WouldReject>();
        assert_eq!(mark.map(WouldReject::reason), reason, "{name} {man:?}");
    }
}

proptest! {
    /// The mark is there exactly where the same layer would reject, and says the same.
    #[test]
    fn the_mark_says_what_the_layer_would_do(
        policy in policies(),
        name in any_method(),
        uri in uris(),
    ) {
        let layer = MethodPolicyLayer::new(policy);
        let ask = |layer: MethodPolicyLayer| {
            let mut request = Request::new(Body::default());
            *request.method_mut() = name.clone();
            *request.uri_mut() = uri.clone();
            let service = layer.layer(service_fn(echo));
            block_on(async { service.oneshot(request).await.unwrap() })
        };
        let enforced = ask(layer.clone());
        let rejection = enforced.extensions().get::<Rejection>();
        let reported = ask(layer.report_only(true));
        let mark = reported.extensions().get::<WouldReject>();
        prop_assert_eq!(reported.status(), StatusCode::OK);
        prop_assert_eq!(mark.map(WouldReject::reason), rejection.map(Rejection::reason));
        let (mark, rejection) = (mark.and_then(WouldReject::allow), rejection.and_then(Rejection::allow));
        prop_assert_eq!(mark, rejection);
    }
}

/// On the wire there is nothing to see of it, and an upload is the inner service's.
#[tokio::test]
async fn a_client_notices_nothing() {
    let inner = service_fn(async |request: Request<Incoming>| {
        let content = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(content)))
    });
    let server = Server::start(layer().layer(inner)).await;
    let mut connection = Connection::open(server.address).await;
    for request in ["DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"; 2] {
        connection.send(request).await;
        assert_eq!(
            connection.receive().await,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        );
    }
}

// Names for labels.

#[test]
fn reasons_have_stable_names() {
    let names = [Reason::NotAllowed, Reason::NotImplemented].map(Reason::as_str);
    assert_eq!(names, ["not_allowed", "not_implemented"]);
    #[cfg(feature = "rfc2774")]
    {
        let names = [Reason::NotExtended, Reason::MalformedDeclaration].map(Reason::as_str);
        assert_eq!(names, ["not_extended", "malformed_declaration"]);
    }
}

#[test]
fn a_label_is_a_name_of_the_set_or_other() {
    let set = MethodSet::REGISTERED | set("PURGE");
    for name in ["GET", "PROPFIND", "PURGE", "BASELINE-CONTROL"] {
        assert_eq!(set.name_or_other(&method(name)), name);
    }
    for name in [
        "get",
        "Propfind",
        "PURGEX",
        "BASELINEX-CONTROL",
        "PRI",
        "_OTHER",
    ] {
        assert_eq!(set.name_or_other(&method(name)), "_OTHER", "{name}");
    }
    assert_eq!(set.name_or_other(&method(&"X".repeat(70_000))), "_OTHER");
    // OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: "a comma-separated list of case-sensitive known methods".
    let known: MethodSet = "GET,HEAD,get".parse().unwrap();
    assert_eq!(known.name_or_other(&method("get")), "get");
    assert_eq!(known.name_or_other(&Method::POST), "_OTHER");
}
