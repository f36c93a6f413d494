//! Sets of methods as data, and the strings that names are read from.

use std::fmt;

use http::Method;
use serde_core::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_core::ser::{Serialize, Serializer};

use super::parse::elements;
use super::registered::RegisteredMethod;
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
/// What is a method to the rest of the crate, but in data surely a mistake, is an error: `get`, which
/// is not the registered `GET`, and the reserved names `PRI` and `*`. A set with such a name in it can
/// be written, but not read again.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for MethodSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Methods)
    }
}

/// Reads a set of methods.
pub(crate) struct Methods;

impl<'de> Visitor<'de> for Methods {
    type Value = MethodSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of method names, or one string with commas between them")
    }

    fn visit_str<E: Error>(self, list: &str) -> Result<MethodSet, E> {
        let is_one = !list.contains(',');
        elements(list)
            .map(|(position, name)| {
                method(name).map_err(|problem| match is_one {
                    true => E::custom(format_args!("{name:?} {problem}")),
                    false => E::custom(format_args!("{name:?} at byte {position} {problem}")),
                })
            })
            .collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<MethodSet, A::Error> {
        let mut methods = MethodSet::new();
        let name = |name: &str| method(name).map_err(|problem| format!("{name:?} {problem}"));
        while let Some(method) = names.next_element_seed(Text::new("a method name", name))? {
            methods.insert(method);
        }
        Ok(methods)
    }
}

/// The method called `name`, or what is wrong with the name.
fn method(name: &str) -> Result<Method, String> {
    let Ok(method) = Method::from_bytes(name.as_bytes()) else {
        let is_method = |text: &str| Method::from_bytes(text.as_bytes()).is_ok();
        return Err(format!("is not a method name{}", culprit(name, is_method)));
    };
    let upper_case = Method::from_bytes(name.to_ascii_uppercase().as_bytes());
    let registered = upper_case.ok().as_ref().and_then(RegisteredMethod::of);
    match registered.map(RegisteredMethod::name) {
        Some("*") => Err("does not stand for all methods: list each by its name".to_owned()),
        Some("PRI") => Err(
            "is no method: the name is reserved, for it opens an HTTP/2 connection \
             (RFC 9113 §3.4)"
                .to_owned(),
        ),
        Some(registered) if registered != name => {
            Err(format!("is not {registered:?}: methods are case-sensitive"))
        }
        _ => Ok(method),
    }
}

/// Which character of `text` is not allowed by itself, as the end of a sentence.
pub(crate) fn culprit(text: &str, is_allowed: impl Fn(&str) -> bool) -> String {
    let is_culprit = |c: &char| !is_allowed(c.encode_utf8(&mut [0; 4]));
    match text.chars().find(is_culprit) {
        Some(c) => format!(": {c:?} cannot be part of one"),
        None => String::new(),
    }
}

/// Reads a string and makes something of it.
///
/// An error of `read` is raised while the format is at the string, so that it gets the string's place.
pub(crate) struct Text<F> {
    expected: &'static str,
    read: F,
}

impl<F> Text<F> {
    pub(crate) fn new(expected: &'static str, read: F) -> Self {
        Self { expected, read }
    }
}

impl<'de, T, E, F> DeserializeSeed<'de> for Text<F>
where
    F: FnOnce(&str) -> Result<T, E>,
    E: fmt::Display,
{
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, E, F> Visitor<'_> for Text<F>
where
    F: FnOnce(&str) -> Result<T, E>,
    E: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<R: Error>(self, text: &str) -> Result<T, R> {
        (self.read)(text).map_err(R::custom)
    }
}
