//! The responses that HTTP/1.x and HTTP/2 clients receive from real servers with the layer.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper_util::rt::TokioIo;
use support::serve::Server;
use support::server::{Connection, http2, read, request, within};
use tokio::net::TcpStream;
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, MethodSet, Policy, ProblemDetails, Respond};

type Body = Full<Bytes>;

/// Answers with the method and the path of the request.
async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let asked = format!("{} {}", request.method(), request.uri().path());
    let mut response = Response::new(Body::default());
    let length = HeaderValue::from(asked.len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    // Over HTTP/2, hyper would send the content of an answer to HEAD (RFC 9110 §9.3.2).
    if request.method() != Method::HEAD {
        *response.body_mut() = Body::from(asked);
    }
    Ok(response)
}

async fn serve<R>(layer: MethodPolicyLayer<R>) -> Server
where
    R: Respond<Body> + Send + Sync + 'static,
{
    Server::start(layer.layer(service_fn(echo))).await
}

/// A layer whose rules list the methods of WebDAV at and below `/dav`, and `GET` and `POST` elsewhere.
fn layer() -> MethodPolicyLayer {
    let policy = Policy::new().fallback([Method::GET, Method::POST]);
    MethodPolicyLayer::new(policy.subtree("/dav", MethodSet::WEBDAV).unwrap())
}

/// The response of [`echo`].
fn echoed(asked: &str) -> String {
    let length = asked.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{asked}")
}

const NOT_ALLOWED: &str =
    "HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD, POST\r\ncontent-length: 0\r\n\r\n";

const NOT_ALLOWED_AND_CLOSED: &str = "HTTP/1.1 405 Method Not Allowed\r\n\
    allow: GET, HEAD, POST\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

const NOT_ALLOWED_BELOW_DAV: &str = "HTTP/1.1 405 Method Not Allowed\r\n\
    allow: GET, HEAD, PUT, DELETE, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, UNLOCK\r\n\
    content-length: 0\r\n\r\n";

const NOT_IMPLEMENTED: &str = "HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n";

/// Sends the requests one after the other on one connection. Compares each response, except for its `Date`.
async fn converse(address: SocketAddr, requests: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::open(address).await;
    for (head, expected) in requests {
        connection.send(format!("{head}\r\nhost: a\r\n\r\n")).await;
        assert_eq!(connection.receive().await, *expected, "{head:.80}");
    }
    connection
}

// RFC 9112 §9.3: a connection persists unless one side closes it. RFC 9112 §3.2: the forms of a
// request target.
#[tokio::test]
async fn a_connection_stays_open_after_rejections_of_requests_without_a_body() {
    let server = serve(layer()).await;
    let requests = [
        ("GET / HTTP/1.1", &*echoed("GET /")),
        ("DELETE / HTTP/1.1", NOT_ALLOWED),
        ("FOO / HTTP/1.1", NOT_IMPLEMENTED),
        ("PROPFIND /dav/a HTTP/1.1", &echoed("PROPFIND /dav/a")),
        ("POST /dav/a HTTP/1.1", NOT_ALLOWED_BELOW_DAV),
        // RFC 9110 §9.1: the method token is case-sensitive.
        ("get / HTTP/1.1", NOT_IMPLEMENTED),
        ("!#$%&'*+-.^_`|~0aZ / HTTP/1.1", NOT_IMPLEMENTED),
        // RFC 9110 §18.2 reserves `*`. RFC 9113 §3.4 reserves `PRI`: its preface is `PRI * HTTP/2.0`.
        ("* / HTTP/1.1", NOT_IMPLEMENTED),
        ("PRI * HTTP/1.1", NOT_IMPLEMENTED),
        // The absolute form has a path, and path rules apply to it.
        ("DELETE http://a/dav/b?c HTTP/1.1", &echoed("DELETE /dav/b")),
        ("POST http://a/dav/b HTTP/1.1", NOT_ALLOWED_BELOW_DAV),
        ("DELETE http://a HTTP/1.1", NOT_ALLOWED),
        // The asterisk-form has no path.
        ("OPTIONS * HTTP/1.1", NOT_ALLOWED),
        // HTTP/1.0 clients get the same answers.
        (
            "DELETE / HTTP/1.0\r\nconnection: keep-alive",
            "HTTP/1.0 405 Method Not Allowed\r\nallow: GET, HEAD, POST\r\n\
             connection: keep-alive\r\ncontent-length: 0\r\n\r\n",
        ),
    ];
    converse(server.address, &requests).await;
    // Each of these is the last request on its connection. Another protocol may follow a CONNECT (RFC 9110
    // §9.3.6).
    for (request, expected) in [
        ("CONNECT b:443 HTTP/1.1", NOT_ALLOWED_AND_CLOSED),
        ("FOO / HTTP/1.0", "HTTP/1.0 501 Not Implemented\r\ncontent-length: 0\r\n\r\n"),
        (
            "FOO / HTTP/1.1\r\nconnection: close",
            "HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        ),
    ] {
        let requests = [("GET / HTTP/1.1", &*echoed("GET /")), (request, expected)];
        let mut connection = converse(server.address, &requests).await;
        assert!(connection.is_closed().await, "{request}");
    }
}

/// gRPC over HTTP/2, "Responses": one header section that ends the stream.
#[tokio::test]
async fn a_rejected_grpc_call_ends_with_its_header_section() {
    let policy = Policy::new().fallback([Method::GET]);
    let layer = MethodPolicyLayer::new(policy).respond_with(ProblemDetails);
    let server = serve(layer).await;
    let mut http2 = http2(server.address).await;
    let mut call = request("POST", "http://a/service/method");
    let content_type = HeaderValue::from_static("application/grpc");
    call.headers_mut().insert("content-type", content_type);
    let response = within(http2.send_request(call)).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["grpc-status"], "12");
    assert_eq!(response.headers()["allow"], "GET, HEAD");
    assert!(response.body().is_end_stream());
}

async fn http1(address: SocketAddr) -> conn::http1::SendRequest<Empty<Bytes>> {
    let stream = within(TcpStream::connect(address)).await.unwrap();
    let handshake = conn::http1::handshake(TokioIo::new(stream));
    let (client, connection) = within(handshake).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn http_2_clients_receive_the_same_answers_as_http_1_1_clients() {
    let server = serve(layer().respond_with(ProblemDetails)).await;
    let mut http1 = http1(server.address).await;
    let mut http2 = http2(server.address).await;
    for (method, target, status) in [
        ("GET", "/", 200),
        ("HEAD", "/dav/a", 200),
        ("POST", "/", 200),
        ("POST", "/dav/a", 405),
        ("DELETE", "/", 405),
        ("PROPFIND", "/dav/a", 200),
        ("OPTIONS", "*", 405),
        ("get", "/", 501),
        ("FOO", "/", 501),
        ("PRI", "/", 501),
        ("CONNECT", "b:443", 405),
    ] {
        let mut over_http1 = read(http1.send_request(request(method, target))).await;
        let with_authority = match target {
            "*" | "b:443" => target.to_owned(),
            path => format!("http://a{path}"),
        };
        let over_http2 = read(http2.send_request(request(method, with_authority))).await;

        // In HTTP/2, a CONNECT ends only its stream (RFC 9113 §8.5).
        let closed = over_http1.1.remove("connection");
        assert_eq!(closed.is_some(), method == "CONNECT");
        assert_eq!(over_http1, over_http2, "{method} {target}");
        assert_eq!(over_http2.0, status, "{method} {target}");
        // RFC 9113 §8.2.2.
        assert!(!over_http2.1.contains_key("connection"));
    }
}
