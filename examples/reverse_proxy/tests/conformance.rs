//! The reverse proxy between clients and upstreams that write and read the bytes of HTTP themselves.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use support::example::Example;
use support::server::{Connection, read, request, within};
use support::{EMPTY_OK, GET, OK, PROXY, Proxy, expect, expect_content, starts_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const MIB: usize = 1024 * 1024;

/// An upload without its last byte.
const PUT: &str = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na";

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// The rest of a message whose trailer section also has fields of one connection.
const TRAILERS: &str = "trailer: x-sum, connection, keep-alive, x-one\r\ntransfer-encoding: chunked\r\n\r\n\
                        1\r\na\r\n0\r\nconnection: x-one\r\nkeep-alive: 5\r\nx-one: 1\r\nx-sum: 2\r\n\r\n";

/// A framing and the first part of the content.
const CUT_OFF: [(&str, &str); 2] =
    [("content-length: 10", "hello"), ("transfer-encoding: chunked", "5\r\nhello\r\n")];

fn bad_gateway(answer: &str) {
    assert_eq!(answer, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
}

#[tokio::test]
async fn the_upstream_receives_only_the_methods_of_the_policy() {
    let proxy = Proxy::start().await;
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "PROPFIND",
        "PURGE", "purge", "BAN", "M-SEARCH",
    ] {
        let line = format!("{method} /a%2Fb//../?c=%64 HTTP/1.1");
        let head = proxy.forwarded(format!("{line}\r\nhost: a\r\n\r\n")).await;
        assert_eq!(head.lines().next(), Some(&*line));
    }
    let connect = "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n";
    let answer = proxy.rejected(connect).await;
    starts_with(&answer, "405 Method Not Allowed\r\n");
    let allow = "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, ";
    assert!(answer.contains(allow), "{answer}");
    assert!(!answer.contains("CONNECT,"), "{answer}");
    proxy.stop().await;
}

#[tokio::test]
async fn fields_are_changed_as_rfc_9110_and_rfc_9112_require() {
    let hop_by_hop = "Connection: \u{e9}, X-One ,, \"no token\", content-length, host,\r\nX-One: 1\r\n\
                      X-Two: 2\r\nKeep-Alive: timeout=5\r\nconnection: x-two\r\n\
                      Proxy-Connection: keep-alive\r\nTE: gzip;q=0.5\r\nUpgrade: websocket\r\n\
                      Trailer: X-Sum\r\nX-Three: 3\r\nContent-Length: 2\r\n\r\nab";
    let proxy = Proxy::start().await;
    let host = proxy.upstream.local_addr().unwrap();
    for [request, seen_by_upstream, content, response, seen_by_client, answer] in [
        // `Allow` passes unchanged.
        [
            "DELETE / HTTP/1.1\r\nhost: a\r\n\r\n",
            "DELETE / HTTP/1.1\nhost: a\nvia: 1.1 method-policy",
            "",
            "HTTP/1.1 405 Not Here\r\nAllow: POST ,,GET,\tfoo,GET\r\nAllow:\r\nAllow: BAR\r\n\
             Content-Length: 0\r\n\r\n",
            "HTTP/1.1 405 Not Here\nallow: POST ,,GET,\tfoo,GET\nallow: \nallow: BAR\n\
             content-length: 0\nvia: 1.1 method-policy",
            "",
        ],
        // The fields of one connection are removed. A byte outside ASCII does not protect the rest of its line.
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
        // Each connection has its own framing and persistence. A `GET` can have content.
        [
            "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\ncontent-length: 1\r\n\
             connection: close\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n",
            "GET / HTTP/1.1\nhost: a\ntransfer-encoding: chunked\nvia: 1.1 method-policy",
            "2\r\nab\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\nTransfer-Encoding: Chunked\r\n\r\n\
             1\r\na\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\nconnection: close\ntransfer-encoding: chunked\n\
             via: 1.1 method-policy",
            "1\r\na\r\n0\r\n\r\n",
        ],
        // Trailer fields pass, except the fields of one connection. A client that accepts trailer fields gets them.
        [
            &format!(
                "purge / HTTP/1.1\r\nhost: a\r\nte: gzip, Trailers\r\nconnection: te\r\n{TRAILERS}"
            ),
            "purge / HTTP/1.1\nconnection: te\nhost: a\nte: trailers\n\
             trailer: x-sum, connection, keep-alive, x-one\ntransfer-encoding: chunked\n\
             via: 1.1 method-policy",
            "1\r\na\r\n0\r\nx-sum: 2\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\n{TRAILERS}"),
            "HTTP/1.1 200 OK\ntrailer: x-sum, connection, keep-alive, x-one\n\
             transfer-encoding: chunked\nvia: 1.1 method-policy",
            "1\r\na\r\n0\r\nx-sum: 2\r\n\r\n",
        ],
        // A client of HTTP/1.0 does not understand `100 (Continue)`.
        [
            "PUT / HTTP/1.0\r\nhost: a\r\nexpect: other\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\nab",
            "PUT / HTTP/1.1\ncontent-length: 2\nhost: a\nvia: 1.0 method-policy",
            "ab",
            EMPTY_OK,
            "HTTP/1.0 200 OK\ncontent-length: 0\nvia: 1.1 method-policy",
            "",
        ],
        // `Via` has the version of the received message. A client of HTTP/1.0 can omit `Host`.
        [
            "GET / HTTP/1.0\r\nvia: 1.1 x, 2.0 y\r\nvia: 1.1 z\r\n\r\n",
            &format!(
                "GET / HTTP/1.1\nhost: {host}\nvia: 1.1 x, 2.0 y\nvia: 1.1 z\n\
                 via: 1.0 method-policy"
            ),
            "",
            "HTTP/1.0 200 OK\r\nvia: 1.1 x\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.0 200 OK\ncontent-length: 0\nvia: 1.1 x\nvia: 1.0 method-policy",
            "",
        ],
    ] {
        let (mut client, mut upstream) = proxy.asked(request).await;
        expect(&mut upstream, seen_by_upstream, content).await;
        upstream.send(response).await;
        expect(&mut client, seen_by_client, answer).await;
    }
    // The target may be the whole server or name the host.
    for (target, line) in [
        ("*", "OPTIONS * HTTP/1.1\nhost: a"),
        ("http://b:8080/?x", "OPTIONS /?x HTTP/1.1\nhost: b:8080"),
    ] {
        let request = format!("OPTIONS {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        let expected = format!("{line}\nvia: 1.1 method-policy");
        assert_eq!(proxy.forwarded(request).await, expected);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_keeps_its_connection_after_a_501_and_when_the_upstream_closes_one() {
    let proxy = Proxy::start().await;
    let mut client = proxy.client().await;
    for method in ["get", "Purge", "FOO", "M-GET"] {
        // A mandatory extension (RFC 2774) changes nothing.
        let extension = "C-Man: \"http://a.example/\"\r\nConnection: C-Man\r\n";
        client.send(format!("{method} / HTTP/1.1\r\nhost: a\r\n{extension}\r\n")).await;
        let content = format!("This server does not implement the method {method}.\n");
        let fields =
            format!("content-type: text/plain; charset=utf-8\r\ncontent-length: {}", content.len());
        let expected = format!("HTTP/1.1 501 Not Implemented\r\n{fields}\r\n\r\n{content}");
        assert_eq!(client.receive().await, expected);
    }
    let old = "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n";
    for (answer, version) in [(EMPTY_OK, "1.1"), (old, "1.0"), (EMPTY_OK, "1.1")] {
        client.send(GET).await;
        let mut upstream = proxy.upstream().await;
        expect(&mut upstream, "GET / HTTP/1.1\nhost: a\nvia: 1.1 method-policy", "").await;
        upstream.send(answer).await;
        let expected = OK.replace("1.1 method", &format!("{version} method"));
        assert_eq!(client.receive().await, expected);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn connections_to_the_upstream_are_reused() {
    let proxy = Proxy::start().await;
    let mut connections = JoinSet::new();
    let serve = async {
        loop {
            let mut upstream = proxy.upstream().await;
            connections.spawn(async move {
                while upstream.try_receive().await.is_ok() {
                    upstream.send(OK).await;
                }
            });
        }
    };
    let mut client = proxy.client().await;
    let ask = async {
        for _ in 0..100 {
            client.send(GET).await;
            client.receive().await;
        }
    };
    tokio::select! {
        () = serve => {}
        () = ask => {}
    }
    // The connection of a request may not be free again when the next request arrives.
    assert!(connections.len() < 50, "{connections:?}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_request_over_http2_reaches_the_upstream_over_http1() {
    let proxy = Proxy::start().await;
    let (response, mut upstream) = proxy.asked_http2(request("GET", "http://a/")).await;
    upstream.receive_head().await;
    upstream.send(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{TRAILERS}")).await;
    let content = within(response).await.unwrap().unwrap().into_body();
    let content = within(content.collect()).await.unwrap();
    let expected = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from(2))]);
    assert_eq!(content.trailers(), Some(&expected));

    let (response, mut upstream) = proxy.asked_http2(request("purge", "http://b:1/c")).await;
    let head = "purge /c HTTP/1.1\ncontent-length: 0\nhost: b:1\nvia: 2.0 method-policy";
    expect(&mut upstream, head, "").await;
    upstream.send("HTTP/1.1 200 OK\r\nconnection: x\r\nx: 1\r\ncontent-length: 1\r\n\r\na").await;
    let (status, headers, content) = read(async { response.await.unwrap() }).await;
    assert_eq!((status.as_u16(), &*content), (200, &b"a"[..]));
    assert_eq!(headers["via"], "1.1 method-policy");
    assert_eq!(headers["content-length"], "1");
    assert_eq!(headers.len(), 2);
    proxy.stop().await;
}

/// RFC 9110 §4.2.4 and §7.2, RFC 9113 §8.3.1.
#[tokio::test]
async fn the_upstream_receives_no_user_information() {
    let proxy = Proxy::start().await;
    for (authority, host) in
        [("u:p@b", "b"), ("u@b:8080", "b:8080"), ("@b", "b"), ("u:p@[::1]:8080", "[::1]:8080")]
    {
        let url = format!("http://{authority}/");
        let request_line = format!("GET {url} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let expected = format!("GET / HTTP/1.1\nhost: {host}\nvia: 1.1 method-policy");
        assert_eq!(proxy.forwarded(request_line).await, expected);

        let (response, mut upstream) = proxy.asked_http2(request("GET", url)).await;
        let head = upstream.receive_head().await;
        assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
        upstream.send(EMPTY_OK).await;
        assert_eq!(read(async { response.await.unwrap() }).await.0, 200);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_last_recipient_answers() {
    let proxy = Proxy::start().await;
    for target in ["/a", "*"] {
        let request = format!(
            "OPTIONS {target} HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\norigin: http://b\r\n\
             access-control-request-method: PUT\r\n\r\n"
        );
        assert_eq!(
            proxy.rejected(request).await,
            "HTTP/1.1 200 OK\r\n\
             allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, QUERY, COPY, LOCK, MKCOL, \
             MOVE, PROPFIND, PROPPATCH, UNLOCK, BAN, M-SEARCH, PURGE, purge\r\n\
             content-length: 0\r\n\r\n",
            "{target}"
        );
    }
    let trace = "TRACE /a?b HTTP/1.1\r\nHost: a\r\nMax-Forwards: 00\r\nVia: 1.1 x\r\nCookie: c\r\n\
                 Authorization: d\r\nProxy-Authorization: e\r\nX-Bytes: \u{e9}\r\nVia: 1.1 y\r\n\r\n";
    assert_eq!(
        proxy.rejected(trace).await,
        "HTTP/1.1 200 OK\r\ncontent-type: message/http\r\ncontent-length: 87\r\n\r\n\
         TRACE /a?b HTTP/1.1\r\nhost: a\r\nmax-forwards: 00\r\nvia: 1.1 x\r\nvia: 1.1 y\r\n\
         x-bytes: \u{e9}\r\n\r\n"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn content_is_streamed_in_both_directions() {
    let proxy = Proxy::start().await;
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let post = format!("POST / HTTP/1.1\r\nhost: a\r\n{chunked}");
    let (mut client, mut upstream) = proxy.begun(post).await;
    for chunk in [b"1\r\na\r\n", b"1\r\nb\r\n"] {
        client.send(chunk).await;
        assert_eq!(&upstream.receive_bytes().await, chunk);
    }
    // The response may begin before the request has ended.
    upstream.send(format!("HTTP/1.1 200 OK\r\n{chunked}")).await;
    client.receive_head().await;
    for chunk in ["1\r\nc\r\n", "1\r\nd\r\n", "0\r\n\r\n"] {
        client.send(chunk).await;
        expect_content(&mut upstream, chunk).await;
        upstream.send(chunk).await;
        expect_content(&mut client, chunk).await;
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_that_expects_100_gets_the_upstreams_answer() {
    let put = PUT.replace("host", "expect: 100-continue\r\nhost");
    let put = put.strip_suffix('a').unwrap();
    let proxy = Proxy::start().await;
    // An upstream that ignores `Expect` waits for the content.
    for upstream_answers in [true, false] {
        let (mut client, mut upstream) = proxy.asked(put).await;
        let head = "PUT / HTTP/1.1\ncontent-length: 2\nexpect: 100-continue\nhost: a\n\
                    via: 1.1 method-policy";
        expect(&mut upstream, head, "").await;
        if upstream_answers {
            upstream.send(CONTINUE).await;
        }
        assert_eq!(client.receive_head().await, CONTINUE);
        client.send("ab").await;
        expect_content(&mut upstream, "ab").await;
        upstream.send(EMPTY_OK).await;
        starts_with(&client.receive().await, "200 OK\r\n");
    }
    // Any other response means that the upstream does not want the content.
    let (mut client, mut upstream) = proxy.begun(put).await;
    let too_large = "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
    upstream.send(too_large).await;
    starts_with(&client.receive().await, "413 Too Large\r\n");
    drop(client);
    assert_eq!(upstream.receive_rest().await, "");
    proxy.stop().await;
}

/// Stops the proxy, which has logged this error of the upstream.
async fn stop_after(proxy: Example, error: &str) {
    proxy.signal("-TERM");
    let (status, errors) = proxy.end().await;
    assert!(status.success(), "{status}");
    assert!(errors.starts_with("no response from 127.0.0.1:"), "{errors}");
    assert!(errors.contains(error), "{errors}");
}

#[tokio::test]
async fn an_upstream_without_a_valid_response_causes_a_502() {
    for (answer, error) in [
        ("", "IncompleteMessage"),
        ("HTTP/1.1 20", "IncompleteMessage"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "Parse"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "Parse"),
    ] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.begun(GET).await;
        upstream.send(answer).await;
        drop(upstream);
        bad_gateway(&client.receive().await);
        stop_after(proxy.example, error).await;
    }

    let Proxy { example, address, upstream } = Proxy::start().await;
    drop(upstream);
    let mut client = Connection::open(address).await;
    for request in [GET, &format!("{PUT}b")] {
        client.send(request).await;
        bad_gateway(&client.receive().await);
    }
    stop_after(example, "ConnectionRefused").await;
}

#[tokio::test]
async fn the_proxy_neither_forwards_nor_accepts_an_upgrade() {
    let proxy = Proxy::start().await;
    let upgrade = "connection: upgrade\r\nupgrade: x\r\n\r\n";
    let get = format!("GET / HTTP/1.1\r\nhost: a\r\n{upgrade}");
    let (mut client, mut upstream) = proxy.asked(get).await;
    let head = "GET / HTTP/1.1\nhost: a\nvia: 1.1 method-policy";
    expect(&mut upstream, head, "").await;
    let switching = format!("HTTP/1.1 101 Switching Protocols\r\n{upgrade}");
    upstream.send(switching).await;
    bad_gateway(&client.receive().await);
    proxy.stop().await;
}

#[tokio::test]
async fn an_upstream_that_hangs_causes_a_504_and_a_slow_client_does_not() {
    let proxy = Proxy::start().await;
    let (mut slow, mut upstream_of_slow) = proxy.begun(PUT).await;
    expect_content(&mut upstream_of_slow, "a").await;

    // The slow request has taken longer when these are answered.
    for request in [GET, &format!("{PUT}b")] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.begun(request).await;
        let expected = "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(client.receive().await, expected);
        assert!(["", "ab"].contains(&&*upstream.receive_rest().await));
        proxy.stop().await;
    }

    // The same happens if the upstream stops reading the content.
    let proxy_of_large = Proxy::start().await;
    let stream = TcpStream::connect(proxy_of_large.address);
    let (mut reader, mut writer) = within(stream).await.unwrap().into_split();
    let upload = tokio::spawn(async move {
        // This is more than the buffers of the sockets.
        let length = 64 * MIB;
        let head = format!("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes()).await?;
        writer.write_all(&vec![0; length]).await
    });
    let hung = proxy_of_large.upstream().await;
    let mut status = [0; 12];
    within(reader.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 504");
    assert!(!upload.is_finished());
    // The upload ends with the upstream's connection.
    drop(hung);
    assert!(within(upload).await.unwrap().is_err());
    proxy_of_large.stop().await;

    slow.send("b").await;
    expect_content(&mut upstream_of_slow, "b").await;
    upstream_of_slow.send(EMPTY_OK).await;
    starts_with(&slow.receive().await, "200 OK\r\n");
    proxy.stop().await;
}

#[tokio::test]
async fn a_message_that_is_cut_off_does_not_look_complete() {
    for (framing, part) in CUT_OFF {
        let proxy = Proxy::start().await;
        let put = format!("PUT / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{part}");
        let (client, mut upstream) = proxy.begun(put).await;
        drop(client);
        assert_eq!(upstream.receive_rest().await, part);
        proxy.stop().await;

        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.begun(GET).await;
        let response = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{part}");
        upstream.send(&response).await;
        let head = client.receive_head().await;
        assert!(head.contains(framing), "{head}");
        drop(upstream);
        assert_eq!(client.receive_rest().await, part);

        let (over_http2, mut upstream) = proxy.asked_http2(request("GET", "http://a/")).await;
        upstream.receive_head().await;
        upstream.send(response).await;
        let mut content = within(over_http2).await.unwrap().unwrap().into_body();
        let frame = within(content.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "hello");
        drop(upstream);
        assert!(within(content.frame()).await.unwrap().is_err());
        proxy.stop().await;
    }

    // A response that ends with its connection (RFC 9112 §6.3) is complete unless the connection is reset.
    for (reset, rest) in [(false, "0\r\n\r\n"), (true, "")] {
        let proxy = Proxy::start().await;
        let get = GET.replace("host", "connection: close\r\nhost");
        let (mut client, mut upstream) = proxy.begun(get).await;
        upstream.send("HTTP/1.0 200 OK\r\n\r\nhello").await;
        client.receive_head().await;
        expect_content(&mut client, "5\r\nhello\r\n").await;
        if reset {
            upstream.reset();
        } else {
            drop(upstream);
        }
        assert_eq!(client.receive_rest().await, rest);
        proxy.stop().await;
    }
}

#[tokio::test]
async fn all_connections_of_a_request_are_closed() {
    let proxy = Proxy::start().await;
    let descriptors = proxy.example.descriptors();
    for round in 0..20 {
        let mut rejected = proxy.client().await;
        rejected.send("FOO / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        rejected.receive().await;

        let (mut client, mut upstream) = proxy.begun(GET).await;
        assert_eq!(proxy.example.descriptors(), descriptors + 3, "{round}");
        if round % 4 == 0 {
            drop(upstream);
            client.receive().await;
            drop(client);
        } else {
            // The client leaves before, during, or after the response.
            let response = ["", " 9\r\n\r\na", " 0\r\n\r\n"][round % 4 - 1];
            if !response.is_empty() {
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length:{response}");
                upstream.send(response).await;
                client.receive_head().await;
            }
            drop(client);
            // The proxy itself closes the connection of an incomplete response.
            if round % 4 < 3 {
                assert_eq!(upstream.receive_rest().await, "");
            }
            drop(upstream);
        }
        drop(rejected);
        proxy.has_descriptors(descriptors).await;
    }
}

#[tokio::test]
async fn a_stopped_proxy_answers_the_requests_that_have_begun() {
    for signal in ["-TERM", "-INT"] {
        let proxy = Proxy::start().await;
        let mut idle = proxy.client().await;
        let (mut client, mut upstream) = proxy.begun(GET).await;
        proxy.example.signal(signal);
        assert!(idle.is_closed().await);
        upstream.send(EMPTY_OK).await;
        starts_with(&client.receive().await, "200 OK\r\n");
        assert!(client.is_closed().await);
        proxy.example.ends_cleanly().await;
    }
}

#[tokio::test]
async fn the_error_for_a_bad_upstream_names_it() {
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
        let expected = format!("error: not an upstream, http://HOST[:PORT]: {url}\n");
        assert_eq!(errors, expected);
    }
}
