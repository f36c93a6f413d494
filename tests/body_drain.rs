//! Tests how much of a rejected request's body the layer reads, when it answers, and whether the answer closes
//! the connection.
//!
//! The first tests call the service outside a runtime, so there is no clock. The module `clock` has the tests
//! with a clock.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::future::Ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tower::{Layer, Service, service_fn};
use tower_method_policy::{BodyDrain, MethodPolicy, MethodPolicyLayer, Policy, Respond};

const MIB: u64 = 1024 * 1024;

/// A body that follows a script and counts how often it is polled.
///
/// The body ends after the last step. The steps are:
///
/// - a number: a frame with this many bytes
/// - `T`: trailers
/// - `E`: an error
/// - `$`: the end of the body
/// - `.`: nothing yet, but the task is woken
/// - `_`: nothing, forever
/// - `5ms`: a wait before the next step
struct Script {
    steps: Vec<String>,
    next: usize,
    declared: Option<u64>,
    polled: Arc<AtomicUsize>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Script {
    fn new(declared: Option<u64>, steps: &str) -> Self {
        Self {
            steps: steps.split_whitespace().map(str::to_owned).collect(),
            next: 0,
            declared,
            polled: Arc::default(),
            sleep: None,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.polled.fetch_add(1, Ordering::Relaxed);
        let mut step = self.steps.get(self.next).cloned().unwrap_or("$".to_owned());
        if let Some(duration) = step.strip_suffix("ms") {
            let duration = Duration::from_millis(duration.parse().unwrap());
            let wait = self.sleep.get_or_insert_with(|| Box::pin(sleep(duration)));
            ready!(wait.as_mut().poll(cx));
            self.sleep = None;
            self.next += 1;
            step = self.steps[self.next].clone();
        }
        self.next += usize::from(step != "_");
        match &*step {
            "$" => Poll::Ready(None),
            "T" => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            "E" => Poll::Ready(Some(Err("the client is gone"))),
            "." => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            "_" => Poll::Pending,
            length => {
                let data = vec![0; length.parse().unwrap()];
                Poll::Ready(Some(Ok(Frame::data(data.into()))))
            }
        }
    }

    /// Without steps, a body that declares length zero has ended. With steps, it is like the body of an HTTP/2
    /// request that declares length zero but does not set `END_STREAM`.
    fn is_end_stream(&self) -> bool {
        self.declared == Some(0) && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let unknown = SizeHint::new();
        self.declared.map_or(unknown, SizeHint::with_exact)
    }
}

/// Records whether the task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Inner = fn(Request<Script>) -> Ready<Result<Response<String>, Infallible>>;

fn service<R>(layer: &MethodPolicyLayer<R>) -> MethodPolicy<tower::util::ServiceFn<Inner>, R> {
    layer.layer(service_fn(|request| panic!("{} reached the inner service", request.method())))
}

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::POST]))
}

fn up_to(max_bytes: u64) -> MethodPolicyLayer {
    layer().body_drain(BodyDrain::default().max_bytes(max_bytes))
}

/// Polls the service until it answers or until nothing wakes the task. Returns two words. The first is `kept` or
/// `closed` for the connection, or `waits` if there is no answer. The second is how often the body was polled.
fn outcome<R: Respond<String>>(
    layer: &MethodPolicyLayer<R>,
    request: Builder,
    declared: Option<u64>,
    steps: &str,
) -> String {
    let body = Script::new(declared, steps);
    let polled = body.polled.clone();
    let mut service = service(layer);
    let mut future = pin!(service.call(request.body(body).unwrap()));
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(woken.clone());
    let state = loop {
        woken.0.store(false, Ordering::Relaxed);
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(response)) => {
                let connection: Vec<_> = response.headers().get_all("connection").iter().collect();
                break match connection[..] {
                    [] => "kept",
                    [close] if close == "close" => "closed",
                    _ => panic!("{connection:?}"),
                };
            }
            Poll::Pending if woken.0.load(Ordering::Relaxed) => {}
            Poll::Pending => break "waits",
        }
    };
    format!("{state} {}", polled.load(Ordering::Relaxed))
}

fn delete() -> Builder {
    Request::delete("/")
}

/// Checks each case with a body that declares `length`, and with a body of unknown length.
#[track_caller]
fn check(layer: &MethodPolicyLayer, length: u64, cases: &[(&str, &str)]) {
    for (steps, expected) in cases {
        for declared in [Some(length), None] {
            let outcome = outcome(layer, delete(), declared, steps);
            assert_eq!(outcome, *expected, "{declared:?}: {steps:.80}");
        }
    }
}

/// hyper returns the next piece only after the body was polled and the task returned, even if the piece has
/// arrived. `.` imitates this. Without a clock, a wait would have no bound.
#[test]
fn without_a_clock_the_layer_reads_the_bytes_that_have_arrived_and_does_not_wait() {
    assert_eq!(outcome(&layer(), delete(), Some(0), ""), "kept 0");
    check(
        &layer(),
        100,
        &[
            (". 60 . 40 .", "kept 6"),
            (". 60 T .", "kept 5"),
            // The task returns once so that hyper can read. Then the layer answers.
            ("_", "closed 2"),
            ("60 _", "closed 3"),
            ("60 . . 40", "closed 3"),
            ("60 . 30 _", "closed 5"),
            ("100 _", "closed 3"),
            ("1 E", "closed 2"),
        ],
    );
}

#[test]
fn the_layer_reads_at_most_max_bytes() {
    let mebibytes = format!("{MIB} ").repeat(64);
    check(&layer(), 64 * MIB, &[(&mebibytes, "kept 65")]);
    let more = outcome(&layer(), delete(), Some(64 * MIB + 1), &mebibytes);
    assert_eq!(more, "closed 0");
    let more = outcome(&layer(), delete(), None, &(mebibytes + "1"));
    assert_eq!(more, "closed 65");

    // Trailers do not count.
    check(
        &up_to(100),
        100,
        &[
            ("100", "kept 2"),
            ("100 T", "kept 3"),
            ("100 . T", "kept 4"),
            ("99 1 T", "kept 4"),
            ("100 T .", "kept 4"),
        ],
    );
    for (declared, steps, expected) in [
        (Some(101), "101", "closed 0"),
        (None, "101 T", "closed 1"),
        (None, "50 51 1", "closed 2"),
        // The body is longer than its declared length.
        (Some(10), "50 51 1", "closed 2"),
    ] {
        assert_eq!(outcome(&up_to(100), delete(), declared, steps), expected);
    }

    // An empty frame counts as one byte.
    check(&up_to(3), 3, &[("0 0 0 0 0 0 0", "closed 4")]);
    let none = layer().body_drain(BodyDrain::none());
    check(&none, 1, &[("1", "closed 0")]);
    assert_eq!(outcome(&none, delete(), Some(0), ""), "kept 0");
}

/// An HTTP/2 client may declare length zero and end the body later, with or without trailers.
#[test]
fn the_layer_does_not_wait_for_an_open_body_of_length_zero() {
    for layer in [layer(), up_to(1), up_to(u64::MAX)] {
        for (steps, expected) in [
            ("$", "kept 1"),
            (".", "kept 2"),
            ("T", "kept 2"),
            (". T", "kept 3"),
            ("T _", "closed 3"),
            ("_", "closed 2"),
            ("E", "closed 1"),
        ] {
            let outcome = outcome(&layer, delete(), Some(0), steps);
            assert_eq!(outcome, expected, "{steps:?}");
        }
    }
    // `BodyDrain::none` does not poll the body.
    let none = layer().body_drain(BodyDrain::none());
    assert_eq!(outcome(&none, delete(), Some(0), "_"), "closed 0");
    let http2 = delete().version(Version::HTTP_2);
    assert_eq!(outcome(&none, http2, Some(0), "_"), "kept 0");
}

/// Nothing may follow trailers, so such a body is broken.
#[test]
fn the_layer_stops_reading_if_something_follows_the_trailers() {
    for after in ["T", "1", "0", "E"] {
        let steps = format!("1 T {after} 1");
        check(&layer(), 10, &[(&steps, "closed 3")]);
    }
}

/// RFC 9110 §10.1.1: the client waits for a response before it sends the body. "A server that receives a
/// 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation."
#[test]
fn the_body_of_a_request_with_expect_is_not_polled() {
    for expect in ["100-continue", "100-Continue"] {
        let request = || delete().header("expect", expect);
        assert_eq!(outcome(&layer(), request(), Some(10), "10"), "closed 0");
        assert_eq!(outcome(&layer(), request(), None, "10"), "closed 0");
        assert_eq!(outcome(&layer(), request(), Some(0), ""), "kept 0");
        let http1_0 = request().version(Version::HTTP_10);
        assert_eq!(outcome(&layer(), http1_0, Some(10), "10"), "kept 2");
    }
}

/// In HTTP/2 and HTTP/3, a message with `Connection` is malformed (RFC 9113 §8.2.2, RFC 9114 §4.2).
///
/// In HTTP/1.x, the bytes after a `CONNECT` request may be meant for the tunnel (RFC 9110 §9.3.6). In HTTP/2, a
/// tunnel is a single stream (RFC 9113 §8.5).
#[test]
fn only_answers_over_http_1_close_the_connection() {
    for (version, expected) in [
        (Version::HTTP_09, "closed 0"),
        (Version::HTTP_10, "closed 0"),
        (Version::HTTP_11, "closed 0"),
        (Version::HTTP_2, "kept 0"),
        (Version::HTTP_3, "kept 0"),
    ] {
        let delete = delete().version(version);
        assert_eq!(outcome(&layer(), delete, Some(65 * MIB), ""), expected);
        let request = || Request::connect("example.com:443").version(version);
        assert_eq!(outcome(&layer(), request(), Some(0), ""), expected);
        assert_eq!(outcome(&layer(), request(), None, "_"), expected);
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

mod clock {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use tokio::runtime::Runtime;
    use tokio::time::Instant;

    use super::*;

    /// Returns the seconds until the answer, and whether the answer closes the connection. The clock is paused: it
    /// moves only while all tasks sleep.
    async fn answered(
        layer: &MethodPolicyLayer,
        declared: Option<u64>,
        steps: &str,
    ) -> (u64, bool) {
        let start = Instant::now();
        let request = delete().body(Script::new(declared, steps)).unwrap();
        let response = service(layer).call(request).await.unwrap();
        assert_eq!(response.status(), 405);
        // tokio's timers have a resolution of one millisecond.
        let elapsed = start.elapsed().as_secs_f64().round() as u64;
        (elapsed, response.headers().contains_key("connection"))
    }

    /// Returns a layer with these bounds in seconds.
    fn drain(timeout: u64, idle: u64, idle_unknown: u64) -> MethodPolicyLayer {
        let drain = BodyDrain::default()
            .timeout(Duration::from_secs(timeout))
            .idle_timeout(Duration::from_secs(idle))
            .idle_timeout_unknown_length(Duration::from_secs(idle_unknown));
        layer().body_drain(drain)
    }

    /// `_` is a client that sends nothing. `drip` is a client that sends each byte before the idle timeout. The answer
    /// closes the connection unless the body has ended.
    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_body_or_at_the_earlier_timeout() {
        let drip = |milliseconds| format!("{milliseconds}ms 1 ").repeat(1000);
        let (day, patient) = (86_400, drain(u64::MAX, u64::MAX, u64::MAX));
        let none = layer().body_drain(BodyDrain::none());
        for (layer, declared, steps, expected) in [
            (layer(), Some(100), "_", (5, true)),
            (layer(), Some(100), "3 _", (5, true)),
            (layer(), None, "_", (1, true)),
            (layer(), None, "3 _", (1, true)),
            (layer(), Some(1000), &*drip(4000), (30, true)),
            (layer(), None, &drip(900), (30, true)),
            (drain(100, 20, 10), Some(1000), "_", (20, true)),
            (drain(100, 20, 10), None, "_", (10, true)),
            (drain(100, 20, 10), Some(1000), &drip(9000), (100, true)),
            (drain(100, 20, 10), None, &drip(9000), (100, true)),
            (drain(2, 20, 10), Some(100), "_", (2, true)),
            (drain(0, 20, 10), Some(100), "_", (0, true)),
            // The body arrives in time.
            (layer(), Some(100), "900ms 50 100ms 50", (1, false)),
            (layer(), None, "900ms 50 100ms 50", (1, false)),
            // These timeouts are too large for the clock.
            (patient.clone(), Some(100), "86400000ms 50 86400000ms 50", (2 * day, false)),
            (patient.clone(), None, "86400000ms 50 86400000ms 50", (2 * day, false)),
            // Only trailers or the end can follow, so the layer does not wait.
            (layer(), Some(0), "_", (0, true)),
            (patient.clone(), Some(0), "_", (0, true)),
            (patient, Some(0), "1000ms 0", (0, true)),
            (none, Some(0), "_", (0, true)),
        ] {
            let answered = answered(&layer, declared, steps).await;
            assert_eq!(answered, expected, "{declared:?} {steps:.20}");
        }
    }

    /// `CONNECT` has no content in any version (RFC 9110 §9.3.6, RFC 9113 §8.5). A gRPC client whose call has an
    /// unknown length may be waiting for the answer. An upload over HTTP/1.1 loses the answer if nobody reads it.
    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_content_that_cannot_come() {
        let layer = MethodPolicyLayer::new(Policy::new().fallback([]));
        let drip = "700ms 1 ".repeat(1000);
        let grpc = "application/grpc+proto";
        for (method, content_type, version, declared, steps, seconds) in [
            ("CONNECT", "", Version::HTTP_11, Some(100), "_", 0),
            ("CONNECT", "", Version::HTTP_2, None, &*drip, 0),
            ("CONNECT", "", Version::HTTP_3, None, &drip, 0),
            ("POST", grpc, Version::HTTP_2, None, "5 5 _", 0),
            ("POST", grpc, Version::HTTP_2, None, &drip, 0),
            ("POST", grpc, Version::HTTP_3, None, &drip, 0),
            ("POST", "application/grpc-web", Version::HTTP_2, None, "_", 0),
            // The layer waits for all other content.
            ("POST", grpc, Version::HTTP_2, Some(100), "_", 5),
            ("POST", grpc, Version::HTTP_11, None, "_", 1),
            ("POST", "application/grpc-web", Version::HTTP_11, Some(100), "50 _", 5),
            ("POST", "application/json", Version::HTTP_2, None, "_", 1),
            ("PUT", grpc, Version::HTTP_2, None, "_", 1),
        ] {
            let request = Request::builder().method(method).version(version);
            let request = request.uri("http://a/").header("content-type", content_type);
            let start = Instant::now();
            let request = request.body(Script::new(declared, steps)).unwrap();
            let response = service(&layer).call(request).await.unwrap();
            assert_eq!(response.status(), 405);
            let elapsed = start.elapsed().as_secs_f64().round() as u64;
            assert_eq!(elapsed, seconds, "{method} {content_type} {version:?} {steps:.20}");
        }
    }

    fn runtime(has_timers: bool) -> Runtime {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        if has_timers {
            runtime.enable_time();
        }
        runtime.build().unwrap()
    }

    fn panics<T>(work: impl FnOnce() -> T) -> bool {
        catch_unwind(AssertUnwindSafe(work)).is_err()
    }

    #[test]
    fn applying_the_layer_in_a_runtime_without_timers_panics() {
        let without_timers = runtime(false);
        let apply = |layer: MethodPolicyLayer| {
            panics(|| without_timers.block_on(async { layer.layer(()) }))
        };
        assert!(apply(layer()));
        assert!(apply(up_to(1)));
        assert!(panics(|| {
            without_timers.block_on(async { MethodPolicy::new((), Policy::new()) })
        }));
        assert!(!apply(layer().body_drain(BodyDrain::none())));
        assert!(!apply(up_to(0)));
        // A layer that only reports does not wait.
        assert!(!apply(layer().report_only(true)));
        // Outside a runtime, the layer does not know which runtime will run the requests.
        let _ = layer().layer(());
        let _ = runtime(true).block_on(async { layer().layer(()) });
    }

    #[test]
    fn without_timers_a_request_panics_only_if_the_layer_has_to_wait() {
        let runtime = runtime(false);
        let none = layer().body_drain(BodyDrain::none());
        for (layer, declared, steps, expected) in [
            (&none, Some(0), "_", false),
            (&none, Some(1), "_", false),
            (&none, None, "_", false),
            (&layer(), Some(0), "_", false),
            (&layer(), None, "10", false),
            // `BodyDrain` documents this panic.
            (&layer(), Some(1), "_", true),
            (&layer(), None, "_", true),
        ] {
            let mut service = service(layer);
            let request = delete().body(Script::new(declared, steps)).unwrap();
            let panics = panics(|| runtime.block_on(async { service.call(request).await }));
            assert_eq!(panics, expected, "{declared:?} {steps}");
        }
    }

    /// `BodyDrain` documents that tokio's timer panics if its runtime was shut down. Before the first wait, there is
    /// no timer.
    #[test]
    fn a_request_that_leaves_its_runtime_before_the_first_wait_is_answered() {
        for declared in [Some(1), None] {
            for has_waited in [false, true] {
                let runtime = runtime(true);
                let request = delete().body(Script::new(declared, "_")).unwrap();
                let mut future = Box::pin({
                    let _context = runtime.enter();
                    service(&layer()).call(request)
                });
                let mut poll = || poll_once(future.as_mut());
                if has_waited {
                    assert!(runtime.block_on(async { poll() }).is_pending());
                    // Outside its runtime, the timer still works.
                    assert!(poll().is_pending());
                    drop(runtime);
                    assert!(panics(poll));
                } else {
                    drop(runtime);
                    let Poll::Ready(Ok(response)) = poll() else {
                        panic!("the answer is not ready");
                    };
                    assert_eq!(response.headers()["connection"], "close");
                }
            }
        }
    }
}
