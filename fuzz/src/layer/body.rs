//! A body that goes by a script, and what was asked of it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep};

/// What a body does when it is polled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// A frame of so many bytes.
    Data(u64),
    Trailers,
    Error,
    /// Nothing yet, and the task is woken at once.
    NotYet,
    /// The next only after so long; without a clock the same as `NotYet`.
    After(Duration),
    /// Nothing any more, and nobody wakes the task.
    Silence,
}

/// Where a body says that it is at its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum SaysEnd {
    Never,
    AtEnd,
    /// From this step on, whatever follows.
    From(usize),
}

/// How long a body says that it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    lower: u64,
    upper: Option<u64>,
}

/// A body to be sent.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    says_end: SaysEnd,
    declared: Declared,
}

impl Plan {
    pub(super) fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
        let count = u.int_in_range(0..=6)?;
        let steps = (0..count).map(|_| step(u)).collect::<Result<Vec<_>>>()?;
        let says_end = match u.int_in_range(0..=3)? {
            0 => SaysEnd::AtEnd,
            1 => SaysEnd::Never,
            _ => SaysEnd::From(u.int_in_range(0..=6)?),
        };
        let length = steps.iter().fold(0_u64, |sum, step| match step {
            Step::Data(length) => sum.saturating_add(*length),
            _ => sum,
        });
        let other = *u.choose(&[0, 1, 10, 3 << 20, u64::MAX])?;
        let (lower, upper) = match u.int_in_range(0..=5)? {
            0 => (0, None),
            1 | 2 => (length, Some(length)),
            3 => (other, Some(other)),
            4 => (length.min(other), Some(length.max(other))),
            _ => (other, None),
        };
        Ok(Self {
            steps,
            says_end,
            declared: Declared { lower, upper },
        })
    }

    /// The length that is declared, rightly or not.
    pub(super) fn declared(&self) -> Option<u64> {
        self.declared
            .upper
            .filter(|upper| *upper == self.declared.lower)
    }

    fn says_end_at(&self, step: usize) -> bool {
        match self.says_end {
            SaysEnd::Never => false,
            SaysEnd::AtEnd => step >= self.steps.len(),
            SaysEnd::From(from) => step >= from,
        }
    }

    /// Whether it says that there is none.
    pub(super) fn says_that_it_is_empty(&self) -> bool {
        self.says_end_at(0)
    }
}

fn step(u: &mut Unstructured<'_>) -> Result<Step> {
    const MILLISECOND: Duration = Duration::from_millis(1);
    Ok(match u.int_in_range(0..=9)? {
        0..=2 => Step::Data(u.int_in_range(0..=11)?),
        3 => Step::Data(*u.choose(&[1 << 20, 2 << 20, 64 << 20, u64::MAX])?),
        4 => Step::Trailers,
        5 => Step::Error,
        6 => Step::NotYet,
        7 | 8 => Step::After(MILLISECOND * *u.choose(&[1, 900, 1000, 4000, 86_400_000])?),
        _ => Step::Silence,
    })
}

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Polled {
    Data { length: u64 },
    Trailers,
    Error,
    End,
    Pending,
}

/// What was asked of a body, and when.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) polls: Vec<(Polled, Duration)>,
    /// Whether it said that it is at its end, when it was asked for that last.
    pub(super) said_end: bool,
}

pub(super) struct Script {
    plan: Plan,
    at: usize,
    sleep: Option<Pin<Box<Sleep>>>,
    start: Option<Instant>,
    log: Rc<RefCell<Log>>,
}

impl Script {
    pub(super) fn new(plan: Plan, log: Rc<RefCell<Log>>) -> Self {
        Self {
            plan,
            at: 0,
            sleep: None,
            start: now(),
            log,
        }
    }

    /// What nobody has asked for yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.at == 0 && self.sleep.is_none() && self.log.borrow().polls.is_empty()
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Failed>>> {
        loop {
            let Some(step) = self.plan.steps.get(self.at).copied() else {
                return Poll::Ready(None);
            };
            match step {
                Step::Silence => return Poll::Pending,
                Step::After(duration) if self.start.is_some() => {
                    let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(duration)));
                    std::task::ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                    self.at += 1;
                }
                Step::NotYet | Step::After(_) => {
                    self.at += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Data(length) => {
                    self.at += 1;
                    return Poll::Ready(Some(Ok(Frame::data(Piece(length)))));
                }
                Step::Trailers => {
                    self.at += 1;
                    return Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new()))));
                }
                Step::Error => {
                    self.at += 1;
                    return Poll::Ready(Some(Err(Failed)));
                }
            }
        }
    }
}

/// The time of the runtime, if there is one.
pub(super) fn now() -> Option<Instant> {
    Handle::try_current().is_ok().then(Instant::now)
}

#[derive(Debug)]
pub(super) struct Failed;

impl Body for Script {
    type Data = Piece;
    type Error = Failed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Failed>>> {
        let log = self.log.clone();
        {
            let log = log.borrow();
            assert!(!log.said_end, "polled after it said that it is at its end");
            if let Some((Polled::End | Polled::Error, _)) = log.polls.last() {
                panic!("polled after its end");
            }
            assert!(log.polls.len() < 1000, "polled for ever");
        }
        let poll = self.next(cx);
        let polled = match &poll {
            Poll::Pending => Polled::Pending,
            Poll::Ready(None) => Polled::End,
            Poll::Ready(Some(Err(Failed))) => Polled::Error,
            Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                Some(piece) => Polled::Data { length: piece.0 },
                None => Polled::Trailers,
            },
        };
        let elapsed = self.start.map(|start| start.elapsed());
        log.borrow_mut()
            .polls
            .push((polled, elapsed.unwrap_or_default()));
        poll
    }

    fn is_end_stream(&self) -> bool {
        let says_end = self.plan.says_end_at(self.at);
        self.log.borrow_mut().said_end = says_end;
        says_end
    }

    fn size_hint(&self) -> SizeHint {
        let Declared { lower, upper } = self.plan.declared;
        let mut hint = SizeHint::new();
        hint.set_lower(lower);
        if let Some(upper) = upper {
            hint.set_upper(upper);
        }
        hint
    }
}

/// So many bytes that nobody reads.
#[derive(Debug)]
pub(super) struct Piece(u64);

impl Buf for Piece {
    fn remaining(&self) -> usize {
        usize::try_from(self.0).expect("a 64-bit machine")
    }

    fn chunk(&self) -> &[u8] {
        unreachable!("nobody looks into what is discarded")
    }

    fn advance(&mut self, _: usize) {
        unreachable!("nobody looks into what is discarded")
    }
}
