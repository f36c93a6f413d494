//! WebSockets behind a policy: over HTTP/1.1 they begin with a GET, over HTTP/2 with an extended
//! CONNECT (RFC 8441).

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::SocketAddr;

use axum::extract::Request;
use axum::extract::ws::{Message as AxumMessage, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::{Router, ServiceExt};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, StatusCode, Version};
use http_body_util::Empty;
use hyper::client::conn;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, Policy};

use crate::support::server::within;

/// Sends every text back.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(AxumMessage::Text(text))) = socket.recv().await {
            socket.send(AxumMessage::Text(text)).await.unwrap();
        }
    })
}

/// A server that ends with the set.
async fn serve(layer: MethodPolicyLayer) -> (SocketAddr, JoinSet<()>) {
    let app = layer.layer(Router::new().route("/echo", any(echo)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let app = ServiceExt::<Request>::into_make_service(app);
        axum::serve(listener, app).await.unwrap();
    });
    (address, tasks)
}

/// The status of the answer to a WebSocket's beginning, and what a text is answered.
async fn greet(address: SocketAddr, version: Version) -> (StatusCode, Option<String>) {
    let stream = TokioIo::new(within(TcpStream::connect(address)).await.unwrap());
    let request = http::Request::builder().version(version).header("sec-websocket-version", "13");
    let mut response = if version == Version::HTTP_2 {
        let handshake = conn::http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), stream);
        let (mut client, connection) = within(handshake).await.unwrap();
        tokio::spawn(connection);
        // With an answer the server's settings have arrived, and so that it takes an extended CONNECT.
        let first = http::Request::get(format!("http://{address}/"));
        let answer = client.send_request(first.body(Empty::new()).unwrap());
        within(answer).await.unwrap();
        let request = request
            .method(Method::CONNECT)
            .uri(format!("http://{address}/echo"))
            .extension(Protocol::from_static("websocket"));
        within(client.send_request(request.body(Empty::new()).unwrap())).await
    } else {
        let handshake = conn::http1::handshake::<_, Empty<Bytes>>(stream);
        let (mut client, connection) = within(handshake).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let request = request
            .uri("/echo")
            .header("host", address.to_string())
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        within(client.send_request(request.body(Empty::new()).unwrap())).await
    }
    .unwrap();
    let status = response.status();
    if !matches!(status, StatusCode::OK | StatusCode::SWITCHING_PROTOCOLS) {
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
    let (address, _tasks) = serve(MethodPolicyLayer::default()).await;
    for (version, status) in
        [(Version::HTTP_11, StatusCode::SWITCHING_PROTOCOLS), (Version::HTTP_2, StatusCode::OK)]
    {
        let hello = Some("Hello!".to_owned());
        assert_eq!(greet(address, version).await, (status, hello));
    }
}

#[tokio::test]
async fn a_rule_has_to_list_connect() {
    let policy = Policy::new().fallback([Method::GET]);
    let (address, _tasks) = serve(MethodPolicyLayer::new(policy.clone())).await;
    let rejected = (StatusCode::METHOD_NOT_ALLOWED, None);
    assert_eq!(greet(address, Version::HTTP_2).await, rejected);

    let policy = policy.route("/echo", [Method::CONNECT]).unwrap();
    let (address, _tasks) = serve(MethodPolicyLayer::new(policy)).await;
    let hello = Some("Hello!".to_owned());
    assert_eq!(greet(address, Version::HTTP_2).await, (StatusCode::OK, hello));
}
