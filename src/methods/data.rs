//! Reads and writes sets of methods as data.

use std::fmt;

use http::Method;
use serde_core::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_core::ser::{Serialize, Serializer};

use super::parse::method;
use super::set::MethodSet;
use crate::data::Text;

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
        let mut methods = MethodSet::new();
        while let Some(method) = names.next_element_seed(Text("a method name", method))? {
            methods.insert(method);
        }
        Ok(methods)
    }
}
