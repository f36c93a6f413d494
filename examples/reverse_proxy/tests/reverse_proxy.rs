//! The reverse proxy between clients and upstreams that write and read the bytes of HTTP themselves.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../common/tests.rs"]
mod support;

use std::net::SocketAddr;

use http::HeaderValue;
use support::example::Example;
use support::server::{Connection, http2, read, request};
use tokio::net::TcpListener;

const PROXY: &str = env!("CARGO_BIN_EXE_reverse_proxy");

/// The upstream closes its connection after this response. Otherwise, the proxy may use the connection again.
const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The running proxy. A test that breaks connections to the upstream starts a proxy for each.
struct Proxy {
    example: Example,
    address: SocketAddr,
    upstream: TcpListener,
}

impl Proxy {
    async fn start() -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let (example, address) = Example::listening(PROXY, [&url]).await;
        Self { example, address, upstream }
    }

    /// Sends `request`. Returns the connections of the client and of the upstream.
    async fn asked(&self, request: impl AsRef<[u8]>) -> (Connection, Connection) {
        let mut client = Connection::open(self.address).await;
        client.send(request).await;
        (client, Connection::accept(&self.upstream).await)
    }

    /// Sends a request, and returns its head as the upstream receives it.
    async fn forwarded(&self, request: impl AsRef<[u8]>) -> String {
        let (mut client, mut upstream) = self.asked(request).await;
        let head = upstream.receive_head().await;
        upstream.send(OK).await;
        client.receive_head().await;
        upstream.close().await;
        lines(&head)
    }

    /// Sends a request, and asserts the status and a part of the proxy's own answer.
    async fn rejects(&self, request: impl AsRef<str>, status: u16, part: &str) {
        let mut client = Connection::open(self.address).await;
        client.send(request.as_ref()).await;
        let answer = client.receive().await;
        let request = request.as_ref();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(part), "{request}: {answer}");
    }

    async fn stop(self) {
        self.example.signal("-TERM");
        self.example.ends_cleanly().await;
    }
}

/// The lines of a header section, sorted by name, because fields of different names have no order (RFC 9110
/// §5.3).
fn lines(head: &str) -> String {
    let mut lines: Vec<_> = head.trim_end().split("\r\n").collect();
    lines[1..].sort_by_key(|line| line.split(':').next());
    lines.join("\n")
}

async fn expect_content(connection: &mut Connection, content: &str) {
    for byte in content.bytes() {
        assert_eq!(connection.receive_bytes().await, [byte], "{content}");
    }
}

#[tokio::test]
async fn the_upstream_receives_the_methods_of_the_policy_and_end_to_end_extensions() {
    let proxy = Proxy::start().await;
    let man = "man: \"http://a/ext\"; ns=16\r\n16-x: y\r\n";
    let c_man = "c-man: \"http://a/ext\"\r\nconnection: c-man\r\n";
    for (method, fields) in
        [("GET", ""), ("PURGE", ""), ("M-PUT", man), ("M-GET", man), ("GET", c_man)]
    {
        let line = format!("{method} /a%2Fb//../?c=%64 HTTP/1.1");
        let head = proxy.forwarded(format!("{line}\r\nhost: a\r\n{fields}\r\n")).await;
        assert_eq!(head.lines().next(), Some(&*line));
        assert_eq!(head.contains("man: \"http://a/ext\"; ns=16"), fields == man, "{head}");
        // The fields of one connection end here.
        assert!(!head.contains("c-man"), "{head}");
    }
    for (start, fields, status, part) in [
        ("FOO /", "", 501, "does not recognize the method FOO"),
        ("purge /", "", 501, ""),
        ("CONNECT a:443", "", 405, "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, "),
        ("DELETE /health?x", "", 405, "\r\nallow: GET, HEAD\r\n"),
        ("DELETE http://b/health", "", 405, "\r\nallow: GET, HEAD\r\n"),
        // RFC 2774 §5 and §14.
        ("M-PUT /", c_man, 510, ""),
        ("M-PUT /", "", 510, ""),
        ("PUT /", man, 510, ""),
        ("M-PUT /", "man: \"\r\n", 400, ""),
        ("M-FOO /", man, 501, ""),
        ("M-PUT /health", man, 405, "\r\nallow: GET, HEAD"),
    ] {
        let request = format!("{start} HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
        proxy.rejects(request, status, part).await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn each_connection_has_its_own_fields_and_framing() {
    let hop_by_hop = "Connection: \u{e9}, X-One ,, \"no token\", content-length, host,\r\nX-One: 1\r\n\
                      X-Two: 2\r\nKeep-Alive: timeout=5\r\nconnection: x-two\r\n\
                      Proxy-Connection: keep-alive\r\nTE: gzip;q=0.5\r\nUpgrade: websocket\r\n\
                      Trailer: X-Sum\r\nX-Three: 3\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab";
    let trailers = "transfer-encoding: Chunked\r\ncontent-length: 3\r\ntrailer: x-sum\r\n\r\n\
                    1;x=y\r\na\r\n0\r\nconnection: x-one\r\nx-one: 1\r\nx-sum: 2\r\n\r\n";
    let proxy = Proxy::start().await;
    for [request, seen_by_upstream, content, response, seen_by_client, answer] in [
        // `Allow` passes unchanged.
        [
            "DELETE http://b:80/ HTTP/1.1\r\nhost: a\r\n\r\n",
            "DELETE / HTTP/1.1\nhost: b:80\nvia: 1.1 method-policy",
            "",
            "HTTP/1.1 405 Not Here\r\nAllow: POST ,,GET,\tfoo,GET\r\nAllow:\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 405 Not Here\nallow: POST ,,GET,\tfoo,GET\nallow: \ncontent-length: 0\n\
             via: 1.1 method-policy",
            "",
        ],
        // A byte outside ASCII does not protect the rest of its line.
        [
            &format!("POST / HTTP/1.1\r\nHost: a:80\r\n{hop_by_hop}"),
            "POST / HTTP/1.1\ncontent-length: 2\nhost: a:80\ntrailer: X-Sum\n\
             via: 1.1 method-policy\nx-three: 3",
            "ab",
            &format!("HTTP/1.1 200 Fine\r\n{hop_by_hop}"),
            "HTTP/1.1 200 Fine\ncontent-length: 2\ntrailer: X-Sum\nvia: 1.1 method-policy\n\
             x-three: 3",
            "ab",
        ],
        // A `GET` can have content. Only one of `Transfer-Encoding` and `Content-Length` passes.
        [
            &format!(
                "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncookie: a=1\r\nx: y\r\n\
                 cookie: b=2\r\n{trailers}"
            ),
            "GET / HTTP/1.1\ncookie: a=1; b=2\nhost: a\ntrailer: x-sum\n\
             transfer-encoding: chunked\nvia: 1.1 method-policy\nx: y",
            "1\r\na\r\n0\r\nx-sum: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\ncontent-length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\nconnection: close\ntransfer-encoding: chunked\nvia: 1.1 method-policy",
            "1\r\na\r\n0\r\n\r\n",
        ],
    ] {
        let (mut client, mut upstream) = proxy.asked(request).await;
        assert_eq!(lines(&upstream.receive_head().await), seen_by_upstream);
        expect_content(&mut upstream, content).await;
        upstream.send(response).await;
        assert_eq!(lines(&client.receive_head().await), seen_by_client);
        expect_content(&mut client, answer).await;
        // The proxy must not use this connection again.
        drop(client);
        upstream.close().await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_request_over_http2_reaches_the_upstream_over_http1() {
    let proxy = Proxy::start().await;
    let mut request = request("PURGE", "http://u:p@b:1/c");
    request.headers_mut().remove("host");
    for crumb in ["a=1", "b=2", "c=\"3, 4\""] {
        request.headers_mut().append("cookie", HeaderValue::from_static(crumb));
    }
    let mut client = http2(proxy.address).await;
    let ask = read(client.send_request(request));
    let answer = async {
        let mut upstream = Connection::accept(&proxy.upstream).await;
        let head = "PURGE /c HTTP/1.1\ncontent-length: 0\ncookie: a=1; b=2; c=\"3, 4\"\nhost: b:1\n\
                    via: 2.0 method-policy";
        assert_eq!(lines(&upstream.receive_head().await), head);
        let head = "HTTP/1.1 200 OK\r\nconnection: close, x\r\nx: 1\r\ntransfer-encoding: chunked";
        upstream.send(format!("{head}\r\ncontent-length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n")).await;
    };
    let ((status, headers, content), ()) = tokio::join!(ask, answer);
    assert_eq!((status.as_u16(), &*content), (200, &b"a"[..]));
    assert_eq!((headers.len(), headers["via"].as_bytes()), (1, &b"1.1 method-policy"[..]));
    proxy.stop().await;
}

#[tokio::test]
async fn a_message_whose_end_is_ambiguous_is_rejected() {
    for (fields, of_request) in [
        ("content-length: 1\r\ncontent-length: 2", 400),
        ("transfer-encoding: gzip", 400),
        ("transfer-encoding: gzip, chunked", 501),
        ("transfer-encoding: chunked, chunked", 501),
        ("transfer-encoding: x\r\ntransfer-encoding: chunked", 501),
    ] {
        let proxy = Proxy::start().await;
        let content = "1\r\na\r\n0\r\n\r\n";
        let post = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{content}");
        proxy.rejects(post, of_request, "").await;

        let (mut client, mut upstream) = proxy.asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        upstream.receive_head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{content}")).await;
        let expected = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(client.receive().await, expected, "{fields}");
    }
}

#[tokio::test]
async fn a_request_without_one_host_and_a_path_is_rejected() {
    let proxy = Proxy::start().await;
    for host in ["", "host: a\r\nhost: a\r\n", "host: a/\r\n", "host: u@a\r\n", "host: a b\r\n"] {
        for start in ["GET /", "POST http://b/", "OPTIONS /"] {
            proxy.rejects(format!("{start} HTTP/1.1\r\n{host}\r\n"), 400, "").await;
        }
    }
    for target in "host:80,host,*,host/path,?query,http:/path,http://,[::1]:80,**".split(',') {
        proxy.rejects(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"), 400, "").await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn max_forwards_limits_options_and_trace() {
    let proxy = Proxy::start().await;
    for (method, values, forwarded) in [
        ("OPTIONS", "1", "0"),
        ("TRACE", "0010", "9"),
        ("TRACE", "5, 3", "2"),
        ("OPTIONS", "99999999999999999999", "4294967295"),
        // Other methods have no limit (RFC 9110 §7.6.2).
        ("GET", "0", "0"),
    ] {
        let request = format!("{method} / HTTP/1.1\r\nhost: a\r\nmax-forwards: {values}\r\n\r\n");
        let head = proxy.forwarded(request).await;
        assert!(head.contains(&format!("\nmax-forwards: {forwarded}\n")), "{head}");
    }
    let trace = "\r\ncontent-type: message/http\r\ncontent-length: 55\r\n\r\n\
                 TRACE /?b HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\nx: \u{e9}\r\n\r\n";
    for (method, values, status, part) in [
        ("OPTIONS", "0", 200, "\r\nallow: GET, HEAD, POST, "),
        ("OPTIONS", "5, 0", 200, "\r\nallow: GET, HEAD, POST, "),
        ("TRACE", "0", 200, trace),
        // A request with an invalid limit must not be forwarded without one.
        ("OPTIONS", "-1", 400, ""),
        ("OPTIONS", "", 400, ""),
        ("TRACE", "5, x", 400, ""),
    ] {
        let path = if method == "OPTIONS" { "*" } else { "/?b" };
        let fields =
            format!("max-forwards: {values}\r\ncookie: c\r\nauthorization: d\r\nx: \u{e9}");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n");
        proxy.rejects(request, status, part).await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn content_is_streamed_in_both_directions_and_is_not_completed_by_an_end() {
    let proxy = Proxy::start().await;
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    for client_ends in [true, false] {
        let post = format!("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{chunked}");
        let (mut client, mut upstream) = proxy.asked(post).await;
        upstream.receive_head().await;
        assert_eq!(client.receive_head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("1\r\na\r\n").await;
        expect_content(&mut upstream, "1\r\na\r\n").await;
        // The response may begin before the request has ended.
        upstream.send(format!("HTTP/1.1 200 OK\r\n{chunked}1\r\nb\r\n")).await;
        client.receive_head().await;
        expect_content(&mut client, "1\r\nb\r\n").await;
        client.send("1\r\nc\r\n").await;
        expect_content(&mut upstream, "1\r\nc\r\n").await;
        if client_ends {
            drop(client);
            assert_eq!(upstream.receive_rest().await, "");
        } else {
            drop(upstream);
            assert_eq!(client.receive_rest().await, "");
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_down_or_changes_the_protocol_causes_a_502() {
    let Proxy { example, address, upstream } = Proxy::start().await;
    let upgrade = "connection: upgrade\r\nupgrade: x\r\n\r\n";
    let mut client = Connection::open(address).await;
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{upgrade}")).await;
    let mut connection = Connection::accept(&upstream).await;
    assert!(!connection.receive_head().await.contains("upgrade"));
    connection.send(format!("HTTP/1.1 101 Switching Protocols\r\n{upgrade}")).await;
    let expected = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(client.receive().await, expected);

    drop((connection, upstream));
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.receive().await, expected);
    drop(client);
    example.signal("-TERM");
    let (status, errors) = example.end().await;
    assert!(status.success(), "{status}");
    assert!(errors.starts_with("no response from 127.0.0.1:"), "{errors}");
}
