//! The parts of a rejection: status, header section, extensions, and body. A responder can set some of them.
//! Observers receive the rejection and the request.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_method_policy::{
    MethodPolicyLayer, PlainText, Policy, ProblemDetails, Reason, Rejection, Respond, RetryAfter,
    RuleKind,
};

use crate::support::answer::{fields, send};
use crate::support::strategies::{TCHARS, method, policy, set};

type Body = Full<Bytes>;

/// A layer that rejects `DELETE` with 405 and `FOO` with 501.
fn layer() -> MethodPolicyLayer {
    layer_of("fallback GET POST")
}

fn layer_of(calls: &str) -> MethodPolicyLayer {
    MethodPolicyLayer::new(policy(calls))
}

/// Sets both configurable fields.
fn with_fields(layer: MethodPolicyLayer) -> MethodPolicyLayer {
    layer
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("no-store"))
}

fn request(name: &str) -> Request<Body> {
    request_to(name, "/")
}

fn request_to(name: &str, target: &str) -> Request<Body> {
    let request = Request::builder().method(name).uri(target);
    let request = request.body(Body::from("content"));
    request.expect("a valid request")
}

/// Returns the rejection of `request`.
async fn reject<R>(layer: &MethodPolicyLayer<R>, request: Request<Body>) -> Response<String>
where
    R: Respond<Body>,
{
    let inner = service_fn(async |request: Request<Body>| -> Result<_, Infallible> {
        panic!("{request:?} reached the inner service")
    });
    send(layer.layer(inner), request).await
}

fn rejection(response: &Response<String>) -> &Rejection {
    response.extensions().get().expect("the mark")
}

// Status, fields, and mark.

/// RFC 9110 §10.2.1: `Allow` describes the target resource, and a 501 describes the whole server. "An empty Allow
/// field value indicates that the resource allows no methods". Other fields are sent only if they are configured.
#[tokio::test]
async fn a_405_has_allow_and_a_501_does_not() {
    let layer = layer_of("fallback GET; route /login POST; subtree /closed");
    for (name, target, expected) in [
        ("TRACE", "/", "allow: GET, HEAD"),
        ("TRACE", "*", "allow: GET, HEAD"),
        ("TRACE", "example.com:443", "allow: GET, HEAD"),
        ("TRACE", "http://example.com/login?a", "allow: POST"),
        ("TRACE", "/closed/a", "allow: "),
        ("FOO", "/", ""),
        ("FOO", "/login", ""),
    ] {
        let (status, configured) = match expected {
            "" => (501, "cache-control: no-store & retry-after: 60".to_owned()),
            allow => (405, format!("{allow} & cache-control: no-store")),
        };
        for (layer, expected) in
            [(layer.clone(), expected), (with_fields(layer.clone()), &*configured)]
        {
            let response = reject(&layer, request_to(name, target)).await;
            assert_eq!(response.status(), status);
            assert_eq!(fields(response.headers()), expected, "{name} {target}");
            assert_eq!(response.extensions().len(), 1);
            assert_eq!(*response.body(), "");
        }
    }
}

#[tokio::test]
async fn the_mark_has_the_reason_the_rule_and_the_allowed_methods() {
    use RuleKind::{Fallback, Route, Subtree};

    let layer = layer_of("fallback GET; route /users/{id} PUT; subtree /dav; route /own OPTIONS");
    for (target, kind, by, methods) in [
        ("/", Fallback, "fallback", "GET HEAD"),
        ("/users/7", Route, "route /users/{id}", "PUT"),
        ("/dav/a", Subtree, "subtree /dav", ""),
        ("/own", Route, "route /own", "OPTIONS"),
    ] {
        for answer_options in [false, true] {
            let layer = layer.clone().answer_options(answer_options);
            let response = reject(&layer, request_to("DELETE", target)).await;
            let rejection = rejection(&response);
            assert_eq!(rejection.reason(), Reason::NotAllowed);
            assert_eq!(rejection.status(), 405);
            assert!(rejection.is_enforced());
            // The mark and the field have the same methods.
            let options = if answer_options { "OPTIONS" } else { "" };
            let allow = set(methods) | set(options);
            assert_eq!(rejection.allow(), Some(&allow));
            assert_eq!(response.headers()[ALLOW], allow.to_string());
            // The rule lists only the methods that were written, not the `OPTIONS` of the layer.
            let rule = rejection.rule().expect("a rule");
            let pattern = by.split_once(' ').map(|(_, pattern)| pattern);
            assert_eq!((rule.kind(), rule.pattern()), (kind, pattern));
            assert_eq!(*rule.methods(), set(methods));
            let text = format!("405 Method Not Allowed by {by}");
            assert_eq!(rejection.to_string(), text);
        }
    }

    let response = reject(&layer, request("FOO")).await;
    let rejection = rejection(&response);
    assert_eq!(rejection.reason(), Reason::NotImplemented);
    assert_eq!(rejection.status(), 501);
    assert!(rejection.is_enforced());
    assert_eq!((rejection.allow(), rejection.rule()), (None, None));
    assert_eq!(rejection.to_string(), "501 Not Implemented");
    assert_eq!(*rejection, Rejection::not_implemented());
}

#[test]
fn a_reason_has_a_status_and_a_name() {
    for (reason, status, name) in [
        (Reason::NotAllowed, 405, "not_allowed"),
        (Reason::NotImplemented, 501, "not_implemented"),
        #[cfg(feature = "rfc2774")]
        (Reason::NotExtended, 510, "not_extended"),
        #[cfg(feature = "rfc2774")]
        (Reason::MalformedDeclaration, 400, "malformed_declaration"),
    ] {
        assert_eq!(reason.status(), status);
        assert_eq!(reason.as_str(), name);
        assert_eq!(reason.to_string(), name);
    }
}

/// A unit test of a responder can construct a rejection without a layer.
#[tokio::test]
async fn a_constructed_rejection_has_the_methods_of_a_fallback_and_no_rule() {
    for methods in ["GET", "POST", "", "OPTIONS FOO"] {
        let constructed = Rejection::not_allowed(set(methods));
        let layer = MethodPolicyLayer::new(Policy::new().fallback(set(methods)));
        let response = reject(&layer, request("TRACE")).await;
        assert_eq!(rejection(&response).allow(), constructed.allow());
        assert_eq!(constructed.rule(), None);
        assert_eq!(constructed.to_string(), "405 Method Not Allowed");
        assert_ne!(constructed, Rejection::not_implemented());
        assert_ne!(constructed, Rejection::not_allowed([Method::PUT]));
    }
}

// What a responder can set.

#[tokio::test]
async fn a_responder_sets_everything_but_status_and_allow() {
    let responder_fields = "cache-control: private & cache-control: max-age=1 & content-length: 4 & \
        retry-after: 7 & x-first: 1 & x-first: 3 & x-second: 2";
    for layer in [layer(), with_fields(layer())] {
        let layer = layer.respond_with_fn(move |_, _| {
            let response = Response::builder().status(200).version(Version::HTTP_10);
            let response = responder_fields.split(" & ").fold(response, |response, field| {
                let (name, value) = field.split_once(": ").expect("a field");
                response.header(name, value).header(ALLOW, "FOO")
            });
            let response = response.extension("the responder's").body(Body::from("body"));
            response.expect("valid")
        });
        for (name, status, allow) in
            [("DELETE", 405, "allow: GET, HEAD, POST & "), ("FOO", 501, "")]
        {
            let response = reject(&layer, request(name)).await;
            assert_eq!(response.status(), status);
            assert_eq!(response.version(), Version::HTTP_10);
            assert_eq!(fields(response.headers()), format!("{allow}{responder_fields}"));
            assert_eq!(response.extensions().get(), Some(&"the responder's"));
            rejection(&response);
            assert_eq!(*response.body(), "body");
        }
    }
}

/// If a responder sets one of the two fields, the layer still sets the other.
#[tokio::test]
async fn the_last_call_of_a_setting_wins_and_a_clone_is_independent() {
    let original = with_fields(layer());
    let changed = original
        .clone()
        .retry_after(RetryAfter::after(Duration::from_secs(2)))
        .cache_control(HeaderValue::from_static("no-cache"))
        .on_rejection(|_, _| {});
    for (layer, field, cache_control, retry_after) in [
        (&original, "x", "no-store", "60"),
        (&original, "retry-after", "no-store", "own"),
        (&original, "cache-control", "own", "60"),
        (&changed, "x", "no-cache", "2"),
    ] {
        let layer = layer.clone().respond_with_fn(move |_, _| {
            let response = Response::builder().version(Version::HTTP_10).header(field, "own");
            response.body(Body::default()).expect("valid")
        });
        let response = reject(&layer, request("FOO")).await;
        assert_eq!(response.version(), Version::HTTP_10);
        let expected = format!("cache-control: {cache_control} & retry-after: {retry_after}");
        assert!(fields(response.headers()).starts_with(&expected));
    }
}

/// Applications log this text.
#[tokio::test]
async fn the_debug_text_of_a_rejection_is_short_and_has_no_field_of_the_request() {
    for name in ["PUT", &"X".repeat(70_000)] {
        let mut request = request(name);
        let secret = HeaderValue::from_static("Basic c2VjcmV0");
        request.headers_mut().insert("authorization", secret);
        let response = reject(&layer_of("fallback GET"), request).await;
        let text = format!("{:?}", rejection(&response));
        assert!(text.len() < 300 && !text.contains("c2VjcmV0"), "{text}");
    }
}

// Observers.

#[test]
fn the_debug_text_of_a_layer_shows_its_fields_and_the_number_of_observers() {
    let text = format!("{:?}", with_fields(layer()).on_rejection(|_, _| {}));
    assert!(text.contains("cache_control: Some(\"no-store\"), observers: 1 }"), "{text}");
}

/// They see the same if the inner service sends the `405` that the layer replaces.
#[tokio::test]
async fn observers_are_called_in_order_before_the_responder_with_the_whole_request() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |who: &'static str| {
        let log = log.clone();
        move |rejection: &Rejection, request: &Parts| {
            let seen = format!(
                "{who}: {rejection} {} {} {:?} {} {:?}",
                request.method,
                request.uri,
                request.version,
                fields(&request.headers),
                request.extensions.get::<&str>(),
            );
            log.lock().expect("no panic").push(seen);
        }
    };
    let respond = note("responder");
    let layer = layer_of("route /rule POST")
        .inner_decides(true)
        .on_rejection(note("first"))
        .respond_with_fn(move |rejection, request| {
            respond(rejection, request);
            Response::<Body>::default()
        })
        .on_rejection(note("second"));
    let inner = service_fn(async |_: Request<Body>| {
        let response = Response::builder().status(405).header(ALLOW, "POST");
        Ok::<_, Infallible>(response.body(Body::default()).expect("valid"))
    });

    for (name, path, why) in [
        ("DELETE", "/rule", "405 Method Not Allowed by route /rule"),
        ("FOO", "/rule", "501 Not Implemented"),
        ("DELETE", "/a", "405 Method Not Allowed"),
        ("HEAD", "/a", "405 Method Not Allowed"),
        ("FOO", "/a", "501 Not Implemented"),
    ] {
        let target = format!("http://example.com{path}?b");
        let mut request = request_to(name, &target);
        *request.version_mut() = Version::HTTP_2;
        for (name, value) in [("x-a", "1"), ("x-a", "2"), ("x-b", "3")] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        request.extensions_mut().insert("peer");
        send(layer.layer(inner), request).await;
        let expected =
            format!("{why} {name} {target} HTTP/2.0 x-a: 1 & x-a: 2 & x-b: 3 Some(\"peer\")");
        let expected = ["first", "second", "responder"].map(|who| format!("{who}: {expected}"));
        let log = std::mem::take(&mut *log.lock().expect("no panic"));
        assert_eq!(log, expected);
    }
}

/// A rejection is observed even if nobody awaits the response, as when the client disconnects.
#[tokio::test]
async fn each_rejected_request_is_observed_and_no_other() {
    let observed = Arc::new(Mutex::new(Vec::new()));
    let log = observed.clone();
    let layer = layer().on_rejection(move |_, request| {
        log.lock().expect("no panic").push(request.method.clone());
    });
    let mut service = layer.layer(service_fn(async |_: Request<Body>| {
        // The layer does not observe a 405 of the inner service.
        let rejection = Response::builder().status(StatusCode::METHOD_NOT_ALLOWED);
        rejection.body(Body::default())
    }));
    for name in ["GET", "HEAD", "POST", "DELETE", "GET", "FOO", "POST", "FOO"] {
        let service = service.ready().await.expect("ready");
        drop(service.call(request(name)));
        service.call(request(name)).await.expect("a response");
    }
    let expected = ["DELETE", "DELETE", "FOO", "FOO", "FOO", "FOO"];
    assert_eq!(*observed.lock().expect("no panic"), expected);
}

// `Retry-After`.

/// Returns the fields of a 501 from a layer with `retry_after`.
async fn sent(retry_after: RetryAfter) -> String {
    let response = reject(&layer().retry_after(retry_after), request("FOO")).await;
    fields(response.headers())
}

/// RFC 9110 §10.2.3: `delay-seconds = 1*DIGIT`. If a delay were rounded down, the client would
/// retry too early.
#[tokio::test]
async fn a_delay_is_sent_in_whole_seconds_rounded_up() {
    for (seconds, nanoseconds, expected) in [
        (0, 0, "0"),
        (0, 1, "1"),
        (0, 999_000_000, "1"),
        (1, 0, "1"),
        (1, 1, "2"),
        (3600, 0, "3600"),
        (u64::MAX - 1, 1, "18446744073709551615"),
        (u64::MAX, 0, "18446744073709551615"),
        (u64::MAX, 999_999_999, "18446744073709551615"),
    ] {
        let delay = Duration::new(seconds, nanoseconds);
        let expected = format!("retry-after: {expected}");
        assert_eq!(sent(RetryAfter::after(delay)).await, expected);
    }
}

/// The resolution of `SystemTime` in nanoseconds.
const TICK: u32 = if cfg!(windows) { 100 } else { 1 };

/// RFC 9110 §5.6.7: `IMF-fixdate = day-name "," SP date1 SP time-of-day SP GMT`.
#[tokio::test]
async fn a_time_is_sent_as_an_imf_fixdate_rounded_up() {
    let last_of_9999 = 253_402_300_799;
    for (seconds, nanoseconds, expected) in [
        (4_102_444_799, 0, "Thu, 31 Dec 2099 23:59:59 GMT"),
        (4_102_444_800, 0, "Fri, 01 Jan 2100 00:00:00 GMT"),
        (4_102_444_799, TICK, "Fri, 01 Jan 2100 00:00:00 GMT"),
        (4_107_542_399, 5 * TICK, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (13_574_606_400, 0, "Tue, 29 Feb 2400 12:00:00 GMT"),
        // The format has four digits for the year.
        (last_of_9999 - 1, TICK, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (last_of_9999, TICK, "Fri, 31 Dec 9999 23:59:59 GMT"),
        // On Windows, `SystemTime` ends in the year 30828.
        (900_000_000_000, 0, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let expected = format!("retry-after: {expected}");
        assert_eq!(sent(RetryAfter::at(time)).await, expected);
    }
}

#[tokio::test]
async fn a_time_in_the_past_is_not_sent() {
    let epoch = SystemTime::UNIX_EPOCH;
    for past in [
        SystemTime::now() - Duration::from_secs(1),
        epoch + Duration::from_nanos(1),
        epoch,
        epoch - Duration::from_nanos(1),
        epoch - Duration::from_secs(1_000_000_000),
    ] {
        assert_eq!(sent(RetryAfter::at(past)).await, "");
    }
}

// The responders.

/// RFC 9457 §3.1 and §4.2.1. The final newline is for terminals. A rule may list no methods.
#[tokio::test]
async fn the_built_in_responders_name_the_method_and_the_allowed_methods() {
    for (calls, answer_options, allow, names) in [
        ("fallback GET", false, "GET, HEAD", r#""GET","HEAD""#),
        ("fallback", false, "", ""),
        ("route /", true, "OPTIONS", r#""OPTIONS""#),
    ] {
        let layer = layer_of(calls).answer_options(answer_options);
        let allowed = match allow {
            "" => String::new(),
            allow => format!(" Allowed: {allow}."),
        };
        let plain = reject(&layer.clone().respond_with(PlainText), request("PUT")).await;
        assert_eq!(plain.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
        let expected = format!("The method PUT is not allowed here.{allowed}\n");
        assert_eq!(*plain.body(), expected);
        let problem = reject(&layer.respond_with(ProblemDetails), request("PUT")).await;
        assert_eq!(problem.headers()[CONTENT_TYPE], "application/problem+json");
        let expected = format!(
            r#"{{"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"The method PUT is not allowed here.","allow":[{names}]}}"#
        );
        assert_eq!(*problem.body(), expected + "\n");
    }
    let plain = reject(&layer().respond_with(PlainText), request("FOO")).await;
    let expected = "This server does not recognize the method FOO.\n";
    assert_eq!(*plain.body(), expected);
    let problem = reject(&layer().respond_with(ProblemDetails), request("FOO")).await;
    let expected = r#"{"type":"about:blank","title":"Not Implemented","status":501,"detail":"This server does not recognize the method FOO."}"#;
    assert_eq!(*problem.body(), format!("{expected}\n"));
}

/// No character of a token (RFC 9110 §5.6.2) needs escaping in a JSON string (RFC 8259 §7). hyper accepts
/// every method that fits into its buffer, so at most 64 bytes are shown.
#[test]
fn problem_details_are_json_for_every_method() {
    let mut names: Vec<_> = TCHARS.chars().map(String::from).collect();
    names.push(TCHARS.to_owned());
    names.push("'`%22".to_owned());
    names.extend([15, 16, 63, 64, 65, 70_000].map(|length| "x".repeat(length)));
    for name in &names {
        let shown = match name.get(..64) {
            Some(start) if name.len() > 64 => format!("{start}…"),
            _ => name.clone(),
        };
        let not_implemented = format!("This server does not recognize the method {shown}.");
        let not_allowed = format!("The method {shown} is not allowed here.");
        // An allowed method is listed in full.
        let allow = json!(["GET", "HEAD", name]);
        let allowed = format!(" Allowed: GET, HEAD, {name}.");
        let (head, _) = request(name).into_parts();
        for (rejection, detail, allow, allowed) in [
            (Rejection::not_implemented(), not_implemented, Value::Null, ""),
            (Rejection::not_allowed([Method::GET, method(name)]), not_allowed, allow, &allowed),
        ] {
            let problem: Response<Bytes> = ProblemDetails.respond(&rejection, &head);
            let problem: Value = serde_json::from_slice(problem.body()).expect("JSON");
            assert_eq!((&problem["detail"], &problem["allow"]), (&json!(detail), &allow));
            let text: Response<Bytes> = PlainText.respond(&rejection, &head);
            assert_eq!(*text.body(), format!("{detail}{allowed}\n"));
        }
    }
}

// gRPC.

/// Layers that reject gRPC calls, which are `POST` requests, and the `Allow` that each layer sends.
fn grpc_layers() -> [(MethodPolicyLayer, &'static str); 2] {
    [(layer_of("fallback GET"), "allow: GET, HEAD & "), (layer_of("recognize_only"), "")]
}

fn with_content_type(name: &str, content_type: &[u8]) -> Request<Body> {
    let mut request = request(name);
    let value = HeaderValue::from_bytes(content_type).expect("a field value");
    request.headers_mut().insert(CONTENT_TYPE, value);
    request
}

/// gRPC over HTTP/2, "Responses": a client reads the code from `grpc-status` of a "Trailers-Only" response. One port
/// often serves REST and gRPC, so every responder works for both.
#[tokio::test]
async fn a_grpc_call_gets_unimplemented_from_every_responder() {
    let long = |length: usize| format!("application/grpc+proto;a={}", "b".repeat(length - 25));
    for (content_type, expected) in [
        ("application/grpc", None),
        ("application/grpc+proto", None),
        ("application/grpc;charset=utf-8", None),
        ("application/grpc ; a=b", None),
        ("APPLICATION/GRPC", None),
        ("Application/gRPC+Proto", None),
        ("application/grpc-web-text+proto", None),
        // The client chooses the content type, so the response repeats only a short one.
        (&long(64), None),
        (&long(65), Some("application/grpc")),
        (&long(70_000), Some("application/grpc")),
    ] {
        let expected = expected.unwrap_or(content_type);
        let call = || {
            let mut call = with_content_type("POST", content_type.as_bytes());
            // The server may have marked the value as sensitive.
            let value = call.headers_mut().get_mut(CONTENT_TYPE);
            value.expect("the value").set_sensitive(true);
            call
        };
        for (layer, allow) in grpc_layers() {
            for response in [
                reject(&layer, call()).await,
                reject(&layer.clone().respond_with(PlainText), call()).await,
                reject(&layer.clone().respond_with(ProblemDetails), call()).await,
            ] {
                assert_eq!(response.status(), if allow.is_empty() { 501 } else { 405 });
                // "Status-Message" is printable ASCII. A `%` would have to be encoded.
                let message = response.headers()["grpc-message"].to_str().expect("ASCII");
                assert!(!message.is_empty() && !message.contains('%'));
                let expected = format!(
                    "{allow}content-type: {expected} & grpc-message: {message} & grpc-status: 12"
                );
                assert_eq!(fields(response.headers()), expected);
                assert!(!response.headers()[CONTENT_TYPE].is_sensitive());
                assert_eq!(*response.body(), "");
            }
        }
    }
}

#[tokio::test]
async fn if_a_responder_sets_a_grpc_status_its_response_is_sent() {
    for (layer, allow) in grpc_layers() {
        let layer = layer.respond_with_fn(|_, _| {
            let response = Response::builder()
                .header("grpc-status", "7")
                .header(CONTENT_TYPE, "application/grpc+own");
            response.body(Body::from("body")).expect("valid")
        });
        let response = reject(&layer, with_content_type("POST", b"application/grpc")).await;
        let fields = fields(response.headers());
        let expected = "content-type: application/grpc+own & grpc-status: 7";
        assert!(fields.starts_with(allow) && fields.ends_with(expected), "{fields}");
        assert_eq!(*response.body(), "body");
    }
}

#[tokio::test]
async fn a_request_that_is_not_a_grpc_call_gets_the_responder_s_response() {
    let content_types = "|application/grp|application/json|text/grpc| application/grpc|application/ grpc|\
        x-application/grpc|application/json; a=application/grpc|application/grpç|\
        application/connect+proto";
    let content_types = content_types.split('|').map(str::as_bytes);
    let calls = content_types.map(|content_type| with_content_type("POST", content_type));
    // Every gRPC call is a POST.
    let others = ["DELETE", "PUT", "FOO", "post", "POSTX"];
    let others = others.map(|name| with_content_type(name, b"application/grpc"));
    let mut accepts = request("POST");
    let value = HeaderValue::from_static("application/grpc");
    accepts.headers_mut().insert("accept", value);
    for request in calls.chain(others).chain([accepts]) {
        for (layer, _) in grpc_layers() {
            let response = reject(&layer.respond_with(PlainText), request.clone()).await;
            assert!(!response.headers().contains_key("grpc-status"));
            assert!(!response.headers().contains_key("grpc-message"));
            let content_type = &response.headers()[CONTENT_TYPE];
            assert_eq!(content_type, "text/plain; charset=utf-8");
            assert_ne!(response.body(), "");
        }
    }
}
