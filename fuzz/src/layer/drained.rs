//! What may happen to the body of a request that the layer answers itself: the table of
//! `tower_method_policy::BodyDrain`.

use std::time::Duration;

use super::body::{Log, Polled};
use super::request::Sent;
use super::settings::Bounds;

/// How it went with a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Drained {
    /// There was none, or it has ended.
    Ended(&'static str),
    /// The rest is left where it is.
    Left(&'static str),
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The clock is exact to the millisecond, and rounds up.
const TICK: Duration = Duration::from_millis(2);

/// Checks how the body of `sent` was read, which `log` has. The answer came after `answered`.
pub(super) fn drained(
    sent: &Sent,
    bounds: &Bounds,
    is_in_runtime: bool,
    log: &Log,
    answered: Duration,
) -> Drained {
    let declared = sent.body.declared();
    // A body that declares length zero is not waited for.
    let has_clock = is_in_runtime && declared != Some(0);

    let untouched = if sent.is_http_1() && sent.method == "CONNECT" {
        Some(Drained::Left("connect"))
    } else if sent.body.says_that_it_is_empty() {
        Some(Drained::Ended("empty"))
    } else if sent.expects() {
        Some(Drained::Left("expects"))
    } else if bounds.max_bytes == 0 {
        Some(Drained::Left("nothing is read"))
    } else if declared.is_some_and(|declared| declared > bounds.max_bytes) {
        Some(Drained::Left("declares too much"))
    } else {
        None
    };
    if let Some(untouched) = untouched {
        assert!(log.polls.is_empty(), "{untouched:?}");
        assert!(answered < TICK, "{untouched:?}");
        return untouched;
    }

    let idle = match declared {
        Some(_) => bounds.idle_timeout,
        None => bounds.idle_timeout_unknown_length,
    };
    let mut left = bounds.max_bytes;
    let mut has_trailers = false;
    let mut is_over = None;
    // When the first wait began, and when the last one did.
    let mut first_wait = None;
    let mut wait = None;
    let (&(last, last_at), earlier) = log.polls.split_last().expect("it is read");
    for (nth, &(polled, at)) in log.polls.iter().enumerate() {
        match polled {
            Polled::Data { .. } | Polled::Trailers if has_trailers => {
                is_over = Some("more after trailers");
            }
            Polled::Data { length } => {
                // An empty frame counts as one byte.
                let rest = left.checked_sub(length.max(1));
                if rest.is_none() {
                    is_over = Some("too much");
                }
                left = rest.unwrap_or(0);
                wait = None;
            }
            Polled::Trailers => {
                has_trailers = true;
                wait = None;
            }
            Polled::Pending => {
                let first = *first_wait.get_or_insert(at);
                let began = *wait.get_or_insert(at);
                let end = first.saturating_add(bounds.timeout);
                let end = end.min(began.saturating_add(idle));
                if has_clock && nth < earlier.len() {
                    assert!(
                        at <= end.saturating_add(TICK),
                        "waited on at {at:?} until {end:?}"
                    );
                }
            }
            Polled::Error | Polled::End => {}
        }
        assert!(
            nth == earlier.len() || is_over.is_none(),
            "read on beyond a bound"
        );
    }

    if last != Polled::Pending {
        assert!(answered <= last_at + TICK, "answered late");
    }
    match last {
        Polled::End => Drained::Ended("end"),
        Polled::Error => Drained::Left("error"),
        _ if is_over.is_some() => Drained::Left(is_over.unwrap_or_default()),
        // It is asked before each poll.
        _ if log.said_end => Drained::Ended(match last {
            Polled::Trailers => "says end after trailers",
            _ => "says end",
        }),
        Polled::Data { .. } | Polled::Trailers => panic!("not read on"),
        Polled::Pending if has_clock => {
            let (Some(first), Some(began)) = (first_wait, wait) else {
                panic!("it waits");
            };
            let in_all = first.saturating_add(bounds.timeout);
            let end = in_all.min(began.saturating_add(idle)).max(began);
            match end > YEAR {
                true => assert!(answered > YEAR, "gave up after {answered:?}"),
                false => assert!(
                    end <= answered && answered <= end + TICK,
                    "answered after {answered:?} instead of {end:?}"
                ),
            }
            Drained::Left(match (in_all <= end, first == began) {
                (true, true) => "timeout",
                (true, false) => "timeout after more than one wait",
                (false, true) => "idle",
                (false, false) => "idle after more than one wait",
            })
        }
        Polled::Pending => {
            assert!(answered < last_at + TICK, "waited without a clock");
            let before = earlier.last().map(|(polled, _)| *polled);
            assert_eq!(before, Some(Polled::Pending), "hyper gets no turn");
            Drained::Left(match is_in_runtime {
                true => "length zero without an end",
                false => "nothing arrives",
            })
        }
    }
}
