//! What happens to the body of a request that is refused: how much of it is read, when the answer
//! is given, and what the answer says of the connection.

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
use tower_method_policy::{EmptyBody, MethodPolicy, MethodPolicyLayer, Policy};

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
fn by_default_up_to_two_mebibytes_are_read() {
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
    let layer = layer().drain_request_body(10);
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
    let layer = layer().drain_request_body(0);
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
    let layer = layer().drain_request_body(100);
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
    let layer = layer().drain_request_body(100);
    let steps = [Step::Data(50), Step::Data(51), Step::Data(1)];
    assert_eq!(
        outcome(&layer, delete(), Some(10), &steps),
        AnsweredAndClosed { polled: 2 }
    );
}

#[test]
fn empty_frames_do_not_go_on_for_ever() {
    let layer = layer().drain_request_body(3);
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
fn a_refused_classic_connect_closes_the_connection() {
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
    let layer = layer().respond_with(|_: &tower_method_policy::Rejection<'_>| {
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
mod timeout {
    use std::time::Duration;

    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn request(declared: Option<u64>, steps: &[Step]) -> Request<Script> {
        let body = Script {
            steps: steps.to_vec(),
            declared,
            ..Script::default()
        };
        delete().body(body).unwrap()
    }

    /// The time that the answer takes, by a clock that stands still but for what is slept, and whether the
    /// answer closes the connection.
    async fn answered_after(
        layer: MethodPolicyLayer,
        declared: Option<u64>,
        steps: &[Step],
    ) -> (Duration, bool) {
        let mut service = layer.layer(service_fn(never_asked as Inner));
        let start = tokio::time::Instant::now();
        let response = service.call(request(declared, steps)).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        (
            start.elapsed(),
            response.headers().contains_key("connection"),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_declared_body_is_waited_for_until_the_time_is_up() {
        let layer = layer().drain_timeout(TEN);
        let steps = [Step::Data(60), Step::Nothing];
        assert_eq!(answered_after(layer, Some(100), &steps).await, (TEN, true));
    }

    #[tokio::test(start_paused = true)]
    async fn an_undeclared_body_is_waited_for_as_long_as_is_configured() {
        let steps = [Step::Data(60), Step::Nothing];
        let configured = layer().drain_undeclared(TEN);
        assert_eq!(answered_after(configured, None, &steps).await, (TEN, true));

        let other = layer().drain_timeout(TEN);
        assert_eq!(
            answered_after(other, None, &steps).await,
            (Duration::ZERO, true)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_in_time_is_not_held() {
        let layer = layer().drain_timeout(TEN).drain_undeclared(TEN);
        let steps = [
            Step::NotYet,
            Step::NotYet,
            Step::Data(100),
            Step::NotYet,
            Step::NotYet,
        ];
        for declared in [Some(100), None] {
            let answered = answered_after(layer.clone(), declared, &steps).await;
            assert_eq!(answered, (Duration::ZERO, false));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_timeout_a_declared_body_is_waited_for() {
        let mut service = layer().layer(service_fn(never_asked as Inner));
        let answer = service.call(request(Some(100), &[Step::Nothing]));
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(tokio::time::timeout(day, answer).await.is_err());
    }
}
