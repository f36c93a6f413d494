//! The body of a rejected request: how much of it is read, when the answer is sent, and whether the answer
//! closes the connection.
//!
//! The first tests call the service outside a runtime, so there is no clock. The module `clock` has the tests
//! with a clock.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::future::Ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service, service_fn};
use tower_method_policy::{BodyDrain, EmptyBody, MethodPolicy, MethodPolicyLayer, Policy};

const MIB: u64 = 1024 * 1024;

/// The result of one poll of a body.
#[derive(Clone, Copy, Debug)]
enum Step {
    Data(usize),
    Trailers,
    Error,
    /// Nothing yet; the task is woken when there is.
    NotYet,
    /// Nothing, and the task is not woken.
    Nothing,
}

/// A body that follows a script and counts how often it is polled.
#[derive(Default)]
struct Script {
    steps: Vec<Step>,
    at: usize,
    declared: Option<u64>,
    /// Whether a declared length of zero is the end, as it is in hyper's HTTP/1.x.
    stays_open: bool,
    polled: Arc<AtomicUsize>,
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.polled.fetch_add(1, Ordering::Relaxed);
        let Some(step) = self.steps.get(self.at).copied() else {
            return Poll::Ready(None);
        };
        self.at += 1;
        match step {
            Step::Data(length) => Poll::Ready(Some(Ok(Frame::data(vec![0; length].into())))),
            Step::Trailers => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Step::Error => Poll::Ready(Some(Err("the client is gone"))),
            Step::NotYet => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Step::Nothing => {
                self.at -= 1;
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.declared == Some(0) && !self.stays_open
    }

    fn size_hint(&self) -> SizeHint {
        self.declared
            .map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// Whether the task asked to be polled again.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The outcome of a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// The connection can be used again.
    Answered { polled: usize },
    /// The answer says `Connection: close`.
    AnsweredAndClosed { polled: usize },
    /// The task sleeps until the body has more.
    Waits { polled: usize },
}
use Outcome::{Answered, AnsweredAndClosed, Waits};

type Inner = fn(Request<Script>) -> Ready<Result<Response<String>, Infallible>>;

fn never_asked(request: Request<Script>) -> Ready<Result<Response<String>, Infallible>> {
    panic!("{} reached the inner service", request.method());
}

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::POST]))
}

/// Polls a request until nothing more happens by itself.
fn outcome(
    layer: &MethodPolicyLayer,
    request: http::request::Builder,
    declared: Option<u64>,
    steps: &[Step],
) -> Outcome {
    let body = Script {
        steps: steps.to_vec(),
        declared,
        ..Script::default()
    };
    outcome_of(layer, request, body)
}

fn outcome_of(layer: &MethodPolicyLayer, request: http::request::Builder, body: Script) -> Outcome {
    let polled = body.polled.clone();
    let mut service: MethodPolicy<_, EmptyBody> = layer.layer(service_fn(never_asked as Inner));
    let mut future = pin!(service.call(request.body(body).unwrap()));
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(woken.clone());
    loop {
        woken.0.store(false, Ordering::Relaxed);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let polled = polled.load(Ordering::Relaxed);
        match poll {
            Poll::Ready(Ok(response)) => {
                assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
                let connection: Vec<_> = response.headers().get_all("connection").iter().collect();
                return match connection[..] {
                    [] => Answered { polled },
                    [close] if close == "close" => AnsweredAndClosed { polled },
                    _ => panic!("{connection:?}"),
                };
            }
            Poll::Pending if woken.0.load(Ordering::Relaxed) => {}
            Poll::Pending => return Waits { polled },
        }
    }
}

fn delete() -> http::request::Builder {
    Request::delete("/")
}

#[test]
fn a_body_at_its_end_is_not_touched() {
    assert_eq!(
        outcome(&layer(), delete(), Some(0), &[]),
        Answered { polled: 0 }
    );
}

/// hyper hands on a piece that has arrived only after it was asked for it and the task returned: each piece
/// is `NotYet` first.
#[test]
fn without_a_clock_a_body_is_read_as_far_as_it_has_arrived() {
    for declared in [Some(100), None] {
        let steps = [
            Step::NotYet,
            Step::Data(60),
            Step::NotYet,
            Step::Data(40),
            Step::NotYet,
        ];
        assert_eq!(
            outcome(&layer(), delete(), declared, &steps),
            Answered { polled: 6 }
        );

        let steps = [Step::NotYet, Step::Data(60), Step::Trailers, Step::NotYet];
        assert_eq!(
            outcome(&layer(), delete(), declared, &steps),
            Answered { polled: 5 }
        );
    }
}

/// Nobody is waited for without a bound.
#[test]
fn without_a_clock_nothing_is_waited_for() {
    for declared in [Some(100), None] {
        // One turn for hyper, then the answer.
        for (steps, polled) in [
            (&[Step::Nothing][..], 2),
            (&[Step::Data(60), Step::Nothing], 3),
            (
                &[Step::Data(60), Step::NotYet, Step::NotYet, Step::Data(40)],
                3,
            ),
            (
                &[Step::Data(60), Step::NotYet, Step::Data(30), Step::Nothing],
                5,
            ),
            (&[Step::Data(100), Step::Nothing], 3),
        ] {
            assert_eq!(
                outcome(&layer(), delete(), declared, steps),
                AnsweredAndClosed { polled },
                "{declared:?} {steps:?}"
            );
        }
    }
}

#[test]
fn by_default_up_to_64_mebibytes_are_read() {
    let steps = [Step::Data(MIB as usize); 64];
    for declared in [Some(64 * MIB), None] {
        assert_eq!(
            outcome(&layer(), delete(), declared, &steps),
            Answered { polled: 65 }
        );
    }
    assert_eq!(
        outcome(&layer(), delete(), Some(64 * MIB + 1), &steps),
        AnsweredAndClosed { polled: 0 }
    );
    let steps = [&steps[..], &[Step::Data(1)]].concat();
    assert_eq!(
        outcome(&layer(), delete(), None, &steps),
        AnsweredAndClosed { polled: 65 }
    );
}

#[test]
fn the_bound_is_the_configured_one() {
    let layer = layer().body_drain(BodyDrain::default().max_bytes(10));
    let steps = [Step::Data(10)];
    assert_eq!(
        outcome(&layer, delete(), Some(10), &steps),
        Answered { polled: 2 }
    );
    assert_eq!(
        outcome(&layer, delete(), Some(11), &steps),
        AnsweredAndClosed { polled: 0 }
    );
}

/// A body may declare the length zero and stay open, as HTTP/2 `HEADERS` without `END_STREAM` do. It can only
/// end, or have trailers.
#[test]
fn a_body_of_length_zero_that_stays_open_is_not_waited_for() {
    let drains = [
        BodyDrain::default(),
        BodyDrain::default().max_bytes(1),
        BodyDrain::default().max_bytes(u64::MAX),
    ];
    for drain in drains {
        let layer = layer().body_drain(drain);
        for (steps, expected) in [
            (&[][..], Answered { polled: 1 }),
            (&[Step::NotYet], Answered { polled: 2 }),
            (&[Step::Trailers], Answered { polled: 2 }),
            (&[Step::NotYet, Step::Trailers], Answered { polled: 3 }),
            (
                &[Step::Trailers, Step::Nothing],
                AnsweredAndClosed { polled: 3 },
            ),
            (&[Step::Nothing], AnsweredAndClosed { polled: 2 }),
            (&[Step::Error], AnsweredAndClosed { polled: 1 }),
        ] {
            let body = Script {
                steps: steps.to_vec(),
                declared: Some(0),
                stays_open: true,
                ..Script::default()
            };
            assert_eq!(outcome_of(&layer, delete(), body), expected, "{steps:?}");
        }
    }
    // With nothing to read, it is not even asked.
    let body = || Script {
        steps: vec![Step::Nothing],
        declared: Some(0),
        stays_open: true,
        ..Script::default()
    };
    let none = layer().body_drain(BodyDrain::none());
    let closed = outcome_of(&none, delete(), body());
    assert_eq!(closed, AnsweredAndClosed { polled: 0 });
    let http2 = delete().version(Version::HTTP_2);
    assert_eq!(outcome_of(&none, http2, body()), Answered { polled: 0 });
}

#[test]
fn with_a_bound_of_zero_nothing_is_read() {
    let layer = layer().body_drain(BodyDrain::none());
    let steps = [Step::Data(1)];
    for declared in [Some(1), None] {
        assert_eq!(
            outcome(&layer, delete(), declared, &steps),
            AnsweredAndClosed { polled: 0 }
        );
    }
    assert_eq!(
        outcome(&layer, delete(), Some(0), &[]),
        Answered { polled: 0 }
    );
}

#[test]
fn a_body_of_unknown_length_is_read_up_to_the_bound() {
    let layer = layer().body_drain(BodyDrain::default().max_bytes(100));
    assert_eq!(
        outcome(&layer, delete(), None, &[Step::Data(100)]),
        Answered { polled: 2 }
    );

    let steps = [Step::Data(50), Step::Data(51), Step::Data(1)];
    assert_eq!(
        outcome(&layer, delete(), None, &steps),
        AnsweredAndClosed { polled: 2 }
    );
}

#[test]
fn a_body_that_is_longer_than_it_said_is_read_up_to_the_bound() {
    let layer = layer().body_drain(BodyDrain::default().max_bytes(100));
    let steps = [Step::Data(50), Step::Data(51), Step::Data(1)];
    assert_eq!(
        outcome(&layer, delete(), Some(10), &steps),
        AnsweredAndClosed { polled: 2 }
    );
}

/// Trailers are not bytes of the body.
#[test]
fn a_body_of_exactly_the_bound_may_have_trailers() {
    let layer = layer().body_drain(BodyDrain::default().max_bytes(100));
    for declared in [Some(100), None] {
        for (steps, polled) in [
            (&[Step::Data(100), Step::Trailers][..], 3),
            (&[Step::Data(100), Step::NotYet, Step::Trailers], 4),
            (&[Step::Data(99), Step::Data(1), Step::Trailers], 4),
            (&[Step::Data(100), Step::Trailers, Step::NotYet], 4),
        ] {
            assert_eq!(
                outcome(&layer, delete(), declared, steps),
                Answered { polled },
                "{steps:?}"
            );
        }
    }
    assert_eq!(
        outcome(&layer, delete(), None, &[Step::Data(101), Step::Trailers]),
        AnsweredAndClosed { polled: 1 }
    );
}

/// Nothing may follow trailers, so a body that goes on is broken.
#[test]
fn a_body_that_goes_on_after_its_trailers_is_not_read_on() {
    for after in [Step::Trailers, Step::Data(1), Step::Data(0), Step::Error] {
        let steps = [Step::Data(1), Step::Trailers, after, Step::Data(1)];
        for declared in [Some(10), None] {
            assert_eq!(
                outcome(&layer(), delete(), declared, &steps),
                AnsweredAndClosed { polled: 3 },
                "{after:?}"
            );
        }
    }
}

#[test]
fn empty_frames_are_bounded() {
    let layer = layer().body_drain(BodyDrain::default().max_bytes(3));
    for declared in [Some(3), None] {
        let steps = [Step::Data(0); 10];
        assert_eq!(
            outcome(&layer, delete(), declared, &steps),
            AnsweredAndClosed { polled: 4 }
        );
    }
}

#[test]
fn a_body_that_fails_closes_the_connection() {
    let steps = [Step::Data(1), Step::Error];
    for declared in [Some(10), None] {
        assert_eq!(
            outcome(&layer(), delete(), declared, &steps),
            AnsweredAndClosed { polled: 2 }
        );
    }
}

/// RFC 9110 §10.1.1: the client waits for a response before it sends the body.
#[test]
fn with_expect_the_body_is_not_touched() {
    for expect in ["100-continue", "100-Continue"] {
        let request = || delete().header("expect", expect);
        let steps = [Step::Data(10)];
        for declared in [Some(10), None] {
            let outcome = outcome(&layer(), request(), declared, &steps);
            assert_eq!(outcome, AnsweredAndClosed { polled: 0 });
        }
        let outcome = outcome(&layer(), request(), Some(0), &[]);
        assert_eq!(outcome, Answered { polled: 0 });
    }
}

/// RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST
/// ignore that expectation."
#[test]
fn an_http_1_0_client_cannot_expect() {
    let request = delete()
        .version(Version::HTTP_10)
        .header("expect", "100-continue");
    assert_eq!(
        outcome(&layer(), request, Some(10), &[Step::Data(10)]),
        Answered { polled: 2 }
    );
}

/// RFC 9113 §8.2.2, RFC 9114 §4.2: connection-specific fields are malformed there.
#[test]
fn only_http_1_has_a_connection_to_close() {
    let closes = |version| {
        let request = delete().version(version);
        matches!(
            outcome(&layer(), request, Some(65 * MIB), &[]),
            AnsweredAndClosed { .. }
        )
    };
    assert!(closes(Version::HTTP_09));
    assert!(closes(Version::HTTP_10));
    assert!(closes(Version::HTTP_11));
    assert!(!closes(Version::HTTP_2));
    assert!(!closes(Version::HTTP_3));
}

/// RFC 9110 §9.3.6: the bytes after a CONNECT may be for the tunnel.
#[test]
fn a_rejected_connect_over_http_1_closes_the_connection() {
    let connect = |version| Request::connect("example.com:443").version(version);
    for version in [Version::HTTP_10, Version::HTTP_11] {
        for declared in [Some(0), Some(10), None] {
            let outcome = outcome(&layer(), connect(version), declared, &[Step::Data(10)]);
            assert_eq!(outcome, AnsweredAndClosed { polled: 0 });
        }
    }
    // Only the stream ends (RFC 9113 §8.5).
    assert_eq!(
        outcome(&layer(), connect(Version::HTTP_2), Some(0), &[]),
        Answered { polled: 0 }
    );
    let outcome = outcome(&layer(), connect(Version::HTTP_2), None, &[Step::Nothing]);
    assert_eq!(outcome, Answered { polled: 2 });
}

#[test]
fn a_connection_field_of_the_responder_is_kept() {
    let layer = layer().respond_with_fn(|_, _| {
        let response = Response::builder()
            .header("connection", "x-hop")
            .header("x-hop", "1");
        response.body(String::new()).unwrap()
    });
    let body = Script {
        steps: vec![Step::Data(1)],
        declared: Some(65 * MIB),
        ..Script::default()
    };
    let mut service = layer.layer(service_fn(never_asked as Inner));
    let future = pin!(service.call(delete().body(body).unwrap()));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing to wait for");
    };
    let connection: Vec<_> = response.headers().get_all("connection").iter().collect();
    assert_eq!(connection, ["x-hop", "close"]);
}

#[test]
fn a_forwarded_body_is_not_touched() {
    let polled = Arc::<AtomicUsize>::default();
    let body = Script {
        steps: vec![Step::Data(1)],
        polled: polled.clone(),
        ..Script::default()
    };
    let mut service = layer().layer(service_fn(|request: Request<Script>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(request.into_body())))
    }));
    let request = Request::post("/")
        .header("expect", "100-continue")
        .body(body)
        .unwrap();
    let future = pin!(service.call(request));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the inner service is ready");
    };
    assert_eq!(response.into_body().at, 0);
    assert_eq!(polled.load(Ordering::Relaxed), 0);
}

/// The response never reads the body: a rejection whose body has arrived is ready at the first poll.
#[test]
fn an_answered_options_drains_its_body_as_a_rejection_does() {
    let layer = layer().answer_options(true);
    let answer = |max_bytes, version| {
        let layer = layer
            .clone()
            .body_drain(BodyDrain::default().max_bytes(max_bytes));
        let mut service = layer.layer(service_fn(never_asked as Inner));
        let body = Script {
            steps: vec![Step::Data(10)],
            declared: Some(10),
            ..Script::default()
        };
        let polled = body.polled.clone();
        let request = Request::options("/").version(version).body(body).unwrap();
        let future = pin!(service.call(request));
        let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("nothing to wait for");
        };
        assert_eq!(response.status(), StatusCode::OK);
        let closes = response.headers().get("connection").is_some();
        (polled.load(Ordering::Relaxed), closes)
    };
    assert_eq!(answer(10, Version::HTTP_11), (2, false));
    assert_eq!(answer(9, Version::HTTP_11), (0, true));
    assert_eq!(answer(9, Version::HTTP_2), (0, false));
}

mod clock {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A body whose pieces arrive one after the other, each after a delay. Then nothing arrives.
    struct Slow {
        declared: Option<u64>,
        pieces: Vec<(Duration, usize)>,
        sleep: Pin<Box<tokio::time::Sleep>>,
        /// Whether the body ends after the last piece.
        ends: bool,
    }

    impl Slow {
        fn new(declared: Option<u64>, pieces: impl Into<Vec<(Duration, usize)>>) -> Self {
            let pieces: Vec<_> = pieces.into();
            let first = pieces.first().map_or(DAY, |(delay, _)| *delay);
            Self {
                declared,
                pieces,
                sleep: Box::pin(tokio::time::sleep(first)),
                ends: false,
            }
        }
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.pieces.is_empty() && self.ends {
                return Poll::Ready(None);
            }
            std::task::ready!(self.sleep.as_mut().poll(cx));
            let (_, length) = self.pieces.remove(0);
            let next = self.pieces.first().map_or(DAY, |(delay, _)| *delay);
            self.sleep.as_mut().reset(Instant::now() + next);
            Poll::Ready(Some(Ok(Frame::data(vec![0; length].into()))))
        }

        fn size_hint(&self) -> SizeHint {
            self.declared
                .map_or_else(SizeHint::new, SizeHint::with_exact)
        }
    }

    /// The time until the answer, by a clock that only sleeping moves, and whether the answer closes the
    /// connection.
    async fn answered<B: Body>(layer: &MethodPolicyLayer, body: B) -> (Duration, bool) {
        let mut service = layer.layer(service_fn(async |_: Request<B>| {
            panic!("reached the inner service");
            #[expect(unreachable_code, reason = "it names the type")]
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        let start = Instant::now();
        let response = service.call(delete().body(body).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        // The clock of tokio is exact to the millisecond.
        let elapsed = Duration::from_secs_f64(start.elapsed().as_secs_f64().round());
        (elapsed, response.headers().contains_key("connection"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_answered_after_the_idle_timeout() {
        let part = [(Duration::ZERO, 3)];
        for (declared, expected) in [(Some(100), secs(5)), (None, secs(1))] {
            for pieces in [&part[..], &[]] {
                let body = Slow::new(declared, pieces);
                assert_eq!(answered(&layer(), body).await, (expected, true));
            }
        }
    }

    /// Each piece begins a new wait, but the sum of all waits is bounded.
    #[tokio::test(start_paused = true)]
    async fn a_dripping_client_is_answered_after_the_timeout() {
        let drip = vec![(secs(4), 1); 100];
        let body = Slow::new(Some(100), drip);
        assert_eq!(answered(&layer(), body).await, (secs(30), true));

        let drip = vec![(Duration::from_millis(900), 1); 100];
        let body = Slow::new(None, drip);
        assert_eq!(answered(&layer(), body).await, (secs(30), true));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bounds_are_the_configured_ones() {
        let drain = BodyDrain::default()
            .timeout(secs(100))
            .idle_timeout(secs(20))
            .idle_timeout_unknown_length(secs(10));
        let layer = layer().body_drain(drain);
        assert_eq!(
            answered(&layer, Slow::new(Some(100), [])).await,
            (secs(20), true)
        );
        assert_eq!(
            answered(&layer, Slow::new(None, [])).await,
            (secs(10), true)
        );
        for declared in [Some(1000), None] {
            let drip = vec![(secs(9), 1); 1000];
            let body = Slow::new(declared, drip);
            assert_eq!(answered(&layer, body).await, (secs(100), true));
        }

        // The earlier of the two ends the wait.
        let layer = super::layer().body_drain(BodyDrain::default().timeout(secs(2)));
        assert_eq!(
            answered(&layer, Slow::new(Some(100), [])).await,
            (secs(2), true)
        );
        let layer = super::layer().body_drain(BodyDrain::default().timeout(Duration::ZERO));
        assert_eq!(
            answered(&layer, Slow::new(Some(100), [])).await,
            (secs(0), true)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_arrives_in_time_is_read() {
        for declared in [Some(100), None] {
            let pieces = [
                (Duration::from_millis(900), 50),
                (Duration::from_millis(100), 50),
            ];
            let body = Slow {
                ends: true,
                ..Slow::new(declared, pieces)
            };
            assert_eq!(answered(&layer(), body).await, (secs(1), false));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_clock_up_to_64_mebibytes_are_read() {
        let piece = [(Duration::ZERO, MIB as usize)];
        for (declared, pieces, closes) in [
            (Some(64 * MIB), 64, false),
            (Some(64 * MIB + 1), 64, true),
            (None, 64, false),
            (None, 65, true),
        ] {
            let body = Slow {
                ends: true,
                ..Slow::new(declared, piece.repeat(pieces))
            };
            assert_eq!(
                answered(&layer(), body).await,
                (secs(0), closes),
                "{declared:?} {pieces}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_bytes_are_the_configured_ones() {
        let layer = layer().body_drain(BodyDrain::default().max_bytes(3 * MIB));
        for (length, closes) in [(3 * MIB, false), (3 * MIB + 1, true)] {
            for declared in [Some(length), None] {
                let pieces = [(Duration::ZERO, length as usize)];
                let body = Slow {
                    ends: true,
                    ..Slow::new(declared, pieces)
                };
                assert_eq!(answered(&layer, body).await, (secs(0), closes));
            }
        }
    }

    /// Nothing can arrive that is worth a wait.
    #[tokio::test(start_paused = true)]
    async fn a_body_of_length_zero_that_stays_open_is_answered_at_once() {
        let forever = BodyDrain::default()
            .timeout(DAY)
            .idle_timeout(DAY)
            .idle_timeout_unknown_length(DAY);
        for drain in [BodyDrain::default(), forever, BodyDrain::none()] {
            let layer = layer().body_drain(drain);
            for pieces in [&[][..], &[(secs(1), 0)]] {
                let body = Slow::new(Some(0), pieces);
                assert_eq!(answered(&layer, body).await, (secs(0), true));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_no_clock_can_express_is_not_a_bound() {
        let drain = BodyDrain::default()
            .timeout(Duration::MAX)
            .idle_timeout(Duration::MAX)
            .idle_timeout_unknown_length(Duration::MAX);
        let layer = layer().body_drain(drain);
        for declared in [Some(100), None] {
            let body = Slow {
                ends: true,
                ..Slow::new(declared, [(DAY, 50), (DAY, 50)])
            };
            assert_eq!(answered(&layer, body).await, (2 * DAY, false));
        }
    }

    fn runtime(has_timers: bool) -> tokio::runtime::Runtime {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        if has_timers {
            runtime.enable_time();
        }
        runtime.build().unwrap()
    }

    fn panics<T>(work: impl FnOnce() -> T) -> bool {
        catch_unwind(AssertUnwindSafe(work)).is_err()
    }

    fn silent(declared: Option<u64>) -> Script {
        Script {
            steps: vec![Step::Nothing],
            declared,
            stays_open: true,
            ..Script::default()
        }
    }

    #[test]
    fn a_runtime_without_timers_panics_when_the_layer_is_applied() {
        let runtime = runtime(false);
        let apply =
            |layer: MethodPolicyLayer| panics(|| runtime.block_on(async { layer.layer(()) }));
        assert!(apply(layer()));
        assert!(apply(layer().body_drain(BodyDrain::default().max_bytes(1))));
        assert!(panics(|| {
            runtime.block_on(async { MethodPolicy::new((), Policy::new()) })
        }));
        assert!(!apply(layer().body_drain(BodyDrain::none())));
        assert!(!apply(
            layer().body_drain(BodyDrain::default().max_bytes(0))
        ));
        // Outside a runtime, nobody knows the runtime of the requests.
        let _ = layer().layer(());
        // A runtime with timers is as it should be.
        let _ = super::clock::runtime(true).block_on(async { layer().layer(()) });
    }

    /// If nothing is waited for, no timer is needed.
    #[test]
    fn without_timers_a_request_is_answered_unless_it_has_to_be_waited_for() {
        let runtime = runtime(false);
        let answer = |layer: &MethodPolicyLayer, body| {
            let mut service = layer.layer(service_fn(never_asked as Inner));
            let request = delete().body(body).unwrap();
            panics(|| runtime.block_on(async { service.call(request).await.unwrap() }))
        };
        let none = layer().body_drain(BodyDrain::none());
        for declared in [Some(0), Some(1), None] {
            assert!(!answer(&none, silent(declared)), "{declared:?}");
        }
        assert!(!answer(&layer(), silent(Some(0))));
        let arrived = Script {
            steps: vec![Step::Data(10)],
            ..Script::default()
        };
        assert!(!answer(&layer(), arrived));
        // The documented panic.
        assert!(answer(&layer(), silent(Some(1))));
        assert!(answer(&layer(), silent(None)));
    }

    #[test]
    fn a_request_that_leaves_its_runtime_before_the_wait_is_answered() {
        for declared in [Some(1), None] {
            let runtime = runtime(true);
            let mut service = layer().layer(service_fn(never_asked as Inner));
            let request = delete().body(silent(declared)).unwrap();
            let mut future = Box::pin({
                let _context = runtime.enter();
                service.call(request)
            });
            drop(runtime);
            let poll = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Ok(response)) = poll else {
                panic!("nothing to wait with");
            };
            assert_eq!(response.headers()["connection"], "close");
        }
    }

    /// The documented panic of tokio's timer.
    #[test]
    fn a_wait_in_a_runtime_that_was_shut_down_panics() {
        let runtime = runtime(true);
        let mut service = layer().layer(service_fn(never_asked as Inner));
        let request = delete().body(silent(Some(1))).unwrap();
        let mut future = Box::pin({
            let _context = runtime.enter();
            service.call(request)
        });
        let mut poll = || {
            let mut context = Context::from_waker(Waker::noop());
            future.as_mut().poll(&mut context).is_ready()
        };
        assert!(!runtime.block_on(async { poll() }));
        // Outside the runtime, its timer goes on.
        assert!(!poll());
        drop(runtime);
        assert!(panics(poll));
    }
}
