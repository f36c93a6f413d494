//! Path patterns and the rule of each.

use std::fmt;

use matchit::{InsertError, Router};

use super::allow::Allow;
use super::error::PolicyError;

/// Path rules, looked up by the path of a request.
#[derive(Clone, Default)]
pub(crate) struct Routes {
    router: Router<Allow>,
    /// Every pattern and its rule, in the order of insertion.
    rules: Vec<(String, Allow)>,
}

impl Routes {
    pub(crate) fn insert(&mut self, pattern: &str, rule: Allow) -> Result<(), PolicyError> {
        let invalid = |reason: String| PolicyError::InvalidPattern {
            pattern: pattern.to_owned(),
            reason,
        };
        check(pattern).map_err(invalid)?;
        match self.router.insert(pattern, rule.clone()) {
            Ok(()) => {
                self.rules.push((pattern.to_owned(), rule));
                Ok(())
            }
            Err(InsertError::Conflict { with }) => Err(PolicyError::ConflictingPattern {
                pattern: pattern.to_owned(),
                existing: self.conflicting(pattern).map_or(with, str::to_owned),
            }),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    /// The first pattern that does not go together with `pattern`, as it was written: `matchit`
    /// puts the one that it reports together from its tree, which can differ.
    fn conflicting(&self, pattern: &str) -> Option<&str> {
        let patterns = self.rules.iter().map(|(existing, _)| existing.as_str());
        patterns.into_iter().find(|existing| {
            let mut pair = Router::new();
            pair.insert(*existing, ()).is_ok() && pair.insert(pattern, ()).is_err()
        })
    }

    /// The rule of the most specific pattern that matches `path`.
    ///
    /// Without rules nothing is looked up. `*`, and the empty path of a request in authority form,
    /// match no pattern, since every pattern begins with `/`.
    #[inline]
    pub(crate) fn rule_for(&self, path: &str) -> Option<&Allow> {
        if self.rules.is_empty() {
            return None;
        }
        self.router.at(path).ok().map(|found| found.value)
    }

    /// Every pattern and its rule, in the order of insertion.
    pub(crate) fn rules(&self) -> impl ExactSizeIterator<Item = (&str, &Allow)> {
        self.rules
            .iter()
            .map(|(pattern, rule)| (pattern.as_str(), rule))
    }
}

/// What axum checks before it asks `matchit`: to that, `:id` and `*rest`, the parameters of axum 0.7,
/// are literals, and a rule for them would be one that never matches.
fn check(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() {
        return Err("it is empty; the root is `/`".to_owned());
    }
    if !pattern.starts_with('/') {
        return Err("it does not begin with `/`".to_owned());
    }
    // `matchit` panics at one more.
    let parameters = pattern.replace("{{", "").replace("{*", "");
    if parameters.matches('{').count() > 25 {
        return Err("it has more than 25 parameters".to_owned());
    }
    for segment in pattern.split('/') {
        if let Some(name) = segment.strip_prefix(':') {
            let name = named(name, "name");
            return Err(format!(
                "a segment begins with `:`; for a parameter, write `{{{name}}}`"
            ));
        }
        if let Some(name) = segment.strip_prefix('*') {
            let name = named(name, "rest");
            return Err(format!(
                "a segment begins with `*`; for the rest of the path, write `{{*{name}}}`"
            ));
        }
    }
    Ok(())
}

/// What to call a parameter: as it was, where that can be a name.
fn named<'a>(name: &'a str, otherwise: &'a str) -> &'a str {
    if name.is_empty() || name.contains(['{', '}', '*']) {
        otherwise
    } else {
        name
    }
}

/// The patterns and what they allow, such as `{"/": [GET, HEAD, POST]}`.
impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.rules()).finish()
    }
}
