//! Reads [`BodyDrain`] from data.

use std::fmt;
use std::time::Duration;

use serde_core::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::BodyDrain;
use crate::data::{Text, WholeNumber, setting, unexpected_text};

/// A map of bounds, all optional: see [As data](BodyDrain#as-data).
impl<'de> Deserialize<'de> for BodyDrain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DrainVisitor)
    }
}

type SetBound = fn(BodyDrain, u64) -> BodyDrain;

const SETTINGS: &[(&str, SetBound)] = &[
    ("max_bytes", BodyDrain::max_bytes),
    ("timeout_seconds", |drain, number| drain.timeout(Duration::from_secs(number))),
    ("idle_timeout_seconds", |drain, number| drain.idle_timeout(Duration::from_secs(number))),
    ("idle_timeout_unknown_length_seconds", |drain, number| {
        drain.idle_timeout_unknown_length(Duration::from_secs(number))
    }),
];

struct DrainVisitor;

impl<'de> Visitor<'de> for DrainVisitor {
    type Value = BodyDrain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the bounds of a body drain")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BodyDrain, E> {
        Err(unexpected_text(text, &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut settings: A) -> Result<BodyDrain, A::Error> {
        let mut drain = BodyDrain::default();
        let mut seen = Vec::new();
        let mut read = |name: &str| setting(name, SETTINGS, &mut seen);
        while let Some(set_bound) = settings.next_key_seed(Text("a bound", &mut read))? {
            drain = set_bound(drain, settings.next_value_seed(WholeNumber)?);
        }
        Ok(drain)
    }
}
