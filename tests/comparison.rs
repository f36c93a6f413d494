//! The comparison table of the README: what other ways to answer methods do in front of one route.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use axum::{Router, ServiceExt as _};
use http::{Method, Response, StatusCode};
use tower::{Layer, Service, service_fn};
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tower_method_policy::{MethodPolicyLayer, Policy};

fn router() -> Router {
    Router::new().route("/", get("got").post("posted"))
}

/// What a row of the table says.
#[derive(Debug, PartialEq)]
struct Row {
    unknown: u16,
    wrong: u16,
    options: u16,
    /// The `Allow` of the answer to a wrong method.
    allow: Option<String>,
    /// Whether a client that is still sending gets the answer to a wrong method.
    answers_upload: bool,
}

async fn observe<S, F>(app: S) -> Row
where
    S: Service<Request, Response = Response<Body>, Error = Infallible, Future = F>,
    S: Clone + Send + Sync + 'static,
    F: Send,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a socket");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let _ = axum::serve(listener, app.into_make_service()).await;
    });
    let row = tokio::task::spawn_blocking(move || Row {
        unknown: ask(address, "FOO").0,
        wrong: ask(address, "DELETE").0,
        options: ask(address, "OPTIONS").0,
        allow: ask(address, "DELETE").1,
        // The kernel may deliver an answer by chance.
        answers_upload: (0..5).all(|_| upload(address)),
    });
    let row = row.await.expect("no panic");
    server.abort();
    row
}

/// The status and the `Allow` of the answer to `method`.
fn ask(address: SocketAddr, method: &str) -> (u16, Option<String>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("{method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("a request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer[9..12].parse().expect("a status");
    let mut lines = answer.lines();
    let allow = lines.find_map(|line| line.strip_prefix("allow: "));
    (status, allow.map(str::to_owned))
}

/// Whether a client that sends all of a large body and then reads gets an answer.
fn upload(address: SocketAddr) -> bool {
    const MIB: usize = 1 << 20;
    let mut stream = TcpStream::connect(address).expect("a connection");
    let length = 32 * MIB;
    let head = format!("DELETE / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .expect("a request is sent");
    for _ in 0..32 {
        if stream.write_all(&[0; MIB]).is_err() {
            return false;
        }
    }
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    stream.read(&mut [0; 64]).is_ok_and(|length| length > 0)
}

#[tokio::test]
async fn this_crate_without_rules() {
    let layer = MethodPolicyLayer::default().answer_options(true);
    let row = observe(layer.layer(router())).await;
    let expected = Row {
        unknown: 501,
        wrong: 405,
        options: 200,
        allow: Some("GET,HEAD,POST".to_owned()),
        // The answer is axum's.
        answers_upload: false,
    };
    assert_eq!(row, expected);
}

#[tokio::test]
async fn this_crate_with_a_rule() {
    let policy = Policy::new().fallback([Method::GET, Method::POST]);
    let layer = MethodPolicyLayer::new(policy).answer_options(true);
    let row = observe(layer.layer(router())).await;
    let expected = Row {
        unknown: 501,
        wrong: 405,
        options: 200,
        allow: Some("GET, HEAD, POST, OPTIONS".to_owned()),
        answers_upload: true,
    };
    assert_eq!(row, expected);
}

#[tokio::test]
async fn axums_router_alone() {
    let row = observe(router()).await;
    let expected = Row {
        unknown: 405,
        wrong: 405,
        options: 405,
        allow: Some("GET,HEAD,POST".to_owned()),
        answers_upload: false,
    };
    assert_eq!(row, expected);
}

#[tokio::test]
async fn axums_method_not_allowed_fallback() {
    let own = async || (StatusCode::IM_A_TEAPOT, "own");
    let row = observe(router().method_not_allowed_fallback(own)).await;
    let expected = Row {
        unknown: 418,
        wrong: 418,
        options: 418,
        allow: Some("GET,HEAD,POST".to_owned()),
        answers_upload: false,
    };
    assert_eq!(row, expected);
}

#[tokio::test]
async fn tower_https_validate_request_header_layer() {
    let validate = ValidateRequestHeaderLayer::custom(|request: &mut Request| {
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
            return Ok(());
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        Err(response)
    });
    let row = observe(validate.layer(router())).await;
    let expected = Row {
        unknown: 418,
        wrong: 418,
        options: 418,
        allow: None,
        answers_upload: false,
    };
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_match_on_the_method() {
    let service = service_fn(async |request: Request| {
        let mut response = Response::new(Body::from("found"));
        match *request.method() {
            Method::GET | Method::HEAD | Method::POST => {}
            _ => *response.status_mut() = StatusCode::IM_A_TEAPOT,
        }
        Ok(response)
    });
    let row = observe(service).await;
    let expected = Row {
        unknown: 418,
        wrong: 418,
        options: 418,
        allow: None,
        answers_upload: false,
    };
    assert_eq!(row, expected);
}
