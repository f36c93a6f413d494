//! The share and the website, as a client uses them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../common/tests.rs"]
mod support;

use std::net::SocketAddr;

use support::example::Example;
use support::server::Connection;

/// Starts the program, and stores the file `/dav/a`.
async fn start() -> (Example, SocketAddr) {
    let (example, address) = Example::listening(env!("CARGO_BIN_EXE_webdav"), []).await;
    put(address, "/dav/a").await;
    (example, address)
}

/// Sends a request without content, and returns the head of the response. The content is not read, because
/// it may be chunked.
async fn expect(address: SocketAddr, request: &str, fields: &str, status: u16) -> String {
    let mut connection = Connection::open(address).await;
    connection.send(format!("{request} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).await;
    let head = connection.receive_head().await;
    let expected = format!("HTTP/1.1 {status} ");
    assert!(head.starts_with(&expected), "{request} {fields}: {head}");
    head
}

async fn put(address: SocketAddr, path: &str) {
    expect(address, &format!("PUT {path}"), "content-length: 0\r\n", 201).await;
}

#[tokio::test]
async fn the_share_and_the_website_have_their_own_methods() {
    let below = "allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, \
                 PROPPATCH, UNLOCK";
    // `MKCOL` is only for resources that do not exist.
    let existing = &*below.replace("MKCOL, ", "");
    let (example, address) = start().await;
    for (requests, status, field) in [
        ("MKCOL /dav/sub/", 201, ""),
        ("GET /dav,GET /dav/,GET /dav/sub/", 200, ""),
        ("PROPFIND /dav,PROPFIND /dav/,PROPFIND /dav/sub/", 207, ""),
        ("POST /dav/sub/,POST /dav/missing", 405, below),
        ("POST /dav,POST /dav/", 405, existing),
        // The policy sends the first two, dav-server all others.
        ("MKCOL /dav,MKCOL /dav/,MKCOL /dav/.,MKCOL /dav/a,MKCOL /dav/sub/", 405, existing),
        // dav-server itself answers `OPTIONS` in the share.
        ("OPTIONS /dav,OPTIONS /dav/,OPTIONS /dav/sub/", 200, "ms-author-via: DAV"),
        ("OPTIONS /dav/a,OPTIONS /dav/missing", 200, "ms-author-via: DAV"),
        ("OPTIONS /", 200, "allow: GET, HEAD, POST, OPTIONS"),
        ("OPTIONS *", 200, ""),
        ("PROPFIND /", 405, "allow: GET, HEAD, POST, OPTIONS"),
        ("SEARCH /dav/,SEARCH /,VERSION-CONTROL /dav/a", 501, ""),
        // There is no fallback, so the router answers.
        ("PROPFIND /.well-known/caldav", 404, ""),
    ] {
        for request in requests.split(',') {
            let head = expect(address, request, "", status).await;
            assert!(head.contains(&format!("\r\n{field}\r\n")), "{request}: {head}");
            if request.starts_with("OPTIONS ") {
                let is_in_share = request.contains("/dav");
                assert_eq!(head.contains("\r\ndav: 1,2,"), is_in_share, "{request}: {head}");
                assert_eq!(head.contains("\r\nms-author-via:"), is_in_share, "{request}: {head}");
            }
        }
    }
    example.signal("-TERM");
    example.ends_cleanly().await;
}

/// Paths of the share itself, and paths that only dav-server reads as the share or as a path in it.
const SPELLINGS: &str = "/dav /dav/ /dav// /dav/// /dav/. /dav/./ /dav/%2e /dav/%2E/ /dav/a/.. /dav/a/%2e%2e/ \
                         /dav/a/.%2E /dav/../dav /dav/../dav/ /dav/../davx /dav/%2e%2e/davx/ /dav/?query";

/// Sends a request that must not change the share. Afterward, the share still has its file and accepts another.
async fn expect_no_change(address: SocketAddr, request: &str, fields: &str, status: u16) {
    expect(address, request, fields, status).await;
    expect(address, "GET /dav/a", "", 200).await;
    expect(address, "PROPFIND /dav/", "depth: 1\r\n", 207).await;
    put(address, "/dav/another").await;
    expect(address, "DELETE /dav/another", "", 204).await;
}

#[tokio::test]
async fn the_share_itself_cannot_be_deleted_copied_moved_or_replaced() {
    let (_example, address) = start().await;
    for path in SPELLINGS.split(' ') {
        for method in ["DELETE", "COPY", "MOVE"] {
            for request in [format!("{method} {path}"), format!("{method} http://a{path}")] {
                expect_no_change(address, &request, "destination: /dav/b\r\n", 403).await;
            }
        }
    }
    let outside = ["/davx", "/davx/", "/", "/other", "//dav", "/x/../dav", "/da%76"];
    for path in SPELLINGS.split(' ').chain(outside) {
        for host in ["", "http://a", "https://other.example:8443"] {
            for request in ["COPY /dav/a", "MOVE /dav/a"] {
                let destination = format!("destination: {host}{path}\r\n");
                expect_no_change(address, request, &destination, 403).await;
            }
        }
    }
}

#[tokio::test]
async fn a_destination_that_is_not_one_uri_is_a_bad_request() {
    let (_example, address) = start().await;
    for fields in [
        "",
        "destination: \r\n",
        "destination: dav\r\n",
        "destination: a:80\r\n",
        "destination: *\r\n",
        "destination: /dav/b\r\ndestination: /dav\r\n",
        "destination: http:\\\\a\\dav\r\n",
        "destination: \u{e9}\r\n",
    ] {
        for method in ["COPY", "MOVE"] {
            expect_no_change(address, &format!("{method} /dav/a"), fields, 400).await;
        }
    }
}

#[tokio::test]
async fn a_destination_in_the_share_can_have_any_host() {
    let (_example, address) = start().await;
    for (request, destination) in [
        ("COPY /dav/a", "/dav/b"),
        ("COPY /dav/a", "http://a/dav/c"),
        ("COPY /dav/a", "https://other.example:8443/dav/d%20e"),
        ("MOVE /dav/b", "http://a/dav/x/../f"),
    ] {
        expect(address, request, &format!("destination: {destination}\r\n"), 201).await;
    }
    for (path, status) in
        [("/dav/a", 200), ("/dav/b", 404), ("/dav/c", 200), ("/dav/d%20e", 200), ("/dav/f", 200)]
    {
        expect(address, &format!("GET {path}"), "", status).await;
    }
}

/// Sends content, and returns the status and the content of the answer.
async fn send(address: SocketAddr, request: &str, fields: &str, content: &str) -> (u16, String) {
    let mut connection = Connection::open(address).await;
    let length = content.len();
    let head = format!("{request} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{fields}\r\n");
    connection.send(head + content).await;
    let answer = connection.receive().await;
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), content.to_owned())
}

#[tokio::test]
async fn xml_that_is_deep_or_has_many_namespaces_is_a_bad_request() {
    const ENTITIES: &str = r#"<!DOCTYPE a [<!ENTITY a "<a><a><a><a><a><a><a><a><a><a>">
        <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
        <!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]><a>&d;&d;&d;&d;&d;&d;</a>"#;
    let nested = |depth| ["<a>".repeat(depth), "</a>".repeat(depth)].concat();
    let propfind = |content| format!("<propfind xmlns='DAV:'><prop>{content}</prop></propfind>");
    let declared: String = (0..2200).map(|number| format!(" xmlns:a{number}='b'")).collect();
    let namespaces = format!("<a{declared}>{}</a>", "<a/>".repeat(5000));
    let (example, address) = start().await;
    for method in ["PROPFIND", "PROPPATCH", "LOCK"] {
        for (xml, status) in [
            (propfind(nested(49)), 400),
            ("<a>".repeat(21_845), 400),
            (ENTITIES.to_owned(), 400),
            (namespaces.clone(), 400),
            ("<a>".repeat(21_846), 413),
        ] {
            let answered = send(address, &format!("{method} /dav/a"), "depth: 0\r\n", &xml).await;
            assert_eq!(answered.0, status, "{method} {}", &xml[..100.min(xml.len())]);
        }
    }
    #[cfg(target_os = "linux")]
    assert!(example.resident() < 100 * 1024, "{} KiB", example.resident());
    // The maximum, and many elements that are not inside each other.
    for content in [nested(48), "<a/>".repeat(10_000)] {
        let answered = send(address, "PROPFIND /dav/a", "depth: 0\r\n", &propfind(content)).await;
        assert_eq!(answered.0, 207);
    }
}

/// Reads or writes a part of `/dav/b`.
async fn update(address: SocketAddr, method: &str, field: &str, content: &str) -> (u16, String) {
    let fields = format!("content-type: application/x-sabredav-partialupdate\r\n{field}\r\n");
    send(address, &format!("{method} /dav/b"), &fields, content).await
}

#[tokio::test]
async fn numbers_that_are_no_positions_in_a_file_do_not_reach_dav_server() {
    let (_example, address) = start().await;
    assert_eq!(send(address, "PUT /dav/b", "", "0123456789").await.0, 201);
    for (request, field) in [
        ("GET", "range: bytes=1-N"),
        ("GET", "range: bytes=0-1, +N-N"),
        ("GET", "range: bytes=0-1\r\nrange: bytes=1-N"),
        ("PUT", "content-range: bytes 0-N/*"),
        ("PUT", "content-range: bytes 0-0/N"),
        ("PATCH", "x-update-range: bytes=-N"),
    ] {
        for number in ["9223372036854775808", "99999999999999999999999999999999999999999"] {
            let field = field.replace('N', number);
            let answered = update(address, request, &field, "x").await;
            assert_eq!(answered.0, 400, "{request} {field}");
        }
    }
    assert_eq!(send(address, "GET /dav/b", "", "").await, (200, "0123456789".to_owned()));
}

#[tokio::test]
async fn ranges_in_a_file_can_be_read_and_written() {
    const LAST: i64 = i64::MAX;
    let (_example, address) = start().await;
    assert_eq!(send(address, "PUT /dav/b", "", "0123456789").await.0, 201);
    for (field, status, content) in [
        ("bytes=2-3".to_owned(), 206, "23"),
        (format!("bytes=8-{LAST}"), 206, "89"),
        ("bytes=8-".to_owned(), 206, "89"),
        ("bytes=-2".to_owned(), 206, "89"),
        (format!("bytes={LAST}-"), 416, ""),
        (format!("bytes={LAST}-{LAST}"), 416, ""),
    ] {
        let answered = update(address, "GET", &format!("range: {field}"), "").await;
        assert_eq!(answered, (status, content.to_owned()), "{field}");
    }
    for (request, field, status) in [
        ("PUT", "content-range: bytes 0-1/*".to_owned(), 204),
        ("PUT", format!("content-range: bytes 0-{LAST}/*"), 416),
        ("PATCH", "x-update-range: bytes=8-9".to_owned(), 204),
        ("PATCH", format!("x-update-range: bytes=0-{LAST}"), 416),
        ("PATCH", format!("x-update-range: bytes=-{LAST}"), 416),
        ("PATCH", "x-update-range: append".to_owned(), 204),
    ] {
        let answered = update(address, request, &field, "ab").await;
        assert_eq!(answered.0, status, "{request} {field}");
    }
    assert_eq!(send(address, "GET /dav/b", "", "").await, (200, "ab234567abab".to_owned()));
}

#[tokio::test]
async fn a_field_that_dav_server_cannot_read_gets_an_answer() {
    let (_example, address) = start().await;
    for field in ["if: <", "if: [", "if: [\"]", "if: (<", "if-match: \"", "if-none-match: \""] {
        for request in ["GET /dav/a", "PUT /dav/a", "MKCOL /dav/b"] {
            let head = expect(address, request, &format!("{field}\r\n"), 500).await;
            assert!(!head.contains("connection: close"), "{request} {field}: {head}");
        }
    }
}
