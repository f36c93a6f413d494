//! Reads and writes sets of methods as data.

use std::fmt;

use http::Method;
use serde_core::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, Expected, SeqAccess, Unexpected, Visitor,
};
use serde_core::ser::{Serialize, Serializer};

use super::excerpt::excerpt;
use super::parse::method;
use super::set::MethodSet;

/// A sequence of names, in canonical [order](MethodSet#order).
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for MethodSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Method::as_str))
    }
}

/// A list of names, or one string with commas between them, such as `"GET, HEAD"`.
///
/// Some names are [errors](MethodSet#names). A set that was built in code with such a name can
/// be serialized but not deserialized.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
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
        let mut methods = Vec::new();
        while let Some(method) = names.next_element_seed(Text("a method name", method))? {
            methods.push(method);
        }
        Ok(methods.into())
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
    E::invalid_type(Unexpected::Str(&excerpt(text, 64).to_string()), expected)
}

/// Returns the `known` setting called `name`. An unknown or repeated setting is an error.
pub(crate) fn setting_name(
    name: &str,
    known: &[&'static str],
    seen: &mut Vec<&'static str>,
) -> Result<&'static str, String> {
    let Some(setting) = known.iter().find(|setting| **setting == name) else {
        let name = excerpt(name, 64).quoted();
        return Err(format!("{name} is not a setting here: use one of `{}`", known.join("`, `")));
    };
    if seen.contains(setting) {
        return Err(format!("`{setting}` is given twice"));
    }
    seen.push(setting);
    Ok(setting)
}

/// A whole number.
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
        Err(unexpected_text(text, &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }
}
