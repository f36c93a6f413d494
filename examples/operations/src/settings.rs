//! What an operator can set, in a file that is read while the server runs.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use axum::http::HeaderValue;
use serde::{Deserialize, Deserializer, de};
use tower_method_policy::{Policy, RetryAfter};

/// The content of the file.
///
/// The policy is a table of its own and not flattened into this one: `#[serde(flatten)]` passes only
/// fields on that are known, so that misspelt ones are no error, and it buffers them, so that what is
/// wrong in them has no place in the file. It has no default, so that an empty file, which some editors
/// leave for a moment, is an error and not another policy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) report_only: bool,
    pub(crate) retry_after: Option<RetryAfter>,
    #[serde(default, deserialize_with = "field_value")]
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) policy: Policy,
    /// Tried beside it: what it would reject is counted and logged.
    pub(crate) candidate: Option<Policy>,
}

fn field_value<'de, D: Deserializer<'de>>(data: D) -> Result<Option<HeaderValue>, D::Error> {
    let value = String::deserialize(data)?;
    let parsed = HeaderValue::from_str(&value);
    parsed
        .map(Some)
        .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&value), &"a field value"))
}

/// The settings' file.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    /// What it held when it was last read, if it could be.
    content: Option<String>,
}

/// Why settings are not applied.
#[derive(Debug)]
pub(crate) enum Problem {
    Unreadable(io::Error),
    Invalid {
        line: usize,
        column: usize,
        message: String,
    },
}

impl File {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            content: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn read(&mut self) -> Result<Settings, Problem> {
        self.content = None;
        let content = tokio::fs::read_to_string(&self.path).await;
        let content = self.content.insert(content.map_err(Problem::Unreadable)?);
        parse(content)
    }

    /// As [`read`](Self::read), unless the file is as it was the last time: one mistake is told once.
    pub(crate) async fn read_if_changed(&mut self) -> Option<Result<Settings, Problem>> {
        let before = self.content.take();
        let settings = self.read().await;
        (self.content != before).then_some(settings)
    }
}

fn parse(content: &str) -> Result<Settings, Problem> {
    toml::from_str(content).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = content.get(..start).unwrap_or(content);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Problem::Invalid {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
            message: error.message().to_owned(),
        }
    })
}

impl Problem {
    /// Line and column, counted from 1, if the file could be read.
    pub(crate) fn place(&self) -> Option<(usize, usize)> {
        match *self {
            Self::Unreadable(_) => None,
            Self::Invalid { line, column, .. } => Some((line, column)),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Invalid { message, .. } => message.fmt(f),
        }
    }
}
