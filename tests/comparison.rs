//! Tests the comparison table of the README: how this crate and its alternatives answer for one route.
//!
//! Each test is a row. The row of nginx is tested in `tests/integration/clients/infrastructure.py`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

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

/// Checks a row of the table:
///
/// - the statuses for an unknown method, for a method that is not allowed, and for `OPTIONS`
/// - the `Allow` of the answer to the method that is not allowed
/// - whether a client that is still sending a large body receives this answer
async fn check<S, F>(app: S, statuses: [u16; 3], allow: Option<&str>, answers_upload: bool)
where
    S: Service<Request, Response = Response<Body>, Error = Infallible, Future = F>,
    S: Clone + Send + Sync + 'static,
    F: Send,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app.into_make_service()).into_future());
    let client = tokio::task::spawn_blocking(move || {
        let answers = ["FOO", "DELETE", "OPTIONS"].map(|method| ask(address, method));
        // Without a drain, a client may still receive the answer by chance.
        (answers, (0..5).all(|_| is_upload_answered(address)))
    });
    let (answers, is_upload_answered) = client.await.unwrap();
    server.abort();
    assert_eq!(answers.each_ref().map(|answer| answer.0), statuses);
    assert_eq!(answers[1].1.as_deref(), allow);
    assert_eq!(is_upload_answered, answers_upload);
}

/// Sends a request with `method`. Returns the status and the `Allow` of the answer.
fn ask(address: SocketAddr, method: &str) -> (u16, Option<String>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("{method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let mut lines = answer.lines();
    let allow = lines.find_map(|line| line.strip_prefix("allow: "));
    (answer[9..12].parse().unwrap(), allow.map(str::to_owned))
}

/// Returns whether a client that first sends a large body and then reads receives an answer.
fn is_upload_answered(address: SocketAddr) -> bool {
    const MIB: usize = 1 << 20;
    let mut stream = TcpStream::connect(address).unwrap();
    let length = 32 * MIB;
    let head = format!("DELETE / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let is_sent = (0..32).all(|_| stream.write_all(&[0; MIB]).is_ok());
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    is_sent && stream.read(&mut [0; 64]).is_ok_and(|length| length > 0)
}

/// axum sends the `405` and its `Allow`.
#[tokio::test]
async fn this_crate_without_rules() {
    let layer = MethodPolicyLayer::default().answer_options(true);
    let app = layer.layer(router());
    check(app, [501, 405, 200], Some("GET,HEAD,POST"), false).await;
}

#[tokio::test]
async fn this_crate_with_a_rule() {
    let policy = Policy::new().fallback([Method::GET, Method::POST]);
    let layer = MethodPolicyLayer::new(policy).answer_options(true);
    let app = layer.layer(router());
    check(app, [501, 405, 200], Some("GET, HEAD, POST, OPTIONS"), true).await;
}

#[tokio::test]
async fn axums_router_alone() {
    check(router(), [405; 3], Some("GET,HEAD,POST"), false).await;
}

#[tokio::test]
async fn axums_method_not_allowed_fallback() {
    let app = router().method_not_allowed_fallback(async || StatusCode::IM_A_TEAPOT);
    check(app, [418; 3], Some("GET,HEAD,POST"), false).await;
}

fn is_allowed(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::POST)
}

fn teapot() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::IM_A_TEAPOT;
    response
}

#[tokio::test]
async fn the_validate_request_header_layer_of_tower_http() {
    #[allow(clippy::result_large_err, reason = "the layer needs this type")]
    fn validate(request: &mut Request) -> Result<(), Response<Body>> {
        is_allowed(request).then_some(()).ok_or_else(teapot)
    }
    let validate = ValidateRequestHeaderLayer::custom(validate);
    check(validate.layer(router()), [418; 3], None, false).await;
}

#[tokio::test]
async fn a_match_on_the_method() {
    let app = service_fn(async |request: Request| {
        Ok(if is_allowed(&request) { Response::new(Body::from("found")) } else { teapot() })
    });
    check(app, [418; 3], None, false).await;
}
