//! Policies as data. Each error is raised while the format is at the mistake, so that it gets its
//! place. Nothing is buffered.

use std::fmt;
use std::mem::take;

use serde_core::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};

use super::Policy;
use super::paths::Paths;
use super::rule::RuleKind;
use crate::methods::MethodSet;
use crate::methods::data::{MethodsVisitor, Text, setting_name, unexpected_text};

/// A map of settings, all optional: see [As data](Policy#as-data).
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Policy", SETTINGS, PolicyVisitor)
    }
}

const SETTINGS: &[&str] = &[
    "recognize",
    "recognize_only",
    "fallback",
    "routes",
    "subtrees",
    "exempt",
];

struct PolicyVisitor;

impl<'de> Visitor<'de> for PolicyVisitor {
    type Value = Policy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the settings of a policy")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Policy, E> {
        Err(unexpected_text(text, &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut settings: A) -> Result<Policy, A::Error> {
        let mut draft = Draft::default();
        let mut seen = Vec::new();
        let mut setting = |name: &str| setting_name(name, SETTINGS, &mut seen);
        while let Some(name) = settings.next_key_seed(Text::new("a setting", &mut setting))? {
            let draft = &mut draft;
            match name {
                "recognize" => {
                    let methods = settings.next_value_seed(OrNull(MethodsVisitor))?;
                    draft.policy = take(&mut draft.policy).recognize(methods);
                }
                "recognize_only" => {
                    let methods = settings.next_value::<MethodSet>()?;
                    draft.policy = take(&mut draft.policy).recognize_only(methods);
                }
                "fallback" => {
                    let methods = settings.next_value::<MethodSet>()?;
                    draft.policy = take(&mut draft.policy).fallback(methods);
                }
                "exempt" => settings.next_value_seed(OrNull(ExemptVisitor(draft)))?,
                "routes" => {
                    let kind = RuleKind::Route;
                    settings.next_value_seed(OrNull(RulesVisitor { draft, kind }))?;
                }
                _ => {
                    let kind = RuleKind::Subtree;
                    settings.next_value_seed(OrNull(RulesVisitor { draft, kind }))?;
                }
            }
        }
        Ok(draft.policy)
    }
}

/// A policy that is being read.
#[derive(Default)]
struct Draft {
    policy: Policy,
    /// The patterns that were read, to find a mistake in one before its methods are read, at its place.
    patterns: Paths,
}

/// Reads the rules of `routes` or `subtrees` into a policy.
struct RulesVisitor<'a> {
    draft: &'a mut Draft,
    kind: RuleKind,
}

impl<'de> Visitor<'de> for RulesVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of path patterns and their methods")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Err(unexpected_text(text, &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rules: A) -> Result<(), A::Error> {
        let Draft { policy, patterns } = self.draft;
        let mut read = |pattern: &str| {
            let added = patterns.add_rule(self.kind, pattern, MethodSet::new());
            added.map_err(|error| error.to_string())?;
            Ok(pattern.to_owned())
        };
        while let Some(pattern) = rules.next_key_seed(Text::new("a path pattern", &mut read))? {
            let methods = rules.next_value::<MethodSet>()?;
            let added = policy.add_rule(self.kind, &pattern, methods);
            added.map_err(Error::custom)?;
        }
        Ok(())
    }
}

/// Reads the patterns of `exempt` into a policy.
struct ExemptVisitor<'a>(&'a mut Draft);

impl<'de> Visitor<'de> for ExemptVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of path patterns")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Err(unexpected_text(text, &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Draft { policy, patterns } = self.0;
        let mut read = |pattern: &str| {
            patterns
                .add_exempt(pattern)
                .and_then(|()| policy.paths.add_exempt(pattern))
                .map_err(|error| error.to_string())
        };
        while items
            .next_element_seed(Text::new("a path pattern", &mut read))?
            .is_some()
        {}
        Ok(())
    }
}

/// Reads a value with a visitor, and `null` as the default.
struct OrNull<V>(V);

impl<'de, V: Visitor<'de, Value: Default>> DeserializeSeed<'de> for OrNull<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, V: Visitor<'de, Value: Default>> Visitor<'de> for OrNull<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        Ok(V::Value::default())
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        Ok(V::Value::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        self.0.visit_str(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(entries)
    }
}
