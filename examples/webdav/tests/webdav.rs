//! The share, as a client uses it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::SocketAddr;

use support::example::Example;
use support::server::Connection;

const SHARE_METHODS: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, \
                             PROPPATCH, UNLOCK";

async fn start() -> (Example, SocketAddr) {
    Example::listening(env!("CARGO_BIN_EXE_webdav"), []).await
}

/// The head of the response to a request with these fields and no body. Some content is chunked, and of no
/// interest.
async fn ask(address: SocketAddr, request: &str, fields: &str) -> String {
    let mut connection = Connection::open(address).await;
    connection.send(format!("{request} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).await;
    connection.receive_head().await
}

#[track_caller]
fn has_status(head: &str, status: u16, request: &str) {
    let expected = format!("HTTP/1.1 {status} ");
    assert!(head.starts_with(&expected), "{request}: {head}");
}

async fn put(address: SocketAddr, path: &str) {
    let head = ask(address, &format!("PUT {path}"), "content-length: 0\r\n").await;
    has_status(&head, 201, path);
}

/// Nothing in the share answers 405 to a method that the rule lists.
#[tokio::test]
async fn the_share_serves_what_its_rule_lists_at_every_path() {
    let (example, address) = start().await;
    has_status(&ask(address, "MKCOL /dav/sub/", "").await, 201, "MKCOL");
    for path in ["/dav", "/dav/", "/dav/sub/"] {
        for (method, status) in [("GET", 200), ("OPTIONS", 200), ("PROPFIND", 207)] {
            let request = format!("{method} {path}");
            has_status(&ask(address, &request, "").await, status, &request);
        }
        let head = ask(address, &format!("POST {path}"), "").await;
        has_status(&head, 405, path);
        let allow = format!("\r\nallow: {SHARE_METHODS}\r\n");
        assert!(head.contains(&allow), "{head}");
    }
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn options_in_the_share_is_dav_servers_own_answer() {
    let (_example, address) = start().await;
    put(address, "/dav/a").await;
    for path in ["/dav", "/dav/", "/dav/a", "/dav/missing"] {
        let head = ask(address, &format!("OPTIONS {path}"), "").await;
        has_status(&head, 200, path);
        assert!(head.contains("\r\ndav: 1,2,"), "{head}");
        assert!(head.contains("\r\nms-author-via: DAV\r\n"), "{head}");
    }
}

#[tokio::test]
async fn options_outside_the_share_has_no_dav_field() {
    let (_example, address) = start().await;
    let head = ask(address, "OPTIONS /", "").await;
    has_status(&head, 200, "/");
    assert!(head.contains("\r\nallow: GET, HEAD, POST, OPTIONS\r\n"), "{head}");
    for field in ["\r\ndav:", "\r\nms-author-via:"] {
        assert!(!head.contains(field), "{head}");
    }
    has_status(&ask(address, "OPTIONS *", "").await, 200, "*");
}

#[tokio::test]
async fn outside_the_share_webdav_is_not_allowed_and_elsewhere_not_implemented() {
    let (_example, address) = start().await;
    let head = ask(address, "PROPFIND /", "").await;
    has_status(&head, 405, "/");
    assert!(head.contains("\r\nallow: GET,HEAD,POST\r\n"), "{head}");
    for request in ["SEARCH /dav/", "SEARCH /", "VERSION-CONTROL /dav/a"] {
        has_status(&ask(address, request, "").await, 501, request);
    }
}

/// Without a fallback, the router decides about the discovery of CalDAV.
#[tokio::test]
async fn a_well_known_path_reaches_the_router() {
    let (_example, address) = start().await;
    let request = "PROPFIND /.well-known/caldav";
    has_status(&ask(address, request, "").await, 404, request);
}

/// Paths of the share itself, and paths that dav-server alone takes for it or for a part of it.
const SPELLINGS: &[&str] = &[
    "/dav",
    "/dav/",
    "/dav//",
    "/dav///",
    "/dav/.",
    "/dav/./",
    "/dav/%2e",
    "/dav/%2E/",
    "/dav/a/..",
    "/dav/a/%2e%2e/",
    "/dav/a/.%2E",
    "/dav/../dav",
    "/dav/../dav/",
    "/dav/../davx",
    "/dav/%2e%2e/davx/",
    "/dav/?query",
];

/// The share still has its file, and takes another.
async fn share_is_there(address: SocketAddr, after: &str) {
    has_status(&ask(address, "GET /dav/a", "").await, 200, after);
    has_status(&ask(address, "PROPFIND /dav/", "depth: 1\r\n").await, 207, after);
    put(address, "/dav/another").await;
    has_status(&ask(address, "DELETE /dav/another", "").await, 204, after);
}

#[tokio::test]
async fn the_share_itself_cannot_be_deleted_copied_or_moved() {
    let (_example, address) = start().await;
    put(address, "/dav/a").await;
    for path in SPELLINGS {
        for target in [(*path).to_owned(), format!("http://a{path}")] {
            for method in ["DELETE", "COPY", "MOVE"] {
                let request = format!("{method} {target}");
                let head = ask(address, &request, "destination: /dav/b\r\n").await;
                has_status(&head, 403, &request);
                share_is_there(address, &request).await;
            }
        }
    }
}

#[tokio::test]
async fn nothing_replaces_the_share_itself() {
    let (_example, address) = start().await;
    put(address, "/dav/a").await;
    let outside = ["/davx", "/davx/", "/", "/other", "//dav", "/x/../dav", "/da%76"];
    for path in SPELLINGS.iter().chain(&outside) {
        for destination in [
            (*path).to_owned(),
            format!("http://a{path}"),
            format!("https://other.example:8443{path}"),
        ] {
            for method in ["COPY", "MOVE"] {
                for overwrite in ["", "overwrite: T\r\n", "depth: 0\r\n"] {
                    let fields = format!("destination: {destination}\r\n{overwrite}");
                    let head = ask(address, &format!("{method} /dav/a"), &fields).await;
                    has_status(&head, 403, &format!("{method} {fields}"));
                    share_is_there(address, &fields).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_destination_that_is_not_one_uri_is_a_bad_request() {
    let (_example, address) = start().await;
    put(address, "/dav/a").await;
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
            let head = ask(address, &format!("{method} /dav/a"), fields).await;
            has_status(&head, 400, fields);
            share_is_there(address, fields).await;
        }
    }
}

#[tokio::test]
async fn a_destination_in_the_share_is_taken_with_any_host() {
    let (_example, address) = start().await;
    put(address, "/dav/a").await;
    for (method, from, destination) in [
        ("COPY", "/dav/a", "/dav/b"),
        ("COPY", "/dav/a", "http://a/dav/c"),
        ("COPY", "/dav/a", "https://other.example:8443/dav/d%20e"),
        ("MOVE", "/dav/b", "http://a/dav/x/../f"),
    ] {
        let fields = format!("destination: {destination}\r\n");
        let head = ask(address, &format!("{method} {from}"), &fields).await;
        has_status(&head, 201, destination);
    }
    for (path, status) in
        [("/dav/a", 200), ("/dav/b", 404), ("/dav/c", 200), ("/dav/d%20e", 200), ("/dav/f", 200)]
    {
        has_status(&ask(address, &format!("GET {path}"), "").await, status, path);
    }
}
