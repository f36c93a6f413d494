//! The responses that HTTP/1.x and HTTP/2 clients receive from real servers with the layer.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Router, ServiceExt};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{Empty, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::answer::fields;
use support::serve::Server;
use support::server::{Connection, http2, read, request, within};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, service_fn};
use tower_method_policy::{
    BodyDrain, MethodPolicyLayer, MethodSet, Policy, ProblemDetails, Respond,
};

/// Answers with the method and the path of the request.
async fn echo<B>(request: Request<B>) -> Result<Response<Body>, Infallible> {
    let asked = format!("{} {}", request.method(), request.uri().path());
    let mut response = Response::new(Body::empty());
    let length = HeaderValue::from(asked.len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    // Over HTTP/2, hyper would send the content of an answer to HEAD (RFC 9110 §9.3.2).
    if request.method() != Method::HEAD {
        *response.body_mut() = Body::from(asked);
    }
    Ok(response)
}

/// Runs `test` with the addresses of two servers that use `layer`: one of hyper and one of axum.
async fn with_each_server<R>(layer: MethodPolicyLayer<R>, test: impl AsyncFn(SocketAddr))
where
    R: Respond<Body> + Clone + Send + Sync + 'static,
{
    let server = Server::start(layer.layer(service_fn(echo::<Incoming>))).await;
    test(server.address).await;

    let service = layer.layer(service_fn(echo::<Body>));
    let service = ServiceExt::<Request<Body>>::into_make_service(service);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // The server ends with the runtime of the test.
    tokio::spawn(async { axum::serve(listener, service).await.unwrap() });
    test(address).await;
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
    with_each_server(layer(), async |address| {
        let requests = [
            ("GET / HTTP/1.1", &*echoed("GET /")),
            ("DELETE / HTTP/1.1", NOT_ALLOWED),
            ("FOO / HTTP/1.1", NOT_IMPLEMENTED),
            ("PROPFIND / HTTP/1.1", NOT_ALLOWED),
            ("PROPFIND /dav/a HTTP/1.1", &echoed("PROPFIND /dav/a")),
            ("POST /dav/a HTTP/1.1", NOT_ALLOWED_BELOW_DAV),
            ("SEARCH /dav/a HTTP/1.1", NOT_IMPLEMENTED),
            ("POST / HTTP/1.1", &echoed("POST /")),
            // RFC 9110 §9.1: the method token is case-sensitive.
            ("get / HTTP/1.1", NOT_IMPLEMENTED),
            ("GETS / HTTP/1.1", NOT_IMPLEMENTED),
            ("M-GET / HTTP/1.1", NOT_IMPLEMENTED),
            ("!#$%&'*+-.^_`|~0aZ / HTTP/1.1", NOT_IMPLEMENTED),
            // RFC 9110 §18.2 reserves `*`. RFC 9113 §3.4 reserves `PRI`: its preface is `PRI * HTTP/2.0`.
            ("* / HTTP/1.1", NOT_IMPLEMENTED),
            ("PRI / HTTP/1.1", NOT_IMPLEMENTED),
            ("PRI * HTTP/1.1", NOT_IMPLEMENTED),
            // The absolute form has a path, and path rules apply to it.
            ("DELETE http://a/dav/b?c HTTP/1.1", &echoed("DELETE /dav/b")),
            ("POST http://a/dav/b HTTP/1.1", NOT_ALLOWED_BELOW_DAV),
            ("DELETE http://a HTTP/1.1", NOT_ALLOWED),
            ("FOO http://a/dav/b HTTP/1.1", NOT_IMPLEMENTED),
            // The asterisk-form has no path.
            ("OPTIONS * HTTP/1.1", NOT_ALLOWED),
            // HTTP/1.0 clients get the same answers.
            (
                "DELETE / HTTP/1.0\r\nconnection: keep-alive",
                "HTTP/1.0 405 Method Not Allowed\r\nallow: GET, HEAD, POST\r\n\
                 connection: keep-alive\r\ncontent-length: 0\r\n\r\n",
            ),
        ];
        converse(address, &requests).await;
        // Each of these is the last request on its connection. Another protocol may follow a CONNECT (RFC 9110
        // §9.3.6). A method that is not a token does not reach the layer.
        for (request, expected) in [
            ("CONNECT b:443 HTTP/1.1", NOT_ALLOWED_AND_CLOSED),
            ("FOO / HTTP/1.0", "HTTP/1.0 501 Not Implemented\r\ncontent-length: 0\r\n\r\n"),
            (
                "FOO / HTTP/1.1\r\nconnection: close",
                "HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ),
            (
                "F@O / HTTP/1.1",
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            ),
        ] {
            let requests = [("GET / HTTP/1.1", &*echoed("GET /")), (request, expected)];
            let mut connection = converse(address, &requests).await;
            assert!(connection.is_closed().await, "{request}");
        }
    })
    .await;
}

// RFC 9110 §9.3.2, RFC 9112 §9.3.2.
#[tokio::test]
async fn an_answer_to_head_has_no_body_and_pipelined_requests_are_answered_in_order() {
    with_each_server(layer(), async |address| {
        let mut connection = Connection::open(address).await;
        let requests = ["HEAD /dav/a", "DELETE /2", "FOO /3", "GET /4"];
        let requests = requests.map(|line| format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n"));
        connection.send(requests.concat()).await;
        assert_eq!(
            connection.receive_head().await,
            "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n"
        );
        assert_eq!(connection.receive().await, NOT_ALLOWED);
        assert_eq!(connection.receive().await, NOT_IMPLEMENTED);
        assert_eq!(connection.receive().await, echoed("GET /4"));
    })
    .await;
}

// RFC 9112 §3: "A server that receives a method longer than any that it implements SHOULD respond
// with a 501". hyper's own limits come first.
#[tokio::test]
async fn a_very_long_method_is_answered_with_501_up_to_the_limit_of_hyper() {
    /// The size of an HTTP/1.x header section that `hyper` buffers by default.
    const LIMIT: usize = 8192 + 4096 * 100;

    with_each_server(layer(), async |address| {
        let method = "M".repeat(70_000);
        let requests = [(&*format!("{method} / HTTP/1.1"), NOT_IMPLEMENTED)];
        let mut connection = converse(address, &requests).await;
        // hyper reads all these bytes. If some stayed unread, the kernel would reset the connection.
        connection.send("M".repeat(LIMIT)).await;
        assert_eq!(
            connection.receive().await,
            "HTTP/1.1 431 Request Header Fields Too Large\r\n\
             connection: close\r\ncontent-length: 0\r\n\r\n"
        );
        assert!(connection.is_closed().await);

        let mut client = http2(address).await;
        // By default, SETTINGS_MAX_HEADER_LIST_SIZE is 16 KiB. If a request has more, h2 answers 431. If it has
        // four times as much, h2 ends the connection.
        for (length, status) in [(16_000, 501), (17_000, 431), (16_000, 501)] {
            let request = request(&method[..length], "http://a/");
            assert_eq!(read(client.send_request(request)).await.0, status, "{length}");
        }
        let response = client.send_request(request(&method, "http://a/"));
        assert!(within(response).await.is_err());
    })
    .await;
}

/// RFC 9110 §9.3.7. The `405` of the router inside the layer becomes `200`.
#[tokio::test]
async fn options_is_answered_and_the_connection_stays_open() {
    const CHANGED: &str =
        "HTTP/1.1 200 OK\r\nallow: GET, HEAD, POST, OPTIONS\r\ncontent-length: 0\r\n\r\n";
    const OWN: &str = "HTTP/1.1 200 OK\r\nallow: PUT, OPTIONS\r\ncontent-length: 0\r\n\r\n";
    const WHOLE_SERVER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    let router = Router::new()
        .route("/users", get("users").post("created"))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "not allowed"))
        .route("/rule", get("not reached"));
    let policy = Policy::new().route("/rule", [Method::PUT]).unwrap();
    let layer = MethodPolicyLayer::new(policy).answer_options(true);
    let server = Server::start(layer.layer(router)).await;

    let requests = [
        ("OPTIONS /users HTTP/1.1", CHANGED),
        ("OPTIONS http://a/users?b HTTP/1.1", CHANGED),
        ("OPTIONS /rule HTTP/1.1", OWN),
        ("OPTIONS * HTTP/1.1", WHOLE_SERVER),
        ("OPTIONS /users HTTP/1.1", CHANGED),
    ];
    let mut connection = converse(server.address, &requests).await;
    let preflight = "OPTIONS /users HTTP/1.1\r\nhost: a\r\norigin: https://b\r\n\
        access-control-request-method: PUT\r\n\r\n";
    connection.send(preflight).await;
    let response = connection.receive().await;
    assert!(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nnot allowed"), "{response}");

    let mut http2 = http2(server.address).await;
    for (target, allow) in [
        ("http://a/users", "allow: GET, HEAD, POST, OPTIONS & "),
        ("http://a/rule", "allow: PUT, OPTIONS & "),
        ("*", ""),
    ] {
        let (status, headers, body) = read(http2.send_request(request("OPTIONS", target))).await;
        assert_eq!((status, &*body), (StatusCode::OK, &b""[..]), "{target}");
        assert_eq!(fields(&headers), format!("{allow}content-length: 0"));
    }
}

/// gRPC over HTTP/2, "Responses": one header section that ends the stream.
#[tokio::test]
async fn a_rejected_grpc_call_ends_with_its_header_section() {
    let policy = Policy::new().fallback([Method::GET]);
    let layer = MethodPolicyLayer::new(policy).respond_with(ProblemDetails);
    with_each_server(layer, async |address| {
        let mut http2 = http2(address).await;
        let mut call = request("POST", "http://a/service/method");
        let content_type = HeaderValue::from_static("application/grpc");
        call.headers_mut().insert("content-type", content_type);
        let response = within(http2.send_request(call)).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["grpc-status"], "12");
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        assert!(response.body().is_end_stream());
    })
    .await;
}

/// A request whose stream stays open.
fn open_request(method: &str, uri: &str) -> Request<BoxBody<Bytes, Infallible>> {
    let frame = |data| Ok::<_, Infallible>(Frame::data(Bytes::from_static(data)));
    let first = stream::iter([frame(b"\0\0\0\0\x01a"), frame(b"\0\0\0\0\x01b")]);
    let body = BoxBody::new(StreamBody::new(first.chain(stream::pending())));
    Request::builder().method(method).uri(uri).body(body).unwrap()
}

/// The bounds of this layer are hours. A layer that waited would not answer in time.
#[tokio::test]
async fn connect_and_grpc_calls_whose_stream_stays_open_are_answered_at_once() {
    let hours = Duration::from_secs(10 * 60 * 60);
    let drain =
        BodyDrain::default().timeout(hours).idle_timeout(hours).idle_timeout_unknown_length(hours);
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET])).body_drain(drain);
    with_each_server(layer, async |address| {
        let stream = within(TcpStream::connect(address)).await.unwrap();
        let handshake = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut client, connection) = within(handshake).await.unwrap();
        tokio::spawn(connection);
        let connect = open_request("CONNECT", "b:443");
        let mut call = open_request("POST", "http://a/service/method");
        let content_type = HeaderValue::from_static("application/grpc");
        call.headers_mut().insert("content-type", content_type);
        for (request, grpc_status) in [(call, Some("12")), (connect, None)] {
            let response = within(client.send_request(request)).await.unwrap();
            assert_eq!(response.status(), 405);
            assert_eq!(response.headers()["allow"], "GET, HEAD");
            let status = response.headers().get("grpc-status");
            assert_eq!(status.map(|status| status.to_str().unwrap()), grpc_status);
        }
        // Over HTTP/1.1, the client may send nothing more after a `CONNECT`.
        let mut connection = Connection::open(address).await;
        connection.send("CONNECT b:443 HTTP/1.1\r\nhost: b\r\n\r\n").await;
        assert_eq!(connection.receive().await, NOT_ALLOWED_AND_CLOSED.replace(", POST", ""));
    })
    .await;
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
    with_each_server(layer().respond_with(ProblemDetails), async |address| {
        let mut http1 = http1(address).await;
        let mut http2 = http2(address).await;
        for (method, target, status) in [
            ("GET", "/", 200),
            ("HEAD", "/dav/a", 200),
            ("POST", "/", 200),
            ("POST", "/dav/a", 405),
            ("DELETE", "/", 405),
            ("DELETE", "/dav/a", 200),
            ("PROPFIND", "/", 405),
            ("PROPFIND", "/dav/a", 200),
            ("OPTIONS", "*", 405),
            ("get", "/", 501),
            ("FOO", "/", 501),
            ("SEARCH", "/dav/a", 501),
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
    })
    .await;
}

// RFC 8441 §4: unlike other CONNECT requests, an extended CONNECT has a path.
#[tokio::test]
async fn path_rules_apply_to_an_extended_connect() {
    let server = Server::start(layer().layer(service_fn(echo::<Incoming>))).await;
    let mut client = http2(server.address).await;
    // The server's settings arrive before this answer. An extended CONNECT needs them.
    read(client.send_request(request("GET", "http://a/"))).await;
    for (path, allow) in [("/", "GET, HEAD, POST"), ("/dav/a", "GET, HEAD, PUT, DELETE, OPTIONS")] {
        let mut connect = request("CONNECT", format!("http://a{path}"));
        let protocol = Protocol::from_static("websocket");
        connect.extensions_mut().insert(protocol);
        let (status, headers, _) = read(client.send_request(connect)).await;
        assert_eq!(status, 405);
        assert!(fields(&headers).starts_with(&format!("allow: {allow}")));
    }
}
