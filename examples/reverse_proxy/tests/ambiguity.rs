//! Messages that a client or an upstream could send so that two programs understand them differently.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use bytes::Bytes;
use http::{HeaderValue, Request, Version};
use http_body_util::Empty;
use support::server::{http2, read, request, within};
use support::{EMPTY_OK, GET, OK, Proxy, starts_with};

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
        let (response, mut upstream) = proxy.asked_http2(request).await;
        let head = upstream.receive_head().await;
        assert!(head.contains(&format!("\r\ncookie: {cookie}\r\n")), "{head}");
        assert_eq!(head.matches("cookie").count(), 1, "{head}");
        upstream.send(EMPTY_OK).await;
        read(async { response.await.unwrap() }).await;
    }
    let cookies = "GET / HTTP/1.1\r\nhost: a\r\ncookie: a=1\r\nx: y\r\ncookie: b=2\r\n\r\n";
    let head = proxy.forwarded(cookies).await;
    assert!(head.contains("\ncookie: a=1; b=2\n"), "{head}");
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
        let chunked = "5\r\nhello\r\n0\r\n\r\n";
        let response = format!("{head}{chunked}");
        let (seen, content) = Proxy::start().await.answered("GET", &response).await;
        assert_eq!(
            seen,
            "HTTP/1.1 200 OK\nconnection: close\ntransfer-encoding: chunked\nvia: 1.1 method-policy"
        );
        assert_eq!(content, chunked);
        // A response to HEAD has no content and no length.
        let (seen, content) = Proxy::start().await.answered("HEAD", &head).await;
        let expected = "HTTP/1.1 200 OK\nconnection: close\nvia: 1.1 method-policy";
        assert_eq!((&*seen, &*content), (expected, ""));

        let (answer, mut upstream) = proxy.asked_http2(request("GET", "http://a/")).await;
        upstream.receive_head().await;
        upstream.send(response).await;
        let (status, headers, content) = read(async { answer.await.unwrap() }).await;
        assert_eq!((status.as_u16(), headers.len()), (200, 1), "{headers:?}");
        assert_eq!(content, "hello");
        drop(upstream);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_response_with_an_ambiguous_end_becomes_a_502() {
    for case in [
        "GET 1.1 200 OK|content-length: 1\r\ncontent-length: 2",
        "GET 1.1 200 OK|content-length: 1, 2",
        "GET 1.1 200 OK|content-length: +1",
        "GET 1.1 200 OK|content-length: 99999999999999999999",
        "GET 1.1 200 OK|transfer-encoding: gzip, chunked",
        "GET 1.1 200 OK|transfer-encoding: x\r\ntransfer-encoding: chunked",
        "GET 1.1 200 OK|transfer-encoding: chunked, chunked",
        "GET 1.1 200 OK|transfer-encoding: gzip",
        "GET 1.1 200 OK|transfer-encoding: chunked;a=b",
        "GET 1.1 200 OK|transfer-encoding: \"chunked\"",
        "GET 1.0 200 OK|transfer-encoding: chunked",
        "HEAD 1.1 200 OK|content-length: 1\r\ncontent-length: 2",
        "HEAD 1.1 200 OK|content-length: 1, x",
        "HEAD 1.1 200 OK|content-length:",
        "HEAD 1.1 200 OK|transfer-encoding: gzip",
        "GET 1.1 304 Not Modified|content-length: 1\r\ncontent-length: 2",
        "GET 1.1 204 No Content|content-length: -1",
    ] {
        let (method, response) = case.split_once(' ').unwrap();
        let head = response.replace('|', "\r\n");
        let proxy = Proxy::start().await;
        let response = format!("HTTP/{head}\r\n\r\n1\r\na\r\n0\r\n\r\n");
        let (seen, content) = proxy.answered(method, &response).await;
        starts_with(&seen, "502 Bad Gateway\n");
        assert_eq!(content, "", "{response}");
    }
}

#[tokio::test]
async fn equal_content_lengths_become_one() {
    for fields in ["content-length: 5, 5", "content-length: 5\r\ncontent-length: 5"] {
        for (method, content) in [("GET", "hello"), ("HEAD", "")] {
            let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{content}");
            let (seen, rest) = Proxy::start().await.answered(method, &response).await;
            let expected = "connection: close\ncontent-length: 5\nvia: 1.1 method-policy";
            assert_eq!(seen, format!("HTTP/1.1 200 OK\n{expected}"));
            assert_eq!(rest, content);
        }
    }
}

#[tokio::test]
async fn bytes_after_a_response_without_content_are_not_the_next_response() {
    for (method, status, fields) in [
        ("GET", "204 No Content", "content-length: 9"),
        ("GET", "204 No Content", "transfer-encoding: chunked"),
        ("GET", "304 Not Modified", "content-length: 9"),
        ("HEAD", "200 OK", "content-length: 9"),
        ("HEAD", "200 OK", "transfer-encoding: chunked"),
    ] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) =
            proxy.begun(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let smuggled = "HTTP/1.1 200 Smuggled\r\ncontent-length: 0\r\n\r\n";
        upstream.send(format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n{smuggled}")).await;
        let head = client.receive_head().await;
        starts_with(&head, format!("{status}\r\n"));
        assert!(!head.contains("transfer-encoding"), "{head}");
        let length = head.lines().find(|line| line.starts_with("content-length"));
        let expected = "content-length: 9";
        let is_kept = method == "HEAD" && fields == expected;
        assert_eq!(length, is_kept.then_some(expected), "{head}");
        // The proxy does not use this connection again.
        client.send(GET).await;
        let mut next = proxy.upstream().await;
        next.receive_head().await;
        next.send(EMPTY_OK).await;
        assert_eq!(client.receive().await, OK);
    }
}

#[tokio::test]
async fn a_request_with_an_ambiguous_end_is_rejected() {
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
        let post = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n1\r\na\r\n0\r\n\r\n");
        starts_with(&proxy.rejected(post).await, format!("{status} "));
    }
    let mut lengths = request("POST", "http://a/");
    for length in ["0", "1"] {
        let length = HeaderValue::from_static(length);
        lengths.headers_mut().append("content-length", length);
    }
    http2_is_rejected(&proxy, lengths).await;
    proxy.stop().await;
}

/// Asserts that hyper or the proxy rejects the request.
async fn http2_is_rejected(proxy: &Proxy, request: Request<Empty<Bytes>>) {
    let mut client = http2(proxy.address).await;
    let answer = within(client.send_request(request)).await;
    assert!(answer.is_err() || answer.unwrap().status() == 400);
}

#[tokio::test]
async fn a_request_without_exactly_one_valid_host_gets_a_400() {
    let proxy = Proxy::start().await;
    for fields in ["", "host: a\r\nhost: b\r\n", "host: a\r\nhost: a\r\n"] {
        let get = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        starts_with(&proxy.rejected(get).await, "400 ");
    }
    let mut without = request("GET", "/a");
    *without.version_mut() = Version::HTTP_2;
    without.headers_mut().remove("host");
    http2_is_rejected(&proxy, without).await;

    let short = [
        "a/", "a?x", "a#y", "/", "", " ", "a b", "a\tb", "a\\b", "<a>", "a\"", "a|b", "a{b", "a^b",
        "a`b", "a%2f", "a%", "\u{e9}", ":80", "a:b", "a:80:80", "a:-1", "a:+1", "a: 1", "u@a",
        "@a", "a@", "u:p@b", "[::1", "::1", "[::1]a", "[::1]80", "[a]", "[]", "a[b]", "a, b",
        "http://a",
    ];
    for host in short.into_iter().chain(["a/../b?x#y", "[fe80::1%25eth0]"]) {
        for (start, fields) in [
            ("GET / HTTP/1.1", ""),
            ("GET / HTTP/1.0", ""),
            ("POST http://b/ HTTP/1.1", ""),
            ("OPTIONS / HTTP/1.1", "max-forwards: 0\r\n"),
        ] {
            let request = format!("{start}\r\nhost: {host}\r\n{fields}\r\n");
            let answer = proxy.rejected(&request).await;
            let version = &start[start.len() - 3..];
            let expected = format!("HTTP/{version} 400 Bad Request");
            assert_eq!(answer.lines().next(), Some(&*expected), "{request}");
        }
    }
    for authority in ["a:b", "a:80:80", "[a]", "[::1]a", "a[b]", ":80"] {
        let get = format!("GET http://{authority}/ HTTP/1.1\r\nhost: a\r\n\r\n");
        starts_with(&proxy.rejected(get).await, "400 ");
    }
    for host in "a 1.2.3.4:80 [::1] [::1]:80 a: a,b A.b-c_d~e xn--9ca".split(' ') {
        let get = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let head = proxy.forwarded(get).await;
        assert!(head.contains(&format!("\nhost: {host}\n")), "{head}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_request_whose_target_is_not_a_path_gets_a_400() {
    let proxy = Proxy::start().await;
    let starts = "GET host:80,POST host:80,OPTIONS host:80,GET host,GET *,POST *,TRACE *,GET host/path,\
                  GET ?query,GET #fragment,GET http:/path,GET http://,GET http:///path,\
                  GET u@host:80,GET [::1]:80,GET **,OPTIONS *?query,OPTIONS **";
    for start in starts.split(',') {
        for fields in ["", "max-forwards: 0\r\n"] {
            let request = format!("{start} HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
            starts_with(&proxy.rejected(request).await, "400 Bad Request\r\n");
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_policy_and_the_upstream_see_the_same_path() {
    let proxy = Proxy::start().await;
    let host = "HTTP/1.1\r\nhost: a\r\n\r\n";
    // The rule for `/health` does not list DELETE.
    for target in ["/health", "/health?x", "/health#x", "http://b/health", "http://b/health?x#y"] {
        let answer = proxy.rejected(format!("DELETE {target} {host}")).await;
        starts_with(&answer, "405 ");
        assert!(answer.contains("\r\nallow: GET, HEAD\r\n"), "{answer}");
        let head = proxy.forwarded(format!("GET {target} {host}")).await;
        assert!(head.starts_with("GET /health"), "{target}: {head}");
    }
    let mut client = http2(proxy.address).await;
    let (status, ..) = read(client.send_request(request("DELETE", "http://a/health?x"))).await;
    assert_eq!(status, 405);
    // The policy and the upstream read these as other paths.
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
        let head = proxy.forwarded(format!("DELETE {target} {host}")).await;
        let start = format!("DELETE {sent} HTTP/1.1\n");
        assert!(head.starts_with(&start), "{target}: {head}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn the_smallest_number_of_max_forwards_limits_options_and_trace() {
    let proxy = Proxy::start().await;
    let request = |method: &str, values: &[&str]| {
        let fields = values.iter().map(|value| format!("max-forwards: {value}\r\n"));
        let fields: String = fields.collect();
        format!("{method} / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
    };
    for (values, expected) in [
        (&["1"][..], "0"),
        (&["10"], "9"),
        (&["0001"], "0"),
        (&["5", "3"], "2"),
        (&["3", "5", "4"], "2"),
        (&["5, 3"], "2"),
        (&["007", "99999999999999999999"], "6"),
        (&["99999999999999999999"], "4294967295"),
    ] {
        for method in ["OPTIONS", "TRACE"] {
            let head = proxy.forwarded(request(method, values)).await;
            let expected = format!("host: a\nmax-forwards: {expected}\nvia: 1.1 method-policy");
            assert_eq!(head, format!("{method} / HTTP/1.1\n{expected}"));
        }
        // Other methods have no limit (RFC 9110 §7.6.2).
        for method in ["GET", "PURGE"] {
            let head = proxy.forwarded(request(method, values)).await;
            let lines = head.lines().filter_map(|line| line.strip_prefix("max-forwards: "));
            assert_eq!(lines.collect::<Vec<_>>(), values);
        }
    }
    let head = proxy.forwarded(request("GET", &["0"])).await;
    assert!(head.contains("\nmax-forwards: 0\n"), "{head}");
    for (values, status) in [
        (&["5", "0"][..], 200),
        (&["5, 0"], 200),
        // A request with an invalid limit must not be forwarded without one.
        (&["-1"], 400),
        (&[""], 400),
        (&["5", "x"], 400),
        (&["\u{663}"], 400),
        (&["1.0"], 400),
    ] {
        for method in ["OPTIONS", "TRACE"] {
            let answer = proxy.rejected(request(method, values)).await;
            starts_with(&answer, format!("{status} "));
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_request_in_a_loop_is_answered_with_508() {
    let proxy = Proxy::start().await;
    // The proxy receives its own requests again. In the last case, it removes the `Via` of the first request.
    for mut request in [
        GET.to_owned(),
        "PURGE / HTTP/1.0\r\nvia: 1.1 a (b, c)\r\nhost: a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: via\r\nvia: 1.1 method-policy\r\n\r\n".to_owned(),
    ] {
        for _ in 0..6 {
            request = proxy.forwarded(request).await.replace('\n', "\r\n") + "\r\n\r\n";
        }
        starts_with(&proxy.rejected(request).await, "508 Loop Detected\r\n");
    }

    // The passes are counted over all lines of `Via`.
    let own = "1.1 method-policy";
    for (via, loops) in [
        (format!("via: {}\r\n", [own; 5].join(", ")), false),
        (format!("via: {}\r\n", [own; 6].join(",")), true),
        (format!("via: {own}\r\n").repeat(5), false),
        (format!("via: 2.0 method-policy\r\nvia: {own}\r\n").repeat(3), true),
        // A byte outside ASCII hides nothing.
        (format!("via: 1.1 a (\u{e9}), {own}\r\n").repeat(6), true),
        ("via: 1.1 other, 2.0 method\r\n".repeat(6), false),
    ] {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{via}\r\n");
        if loops {
            starts_with(&proxy.rejected(request).await, "508 ");
        } else {
            let head = proxy.forwarded(request).await;
            assert!(head.ends_with("via: 1.1 method-policy"), "{head}");
        }
    }
    proxy.stop().await;
}
