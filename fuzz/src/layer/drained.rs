//! What may be done with the body of a request that the layer answers itself: the table of
//! `tower_method_policy::Drain`.

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
    /// It is waited for, without a bound.
    Never,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The clock is exact to the millisecond, and rounds up.
const TICK: Duration = Duration::from_millis(2);

/// What is to come of the body of `sent`, of which `log` tells; it was answered after `answered`, if it
/// was.
pub(super) fn drained(
    sent: &Sent,
    bounds: &Bounds,
    is_in_runtime: bool,
    log: &Log,
    answered: Option<Duration>,
) -> Drained {
    let has_clock = is_in_runtime && bounds.has_clock;
    let default = if has_clock { 64 << 20 } else { 2 << 20 };
    let bytes = bounds.bytes.unwrap_or(default);
    let declared = sent.body.declared();

    let untouched = if sent.is_http_1() && sent.method == "CONNECT" {
        Some(Drained::Left("connect"))
    } else if sent.body.says_that_it_is_empty() {
        Some(Drained::Ended("empty"))
    } else if sent.expects() {
        Some(Drained::Left("expects"))
    } else if declared.unwrap_or(1) > bytes {
        Some(Drained::Left("declares too much"))
    } else {
        None
    };
    if let Some(untouched) = untouched {
        assert!(log.polls.is_empty(), "{untouched:?}");
        assert!(answered.is_some_and(|after| after < TICK), "{untouched:?}");
        return untouched;
    }

    let idle = match declared {
        Some(_) => bounds.idle,
        None => bounds.idle_undeclared,
    };
    let mut left = bytes;
    let mut is_over = false;
    // When the first wait began, and when the last one did.
    let mut first_wait = None;
    let mut wait = None;
    let (&(last, last_at), earlier) = log.polls.split_last().expect("it is read");
    for (nth, &(polled, at)) in log.polls.iter().enumerate() {
        match polled {
            Polled::Frame { length } => {
                // An empty frame counts as one byte.
                let rest = left.checked_sub(length.max(1));
                is_over = rest.is_none();
                left = rest.unwrap_or(0);
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
        assert!(nth == earlier.len() || !is_over, "read on beyond the bound");
    }

    let Some(answered) = answered else {
        assert_eq!(last, Polled::Pending);
        assert!(!has_clock && declared.is_some(), "never answered");
        return Drained::Never;
    };
    if last != Polled::Pending {
        assert!(answered <= last_at + TICK, "answered late");
    }
    match last {
        Polled::End => Drained::Ended("end"),
        Polled::Error => Drained::Left("error"),
        Polled::Frame { .. } if is_over => Drained::Left("too much"),
        // It is asked before each poll.
        _ if log.said_end => Drained::Ended("says end"),
        Polled::Frame { .. } => panic!("not read on"),
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
            assert_eq!(declared, None, "given up without a clock");
            let before = earlier.last().map(|(polled, _)| *polled);
            assert_eq!(before, Some(Polled::Pending), "hyper gets no turn");
            Drained::Left("nothing arrives")
        }
    }
}
