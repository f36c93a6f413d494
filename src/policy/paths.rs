//! Finds the rule for a path.

use std::fmt;
use std::sync::Arc;

use matchit::Router;

use super::error::{PolicyError, Subject};
use super::pattern::expand;
use super::rule::StoredRule;

/// The rules that have a path pattern, and the exempt paths.
#[derive(Clone, Default)]
pub(super) struct Paths {
    router: Router<Match>,
    /// Routes and subtrees, in the order in which they were added.
    pub(super) rules: Vec<Arc<StoredRule>>,
    /// Exempt patterns, in the order in which they were added.
    pub(super) exempt: Vec<String>,
}

/// What applies at a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Rule(&'a Arc<StoredRule>),
    NoRule,
    Exempt,
}

impl<'a> Place<'a> {
    #[inline]
    pub(crate) fn rule(self) -> Option<&'a Arc<StoredRule>> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::NoRule | Self::Exempt => None,
        }
    }
}

/// The value of a pattern in the router.
#[derive(Clone, Copy)]
struct Match {
    /// The position in `rules`, or `None` for an exempt path.
    rule: Option<usize>,
    /// Whether the pattern ends with `{*rest}`.
    has_rest: bool,
}

/// A byte that neither a pattern nor the path of a request contains.
const FILLER: char = '\u{1}';

impl Paths {
    pub(super) fn add_exempt(&mut self, pattern: &str) -> Result<(), PolicyError> {
        self.insert(Subject { kind: None, pattern })?;
        self.exempt.push(pattern.to_owned());
        Ok(())
    }

    /// Inserts the pattern of `subject` for the rule that is added next, or for no rule if the path is exempt.
    ///
    /// After a conflict, the router may keep a part of a subtree. So the caller drops the policy.
    pub(super) fn insert(&mut self, subject: Subject<'_>) -> Result<(), PolicyError> {
        let rule = subject.kind.map(|_| self.rules.len());
        let expanded = expand(subject)?;
        if self.try_insert(&expanded, rule) {
            return Ok(());
        }
        // The error of `matchit` shows only a part of a pattern, or one that the user did not write.
        let rules = self.rules.iter();
        let rules = rules.map(|rule| Subject { kind: Some(rule.kind), pattern: &rule.pattern });
        let exempt = self.exempt.iter().map(|pattern| Subject { kind: None, pattern });
        let existing = rules.chain(exempt).find(|existing| {
            let mut pair = Self::default();
            expand(*existing).is_ok_and(|existing| pair.try_insert(&existing, None))
                && !pair.try_insert(&expanded, None)
        });
        let other = existing.map_or("another pattern".to_owned(), |existing| existing.to_string());
        Err(PolicyError::new(subject, format_args!("conflicts with {other}")))
    }

    /// Adds `patterns`. Returns `false` if one of them conflicts.
    fn try_insert(&mut self, patterns: &[String], rule: Option<usize>) -> bool {
        patterns.iter().all(|pattern| {
            let found = Match { rule, has_rest: pattern.contains("/{*") };
            self.router.insert(pattern, found).is_ok()
        })
    }

    /// The place of the most specific pattern that matches `path`.
    ///
    /// As in axum 0.8, a `{name}` also matches an empty segment, except at the end of the path. `matchit` does
    /// not match an empty parameter, so empty segments are filled and the path is looked up again. This is
    /// needed only if nothing or a `{*rest}` matched. No other match has an empty segment.
    #[inline]
    pub(super) fn get(&self, path: &str) -> Place<'_> {
        if self.rules.is_empty() && self.exempt.is_empty() {
            return Place::NoRule;
        }
        let found = match self.router.at(path) {
            Ok(found) if !found.value.has_rest => Some(found.value),
            found => self.get_filled(path, found.ok().map(|found| found.value)),
        };
        match found {
            Some(Match { rule: Some(at), .. }) => Place::Rule(&self.rules[*at]),
            Some(Match { rule: None, .. }) => Place::Exempt,
            None => Place::NoRule,
        }
    }

    /// Looks a path with empty segments up again. `found` is the result for `path` as it is.
    #[inline(never)]
    fn get_filled<'a>(&'a self, path: &str, found: Option<&'a Match>) -> Option<&'a Match> {
        if !path.as_bytes().windows(2).any(|pair| pair == b"//") {
            return found;
        }
        let filled = fill_empty_segments(path);
        self.router.at(&filled).ok().map(|found| found.value)
    }
}

#[cold]
fn fill_empty_segments(path: &str) -> String {
    let mut filled = String::with_capacity(2 * path.len());
    for c in path.chars() {
        if c == '/' && filled.ends_with('/') {
            filled.push(FILLER);
        }
        filled.push(c);
    }
    filled
}

/// The rules and exempt paths, such as `{"/users": [GET, HEAD], "/ws": exempt}`.
impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.iter();
        let exempt = self.exempt.iter();
        f.debug_map()
            .entries(rules.map(|rule| (&rule.pattern, &rule.allow.methods)))
            .entries(exempt.map(|pattern| (pattern, format_args!("exempt"))))
            .finish()
    }
}
