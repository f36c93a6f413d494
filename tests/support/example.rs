//! Runs an example as a program.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::server::within;

/// A running example. Its process is killed and reaped when the value is dropped.
pub(crate) struct Example {
    child: Child,
    /// The lines that it prints, until it ends.
    lines: UnboundedReceiver<String>,
    /// What it prints to stderr.
    errors: Option<JoinHandle<String>>,
}

impl Example {
    /// Starts the example called `name`. If `name` is an absolute path, starts the program at that path.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        // The test is `target/<profile>/deps/<name>-<hash>`.
        let test = env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
        let child = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        // If the program is missing, `cargo build --examples` builds it.
        let mut child = child.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (sender, lines) = unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines() {
                // The test may have ended.
                let _ = sender.send(line.unwrap());
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut errors = String::new();
            stderr.read_to_string(&mut errors).unwrap();
            errors
        });
        Self { child, lines, errors: Some(errors) }
    }

    /// Starts an example on a free port and waits until it listens. Its first argument is the address.
    pub(crate) async fn listening<const N: usize>(
        name: &str,
        arguments: [&str; N],
    ) -> (Self, SocketAddr) {
        let mut example = Self::start(name, &[&["127.0.0.1:0"], &arguments[..]].concat());
        let address = example.address().await;
        (example, address)
    }

    /// The address where it listens, from its first line.
    pub(crate) async fn address(&mut self) -> SocketAddr {
        let line = self.line().await.unwrap();
        let url = line.strip_prefix("listening on ").unwrap();
        let (_, address) = url.split_once("://").unwrap();
        let address: SocketAddr = address.parse().unwrap();
        assert_ne!(address.port(), 0);
        address
    }

    /// The next line that it prints, or `None` if it ends.
    pub(crate) async fn line(&mut self) -> Option<String> {
        within(self.lines.recv()).await
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let mut lines = status.lines();
        let resident = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes = resident.split_whitespace().next();
        kibibytes.unwrap().parse().unwrap()
    }

    /// The number of its open files and sockets.
    #[cfg(target_os = "linux")]
    pub(crate) fn descriptors(&self) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.id()));
        descriptors.unwrap().count()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let process = self.id().to_string();
        let kill = Command::new("kill").args([signal, &process]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits until it ends and asserts that it prints nothing more. Returns its status and its stderr.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        assert_eq!(self.line().await, None);
        let status = self.child.wait().unwrap();
        let errors = self.errors.take().unwrap().join();
        (status, errors.unwrap())
    }

    pub(crate) async fn ends_cleanly(self) {
        let (status, errors) = self.end().await;
        assert!(status.success(), "{status}: {errors}");
        assert_eq!(errors, "");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Both do nothing if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
