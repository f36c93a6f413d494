//! What the readers of policies and settings share.

use std::fmt;

use serde_core::de::{DeserializeSeed, Deserializer, Error, Expected, Unexpected, Visitor};

use crate::methods::excerpt;

/// Reads a string with a function. The text describes the expected value in error messages.
///
/// The function runs while the format is still at the string, so its error gets the string's position.
pub(crate) struct Text<F>(pub(crate) &'static str, pub(crate) F);

impl<'de, T, P: fmt::Display, F> DeserializeSeed<'de> for Text<F>
where
    F: FnOnce(&str) -> Result<T, P>,
{
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, P: fmt::Display, F> Visitor<'_> for Text<F>
where
    F: FnOnce(&str) -> Result<T, P>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

/// The error for a string where something else is expected. serde's own error would show the whole string.
pub(crate) fn unexpected_text<E: Error>(text: &str, expected: &dyn Expected) -> E {
    E::invalid_type(Unexpected::Str(&excerpt(text, 64).to_string()), expected)
}

/// Returns an error message if a format may have made up the key of a map: some formats pass a date as a map whose key
/// begins with `$`.
pub(crate) fn check_key(key: &str, expected: &str) -> Result<(), String> {
    if key.starts_with('$') {
        return Err(format!("found a date, or a key that begins with `$`: expected {expected}"));
    }
    Ok(())
}

/// Returns the setting called `name`, which is one of `known`. An unknown or repeated setting is an error.
pub(crate) fn setting<T: Copy>(
    name: &str,
    known: &[(&'static str, T)],
    seen: &mut Vec<&'static str>,
) -> Result<T, String> {
    let Some(&(name, setting)) = known.iter().find(|known| known.0 == name) else {
        let known: Vec<_> = known.iter().map(|known| format!("`{}`", known.0)).collect();
        let known = known.join(", ");
        check_key(name, &format!("a map with the settings {known}"))?;
        let name = excerpt(name, 64).quoted();
        return Err(format!("{name} is not a setting here: use one of {known}"));
    };
    if seen.contains(&name) {
        return Err(format!("`{name}` is given twice"));
    }
    seen.push(name);
    Ok(setting)
}

/// A whole number, or a string of digits. Readers of environment variables pass every value as a string.
pub(crate) struct WholeNumber;

impl<'de> DeserializeSeed<'de> for WholeNumber {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for WholeNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse_digits(text).ok_or_else(|| unexpected_text(text, &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

pub(crate) fn parse_digits(text: &str) -> Option<u64> {
    // The standard library also accepts a plus sign.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}
