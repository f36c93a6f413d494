//! The server as an operator sees it: new settings while it runs, counters, and the log.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../common/tests.rs"]
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use support::example::Example;
use support::server::Connection;
use tempfile::TempDir;

const OPERATIONS: &str = env!("CARGO_BIN_EXE_operations");

/// Allows `POST`, does not recognize `FOO`.
const POST: &str = "retry_after = 1\n[policy]\nfallback = ['GET', 'POST']\n";
/// Allows `DELETE`, recognizes `FOO`.
const DELETE: &str =
    "retry_after = 2\n[policy]\nfallback = ['GET', 'DELETE']\nrecognize = ['FOO']\n";

const METHODS: [&str; 5] = ["POST", "DELETE", "PUT", "FOO", "OPTIONS"];

const APPLIED: &str = "settings reloaded";
const KEPT: &str = "settings kept as they were";

/// A running server, and the directory of its settings.
struct Server {
    example: Example,
    /// Stays open while the settings change, as a proxy's connections do.
    client: Connection,
    file: PathBuf,
    directory: TempDir,
}

impl Server {
    async fn start(settings: &str) -> Self {
        Self::start_with_log("info", settings).await
    }

    async fn start_with_log(log: &str, settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("policy.toml");
        fs::write(&file, settings).unwrap();
        let log = format!("RUST_LOG={log}");
        let arguments = [&log, OPERATIONS, "127.0.0.1:0", file.to_str().unwrap()];
        let mut example = Example::start("/usr/bin/env", &arguments);
        let client = Connection::open(example.address().await).await;
        Self { example, client, file, directory }
    }

    /// Runs a shell script in the directory. The file `new` has the new settings.
    fn run(&self, script: &str, settings: &str) {
        fs::write(self.directory.path().join("new"), settings).unwrap();
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(&self.directory);
        assert!(command.status().unwrap().success(), "{script}");
    }

    /// Replaces the settings file by a rename.
    fn replace(&self, settings: &str) {
        self.run("mv new policy.toml", settings);
    }

    /// The next event in the log.
    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.example.line().await.unwrap()).unwrap()
    }

    /// Replaces the settings, which are valid.
    async fn becomes(&mut self, settings: &str) {
        self.replace(settings);
        let event = self.event().await;
        assert_eq!(event["message"], APPLIED, "{event}");
    }

    /// Waits until the server reports settings that it does not apply.
    async fn kept(&mut self) -> Value {
        let event = self.event().await;
        assert_eq!((&event["message"], &event["level"]), (&json!(KEPT), &json!("ERROR")));
        self.has_sample("method_policy_last_reload_successful 0").await;
        event
    }

    async fn ask(&mut self, method: &str, path: &str) -> String {
        self.send(&format!("{method} {path} HTTP/1.1\r\nhost: a")).await
    }

    async fn send(&mut self, request: &str) -> String {
        self.client.send(format!("{request}\r\n\r\n")).await;
        self.client.receive().await
    }

    async fn has_statuses(&mut self, expected: [u16; 4]) {
        for (method, status) in METHODS.into_iter().zip(expected) {
            let answer = self.ask(method, "/").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }

    async fn answers(&mut self) -> Vec<String> {
        let mut answers = Vec::new();
        for method in METHODS {
            answers.push(self.ask(method, "/").await);
        }
        answers
    }

    /// The samples of `/metrics` that are not 0. Their labels are shortened to the values.
    async fn samples(&mut self) -> Vec<String> {
        let answer = self.ask("GET", "/metrics").await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let lines = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let short = lines.map(|line| {
            let words = line.split(['{', '}', ',', ' ']).filter(|word| !word.is_empty());
            let values = words.filter_map(|word| word.rsplit('=').next());
            values.map(|value| value.trim_matches('"')).collect::<Vec<_>>().join(" ")
        });
        let mut samples: Vec<_> = short.collect();
        samples.sort();
        samples
    }

    async fn has_sample(&mut self, sample: &str) {
        let samples = self.samples().await;
        assert!(samples.iter().any(|line| line == sample), "{samples:#?}");
    }

    /// Stops the server. All events that it logged have been read.
    async fn stop(self) {
        self.example.signal("-TERM");
        self.example.ends_cleanly().await;
    }
}

#[tokio::test]
async fn each_kind_of_change_is_applied_once() {
    let mut server = Server::start(POST).await;
    let scripts = [
        "mv new policy.toml",
        // The file becomes a symbolic link, as in the volume of a Kubernetes ConfigMap.
        "mkdir v1; mv new v1/policy.toml; ln -s v1 data; ln -s data/policy.toml link; mv link policy.toml",
        // The ConfigMap is updated.
        "mkdir v2; mv new v2/policy.toml; ln -s v2 link; mv -T link data",
        // The file is written in place.
        "cat new >v2/policy.toml",
    ];
    for (script, settings) in scripts.iter().zip([DELETE, POST].into_iter().cycle()) {
        server.run(script, settings);
        assert_eq!(server.event().await["message"], APPLIED, "{script}");
        let expected = if settings == DELETE { [405, 200, 405, 405] } else { [200, 405, 405, 501] };
        server.has_statuses(expected).await;
    }
    // SIGHUP applies unchanged settings.
    server.example.signal("-HUP");
    let event = server.event().await;
    assert_eq!((&event["message"], &event["asked"]), (&json!(APPLIED), &json!(true)));
    server.has_sample("method_policy_reloads_total applied 5").await;
    server.stop().await;
}

#[tokio::test]
async fn settings_that_cannot_be_applied_are_reported_and_change_nothing() {
    let replaced = "mv new policy.toml";
    for (script, settings, error) in [
        ("rm policy.toml", "", "No such file"),
        ("mkfifo fifo; mv fifo policy.toml", "", "not a regular file"),
        ("mkdir dir; ln -s dir link; mv -T link policy.toml", "", "not a regular file"),
        ("ln -s /dev/zero link; mv link policy.toml", "", "not a regular file"),
        ("truncate -s 1G new; mv new policy.toml", "", "larger than 1 MiB"),
        ("printf '\\377' >new; mv new policy.toml", "", "UTF-8"),
        (replaced, "", "line 1, column 1\n"),
        (replaced, "report_only = true\n[policy\n", "line 2, column 8\n"),
        (replaced, "reportonly = true\n[policy]\n", "unknown field `reportonly`"),
        (replaced, "cache_control = \"a\\n\"\n[policy]", "not a field value"),
        (replaced, "policy.fallback = ['PUT', 'post']", "line 1, column 27\n"),
        (replaced, "policy = {}\ncandidate.fallback = 'put'", "line 2, column 22\n"),
    ] {
        let mut server = Server::start(POST).await;
        server.run(script, settings);
        let event = server.kept().await;
        let logged = event["error"].as_str().unwrap();
        assert!(logged.contains(error), "{script} {settings}: {logged}");
        server.has_statuses([200, 405, 405, 501]).await;
        // Another server does not start with these settings.
        let file = server.file.to_str().unwrap();
        let (status, errors) = Example::start(OPERATIONS, &["127.0.0.1:0", file]).end().await;
        assert_eq!(status.code(), Some(1), "{script} {settings}");
        assert!(errors.contains(error), "{script} {settings}: {errors}");

        // The error is logged again only if the operator asks.
        server.example.signal("-HUP");
        assert_eq!(server.kept().await["asked"], true);

        server.run("rm -rf policy.toml; mv new policy.toml", DELETE);
        while server.event().await["message"] != APPLIED {}
        server.has_statuses([405, 200, 405, 405]).await;
        server.has_sample("method_policy_last_reload_successful 1").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn the_policy_of_the_example_is_true_at_its_metrics() {
    let mut server = Server::start(include_str!("../policy.toml")).await;
    let answer = server.ask("GET", "/metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{answer}");
    for (method, status) in [("POST", 405), ("DELETE", 405), ("OPTIONS", 200)] {
        let answer = server.ask(method, "/metrics").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nallow: GET, HEAD, OPTIONS\r\n"), "{answer}");
    }
    server.stop().await;
}

/// The two policies decide differently about each method.
#[tokio::test]
async fn only_an_enforced_policy_answers_and_each_policy_is_counted() {
    let policy = "cache_control = 'max-age=9'\n[policy]\nfallback = ['PUT']\n";
    let both = format!("{policy}[candidate]\nfallback = ['POST']\nrecognize = ['FOO']\n");
    let mut server = Server::start(policy).await;
    server.has_sample("method_policy_report_only 0").await;
    let answers = server.answers().await;
    assert!(answers[0].contains("\r\nallow: PUT, OPTIONS\r\n"), "{answers:#?}");
    assert!(answers[0].contains("\r\ncache-control: max-age=9\r\n"), "{answers:#?}");
    // A candidate changes no answer.
    server.becomes(&both).await;
    assert_eq!(server.answers().await, answers);

    server.becomes(&format!("report_only = true\n{both}")).await;
    server.has_sample("method_policy_report_only 1").await;
    server.has_statuses([200; 4]).await;
    // The application receives `OPTIONS`.
    assert!(server.ask("OPTIONS", "/").await.ends_with("OPTIONS done\n"));
    // This failure is the application's own.
    let answer = server.ask("DELETE", "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");

    let mut samples = server.samples().await;
    samples.retain(|line| line.starts_with("http_method_") && !line.ends_with(" 0"));
    let counted = samples.iter().map(|line| line.trim_start_matches("http_method_"));
    let expected = [
        "rejections_total candidate not_allowed DELETE false 3",
        "rejections_total candidate not_allowed PUT false 2",
        "rejections_total candidate not_allowed _OTHER false 2",
        "rejections_total current not_allowed DELETE false 2",
        "rejections_total current not_allowed DELETE true 2",
        "rejections_total current not_allowed POST false 1",
        "rejections_total current not_allowed POST true 2",
        "rejections_total current not_implemented _OTHER false 1",
        "rejections_total current not_implemented _OTHER true 2",
        "would_reject_total candidate not_allowed application 2xx 4",
        "would_reject_total candidate not_allowed application 4xx 1",
        "would_reject_total candidate not_allowed current 4xx 1",
        "would_reject_total candidate not_allowed current 5xx 1",
        "would_reject_total current not_allowed application 2xx 2",
        "would_reject_total current not_allowed application 4xx 1",
        "would_reject_total current not_implemented application 2xx 1",
    ];
    assert_eq!(counted.collect::<Vec<_>>(), expected);
    server.stop().await;
}

#[tokio::test]
async fn rejections_are_logged_with_the_names_that_opentelemetry_defines() {
    let settings = format!("{POST}[policy.routes]\n'/notes/{{id}}' = 'GET, PUT'\n");
    let mut server = Server::start_with_log("operations=debug", &settings).await;
    let long = "A".repeat(10_000);
    let delete = "DELETE /notes/1?secret HTTP/1.1\r\nhost: a\r\nuser-agent: \u{9b}\u{202e}";
    let other = format!("{long} /{long} HTTP/1.1\r\nhost: a\r\nuser-agent: {long}");
    for (request, own) in [
        (
            delete,
            json!({
                "message": "405 Method Not Allowed by route /notes/{id}",
                "http.request.method": "DELETE",
                "url.path": "/notes/1",
                "http.response.status_code": 405,
                "error.type": "not_allowed",
                // A terminal would obey these characters.
                "user_agent.original": "\\u{9b}\\u{202e}",
                "rule": "route /notes/{id}",
            }),
        ),
        (
            &other,
            json!({
                "message": "501 Not Implemented",
                "http.request.method": "_OTHER",
                "http.request.method_original": format!("{}…", &long[..64]),
                "url.path": format!("/{}", &long[..255]),
                "http.response.status_code": 501,
                "error.type": "not_implemented",
                "user_agent.original": long[..256],
            }),
        ),
    ] {
        server.send(request).await;
        let mut event = server.event().await;
        event.as_object_mut().unwrap().remove("timestamp").unwrap();
        let mut expected = json!({
            "level": "DEBUG",
            "target": "operations::observe",
            "policy": "current",
            "network.peer.address": "127.0.0.1",
            "enforced": true,
        });
        expected.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        assert_eq!(event, expected);
    }
    server.stop().await;
}
