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
use crate::data::{MethodsVisitor, Text, check_key, setting, unexpected_text};
use crate::methods::MethodSet;

/// A map of settings, all optional: see [As data](Policy#as-data).
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // If `deserialize_map` finds a string, some formats show all of it in the error.
        deserializer.deserialize_any(PolicyVisitor)
    }
}

/// The value of a setting.
#[derive(Clone, Copy)]
enum Setting {
    /// A set of methods, and the function of `Policy` that takes it.
    Methods(fn(Policy, MethodSet) -> Policy),
    /// The same, and `null` is an error, because without the setting the policy allows more.
    RequiredMethods(fn(Policy, MethodSet) -> Policy),
    Rules(RuleKind),
    Exempt,
}
use Setting::{Exempt, Methods, RequiredMethods, Rules};

const SETTINGS: &[(&str, Setting)] = &[
    ("recognize", Methods(Policy::recognize)),
    ("recognize_only", RequiredMethods(Policy::recognize_only)),
    ("fallback", RequiredMethods(Policy::fallback)),
    ("routes", Rules(RuleKind::Route)),
    ("subtrees", Rules(RuleKind::Subtree)),
    ("exempt", Exempt),
];

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
        let mut read = |name: &str| setting(name, SETTINGS, &mut seen);
        while let Some(setting) = settings.next_key_seed(Text("a setting", &mut read))? {
            let policy = &mut policy;
            settings.next_value_seed(Value { policy, setting })?;
        }
        Ok(policy)
    }
}

/// Reads the value of a setting into a policy.
struct Value<'a> {
    policy: &'a mut Policy,
    setting: Setting,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.setting {
            Rules(_) => f.write_str(EXPECTED_RULES),
            Exempt => f.write_str("a list of path patterns"),
            Methods(_) | RequiredMethods(_) => MethodsVisitor.expecting(f),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.setting {
            RequiredMethods(_) => Err(E::invalid_type(Unexpected::Unit, &self)),
            Methods(_) | Rules(_) | Exempt => Ok(()),
        }
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.setting {
            Rules(_) | Exempt => Err(unexpected_text(text, &self)),
            Methods(set) | RequiredMethods(set) => {
                *self.policy = set(take(self.policy), MethodsVisitor.visit_str(text)?);
                Ok(())
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        match self.setting {
            Rules(_) => return Err(Error::invalid_type(Unexpected::Seq, &self)),
            Exempt => {
                let paths = &mut self.policy.paths;
                let mut read = |pattern: &str| paths.add_exempt(pattern);
                let expected = "a path pattern";
                while let Some(()) = items.next_element_seed(Text(expected, &mut read))? {}
            }
            Methods(set) | RequiredMethods(set) => {
                *self.policy = set(take(self.policy), MethodsVisitor.visit_seq(items)?);
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rules: A) -> Result<(), A::Error> {
        let Rules(kind) = self.setting else {
            return Err(Error::invalid_type(Unexpected::Map, &self));
        };
        let policy = self.policy;
        loop {
            let add = |pattern: &str| {
                check_key(pattern, EXPECTED_RULES)?;
                let inserted = policy.paths.insert(Subject { kind: Some(kind), pattern });
                inserted.map(|()| pattern.to_owned()).map_err(|error| {
                    // In TOML, a setting below `[routes]` is a key of that table.
                    let is_setting = SETTINGS.iter().any(|(name, _)| *name == pattern);
                    let advice =
                        if is_setting { ". To use the setting, write it above" } else { "" };
                    format!("{error}{advice}")
                })
            };
            let Some(pattern) = rules.next_key_seed(Text("a path pattern", add))? else {
                return Ok(());
            };
            policy.push_rule(kind, &pattern, rules.next_value()?);
        }
    }
}
