//! The share, as a client uses it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use support::example::Example;
use support::server::Connection;

/// Where the rule lists a method, nothing that is there answers it with 405.
#[tokio::test]
async fn the_share_serves_what_its_rule_lists_at_every_path() {
    let (example, address) = Example::listening(env!("CARGO_BIN_EXE_webdav"), []).await;
    // The content of some is chunked, and of no interest.
    let ask = async |request: String| {
        let mut connection = Connection::open(address).await;
        connection
            .send(format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        connection.receive_head().await
    };
    let made = ask("MKCOL /dav/sub/".to_owned()).await;
    assert!(made.starts_with("HTTP/1.1 201 "), "{made}");
    for path in ["/dav", "/dav/", "/dav/sub/"] {
        for (method, status) in [("GET", 200), ("OPTIONS", 200), ("PROPFIND", 207)] {
            let head = ask(format!("{method} {path}")).await;
            let expected = format!("HTTP/1.1 {status} ");
            assert!(head.starts_with(&expected), "{method} {path}: {head}");
        }
        let head = ask(format!("POST {path}")).await;
        let allow = "GET, HEAD, PUT, DELETE, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, \
                     UNLOCK";
        assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
        assert!(head.contains(&format!("\r\nallow: {allow}\r\n")), "{head}");
    }
    example.signal("-TERM");
    example.ends_cleanly().await;
}
