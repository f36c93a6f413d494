//! Reads [`BodyDrain`] from data.

use std::fmt;
use std::time::Duration;

use serde_core::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::BodyDrain;
use crate::data::{Text, WholeNumber, setting_name, unexpected_text};

/// A map of bounds, all optional: see [As data](BodyDrain#as-data).
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for BodyDrain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DrainVisitor)
    }
}

const SETTINGS: &[&str] = &[
    "max_bytes",
    "timeout_seconds",
    "idle_timeout_seconds",
    "idle_timeout_unknown_length_seconds",
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
        let mut setting = |name: &str| setting_name(name, SETTINGS, &mut seen);
        while let Some(name) = settings.next_key_seed(Text("a bound", &mut setting))? {
            let number = settings.next_value_seed(WholeNumber)?;
            let seconds = Duration::from_secs(number);
            drain = match name {
                "max_bytes" => drain.max_bytes(number),
                "timeout_seconds" => drain.timeout(seconds),
                "idle_timeout_seconds" => drain.idle_timeout(seconds),
                _ => drain.idle_timeout_unknown_length(seconds),
            };
        }
        Ok(drain)
    }
}
