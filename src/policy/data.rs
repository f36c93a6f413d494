//! Policies and rules as data. Each error is raised where the format is at the mistake, so that it
//! gets its place: nothing is buffered.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_core::de::value::Error as Problem;
use serde_core::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};

use super::Policy;
use super::allow::Allow;
use super::error::PolicyError;
use super::routes::Routes;
use crate::methods::MethodSet;
use crate::methods::data::{Methods, Text, culprit};

/// A map of `recognize`, `recognize_only`, `allow` and `routes`, all optional: see
/// [As data](Policy#as-data).
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Policy", SETTINGS, Settings)
    }
}

/// A list of names or one string with commas between them, as for a [`MethodSet`]: [`Allow::new`]. Or
/// a map of either `methods`, which is the same, or `exactly` ([`Allow::exactly`]), and optionally
/// `options_headers`: see [As data](Policy#as-data).
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Rule)
    }
}

const SETTINGS: &[&str] = &["recognize", "recognize_only", "allow", "routes"];

/// Reads a policy.
struct Settings;

impl<'de> Visitor<'de> for Settings {
    type Value = Policy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the settings of a policy")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut settings: A) -> Result<Policy, A::Error> {
        let mut policy = Policy::new();
        let mut seen = Vec::new();
        let mut read = |name: &str| field(name, SETTINGS, &mut seen);
        while let Some(setting) = settings.next_key_seed(Text::new("a setting", &mut read))? {
            policy = match setting {
                "recognize" => policy.recognize(settings.next_value::<MethodSet>()?),
                "recognize_only" => policy.recognize_only(settings.next_value::<MethodSet>()?),
                "allow" => policy.allow(settings.next_value::<Allow>()?),
                _ => settings.next_value_seed(PathRules(policy))?,
            };
        }
        Ok(policy)
    }
}

/// Adds path rules to a policy.
struct PathRules(Policy);

impl<'de> DeserializeSeed<'de> for PathRules {
    type Value = Policy;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Policy, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PathRules {
    type Value = Policy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of path patterns and their rules")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rules: A) -> Result<Policy, A::Error> {
        let Self(mut policy) = self;
        // A pattern is judged before its rule is known: a mistake in it has its place, not the rule's.
        let mut patterns = Routes::default();
        let no_rule = Allow::exactly([]);
        let mut read = |pattern: &str| match patterns.insert(pattern, no_rule.clone()) {
            Ok(()) => Ok(pattern.to_owned()),
            Err(PolicyError::ConflictingPattern { existing, .. }) if existing == pattern => {
                Err(format!("path pattern `{pattern}` is given twice"))
            }
            Err(error) => Err(error.to_string()),
        };
        while let Some(pattern) = rules.next_key_seed(Text::new("a path pattern", &mut read))? {
            let rule = rules.next_value::<Allow>()?;
            policy = policy.route(&pattern, rule).map_err(Error::custom)?;
        }
        Ok(policy)
    }
}

const RULE: &[&str] = &["methods", "exactly", "options_headers"];

/// Reads a rule.
struct Rule;

impl<'de> Visitor<'de> for Rule {
    type Value = Allow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a list of method names, one string with commas between them, or a map with `methods` \
             or `exactly`",
        )
    }

    fn visit_str<E: Error>(self, list: &str) -> Result<Allow, E> {
        Methods.visit_str(list).map(Allow::new)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Allow, A::Error> {
        Methods.visit_seq(names).map(Allow::new)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Allow, A::Error> {
        let mut rule = None;
        let mut headers = HeaderMap::new();
        let mut seen = Vec::new();
        let mut read = |name: &str| {
            let name = field(name, RULE, &mut seen)?;
            if ["methods", "exactly"].iter().all(|one| seen.contains(one)) {
                return Err(Problem::custom(
                    "a rule has `methods` or `exactly`, not both",
                ));
            }
            Ok(name)
        };
        while let Some(name) = fields.next_key_seed(Text::new("a field of a rule", &mut read))? {
            match name {
                "methods" => rule = Some(Allow::new(fields.next_value::<MethodSet>()?)),
                "exactly" => rule = Some(Allow::exactly(fields.next_value::<MethodSet>()?)),
                _ => headers = fields.next_value_seed(OptionsHeaders)?,
            }
        }
        let rule = rule.ok_or_else(|| Error::custom("missing field `methods` or `exactly`"))?;
        Ok(Allow::with_headers(rule.methods().clone(), headers))
    }
}

/// The one of the `known` fields that is called `name`, unless it was `seen`.
fn field(
    name: &str,
    known: &'static [&'static str],
    seen: &mut Vec<&'static str>,
) -> Result<&'static str, Problem> {
    let field = known.iter().find(|field| **field == name);
    let field = field.ok_or_else(|| Problem::unknown_field(name, known))?;
    if seen.contains(field) {
        return Err(Problem::duplicate_field(field));
    }
    seen.push(field);
    Ok(field)
}

/// Reads header fields.
struct OptionsHeaders;

impl<'de> DeserializeSeed<'de> for OptionsHeaders {
    type Value = HeaderMap;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<HeaderMap, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OptionsHeaders {
    type Value = HeaderMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of header field names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<HeaderMap, A::Error> {
        let mut headers = HeaderMap::new();
        loop {
            let read = |name: &str| new_name(name, &headers);
            let Some(name) = fields.next_key_seed(Text::new("a header field name", read))? else {
                return Ok(headers);
            };
            let headers = &mut headers;
            fields.next_value_seed(Values { name, headers })?;
        }
    }
}

/// The field name that `text` is, unless there is one in `headers`.
fn new_name(text: &str, headers: &HeaderMap) -> Result<HeaderName, String> {
    let Ok(name) = HeaderName::try_from(text) else {
        let is_name = |text: &str| HeaderName::try_from(text).is_ok();
        let culprit = culprit(text, is_name);
        return Err(format!("{text:?} is not a header field name{culprit}"));
    };
    match headers.contains_key(&name) {
        true => Err(format!(
            "header field {text:?} is given twice: give it one list of values"
        )),
        false => Ok(name),
    }
}

/// Adds the values of one header field.
struct Values<'a> {
    name: HeaderName,
    headers: &'a mut HeaderMap,
}

impl Values<'_> {
    fn add(&mut self, text: &str) -> Result<(), String> {
        let Ok(value) = HeaderValue::try_from(text) else {
            let is_value = |text: &str| HeaderValue::try_from(text).is_ok();
            let culprit = culprit(text, is_value);
            return Err(format!("{text:?} is not a header field value{culprit}"));
        };
        match self.headers.try_append(self.name.clone(), value) {
            Ok(_) => Ok(()),
            Err(_) => Err("there are too many header fields".to_owned()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a header field, or a list of its values")
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<(), E> {
        self.add(value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<(), A::Error> {
        let mut read = |value: &str| self.add(value);
        let mut value =
            || values.next_element_seed(Text::new("the value of a header field", &mut read));
        while value()?.is_some() {}
        Ok(())
    }
}
