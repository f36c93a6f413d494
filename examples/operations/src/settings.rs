//! The settings file: its content, and when and how it is read.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, mem};

use axum::http::HeaderValue;
use serde::{Deserialize, Deserializer, de};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};
use tower_method_policy::{Policy, RetryAfter};

use crate::observe::printable;

/// The size limit of the file in bytes: that of a Kubernetes ConfigMap.
const MAX_SIZE: u64 = 1024 * 1024;

/// The time between two reads of the file. Reading finds every change: of the file, of a directory above it, of
/// a symbolic link in its path, or of a mount. The kernel's notifications would need a watch for each of these,
/// and network file systems send none.
const INTERVAL: Duration = Duration::from_millis(250);

/// If the file changes this often from one read to the next, it is reported anyway.
const MAX_CHANGES: u32 = 20;

/// How long it may take to read or to apply the file. A network file system may never answer.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How many characters of a problem are reported. It may name a key as large as the file.
const MAX_LENGTH: usize = 1000;

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

/// The reason why the settings cannot be applied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// Line and column, counted from 1, if the file could be read.
    pub(crate) place: Option<(usize, usize)>,
    message: String,
}

/// The settings file.
pub(crate) struct File<T> {
    path: PathBuf,
    /// Builds the application from the settings. This takes time for a large policy.
    build: Arc<dyn Fn(&Settings) -> T + Send + Sync>,
    /// The result of the last read.
    seen: Result<String, Problem>,
    /// The result of the read that was reported last.
    reported: Result<String, Problem>,
    /// Set while a read is overdue.
    worker: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> File<T> {
    pub(crate) fn new(
        path: impl Into<PathBuf>,
        build: impl Fn(&Settings) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            path: path.into(),
            build: Arc::new(build),
            seen: Ok(String::new()),
            reported: Ok(String::new()),
            worker: None,
        }
    }

    /// Reads the settings.
    pub(crate) async fn load(&mut self) -> Result<(Settings, T), Problem> {
        self.seen = self.read().await;
        self.report().await
    }

    /// Waits until the file has changed or the operator asks for a reload, and reads the file. The `bool` is
    /// `true` if the operator asked.
    pub(crate) async fn next(&mut self, asked: &Notify) -> (bool, Result<(Settings, T), Problem>) {
        let mut changes = 0;
        loop {
            tokio::select! {
                () = asked.notified() => return (true, self.load().await),
                () = sleep(INTERVAL) => {}
            }
            let content = self.read().await;
            let before = mem::replace(&mut self.seen, content);
            changes = if self.seen == before { 0 } else { changes + 1 };
            // Two reads must be the same, because a file that is written in place may be incomplete. A file
            // that never stops changing is also reported.
            if self.seen != self.reported && matches!(changes, 0 | MAX_CHANGES) {
                return (false, self.report().await);
            }
        }
    }

    async fn report(&mut self) -> Result<(Settings, T), Problem> {
        self.reported = self.seen.clone();
        let content = self.seen.clone()?;
        let build = self.build.clone();
        self.within_limit(move || {
            let settings = parse(&content)?;
            let built = build(&settings);
            Ok((settings, built))
        })
        .await
    }

    async fn read(&mut self) -> Result<String, Problem> {
        let path = self.path.clone();
        self.within_limit(move || Ok(read(&path)?)).await
    }

    /// Runs `job` on a separate thread, and waits for at most `TIME_LIMIT`. tokio's blocking threads are not
    /// suitable, because the end of the program waits for them.
    async fn within_limit<R: Send + 'static>(
        &mut self,
        job: impl FnOnce() -> Result<R, Problem> + Send + 'static,
    ) -> Result<R, Problem> {
        let overdue = || Problem::from(io::Error::from(io::ErrorKind::TimedOut));
        // At most one thread can hang.
        if matches!(&self.worker, Some(worker) if !worker.is_finished()) {
            return Err(overdue());
        }
        let (sender, result) = oneshot::channel();
        let worker = thread::Builder::new().spawn(move || drop(sender.send(job())))?;
        let result = timeout(TIME_LIMIT, result).await;
        self.worker = result.is_err().then_some(worker);
        result.map_err(|_| overdue())?.map_err(io::Error::other)?
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A FIFO without a writer must not block, and a terminal must not become the program's terminal.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NONBLOCK | libc::O_NOCTTY,
    );
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // The size in the metadata is not used: it is 0 for the files in /proc, and the file may grow.
    let mut content = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_SIZE {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    String::from_utf8(content).map_err(io::Error::other)
}

fn parse(content: &str) -> Result<Settings, Problem> {
    toml::from_str(content).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = content.get(..start).unwrap_or(content);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = 1 + before[line_start..].chars().count();
        Problem {
            place: Some((1 + before.matches('\n').count(), column)),
            message: printable(error.message(), MAX_LENGTH),
        }
    })
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self { place: None, message: printable(&error.to_string(), MAX_LENGTH) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
