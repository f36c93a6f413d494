//! A layer that lets the inner service decide, around real axum routers with the layers of an application inside, and
//! over real connections.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{any, get, post};
use http_body_util::{BodyExt, Full};
use tower::Layer;
use tower_http::cors::CorsLayer;
use tower_http::services::ServeDir;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails, Rejection};

use crate::support::answer::{fields, send};
use crate::support::serve::Server;
use crate::support::server::{Connection, http2, read, request, within};

/// The layer that the README shows.
fn layer() -> MethodPolicyLayer<ProblemDetails> {
    MethodPolicyLayer::default()
        .inner_decides(true)
        .answer_options(true)
        .respond_with(ProblemDetails)
}

fn router() -> Router {
    Router::new()
        .route("/users", get("users").post("created"))
        .route("/login", post("in"))
        .route("/any", any(async |method: Method| method.to_string()))
        .nest_service("/files", ServeDir::new("tests/data"))
}

/// Sends a request. `+p` after the method makes it a preflight.
async fn ask(router: Router, method: &str, path: &str) -> Response<String> {
    let (method, preflight) = method.split_once('+').unwrap_or((method, ""));
    let mut request = Request::builder().method(method).uri(path).header("origin", "http://a");
    if preflight == "p" {
        request = request.header("access-control-request-method", "PUT");
    }
    send(layer().layer(router), request.body(Body::empty()).unwrap()).await
}

fn problem(status: u16, detail: &str, allow: &str) -> String {
    let title = if status == 405 { "Method Not Allowed" } else { "Not Implemented" };
    format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\"{allow}}}\n"
    )
}

#[tokio::test]
async fn every_405_and_501_is_the_layer_s_and_nothing_that_the_router_handles_is_rejected() {
    for (method, path, status, allow, body) in [
        ("GET", "/users", 200, None, "users"),
        ("POST", "/users", 200, None, "created"),
        ("DELETE", "/users", 405, Some("GET, HEAD, POST, OPTIONS"), "DELETE"),
        ("OPTIONS", "/users", 200, Some("GET, HEAD, POST, OPTIONS"), ""),
        ("FOO", "/users", 501, None, "FOO"),
        ("get", "/users", 501, None, "get"),
        ("GET", "/login", 405, Some("POST, OPTIONS"), "GET"),
        ("HEAD", "/login", 405, Some("POST, OPTIONS"), ""),
        ("OPTIONS", "/login", 200, Some("POST, OPTIONS"), ""),
        // An unknown path has no methods.
        ("GET", "/nowhere", 404, None, ""),
        ("FOO", "/nowhere", 404, None, ""),
        ("OPTIONS", "/nowhere", 404, None, ""),
        // An `any` route takes every method.
        ("FOO", "/any", 200, None, "FOO"),
        ("PROPFIND", "/any", 200, None, "PROPFIND"),
        ("OPTIONS", "/any", 200, None, "OPTIONS"),
        // `ServeDir` sends `Allow`.
        ("POST", "/files/http-methods.csv", 405, Some("GET, HEAD, OPTIONS"), "POST"),
        ("BREW", "/files/http-methods.csv", 501, None, "BREW"),
        ("GET", "/files/nothing", 404, None, ""),
    ] {
        let response = ask(router(), method, path).await;
        let sent = response.headers().get("allow").map(|allow| allow.to_str().unwrap());
        assert_eq!((response.status().as_u16(), sent), (status, allow), "{method} {path}");
        let expected = match status {
            405 if method != "HEAD" => {
                let names: Vec<_> = allow.unwrap().split(", ").collect();
                let allow = format!(",\"allow\":{}", serde_json::to_string(&names).unwrap());
                problem(405, &format!("The method {body} is not allowed here."), &allow)
            }
            501 => problem(501, &format!("This server does not recognize the method {body}."), ""),
            _ => body.to_owned(),
        };
        assert_eq!(*response.body(), expected, "{method} {path}");
        let is_marked = response.extensions().get::<Rejection>().is_some();
        assert_eq!(is_marked, [405, 501].contains(&status));
    }
}

/// Layers inside see each request, and add their fields to each answer.
#[tokio::test]
async fn the_layers_of_the_application_apply_to_every_answer() {
    let log = Arc::<Mutex<Vec<u16>>>::default();
    let statuses = log.clone();
    let secured = router().layer(CorsLayer::permissive()).layer(map_response(
        move |mut response: Response| {
            statuses.lock().unwrap().push(response.status().as_u16());
            let value = HeaderValue::from_static("default-src 'self'");
            response.headers_mut().insert("content-security-policy", value);
            std::future::ready(response)
        },
    ));
    for (method, path, status, logged) in [
        ("DELETE", "/users", 405, 405),
        ("GET", "/login", 405, 405),
        // The log of a layer inside has the router's status.
        ("FOO", "/users", 501, 405),
        ("FOO", "/any", 200, 200),
    ] {
        let response = ask(secured.clone(), method, path).await;
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(response.headers()["content-security-policy"], "default-src 'self'");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), [logged]);
    }
}

/// The preflight asks about another request, so the `CorsLayer` of a nested router answers it.
#[tokio::test]
async fn preflights_reach_the_cors_layer_of_a_nested_router() {
    let nested = Router::new().route("/users", get("users")).layer(CorsLayer::permissive());
    let router = Router::new().nest("/api", nested);
    let response = ask(router.clone(), "OPTIONS+p", "/api/users").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-methods"], "*");
    let response = ask(router, "DELETE", "/api/users").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
}

// Over real connections.

/// Seen: hyper sends the content of an answer to `HEAD` over HTTP/2, and the client resets the stream.
#[tokio::test]
async fn an_answer_to_head_arrives_over_http_1_and_http_2() {
    let server = Server::start(layer().layer(router())).await;
    let length =
        problem(405, "The method GET is not allowed here.", ",\"allow\":[\"POST\",\"OPTIONS\"]")
            .len();
    let expected = format!(
        "allow: POST, OPTIONS & content-length: {length} & content-type: application/problem+json"
    );

    let mut client = http2(server.address).await;
    for method in ["HEAD", "GET", "HEAD"] {
        let sent = client.send_request(request(method, "http://a/login"));
        let (status, headers, body) = read(sent).await;
        assert_eq!((status.as_u16(), &*fields(&headers)), (405, &*expected), "{method}");
        assert_eq!(body.len(), if method == "HEAD" { 0 } else { length });
    }

    let mut connection = Connection::open(server.address).await;
    for _ in 0..2 {
        connection.send("HEAD /login HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let head = connection.receive_head().await;
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {length}\r\n")), "{head}");
    }
}

/// The router answers before it reads the body. hyper reads the rest of a short one.
#[tokio::test]
async fn a_connection_can_be_used_again_unless_the_answer_says_close() {
    let server = Server::start(layer().layer(router())).await;
    for method in ["DELETE", "FOO", "OPTIONS"] {
        let mut connection = Connection::open(server.address).await;
        for _ in 0..3 {
            let body = "a".repeat(200);
            let head =
                format!("{method} /users HTTP/1.1\r\nhost: a\r\ncontent-length: 200\r\n\r\n");
            connection.send(head + &body).await;
            let answer = connection.receive().await;
            assert!(!answer.contains("connection: close"), "{answer}");
        }
        let head = format!("{method} /users HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n");
        connection.send(head).await;
        let answer = connection.receive().await;
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert_eq!(connection.receive_rest().await, "");
    }
    // The next bytes may belong to another protocol.
    let mut connection = Connection::open(server.address).await;
    connection.send("CONNECT /users HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = connection.receive_rest().await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
}

/// Over HTTP/2, an upload that the router does not read does not disturb other requests.
#[tokio::test]
async fn an_unread_upload_over_http_2_leaves_the_connection_usable() {
    let server = Server::start(layer().layer(router())).await;
    let mut client = http2(server.address).await;
    for (method, status) in [("DELETE", 405), ("FOO", 501), ("POST", 200)] {
        let request = http::Request::builder().method(method).uri("http://a/users");
        let body = Full::new(bytes::Bytes::from(vec![0; 60_000]));
        let response = within(client.send_request(request.body(body).unwrap())).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("connection"));
        within(response.into_body().collect()).await.unwrap();
    }
}
