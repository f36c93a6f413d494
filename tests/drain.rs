//! What happens to the body of a request that is rejected: how much of it is read, when the answer is
//! given, and what the answer says of the connection.
//!
//! The first tests call the service outside of a runtime, so there is no clock; `clock` has those in
//! one.

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
use tower_method_policy::{Drain, EmptyBody, MethodPolicy, MethodPolicyLayer, Policy};

const MIB: u64 = 1024 * 1024;

/// What a body has to say when it is polled.
#[derive(Clone, Copy, Debug)]
enum Step {
    Data(usize),
    Trailers,
    Error,
    /// Nothing yet; the task is woken when there is.
    NotYet,
    /// Nothing, and nobody knows whether there will ever be.
    Nothing,
}

/// A body that goes by a script and counts what is asked of it.
#[derive(Default)]
struct Script {
    steps: Vec<Step>,
    at: usize,
    declared: Option<u64>,
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
        self.declared == Some(0)
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

/// What came of a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// The connection can be used on.
    Answered { polled: usize },
    /// The answer says `Connection: close`.
    AnsweredAndClosed { polled: usize },
    /// The task sleeps until the body has more.
    Waits { polled: usize },
}
use Outcome::{Answered, AnsweredAndClosed, Waits};

type Inner = fn(Request<Script>) -> Ready<Result<Response<String>, Infallible>>;

fn never_asked(request: Request<Script>) -> Ready<Result<Response<String>, Infallible>> {
    panic!("{} is not to be forwarded", request.method());
}

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
}

/// Sends a request until nothing more happens by itself.
fn outcome(
    layer: &MethodPolicyLayer,
    request: http::request::Builder,
    declared: Option<u64>,
    steps: &[Step],
) -> Outcome {
    let polled = Arc::<AtomicUsize>::default();
    let body = Script {
        steps: steps.to_vec(),
        at: 0,
        declared,
        polled: polled.clone(),
    };
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

#[test]
fn a_declared_body_is_read_to_its_end_and_waited_for() {
    let steps = [
        Step::Data(60),
        Step::NotYet,
        Step::NotYet,
        Step::NotYet,
        Step::Data(40),
    ];
    // Five steps and the end.
    assert_eq!(
        outcome(&layer(), delete(), Some(100), &steps),
        Answered { polled: 6 }
    );

    let steps = [Step::Data(60), Step::Nothing];
    assert_eq!(
        outcome(&layer(), delete(), Some(100), &steps),
        Waits { polled: 2 }
    );
}

#[test]
fn without_a_clock_up_to_two_mebibytes_are_read() {
    let steps = [Step::Data(MIB as usize), Step::Data(MIB as usize)];
    assert_eq!(
        outcome(&layer(), delete(), Some(2 * MIB), &steps),
        Answered { polled: 3 }
    );

    let declared = Some(2 * MIB + 1);
    assert_eq!(
        outcome(&layer(), delete(), declared, &steps),
        AnsweredAndClosed { polled: 0 }
    );
}

#[test]
fn the_bound_is_the_configured_one() {
    let layer = layer().drain(Drain::default().bytes(10));
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

#[test]
fn with_a_bound_of_zero_nothing_is_read() {
    let layer = layer().drain(Drain::none());
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
fn a_body_of_undeclared_length_is_read_as_far_as_it_has_arrived() {
    // hyper hands on what has arrived only after it was asked for it: each piece is `NotYet` first.
    let steps = [
        Step::NotYet,
        Step::Data(60),
        Step::NotYet,
        Step::Data(40),
        Step::NotYet,
    ];
    assert_eq!(
        outcome(&layer(), delete(), None, &steps),
        Answered { polled: 6 }
    );

    let steps = [Step::NotYet, Step::Data(60), Step::Trailers, Step::NotYet];
    assert_eq!(
        outcome(&layer(), delete(), None, &steps),
        Answered { polled: 5 }
    );
}

#[test]
fn a_body_of_undeclared_length_is_never_waited_for() {
    // One turn for hyper, then the answer.
    assert_eq!(
        outcome(&layer(), delete(), None, &[Step::Nothing]),
        AnsweredAndClosed { polled: 2 }
    );

    let steps = [Step::Data(60), Step::NotYet, Step::Data(40), Step::Nothing];
    assert_eq!(
        outcome(&layer(), delete(), None, &steps),
        AnsweredAndClosed { polled: 5 }
    );
}

#[test]
fn a_body_of_undeclared_length_is_read_up_to_the_bound() {
    let layer = layer().drain(Drain::default().bytes(100));
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
    let layer = layer().drain(Drain::default().bytes(100));
    let steps = [Step::Data(50), Step::Data(51), Step::Data(1)];
    assert_eq!(
        outcome(&layer, delete(), Some(10), &steps),
        AnsweredAndClosed { polled: 2 }
    );
}

#[test]
fn empty_frames_do_not_go_on_for_ever() {
    let layer = layer().drain(Drain::default().bytes(3));
    let steps = [
        Step::Data(0),
        Step::Trailers,
        Step::Data(0),
        Step::Data(0),
        Step::Data(0),
    ];
    assert_eq!(
        outcome(&layer, delete(), None, &steps),
        AnsweredAndClosed { polled: 4 }
    );
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

/// RFC 9110 §10.1.1: a server that answers with a final status need not let the body be sent.
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
            outcome(&layer(), request, Some(3 * MIB), &[]),
            AnsweredAndClosed { .. }
        )
    };
    assert!(closes(Version::HTTP_09));
    assert!(closes(Version::HTTP_10));
    assert!(closes(Version::HTTP_11));
    assert!(!closes(Version::HTTP_2));
    assert!(!closes(Version::HTTP_3));
}

/// RFC 9110 §9.3.6: what a client sends after a CONNECT may be meant for the tunnel.
#[test]
fn a_rejected_classic_connect_closes_the_connection() {
    let connect = |version| Request::connect("example.com:443").version(version);
    for version in [Version::HTTP_10, Version::HTTP_11] {
        for declared in [Some(0), Some(10), None] {
            let outcome = outcome(&layer(), connect(version), declared, &[Step::Data(10)]);
            assert_eq!(outcome, AnsweredAndClosed { polled: 0 });
        }
    }
    // A stream of its own (RFC 9113 §8.5).
    assert_eq!(
        outcome(&layer(), connect(Version::HTTP_2), Some(0), &[]),
        Answered { polled: 0 }
    );
    let outcome = outcome(&layer(), connect(Version::HTTP_2), None, &[Step::Nothing]);
    assert_eq!(outcome, Answered { polled: 2 });
}

#[test]
fn a_connection_field_of_the_responder_is_kept_beside_close() {
    let layer = layer().respond_with(|_: &_, _: &_| {
        let response = Response::builder()
            .header("connection", "x-hop")
            .header("x-hop", "1");
        response.body(String::new()).unwrap()
    });
    let body = Script {
        steps: vec![Step::Data(1)],
        at: 0,
        declared: Some(3 * MIB),
        polled: Arc::default(),
    };
    let mut service = layer.layer(service_fn(never_asked as Inner));
    let future = pin!(service.call(delete().body(body).unwrap()));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing to wait for");
    };
    let connection: Vec<_> = response.headers().get_all("connection").iter().collect();
    assert_eq!(connection, ["x-hop", "close"]);
}

/// The forwarding path has nothing to do with any of this.
#[test]
fn a_forwarded_body_is_not_touched() {
    let polled = Arc::<AtomicUsize>::default();
    let body = Script {
        steps: vec![Step::Data(1)],
        at: 0,
        declared: None,
        polled: polled.clone(),
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

#[cfg(feature = "tokio")]
mod clock {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A body of which pieces arrive, each some time after the one before, and then nothing does.
    struct Slow {
        declared: Option<u64>,
        pieces: Vec<(Duration, usize)>,
        sleep: Pin<Box<tokio::time::Sleep>>,
        /// Whether the end comes after the last piece.
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

    /// The time that the answer takes, by a clock that stands still but for what is slept, and
    /// whether the answer closes the connection.
    async fn answered<B: Body>(layer: &MethodPolicyLayer, body: B) -> (Duration, bool) {
        let mut service = layer.layer(service_fn(async |_: Request<B>| {
            panic!("not to be forwarded");
            #[expect(unreachable_code, reason = "it says what the type is")]
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
    async fn a_silent_client_is_answered_when_its_time_is_up() {
        let part = [(Duration::ZERO, 3)];
        for (declared, expected) in [(Some(100), secs(5)), (None, secs(1))] {
            for pieces in [&part[..], &[]] {
                let body = Slow::new(declared, pieces);
                assert_eq!(answered(&layer(), body).await, (expected, true));
            }
        }
    }

    /// Each wait begins anew, but there is an end to all of them.
    #[tokio::test(start_paused = true)]
    async fn a_dripping_client_is_answered_when_all_its_time_is_up() {
        let drip = vec![(secs(4), 1); 100];
        let body = Slow::new(Some(100), drip);
        assert_eq!(answered(&layer(), body).await, (secs(30), true));

        let drip = vec![(Duration::from_millis(900), 1); 100];
        let body = Slow::new(None, drip);
        assert_eq!(answered(&layer(), body).await, (secs(30), true));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bounds_are_the_configured_ones() {
        let drain = Drain::default()
            .timeout(secs(100))
            .idle(secs(20))
            .idle_undeclared(secs(10));
        let layer = layer().drain(drain);
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

        // The earlier one of two counts.
        let layer = super::layer().drain(Drain::default().timeout(secs(2)));
        assert_eq!(
            answered(&layer, Slow::new(Some(100), [])).await,
            (secs(2), true)
        );
        let layer = super::layer().drain(Drain::default().timeout(Duration::ZERO));
        assert_eq!(
            answered(&layer, Slow::new(Some(100), [])).await,
            (secs(0), true)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_in_time_is_not_held() {
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

    /// What is set counts, whether there is a clock or not.
    #[tokio::test(start_paused = true)]
    async fn the_bytes_are_the_configured_ones() {
        for drain in [Drain::default(), Drain::default().without_clock()] {
            let layer = layer().drain(drain.bytes(3 * MIB));
            for (length, closes) in [(3 * MIB, false), (3 * MIB + 1, true)] {
                let pieces = [(Duration::ZERO, length as usize)];
                let body = Slow {
                    ends: true,
                    ..Slow::new(Some(length), pieces)
                };
                assert_eq!(answered(&layer, body).await, (secs(0), closes));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_clock_a_declared_body_is_waited_for_and_an_undeclared_one_is_not() {
        let layer = layer().drain(Drain::default().without_clock());
        let declared = answered(&layer, Slow::new(Some(100), []));
        assert!(tokio::time::timeout(DAY / 2, declared).await.is_err());
        assert_eq!(answered(&layer, Slow::new(None, [])).await, (secs(0), true));
        let large = Slow {
            ends: true,
            ..Slow::new(Some(2 * MIB + 1), [])
        };
        assert_eq!(answered(&layer, large).await, (secs(0), true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_no_clock_can_express_is_no_bound() {
        let drain = Drain::default()
            .timeout(Duration::MAX)
            .idle(Duration::MAX)
            .idle_undeclared(Duration::MAX);
        let layer = layer().drain(drain);
        for declared in [Some(100), None] {
            let body = Slow {
                ends: true,
                ..Slow::new(declared, [(DAY, 50), (DAY, 50)])
            };
            assert_eq!(answered(&layer, body).await, (2 * DAY, false));
        }
    }

    #[test]
    fn a_runtime_without_timers_is_found_when_the_layer_is_applied() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let apply = |layer: MethodPolicyLayer| {
            let apply = || runtime.block_on(async { layer.layer(()) });
            catch_unwind(AssertUnwindSafe(apply)).is_ok()
        };
        assert!(!apply(layer()));
        assert!(apply(layer().drain(Drain::default().without_clock())));
        assert!(apply(layer().drain(Drain::none())));
        // Outside of a runtime nothing is known of the one in which requests will come.
        let _ = layer().layer(());
    }
}
