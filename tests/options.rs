//! `OPTIONS` requests that the policy answers itself (RFC 9110 §9.3.7), and those that it leaves to the
//! inner service.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_method_policy::{
    Allow, AnswerOptions, Drain, EmptyBody, MethodPolicyLayer, MethodSet, PlainText, Policy,
    ProblemDetails, Rejection, Respond,
};

fn policy() -> Policy {
    Policy::new()
        .allow([Method::POST, Method::OPTIONS])
        .route("/closed", [Method::PUT])
        .unwrap()
        .route(
            "/dav/{*path}",
            MethodSet::WEBDAV | MethodSet::from([Method::OPTIONS]),
        )
        .unwrap()
}

type Inner =
    ServiceFn<fn(Request<Full<Bytes>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>>>;

/// A service that answers nothing that the policy would.
fn inner() -> Inner {
    service_fn(|_| {
        let response = Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header("allow", "INNER");
        ready(Ok(response.body(Full::from("inner")).unwrap()))
    })
}

async fn ask<L>(layer: &L, request: http::request::Builder) -> Response<Full<Bytes>>
where
    L: Layer<Inner>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let request = request.body(Full::default()).unwrap();
    layer.layer(inner()).oneshot(request).await.unwrap()
}

fn options(target: &str) -> http::request::Builder {
    Request::options(target)
}

fn preflight(target: &str) -> http::request::Builder {
    options(target)
        .header("origin", "https://example.com")
        .header("access-control-request-method", "PUT")
}

fn answering() -> MethodPolicyLayer<EmptyBody, AnswerOptions> {
    MethodPolicyLayer::new(policy()).answer_options()
}

fn is_forwarded(response: &Response<Full<Bytes>>) -> bool {
    response.status() == StatusCode::IM_A_TEAPOT && response.headers()["allow"] == "INNER"
}

#[tokio::test]
async fn by_default_options_is_forwarded_where_it_is_allowed() {
    let layer = MethodPolicyLayer::new(policy());
    for target in ["/", "/dav/a", "*"] {
        assert!(
            is_forwarded(&ask(&layer, options(target)).await),
            "{target}"
        );
        let last = options(target).header("max-forwards", "0");
        assert!(is_forwarded(&ask(&layer, last).await), "{target}");
    }
}

#[tokio::test]
async fn the_answer_is_200_without_content_and_with_the_allow_of_the_target() {
    for (target, allow) in [
        ("/", "GET, HEAD, POST, OPTIONS"),
        (
            "/dav/a",
            "GET, HEAD, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, UNLOCK",
        ),
    ] {
        let response = ask(&answering(), options(target)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().len(), 2, "{:?}", response.headers());
        assert_eq!(response.headers()["allow"], allow);
        assert_eq!(response.headers()["content-length"], "0");
        assert!(response.extensions().get::<Rejection>().is_none());
        assert!(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn options_for_the_server_lists_what_is_allowed_anywhere() {
    let response = ask(&answering(), options("*")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["allow"],
        "GET, HEAD, POST, PUT, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, UNLOCK",
    );
}

/// The server is asked about itself, not about a resource.
#[tokio::test]
async fn options_for_the_server_is_answered_even_if_no_path_allows_it() {
    let policy = Policy::new()
        .allow([Method::POST])
        .route("/a", [Method::PUT])
        .unwrap();
    let layer = MethodPolicyLayer::new(policy).answer_options();
    let response = ask(&layer, options("*")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["allow"], "GET, HEAD, POST, PUT");
}

#[tokio::test]
async fn where_options_is_not_allowed_it_is_rejected() {
    for request in [
        options("/closed"),
        preflight("/closed"),
        options("/closed").header("max-forwards", "0"),
    ] {
        let response = ask(&answering(), request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET, HEAD, PUT");
        assert!(response.extensions().get::<Rejection>().is_some());
    }
}

#[tokio::test]
async fn where_options_is_not_even_recognised_it_is_not_implemented() {
    let policy = Policy::new().recognize_only([]).allow([Method::POST]);
    let layer = MethodPolicyLayer::new(policy).answer_options();
    assert_eq!(
        ask(&layer, options("/")).await.status(),
        StatusCode::NOT_IMPLEMENTED
    );
    assert_eq!(ask(&layer, options("*")).await.status(), StatusCode::OK);
}

/// What such a target allows is not known here, and what is not known is not said.
#[tokio::test]
async fn where_no_rule_speaks_options_is_not_answered() {
    let layer = MethodPolicyLayer::default().answer_options();
    for target in ["/", "/missing", "*"] {
        let response = ask(&layer, options(target)).await;
        assert!(is_forwarded(&response), "{target}");
    }

    let policy = Policy::new().route("/a", [Method::OPTIONS]).unwrap();
    let layer = MethodPolicyLayer::new(policy).answer_options();
    assert!(is_forwarded(&ask(&layer, options("/")).await));
    for target in ["/a", "*"] {
        let response = ask(&layer, options(target)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS");
    }

    // Where it is not even recognised, nothing implements it.
    let policy = Policy::new().recognize_only([Method::POST]);
    let layer = MethodPolicyLayer::new(policy).answer_options();
    for target in ["/", "*"] {
        let response = ask(&layer, options(target)).await;
        assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED, "{target}");
    }
}

/// `GET` and `HEAD` are in it only where a rule says so.
#[tokio::test]
async fn the_answer_lists_what_rules_list() {
    let login = Allow::exactly([Method::POST, Method::OPTIONS]);
    let policy = Policy::new().route("/login", login).unwrap();
    let layer = MethodPolicyLayer::new(policy).answer_options();
    for target in ["/login", "*"] {
        let response = ask(&layer, options(target)).await;
        assert_eq!(response.headers()["allow"], "POST, OPTIONS", "{target}");
    }
}

#[tokio::test]
async fn other_methods_are_not_answered() {
    for method in ["GET", "HEAD", "POST"] {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("max-forwards", "0");
        assert!(is_forwarded(&ask(&answering(), request).await), "{method}");
    }
    let lower_case = Request::builder().method("options").uri("/");
    assert_eq!(
        ask(&answering(), lower_case).await.status(),
        StatusCode::NOT_IMPLEMENTED
    );
}

/// Fetch: a preflight is `OPTIONS` with both fields.
#[tokio::test]
async fn a_cors_preflight_is_left_to_the_inner_service() {
    for target in ["/", "/dav/a", "*"] {
        assert!(
            is_forwarded(&ask(&answering(), preflight(target)).await),
            "{target}"
        );
    }
    for header in ["origin", "access-control-request-method"] {
        let half = options("/").header(header, "PUT");
        assert_eq!(
            ask(&answering(), half).await.status(),
            StatusCode::OK,
            "{header}"
        );
    }
}

/// RFC 9110 §7.6.2: with a value of zero "the intermediary MUST NOT forward the request".
#[tokio::test]
async fn max_forwards_zero_is_answered_where_options_would_be_forwarded() {
    for value in ["0", "00", " 0 "] {
        let response = ask(&answering(), preflight("/").header("max-forwards", value)).await;
        assert_eq!(response.status(), StatusCode::OK, "{value:?}");
        assert_eq!(response.headers()["allow"], "GET, HEAD, POST, OPTIONS");
    }
    for value in ["1", "10", "", "-0", "+0", "zero", "99999999999999999999"] {
        let response = ask(&answering(), preflight("/").header("max-forwards", value)).await;
        assert!(is_forwarded(&response), "{value:?}");
    }
}

#[tokio::test]
async fn a_rule_can_add_header_fields_to_the_answer() {
    let header = |name, value| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let rule = |methods: MethodSet, headers: &[(HeaderName, HeaderValue)]| {
        headers
            .iter()
            .fold(Allow::new(methods), |rule, (name, value)| {
                rule.options_header(name.clone(), value.clone())
            })
    };
    let site = rule(
        [Method::OPTIONS, Method::PATCH].into(),
        &[header("accept-patch", "application/json-patch+json")],
    );
    let dav = rule(
        MethodSet::WEBDAV | [Method::OPTIONS].into(),
        // What the policy says cannot be overridden.
        &[
            header("dav", "1"),
            header("dav", "2"),
            header("allow", "X"),
            header("content-length", "9"),
        ],
    );
    let policy = Policy::new()
        .allow(site)
        .route("/dav/{*path}", dav)
        .unwrap();
    let layer = MethodPolicyLayer::new(policy).answer_options();

    let response = ask(&layer, options("/dav/a")).await;
    let dav: Vec<_> = response.headers().get_all("dav").iter().collect();
    assert_eq!(dav, ["1", "2"]);
    let allow: Vec<_> = response.headers().get_all("allow").iter().collect();
    assert_eq!(
        allow,
        ["GET, HEAD, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, UNLOCK"]
    );
    let length: Vec<_> = response
        .headers()
        .get_all("content-length")
        .iter()
        .collect();
    assert_eq!(length, ["0"]);
    assert!(!response.headers().contains_key("accept-patch"));

    // The server as a whole is described by the default rule.
    for target in ["/", "*"] {
        let response = ask(&layer, options(target)).await;
        assert_eq!(
            response.headers()["accept-patch"],
            "application/json-patch+json"
        );
        assert!(!response.headers().contains_key("dav"));
    }

    // They are on no other response.
    let response = ask(&layer, Request::delete("/")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!response.headers().contains_key("accept-patch"));
}

#[tokio::test]
async fn rules_given_one_after_the_other_keep_each_others_fields() {
    let rule = |method, name, value| {
        Allow::new([method])
            .options_header(HeaderName::from_static(name), HeaderValue::from_static("1"))
            .options_header(
                HeaderName::from_static("both"),
                HeaderValue::from_static(value),
            )
    };
    let policy = Policy::new()
        .allow(rule(Method::OPTIONS, "a", "1"))
        .allow(rule(Method::PUT, "b", "2"));
    let response = ask(
        &MethodPolicyLayer::new(policy).answer_options(),
        options("/"),
    )
    .await;
    assert_eq!(response.headers()["allow"], "GET, HEAD, PUT, OPTIONS");
    assert_eq!(
        (&response.headers()["a"], &response.headers()["b"]),
        (&"1".parse().unwrap(), &"1".parse().unwrap())
    );
    let both: Vec<_> = response.headers().get_all("both").iter().collect();
    assert_eq!(both, ["1", "2"]);
}

/// An answer is no rejection.
#[tokio::test]
async fn observers_and_rejection_fields_have_nothing_to_do_with_the_answer() {
    let observed = Arc::new(AtomicBool::new(false));
    let observer = observed.clone();
    let layer = answering()
        .on_rejection(move |_, _| observer.store(true, Ordering::Relaxed))
        .cache_control(HeaderValue::from_static("no-store"));
    let response = ask(&layer, options("/")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("cache-control"));
    assert!(!observed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn the_body_is_empty_whatever_the_responder_is() {
    async fn body_of<R>(layer: MethodPolicyLayer<R, AnswerOptions>) -> Bytes
    where
        R: Respond<Full<Bytes>> + Clone,
    {
        let response = ask(&layer, options("/")).await;
        assert_eq!(response.headers().len(), 2);
        response.into_body().collect().await.unwrap().to_bytes()
    }
    assert_eq!(body_of(answering().respond_with(PlainText)).await, "");
    assert_eq!(body_of(answering().respond_with(ProblemDetails)).await, "");
    assert_eq!(
        body_of(answering().respond_with(tower_method_policy::GrpcStatus)).await,
        ""
    );
    let closure = |_: &_, _: &_| Response::new(Full::from("rejected"));
    assert_eq!(body_of(answering().respond_with(closure)).await, "");
}

/// A body that comes with `OPTIONS` is treated as that of a rejected request.
#[tokio::test]
async fn an_unread_body_closes_the_connection() {
    let layer = answering().drain(Drain::default().bytes(3));
    let service = layer.layer(inner());
    for (body, closes) in [("abc", false), ("abcd", true)] {
        let request = options("/").body(Full::from(body)).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers().contains_key("connection"),
            closes,
            "{body}"
        );
    }
}

/// As many as a header map holds, no more.
#[test]
fn a_rule_can_have_as_many_fields_as_a_header_map() {
    let name = |n: usize| HeaderName::try_from(format!("x-{n}")).unwrap();
    let value = HeaderValue::from_static("1");
    let allow = (0..24_000).fold(Allow::new(Method::OPTIONS), |allow, n| {
        allow.options_header(name(n), value.clone())
    });
    let one_too_many = move || {
        (24_000..25_000).fold(allow, |allow, n| {
            allow.options_header(name(n), value.clone())
        })
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(one_too_many)).is_err());
}
