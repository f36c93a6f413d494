//! Sets of methods as data, and what the readers of policies and settings share.

use std::fmt;

use http::Method;
use serde_core::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, Expected, SeqAccess, Unexpected, Visitor,
};
use serde_core::ser::{Serialize, Serializer};

use crate::methods::excerpt::{excerpt, quoted_excerpt};
use crate::methods::{MethodSet, parse_method};

/// A sequence of names, in canonical [order](MethodSet#order).
impl Serialize for MethodSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Method::as_str))
    }
}

/// A list of names, or one string with commas between them, such as `"GET, HEAD"`.
///
/// Some names are [errors](MethodSet#names). A set that was built in code with such a name can
/// be serialized but not deserialized.
impl<'de> Deserialize<'de> for MethodSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MethodsVisitor)
    }
}

pub(crate) struct MethodsVisitor;

impl<'de> Visitor<'de> for MethodsVisitor {
    type Value = MethodSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of method names (`[]` for none) or one string with commas between them")
    }

    fn visit_str<E: Error>(self, list: &str) -> Result<MethodSet, E> {
        list.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<MethodSet, A::Error> {
        let mut methods = MethodSet::new();
        while let Some(method) = names.next_element_seed(Text("a method name", parse_method))? {
            methods.insert(method);
        }
        Ok(methods)
    }
}

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
    E::invalid_type(Unexpected::Str(&excerpt(text, 64)), expected)
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
        let name = quoted_excerpt(name, 64);
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
