//! WebSockets behind a policy. Over HTTP/1.1 they begin with a `GET`, and over HTTP/2 with an extended `CONNECT`
//! (RFC 8441).

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ws::{Message as AxumMessage, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Method, Version};
use http_body_util::Empty;
use hyper::client::conn;
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, Policy};

use crate::support::serve::Server;
use crate::support::server::{http2, read, request, within};

/// Sends every text back.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(AxumMessage::Text(text))) = socket.recv().await {
            socket.send(AxumMessage::Text(text)).await.unwrap();
        }
    })
}

async fn serve(layer: MethodPolicyLayer) -> Server {
    Server::start(layer.layer(Router::new().route("/echo", any(echo)))).await
}

/// Opens a WebSocket and sends a text. Returns the status, and the text that comes back.
async fn greet(address: SocketAddr, version: Version) -> (u16, Option<String>) {
    let version_13 = HeaderValue::from_static("13");
    let mut response = if version == Version::HTTP_2 {
        let mut client = http2(address).await;
        // After this answer, the client has the server's settings: it accepts an extended CONNECT.
        read(client.send_request(request("GET", "http://a/"))).await;
        let mut connect = request("CONNECT", "http://a/echo");
        connect.extensions_mut().insert(Protocol::from_static("websocket"));
        connect.headers_mut().insert("sec-websocket-version", version_13);
        within(client.send_request(connect)).await
    } else {
        let stream = TokioIo::new(within(TcpStream::connect(address)).await.unwrap());
        let handshake = conn::http1::handshake::<_, Empty<Bytes>>(stream);
        let (mut client, connection) = within(handshake).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let mut get = request("GET", "/echo");
        get.headers_mut().insert("sec-websocket-version", version_13);
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            get.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        within(client.send_request(get)).await
    }
    .unwrap();
    let status = response.status().as_u16();
    if !matches!(status, 101 | 200) {
        return (status, None);
    }
    let upgraded = within(hyper::upgrade::on(&mut response)).await.unwrap();
    let stream = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    within(socket.send(Message::text("Hello!"))).await.unwrap();
    let answer = within(socket.next()).await.unwrap().unwrap();
    (status, Some(answer.into_text().unwrap().to_string()))
}

#[tokio::test]
async fn websockets_work_behind_the_default_layer() {
    let server = serve(MethodPolicyLayer::default()).await;
    for (version, status) in [(Version::HTTP_11, 101), (Version::HTTP_2, 200)] {
        let hello = Some("Hello!".to_owned());
        assert_eq!(greet(server.address, version).await, (status, hello));
    }
}

#[tokio::test]
async fn over_http_2_a_rule_must_list_connect() {
    let policy = Policy::new().fallback([Method::GET]);
    let server = serve(MethodPolicyLayer::new(policy.clone())).await;
    assert_eq!(greet(server.address, Version::HTTP_2).await, (405, None));

    let policy = policy.route("/echo", [Method::CONNECT]).unwrap();
    let server = serve(MethodPolicyLayer::new(policy)).await;
    let hello = Some("Hello!".to_owned());
    assert_eq!(greet(server.address, Version::HTTP_2).await, (200, hello));
}
