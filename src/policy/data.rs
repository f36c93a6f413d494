//! Reads policies from data. Nothing is buffered. Each error is raised at the value that causes it, so the
//! format adds the position.

use std::fmt;
use std::mem::take;

use serde_core::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::Policy;
use super::error::Subject;
use super::rule::RuleKind;
use crate::methods::MethodSet;
use crate::methods::data::{MethodsVisitor, Text, setting_name, unexpected_text};

/// A map of settings, all optional: see [As data](Policy#as-data).
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // If `deserialize_map` finds a string, some formats show all of it in the error.
        deserializer.deserialize_any(PolicyVisitor)
    }
}

const SETTINGS: &[&str] =
    &["recognize", "recognize_only", "fallback", "routes", "subtrees", "exempt"];

const EXPECTED_RULES: &str = "a map of path patterns and their methods";

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
        let mut policy = Policy::new();
        let mut seen = Vec::new();
        let mut setting = |name: &str| setting_name(name, SETTINGS, &mut seen);
        while let Some(name) = settings.next_key_seed(Text("a setting", &mut setting))? {
            let policy = &mut policy;
            settings.next_value_seed(Setting { policy, name })?;
        }
        Ok(policy)
    }
}

/// Reads the value of a setting into a policy.
struct Setting<'a> {
    policy: &'a mut Policy,
    /// One of `SETTINGS`.
    name: &'static str,
}

impl Setting<'_> {
    fn set(self, methods: MethodSet) {
        let policy = take(self.policy);
        *self.policy = match self.name {
            "recognize" => policy.recognize(methods),
            "recognize_only" => policy.recognize_only(methods),
            _ => policy.fallback(methods),
        };
    }
}

impl<'de> DeserializeSeed<'de> for Setting<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Setting<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "routes" | "subtrees" => f.write_str(EXPECTED_RULES),
            "exempt" => f.write_str("a list of path patterns"),
            _ => MethodsVisitor.expecting(f),
        }
    }

    /// `null` is an error for two settings. Without them, the policy would allow more than was meant.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.name {
            "fallback" | "recognize_only" => Err(E::invalid_type(Unexpected::Unit, &self)),
            _ => Ok(()),
        }
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.name {
            "routes" | "subtrees" | "exempt" => Err(unexpected_text(text, &self)),
            _ => MethodsVisitor.visit_str(text).map(|methods| self.set(methods)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        match self.name {
            "routes" | "subtrees" => Err(Error::invalid_type(Unexpected::Seq, &self)),
            "exempt" => {
                let paths = &mut self.policy.paths;
                let mut read = |pattern: &str| paths.add_exempt(pattern);
                let expected = "a path pattern";
                while let Some(()) = items.next_element_seed(Text(expected, &mut read))? {}
                Ok(())
            }
            _ => MethodsVisitor.visit_seq(items).map(|methods| self.set(methods)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rules: A) -> Result<(), A::Error> {
        let kind = match self.name {
            "routes" => RuleKind::Route,
            "subtrees" => RuleKind::Subtree,
            _ => return Err(Error::invalid_type(Unexpected::Map, &self)),
        };
        let policy = self.policy;
        loop {
            let add = |pattern: &str| match policy.paths.insert(Subject::Rule(kind, pattern)) {
                Ok(()) => Ok(pattern.to_owned()),
                // The crate `toml` passes a date as a map with this key.
                Err(_) if pattern.starts_with("$__toml_private") => {
                    Err(format!("invalid type: date, expected {EXPECTED_RULES}"))
                }
                Err(error) => Err(error.to_string()),
            };
            let Some(pattern) = rules.next_key_seed(Text("a path pattern", add))? else {
                return Ok(());
            };
            policy.push_rule(kind, &pattern, rules.next_value()?);
        }
    }
}
