//! A layer that only reports forwards every request, and marks and observes those that it would reject.

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

/// Answers with the body of the request, and with its method in a field.
async fn echo(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let method = request.method().as_str().to_owned();
    let response = Response::builder().header("x-method", method);
    Ok(response.body(request.into_body()).unwrap())
}

fn request(name: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(name).uri(path);
    request.body(Full::from("content")).unwrap()
}

/// The lines that an observer writes.
fn observed(layer: MethodPolicyLayer) -> (MethodPolicyLayer, Arc<Mutex<Vec<String>>>) {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let seen = log.clone();
    let layer = layer.on_rejection(move |rejection: &Rejection, request: &Parts| {
        let line = format!("{} {rejection}", request.method);
        seen.lock().unwrap().push(line);
    });
    (layer, log)
}

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
        .retry_after(RetryAfter::after(std::time::Duration::from_secs(1)))
        .report_only(true)
}

/// The rejection in the mark, if there is one.
fn mark<B>(response: &Response<B>) -> Option<&Rejection> {
    let mark = response.extensions().get::<WouldReject>();
    mark.map(WouldReject::rejection)
}

#[tokio::test]
async fn a_request_that_would_be_rejected_is_forwarded_and_observed() {
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
        let mark = mark(&response);
        assert_eq!(mark.map(Rejection::reason), reason, "{name}");
        assert!(mark.is_none_or(|rejection| !rejection.is_enforced()));
        let allow = mark.and_then(Rejection::allow).map(ToString::to_string);
        let expected = (name == "DELETE").then(|| "GET, HEAD, POST".to_owned());
        assert_eq!(allow, expected);
        let content = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(content, "content");
    }
    assert_eq!(
        *log.lock().unwrap(),
        [
            "DELETE 405 Method Not Allowed by fallback (report only)",
            "FOO 501 Not Implemented (report only)"
        ]
    );
}

#[tokio::test]
async fn a_rejected_request_is_observed_as_enforced() {
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
    assert_eq!(*log.lock().unwrap(), ["FOO 501 Not Implemented"]);
}

/// Neither by the layer nor from the router's `405`.
#[tokio::test]
async fn options_is_not_answered() {
    for policy in [Policy::new(), Policy::new().fallback([Method::GET])] {
        let layer = MethodPolicyLayer::new(policy).answer_options(true);
        let (layer, log) = observed(layer.report_only(true));
        for path in ["/", "/a", "*"] {
            let service = layer.layer(service_fn(echo));
            let response = service.oneshot(request("OPTIONS", path)).await.unwrap();
            assert_eq!(response.headers()["x-method"], "OPTIONS");
            assert_eq!(response.headers().len(), 1);
            assert!(response.extensions().is_empty());

            let service = layer.layer(service_fn(async |_: Request<Body>| {
                let response = Response::builder().status(405).header("allow", "GET,HEAD");
                Ok::<_, Infallible>(response.body(Body::from("no")).unwrap())
            }));
            let response = service.oneshot(request("OPTIONS", path)).await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers()["allow"], "GET,HEAD");
            assert_eq!(response.headers().len(), 1);
            assert!(response.extensions().is_empty());
            let content = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(content, "no");
        }
        assert!(log.lock().unwrap().is_empty());
    }
}

/// A failure of the inner service stays a failure.
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

/// The stricter policy only reports. It is outside the enforced one.
#[tokio::test]
async fn a_stricter_policy_is_tried_next_to_the_enforced_one() {
    let methods = [Method::GET, Method::POST, Method::PUT];
    let enforced = MethodPolicyLayer::new(Policy::new().fallback(methods));
    let (stricter, log) = observed(layer());
    let service = stricter.layer(enforced.layer(service_fn(echo)));
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
        assert_eq!(mark(&response).map(Rejection::reason), would, "{name}");
        let mark = response.extensions().get::<Rejection>();
        assert_eq!(mark.map(Rejection::reason), is, "{name}");
    }
    assert_eq!(log.lock().unwrap().len(), 3);
}

#[cfg(feature = "rfc2774")]
#[tokio::test]
async fn mandatory_requests_are_forwarded_unchanged() {
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
        assert_eq!(
            mark(&response).map(Rejection::reason),
            reason,
            "{name} {man:?}"
        );
    }
}

proptest! {
    /// The mark is there if and only if the same layer would reject, and it is the same rejection.
    #[test]
    fn the_mark_is_the_rejection_that_the_layer_would_make(
        policy in policies(),
        answers_options in any::<bool>(),
        name in any_method(),
        uri in uris(),
    ) {
        let layer = MethodPolicyLayer::new(policy).answer_options(answers_options);
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
        prop_assert_eq!(reported.status(), StatusCode::OK);
        let mark = mark(&reported);
        prop_assert_eq!(mark.is_some(), rejection.is_some());
        if let (Some(mark), Some(rejection)) = (mark, rejection) {
            prop_assert_eq!(mark.reason(), rejection.reason());
            prop_assert_eq!(mark.allow(), rejection.allow());
            prop_assert_eq!(mark.rule(), rejection.rule());
            prop_assert!(rejection.is_enforced() && !mark.is_enforced());
        }
    }
}

/// The client sees only the inner service's response, which gets the upload.
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
