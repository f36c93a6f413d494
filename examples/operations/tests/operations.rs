//! The server as an operator sees it: new settings while it runs, counters, and the log.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../common/tests.rs"]
mod support;

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::example::Example;
use support::server::{Connection, http2, request, within};
use tempfile::TempDir;
use tokio::time::sleep;
use tower_method_policy::MethodSet;

const OPERATIONS: &str = env!("CARGO_BIN_EXE_operations");

/// Allows `POST`, does not recognize `FOO`.
const POST: &str = "retry_after = 1\n[policy]\nfallback = ['GET', 'POST']\n";
/// Allows `DELETE`, recognizes `FOO`.
const DELETE: &str =
    "retry_after = 2\n[policy]\nfallback = ['GET', 'DELETE']\nrecognize = ['FOO']\n";

const METHODS: [&str; 5] = ["POST", "DELETE", "PUT", "FOO", "OPTIONS"];

const APPLIED: &str = "settings reloaded";

/// A running server, and the directory of its settings.
struct Server {
    example: Example,
    address: SocketAddr,
    file: PathBuf,
    directory: TempDir,
}

impl Server {
    async fn start(settings: &str) -> Self {
        Self::start_at("policy.toml", "info", settings).await
    }

    /// `file` is the path of the settings in the directory, and `log` is for `RUST_LOG`.
    async fn start_at(file: &str, log: &str, settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, settings).unwrap();
        let log = format!("RUST_LOG={log}");
        let arguments = [&log, OPERATIONS, "127.0.0.1:0", file.to_str().unwrap()];
        let mut example = Example::start("/usr/bin/env", &arguments);
        Self { address: example.address().await, example, file, directory }
    }

    /// Replaces the settings file by a rename.
    fn replace(&self, settings: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, settings).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// The next event in the log.
    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.example.line().await.unwrap()).unwrap()
    }

    /// Waits until settings have been applied. Errors may come first.
    async fn applied(&mut self) {
        while self.event().await["message"] != APPLIED {}
    }

    /// Replaces the settings. They are valid, so no error may be logged.
    async fn becomes(&mut self, settings: &str) {
        self.replace(settings);
        let event = self.event().await;
        assert_eq!(event["message"], APPLIED, "{event}");
    }

    /// Waits until the server reports settings that it does not apply. Returns the line, the column, and the
    /// mistake.
    async fn kept(&mut self) -> (Value, Value, String) {
        let mut event = self.event().await;
        assert_eq!(event["message"], "settings kept as they were", "{event}");
        assert_eq!(event["level"], "ERROR");
        let error = event["error"].as_str().unwrap().to_owned();
        (event["line"].take(), event["column"].take(), error)
    }

    async fn ask(&self, method: &str, path: &str) -> String {
        let mut client = Connection::open(self.address).await;
        ask(&mut client, method, path).await
    }

    async fn status(&self, method: &str) -> u16 {
        let answer = self.ask(method, "/").await;
        answer["HTTP/1.1 ".len()..][..3].parse().unwrap()
    }

    /// The statuses of `POST`, `DELETE`, `PUT`, and `FOO`.
    async fn has_statuses(&self, expected: [u16; 4]) {
        for (method, status) in METHODS.into_iter().zip(expected) {
            assert_eq!(self.status(method).await, status, "{method}");
        }
    }

    /// The answers to the methods above.
    async fn answers(&self) -> Vec<String> {
        let mut answers = Vec::new();
        for method in METHODS {
            answers.push(self.ask(method, "/").await);
        }
        answers
    }

    /// The samples of `/metrics`. Their labels are shortened to the values.
    async fn samples(&self) -> Vec<String> {
        let answer = self.ask("GET", "/metrics").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let content_type = "content-type: text/plain; version=0.0.4; charset=utf-8";
        assert!(head.contains(content_type), "{head}");
        let lines = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let short = lines.map(|line| {
            let words = line.split(['{', '}', ',', ' ']).filter(|word| !word.is_empty());
            let values = words.filter_map(|word| word.rsplit('=').next());
            values.map(|value| value.trim_matches('"')).collect::<Vec<_>>().join(" ")
        });
        short.collect()
    }

    async fn has_sample(&self, sample: &str) {
        let samples = self.samples().await;
        assert!(samples.iter().any(|line| line == sample), "{samples:#?}");
    }

    /// Stops the server. All events that it logged have been read.
    async fn stop(self) {
        self.example.signal("-TERM");
        self.example.ends_cleanly().await;
    }

    /// Stops the server. It may have logged more events.
    async fn stop_with_log(mut self) {
        self.example.signal("-TERM");
        while self.example.line().await.is_some() {}
        self.example.ends_cleanly().await;
    }
}

async fn ask(client: &mut Connection, method: &str, path: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    client.send(request).await;
    client.receive().await
}

/// Runs a shell script.
fn run(script: &str, directory: &Path) {
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(directory);
    assert!(command.status().unwrap().success(), "{script}");
}

#[tokio::test]
async fn new_settings_are_applied_once() {
    let mut server = Server::start(POST).await;
    server.has_statuses([200, 405, 405, 501]).await;
    server.becomes(DELETE).await;
    server.has_statuses([405, 200, 405, 405]).await;

    // The server reads the file again several times. Settings that have not changed are not applied again.
    server.replace(DELETE);
    sleep(Duration::from_millis(600)).await;
    server.has_sample("method_policy_reloads_total applied 1").await;
    // SIGHUP applies unchanged settings.
    for _ in 0..2 {
        server.example.signal("-HUP");
        let event = server.event().await;
        assert_eq!((&event["message"], &event["asked"]), (&json!(APPLIED), &json!(true)));
    }

    let largest = POST.to_owned() + &"#".repeat(1024 * 1024 - POST.len());
    server.becomes(&largest).await;
    assert_eq!(server.status("DELETE").await, 405);

    // A file that never stops changing is reported.
    run("ln -s /proc/uptime new; mv -T new policy.toml", server.directory.path());
    server.kept().await;
    assert_eq!(server.status("DELETE").await, 405);
    server.replace(DELETE);
    server.applied().await;
    server.stop().await;
}

/// Each script changes the files that the script before it left. The file `new` has the new settings.
#[tokio::test]
async fn a_change_of_a_directory_or_a_link_is_applied() {
    let file = "base/settings/policy.toml";
    let mut server = Server::start_at(file, "info", POST).await;
    let scripts = [
        // The directory is replaced.
        "mkdir dir; mv new dir/policy.toml; mv base/settings old1; mv dir base/settings",
        // The directory is removed and made again.
        "rm -r base/settings; mkdir base/settings; mv new base/settings/policy.toml",
        // The file in the new directory is replaced by a rename.
        "mv new base/settings/policy.toml",
        // The directory above is replaced.
        "mv base old2; mkdir -p base/settings; mv new base/settings/policy.toml",
        // The file is removed and linked.
        "mv new hard; rm base/settings/policy.toml; ln hard base/settings/policy.toml",
        // The directory becomes a symbolic link.
        "rm -r base/settings; mkdir base/far; mv new base/far/policy.toml; ln -s far base/settings",
        // The directory that is linked to is replaced.
        "mv base/far old3; mkdir base/far; mv new base/far/policy.toml",
        // The link is replaced by another.
        "mkdir base/near; mv new base/near/policy.toml; ln -s near link; mv -T link base/settings",
        // The file becomes a symbolic link.
        "mv new base/file; ln -s ../file link; mv -T link base/settings/policy.toml",
        // The file that is linked to is written in place. The server may read it while it is empty.
        "cat new > base/file",
        // The directory becomes the volume of a Kubernetes ConfigMap.
        "mkdir -p dir/..1; mv new dir/..1/policy.toml; ln -s ..1 dir/..data
         ln -s ..data/policy.toml dir/policy.toml; mv base/settings old4; mv dir base/settings",
        // The ConfigMap is updated.
        "cd base/settings; mkdir ..2; mv ../../new ..2/policy.toml; ln -s ..2 link
         mv -T link ..data; rm -r ..1",
    ];
    for (script, settings) in scripts.iter().zip([DELETE, POST].into_iter().cycle()) {
        fs::write(server.directory.path().join("new"), settings).unwrap();
        run(script, server.directory.path());
        // Between two steps of a change, the server may find no file.
        server.applied().await;
        let expected = if settings == DELETE { 200 } else { 405 };
        assert_eq!(server.status("DELETE").await, expected, "{script}");
    }
    server.stop().await;
}

/// A script that replaces the settings by an unusable file, and a part of the error that the server logs.
const OBSTACLES: &str = r#"
mkfifo policy.toml => not a regular file
truncate -s 1G policy.toml => larger than 1 MiB
head -c 1048577 /dev/zero | tr '\0' '#' >policy.toml => larger than 1 MiB
mkdir policy.toml => not a regular file
ln -s /dev/zero policy.toml => not a regular file
ln -s /dev/ptmx policy.toml => not a regular file
mv socket policy.toml => No such device or address
ln -s nowhere policy.toml => No such file
ln -s policy.toml policy.toml => symbolic link
: it has no size; ln -s /proc/self/maps policy.toml => 
printf '[policy]\nfallback = "\377"' >policy.toml => invalid utf-8
(printf 'a='; head -c 1000000 /dev/zero | tr '\0' '[') >policy.toml => max recursion depth
"#;

#[tokio::test]
async fn an_unusable_settings_file_changes_nothing() {
    for obstacle in OBSTACLES.trim().lines() {
        let (script, error) = obstacle.split_once(" => ").unwrap();
        let mut server = Server::start(POST).await;
        let directory = server.directory.path().to_owned();
        drop(UnixListener::bind(directory.join("socket")).unwrap());
        let resident = server.example.resident();
        run(&format!("rm policy.toml; {script}"), &directory);
        loop {
            let (line, column, logged) = server.kept().await;
            let is_missing = logged.contains("No such file");
            assert!(!is_missing || line.is_null() && column.is_null(), "{script}");
            if !is_missing || error == "No such file" {
                assert!(logged.contains(error), "{script}: {logged}");
                break;
            }
        }
        server.has_statuses([200, 405, 405, 501]).await;
        server.has_sample("method_policy_last_reload_successful 0").await;

        // The error is logged again only if the operator asks.
        server.example.signal("-HUP");
        server.kept().await;

        // Another server does not start with this file.
        let file = server.file.to_str().unwrap();
        let second = Example::start(OPERATIONS, &["127.0.0.1:0", file]);
        let (status, errors) = second.end().await;
        assert_eq!(status.code(), Some(1), "{script}");
        assert!(errors.contains(error), "{script}: {errors}");

        run("mv policy.toml obstacle", &directory);
        server.replace(DELETE);
        server.applied().await;
        assert_eq!(server.status("DELETE").await, 200, "{script}");
        server.has_sample("method_policy_last_reload_successful 1").await;
        let grown = server.example.resident().saturating_sub(resident);
        assert!(grown < 64 * 1024, "{script}: {grown} KiB");

        // The server stops while the obstacle is there.
        run("rm policy.toml; mv -T obstacle policy.toml", &directory);
        server.kept().await;
        server.stop_with_log().await;
    }
}

#[tokio::test]
async fn invalid_settings_are_reported_and_not_applied() {
    let mut server = Server::start(POST).await;
    let answers = server.answers().await;
    for (settings, place, error) in [
        ("report_only = true\n[policy\n", [2, 8], "unclosed"),
        ("reportonly = true\n[policy]\n", [1, 1], "reportonly"),
        ("[policy]\nfalback = ['PUT']\n", [2, 1], "falback"),
        ("cache_control = \"a\\n\"\n[policy]", [1, 17], "a field"),
        ("policy.fallback = ['PUT', 'post']", [1, 27], "post"),
        ("policy = {}\ncandidate.fallback = 'put'", [2, 22], "put"),
        ("policy.routes = { '/:id' = 'PUT' }", [1, 19], "/:id"),
        ("cache_control = '''\nü''' x\n", [2, 6], "newline"),
        ("report_only = true\n", [1, 1], "`policy`"),
        ("", [1, 1], "`policy`"),
    ] {
        server.replace(settings);
        let (line, column, seen) = server.kept().await;
        assert!(seen.contains(error), "{seen}");
        assert_eq!([line, column], place.map(Value::from), "{settings}");
        server.has_sample("method_policy_last_reload_successful 0").await;
    }
    assert_eq!(server.answers().await, answers);
    server.becomes(DELETE).await;
    assert_eq!(server.status("DELETE").await, 200);
    server.has_sample("method_policy_last_reload_successful 1").await;

    // A server does not start with invalid settings.
    let file = server.directory.path().join("invalid");
    fs::write(&file, "[policy]\nfallback = ['POST', '*']\n").unwrap();
    let file = file.to_str().unwrap();
    let (status, errors) = Example::start(OPERATIONS, &["127.0.0.1:0", file]).end().await;
    assert_eq!(status.code(), Some(1));
    let expected = format!("error: {file}:2:21: \"*\" ");
    assert!(errors.starts_with(&expected), "{errors}");
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
    for (answer, part) in [
        (&answers[0], "\r\nallow: PUT, OPTIONS\r\n"),
        (&answers[0], "\r\ncache-control: max-age=9\r\n"),
        (&answers[4], "HTTP/1.1 200 OK\r\nallow: PUT, OPTIONS\r\n"),
    ] {
        assert!(answer.contains(part), "{answer}");
    }
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

    server.becomes(policy).await;
    server.has_sample("method_policy_report_only 0").await;
    server.has_statuses([405, 405, 200, 501]).await;
    let mut samples = server.samples().await;
    samples.retain(|line| line.starts_with("http_method_") && !line.ends_with(" 0"));
    samples.sort();
    let counted = samples.iter().map(|line| line.trim_start_matches("http_method_"));
    let expected = [
        "rejections_total candidate not_allowed DELETE false 3",
        "rejections_total candidate not_allowed PUT false 2",
        "rejections_total candidate not_allowed _OTHER false 2",
        "rejections_total current not_allowed DELETE false 2",
        "rejections_total current not_allowed DELETE true 3",
        "rejections_total current not_allowed POST false 1",
        "rejections_total current not_allowed POST true 3",
        "rejections_total current not_implemented _OTHER false 1",
        "rejections_total current not_implemented _OTHER true 3",
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
async fn all_unregistered_methods_are_counted_in_one_series() {
    let server = Server::start(POST).await;
    let mut client = Connection::open(server.address).await;
    for number in 0..500 {
        let answer = ask(&mut client, &format!("FOO-{number}"), "/").await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    }
    for method in MethodSet::REGISTERED.iter().map(|method| method.as_str()) {
        // The messages of these two have another form.
        if !["HEAD", "CONNECT"].contains(&method) {
            ask(&mut client, method, "/").await;
        }
    }
    let mut samples = server.samples().await;
    samples.retain(|sample| sample.starts_with("http_method_rejections_total"));
    for expected in ["_OTHER true 500", "PROPFIND true 1"] {
        let expected = format!("http_method_rejections_total current not_implemented {expected}");
        assert!(samples.contains(&expected), "{samples:#?}");
    }
    assert!(samples.len() <= MethodSet::REGISTERED.len() + 1, "{samples:#?}");
    assert!(!samples.iter().any(|sample| sample.contains("FOO")), "{samples:#?}");
    assert_eq!(samples.iter().filter(|sample| sample.contains("_OTHER")).count(), 1);
    // Nothing has been logged.
    server.stop().await;
}

#[tokio::test]
async fn rejections_are_logged_with_the_names_that_opentelemetry_defines() {
    let settings = format!("{POST}[policy.routes]\n'/notes/{{id}}' = 'GET, PUT'\n");
    let mut server = Server::start_at("policy.toml", "operations=debug", &settings).await;
    let mut client = Connection::open(server.address).await;
    let long = "A".repeat(10_000);
    let long_path = format!("{long} /{long}");
    let original = format!("{}…", &long[..64]);
    let shown_path = format!("/{}", &long[..255]);
    let rule = "route /notes/{id}";
    let delete = "DELETE /notes/1?secret";
    for (request, user_agent, shown, method, path, rule) in [
        (delete, &b"caf\xe9"[..], "caf\u{fffd}", None, "/notes/1", Some(rule)),
        ("foo /", b"", "", Some("foo"), "/", None),
        (&long_path, long.as_bytes(), &long[..256], Some(&*original), &*shown_path, None),
    ] {
        let head = format!("{request} HTTP/1.1\r\nhost: a\r\nuser-agent: ");
        let head = [head.as_bytes(), user_agent, b"\r\n\r\n"].concat();
        client.send(head).await;
        client.receive().await;
        let mut seen = server.event().await;
        let seen = seen.as_object_mut().unwrap();
        seen.remove("timestamp").unwrap();
        let by_rule = rule.map(|rule| format!("405 Method Not Allowed by {rule}"));
        let mut event = json!({
            "level": "DEBUG",
            "message": by_rule.as_deref().unwrap_or("501 Not Implemented"),
            "target": "operations::observe",
            "policy": "current",
            "http.request.method": if method.is_none() { "DELETE" } else { "_OTHER" },
            "http.request.method_original": method,
            "url.path": path,
            "http.response.status_code": if rule.is_some() { 405 } else { 501 },
            "error.type": if rule.is_some() { "not_allowed" } else { "not_implemented" },
            "network.peer.address": "127.0.0.1",
            "user_agent.original": shown,
            "rule": rule,
            "enforced": true,
        });
        let event = event.as_object_mut().unwrap();
        event.retain(|_, value| !value.is_null());
        assert_eq!(seen, event);
    }

    // The event comes before the application's answer, so it has no status.
    server.becomes("report_only = true\n[policy]\nfallback = ['POST']\n").await;
    assert_eq!(server.status("DELETE").await, 200);
    let event = server.event().await;
    assert_eq!(event["enforced"], false);
    assert_eq!(event["rule"], "fallback");
    for absent in ["http.response.status_code", "user_agent.original"] {
        assert_eq!(event.get(absent), None);
    }
    server.stop().await;
}

/// Whether a character controls a terminal, begins a line, changes the direction of text, or is invisible.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The log level is `trace`, also for hyper and h2.
#[tokio::test]
async fn no_harmful_character_of_a_client_reaches_the_log() {
    let mut server = Server::start_at("policy.toml", "trace", POST).await;
    let mut client2 = http2(server.address).await;
    let harmful: Vec<_> = ('\u{1}'..='\u{e1000}').filter(|&c| is_harmful(c)).collect();
    for some in harmful.chunks(64) {
        let text: String = some.iter().filter(|c| !c.is_ascii()).collect();
        let fields = format!("host: a\r\nuser-agent: {text}\r\n\r\n");
        let mut client = Connection::open(server.address).await;
        client.send(format!("DELETE /{text}?{text} HTTP/1.1\r\n{fields}")).await;
        client.receive().await;
        let mut request = request("DELETE", "/");
        if let Ok(uri) = http::Uri::try_from(format!("http://a/{text}?{text}")) {
            *request.uri_mut() = uri;
        }
        let text: String = some.iter().collect();
        if let Ok(value) = http::HeaderValue::from_bytes(text.as_bytes()) {
            request.headers_mut().insert("user-agent", value);
        }
        // hyper and h2 may reject it.
        let _ = within(client2.send_request(request)).await;
        if client2.is_closed() {
            client2 = http2(server.address).await;
        }
    }
    // Each control character of ASCII. Most of these requests are malformed.
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
    let (mut paths, mut user_agents) = (0, 0);
    let error = loop {
        let line = server.example.line().await.unwrap();
        assert!(!line.contains(is_harmful), "{line:?}");
        let event: Value = serde_json::from_str(&line).unwrap();
        // Tools such as `jq -r` print the values without JSON's escapes.
        let values = event.as_object().unwrap().values();
        for value in values.filter_map(Value::as_str) {
            assert!(!value.contains(is_harmful), "{value:?}");
        }
        for (name, count) in [("url.path", &mut paths), ("user_agent.original", &mut user_agents)] {
            let value = event[name].as_str().unwrap_or_default();
            *count += usize::from(value.contains("\\u{"));
        }
        if event["message"] == "settings kept as they were" {
            break event["error"].as_str().unwrap().to_owned();
        }
    };
    assert!(error.contains(r"a\\u{9b}\\u{202e}\\u{2028}"), "{error}");
    // More than HTTP/1.1 alone would cause.
    assert!(paths > harmful.len() / 64, "{paths}");
    assert!(user_agents > harmful.len() / 64, "{user_agents}");
    server.stop_with_log().await;
}

/// Sends requests until `stop` is set, over one connection or over one for each request. Each answer must equal an
/// answer of one of the two settings. Returns the number of answers of each.
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
            let answer = ask(&mut client, method, "/").await;
            let settings = answers.iter().position(|of| of[number] == answer);
            seen[settings.unwrap_or_else(|| panic!("{answer}"))] += 1;
        }
    }
    seen
}

#[tokio::test]
async fn no_request_fails_or_sees_half_a_change_under_load() {
    let mut server = Server::start(DELETE).await;
    let mut answers = [const { Vec::new() }; 2];
    for (settings, answers) in [POST, DELETE].iter().zip(&mut answers) {
        server.replace(settings);
        server.example.signal("-HUP");
        while server.event().await["asked"] != true {}
        *answers = server.answers().await;
    }
    // All answers differ, so each answer shows which settings made it.
    let distinct: HashSet<_> = answers.iter().flatten().collect();
    assert_eq!(distinct.len(), 2 * METHODS.len(), "{answers:#?}");

    let answers = Arc::new(answers);
    let stop = Arc::new(AtomicBool::new(false));
    let clients = [true, true, true, false].map(|reuses| {
        let client = client(server.address, reuses, answers.clone(), stop.clone());
        tokio::spawn(client)
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
    // The server may also have logged a change that it found before the signal.
    server.stop_with_log().await;
}
