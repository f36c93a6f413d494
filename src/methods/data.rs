//! Sets of methods as data, and the strings that names are read from.

use std::fmt;

use http::Method;
use serde_core::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, Expected, SeqAccess, Unexpected, Visitor,
};
use serde_core::ser::{Serialize, Serializer};

use super::excerpt::excerpt;
use super::parse::elements;
use super::registry;
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
/// Names that are surely mistakes are errors: see [As data](MethodSet#as-data). A set that was built in
/// code with such a name can be written but not read again.
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
        elements(list)
            .map(|(position, name)| {
                method(name).map_err(|problem| {
                    if list.contains(',') {
                        E::custom(format_args!("{problem} (at byte {position})"))
                    } else {
                        E::custom(problem)
                    }
                })
            })
            .collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<MethodSet, A::Error> {
        let mut methods = Vec::new();
        while let Some(method) = names.next_element_seed(Text::new("a method name", method))? {
            methods.push(method);
        }
        Ok(methods.into())
    }
}

/// The method called `name`, or why there is none.
fn method(name: &str) -> Result<Method, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let problem = if name == "*" {
        "stands for no method: list each method by its name".to_owned()
    } else if let Some(culprit) = name.chars().find(|&c| !is_allowed(c)) {
        let advice = match culprit {
            '|' | ' ' | ';' | '/' | '+' | '\t' | '\n' => ": separate methods by commas",
            '!' | '^' | '~' => ": list the methods that are allowed",
            '*' => ": list each method by its name",
            '\'' | '"' | '`' => ": write the name without quotation marks",
            _ => "",
        };
        format!("is not a method name: {culprit:?} cannot be part of one{advice}")
    } else if ["ANY", "ALL"]
        .iter()
        .any(|any| any.eq_ignore_ascii_case(name))
    {
        "stands for no method: list each method by its name".to_owned()
    } else if name.eq_ignore_ascii_case("NONE") {
        "stands for no method: write an empty list".to_owned()
    } else if name.eq_ignore_ascii_case("PRI") {
        "is not a method: the name is reserved (RFC 9113 §3.4)".to_owned()
    } else if let Some(registered) = registry::in_another_case(name) {
        format!("is not {registered:?}: methods are case-sensitive")
    } else {
        match Method::from_bytes(name.as_bytes()) {
            Ok(method) => return Ok(method),
            Err(_) => "is not a method name".to_owned(),
        }
    };
    Err(format!("{} {problem}", excerpt(name, 64).quoted()))
}

/// Reads a string with a function.
///
/// The format is still at the string when the function fails, so the error gets the string's place.
pub(crate) struct Text<F> {
    expected: &'static str,
    read: F,
}

impl<F> Text<F> {
    pub(crate) fn new(expected: &'static str, read: F) -> Self {
        Self { expected, read }
    }
}

impl<'de, T, F> DeserializeSeed<'de> for Text<F>
where
    F: FnOnce(&str) -> Result<T, String>,
{
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F> Visitor<'_> for Text<F>
where
    F: FnOnce(&str) -> Result<T, String>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }
}

/// The error for a string where something else is expected. The one of serde shows all of the string.
pub(crate) fn unexpected_text<E: Error>(text: &str, expected: &dyn Expected) -> E {
    E::invalid_type(Unexpected::Str(&excerpt(text, 64).to_string()), expected)
}

/// The one of the `known` settings that is called `name`, unless it was `seen`.
pub(crate) fn setting_name(
    name: &str,
    known: &[&'static str],
    seen: &mut Vec<&'static str>,
) -> Result<&'static str, String> {
    let Some(setting) = known.iter().find(|setting| **setting == name) else {
        let name = excerpt(name, 64).quoted();
        return Err(format!(
            "{name} is not a setting here: use one of `{}`",
            known.join("`, `")
        ));
    };
    if seen.contains(setting) {
        return Err(format!("`{setting}` is given twice"));
    }
    seen.push(setting);
    Ok(setting)
}

/// Reads a whole number.
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
