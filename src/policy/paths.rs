//! The rules by path.

use std::fmt;
use std::sync::Arc;

use matchit::{InsertError, Router};

use super::error::{PolicyError, Subject};
use super::pattern::expand;
use super::rule::{RuleKind, StoredRule};
use crate::methods::MethodSet;

/// The rules that have a path pattern, and the exempt paths.
#[derive(Clone, Default)]
pub(super) struct Paths {
    router: Router<Match>,
    /// Routes and subtrees, in the order in which they were added.
    pub(super) rules: Vec<Arc<StoredRule>>,
    /// Exempt patterns, in the order in which they were added.
    pub(super) exempt: Vec<String>,
}

/// What a pattern leads to.
#[derive(Clone)]
struct Match {
    /// `None` for an exempt path.
    rule: Option<Arc<StoredRule>>,
    /// Whether the pattern ends with `{*rest}`.
    has_rest: bool,
}

/// What applies at a path.
pub(super) enum Found<'a> {
    Rule(&'a Arc<StoredRule>),
    Exempt,
    Nothing,
}

/// A byte that neither a pattern nor the path of a request contains.
const FILLER: char = '\u{1}';

impl Paths {
    pub(super) fn add_rule(
        &mut self,
        kind: RuleKind,
        pattern: &str,
        methods: MethodSet,
    ) -> Result<(), PolicyError> {
        let rule = Arc::new(StoredRule::new(kind, pattern, methods));
        self.insert(Subject::Rule(kind, pattern), Some(&rule))?;
        self.rules.push(rule);
        Ok(())
    }

    pub(super) fn add_exempt(&mut self, pattern: &str) -> Result<(), PolicyError> {
        self.insert(Subject::Exempt(pattern), None)?;
        self.exempt.push(pattern.to_owned());
        Ok(())
    }

    fn insert(
        &mut self,
        subject: Subject<'_>,
        rule: Option<&Arc<StoredRule>>,
    ) -> Result<(), PolicyError> {
        for (pattern, has_rest) in expand(subject)? {
            let rule = rule.cloned();
            match self.router.insert(pattern, Match { rule, has_rest }) {
                Ok(()) => {}
                Err(InsertError::Conflict { with }) => {
                    let problem = match self.conflicting(subject) {
                        Some(existing) if existing.pattern() == subject.pattern() => {
                            format!("has the same pattern as an earlier {existing}")
                        }
                        Some(existing) => format!("conflicts with {existing}"),
                        None => format!("conflicts with `{with:.128}`"),
                    };
                    return Err(PolicyError::new(subject, problem));
                }
                Err(error) => return Err(PolicyError::new(subject, error)),
            }
        }
        Ok(())
    }

    /// The first entry that conflicts with `subject`. `matchit` would name a part of it, or none as the
    /// user wrote it.
    fn conflicting(&self, subject: Subject<'_>) -> Option<Subject<'_>> {
        let rules = self.rules.iter();
        let rules = rules.map(|rule| Subject::Rule(rule.kind, &rule.pattern));
        let exempt = self.exempt.iter();
        let exempt = exempt.map(|pattern| Subject::Exempt(pattern.as_str()));
        rules.chain(exempt).find(|existing| {
            let mut pair = Self::default();
            pair.insert_all(*existing) && !pair.insert_all(subject)
        })
    }

    /// Adds what `subject` stands for without a rule; whether nothing conflicts.
    fn insert_all(&mut self, subject: Subject<'_>) -> bool {
        let rule = None;
        expand(subject).is_ok_and(|patterns| {
            patterns.into_iter().all(|(pattern, has_rest)| {
                let rule = rule.clone();
                self.router
                    .insert(pattern, Match { rule, has_rest })
                    .is_ok()
            })
        })
    }

    /// What the most specific pattern that matches `path` leads to.
    ///
    /// A `{name}` matches an empty segment too, except at the end of the path, as in axum 0.8. `matchit`
    /// lets no parameter be empty, so empty segments are filled and the path is looked up again. That is
    /// done only if nothing or a `{*rest}` matched: no other match has an empty segment.
    #[inline]
    pub(super) fn get(&self, path: &str) -> Found<'_> {
        if self.rules.is_empty() && self.exempt.is_empty() {
            return Found::Nothing;
        }
        let mut found = self.router.at(path).ok().map(|found| found.value);
        if found.is_none_or(|found| found.has_rest) && has_empty_segment(path) {
            let filled = fill_empty_segments(path);
            found = self.router.at(&filled).ok().map(|found| found.value);
        }
        match found {
            Some(Match {
                rule: Some(rule), ..
            }) => Found::Rule(rule),
            Some(Match { rule: None, .. }) => Found::Exempt,
            None => Found::Nothing,
        }
    }
}

fn has_empty_segment(path: &str) -> bool {
    path.as_bytes().windows(2).any(|pair| pair == b"//")
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
