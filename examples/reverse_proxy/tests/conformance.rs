//! The reverse proxy between clients and upstreams that write and read every byte themselves.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use http_body_util::BodyExt;
use hyper::server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use support::example::Example;
use support::proxy::{BAD_GATEWAY, BAD_REQUEST, EMPTY_OK, PROXY, Proxy, lines};
use support::server::{Connection, http2, read, request, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_mandatory_extension_that_nobody_knows_ends_at_the_proxy() {
    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    client
        .send(
            "M-GET /document HTTP/1.1\r\n\
             Host: example.com\r\n\
             C-Man: \"http://www.example.org/\"\r\n\
             Connection: C-Man\r\n\
             \r\n",
        )
        .await;
    assert_eq!(
        client.receive().await,
        "HTTP/1.1 501 Not Implemented\r\n\
         content-type: text/plain; charset=utf-8\r\n\
         content-length: 49\r\n\
         \r\n\
         This server does not implement the method M-GET.\n"
    );
    // The connection can be used on, and what the upstream sees first is what comes next.
    client
        .send("GET /next HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .await;
    let mut upstream = proxy.upstream().await;
    assert_eq!(
        upstream.receive_head().await,
        "GET /next HTTP/1.1\r\nhost: example.com\r\nvia: 1.1 method-policy\r\n\r\n"
    );
    upstream.send(EMPTY_OK).await;
    assert_eq!(
        client.receive().await,
        "HTTP/1.1 200 OK\r\nvia: 1.1 method-policy\r\ncontent-length: 0\r\n\r\n"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn a_connect_is_rejected() {
    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    client
        .send("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n")
        .await;
    let rejection = client.receive().await;
    assert!(
        rejection.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
        "{rejection}"
    );
    let allow = "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, ";
    assert!(rejection.contains(allow), "{rejection}");
    assert!(!rejection.contains("CONNECT,"), "{rejection}");
    proxy.stop().await;
}

#[tokio::test]
async fn methods_arrive_as_they_were_sent() {
    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "PROPFIND",
        "PURGE", "purge", "BAN", "M-SEARCH",
    ] {
        client
            .send(format!(
                "{method} /a%2Fb//../?c=%64 HTTP/1.1\r\nhost: a\r\n\r\n"
            ))
            .await;
        let mut upstream = proxy.upstream().await;
        let head = upstream.receive_head().await;
        let line = head.lines().next().unwrap();
        assert_eq!(line, format!("{method} /a%2Fb//../?c=%64 HTTP/1.1"));
        upstream.send(EMPTY_OK).await;
        assert!(
            client.receive().await.starts_with("HTTP/1.1 200 OK\r\n"),
            "{method}"
        );
    }
    for method in ["get", "Purge", "FOO", "M-GET"] {
        client
            .send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert!(
            client.receive().await.starts_with("HTTP/1.1 501 "),
            "{method}"
        );
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_server_as_a_whole_is_asked_as_such() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy.asked("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let head = upstream.receive_head().await;
    assert_eq!(
        head,
        "OPTIONS * HTTP/1.1\r\nhost: a\r\nvia: 1.1 method-policy\r\n\r\n"
    );
    upstream.send(EMPTY_OK).await;
    assert!(client.receive().await.starts_with("HTTP/1.1 200 "));
    proxy.stop().await;
}

#[tokio::test]
async fn the_allow_of_the_upstream_passes_unchanged() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy.asked("DELETE / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    upstream.receive_head().await;
    upstream
        .send(
            "HTTP/1.1 405 Not Here\r\nAllow: POST ,,GET,\tfoo,GET\r\nAllow:\r\nAllow: BAR\r\n\
             Content-Length: 0\r\n\r\n",
        )
        .await;
    assert_eq!(
        lines(&client.receive().await),
        [
            "HTTP/1.1 405 Not Here",
            "allow: POST ,,GET,\tfoo,GET",
            "allow: ",
            "allow: BAR",
            "content-length: 0",
            "via: 1.1 method-policy",
        ]
    );
    proxy.stop().await;
}

#[tokio::test]
async fn the_fields_of_one_connection_stay_on_it() {
    let proxy = Proxy::start().await;
    let fields = "Connection: X-One ,, \"no token\", content-length, host,\r\n\
                  X-One: 1\r\n\
                  X-Two: 2\r\n\
                  Keep-Alive: timeout=5\r\n\
                  connection: x-two\r\n\
                  Proxy-Connection: keep-alive\r\n\
                  TE: gzip;q=0.5\r\n\
                  Upgrade: websocket\r\n\
                  Trailer: X-Sum\r\n\
                  X-Three: 3\r\n\
                  Content-Length: 2\r\n\
                  \r\n\
                  ab";
    let (mut client, mut upstream) = proxy
        .asked(format!("POST / HTTP/1.1\r\nHost: a:80\r\n{fields}"))
        .await;
    assert_eq!(
        lines(&upstream.receive_head().await),
        [
            "POST / HTTP/1.1",
            "content-length: 2",
            "host: a:80",
            "trailer: X-Sum",
            "via: 1.1 method-policy",
            "x-three: 3",
        ]
    );
    assert_eq!(&upstream.receive_bytes().await, b"ab");

    upstream
        .send(format!("HTTP/1.1 200 Fine\r\n{fields}"))
        .await;
    assert_eq!(
        lines(&client.receive_head().await),
        [
            "HTTP/1.1 200 Fine",
            "content-length: 2",
            "trailer: X-Sum",
            "via: 1.1 method-policy",
            "x-three: 3",
        ]
    );
    assert_eq!(&client.receive_bytes().await, b"ab");
    proxy.stop().await;
}

#[tokio::test]
async fn each_connection_has_its_own_framing_and_persistence() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy
        .asked(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\nconnection: close\r\n\r\n\
             2;x=y\r\nab\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(
        lines(&upstream.receive_head().await),
        [
            "POST / HTTP/1.1",
            "host: a",
            "transfer-encoding: chunked",
            "via: 1.1 method-policy",
        ]
    );
    assert_eq!(&upstream.receive_bytes().await, b"2\r\nab\r\n0\r\n\r\n");
    upstream
        .send("HTTP/1.1 200 OK\r\nconnection: close\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
        .await;
    assert_eq!(
        lines(&client.receive_head().await),
        [
            "HTTP/1.1 200 OK",
            "connection: close",
            "transfer-encoding: chunked",
            "via: 1.1 method-policy",
        ]
    );
    assert_eq!(client.receive_rest().await, "1\r\na\r\n0\r\n\r\n");

    // What the upstream does with its connection is not the client's matter.
    let mut client = proxy.client().await;
    for (answer, version) in [
        (EMPTY_OK, "1.1"),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "1.0"),
        (EMPTY_OK, "1.1"),
    ] {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut upstream = proxy.upstream().await;
        upstream.receive_head().await;
        upstream.send(answer).await;
        assert_eq!(
            client.receive().await,
            format!("HTTP/1.1 200 OK\r\nvia: {version} method-policy\r\ncontent-length: 0\r\n\r\n")
        );
    }
    proxy.stop().await;
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_on() {
    let Proxy {
        example,
        address,
        upstream: listener,
    } = Proxy::start().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let mut upstream = JoinSet::new();
    upstream.spawn(async move {
        let mut served = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
            let connection = server::conn::http1::Builder::new();
            served.spawn(connection.serve_connection(TokioIo::new(stream), answer));
        }
    });
    let mut client = Connection::open(address).await;
    for _ in 0..100 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        client.receive().await;
    }
    // A request that follows at once may not yet find the connection of the one before.
    assert!(connections.load(Ordering::Relaxed) < 50, "{connections:?}");
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn trailer_fields_are_asked_for_and_passed_on_for_a_client_that_takes_them() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy
        .asked(
            "POST / HTTP/1.1\r\nhost: a\r\nte: gzip, Trailers\r\nconnection: te\r\ntrailer: x-sum\r\n\
             transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n",
        )
        .await;
    assert_eq!(
        lines(&upstream.receive_head().await),
        [
            "POST / HTTP/1.1",
            "connection: te",
            "host: a",
            "te: trailers",
            "trailer: x-sum",
            "transfer-encoding: chunked",
            "via: 1.1 method-policy",
        ]
    );
    assert_eq!(
        &upstream.receive_bytes().await,
        b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"
    );
    upstream
        .send(
            "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n",
        )
        .await;
    client.receive_head().await;
    assert_eq!(
        &client.receive_bytes().await,
        b"1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn via_names_the_protocol_that_was_received() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy
        .asked("GET / HTTP/1.0\r\nvia: 1.1 x, 2.0 y\r\nvia: 1.1 z\r\n\r\n")
        .await;
    let host = proxy.upstream.local_addr().unwrap();
    assert_eq!(
        lines(&upstream.receive_head().await),
        [
            "GET / HTTP/1.1",
            // Nothing was asked for by name.
            &format!("host: {host}"),
            "via: 1.1 x, 2.0 y",
            "via: 1.1 z",
            "via: 1.0 method-policy",
        ]
    );
    upstream
        .send("HTTP/1.0 200 OK\r\nvia: 1.1 x\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert_eq!(
        lines(&client.receive().await),
        [
            "HTTP/1.0 200 OK",
            "content-length: 0",
            "via: 1.1 x",
            "via: 1.0 method-policy",
        ]
    );

    let mut client = http2(proxy.address).await;
    let response = tokio::spawn(client.send_request(request("purge", "http://b:1/c")));
    let mut upstream = proxy.upstream().await;
    assert_eq!(
        lines(&upstream.receive_head().await),
        [
            "purge /c HTTP/1.1",
            "content-length: 0",
            "host: b:1",
            "via: 2.0 method-policy",
        ]
    );
    upstream
        .send("HTTP/1.1 200 OK\r\nconnection: x\r\nx: 1\r\ncontent-length: 1\r\n\r\na")
        .await;
    let (status, headers, content) = read(async { response.await.unwrap() }).await;
    assert_eq!(status, 200);
    assert_eq!(headers["via"], "1.1 method-policy");
    assert_eq!(headers["content-length"], "1");
    assert_eq!(headers.len(), 2);
    assert_eq!(content, "a");
    proxy.stop().await;
}

#[tokio::test]
async fn the_upstream_is_told_the_host_that_was_asked_for() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy
        .asked("GET http://b:8080/?x HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert_eq!(
        upstream.receive_head().await,
        "GET /?x HTTP/1.1\r\nhost: b:8080\r\nvia: 1.1 method-policy\r\n\r\n"
    );
    upstream.send(EMPTY_OK).await;
    client.receive().await;

    for fields in ["", "host: a\r\nhost: b\r\n", "host: a\r\nhost: a\r\n"] {
        let mut client = proxy.client().await;
        client.send(format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
        let answer = client.receive().await;
        assert_eq!(answer, BAD_REQUEST, "{fields}");
    }
    proxy.stop().await;
}

/// RFC 9110 §4.2.4 and §7.2, RFC 9113 §8.3.1.
#[tokio::test]
async fn the_upstream_is_told_no_user_information() {
    let proxy = Proxy::start().await;
    for (authority, host) in [
        ("u:p@b", "b"),
        ("u@b:8080", "b:8080"),
        ("@b", "b"),
        ("u:p@[::1]:8080", "[::1]:8080"),
    ] {
        let (mut client, mut upstream) = proxy
            .asked(format!(
                "GET http://{authority}/ HTTP/1.1\r\nhost: {host}\r\n\r\n"
            ))
            .await;
        assert_eq!(
            upstream.receive_head().await,
            format!("GET / HTTP/1.1\r\nhost: {host}\r\nvia: 1.1 method-policy\r\n\r\n")
        );
        upstream.send(EMPTY_OK).await;
        client.receive().await;

        let mut client = http2(proxy.address).await;
        let request = request("GET", format!("http://{authority}/"));
        let response = tokio::spawn(client.send_request(request));
        let mut upstream = proxy.upstream().await;
        let head = upstream.receive_head().await;
        assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
        upstream.send(EMPTY_OK).await;
        assert_eq!(read(async { response.await.unwrap() }).await.0, 200);
    }

    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nhost: u:p@b\r\n\r\n").await;
    let answer = client.receive().await;
    assert_eq!(answer, BAD_REQUEST);
    proxy.stop().await;
}

#[tokio::test]
async fn max_forwards_counts_options_and_trace_and_nothing_else() {
    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    for (method, received, forwarded) in [
        ("OPTIONS", "1", "0"),
        ("TRACE", "10", "9"),
        ("TRACE", "0001", "0"),
        ("OPTIONS", "99999999999999999999", "4294967295"),
        ("GET", "0", "0"),
        ("PURGE", "5", "5"),
    ] {
        client
            .send(format!(
                "{method} / HTTP/1.1\r\nhost: a\r\nmax-forwards: {received}\r\n\r\n"
            ))
            .await;
        let mut upstream = proxy.upstream().await;
        assert_eq!(
            lines(&upstream.receive_head().await),
            [
                &format!("{method} / HTTP/1.1"),
                "host: a",
                &format!("max-forwards: {forwarded}"),
                "via: 1.1 method-policy",
            ]
        );
        upstream.send(EMPTY_OK).await;
        client.receive().await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_last_recipient_answers_itself() {
    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    for target in ["/a", "*"] {
        client
            .send(format!(
                "OPTIONS {target} HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\n\
                 origin: http://b\r\naccess-control-request-method: PUT\r\n\r\n"
            ))
            .await;
        assert_eq!(
            client.receive().await,
            "HTTP/1.1 200 OK\r\n\
             allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, QUERY, COPY, LOCK, MKCOL, \
             MOVE, PROPFIND, PROPPATCH, UNLOCK, BAN, M-SEARCH, PURGE, purge\r\n\
             content-length: 0\r\n\r\n",
            "{target}"
        );
    }
    client
        .send(
            "TRACE /a?b HTTP/1.1\r\nHost: a\r\nMax-Forwards: 00\r\nVia: 1.1 x\r\nCookie: c\r\n\
             Authorization: d\r\nProxy-Authorization: e\r\nX-Bytes: \u{e9}\r\nVia: 1.1 y\r\n\r\n",
        )
        .await;
    assert_eq!(
        client.receive().await,
        "HTTP/1.1 200 OK\r\ncontent-type: message/http\r\ncontent-length: 87\r\n\r\n\
         TRACE /a?b HTTP/1.1\r\nhost: a\r\nmax-forwards: 00\r\nvia: 1.1 x\r\nvia: 1.1 y\r\n\
         x-bytes: \u{e9}\r\n\r\n"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn content_arrives_whatever_the_method_is_and_however_it_is_framed() {
    let proxy = Proxy::start().await;
    for (method, fields) in [
        ("GET", "transfer-encoding: chunked\r\n"),
        ("purge", "transfer-encoding: chunked\r\n"),
        (
            "POST",
            "transfer-encoding: chunked\r\ncontent-length: 1\r\n",
        ),
    ] {
        let (mut client, mut upstream) = proxy
            .asked(format!(
                "{method} / HTTP/1.1\r\nhost: a\r\n{fields}\r\n2\r\nab\r\n0\r\n\r\n"
            ))
            .await;
        assert_eq!(
            lines(&upstream.receive_head().await),
            [
                &format!("{method} / HTTP/1.1"),
                "host: a",
                "transfer-encoding: chunked",
                "via: 1.1 method-policy",
            ]
        );
        assert_eq!(
            &upstream.receive_bytes().await,
            b"2\r\nab\r\n0\r\n\r\n",
            "{method}"
        );
        upstream.send(EMPTY_OK).await;
        client.receive().await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_response_to_head_says_what_get_would_have() {
    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    for (sent, received) in [
        ("content-length: 5\r\n", Some("content-length: 5")),
        ("transfer-encoding: chunked\r\n", None),
    ] {
        client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut upstream = proxy.upstream().await;
        upstream.receive_head().await;
        upstream
            .send(format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\n{sent}\r\n"
            ))
            .await;
        let head = client.receive_head().await;
        let length = head.lines().find(|line| line.starts_with("content-length"));
        assert_eq!(length, received);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn content_passes_as_it_comes() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy
        .asked("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    upstream.receive_head().await;
    for chunk in [b"1\r\na\r\n", b"1\r\nb\r\n"] {
        client.send(chunk).await;
        assert_eq!(&upstream.receive_bytes().await, chunk);
    }
    // An answer may come before the request has ended; then both go on at once.
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.receive_head().await;
    for chunk in [b"1\r\nc\r\n", b"1\r\nd\r\n"] {
        upstream.send(chunk).await;
        assert_eq!(&client.receive_bytes().await, chunk);
        client.send(chunk).await;
        assert_eq!(&upstream.receive_bytes().await, chunk);
    }
    for (from, to) in [(&mut client, &mut upstream)] {
        from.send("0\r\n\r\n").await;
        assert_eq!(&to.receive_bytes().await, b"0\r\n\r\n");
        to.send("0\r\n\r\n").await;
        assert_eq!(&from.receive_bytes().await, b"0\r\n\r\n");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn twenty_mebibytes_each_way_take_no_memory() {
    const BLOCK: usize = 64 * 1024;
    const BLOCKS: usize = 20 * MIB / BLOCK;

    /// Sends the content and receives it at the other end. Each block differs from the others.
    async fn pass(from: &mut Connection, to: &mut Connection) {
        let block = |number: usize| vec![number as u8; BLOCK];
        let send = async {
            for number in 0..BLOCKS {
                from.send(block(number)).await;
            }
        };
        let receive = async {
            for number in 0..BLOCKS {
                assert!(
                    to.receive_bytes::<BLOCK>().await[..] == block(number),
                    "{number}"
                );
            }
        };
        tokio::join!(send, receive);
    }

    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    let mut peak = None;
    for _ in 0..2 {
        let length = BLOCKS * BLOCK;
        client
            .send(format!(
                "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
            ))
            .await;
        let mut upstream = proxy.upstream().await;
        upstream.receive_head().await;
        let before = *peak.get_or_insert_with(|| proxy.peak_memory());
        pass(&mut client, &mut upstream).await;
        upstream
            .send(format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            ))
            .await;
        client.receive_head().await;
        pass(&mut upstream, &mut client).await;
        let growth = proxy.peak_memory() - before;
        assert!(growth < 8 * MIB, "{growth} bytes");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_that_expects_100_gets_the_upstreams_word() {
    const REQUEST: &str = "PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
                           content-length: 2\r\n\r\n";
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy.asked(REQUEST).await;
    assert_eq!(
        lines(&upstream.receive_head().await),
        [
            "PUT / HTTP/1.1",
            "content-length: 2",
            "expect: 100-continue",
            "host: a",
            "via: 1.1 method-policy",
        ]
    );
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.receive_head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ab").await;
    assert_eq!(&upstream.receive_bytes().await, b"ab");
    upstream.send(EMPTY_OK).await;
    assert!(client.receive().await.starts_with("HTTP/1.1 200 OK\r\n"));

    // Another response, before or after it, stands for the wish not to have the content.
    client.send(REQUEST).await;
    let mut upstream = proxy.upstream().await;
    upstream.receive_head().await;
    upstream
        .send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        .await;
    let answer = client.receive().await;
    assert!(answer.starts_with("HTTP/1.1 413 Too Large\r\n"), "{answer}");
    // Nobody waits any more for content that need not come.
    drop(client);
    assert_eq!(upstream.receive_rest().await, "");

    // An upstream that does not know `Expect` says nothing before it has the content.
    let (mut client, mut upstream) = proxy.asked(REQUEST).await;
    upstream.receive_head().await;
    assert_eq!(client.receive_head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ab").await;
    assert_eq!(&upstream.receive_bytes().await, b"ab");
    upstream.send(EMPTY_OK).await;
    assert!(client.receive().await.starts_with("HTTP/1.1 200 OK\r\n"));
    proxy.stop().await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_makes_a_502() {
    for (answer, error) in [
        ("", "IncompleteMessage"),
        ("HTTP/1.1 20", "IncompleteMessage"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "Parse"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "Parse"),
    ] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        upstream.receive_head().await;
        upstream.send(answer).await;
        drop(upstream);
        assert_eq!(client.receive().await, BAD_GATEWAY, "{answer}");
        proxy.stop_after(error).await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_makes_a_502() {
    let Proxy {
        example,
        address,
        upstream,
    } = Proxy::start().await;
    drop(upstream);
    let mut client = Connection::open(address).await;
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
    ] {
        client.send(request).await;
        assert_eq!(client.receive().await, BAD_GATEWAY);
    }
    example.signal("-TERM");
    let (status, errors) = example.end().await;
    assert!(status.success());
    assert!(errors.contains("ConnectionRefused"), "{errors}");
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_makes_a_502() {
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy
        .asked("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
        .await;
    assert_eq!(
        upstream.receive_head().await,
        "GET / HTTP/1.1\r\nhost: a\r\nvia: 1.1 method-policy\r\n\r\n"
    );
    upstream
        .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
        .await;
    assert_eq!(
        client.receive().await,
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn an_upstream_that_hangs_makes_a_504_and_a_client_that_takes_its_time_does_not() {
    let proxy = Proxy::start().await;
    let (mut slow, mut upstream_of_slow) = proxy
        .asked("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na")
        .await;
    upstream_of_slow.receive_head().await;
    assert_eq!(&upstream_of_slow.receive_bytes().await, b"a");

    // With content and without; when they are answered, the other request has taken longer.
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
    ] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.asked(request).await;
        assert_eq!(
            client.receive().await,
            "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n"
        );
        upstream.receive_head().await;
        assert!(["", "ab"].contains(&&*upstream.receive_rest().await));
        proxy.stop().await;
    }

    // One that stops to take the content hangs, too.
    let proxy_of_large = Proxy::start().await;
    let stream = within(TcpStream::connect(proxy_of_large.address))
        .await
        .unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let upload = tokio::spawn(async move {
        let head = format!(
            "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            64 * MIB
        );
        writer.write_all(head.as_bytes()).await?;
        // More than the sockets in between can hold.
        writer.write_all(&vec![0; 64 * MIB]).await
    });
    let hung = proxy_of_large.upstream().await;
    let mut status = [0; 12];
    within(reader.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 504");
    assert!(!upload.is_finished());
    // The upstream's connection ends, and so does the upload.
    drop(hung);
    assert!(within(upload).await.unwrap().is_err());
    proxy_of_large.stop().await;

    slow.send("b").await;
    assert_eq!(&upstream_of_slow.receive_bytes().await, b"b");
    upstream_of_slow.send(EMPTY_OK).await;
    assert!(slow.receive().await.starts_with("HTTP/1.1 200 OK\r\n"));
    proxy.stop().await;
}

#[tokio::test]
async fn what_the_upstream_breaks_off_arrives_broken_off() {
    for (framing, part) in [
        ("content-length: 10", "hello"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n"),
    ] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        upstream.receive_head().await;
        upstream
            .send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{part}"))
            .await;
        let head = client.receive_head().await;
        assert!(head.contains(framing), "{head}");
        drop(upstream);
        assert_eq!(client.receive_rest().await, part);
        proxy.stop().await;
    }

    // What only the end of the connection ends (RFC 9112 §6.3) is whole unless that is a reset.
    for (reset, rest) in [(false, "5\r\nhello\r\n0\r\n\r\n"), (true, "5\r\nhello\r\n")] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy
            .asked("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await;
        upstream.receive_head().await;
        upstream.send("HTTP/1.0 200 OK\r\n\r\nhello").await;
        client.receive_head().await;
        let first = client.receive_bytes::<10>().await;
        if reset {
            upstream.reset();
        } else {
            drop(upstream);
        }
        let first = String::from_utf8(first.to_vec()).unwrap();
        assert_eq!(first + &client.receive_rest().await, rest);
        proxy.stop().await;
    }

    let proxy = Proxy::start().await;
    let mut client = http2(proxy.address).await;
    let response = tokio::spawn(client.send_request(request("GET", "http://a/")));
    let mut upstream = proxy.upstream().await;
    upstream.receive_head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    let mut content = within(response).await.unwrap().unwrap().into_body();
    let frame = within(content.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "hello");
    drop(upstream);
    assert!(within(content.frame()).await.unwrap().is_err());
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    // Before there is a response,
    let proxy = Proxy::start().await;
    let (client, mut upstream) = proxy.asked(get).await;
    upstream.receive_head().await;
    drop(client);
    assert_eq!(upstream.receive_rest().await, "");
    proxy.stop().await;

    // while it comes,
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy.asked(get).await;
    upstream.receive_head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        .await;
    client.receive_head().await;
    assert_eq!(&client.receive_bytes().await, b"hello");
    drop(client);
    assert_eq!(upstream.receive_rest().await, "");
    proxy.stop().await;

    // and in the middle of the request: it does not end as if that were all of it.
    for (framing, part) in [
        ("content-length: 10", "hello"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n"),
    ] {
        let proxy = Proxy::start().await;
        let (client, mut upstream) = proxy
            .asked(format!(
                "PUT / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{part}"
            ))
            .await;
        upstream.receive_head().await;
        drop(client);
        assert_eq!(upstream.receive_rest().await, part);
        proxy.stop().await;
    }
}

#[tokio::test]
async fn nothing_stays_open() {
    let proxy = Proxy::start().await;
    let sockets = proxy.sockets();
    let ways = [
        "the client leaves",
        "the upstream leaves",
        "both leave halfway",
        "all goes well",
    ];
    for way in ways.into_iter().cycle().take(20) {
        let mut rejected = proxy.client().await;
        rejected.send("FOO / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        rejected.receive().await;

        let (mut client, mut upstream) = proxy.asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        upstream.receive_head().await;
        assert_eq!(proxy.sockets(), sockets + 3, "{way}");
        let left = match way {
            "the client leaves" => {
                drop(client);
                upstream
            }
            "the upstream leaves" => {
                drop(upstream);
                client.receive().await;
                client
            }
            "both leave halfway" => {
                upstream
                    .send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na")
                    .await;
                client.receive_head().await;
                drop(client);
                upstream
            }
            _ => {
                upstream
                    .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                    .await;
                client.receive().await;
                drop(client);
                upstream
            }
        };
        drop((left, rejected));
        proxy.has_closed_all_but(sockets).await;
    }
}

#[tokio::test]
async fn stopped_it_finishes_what_it_has_begun() {
    for signal in ["-TERM", "-INT"] {
        let proxy = Proxy::start().await;
        let mut idle = proxy.client().await;
        let (mut client, mut upstream) = proxy.asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        upstream.receive_head().await;
        proxy.example.signal(signal);
        assert!(idle.is_closed().await);
        upstream.send(EMPTY_OK).await;
        let answer = client.receive().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(client.is_closed().await);
        proxy.example.ends_cleanly().await;
    }
}

#[tokio::test]
async fn a_bad_argument_is_named() {
    for url in [
        "nonsense",
        "127.0.0.1:3001",
        "https://127.0.0.1:3001",
        "http://127.0.0.1:3001/path",
        "http://127.0.0.1:3001/?query",
        "",
    ] {
        let (status, errors) = Example::start(PROXY, &["127.0.0.1:0", url]).end().await;
        assert_eq!(status.code(), Some(1), "{url}");
        assert_eq!(
            errors,
            format!("error: not an upstream, http://HOST[:PORT]: {url}\n")
        );
    }
    let arguments = ["127.0.0.1:0", "http://127.0.0.1:1/", "more"];
    let (status, errors) = Example::start(PROXY, &arguments).end().await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(errors, "error: unexpected argument: more\n");
}
