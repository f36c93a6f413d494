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

/// dav-server never answers `405` to a method that the rule lists.
#[tokio::test]
async fn the_share_and_the_website_have_their_own_methods() {
    let share = "allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, \
                 PROPPATCH, UNLOCK";
    let (example, address) = start().await;
    for (requests, status, field) in [
        ("MKCOL /dav/sub/", 201, ""),
        ("GET /dav,GET /dav/,GET /dav/sub/", 200, ""),
        ("PROPFIND /dav,PROPFIND /dav/,PROPFIND /dav/sub/", 207, ""),
        ("POST /dav,POST /dav/,POST /dav/sub/", 405, share),
        // dav-server itself answers `OPTIONS` in the share.
        ("OPTIONS /dav,OPTIONS /dav/,OPTIONS /dav/sub/", 200, "ms-author-via: DAV"),
        ("OPTIONS /dav/a,OPTIONS /dav/missing", 200, "ms-author-via: DAV"),
        ("OPTIONS /", 200, "allow: GET, HEAD, POST, OPTIONS"),
        ("OPTIONS *", 200, ""),
        ("PROPFIND /", 405, "allow: GET,HEAD,POST"),
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
async fn the_share_itself_cannot_be_deleted_copied_or_moved() {
    let (_example, address) = start().await;
    for path in SPELLINGS.split(' ') {
        for host in ["", "http://a"] {
            for method in ["DELETE", "COPY", "MOVE"] {
                let request = format!("{method} {host}{path}");
                expect_no_change(address, &request, "destination: /dav/b\r\n", 403).await;
            }
        }
    }
}

#[tokio::test]
async fn nothing_replaces_the_share_itself() {
    let (_example, address) = start().await;
    let outside = ["/davx", "/davx/", "/", "/other", "//dav", "/x/../dav", "/da%76"];
    for path in SPELLINGS.split(' ').chain(outside) {
        for host in ["", "http://a", "https://other.example:8443"] {
            for method in ["COPY", "MOVE"] {
                for more in ["", "overwrite: T\r\n", "depth: 0\r\n"] {
                    let fields = format!("destination: {host}{path}\r\n{more}");
                    expect_no_change(address, &format!("{method} /dav/a"), &fields, 403).await;
                }
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
