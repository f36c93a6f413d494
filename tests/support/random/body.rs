//! A scripted request body, and a check of how the layer drains it (`tower_method_policy::BodyDrain`).

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::Buf;
use http::{HeaderMap, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep};

use super::layers::Bounds;
use crate::model::{self, Request};

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Polled {
    /// A frame with this number of bytes.
    Data(u64),
    Trailers,
    Error,
    End,
    Pending,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// If this is pending, the task is woken at once.
    Now(Polled),
    /// Pending for this time. Without a clock, the task is woken at once.
    After(Duration),
    /// Pending. The task is never woken.
    Silence,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    steps: Vec<Step>,
    /// From this step on, `is_end_stream` returns true, even if more steps follow.
    end_at: usize,
    /// The size hint, which may be wrong.
    hint: (u64, Option<u64>),
}

impl Plan {
    pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
        let steps = (0..u.int_in_range(0..=6)?).map(|_| step(u));
        let steps = steps.collect::<Result<Vec<_>>>()?;
        let end_at = match u.int_in_range(0..=3)? {
            0 => steps.len(),
            1 => usize::MAX,
            _ => u.int_in_range(0..=6)?,
        };
        let length = steps.iter().fold(0_u64, |sum, step| match step {
            Step::Now(Polled::Data(length)) => sum.saturating_add(*length),
            _ => sum,
        });
        // hyper reads up to 8192 bytes before it closes a connection.
        let other =
            *u.choose(&[0, 1, 10, 8192, 8193, 3 << 20, u64::MAX, 8192, 8193, 8192, 8193])?;
        let hint = match u.int_in_range(0..=8)? {
            0 => (0, None),
            1 | 2 => (length, Some(length)),
            3 | 6..=8 => (other, Some(other)),
            4 => (length.min(other), Some(length.max(other))),
            _ => (other, None),
        };
        Ok(Self { steps, end_at, hint })
    }

    pub(crate) fn facts(&self) -> model::Body {
        model::Body { is_at_end: self.end_at == 0, length: self.declared() }
    }

    /// The length that the body declares.
    fn declared(&self) -> Option<u64> {
        self.hint.1.filter(|upper| *upper == self.hint.0)
    }
}

fn step(u: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match u.int_in_range(0..=9)? {
        0..=2 => Step::Now(Polled::Data(u.int_in_range(0..=11)?)),
        3 => Step::Now(Polled::Data(*u.choose(&[1 << 20, 2 << 20, 64 << 20, u64::MAX])?)),
        4 => Step::Now(Polled::Trailers),
        5 => Step::Now(Polled::Error),
        6 => Step::Now(Polled::Pending),
        7 | 8 => {
            let milliseconds = *u.choose(&[1, 900, 1000, 4000, 86_400_000])?;
            Step::After(Duration::from_millis(milliseconds))
        }
        _ => Step::Silence,
    })
}

/// The polls of a body, with their times.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) polls: Vec<(Polled, Duration)>,
    /// The last result of `is_end_stream`.
    reported_end: bool,
}

pub(crate) struct Script {
    plan: Plan,
    at: usize,
    sleep: Option<Pin<Box<Sleep>>>,
    start: Option<Instant>,
    log: Rc<RefCell<Log>>,
}

impl Script {
    pub(crate) fn new(plan: Plan, log: Rc<RefCell<Log>>) -> Self {
        Self { plan, at: 0, sleep: None, start: now(), log }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        let Some(step) = self.plan.steps.get(self.at).copied() else {
            return Polled::End;
        };
        let polled = match step {
            Step::Silence => return Polled::Pending,
            Step::After(duration) if self.start.is_some() => {
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(duration)));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Polled::Pending;
                }
                self.sleep = None;
                self.at += 1;
                return self.poll(cx);
            }
            Step::Now(Polled::Pending) | Step::After(_) => {
                cx.waker().wake_by_ref();
                Polled::Pending
            }
            Step::Now(polled) => polled,
        };
        self.at += 1;
        polled
    }
}

/// The time of the runtime, if there is one.
pub(crate) fn now() -> Option<Instant> {
    Handle::try_current().is_ok().then(Instant::now)
}

impl Body for Script {
    type Data = Piece;
    type Error = ();

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, ()>>> {
        let log = Rc::clone(&self.log);
        let mut log = log.borrow_mut();
        let is_over = matches!(log.polls.last(), Some((Polled::End | Polled::Error, _)));
        assert!(self.at < self.plan.end_at && !is_over, "polled after its end");
        assert!(log.polls.len() < 1000, "polled without end");
        let polled = self.poll(cx);
        let elapsed = self.start.map(|start| start.elapsed());
        log.polls.push((polled, elapsed.unwrap_or_default()));
        Poll::Ready(match polled {
            Polled::Pending => return Poll::Pending,
            Polled::End => None,
            Polled::Error => Some(Err(())),
            Polled::Data(length) => Some(Ok(Frame::data(Piece(length)))),
            Polled::Trailers => Some(Ok(Frame::trailers(HeaderMap::new()))),
        })
    }

    fn is_end_stream(&self) -> bool {
        let is_end = self.at >= self.plan.end_at;
        self.log.borrow_mut().reported_end = is_end;
        is_end
    }

    fn size_hint(&self) -> SizeHint {
        let (lower, upper) = self.plan.hint;
        let mut hint = SizeHint::new();
        hint.set_lower(lower);
        if let Some(upper) = upper {
            hint.set_upper(upper);
        }
        hint
    }
}

/// A number of bytes, without the bytes.
#[derive(Debug)]
pub(crate) struct Piece(u64);

impl Buf for Piece {
    fn remaining(&self) -> usize {
        usize::try_from(self.0).expect("a 64-bit machine")
    }

    fn chunk(&self) -> &[u8] {
        unreachable!("the layer does not read the bytes")
    }

    fn advance(&mut self, _: usize) {
        unreachable!("the layer does not read the bytes")
    }
}

/// Checks how the layer read the body of `request`. Returns whether the layer read it to its end.
pub(crate) fn ended(
    request: &Request,
    plan: &Plan,
    bounds: &Bounds,
    is_in_runtime: bool,
    log: &Log,
    answered: Duration,
) -> bool {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    // The clock has a precision of a millisecond and rounds up.
    const TICK: Duration = Duration::from_millis(2);

    let declared = plan.declared();
    let is_connect = request.method == "CONNECT";
    let has_ended = !is_connect && plan.end_at == 0;
    let declares_too_much = declared.is_some_and(|declared| declared > bounds.max_bytes);
    // RFC 9110 §10.1.1.
    let expects = request.version >= Version::HTTP_11 && request.fields.contains_key("expect");
    if is_connect || has_ended || expects || bounds.max_bytes == 0 || declares_too_much {
        assert!(log.polls.is_empty() && answered < TICK, "this body must not be read");
        return has_ended;
    }

    // The layer does not wait for a body that declares length zero.
    // Nor for a streaming call of gRPC, whose answer may end the stream at any time.
    let is_streaming = request.is_grpc() && declared.is_none() && !request.is_http_1();
    let has_clock = is_in_runtime && declared != Some(0) && !is_streaming;
    let idle = match declared {
        Some(_) => bounds.idle_timeout,
        None => bounds.idle_timeout_unknown_length,
    };
    let end = |first_wait: Duration, wait: Duration| {
        first_wait.saturating_add(bounds.timeout).min(wait.saturating_add(idle))
    };
    let mut left = bounds.max_bytes;
    let (mut has_trailers, mut is_over) = (false, false);
    // The times at which the first and the last wait began.
    let (mut first_wait, mut wait) = (None, None);
    let (&(last, last_at), earlier) = log.polls.split_last().expect("it is read");
    for (nth, &(polled, at)) in log.polls.iter().enumerate() {
        match polled {
            Polled::Data(_) | Polled::Trailers if has_trailers => is_over = true,
            Polled::Data(length) => {
                // An empty frame counts as one byte.
                let rest = left.checked_sub(length.max(1));
                is_over = rest.is_none();
                left = rest.unwrap_or(0);
                wait = None;
            }
            Polled::Trailers => {
                has_trailers = true;
                wait = None;
            }
            Polled::Pending => {
                let first = *first_wait.get_or_insert(at);
                let end = end(first, *wait.get_or_insert(at)).saturating_add(TICK);
                if has_clock && nth < earlier.len() {
                    assert!(at <= end, "still waiting at {at:?}, after {end:?}");
                }
            }
            Polled::Error | Polled::End => {}
        }
        assert!(nth == earlier.len() || !is_over, "read beyond a bound");
    }

    if last != Polled::Pending {
        assert!(answered <= last_at + TICK, "answered too late");
    }
    match last {
        Polled::End => return true,
        Polled::Error => {}
        _ if is_over => {}
        // The layer calls `is_end_stream` before each poll.
        _ if log.reported_end => return true,
        Polled::Data(_) | Polled::Trailers => panic!("stopped reading too early"),
        Polled::Pending if has_clock => {
            let began = wait.expect("a wait");
            let end = end(first_wait.expect("a wait"), began).max(began);
            let latest = if end > YEAR { Duration::MAX } else { end + TICK };
            let is_in_time = end.min(YEAR) <= answered && answered <= latest;
            assert!(is_in_time, "answered after {answered:?} instead of {end:?}");
        }
        Polled::Pending => {
            assert!(answered < last_at + TICK, "waited without a clock");
            let before = earlier.last().map(|(polled, _)| *polled);
            assert_eq!(before, Some(Polled::Pending), "hyper could not read the next piece");
        }
    }
    false
}
