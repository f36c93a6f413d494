//! The server as an operator sees it: its settings change while it runs, it counts, and it logs.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::example::Example;
use support::server::Connection;
use tempfile::TempDir;
use tower_method_policy::MethodSet;

const OPERATIONS: &str = env!("CARGO_BIN_EXE_operations");

/// Allows `POST`, does not recognize `FOO`.
const POST: &str = "retry_after = 1\n[policy]\nallow = ['POST']\n";
/// Allows `DELETE`, recognizes `FOO`.
const DELETE: &str = "retry_after = 2\n[policy]\nallow = ['DELETE']\nrecognize = ['FOO']\n";

/// A running server and the directory of its settings.
struct Server {
    example: Example,
    address: SocketAddr,
    directory: TempDir,
}

impl Server {
    async fn start(settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("policy.toml"), settings).unwrap();
        Self::start_in(directory).await
    }

    /// With a directory that has settings already.
    async fn start_in(directory: TempDir) -> Self {
        Self::start_as(&[OPERATIONS], directory).await
    }

    async fn start_as(command: &[&str], directory: TempDir) -> Self {
        let file = directory.path().join("policy.toml");
        Self::start_with(command, directory, &file).await
    }

    async fn start_with(command: &[&str], directory: TempDir, file: &Path) -> Self {
        let arguments = ["127.0.0.1:0", file.to_str().unwrap()];
        let (program, first) = command.split_first().unwrap();
        let mut example = Example::start(program, &[first, &arguments].concat());
        Self {
            address: example.address().await,
            example,
            directory,
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("policy.toml")
    }

    /// Puts another file in the place of the settings'.
    fn replace(&self, settings: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, settings).unwrap();
        fs::rename(new, self.file()).unwrap();
    }

    /// The next event that it logs.
    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.example.line().await.unwrap()).unwrap()
    }

    /// Waits until settings have been applied.
    async fn applied(&mut self) {
        let event = self.event().await;
        assert_eq!(event["message"], "settings reloaded", "{event}");
    }

    /// Waits until settings have been read that are not applied: the place and the mistake.
    async fn kept(&mut self) -> (Value, Value, String) {
        let mut event = self.event().await;
        assert_eq!(event["message"], "settings kept as they were", "{event}");
        assert_eq!(event["level"], "ERROR");
        let error = event["error"].as_str().unwrap().to_owned();
        (event["line"].take(), event["column"].take(), error)
    }

    async fn ask(&self, method: &str) -> String {
        let mut client = Connection::open(self.address).await;
        ask(&mut client, method).await
    }

    async fn status(&self, method: &str) -> u16 {
        let answer = self.ask(method).await;
        answer["HTTP/1.1 ".len()..][..3].parse().unwrap()
    }

    /// The samples of `/metrics`.
    async fn samples(&self) -> Vec<String> {
        let mut client = Connection::open(self.address).await;
        client
            .send("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        let answer = client.receive().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
            "{head}"
        );
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }

    async fn has_sample(&self, sample: &str) {
        let samples = self.samples().await;
        assert!(samples.iter().any(|line| line == sample), "{samples:#?}");
    }

    /// These are all of the policies' counters that are not 0.
    async fn counted(&self, expected: &[String]) {
        let mut samples = self.samples().await;
        samples.retain(|line| line.starts_with("http_method_") && !line.ends_with(" 0"));
        samples.sort();
        assert_eq!(samples, expected);
    }

    /// Stops it; it has logged nothing that has not been read.
    async fn stop(self) {
        self.example.signal("-TERM");
        self.example.ends_cleanly().await;
    }
}

async fn ask(client: &mut Connection, method: &str) -> String {
    client
        .send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"))
        .await;
    client.receive().await
}

fn rejections(policy: &str, method: &str, reason: &str, enforced: bool, count: u32) -> String {
    format!(
        "http_method_rejections_total{{policy=\"{policy}\",reason=\"{reason}\",\
         method=\"{method}\",enforced=\"{enforced}\"}} {count}"
    )
}

fn would_reject(policy: &str, reason: &str, answered_by: &str, status: &str, count: u32) -> String {
    format!(
        "http_method_would_reject_total{{policy=\"{policy}\",reason=\"{reason}\",\
         answered_by=\"{answered_by}\",status=\"{status}\"}} {count}"
    )
}

#[tokio::test]
async fn a_file_that_is_written_or_replaced_is_applied() {
    let mut server = Server::start(POST).await;
    assert_eq!(server.status("POST").await, 200);
    assert_eq!(server.status("DELETE").await, 405);
    assert_eq!(server.status("FOO").await, 501);

    server.replace(DELETE);
    server.applied().await;
    assert_eq!(server.status("POST").await, 405);
    assert_eq!(server.status("DELETE").await, 200);
    assert_eq!(server.status("FOO").await, 405);

    // The server may read a file that is being written when it is still empty, which is a mistake.
    fs::write(server.file(), POST).unwrap();
    while server.event().await["message"] != "settings reloaded" {}
    assert_eq!(server.status("POST").await, 200);
    assert_eq!(server.status("DELETE").await, 405);

    // Settings that are what they were are not applied again: `stop` finds nothing logged.
    server.replace(POST);
    server
        .has_sample("method_policy_reloads_total{outcome=\"applied\"} 2")
        .await;
    server.stop().await;
}

/// Publishes settings as Kubernetes updates the volume of a ConfigMap: `..data` is a symbolic link to a
/// directory of each version, and the file one through it.
fn publish(volume: &Path, version: &str, settings: &str) {
    fs::create_dir(volume.join(version)).unwrap();
    fs::write(volume.join(version).join("policy.toml"), settings).unwrap();
    symlink(version, volume.join("new")).unwrap();
    fs::rename(volume.join("new"), volume.join("..data")).unwrap();
}

#[tokio::test]
async fn a_config_map_that_is_updated_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path().to_owned();
    publish(&volume, "..1", POST);
    symlink("..data/policy.toml", volume.join("policy.toml")).unwrap();
    let mut server = Server::start_in(directory).await;
    assert_eq!(server.status("DELETE").await, 405);

    publish(&volume, "..2", DELETE);
    fs::remove_dir_all(volume.join("..1")).unwrap();
    server.applied().await;
    assert_eq!(server.status("DELETE").await, 200);
    server.stop().await;
}

/// Each step finds what the step before left at `base/settings/policy.toml`.
#[tokio::test]
async fn a_change_is_applied_whatever_was_replaced() {
    fn write(directory: &Path, settings: &str) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("policy.toml"), settings).unwrap();
    }
    type Change = fn(&Path, &str);
    let changes: [(&str, Change); 10] = [
        (
            "its directory is renamed, and another takes its place",
            |base, settings| {
                write(&base.join("new"), settings);
                fs::rename(base.join("settings"), base.join("old")).unwrap();
                fs::rename(base.join("new"), base.join("settings")).unwrap();
            },
        ),
        (
            "its directory is removed and made anew",
            |base, settings| {
                fs::remove_dir_all(base.join("settings")).unwrap();
                write(&base.join("settings"), settings);
            },
        ),
        (
            "it is renamed over in the new directory",
            |base, settings| {
                write(base, settings);
                fs::rename(base.join("policy.toml"), base.join("settings/policy.toml")).unwrap();
            },
        ),
        ("the directory above is replaced", |base, settings| {
            fs::rename(base, base.with_extension("old")).unwrap();
            write(&base.join("settings"), settings);
        }),
        ("it is removed and linked", |base, settings| {
            write(&base.join("hard"), settings);
            fs::remove_file(base.join("settings/policy.toml")).unwrap();
            let file = base.join("hard/policy.toml");
            fs::hard_link(file, base.join("settings/policy.toml")).unwrap();
        }),
        ("its directory becomes a symbolic link", |base, settings| {
            fs::remove_dir_all(base.join("settings")).unwrap();
            write(&base.join("elsewhere"), settings);
            symlink("elsewhere", base.join("settings")).unwrap();
        }),
        (
            "the directory that is linked to is replaced",
            |base, settings| {
                fs::rename(base.join("elsewhere"), base.join("before")).unwrap();
                write(&base.join("elsewhere"), settings);
            },
        ),
        ("the link is replaced by another", |base, settings| {
            write(&base.join("other"), settings);
            symlink("other", base.join("link")).unwrap();
            fs::rename(base.join("link"), base.join("settings")).unwrap();
        }),
        ("it becomes a symbolic link to a file", |base, settings| {
            write(&base.join("far"), settings);
            symlink("../far/policy.toml", base.join("link")).unwrap();
            fs::rename(base.join("link"), base.join("settings/policy.toml")).unwrap();
        }),
        (
            "the file that is linked to is written in place",
            |base, settings| {
                fs::write(base.join("far/policy.toml"), settings).unwrap();
            },
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("base");
    write(&base.join("settings"), POST);
    let file = base.join("settings/policy.toml");
    let mut server = Server::start_with(&[OPERATIONS], directory, &file).await;
    for ((what, change), settings) in changes.into_iter().zip([DELETE, POST].into_iter().cycle()) {
        change(&base, settings);
        // Between two steps of a change, the server may find no file.
        while server.event().await["message"] != "settings reloaded" {}
        let expected = if settings == DELETE { 200 } else { 405 };
        assert_eq!(server.status("DELETE").await, expected, "{what}");
    }
    server.stop().await;
}

#[tokio::test]
async fn sighup_reads_the_file_even_if_it_has_not_changed() {
    let mut server = Server::start(POST).await;
    for _ in 0..2 {
        server.example.signal("-HUP");
        let event = server.event().await;
        assert_eq!(event["message"], "settings reloaded");
        assert_eq!(event["asked"], true);
    }
    server.stop().await;
}

/// Puts something that is not the settings in their place, and says what the server logs about it.
type Obstacle = fn(&Path) -> &'static str;

const OBSTACLES: [(&str, Obstacle); 12] = [
    ("a FIFO", |file| {
        run("mkfifo", &[file]);
        "not a regular file"
    }),
    ("a file of 1 GiB", |file| {
        let new = fs::File::create(file).unwrap();
        new.set_len(1024 * 1024 * 1024).unwrap();
        "larger than 1 MiB"
    }),
    ("a file of one byte too many", |file| {
        let comment = "#".repeat(1024 * 1024 + 1);
        fs::write(file, comment).unwrap();
        "larger than 1 MiB"
    }),
    ("a directory", |file| {
        fs::create_dir(file).unwrap();
        "not a regular file"
    }),
    ("an endless device", |file| {
        symlink("/dev/zero", file).unwrap();
        "not a regular file"
    }),
    ("a terminal", |file| {
        symlink("/dev/ptmx", file).unwrap();
        "not a regular file"
    }),
    ("a socket", |file| {
        drop(UnixListener::bind(file).unwrap());
        "No such device or address"
    }),
    ("a symbolic link to nothing", |file| {
        symlink("nowhere", file).unwrap();
        "No such file"
    }),
    ("a symbolic link to itself", |file| {
        symlink("policy.toml", file).unwrap();
        "symbolic link"
    }),
    ("a file of the kernel that has no size", |file| {
        symlink("/proc/self/maps", file).unwrap();
        ""
    }),
    ("a file that is not text", |file| {
        fs::write(file, b"[policy]\nallow = ['\xff']\n").unwrap();
        "invalid utf-8"
    }),
    ("nested arrays without end", |file| {
        fs::write(file, format!("a = {}", "[".repeat(1024 * 1000))).unwrap();
        "max recursion depth"
    }),
];

fn run(program: &str, arguments: &[&Path]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.unwrap().success(), "{program}");
}

#[tokio::test]
async fn settings_that_are_replaced_by_something_else_stay_as_they_were() {
    let mut server = Server::start(POST).await;
    let resident = server.example.resident();
    for (what, obstacle) in OBSTACLES {
        let new = server.directory.path().join("obstacle");
        fs::create_dir(&new).unwrap();
        let error = obstacle(&new.join("policy.toml"));
        // Not a rename over the file, because a directory cannot replace a file.
        fs::remove_file(server.file()).unwrap();
        fs::rename(new.join("policy.toml"), server.file()).unwrap();
        loop {
            let (_, _, logged) = server.kept().await;
            if !logged.contains("No such file") || error == "No such file" {
                assert!(logged.contains(error), "{what}: {logged}");
                break;
            }
        }
        assert_eq!(server.status("POST").await, 200, "{what}");
        assert_eq!(server.status("DELETE").await, 405, "{what}");
        server
            .has_sample("method_policy_last_reload_successful 0")
            .await;

        // It is logged again only if the operator asks.
        server.example.signal("-HUP");
        server.kept().await;

        fs::rename(server.file(), new.join("policy.toml")).unwrap();
        fs::remove_dir_all(new).unwrap();
        server.replace(POST);
        while server.event().await["message"] != "settings reloaded" {}
        server
            .has_sample("method_policy_last_reload_successful 1")
            .await;
    }
    let grown = server.example.resident().saturating_sub(resident);
    assert!(grown < 64 * 1024, "{grown} KiB");
    server.stop().await;
}

#[tokio::test]
async fn a_server_whose_settings_are_something_else_stops_and_does_not_start_again() {
    for (what, obstacle) in OBSTACLES {
        let mut server = Server::start(POST).await;
        fs::remove_file(server.file()).unwrap();
        let error = obstacle(&server.file());
        server.kept().await;
        server.example.signal("-TERM");
        while server.example.line().await.is_some() {}
        server.example.ends_cleanly().await;

        let file = server.directory.path().join("policy.toml");
        let arguments = ["127.0.0.1:0", file.to_str().unwrap()];
        let (status, errors) = Example::start(OPERATIONS, &arguments).end().await;
        assert_eq!(status.code(), Some(1), "{what}");
        assert!(errors.contains(error), "{what}: {errors}");
    }
}

#[tokio::test]
async fn a_file_that_never_stops_changing_is_reported() {
    let mut server = Server::start(POST).await;
    symlink("/proc/uptime", server.directory.path().join("new")).unwrap();
    fs::rename(server.directory.path().join("new"), server.file()).unwrap();
    server.kept().await;
    assert_eq!(server.status("POST").await, 200);

    server.replace(DELETE);
    while server.event().await["message"] != "settings reloaded" {}
    assert_eq!(server.status("DELETE").await, 200);
    server.stop().await;
}

#[tokio::test]
async fn settings_of_the_largest_size_are_applied() {
    let mut server = Server::start(POST).await;
    let mut settings = DELETE.to_owned();
    settings += &"#".repeat(1024 * 1024 - settings.len());
    server.replace(&settings);
    server.applied().await;
    assert_eq!(server.status("DELETE").await, 200);
    server.stop().await;
}

#[tokio::test]
async fn invalid_settings_are_told_and_not_applied() {
    let mut server = Server::start(POST).await;
    let answers = [
        server.ask("POST").await,
        server.ask("DELETE").await,
        server.ask("FOO").await,
    ];
    for (settings, line, column, error) in [
        ("report_only = true\n[policy\n", 2, 8, "unclosed table"),
        ("reportonly = true\n[policy]\n", 1, 1, "`reportonly`"),
        ("[policy]\nalow = ['PUT']\n", 2, 1, "`alow`"),
        (
            "cache_control = \"a\\n\"\n[policy]\n",
            1,
            17,
            "a field value",
        ),
        ("[policy]\nallow = ['PUT', 'delete']\n", 2, 17, "\"delete\""),
        ("[policy]\n[candidate]\nallow = 'put'\n", 3, 9, "\"put\""),
        (
            "[policy.routes]\n'/ü' = 'PUT'\n'/:id' = 'PUT'\n",
            3,
            1,
            "`/:id`",
        ),
        ("report_only = true\n", 1, 1, "`policy`"),
        ("", 1, 1, "`policy`"),
    ] {
        server.replace(settings);
        let (seen_line, seen_column, seen_error) = server.kept().await;
        assert!(seen_error.contains(error), "{seen_error}");
        assert_eq!((seen_line, seen_column), (json!(line), json!(column)));
        server
            .has_sample("method_policy_last_reload_successful 0")
            .await;
    }
    fs::remove_file(server.file()).unwrap();
    let (line, column, error) = server.kept().await;
    assert_eq!((line, column), (Value::Null, Value::Null));
    assert!(error.contains("No such file"), "{error}");

    for (method, answer) in ["POST", "DELETE", "FOO"].into_iter().zip(answers) {
        assert_eq!(server.ask(method).await, answer);
    }
    server.replace(DELETE);
    server.applied().await;
    assert_eq!(server.status("DELETE").await, 200);
    server
        .has_sample("method_policy_last_reload_successful 1")
        .await;
    server.stop().await;

    // At the start they are an error.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.toml");
    fs::write(&file, "[policy]\nallow = ['POST', '*']\n").unwrap();
    let file = file.to_str().unwrap();
    let (status, errors) = Example::start(OPERATIONS, &["127.0.0.1:0", file])
        .end()
        .await;
    assert_eq!(status.code(), Some(1));
    assert!(
        errors.starts_with(&format!("error: {file}:2:18: \"*\" ")),
        "{errors}"
    );
}

#[tokio::test]
async fn report_only_is_switched_while_it_runs() {
    let enforced = "cache_control = 'max-age=9'\n[policy]\nallow = ['POST']\n";
    let reported = "report_only = true\n[policy]\nallow = ['POST']\n";
    let mut server = Server::start(enforced).await;
    assert_eq!(server.status("DELETE").await, 405);
    assert_eq!(server.status("FOO").await, 501);
    server.has_sample("method_policy_report_only 0").await;

    server.replace(reported);
    server.applied().await;
    assert_eq!(server.status("DELETE").await, 200);
    assert_eq!(server.status("FOO").await, 200);
    server.has_sample("method_policy_report_only 1").await;

    server.replace(enforced);
    server.applied().await;
    let answer = server.ask("DELETE").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("\r\ncache-control: max-age=9\r\n"));
    server.has_sample("method_policy_report_only 0").await;
    for sample in [
        rejections("current", "DELETE", "not_allowed", true, 2),
        rejections("current", "DELETE", "not_allowed", false, 1),
        rejections("current", "_OTHER", "not_implemented", true, 1),
        rejections("current", "_OTHER", "not_implemented", false, 1),
        would_reject("current", "not_allowed", "application", "2xx", 1),
        would_reject("current", "not_implemented", "application", "2xx", 1),
    ] {
        server.has_sample(&sample).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_candidate_only_counts_and_the_counters_say_who_answered() {
    let policy = "[policy]\nallow = ['POST', 'PUT']\n";
    let candidate = "[candidate]\nallow = ['POST']\nrecognize = ['FOO']\n";
    let mut server = Server::start(policy).await;
    let mut answers = Vec::new();
    for method in METHODS {
        answers.push(server.ask(method).await);
    }

    server.replace(&format!("{policy}{candidate}"));
    server.applied().await;
    for (method, answer) in METHODS.into_iter().zip(answers) {
        assert_eq!(server.ask(method).await, answer);
    }
    server
        .counted(&[
            rejections("candidate", "DELETE", "not_allowed", false, 1),
            rejections("candidate", "PUT", "not_allowed", false, 1),
            rejections("candidate", "_OTHER", "not_allowed", false, 1),
            rejections("current", "DELETE", "not_allowed", true, 2),
            rejections("current", "_OTHER", "not_implemented", true, 2),
            // PUT by the application; DELETE and FOO by the current policy.
            would_reject("candidate", "not_allowed", "application", "2xx", 1),
            would_reject("candidate", "not_allowed", "current", "4xx", 1),
            would_reject("candidate", "not_allowed", "current", "5xx", 1),
        ])
        .await;

    server.replace(policy);
    server.applied().await;
    assert_eq!(server.status("PUT").await, 200);
    server
        .has_sample(&rejections("candidate", "PUT", "not_allowed", false, 1))
        .await;
    server.stop().await;
}

/// The policies disagree on each method, in one of the two directions or in the reason.
#[tokio::test]
async fn a_policy_that_only_reports_and_a_candidate_are_counted_apart() {
    let mut server = Server::start(
        "report_only = true\n[policy]\nallow = ['PUT']\n[candidate]\nallow = ['POST']\nrecognize = ['FOO']\n",
    )
    .await;
    for method in METHODS {
        assert_eq!(server.status(method).await, 200, "{method}");
    }
    // This is the application's own failure, which neither policy knows about.
    let mut client = Connection::open(server.address).await;
    client
        .send("DELETE /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert!(client.receive().await.starts_with("HTTP/1.1 405 "));
    server
        .counted(&[
            rejections("candidate", "DELETE", "not_allowed", false, 2),
            rejections("candidate", "PUT", "not_allowed", false, 1),
            rejections("candidate", "_OTHER", "not_allowed", false, 1),
            rejections("current", "DELETE", "not_allowed", false, 2),
            rejections("current", "POST", "not_allowed", false, 1),
            rejections("current", "_OTHER", "not_implemented", false, 1),
            would_reject("candidate", "not_allowed", "application", "2xx", 3),
            would_reject("candidate", "not_allowed", "application", "4xx", 1),
            would_reject("current", "not_allowed", "application", "2xx", 2),
            would_reject("current", "not_allowed", "application", "4xx", 1),
            would_reject("current", "not_implemented", "application", "2xx", 1),
        ])
        .await;

    // Enforced, the policy's own rejections are no longer answers that it would have replaced.
    server.replace("[policy]\nallow = ['PUT']\n[candidate]\nallow = ['POST']\n");
    server.applied().await;
    assert_eq!(server.status("DELETE").await, 405);
    server
        .has_sample(&would_reject(
            "candidate",
            "not_allowed",
            "current",
            "4xx",
            1,
        ))
        .await;
    server
        .has_sample(&would_reject(
            "current",
            "not_allowed",
            "application",
            "4xx",
            1,
        ))
        .await;
    server.stop().await;
}

#[tokio::test]
async fn methods_that_clients_make_up_are_one_series() {
    let server = Server::start(POST).await;
    let mut client = Connection::open(server.address).await;
    for number in 0..500 {
        let answer = ask(&mut client, &format!("FOO-{number}")).await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    }
    // Of the registered ones, those that have the same form of request and of answer as others.
    let others = ["HEAD", "CONNECT", "PRI", "*"];
    for method in MethodSet::REGISTERED.iter().map(|method| method.as_str()) {
        if !others.contains(&method) {
            ask(&mut client, method).await;
        }
    }
    let samples = server.samples().await;
    let rejections_of = |method: &str| {
        let label = format!("method=\"{method}\"");
        let of_method = samples.iter().filter(|sample| sample.contains(&label));
        of_method.cloned().collect::<Vec<_>>()
    };
    let other = rejections("current", "_OTHER", "not_implemented", true, 500);
    assert_eq!(rejections_of("_OTHER"), [other]);
    let propfind = rejections("current", "PROPFIND", "not_implemented", true, 1);
    assert_eq!(rejections_of("PROPFIND"), [propfind]);
    let series = samples
        .iter()
        .filter(|sample| sample.starts_with("http_method_rejections_total{"));
    assert!(series.count() <= MethodSet::REGISTERED.len() + 1);
    assert!(!samples.iter().any(|sample| sample.contains("FOO")));
    // However many there were, nothing has been logged.
    server.stop().await;
}

#[tokio::test]
async fn rejections_are_logged_with_the_names_of_opentelemetry() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("policy.toml"), POST).unwrap();
    let command = ["/usr/bin/env", "RUST_LOG=operations=debug", OPERATIONS];
    let mut server = Server::start_as(&command, directory).await;

    let mut client = Connection::open(server.address).await;
    let long = "A".repeat(10_000);
    for (method, path, user_agent, event) in [
        (
            "DELETE",
            "/notes/1?secret",
            &b"user-agent: caf\xe9\r\n"[..],
            json!({
                "user_agent.original": "caf\u{fffd}",
                "http.request.method": "DELETE",
                "url.path": "/notes/1",
                "http.response.status_code": 405,
                "error.type": "not_allowed",
            }),
        ),
        (
            "foo",
            "/",
            b"",
            json!({
                "http.request.method": "_OTHER",
                "http.request.method_original": "foo",
                "url.path": "/",
                "http.response.status_code": 501,
                "error.type": "not_implemented",
            }),
        ),
        (
            &long,
            &format!("/{long}"),
            format!("user-agent: {long}\r\n").as_bytes(),
            json!({
                "user_agent.original": &long[..256],
                "http.request.method": "_OTHER",
                "http.request.method_original": format!("{}…", &long[..64]),
                "url.path": format!("/{}", &long[..255]),
                "http.response.status_code": 501,
                "error.type": "not_implemented",
            }),
        ),
    ] {
        let line = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n");
        client
            .send([line.as_bytes(), user_agent, b"\r\n"].concat())
            .await;
        client.receive().await;
        let mut seen = server.event().await;
        seen.as_object_mut().unwrap().remove("timestamp").unwrap();
        let mut event = event;
        event["level"] = json!("DEBUG");
        event["message"] = json!("method rejected");
        event["enforced"] = json!(true);
        event["policy"] = json!("current");
        event["network.peer.address"] = json!("127.0.0.1");
        event["target"] = json!("operations::observe");
        assert_eq!(seen, event);
    }

    // Where the application answers, its status is not known yet.
    server.replace("report_only = true\n[policy]\nallow = ['POST']\n");
    server.applied().await;
    assert_eq!(server.status("DELETE").await, 200);
    let event = server.event().await;
    assert_eq!(event["enforced"], false);
    assert_eq!(event.get("http.response.status_code"), None);
    server.stop().await;
}

/// Control a terminal, begin a line, change the direction of text, or cannot be seen.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Everything is logged that the server, hyper, and h2 can log.
#[tokio::test]
async fn no_character_that_a_client_sends_harms_the_terminal_that_shows_the_log() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("policy.toml"), POST).unwrap();
    let command = ["/usr/bin/env", "RUST_LOG=trace", OPERATIONS];
    let mut server = Server::start_as(&command, directory).await;
    let mut client2 = support::server::http2(server.address).await;
    let harmful: Vec<_> = ('\u{1}'..='\u{e1000}').filter(|&c| is_harmful(c)).collect();
    let (mut paths, mut user_agents) = (0, 0);
    for some in harmful.chunks(64) {
        let text: String = some.iter().filter(|c| !c.is_ascii()).collect();
        let mut client = Connection::open(server.address).await;
        client
            .send(format!(
                "DELETE /{text}?{text} HTTP/1.1\r\nhost: a\r\nuser-agent: {text}\r\n\r\n"
            ))
            .await;
        client.receive().await;
        let mut request = support::server::request("DELETE", "/");
        if let Ok(uri) = http::Uri::try_from(format!("http://a/{text}?{text}")) {
            *request.uri_mut() = uri;
        }
        let text: String = some.iter().collect();
        if let Ok(value) = http::HeaderValue::from_bytes(text.as_bytes()) {
            request.headers_mut().insert("user-agent", value);
        }
        // hyper and h2 may reject it themselves.
        let _ = support::server::within(client2.send_request(request)).await;
        if client2.is_closed() {
            client2 = support::server::http2(server.address).await;
        }
    }
    // ASCII, one by one: most of these are not HTTP.
    for byte in (1..32).chain([127]).map(char::from) {
        for request in [
            format!("DELETE /{byte} HTTP/1.1\r\nhost: a\r\nuser-agent: {byte}\r\n\r\n"),
            format!("DELETE / HTTP/1.1\r\nhost: a\r\nuser-agent: a{byte}b\r\n\r\n"),
            format!("DEL{byte}ETE / HTTP/1.1\r\nhost: a\r\n\r\n"),
        ] {
            let mut client = Connection::open(server.address).await;
            client.try_send(request).await;
            let _ = client.try_receive().await;
        }
    }
    server.replace("[policy]\n\"a\u{9b}\u{202e}\u{2028}\" = 1\n");
    server.example.signal("-HUP");
    loop {
        let line = server.example.line().await.unwrap();
        assert!(!line.contains(is_harmful), "{line:?}");
        let event: Value = serde_json::from_str(&line).unwrap();
        // Nor where a tool such as `jq -r` prints the value.
        let values = event.as_object().unwrap().values();
        for value in values.filter_map(Value::as_str) {
            assert!(!value.contains(is_harmful), "{value:?}");
        }
        paths += usize::from(
            event["url.path"]
                .as_str()
                .is_some_and(|path| path.contains("\\u{")),
        );
        let user_agent = event["user_agent.original"].as_str();
        user_agents += usize::from(user_agent.is_some_and(|text| text.contains("\\u{")));
        if event["message"] == "settings kept as they were" {
            let error = event["error"].as_str().unwrap();
            assert!(error.contains(r"a\u{9b}\u{202e}\u{2028}"), "{error}");
            break;
        }
    }
    // Over HTTP/1.1 and HTTP/2.
    assert!(paths > harmful.len() / 64, "{paths}");
    assert!(user_agents > harmful.len() / 64, "{user_agents}");
    server.example.signal("-TERM");
    while server.example.line().await.is_some() {}
    server.example.ends_cleanly().await;
}

const METHODS: [&str; 4] = ["POST", "DELETE", "PUT", "FOO"];

/// Asks until it is told to stop, over one connection or over one for each request. Each answer is, to
/// the byte, that of one or the other settings: how many there were of each.
async fn client(
    address: SocketAddr,
    reuses: bool,
    answers: Arc<[Vec<String>; 2]>,
    stop: Arc<AtomicBool>,
) -> [usize; 2] {
    let mut seen = [0; 2];
    let mut client = Connection::open(address).await;
    while !stop.load(Ordering::Relaxed) {
        for (number, method) in METHODS.into_iter().enumerate() {
            if !reuses {
                client = Connection::open(address).await;
            }
            let answer = ask(&mut client, method).await;
            let settings = answers.iter().position(|of| of[number] == answer);
            seen[settings.unwrap_or_else(|| panic!("{answer}"))] += 1;
        }
    }
    seen
}

#[tokio::test]
async fn under_load_no_request_fails_or_sees_half_a_change() {
    let mut server = Server::start(DELETE).await;
    let mut answers = [const { Vec::new() }; 2];
    for (settings, answers) in [POST, DELETE].iter().zip(&mut answers) {
        server.replace(settings);
        server.example.signal("-HUP");
        while server.event().await["asked"] != true {}
        for method in METHODS {
            answers.push(server.ask(method).await);
        }
    }
    // No method is answered alike, so that each answer tells which settings made it.
    let distinct: HashSet<_> = answers[0].iter().chain(&answers[1]).collect();
    assert_eq!(distinct.len(), 2 * METHODS.len(), "{answers:#?}");
    for answer in answers.iter().flatten() {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        if let Ok(problem) = serde_json::from_str::<Value>(body) {
            let status = format!("HTTP/1.1 {} ", problem["status"]);
            assert!(head.starts_with(&status), "{answer}");
            let names = problem["allow"].as_array();
            let names: Option<Vec<_>> =
                names.map(|names| names.iter().map(|name| name.as_str().unwrap()).collect());
            let allow = head.lines().find_map(|line| line.strip_prefix("allow: "));
            assert_eq!(names.map(|names| names.join(", ")).as_deref(), allow);
        }
    }

    let answers = Arc::new(answers);
    let stop = Arc::new(AtomicBool::new(false));
    let clients = [true, true, true, false].map(|reuses| {
        tokio::spawn(client(
            server.address,
            reuses,
            answers.clone(),
            stop.clone(),
        ))
    });
    for settings in [POST, DELETE].into_iter().cycle().take(50) {
        server.replace(settings);
        server.example.signal("-HUP");
        while server.event().await["asked"] != true {}
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let [of_one, of_other] = client.await.unwrap();
        assert!(of_one > 0 && of_other > 0, "{of_one}, {of_other}");
    }
    server.example.signal("-TERM");
    // A change that was seen, and not only asked for, may have been logged as well.
    while server.example.line().await.is_some() {}
    server.example.ends_cleanly().await;
}
