//! What a rejection carries: status, header section, extensions, and body; which of them the policy, the
//! layer, and the responder set; what observers see.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
};
use http_body_util::{BodyExt, Full};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_method_policy::{
    BodyDrain, EmptyBody, MethodPolicyLayer, PlainText, Policy, ProblemDetails, Reason, Rejection,
    Respond, RetryAfter, RuleKind, method_excerpt,
};

use crate::support::strategies::{TCHARS, block_on, method, set};

type Body = Full<Bytes>;

/// Lists `GET` and `POST`: `DELETE` is rejected with 405 and `FOO` with 501.
fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
}

fn request(name: &str) -> Request<Body> {
    let mut request = Request::new(Body::from("content"));
    *request.method_mut() = method(name);
    request
}

/// The rejection of `request`.
async fn reject<R>(layer: &MethodPolicyLayer<R>, request: Request<Body>) -> Response<Body>
where
    R: Respond<Body> + Clone,
{
    let inner = service_fn(async |request: Request<Body>| -> Result<_, Infallible> {
        panic!("{request:?} reached the inner service")
    });
    let response = layer.layer(inner).oneshot(request).await;
    response.unwrap_or_else(|never| match never {})
}

async fn content(response: Response<Body>) -> String {
    let Ok(content) = response.into_body().collect().await;
    String::from_utf8(content.to_bytes().into()).expect("text")
}

/// The fields of a response, in their order.
fn fields(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let fields = headers.iter();
    fields
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .collect()
}

fn values<'a>(response: &'a Response<Body>, name: &HeaderName) -> Vec<&'a str> {
    let values = response.headers().get_all(name).into_iter();
    values.map(|value| value.to_str().expect("text")).collect()
}

// The defaults.

#[tokio::test]
async fn a_405_carries_allow_and_nothing_else() {
    let response = reject(&layer(), request("DELETE")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(fields(response.headers()), [("allow", "GET, HEAD, POST")]);
    assert_eq!(response.extensions().len(), 1);
    assert_eq!(content(response).await, "");
}

/// RFC 9110 §10.2.1: `Allow` describes the target resource, a 501 the whole server.
#[tokio::test]
async fn a_501_carries_no_field_at_all() {
    let response = reject(&layer(), request("FOO")).await;
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(fields(response.headers()), []);
    assert_eq!(response.extensions().len(), 1);
    assert_eq!(content(response).await, "");
}

#[tokio::test]
async fn allow_has_the_methods_of_the_rule_at_the_target() {
    let policy = Policy::new()
        .fallback([Method::GET, Method::POST])
        .route("/a/b", set("GET PUT QUERY FOO"))
        .unwrap()
        .route("/login", [Method::POST])
        .unwrap()
        .subtree("/closed", [])
        .unwrap();
    let layer = MethodPolicyLayer::new(policy);
    for (uri, expected) in [
        ("/a/b", "GET, HEAD, PUT, QUERY, FOO"),
        ("http://example.com/a/b?c", "GET, HEAD, PUT, QUERY, FOO"),
        ("/login", "POST"),
        // RFC 9110 §10.2.1: "An empty Allow field value indicates that the resource allows no
        // methods".
        ("/closed", ""),
        ("/closed/", ""),
        ("/closed/a/b", ""),
        ("/a", "GET, HEAD, POST"),
        ("*", "GET, HEAD, POST"),
        ("example.com:443", "GET, HEAD, POST"),
    ] {
        let mut request = request("TRACE");
        *request.uri_mut() = uri.parse().unwrap();
        let response = reject(&layer, request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(values(&response, &ALLOW), [expected], "{uri}");
    }
}

#[tokio::test]
async fn the_mark_in_the_extensions_says_why() {
    let policy = Policy::new()
        .fallback([Method::GET])
        .route("/users/{id}", [Method::PUT])
        .unwrap()
        .subtree("/dav", [])
        .unwrap();
    for (answer_options, target, kind, pattern, methods, allow, text) in [
        (
            false,
            "/",
            RuleKind::Fallback,
            None,
            "GET, HEAD",
            "GET, HEAD",
            "fallback",
        ),
        (
            false,
            "/users/7",
            RuleKind::Route,
            Some("/users/{id}"),
            "PUT",
            "PUT",
            "route /users/{id}",
        ),
        (
            false,
            "/dav/a",
            RuleKind::Subtree,
            Some("/dav"),
            "",
            "",
            "subtree /dav",
        ),
        (
            true,
            "/",
            RuleKind::Fallback,
            None,
            "GET, HEAD",
            "GET, HEAD, OPTIONS",
            "fallback",
        ),
        (
            true,
            "/users/7",
            RuleKind::Route,
            Some("/users/{id}"),
            "PUT",
            "PUT, OPTIONS",
            "route /users/{id}",
        ),
        (
            true,
            "/dav/",
            RuleKind::Subtree,
            Some("/dav"),
            "",
            "OPTIONS",
            "subtree /dav",
        ),
    ] {
        let layer = MethodPolicyLayer::new(policy.clone()).answer_options(answer_options);
        let mut request = request("DELETE");
        *request.uri_mut() = target.parse().unwrap();
        let response = reject(&layer, request).await;
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.reason(), Reason::NotAllowed);
        assert_eq!(rejection.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(rejection.is_enforced());
        // Exactly the field.
        assert_eq!(rejection.allow().unwrap().to_string(), allow);
        assert_eq!(values(&response, &ALLOW), [allow]);
        // The rule is as it was written, without the `OPTIONS` of the layer.
        let rule = rejection.rule().unwrap();
        assert_eq!((rule.kind(), rule.pattern()), (kind, pattern));
        assert_eq!(rule.methods().to_string(), methods);
        assert_eq!(
            rejection.to_string(),
            format!("405 Method Not Allowed by {text}")
        );
    }

    let response = reject(&layer(), request("FOO")).await;
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.reason(), Reason::NotImplemented);
    assert_eq!(rejection.status(), StatusCode::NOT_IMPLEMENTED);
    assert!(rejection.is_enforced());
    assert_eq!(rejection.allow(), None);
    assert_eq!(rejection.rule(), None);
    assert_eq!(rejection.to_string(), "501 Not Implemented");
    assert_eq!(*rejection, Rejection::not_implemented());
}

#[test]
fn a_reason_has_a_status_and_a_name() {
    for (reason, status, name) in [
        (Reason::NotAllowed, 405, "not_allowed"),
        (Reason::NotImplemented, 501, "not_implemented"),
    ] {
        assert_eq!(reason.status(), status);
        assert_eq!(reason.as_str(), name);
        assert_eq!(reason.to_string(), name);
    }
}

/// Responders are unit-tested with rejections that no layer made.
#[tokio::test]
async fn a_rejection_of_a_constructor_is_that_of_a_fallback() {
    for (methods, allow) in [
        ("GET", "GET, HEAD"),
        ("POST", "POST"),
        ("", ""),
        ("OPTIONS FOO", "OPTIONS, FOO"),
    ] {
        let rejection = Rejection::not_allowed(set(methods));
        assert_eq!(rejection.allow().unwrap().to_string(), allow);
        assert!(rejection.is_enforced());
        let layer = MethodPolicyLayer::new(Policy::new().fallback(set(methods)));
        let response = reject(&layer, request("TRACE")).await;
        assert_eq!(response.extensions().get::<Rejection>(), Some(&rejection));
    }
    assert_ne!(Rejection::not_allowed([]), Rejection::not_implemented());
    assert_ne!(
        Rejection::not_allowed([]),
        Rejection::not_allowed([Method::POST])
    );
}

#[tokio::test]
async fn the_default_layer_rejects_methods_that_are_not_recognized() {
    let layer = MethodPolicyLayer::default();
    let response = reject(&layer, request("PROPFIND")).await;
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(values(&response, &ALLOW), [""; 0]);
}

// What a responder can set.

/// A responder that sets everything it can.
fn opinionated(_: &Rejection, _: &Parts) -> Response<Body> {
    Response::builder()
        .status(StatusCode::OK)
        .version(Version::HTTP_10)
        .header(ALLOW, "FOO")
        .header("x-first", "1")
        .header(ALLOW, "BAR")
        .header("x-second", "2")
        .header("x-first", "3")
        .header(RETRY_AFTER, "7")
        .header(CACHE_CONTROL, "private")
        .header(CACHE_CONTROL, "max-age=1")
        .header("content-length", "4")
        .extension("the responder's")
        .body(Body::from("body"))
        .expect("valid")
}

#[tokio::test]
async fn a_responder_sets_everything_but_status_and_allow() {
    let configured = layer()
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("no-store"));
    for layer in [layer(), configured] {
        let layer = layer.respond_with(opinionated);
        for (name, status, allow) in [
            (
                "DELETE",
                StatusCode::METHOD_NOT_ALLOWED,
                vec!["GET, HEAD, POST"],
            ),
            ("FOO", StatusCode::NOT_IMPLEMENTED, vec![]),
        ] {
            let response = reject(&layer, request(name)).await;
            assert_eq!(response.status(), status);
            assert_eq!(values(&response, &ALLOW), allow);

            assert_eq!(response.version(), Version::HTTP_10);
            let mut headers = response.headers().clone();
            headers.remove(ALLOW);
            let mut fields = fields(&headers);
            fields.sort_by_key(|(name, _)| *name);
            assert_eq!(
                fields,
                [
                    ("cache-control", "private"),
                    ("cache-control", "max-age=1"),
                    ("content-length", "4"),
                    ("retry-after", "7"),
                    ("x-first", "1"),
                    ("x-first", "3"),
                    ("x-second", "2"),
                ]
            );
            assert_eq!(response.extensions().get(), Some(&"the responder's"));
            assert!(response.extensions().get::<Rejection>().is_some());
            assert_eq!(content(response).await, "body");
        }
    }
}

#[tokio::test]
async fn retry_after_is_sent_with_501_and_cache_control_with_both() {
    let layer = layer()
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("max-age=10"));

    let response = reject(&layer, request("DELETE")).await;
    assert_eq!(values(&response, &RETRY_AFTER), [""; 0]);
    assert_eq!(values(&response, &CACHE_CONTROL), ["max-age=10"]);
    assert_eq!(response.headers().len(), 2);

    let response = reject(&layer, request("FOO")).await;
    assert_eq!(values(&response, &RETRY_AFTER), ["60"]);
    assert_eq!(values(&response, &CACHE_CONTROL), ["max-age=10"]);
    assert_eq!(response.headers().len(), 2);
}

#[tokio::test]
async fn a_responder_that_sets_one_field_leaves_the_other_to_the_layer() {
    let layer = layer()
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("max-age=10"));
    for (name, retry_after, cache_control) in [
        (RETRY_AFTER, "own", "max-age=10"),
        (CACHE_CONTROL, "60", "own"),
    ] {
        let layer = layer.clone().respond_with_fn(move |_, _| {
            let mut response = Response::<Body>::default();
            response
                .headers_mut()
                .insert(name.clone(), HeaderValue::from_static("own"));
            response
        });
        let response = reject(&layer, request("FOO")).await;
        assert_eq!(values(&response, &RETRY_AFTER), [retry_after]);
        assert_eq!(values(&response, &CACHE_CONTROL), [cache_control]);
    }
}

#[tokio::test]
async fn the_last_call_of_a_setting_wins() {
    let layer = layer()
        .retry_after(RetryAfter::after(Duration::from_secs(1)))
        .retry_after(RetryAfter::after(Duration::from_secs(2)))
        .cache_control(HeaderValue::from_static("no-store"))
        .cache_control(HeaderValue::from_static("no-cache"));
    let response = reject(&layer, request("FOO")).await;
    assert_eq!(values(&response, &RETRY_AFTER), ["2"]);
    assert_eq!(values(&response, &CACHE_CONTROL), ["no-cache"]);
}

#[tokio::test]
async fn changing_a_copy_of_a_layer_does_not_change_the_original() {
    let original = layer();
    let changed = original
        .clone()
        .cache_control(HeaderValue::from_static("no-store"))
        .on_rejection(|_, _| {});
    let response = reject(&original, request("FOO")).await;
    assert_eq!(fields(response.headers()), []);
    let response = reject(&changed, request("FOO")).await;
    assert_eq!(fields(response.headers()), [("cache-control", "no-store")]);
    assert_eq!(
        original
            .policy()
            .rule_at("/")
            .unwrap()
            .methods()
            .to_string(),
        "GET, HEAD, POST"
    );
}

/// The map of the request's extensions is reused for the mark.
#[tokio::test]
async fn extensions_of_the_request_do_not_leak_into_the_response() {
    #[derive(Clone)]
    struct Peer;

    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET]));
    for method in ["PUT", "FOO"] {
        let mut request = request(method);
        request.extensions_mut().insert(Peer);
        request.extensions_mut().insert("secret");
        let response = reject(&layer, request).await;
        assert_eq!(response.extensions().len(), 1);
        assert!(response.extensions().get::<Rejection>().is_some());
    }
}

/// It goes into logs.
#[tokio::test]
async fn the_debug_text_of_a_rejection_is_bounded_and_has_nothing_of_the_request() {
    let shown = Arc::new(Mutex::new(String::new()));
    let log = shown.clone();
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET]))
        .on_rejection(move |rejection, _| *log.lock().unwrap() = format!("{rejection:?}"));
    let mut secret = request(&"X".repeat(70_000));
    let value = HeaderValue::from_static("Basic c2VjcmV0");
    secret.headers_mut().insert("authorization", value);
    reject(&layer, secret).await;
    assert_eq!(
        *shown.lock().unwrap(),
        "Rejection { reason: NotImplemented, is_enforced: true }"
    );

    reject(&layer, request("PUT")).await;
    assert_eq!(
        *shown.lock().unwrap(),
        "Rejection { reason: NotAllowed, allow: [GET, HEAD], rule: Rule { kind: Fallback, \
         pattern: None, methods: [GET, HEAD] }, is_enforced: true }"
    );
}

#[test]
fn a_layer_and_its_services_show_their_settings() {
    let layer = MethodPolicyLayer::new(Policy::new().recognize_only([]))
        .cache_control(HeaderValue::from_static("no-store"))
        .on_rejection(|_, _| {})
        .respond_with(PlainText);
    let configuration = format!(
        "policy: Policy {{ recognized: [GET, HEAD], fallback: None, paths: {{}} }}, \
         answer_options: false, {}retry_after: None, cache_control: Some(\"no-store\"), \
         observers: 1, report_only: false, body_drain: {:?}, responder: ",
        if cfg!(feature = "rfc2774") {
            "mandatory_extensions: None, "
        } else {
            ""
        },
        BodyDrain::default(),
    );
    let shown = format!("{layer:?}");
    assert!(
        shown.starts_with(&format!("MethodPolicyLayer {{ {configuration}")),
        "{shown}"
    );
    assert!(shown.ends_with("PlainText }"), "{shown}");
    let shown = format!("{:?}", layer.layer("inner"));
    assert!(
        shown.starts_with(&format!(
            "MethodPolicy {{ inner: \"inner\", {configuration}"
        )),
        "{shown}"
    );
}

// Nothing of the request gets into the response.

/// A field of a request. The server may have marked its value as sensitive.
fn field() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let names = prop_oneof![
        select(vec![
            "allow",
            "retry-after",
            "cache-control",
            "cookie",
            "content-type"
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,2}",
        "x-[a-z]{1,60}",
    ];
    (names, "[ -~]{0,40}", any::<bool>()).prop_map(|(name, value, sensitive)| {
        let name = name.parse().expect("a token");
        let mut value: HeaderValue = value.parse().expect("a field value");
        value.set_sensitive(sensitive);
        (name, value)
    })
}

proptest! {
    #[test]
    fn no_field_of_the_request_gets_into_the_response(
        name in select(vec!["DELETE", "FOO"]),
        fields in prop_oneof![4 => vec(field(), 0..=8), 1 => vec(field(), 100..=300)],
        retry_after in any::<bool>(),
        cache_control in any::<bool>(),
    ) {
        let mut layer = layer();
        let mut expected = HeaderMap::new();
        if name == "DELETE" {
            expected.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
        }
        if retry_after {
            layer = layer.retry_after(RetryAfter::after(Duration::from_secs(60)));
            if name == "FOO" {
                expected.insert(RETRY_AFTER, HeaderValue::from_static("60"));
            }
        }
        if cache_control {
            layer = layer.cache_control(HeaderValue::from_static("no-store"));
            expected.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }

        let mut request = request(name);
        request.extensions_mut().insert("the request's");
        for (name, value) in &fields {
            request.headers_mut().append(name, value.clone());
        }

        let mut response = block_on(reject(&layer, request));
        prop_assert_eq!(response.headers(), &expected);
        prop_assert_eq!(response.headers().iter().count(), expected.len());
        prop_assert!(response.headers().values().all(|value| !value.is_sensitive()));
        prop_assert_eq!(response.extensions().get::<&str>(), None);

        // A field that an outer layer adds is alone, even if the request had one of that name.
        for (name, _) in &fields {
            response.headers_mut().remove(name);
            response.headers_mut().append(name, HeaderValue::from_static("outer"));
            prop_assert_eq!(values(&response, name), ["outer"]);
        }
    }
}

// Observers.

/// Everything that observers and responders see of a request.
fn describe(rejection: &Rejection, request: &Parts) -> String {
    format!(
        "{:?} {} {:?} {} {} {:?} {:?} {:?}",
        rejection.reason(),
        rejection.status().as_u16(),
        rejection.allow(),
        request.method,
        request.uri,
        request.version,
        fields(&request.headers),
        request.extensions.get::<&str>(),
    )
}

#[tokio::test]
async fn observers_are_called_in_order_before_the_responder_with_the_whole_request() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |who: &'static str| {
        let log = log.clone();
        move |rejection: &Rejection, request: &Parts| {
            log.lock()
                .unwrap()
                .push(format!("{who}: {}", describe(rejection, request)));
        }
    };
    let respond = note("responder");
    let layer = layer()
        .on_rejection(note("first"))
        .respond_with_fn(move |rejection, request| {
            respond(rejection, request);
            Response::<Body>::default()
        })
        .on_rejection(note("second"));

    for (name, expected) in [
        (
            "DELETE",
            "NotAllowed 405 Some([GET, HEAD, POST]) DELETE http://example.com/a?b HTTP/2.0 \
             [(\"x-a\", \"1\"), (\"x-a\", \"2\"), (\"x-b\", \"3\")] Some(\"peer\")",
        ),
        (
            "FOO",
            "NotImplemented 501 None FOO http://example.com/a?b HTTP/2.0 \
             [(\"x-a\", \"1\"), (\"x-a\", \"2\"), (\"x-b\", \"3\")] Some(\"peer\")",
        ),
    ] {
        let request = Request::builder()
            .method(name)
            .uri("http://example.com/a?b")
            .version(Version::HTTP_2)
            .header("x-a", "1")
            .header("x-a", "2")
            .header("x-b", "3")
            .extension("peer")
            .body(Body::default())
            .unwrap();
        reject(&layer, request).await;
        let expected = ["first", "second", "responder"].map(|who| format!("{who}: {expected}"));
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), expected);
    }
}

#[tokio::test]
async fn observers_are_not_called_for_forwarded_requests() {
    let observed = Arc::new(Mutex::new(Vec::new()));
    let log = observed.clone();
    let layer = layer().on_rejection(move |_, request| {
        log.lock().unwrap().push(request.method.clone());
    });
    let mut service = layer.layer(service_fn(async |_: Request<Body>| {
        // The policy does not observe a rejection of the inner service.
        let rejection = Response::builder().status(StatusCode::METHOD_NOT_ALLOWED);
        rejection.body(Body::default())
    }));
    for name in ["GET", "HEAD", "POST", "DELETE", "GET", "FOO", "POST", "FOO"] {
        service
            .ready()
            .await
            .unwrap()
            .call(request(name))
            .await
            .unwrap();
    }
    assert_eq!(*observed.lock().unwrap(), ["DELETE", "FOO", "FOO"]);
}

/// The client may go away before it is answered.
#[tokio::test]
async fn a_rejection_whose_response_nobody_awaits_is_observed() {
    let observed = Arc::new(Mutex::new(0));
    let count = observed.clone();
    let layer = layer().on_rejection(move |_, _| *count.lock().unwrap() += 1);
    let mut service = layer.layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::<Body>::default())
    }));
    drop(service.ready().await.unwrap().call(request("FOO")));
    assert_eq!(*observed.lock().unwrap(), 1);
}

/// hyper accepts every method that fits into its buffer. A log line has to be bounded.
#[tokio::test]
async fn an_excerpt_of_the_method_is_at_most_64_bytes() {
    let layer = layer().respond_with_fn(|_, request| {
        let excerpt = method_excerpt(&request.method);
        assert_eq!(format!("{excerpt:?}"), excerpt.to_string());
        Response::new(Body::from(excerpt.to_string()))
    });
    for length in [1, 3, 15, 16, 63, 64, 65, 66, 128, 70_000] {
        let name = "x".repeat(length);
        let excerpt = content(reject(&layer, request(&name)).await).await;
        if length <= 64 {
            assert_eq!(excerpt, name);
        } else {
            assert_eq!(excerpt, format!("{}…", "x".repeat(64)));
        }
    }
}

// `Retry-After`.

/// The values of the field in a 501 of a layer with `retry_after`.
async fn sent(retry_after: RetryAfter) -> Vec<String> {
    let response = reject(&layer().retry_after(retry_after), request("FOO")).await;
    let values = values(&response, &RETRY_AFTER).into_iter();
    values.map(str::to_owned).collect()
}

/// RFC 9110 §10.2.3: `delay-seconds = 1*DIGIT`. Rounded down, the client would come back too early.
#[tokio::test]
async fn a_delay_is_sent_in_whole_seconds_rounded_up() {
    for (delay, expected) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1), "1"),
        (Duration::from_millis(999), "1"),
        (Duration::from_secs(1), "1"),
        (Duration::new(1, 1), "2"),
        (Duration::from_secs(3600), "3600"),
        (Duration::new(u64::MAX - 1, 1), "18446744073709551615"),
        (Duration::from_secs(u64::MAX), "18446744073709551615"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        assert_eq!(sent(RetryAfter::after(delay)).await, [expected]);
    }
}

/// The shortest time that the system's clock can tell, in nanoseconds.
const TICK: u32 = if cfg!(windows) { 100 } else { 1 };

/// RFC 9110 §5.6.7: `IMF-fixdate = day-name "," SP date1 SP time-of-day SP GMT`.
#[tokio::test]
async fn a_time_is_sent_as_an_imf_fixdate_rounded_up() {
    let last_of_9999 = 253_402_300_799;
    for (seconds, nanoseconds, expected) in [
        (4_102_444_800, 0, "Fri, 01 Jan 2100 00:00:00 GMT"),
        (
            4_102_444_799,
            1_000_000_000 - TICK,
            "Fri, 01 Jan 2100 00:00:00 GMT",
        ),
        (4_102_444_799, TICK, "Fri, 01 Jan 2100 00:00:00 GMT"),
        (4_102_444_799, 0, "Thu, 31 Dec 2099 23:59:59 GMT"),
        (4_107_542_399, 0, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_399, 5 * TICK, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (13_574_606_400, 0, "Tue, 29 Feb 2400 12:00:00 GMT"),
        // The format has four digits for the year.
        (last_of_9999 - 1, TICK, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (last_of_9999, 0, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (last_of_9999, TICK, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (last_of_9999 + 1, 0, "Fri, 31 Dec 9999 23:59:59 GMT"),
        // Windows' clock ends in the year 30828.
        (900_000_000_000, 0, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        assert_eq!(sent(RetryAfter::at(time)).await, [expected]);
    }
}

proptest! {
    #[test]
    fn a_time_in_the_future_is_read_back_rounded_up(
        seconds in 4_102_444_800..253_402_300_799_u64,
        nanoseconds in prop_oneof![Just(0), (1..1_000_000_000 / TICK).prop_map(|ticks| ticks * TICK)],
    ) {
        let epoch = SystemTime::UNIX_EPOCH;
        let values = block_on(sent(RetryAfter::at(epoch + Duration::new(seconds, nanoseconds))));
        prop_assert_eq!(values.len(), 1);
        let read = httpdate::parse_http_date(&values[0])?;
        prop_assert_eq!(read, epoch + Duration::from_secs(seconds + u64::from(nanoseconds > 0)));
        // A recipient reads three formats, a sender uses only this one.
        prop_assert_eq!(values[0].len(), "Fri, 01 Jan 2100 00:00:00 GMT".len());
        prop_assert!(values[0].ends_with(" GMT"));
    }
}

#[tokio::test]
async fn a_time_in_the_past_is_not_sent() {
    let epoch = SystemTime::UNIX_EPOCH;
    for past in [
        SystemTime::now() - Duration::from_secs(1),
        epoch + Duration::from_secs(946_684_800),
        epoch + Duration::from_nanos(1),
        epoch,
        epoch - Duration::from_nanos(1),
        epoch - Duration::from_secs(1_000_000_000),
    ] {
        assert_eq!(sent(RetryAfter::at(past)).await, [""; 0]);
    }

    // The other fields are as without it.
    let layer = layer()
        .retry_after(RetryAfter::at(epoch))
        .cache_control(HeaderValue::from_static("no-store"));
    let response = reject(&layer, request("FOO")).await;
    assert_eq!(fields(response.headers()), [("cache-control", "no-store")]);
    let response = reject(&layer.respond_with(opinionated), request("FOO")).await;
    assert_eq!(values(&response, &RETRY_AFTER), ["7"]);
}

/// The field is sent until then, and never after.
#[tokio::test]
async fn a_time_is_sent_until_it_is_past() {
    let given_up = Instant::now() + Duration::from_secs(60);
    let now = || {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since_epoch.expect("a clock that is set")
    };
    // Rounded up, it is at most a second away.
    let time = now();
    let named = Duration::from_secs(time.as_secs() + 1);
    let layer = layer().retry_after(RetryAfter::at(SystemTime::UNIX_EPOCH + time));
    loop {
        let before = now();
        let response = reject(&layer, request("FOO")).await;
        if response.headers().contains_key(RETRY_AFTER) {
            assert!(before < named);
            assert!(Instant::now() < given_up);
        } else {
            assert!(now() >= named);
            break;
        }
    }
}

// The responders.

#[tokio::test]
async fn plain_text_is_a_sentence() {
    let layer = layer().respond_with(PlainText);
    let long = "x".repeat(70_000);
    let cut = format!(
        "This server does not implement the method {}….\n",
        "x".repeat(64)
    );
    for (name, expected) in [
        (
            "DELETE",
            "The method DELETE is not allowed here. Allowed: GET, HEAD, POST.\n",
        ),
        ("FOO", "This server does not implement the method FOO.\n"),
        ("get", "This server does not implement the method get.\n"),
        (&long, &cut),
    ] {
        let response = reject(&layer, request(name)).await;
        assert_eq!(
            values(&response, &CONTENT_TYPE),
            ["text/plain; charset=utf-8"]
        );
        assert_eq!(content(response).await, expected);
    }
}

/// A rule may list nothing, and a layer that answers `OPTIONS` lists that.
#[tokio::test]
async fn a_rule_without_methods_makes_no_empty_name() {
    let empty = Policy::new().fallback([]);
    let subtree = Policy::new().subtree("/", []);
    assert!(subtree.is_err());
    let route = Policy::new().route("/", []).unwrap();
    for policy in [empty, route] {
        for (answer_options, sentence, allow) in [
            (false, "The method DELETE is not allowed here.\n", json!([])),
            (
                true,
                "The method DELETE is not allowed here. Allowed: OPTIONS.\n",
                json!(["OPTIONS"]),
            ),
        ] {
            let layer = MethodPolicyLayer::new(policy.clone()).answer_options(answer_options);
            let text = reject(&layer.clone().respond_with(PlainText), request("DELETE")).await;
            assert_eq!(content(text).await, sentence);
            let details = reject(&layer.respond_with(ProblemDetails), request("DELETE")).await;
            let details: Value = serde_json::from_str(&content(details).await).unwrap();
            assert_eq!(details["allow"], allow);
        }
    }
}

/// RFC 9457 §3.1 and §4.2.1.
#[tokio::test]
async fn problem_details_repeat_status_and_allow_of_the_response() {
    let layer = layer().respond_with(ProblemDetails);
    for (name, expected) in [
        (
            "DELETE",
            r#"{"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"The method DELETE is not allowed here.","allow":["GET","HEAD","POST"]}"#,
        ),
        (
            "FOO",
            r#"{"type":"about:blank","title":"Not Implemented","status":501,"detail":"This server does not implement the method FOO."}"#,
        ),
    ] {
        let response = reject(&layer, request(name)).await;
        assert_eq!(
            values(&response, &CONTENT_TYPE),
            ["application/problem+json"]
        );
        // The final newline is for terminals.
        assert_eq!(content(response).await, format!("{expected}\n"));
    }
}

/// No character of a token (RFC 9110 §5.6.2) needs escaping in a JSON string (RFC 8259 §7).
#[tokio::test]
async fn problem_details_are_json_for_every_method() {
    let mut names: Vec<_> = TCHARS.chars().map(String::from).collect();
    names.retain(|name| name != "*");
    names.push(TCHARS.to_owned());
    names.push("\'`%22".to_owned());
    names.push("x".repeat(64));
    names.push("x".repeat(65));
    names.push("x".repeat(70_000));

    for name in &names {
        let shown = match name.get(..64) {
            Some(start) if name.len() > 64 => format!("{start}…"),
            _ => name.clone(),
        };
        for (policy, detail) in [
            (
                Policy::new(),
                format!("This server does not implement the method {shown}."),
            ),
            (
                Policy::new()
                    .fallback([Method::GET])
                    .recognize([method(name)]),
                format!("The method {shown} is not allowed here."),
            ),
        ] {
            let layer = MethodPolicyLayer::new(policy).respond_with(ProblemDetails);
            let text = content(reject(&layer, request(name)).await).await;
            assert!(text.len() < 512, "{}", text.len());
            let json: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["detail"], detail);
        }

        // An allowed method is listed in full.
        let policy = Policy::new().fallback([Method::GET, method(name)]);
        let layer = MethodPolicyLayer::new(policy).respond_with(ProblemDetails);
        let text = content(reject(&layer, request("DELETE")).await).await;
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["allow"], json!(["GET", "HEAD", name]));
    }
}

/// A closure may look at everything.
#[tokio::test]
async fn a_closure_is_a_responder() {
    let layer = layer().respond_with_fn(|rejection, request| {
        let extensions: &Extensions = &request.extensions;
        let name = extensions.get::<&str>().unwrap_or(&"nobody");
        let text = format!("{}, {}: {rejection}", name, request.method);
        Response::new(Body::from(text))
    });
    let mut request = request("DELETE");
    request.extensions_mut().insert("peer");
    assert_eq!(
        content(reject(&layer, request).await).await,
        "peer, DELETE: 405 Method Not Allowed by fallback"
    );
}

// gRPC.

const GRPC: [&str; 12] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc+json",
    "application/grpc+thrift",
    "application/grpc;charset=utf-8",
    "application/grpc ; a=b",
    "APPLICATION/GRPC",
    "Application/gRPC+Proto",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// A gRPC call is a `POST`, which this layer rejects with 405 at `/` and, without `POST`, with 501.
fn grpc_layers() -> [(MethodPolicyLayer, Option<&'static str>); 3] {
    let get = Policy::new().fallback([Method::GET]);
    let none = Policy::new().recognize_only([]);
    [
        (MethodPolicyLayer::new(get.clone()), Some("GET, HEAD")),
        (
            MethodPolicyLayer::new(get).answer_options(true),
            Some("GET, HEAD, OPTIONS"),
        ),
        (MethodPolicyLayer::new(none), None),
    ]
}

fn with_content_type(name: &str, content_type: &[u8]) -> Request<Body> {
    let mut request = request(name);
    let value = HeaderValue::from_bytes(content_type).expect("a field value");
    request.headers_mut().insert(CONTENT_TYPE, value);
    request
}

/// Asserts that `response` is a "Trailers-Only" response with `UNIMPLEMENTED`.
async fn assert_unimplemented(
    response: Response<Body>,
    content_type: &str,
    allow: Option<&str>,
    other_fields: usize,
) {
    let status = if allow.is_some() { 405 } else { 501 };
    assert_eq!(response.status(), status);
    assert_eq!(values(&response, &CONTENT_TYPE), [content_type]);
    let status = HeaderName::from_static("grpc-status");
    assert_eq!(values(&response, &status), ["12"]);
    let message = HeaderName::from_static("grpc-message");
    let [message] = values(&response, &message)[..] else {
        panic!("one message");
    };
    assert!(!message.is_empty());
    // "Status-Message": printable ASCII without `%`, which would have to be encoded.
    assert!(
        message
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%')
    );
    assert_eq!(values(&response, &ALLOW), Vec::from_iter(allow));
    let fields = 3 + usize::from(allow.is_some()) + other_fields;
    assert_eq!(response.headers().len(), fields, "{:?}", response.headers());
    assert!(response.extensions().get::<Rejection>().is_some());
    assert_eq!(content(response).await, "");
}

/// gRPC over HTTP/2, "Responses": a client takes the code from `grpc-status`. One port often serves REST
/// and gRPC, so no responder has to be chosen for it.
#[tokio::test]
async fn a_grpc_call_gets_unimplemented_whatever_the_responder_is() {
    for (layer, allow) in grpc_layers() {
        for content_type in GRPC {
            let call = || with_content_type("POST", content_type.as_bytes());
            let response = reject(&layer, call()).await;
            assert_unimplemented(response, content_type, allow, 0).await;
            let response = reject(&layer.clone().respond_with(EmptyBody), call()).await;
            assert_unimplemented(response, content_type, allow, 0).await;
            let response = reject(&layer.clone().respond_with(PlainText), call()).await;
            assert_unimplemented(response, content_type, allow, 0).await;
            let response = reject(&layer.clone().respond_with(ProblemDetails), call()).await;
            assert_unimplemented(response, content_type, allow, 0).await;
            // The other fields of a responder stay. The length of its body does not.
            let closure = layer.clone().respond_with_fn(|_, _| {
                let response = Response::builder()
                    .header(CONTENT_TYPE, "text/html")
                    .header("content-length", "4")
                    .header("grpc-message", "not alone")
                    .header("x-request-id", "7");
                response.body(Body::from("body")).unwrap()
            });
            let response = reject(&closure, call()).await;
            assert_eq!(response.headers()["x-request-id"], "7");
            assert_unimplemented(response, content_type, allow, 1).await;
        }
    }
}

/// The client chooses the content type, so the response repeats only a short one.
#[tokio::test]
async fn a_long_content_type_of_a_grpc_call_is_not_repeated() {
    let start = "application/grpc+proto;a=";
    for (length, is_repeated) in [(25, true), (64, true), (65, false), (70_000, false)] {
        let content_type = format!("{start}{}", "b".repeat(length - start.len()));
        for (layer, allow) in grpc_layers() {
            let call = with_content_type("POST", content_type.as_bytes());
            let response = reject(&layer, call).await;
            let expected = if is_repeated {
                &content_type
            } else {
                "application/grpc"
            };
            assert_unimplemented(response, expected, allow, 0).await;
        }
    }
    // The server may have marked it.
    for (layer, _) in grpc_layers() {
        let mut call = with_content_type("POST", b"application/grpc");
        let content_type = call.headers_mut().get_mut(CONTENT_TYPE);
        content_type.unwrap().set_sensitive(true);
        let response = reject(&layer, call).await;
        assert!(!response.headers()[CONTENT_TYPE].is_sensitive());
    }
}

#[tokio::test]
async fn a_responder_that_sets_a_grpc_status_keeps_its_response() {
    for (layer, allow) in grpc_layers() {
        let layer = layer.respond_with_fn(|_, _| {
            let response = Response::builder()
                .header("grpc-status", "7")
                .header(CONTENT_TYPE, "application/grpc+own");
            response.body(Body::from("body")).unwrap()
        });
        let response = reject(&layer, with_content_type("POST", b"application/grpc")).await;
        assert_eq!(response.headers()["grpc-status"], "7");
        assert_eq!(values(&response, &CONTENT_TYPE), ["application/grpc+own"]);
        assert!(!response.headers().contains_key("grpc-message"));
        assert_eq!(values(&response, &ALLOW), Vec::from_iter(allow));
        assert_eq!(content(response).await, "body");
    }
}

#[tokio::test]
async fn configured_fields_are_sent_to_grpc_clients_too() {
    for (layer, allow) in grpc_layers() {
        let layer = layer
            .retry_after(RetryAfter::after(Duration::from_secs(60)))
            .cache_control(HeaderValue::from_static("no-store"));
        let call = with_content_type("POST", b"application/grpc");
        let response = reject(&layer, call).await;
        assert_eq!(values(&response, &CACHE_CONTROL), ["no-store"]);
        let retry_after = if allow.is_some() { vec![] } else { vec!["60"] };
        assert_eq!(values(&response, &RETRY_AFTER), retry_after);
        let others = 1 + retry_after.len();
        assert_unimplemented(response, "application/grpc", allow, others).await;
    }
}

#[tokio::test]
async fn a_request_that_is_not_a_grpc_call_gets_the_responder_s_response() {
    let content_types: [Option<&[u8]>; 11] = [
        None,
        Some(b""),
        Some(b"application/grp"),
        Some(b"application/json"),
        Some(b"text/grpc"),
        Some(b" application/grpc"),
        Some(b"application/ grpc"),
        Some(b"x-application/grpc"),
        Some(b"application/json; a=application/grpc"),
        Some(b"application/grp\xe7"),
        Some(b"application/connect+proto"),
    ];
    let calls = content_types.map(|content_type| match content_type {
        Some(content_type) => with_content_type("POST", content_type),
        None => request("POST"),
    });
    // Every gRPC call is a POST.
    let others = ["DELETE", "PUT", "FOO", "post", "POSTX"];
    let others = others.map(|name| with_content_type(name, b"application/grpc"));
    let accepts = {
        let mut request = request("POST");
        let value = HeaderValue::from_static("application/grpc");
        request.headers_mut().insert("accept", value);
        request
    };
    for request in calls.into_iter().chain(others).chain([accepts]) {
        for (layer, _) in grpc_layers() {
            let layer = layer.respond_with(PlainText);
            let (parts, body) = request.clone().into_parts();
            let response = reject(&layer, Request::from_parts(parts, body)).await;
            assert!(!response.headers().contains_key("grpc-status"));
            assert!(!response.headers().contains_key("grpc-message"));
            let content_type = values(&response, &CONTENT_TYPE);
            assert_eq!(content_type, ["text/plain; charset=utf-8"]);
            assert_ne!(content(response).await, "");
        }
    }
}

/// gRPC fields belong to rejections only.
#[tokio::test]
async fn a_forwarded_grpc_call_is_not_touched() {
    let service = layer().layer(service_fn(async |_: Request<Body>| {
        let response = Response::builder().status(StatusCode::METHOD_NOT_ALLOWED);
        response.body(Body::from("inner"))
    }));
    let call = with_content_type("POST", b"application/grpc");
    let response = service.oneshot(call).await.unwrap();
    assert_eq!(fields(response.headers()), []);
    assert_eq!(content(response).await, "inner");
}
