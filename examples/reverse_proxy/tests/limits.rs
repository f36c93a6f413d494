//! Clients and upstreams that never end what they begin.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use support::proxy::{EMPTY_OK, Proxy};
use support::server::{http2, request, within};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Each of these takes until a time limit of the proxy, so they are done at once.
#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed_and_so_is_the_other_side() {
    let proxy = Proxy::start().await;
    let sockets = proxy.sockets();

    let silent = async {
        assert!(proxy.client().await.is_closed().await);
    };
    let upload = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na";
    let (mut client_of_upload, mut upstream_of_upload) = proxy.asked(upload).await;
    let stalled_upload = async {
        upstream_of_upload.receive_head().await;
        let answer = client_of_upload.receive_head().await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(upstream_of_upload.receive_rest().await, "a");
    };
    let (mut client_of_answered, mut upstream_of_answered) = proxy.asked(upload).await;
    let stalled_upload_with_a_response = async {
        upstream_of_answered.receive_head().await;
        upstream_of_answered
            .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nb")
            .await;
        assert_eq!(upstream_of_answered.receive_rest().await, "a");
        assert!(
            client_of_answered
                .receive_rest()
                .await
                .ends_with("\r\n\r\nb")
        );
    };
    let (mut client_of_response, mut upstream_of_response) = proxy.asked(GET).await;
    let stalled_response = async {
        upstream_of_response.receive_head().await;
        upstream_of_response
            .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nb")
            .await;
        assert!(
            client_of_response
                .receive_rest()
                .await
                .ends_with("\r\n\r\nb")
        );
        assert_eq!(upstream_of_response.receive_rest().await, "");
    };
    let (client_of_download, mut upstream_of_download) = proxy.asked(GET).await;
    let download_that_is_not_read = async {
        upstream_of_download.receive_head().await;
        upstream_of_download
            .send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
            .await;
        while upstream_of_download.try_send(vec![0; 1024 * 1024]).await {}
        drop(client_of_download);
    };
    let mut client = http2(proxy.address).await;
    let response = tokio::spawn(client.send_request(request("GET", "http://a/")));
    let mut upstream_of_http2 = proxy.upstream().await;
    let http2_download_that_is_not_read = async {
        upstream_of_http2.receive_head().await;
        upstream_of_http2
            .send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
            .await;
        let response = within(response).await.unwrap().unwrap();
        while upstream_of_http2.try_send(vec![0; 1024 * 1024]).await {}
        drop((response, client));
    };
    tokio::join!(
        silent,
        stalled_upload,
        stalled_upload_with_a_response,
        stalled_response,
        download_that_is_not_read,
        http2_download_that_is_not_read,
    );
    drop((upstream_of_download, upstream_of_http2));
    proxy.has_closed_all_but(sockets).await;
    proxy.stop().await;
}

#[tokio::test]
async fn informational_responses_without_end_make_a_504() {
    let proxy = Proxy::start().await;
    let before = proxy.peak_memory();
    let (mut client, mut upstream) = proxy.asked(GET).await;
    upstream.receive_head().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100);
    while upstream.try_send(&hints).await {}
    let answer = client.receive().await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    let growth = proxy.peak_memory() - before;
    assert!(growth < 8 * 1024 * 1024, "{growth} bytes");
    proxy.stop().await;
}

#[tokio::test]
async fn heads_and_trailers_without_end_are_given_up() {
    let flood = "x: ".to_owned() + &"y".repeat(1000) + "\r\n";
    for start in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n"] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.asked(GET).await;
        upstream.receive_head().await;
        upstream.send(start).await;
        while upstream.try_send(&flood).await {}
        let answer = client.receive().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy.asked(GET).await;
    upstream.receive_head().await;
    let chunked = "HTTP/1.1 200 OK\r\ntrailer: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    upstream.send(chunked).await;
    while upstream.try_send(&flood).await {}
    // The response does not end as if it were complete.
    assert!(!client.receive_rest().await.ends_with("0\r\n\r\n"));

    for start in ["", "GET / HTTP/1.1\r\n"] {
        let mut client = proxy.client().await;
        client.send(start).await;
        while client.try_send(&flood).await {}
    }
    // It still works.
    let (mut client, mut upstream) = proxy.asked(GET).await;
    upstream.receive_head().await;
    upstream.send(EMPTY_OK).await;
    assert!(client.receive().await.starts_with("HTTP/1.1 200 OK\r\n"));
}
