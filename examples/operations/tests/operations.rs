//! The server as an operator sees it: its settings change while it runs, it counts and it logs.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::example::Example;
use support::server::Connection;
use tempfile::TempDir;
use tower_method_policy::MethodSet;

const OPERATIONS: &str = env!("CARGO_BIN_EXE_operations");

/// Allows `POST`, does not know `FOO`.
const POST: &str = "retry_after = 1\n[policy]\nallow = ['POST']\n";
/// Allows `DELETE`, knows `FOO`.
const DELETE: &str = "retry_after = 2\n[policy]\nallow = ['DELETE']\nrecognize = ['FOO']\n";

/// The server as it runs, with a directory of its own for the settings.
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

fn rejections(method: &str, reason: &str, enforced: bool, count: u32) -> String {
    format!(
        "http_method_rejections_total\
         {{reason=\"{reason}\",method=\"{method}\",enforced=\"{enforced}\"}} {count}"
    )
}

fn would_reject(reason: &str, status: &str, count: u32) -> String {
    format!("http_method_would_reject_total{{reason=\"{reason}\",status=\"{status}\"}} {count}")
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

/// A volume as Kubernetes makes it of a ConfigMap.
#[tokio::test]
async fn a_config_map_that_is_updated_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path().to_owned();
    let publish = |version: &str, settings: &str| {
        fs::create_dir(volume.join(version)).unwrap();
        fs::write(volume.join(version).join("policy.toml"), settings).unwrap();
        symlink(version, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    publish("..1", POST);
    symlink(Path::new("..data/policy.toml"), volume.join("policy.toml")).unwrap();
    let mut server = Server::start_in(directory).await;
    assert_eq!(server.status("DELETE").await, 405);

    publish("..2", DELETE);
    fs::remove_dir_all(volume.join("..1")).unwrap();
    server.applied().await;
    assert_eq!(server.status("DELETE").await, 200);
    server.stop().await;
}

#[tokio::test]
async fn sighup_reads_a_file_that_is_not_seen_to_change() {
    // What a link leads to in another directory is not watched.
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("settings");
    fs::write(&file, POST).unwrap();
    let directory = tempfile::tempdir().unwrap();
    symlink(&file, directory.path().join("policy.toml")).unwrap();
    let mut server = Server::start_in(directory).await;

    fs::write(&file, DELETE).unwrap();
    server.example.signal("-HUP");
    let event = server.event().await;
    assert_eq!(event["message"], "settings reloaded");
    assert_eq!(event["asked"], true);
    assert_eq!(server.status("DELETE").await, 200);

    // And one that has not changed.
    server.example.signal("-HUP");
    server.applied().await;
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
        rejections("DELETE", "not_allowed", true, 2),
        rejections("DELETE", "not_allowed", false, 1),
        rejections("_OTHER", "not_implemented", true, 1),
        rejections("_OTHER", "not_implemented", false, 1),
    ] {
        server.has_sample(&sample).await;
    }
    server.stop().await;
}

/// A stricter policy is counted beside the one that is in force, and changes no answer.
#[tokio::test]
async fn a_candidate_only_counts() {
    let policy = "[policy]\nallow = ['POST', 'PUT']\n";
    let candidate = "[candidate]\nallow = ['POST']\n";
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
    for sample in [
        rejections("DELETE", "not_allowed", true, 2),
        rejections("_OTHER", "not_implemented", true, 2),
        rejections("PUT", "not_allowed", false, 1),
        rejections("DELETE", "not_allowed", false, 1),
        rejections("_OTHER", "not_implemented", false, 1),
        would_reject("not_allowed", "2xx", 1),
        would_reject("not_allowed", "4xx", 1),
        would_reject("not_implemented", "5xx", 1),
    ] {
        server.has_sample(&sample).await;
    }

    server.replace(policy);
    server.applied().await;
    assert_eq!(server.status("PUT").await, 200);
    server
        .has_sample(&would_reject("not_allowed", "2xx", 1))
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
    let other = rejections("_OTHER", "not_implemented", true, 500);
    assert_eq!(rejections_of("_OTHER"), [other]);
    let propfind = rejections("PROPFIND", "not_implemented", true, 1);
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
