//! [`RetryAfter`] as data.

use std::fmt;
use std::time::{Duration, SystemTime};

use httpdate::{fmt_http_date, parse_http_date};
use serde_core::de::{Deserialize, Deserializer, Error, Visitor};

use super::retry_after::RetryAfter;
use crate::data::{WholeNumber, parse_digits, unexpected_text};
use crate::methods::excerpt::quoted_excerpt;

/// A whole number of seconds ([`RetryAfter::after`]), also as a string of digits, or an IMF-fixdate, such as
/// `"Sun, 06 Nov 1994 08:49:37 GMT"` ([`RetryAfter::at`]).
impl<'de> Deserialize<'de> for RetryAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsOrDate)
    }
}

struct SecondsOrDate;

impl Visitor<'_> for SecondsOrDate {
    type Value = RetryAfter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a whole number of seconds, or an HTTP date such as \"Sun, 06 Nov 1994 08:49:37 GMT\"",
        )
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<RetryAfter, E> {
        Ok(RetryAfter::after(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<RetryAfter, E> {
        self.visit_u64(WholeNumber.visit_i64(seconds)?)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RetryAfter, E> {
        if let Some(seconds) = parse_digits(text) {
            return self.visit_u64(seconds);
        }
        let Some(time) = parse_http_date(text).ok().or_else(|| on_its_weekday(text)) else {
            return Err(unexpected_text(text, &self));
        };
        let date = fmt_http_date(time);
        if date == text {
            return Ok(RetryAfter::at(time));
        }
        // `httpdate` also reads the two obsolete formats (RFC 9110 §5.6.7).
        let text = quoted_excerpt(text, 64);
        Err(E::custom(format_args!("{text} is not an IMF-fixdate: write {date:?}")))
    }
}

/// The time of the IMF-fixdate `text`, if only its day of the week is wrong.
fn on_its_weekday(text: &str) -> Option<SystemTime> {
    let rest = text.get(3..)?;
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    days.iter().find_map(|day| parse_http_date(&format!("{day}{rest}")).ok())
}
