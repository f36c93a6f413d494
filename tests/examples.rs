//! Runs the examples as a user does: starts them, sends requests over TCP, and stops them with a signal.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::{env, fs, process};

use support::example::Example;
use support::server::{Connection, http2, read, request};

/// A request line without the version, and fields and content. Then the status, `Allow` if it is not empty, and
/// parts of the answer. A part that begins with `!` is absent.
type Row<'a> = (&'a str, &'a str, u16, &'a str, &'a [&'a str]);

const ORIGIN: &str = "origin: http://b\r\n\r\n";
const PREFLIGHT: &str = "origin: http://b\r\naccess-control-request-method: FOO\r\n\r\n";
const PROBLEM: &[&str] = &["content-type: application/problem+json\r\n"];
const TEXT: &[&str] = &["content-type: text/plain; charset=utf-8\r\n"];
const READ: &str = "GET, HEAD, OPTIONS";
const READ_WRITE: &str = "GET, HEAD, POST, OPTIONS";

/// What the message board answers.
const BOARD: &[Row<'_>] = &[
    ("POST /", "content-length: 16\r\n\r\nHello!\n\nIt's me.", 201, "", &["location: /1\r\n"]),
    ("POST /", "content-length: 0\r\n\r\n", 201, "", &["location: /2\r\n"]),
    ("GET /", "", 200, "", &[TEXT[0], "\r\n\r\n1: Hello!\n2: \n"]),
    ("GET /1", "", 200, "", &["content-length: 16\r\n", "\r\n\r\nHello!\n\nIt's me."]),
    ("GET /2", "", 200, "", &["content-length: 0\r\n"]),
    ("GET /0", "", 404, "", &[]),
    ("GET /3", "", 404, "", &[]),
    ("GET /x", "", 404, "", &[]),
    ("GET /1/2", "", 404, "", &[]),
    ("OPTIONS *", "", 200, "", &["content-length: 0\r\n"]),
];

async fn send(connection: &mut Connection, request: &str, more: &str) {
    let more = if more.is_empty() { "\r\n" } else { more };
    connection.send(format!("{request} HTTP/1.1\r\nhost: a\r\n{more}")).await;
}

/// Sends each request over HTTP/1.1, each `GET` also as `HEAD`, and those without fields also over HTTP/2.
async fn check(address: SocketAddr, rows: &[Row<'_>]) {
    let mut connection = Connection::open(address).await;
    for (start, more, status, allow, parts) in rows {
        send(&mut connection, start, more).await;
        let answer = connection.receive().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{start}: {answer}");
        let seen = answer.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(seen.unwrap_or_default(), *allow, "{start}: {answer}");
        for part in *parts {
            let absent = part.strip_prefix('!');
            assert_eq!(
                answer.contains(absent.unwrap_or(part)),
                absent.is_none(),
                "{start}: {answer}"
            );
        }
        let (method, target) = start.split_once(' ').unwrap();
        if method == "GET" {
            send(&mut connection, &format!("HEAD {target}"), more).await;
            let head = without_changing_fields(&connection.receive_head().await);
            assert!(without_changing_fields(&answer).starts_with(head.trim_end()), "{head}");
        }
        let methods = if method == "GET" { vec![method, "HEAD"] } else { vec![method] };
        for method in methods.into_iter().filter(|_| more.is_empty() && target.starts_with('/')) {
            let request = request(method, format!("http://a{target}"));
            let (answered, fields, _) = read(http2(address).await.send_request(request)).await;
            assert_eq!(answered.as_u16(), *status, "{method} {target}");
            let seen = fields.get("allow").map(|allow| allow.to_str().unwrap());
            assert_eq!(seen.unwrap_or_default(), *allow, "{method} {target}");
        }
    }
}

/// The answer without the fields that differ in each answer.
fn without_changing_fields(answer: &str) -> String {
    let lines = answer.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("x-request-id: ")).collect()
}

/// Starts an example, checks its answers, and stops it.
async fn answers(name: &str, tables: &[&[Row<'_>]]) {
    let (example, address) = Example::listening(name, []).await;
    for rows in tables {
        check(address, rows).await;
    }
    example.signal("-TERM");
    example.ends_cleanly().await;
}

/// The rows after the first five are those of the table in the README.
#[tokio::test]
async fn the_axum_example_answers_as_the_readme_says() {
    let shop = "server: shop\r\n";
    let problem = &[shop, PROBLEM[0]];
    let rows: &[Row<'_>] = &[
        ("GET /", "", 200, "", &[shop, "\r\n\r\nIt works.\n"]),
        ("GET /users", "", 200, "", &[shop, "\r\n\r\nusers\n"]),
        ("POST /users", "", 200, "", &[shop, "\r\n\r\ncreated\n"]),
        ("POST /", "", 405, READ, problem),
        ("OPTIONS *", "", 200, "", &["content-length: 0\r\n"]),
        ("FOO /users", "", 501, "", problem),
        ("DELETE /users", "", 405, READ_WRITE, problem),
        ("OPTIONS /users", "", 200, READ_WRITE, &[shop, "content-length: 0\r\n"]),
        ("FOO /any", "", 200, "", &[shop, "\r\n\r\nany method\n"]),
        ("FOO /nowhere", "", 404, "", &[shop]),
    ];
    let (mut example, address) = Example::listening("axum", []).await;
    check(address, rows).await;
    for method in ["FOO", "DELETE", "OPTIONS"] {
        let command = format!("curl -i -X {method} http://{address}/users");
        assert_eq!(example.line().await, Some(command));
    }

    let readme = include_str!("../README.md");
    let table: Vec<_> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(table.len(), 5);
    for (line, (start, _, status, allow, parts)) in table.iter().zip(&rows[5..]) {
        let cells: Vec<_> = line.split(" | ").collect();
        let with_problem = if parts.contains(&PROBLEM[0]) { " with problem details" } else { "" };
        let allow = if allow.is_empty() { "" } else { &*format!(", `Allow: {allow}`") };
        let expected = format!("`{status}`{with_problem}{allow}");
        assert_eq!(cells[0], format!("| `{start}`"));
        assert!(cells[2].starts_with(&expected), "{line}: {expected}");
    }
}

#[tokio::test]
async fn the_hyper_board_answers_as_its_documentation_says() {
    let long = format!("content-length: 65537\r\n\r\n{}", "M".repeat(65_537));
    let rejections: &[Row<'_>] = &[
        ("DELETE /", "", 405, READ_WRITE, TEXT),
        ("POST /1", "", 405, READ, TEXT),
        ("POST /1/2", "", 405, READ, TEXT),
        ("OPTIONS /1/2", "", 200, READ, &[]),
        ("OPTIONS /", "", 200, READ_WRITE, &[]),
        ("OPTIONS /1", "", 200, READ, &[]),
        ("PROPFIND /", "", 501, "", TEXT),
        ("get /1/2", "", 501, "", TEXT),
        ("POST /", &long, 413, "", &[]),
    ];
    answers("hyper", &[BOARD, rejections]).await;
}

#[tokio::test]
async fn the_axum_stack_adds_request_ids_and_cors_fields_to_every_answer() {
    let cors = "\r\naccess-control-allow-origin: *\r\n";
    let exposed = "\r\naccess-control-expose-headers: allow\r\n";
    let (id, any) = ("\r\nx-request-id: ", "\r\naccess-control-allow-methods: *\r\n");
    let gzip = "accept-encoding: gzip\r\n\r\n";
    answers(
        "axum_stack",
        &[&[
            ("GET /", ORIGIN, 200, "", &[id, cors, "\r\n\r\nHello!\n"]),
            ("POST /", ORIGIN, 200, "", &[id, cors]),
            ("DELETE /", ORIGIN, 405, READ_WRITE, &[id, cors, exposed, PROBLEM[0]]),
            ("POST /poem", ORIGIN, 405, READ, &[id, cors, exposed]),
            ("PROPFIND /", ORIGIN, 501, "", &[id, cors, PROBLEM[0]]),
            ("patch /poem", ORIGIN, 501, "", &[id, cors]),
            // The router's, because it has no such path.
            ("GET /nowhere", ORIGIN, 404, "", &[id, cors]),
            ("PROPFIND /nowhere", ORIGIN, 404, "", &[id, cors]),
            // The CORS layer answers, and axum adds `Allow`.
            ("OPTIONS /poem", PREFLIGHT, 200, "GET,HEAD", &[id, cors, any]),
            ("OPTIONS /nowhere", PREFLIGHT, 200, "", &[id, cors, any]),
            ("OPTIONS *", "", 200, "", &[id]),
            ("GET /slow", "", 503, "", &[id]),
            ("POST /poem", "", 405, READ, &["!content-encoding"]),
            ("PROPFIND /", "", 501, "", PROBLEM),
            ("DELETE /", "", 405, READ_WRITE, PROBLEM),
        ]],
    )
    .await;

    let (_example, address) = Example::listening("axum_stack", []).await;
    let mut connection = Connection::open(address).await;
    for request in ["GET /poem", "PROPFIND /"] {
        send(&mut connection, request, gzip).await;
        let head = connection.receive_head().await;
        assert!(head.contains("\r\ncontent-encoding: gzip\r\n"), "{head}");
        connection = Connection::open(address).await;
    }
    send(&mut connection, "GET /peer", "").await;
    let answer = connection.receive().await;
    let peer = format!("\r\n\r\n{}\n", connection.local_address());
    assert!(answer.ends_with(&peer), "{answer}");
}

#[tokio::test]
async fn the_openapi_gateway_allows_the_operations_of_its_document() {
    let meals = "POST, OPTIONS";
    let pet = "GET, HEAD, PUT, OPTIONS";
    answers(
        "openapi",
        &[&[
            ("GET /v1/openapi.json", "", 200, "", &["\"title\":\"Pets\""]),
            ("POST /v1/pets/1/meals", "", 200, "", &["POST /v1/pets/1/meals\n"]),
            ("DELETE /v1/pets/1/meals", "", 405, meals, PROBLEM),
            // Sent by the service behind the gateway.
            ("GET /v1/pets/1/meals", "", 405, meals, &[]),
            ("POST /v1/pets/1", "", 405, pet, PROBLEM),
            ("PATCH /v1/pets", "", 405, READ_WRITE, PROBLEM),
            ("DELETE /v1/openapi.json", "", 405, READ, PROBLEM),
            ("OPTIONS /v1/pets/1", "", 200, pet, &[]),
            ("PATCH /elsewhere", "", 404, "", &[]),
            ("PROPFIND /v1/pets", "", 501, "", PROBLEM),
            ("get /elsewhere", "", 501, "", PROBLEM),
        ]],
    )
    .await;
}

/// Writes an OpenAPI document, and returns the name of its file.
fn document(start: &str, item: &str) -> String {
    let file = env::temp_dir().join(format!("method-policy-openapi-{}.json", process::id()));
    fs::write(&file, format!(r#"{{ "openapi": "3.2.0", {start} "paths": {{ {item} }} }}"#))
        .unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_openapi_document_becomes_a_policy_or_an_error() {
    let v1 = r#""servers": [{ "url": "https://h/v1/" }, { "url": "/v1" }],"#;
    for (start, item, path, allow) in [
        ("", r#""/a/{id}": { "get": {}, "summary": "" }"#, "/a/1", READ),
        (
            "",
            r#""/a": { "head": {}, "query": {}, "x-a": 1 }, "x-b": 1"#,
            "/a",
            "HEAD, OPTIONS, QUERY",
        ),
        ("", r#""/a": { "additionalOperations": { "LINK": {} } }"#, "/a", "OPTIONS, LINK"),
        (r#""servers": [],"#, r#""/a": { "options": {} }"#, "/a", "OPTIONS"),
        (v1, r#""/a": { "post": {} }"#, "/v1/a", "POST, OPTIONS"),
    ] {
        let file = document(start, item);
        let (_example, address) = Example::listening("openapi", [&file]).await;
        check(address, &[(&format!("DELETE {path}"), "", 405, allow, &[])]).await;
    }
    for (start, item, error) in [
        (r#""openapi": "4.0.0","#, "", "not an OpenAPI document of version 3"),
        (r#""servers": [{ "url": "v1" }],"#, "", "the server v1: neither a path nor"),
        (r#""servers": [{ "url": "/v{n}" }],"#, "", "the server /v{n}: neither a path nor"),
        (r#""servers": [{}],"#, "", "a server without a `url`"),
        ("", r#""/a": { "$ref": "b" }"#, "/a: `$ref` is not supported"),
        ("", r#""/a": { "servers": [] }"#, "/a: `servers` is not supported"),
        ("", r#""/a": { "get": { "servers": [] } }"#, "/a: get: `servers` of an operation"),
        ("", r#""/a": { "GET": {} }"#, "/a: `GET` is not supported"),
        ("", r#""/a": []"#, "/a: not an object"),
        ("", r#""/a": { "additionalOperations": { "A B": {} } }"#, "/a: invalid HTTP method"),
        ("", r#""/a-{x}": { "get": {} }"#, "route \"/a-{x}\" "),
        ("", r#""/a/{x}": {}, "/a/{y}": {}"#, "route \"/a/{y}\" conflicts with"),
    ] {
        let file = document(start, item);
        let (status, errors) = Example::start("openapi", &["127.0.0.1:0", &file]).end().await;
        assert_eq!(status.code(), Some(1), "{item}");
        assert!(errors.starts_with(&format!("error: {error}")), "{start} {item}: {errors}");
    }
}

#[tokio::test]
async fn a_stopped_board_closes_idle_connections_and_answers_the_request_in_flight() {
    const SLOW: &str =
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    for signal in ["-TERM", "-INT"] {
        let (example, address) = Example::listening("hyper", []).await;
        let mut silent = Connection::open(address).await;
        let mut idle = Connection::open(address).await;
        send(&mut idle, "GET /", "").await;
        idle.receive().await;
        let mut busy = Connection::open(address).await;
        busy.send(SLOW).await;
        assert_eq!(busy.receive().await, "HTTP/1.1 100 Continue\r\n\r\n");

        example.signal(signal);
        assert!(silent.is_closed().await);
        assert!(idle.is_closed().await);
        busy.send("Hello").await;
        // The answer has this field if the connection has already noticed the signal.
        let answer = busy.receive().await.replace("connection: close\r\n", "");
        let expected = "HTTP/1.1 201 Created\r\nlocation: /1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer, expected);
        assert!(busy.is_closed().await);
        example.ends_cleanly().await;
    }
}

#[tokio::test]
async fn a_start_error_names_the_address_or_the_argument() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = &*listener.local_addr().unwrap().to_string();
    for (arguments, expected) in [
        (&[address][..], &*format!("cannot listen on {address}: ")),
        (&["a"], "cannot listen on a: invalid socket address\n"),
        (&["127.0.0.1:0", "b"], "unexpected argument: b\n"),
    ] {
        for name in ["axum_stack", "hyper"] {
            let (status, errors) = Example::start(name, arguments).end().await;
            assert_eq!(status.code(), Some(1), "{name}");
            let expected = format!("error: {expected}");
            assert!(errors.starts_with(&expected), "{name}: {errors}");
            assert_eq!(errors.lines().count(), 1, "{name}: {errors}");
        }
    }
}
