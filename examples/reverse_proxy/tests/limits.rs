//! Clients and upstreams that never end a message or never read.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use support::server::{Connection, request, within};
use support::{GET, Proxy, starts_with};

/// The head of a response that ends with its connection.
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
/// A response without its second byte of content.
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nb";

async fn flood(connection: &mut Connection, bytes: impl AsRef<[u8]>) {
    while connection.try_send(&bytes).await {}
}

/// These wait for time limits of the proxy, so they run at the same time.
#[tokio::test]
async fn a_stalled_connection_is_closed_on_both_sides() {
    let proxy = Proxy::start().await;
    let descriptors = proxy.example.descriptors();
    let upload = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na";

    let silent = async {
        assert!(proxy.client().await.is_closed().await);
    };
    let (mut client_of_upload, mut upstream_of_upload) = proxy.begun(upload).await;
    let stalled_upload = async {
        starts_with(&client_of_upload.receive_head().await, "408 ");
        assert_eq!(upstream_of_upload.receive_rest().await, "a");
    };
    let (mut client_of_answered, mut upstream_of_answered) = proxy.begun(upload).await;
    let stalled_upload_with_a_response = async {
        upstream_of_answered.send(HALF).await;
        assert_eq!(upstream_of_answered.receive_rest().await, "a");
        assert!(client_of_answered.receive_rest().await.ends_with("\r\n\r\nb"));
    };
    let (mut client_of_response, mut upstream_of_response) = proxy.begun(GET).await;
    let stalled_response = async {
        upstream_of_response.send(HALF).await;
        assert!(client_of_response.receive_rest().await.ends_with("\r\n\r\nb"));
        assert_eq!(upstream_of_response.receive_rest().await, "");
    };
    let (client_of_download, mut upstream_of_download) = proxy.begun(GET).await;
    let download_that_is_not_read = async {
        upstream_of_download.send(ENDLESS).await;
        flood(&mut upstream_of_download, vec![0; 1024 * 1024]).await;
        drop(client_of_download);
    };
    let (response, mut upstream_of_http2) = proxy.asked_http2(request("GET", "http://a/")).await;
    let http2_download_that_is_not_read = async {
        upstream_of_http2.receive_head().await;
        upstream_of_http2.send(ENDLESS).await;
        let response = within(response).await.unwrap().unwrap();
        flood(&mut upstream_of_http2, vec![0; 1024 * 1024]).await;
        drop(response);
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
    proxy.has_descriptors(descriptors).await;
    proxy.stop().await;
}

#[tokio::test]
async fn endless_informational_responses_cause_a_504() {
    let proxy = Proxy::start().await;
    let before = proxy.peak_memory();
    let (mut client, mut upstream) = proxy.begun(GET).await;
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100);
    flood(&mut upstream, hints).await;
    starts_with(&client.receive().await, "504 ");
    let growth = proxy.peak_memory() - before;
    assert!(growth < 8 * 1024 * 1024, "{growth} bytes");
    proxy.stop().await;
}

#[tokio::test]
async fn endless_heads_and_trailers_are_cut_off() {
    let field = format!("x: {}\r\n", "y".repeat(1000));
    for start in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n"] {
        let proxy = Proxy::start().await;
        let (mut client, mut upstream) = proxy.begun(GET).await;
        upstream.send(start).await;
        flood(&mut upstream, &field).await;
        starts_with(&client.receive().await, "502 ");
    }
    let proxy = Proxy::start().await;
    let (mut client, mut upstream) = proxy.begun(GET).await;
    let chunked = "HTTP/1.1 200 OK\r\ntrailer: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    upstream.send(chunked).await;
    flood(&mut upstream, &field).await;
    // The response does not look complete.
    assert!(!client.receive_rest().await.ends_with("0\r\n\r\n"));

    for start in ["", "GET / HTTP/1.1\r\n"] {
        let mut client = proxy.client().await;
        client.send(start).await;
        flood(&mut client, &field).await;
    }
    // The proxy still works.
    proxy.forwarded(GET).await;
}
