//! When the settings are to be read again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tracing::warn;

/// How long to wait after a change, for there may be more to it: files are written in parts.
const SETTLE: Duration = Duration::from_millis(100);

/// Sees that a file may have changed, and SIGHUP.
#[derive(Debug)]
pub(crate) struct Changes {
    changed: Arc<Notify>,
    hangup: Hangup,
    /// Dropped, it sees nothing more.
    _watcher: Option<RecommendedWatcher>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Something has happened beside the file or to it.
    Seen,
    /// The operator asks for it.
    Asked,
}

impl Changes {
    /// Nothing is missed once this has returned.
    pub(crate) fn of(file: &Path) -> io::Result<Self> {
        let changed = Arc::new(Notify::new());
        let watcher = watch(file, changed.clone());
        let watcher = watcher.map_err(|error| {
            // Some file systems cannot be watched, and the kernel's watches can be used up.
            warn!(%error, "changes of the settings are not seen: send SIGHUP");
        });
        Ok(Self {
            changed,
            hangup: hangup()?,
            _watcher: watcher.ok(),
        })
    }

    pub(crate) async fn next(&mut self) -> Change {
        tokio::select! {
            () = self.changed.notified() => {
                tokio::time::sleep(SETTLE).await;
                Change::Seen
            }
            () = asked(&mut self.hangup) => Change::Asked,
        }
    }
}

/// Watches the directory that the file is in, not the file: an editor puts another file in its place,
/// and in a ConfigMap's volume the file is a symbolic link through `..data`, another link, which
/// Kubernetes replaces. What happens to other files there is seen, too.
fn watch(file: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher =
        notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            // That the file is read is an event as well, and shall not be a reason to read it.
            Ok(Event {
                kind: EventKind::Access(kind),
                ..
            }) if kind != AccessKind::Close(AccessMode::Write) => {}
            Ok(_) => changed.notify_one(),
            Err(error) => warn!(%error, "changes of the settings may not be seen"),
        })?;
    let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(unix)]
type Hangup = tokio::signal::unix::Signal;

#[cfg(unix)]
fn hangup() -> io::Result<Hangup> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
}

#[cfg(unix)]
async fn asked(hangup: &mut Hangup) {
    hangup.recv().await;
}

#[cfg(not(unix))]
type Hangup = ();

#[cfg(not(unix))]
fn hangup() -> io::Result<Hangup> {
    Ok(())
}

#[cfg(not(unix))]
async fn asked(_: &mut Hangup) {
    std::future::pending().await
}
