//! The settings file: its content, and when it is read.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use axum::http::HeaderValue;
use serde::{Deserialize, Deserializer, de};
use tower_method_policy::{Policy, RetryAfter};

/// The size limit of the file in bytes: that of a Kubernetes ConfigMap.
const MAX_SIZE: u64 = 1024 * 1024;

/// The time between two reads of the file. Reading finds every change: of the file, of a directory above it, of
/// a symbolic link in its path, or of a mount. The kernel's notifications would need a watch for each of these,
/// and network file systems send none.
const INTERVAL: Duration = Duration::from_millis(250);

/// The content of the file.
///
/// The policy is a separate table, because `#[serde(flatten)]` would ignore misspelled keys and lose the position
/// of errors. The table is required, because an empty file must be an error and not a policy without rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) report_only: bool,
    pub(crate) retry_after: Option<RetryAfter>,
    #[serde(default, deserialize_with = "field_value")]
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) policy: Policy,
    /// A second policy that only reports: its rejections are counted and logged.
    pub(crate) candidate: Option<Policy>,
}

fn field_value<'de, D: Deserializer<'de>>(data: D) -> Result<Option<HeaderValue>, D::Error> {
    let value = String::deserialize(data)?;
    let value = HeaderValue::try_from(value).map_err(|_| de::Error::custom("not a field value"))?;
    Ok(Some(value))
}

/// The settings file. Its functions block, because a network file system may take long to answer.
pub(crate) struct SettingsFile {
    path: PathBuf,
    /// The content or the error of the last read.
    seen: Result<String, String>,
    /// The content or the error that the last result is for.
    returned: Result<String, String>,
}

impl SettingsFile {
    /// Reads the settings. The error names the line and the column.
    pub(crate) fn open(path: &str) -> (Self, Result<Settings, String>) {
        let seen = read(path.as_ref());
        let mut file = Self { path: path.into(), seen: seen.clone(), returned: seen };
        let settings = file.settings();
        (file, settings)
    }

    /// Waits until the file has changed or the operator asks for a reload, and reads the file. The `bool` is
    /// `true` if the operator asked.
    pub(crate) fn next(&mut self, asked: &Receiver<()>) -> (bool, Result<Settings, String>) {
        loop {
            let is_asked = asked.recv_timeout(INTERVAL).is_ok();
            let content = read(&self.path);
            // Two reads must be the same, because a file that is written in place may be incomplete.
            let is_complete = self.seen == content;
            self.seen = content;
            if is_asked || is_complete && self.seen != self.returned {
                return (is_asked, self.settings());
            }
        }
    }

    fn settings(&mut self) -> Result<Settings, String> {
        self.returned = self.seen.clone();
        toml::from_str(&self.seen.clone()?).map_err(|error| error.to_string())
    }
}

fn read(path: &Path) -> Result<String, String> {
    // A FIFO without a writer would block, and some devices have no end.
    let is_file = fs::metadata(path).map_err(|error| error.to_string())?.is_file();
    if !is_file {
        return Err("not a regular file".to_owned());
    }
    let mut content = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SIZE + 1).read_to_string(&mut content))
        .map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_SIZE {
        return Err("larger than 1 MiB".to_owned());
    }
    Ok(content)
}
