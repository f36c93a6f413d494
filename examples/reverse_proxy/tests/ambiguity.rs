//! Messages that a client or an upstream could use to make others disagree on what they mean.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use http::{HeaderMap, HeaderValue, StatusCode, Version};
use http_body_util::BodyExt;
use support::proxy::{BAD_GATEWAY, BAD_REQUEST, EMPTY_OK, Proxy, lines};
use support::server::{Connection, http2, read, request, within};
use tokio::task::JoinSet;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nvia: 1.1 method-policy\r\ncontent-length: 0\r\n\r\n";

/// Sends a request on a new connection. The upstream must not see it.
async fn rejected(proxy: &Proxy, request: impl AsRef<[u8]>) -> String {
    let mut client = proxy.client().await;
    client.send(request).await;
    client.receive().await
}

/// Sends a request, and returns its head as the upstream receives it.
async fn forwarded(proxy: &Proxy, request: impl AsRef<[u8]>) -> String {
    let (mut client, mut upstream) = proxy.asked(request).await;
    let head = upstream.receive_head().await;
    upstream.send(EMPTY_OK).await;
    client.receive_head().await;
    head
}

/// Sends `method` to an upstream that answers with `response` and closes the connection.
async fn answered(proxy: &Proxy, method: &str, response: impl AsRef<[u8]>) -> (String, String) {
    let request = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let (mut client, mut upstream) = proxy.asked(request).await;
    upstream.receive_head().await;
    upstream.send(response).await;
    drop(upstream);
    (client.receive_head().await, client.receive_rest().await)
}

#[tokio::test]
async fn cookies_that_http2_split_over_several_fields_are_joined() {
    let proxy = Proxy::start().await;
    for (crumbs, cookie) in [
        (&["a=1"][..], "a=1"),
        (&["a=1", "b=2", "c=\"3, 4\""], "a=1; b=2; c=\"3, 4\""),
        (&["a=1; b=2", "a=1"], "a=1; b=2; a=1"),
        (&["a=\u{e9}", "b"], "a=\u{e9}; b"),
    ] {
        let mut request = request("GET", "http://a/");
        for crumb in crumbs {
            let crumb = HeaderValue::from_bytes(crumb.as_bytes()).unwrap();
            request.headers_mut().append("cookie", crumb);
        }
        let response = http2(proxy.address).await.send_request(request);
        let response = tokio::spawn(response);
        let mut upstream = proxy.upstream().await;
        let head = upstream.receive_head().await;
        assert_eq!(
            lines(&head)[1..],
            [
                &format!("cookie: {cookie}"),
                "host: a",
                "via: 2.0 method-policy"
            ]
        );
        upstream.send(EMPTY_OK).await;
        read(async { response.await.unwrap() }).await;
    }
    let head = forwarded(
        &proxy,
        "GET / HTTP/1.1\r\nhost: a\r\ncookie: a=1\r\nx: y\r\ncookie: b=2\r\n\r\n",
    );
    assert!(head.await.contains("\r\ncookie: a=1; b=2\r\n"));
    proxy.stop().await;
}

#[tokio::test]
async fn a_content_length_next_to_a_transfer_encoding_is_removed() {
    let proxy = Proxy::start().await;
    for fields in [
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "content-length: 300\r\ntransfer-encoding: Chunked",
        "content-length: 1\r\ncontent-length: x\r\ntransfer-encoding: ,chunked",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
        let expected = [
            "HTTP/1.1 200 OK",
            "connection: close",
            "transfer-encoding: chunked",
            "via: 1.1 method-policy",
        ];
        let chunked = "5\r\nhello\r\n0\r\n\r\n";
        let (seen, content) = answered(&proxy, "GET", format!("{head}{chunked}")).await;
        assert_eq!((&lines(&seen)[..], &*content), (&expected[..], chunked));
        // A response to HEAD has no content, and does not claim a length.
        let (seen, content) = answered(&proxy, "HEAD", &head).await;
        assert_eq!((lines(&seen)[1..].len(), &*content), (2, ""), "{seen}");

        let response = tokio::spawn(
            http2(proxy.address)
                .await
                .send_request(request("GET", "http://a/")),
        );
        let mut upstream = proxy.upstream().await;
        upstream.receive_head().await;
        upstream.send(format!("{head}{chunked}")).await;
        let (status, headers, content) = read(async { response.await.unwrap() }).await;
        assert_eq!((status, headers.len()), (StatusCode::OK, 1), "{headers:?}");
        assert_eq!(content, "hello");
        drop(upstream);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_response_whose_end_is_ambiguous_is_a_502() {
    for (method, status, fields) in [
        ("GET", "200 OK", "content-length: 1\r\ncontent-length: 2"),
        ("GET", "200 OK", "content-length: 1, 2"),
        ("GET", "200 OK", "content-length: +1"),
        ("GET", "200 OK", "content-length: 99999999999999999999"),
        ("GET", "200 OK", "transfer-encoding: gzip, chunked"),
        (
            "GET",
            "200 OK",
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        ),
        ("GET", "200 OK", "transfer-encoding: chunked, chunked"),
        ("GET", "200 OK", "transfer-encoding: gzip"),
        ("GET", "200 OK", "transfer-encoding: chunked;a=b"),
        ("GET", "200 OK", "transfer-encoding: \"chunked\""),
        ("HEAD", "200 OK", "content-length: 1\r\ncontent-length: 2"),
        ("HEAD", "200 OK", "content-length: 1, x"),
        ("HEAD", "200 OK", "content-length:"),
        ("HEAD", "200 OK", "transfer-encoding: gzip"),
        (
            "GET",
            "304 Not Modified",
            "content-length: 1\r\ncontent-length: 2",
        ),
        ("GET", "204 No Content", "content-length: -1"),
    ] {
        let proxy = Proxy::start().await;
        let head = format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n");
        let (seen, content) = answered(&proxy, method, format!("{head}1\r\na\r\n0\r\n\r\n")).await;
        let expected = BAD_GATEWAY.replace("gth: 0", "gth: 0\r\nconnection: close");
        assert_eq!(lines(&seen)[0], lines(&expected)[0], "{head}");
        assert_eq!(content, "", "{head}");
    }
    let proxy = Proxy::start().await;
    let response = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let (seen, _) = answered(&proxy, "GET", response).await;
    assert!(seen.starts_with("HTTP/1.1 502 "), "{seen}");
}

#[tokio::test]
async fn equal_content_lengths_become_one() {
    let proxy = Proxy::start().await;
    for fields in [
        "content-length: 5, 5",
        "content-length: 5\r\ncontent-length: 5",
    ] {
        for (method, content) in [("GET", "hello"), ("HEAD", "")] {
            let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{content}");
            let (seen, rest) = answered(&proxy, method, response).await;
            let expected = [
                "connection: close",
                "content-length: 5",
                "via: 1.1 method-policy",
            ];
            assert_eq!((&lines(&seen)[1..], &*rest), (&expected[..], content));
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_response_that_cannot_have_content_has_none_and_the_next_one_is_not_made_of_it() {
    for (method, status, fields) in [
        ("GET", "204 No Content", "content-length: 9"),
        ("GET", "204 No Content", "transfer-encoding: chunked"),
        ("GET", "304 Not Modified", "content-length: 9"),
        ("HEAD", "200 OK", "content-length: 9"),
    ] {
        let proxy = Proxy::start().await;
        let mut client = proxy.client().await;
        client
            .send(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let mut upstream = proxy.upstream().await;
        upstream.receive_head().await;
        let smuggled = "HTTP/1.1 200 Smuggled\r\ncontent-length: 0\r\n\r\n";
        upstream
            .send(format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n{smuggled}"))
            .await;
        let head = client.receive_head().await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        assert!(!head.contains("transfer-encoding"), "{head}");
        let has_length = head.contains("content-length");
        assert_eq!(has_length, method == "HEAD", "{head}");
        // The proxy does not use this connection again.
        client.send(GET).await;
        let mut next = proxy.upstream().await;
        next.receive_head().await;
        next.send(EMPTY_OK).await;
        assert_eq!(client.receive().await, OK);
    }
}

#[tokio::test]
async fn a_request_whose_end_is_ambiguous_is_rejected() {
    let proxy = Proxy::start().await;
    for (fields, status) in [
        ("content-length: 1\r\ncontent-length: 2", 400),
        ("content-length: 1, 2", 400),
        ("content-length: +1", 400),
        ("transfer-encoding: gzip", 400),
        ("transfer-encoding: chunked, gzip", 400),
        ("transfer-encoding: gzip, chunked", 501),
        ("transfer-encoding: chunked, chunked", 501),
        ("transfer-encoding: x\r\ntransfer-encoding: chunked", 501),
    ] {
        let answer = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n1\r\na\r\n0\r\n\r\n");
        let answer = rejected(&proxy, answer).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{fields}: {answer}"
        );
    }
    let mut lengths = request("POST", "http://a/");
    for length in ["0", "1"] {
        lengths
            .headers_mut()
            .append("content-length", HeaderValue::from_static(length));
    }
    let mut client = http2(proxy.address).await;
    let answer = within(client.send_request(lengths)).await;
    assert!(answer.is_err() || answer.unwrap().status() == 400);
    proxy.stop().await;
}

#[tokio::test]
async fn a_host_that_is_more_or_less_than_a_host_is_a_400() {
    let proxy = Proxy::start().await;
    for host in [
        "a/../b?x#y",
        "a/",
        "a?x",
        "a#y",
        "/",
        "",
        " ",
        "a b",
        "a\tb",
        "a\\b",
        "<a>",
        "a\"",
        "a|b",
        "a{b",
        "a^b",
        "a`b",
        "a%2f",
        "a%",
        "\u{e9}",
        ":80",
        "a:b",
        "a:80:80",
        "a:-1",
        "a:+1",
        "a: 1",
        "u@a",
        "@a",
        "a@",
        "[::1",
        "::1",
        "[::1]a",
        "[::1]80",
        "[a]",
        "[]",
        "a[b]",
        "a, b",
        "http://a",
        "[fe80::1%25eth0]",
    ] {
        for request in [
            format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            format!("GET / HTTP/1.0\r\nhost: {host}\r\n\r\n"),
            format!("POST http://b/ HTTP/1.1\r\nhost: {host}\r\n\r\n"),
            format!("OPTIONS / HTTP/1.1\r\nhost: {host}\r\nmax-forwards: 0\r\n\r\n"),
        ] {
            let answer = rejected(&proxy, &request).await;
            let version = if request.contains("HTTP/1.0") {
                "1.0"
            } else {
                "1.1"
            };
            let expected = format!("HTTP/{version} 400 Bad Request");
            assert_eq!(answer.lines().next(), Some(&*expected), "{request}");
        }
    }
    for authority in ["a:b", "a:80:80", "[a]", "[::1]a", "a[b]", ":80"] {
        let answer = rejected(
            &proxy,
            format!("GET http://{authority}/ HTTP/1.1\r\nhost: a\r\n\r\n"),
        );
        assert!(answer.await.starts_with("HTTP/1.1 400 "), "{authority}");
    }
    for host in [
        "a",
        "A.b-c_d~e",
        "1.2.3.4:80",
        "[::1]",
        "[::1]:80",
        "a:",
        "a,b",
        "xn--9ca",
    ] {
        let head = forwarded(&proxy, format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_target_that_is_not_a_path_is_a_400() {
    let proxy = Proxy::start().await;
    for start in [
        "GET host:80",
        "POST host:80",
        "OPTIONS host:80",
        "GET host",
        "GET *",
        "POST *",
        "TRACE *",
        "GET host/path",
        "GET ?query",
        "GET #fragment",
        "GET http:/path",
        "GET http://",
        "GET http:///path",
        "GET u@host:80",
        "GET [::1]:80",
        "GET **",
        "OPTIONS *?query",
        "OPTIONS **",
    ] {
        for fields in ["", "max-forwards: 0\r\n"] {
            let answer = format!("{start} HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
            let answer = rejected(&proxy, answer).await;
            assert_eq!(
                answer.lines().next(),
                Some("HTTP/1.1 400 Bad Request"),
                "{start}"
            );
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_policy_and_the_upstream_see_the_same_path() {
    let proxy = Proxy::start().await;
    // The rule for this path does not allow DELETE.
    for target in [
        "/health",
        "/health?x",
        "/health#x",
        "http://b/health",
        "http://b/health?x#y",
    ] {
        let answer = format!("DELETE {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = rejected(&proxy, answer).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{target}: {answer}");
        assert!(
            answer.contains("\r\nallow: GET, HEAD\r\n"),
            "{target}: {answer}"
        );
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        let head = forwarded(&proxy, request).await;
        assert!(head.starts_with("GET /health"), "{target}: {head}");
    }
    // These are other paths, for the policy and for the upstream.
    for (target, sent) in [
        ("/health/", "/health/"),
        ("//health", "//health"),
        ("//b/health", "//b/health"),
        ("/x/../health", "/x/../health"),
        ("/%68ealth", "/%68ealth"),
        ("/?/health", "/?/health"),
        ("http://b", "/"),
        ("http://b?", "/?"),
        ("http://b?/health", "/?/health"),
        ("http://b#/health", "/"),
        ("http://b//health", "//health"),
        ("HTTP://b/HEALTH", "/HEALTH"),
    ] {
        let head = forwarded(
            &proxy,
            format!("DELETE {target} HTTP/1.1\r\nhost: a\r\n\r\n"),
        )
        .await;
        let start = format!("DELETE {sent} HTTP/1.1");
        assert_eq!(lines(&head)[0], start, "{target}");
    }
    let head = forwarded(&proxy, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(lines(&head)[0], "OPTIONS * HTTP/1.1");

    let mut client = http2(proxy.address).await;
    let (status, ..) = read(client.send_request(request("DELETE", "http://a/health?x"))).await;
    assert_eq!(status, 405);
    proxy.stop().await;
}

#[tokio::test]
async fn of_several_max_forwards_the_smallest_counts() {
    let proxy = Proxy::start().await;
    for (values, forwarded_as) in [
        (&["5", "3"][..], "2"),
        (&["3", "5", "4"], "2"),
        (&["5, 3"], "2"),
        (&["007", "99999999999999999999"], "6"),
        (&["99999999999999999999"], "4294967295"),
    ] {
        let fields: String = values
            .iter()
            .map(|value| format!("max-forwards: {value}\r\n"))
            .collect();
        for method in ["OPTIONS", "TRACE"] {
            let head = forwarded(
                &proxy,
                format!("{method} / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"),
            )
            .await;
            let limits: Vec<_> = head
                .lines()
                .filter(|line| line.starts_with("max-"))
                .collect();
            assert_eq!(limits, [format!("max-forwards: {forwarded_as}")]);
        }
        // It has no meaning for other methods.
        let head = forwarded(
            &proxy,
            format!("PURGE / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"),
        )
        .await;
        assert_eq!(head.matches("max-forwards").count(), values.len());
    }
    for (fields, status) in [
        ("max-forwards: 5\r\nmax-forwards: 0\r\n", 200),
        ("max-forwards: 5, 0\r\n", 200),
        // A client that wants a limit must not get none.
        ("max-forwards: -1\r\n", 400),
        ("max-forwards: \r\n", 400),
        ("max-forwards: 5\r\nmax-forwards: x\r\n", 400),
        ("max-forwards: \u{663}\r\n", 400),
        ("max-forwards: 1.0\r\n", 400),
    ] {
        for method in ["OPTIONS", "TRACE"] {
            let answer = rejected(
                &proxy,
                format!("{method} / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"),
            )
            .await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{fields}: {answer}"
            );
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn an_expectation_of_an_http_1_0_client_is_not_forwarded() {
    let proxy = Proxy::start().await;
    for expect in ["100-continue", "100-Continue", "other"] {
        let (mut client, mut upstream) = proxy
            .asked(format!(
                "PUT / HTTP/1.0\r\nhost: a\r\nexpect: {expect}\r\ncontent-length: 2\r\n\r\nab"
            ))
            .await;
        let head = upstream.receive_head().await;
        assert!(!head.contains("expect"), "{head}");
        assert_eq!(&upstream.receive_bytes().await, b"ab");
        upstream.send(EMPTY_OK).await;
        // No informational response comes first.
        assert!(client.receive().await.starts_with("HTTP/1.0 200 OK\r\n"));
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_request_in_a_loop_is_answered_with_508() {
    let Proxy {
        example,
        address,
        upstream,
    } = Proxy::start().await;
    // The upstream is the proxy itself.
    let mut wires = JoinSet::new();
    wires.spawn(async move {
        let mut wires = JoinSet::new();
        loop {
            let (mut there, _) = upstream.accept().await.unwrap();
            let mut back = tokio::net::TcpStream::connect(address).await.unwrap();
            wires.spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut there, &mut back).await;
            });
        }
    });
    let mut client = Connection::open(address).await;
    for request in [
        GET,
        "PURGE / HTTP/1.0\r\nvia: 1.1 a (b, c)\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: via\r\nvia: 1.1 method-policy\r\n\r\n",
    ] {
        client.send(request).await;
        let answer = client.receive().await;
        assert!(answer.contains(" 508 Loop Detected\r\n"), "{answer}");
        assert!(
            (4..=6).contains(&answer.matches("via: 1.1").count()),
            "{answer}"
        );
        client = Connection::open(address).await;
    }
    drop(client);
    wires.shutdown().await;
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn passes_are_counted_over_all_lines_of_via() {
    let proxy = Proxy::start().await;
    let own = "1.1 method-policy";
    for (via, loops) in [
        (format!("via: {}\r\n", [own; 5].join(", ")), false),
        (format!("via: {}\r\n", [own; 6].join(",")), true),
        (format!("via: {own}\r\n").repeat(5), false),
        (format!("via: {own}\r\n").repeat(6), true),
        // A byte outside of ASCII hides nothing.
        (format!("via: 1.1 a (\u{e9}), {own}\r\n").repeat(6), true),
        ("via: 1.1 other, 2.0 method\r\n".repeat(6), false),
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{via}\r\n");
        if loops {
            assert!(
                rejected(&proxy, request).await.starts_with("HTTP/1.1 508 "),
                "{via}"
            );
        } else {
            let head = forwarded(&proxy, request).await;
            assert!(head.ends_with("via: 1.1 method-policy\r\n\r\n"), "{head}");
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_byte_outside_of_ascii_does_not_keep_the_fields_of_one_connection() {
    let proxy = Proxy::start().await;
    let fields = "connection: \u{e9}, x-one,, x-two\r\nx-one: 1\r\nX-Two: 2\r\n";
    let head = forwarded(&proxy, format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).await;
    assert!(!head.contains("x-"), "{head}");
    let response = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n");
    let (head, _) = answered(&proxy, "GET", response).await;
    assert!(!head.contains("x-"), "{head}");
    proxy.stop().await;
}

#[tokio::test]
async fn trailers_do_not_carry_the_fields_of_one_connection() {
    let proxy = Proxy::start().await;
    let trailers = "trailer: x-sum, connection, keep-alive, x-one\r\ntransfer-encoding: chunked\r\n\r\n\
                    1\r\na\r\n0\r\nconnection: x-one\r\nkeep-alive: 5\r\nx-one: 1\r\nx-sum: 2\r\n\r\n";
    let (mut client, mut upstream) = proxy
        .asked(format!(
            "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n{trailers}"
        ))
        .await;
    upstream.receive_head().await;
    let expected = b"1\r\na\r\n0\r\nx-sum: 2\r\n\r\n";
    assert_eq!(&upstream.receive_bytes().await, expected);
    upstream
        .send(format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n{trailers}"
        ))
        .await;
    client.receive_head().await;
    assert_eq!(&client.receive_bytes().await, expected);

    let response = tokio::spawn(
        http2(proxy.address)
            .await
            .send_request(request("GET", "http://a/")),
    );
    let mut upstream = proxy.upstream().await;
    upstream.receive_head().await;
    upstream
        .send(format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n{trailers}"
        ))
        .await;
    let content = within(response).await.unwrap().unwrap().into_body();
    let content = within(content.collect()).await.unwrap();
    let expected = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from(2))]);
    assert_eq!(content.trailers(), Some(&expected));
    proxy.stop().await;
}

#[tokio::test]
async fn an_http2_request_needs_a_host() {
    let proxy = Proxy::start().await;
    let mut target = request("GET", "/a");
    *target.version_mut() = Version::HTTP_2;
    target.headers_mut().remove("host");
    let mut client = http2(proxy.address).await;
    let answer = within(client.send_request(target)).await;
    assert!(answer.is_err() || answer.unwrap().status() == 400);
    assert_eq!(
        rejected(&proxy, "GET / HTTP/1.1\r\n\r\n").await,
        BAD_REQUEST
    );
    proxy.stop().await;
}
