//! A reverse proxy behind a policy, with hyper's server and hyper-util's pooled client.
//!
//! Clients use HTTP/1.1 or cleartext HTTP/2. The upstream uses HTTP/1.1. Content is streamed.
//!
//! ```text
//! cargo run --example axum 127.0.0.1:3001     # an upstream
//! cargo run -p example-reverse-proxy [-- ADDRESS [UPSTREAM]]
//!                                             # default: 127.0.0.1:3000 http://127.0.0.1:3001
//!
//! curl -i http://127.0.0.1:3000/ -d 'Hello!'  # 201, from the upstream, as `Via` shows
//! curl -i http://127.0.0.1:3000/ -X DELETE    # 405, from the upstream
//! curl -i http://127.0.0.1:3000/health -X PUT # 405, from the proxy
//! curl -i http://127.0.0.1:3000/ -X FOO       # 501, from the proxy
//! curl -i http://127.0.0.1:3000/ -X TRACE -H 'Max-Forwards: 0'
//!                                             # 200, the request as it reached the proxy
//! ```
//!
//! The answer is 502 if the upstream is down or its response is invalid, and 504 if it takes too long.
//! The proxy does not forward upgrades, such as WebSocket. It also does not forward informational responses
//! except `100 (Continue)`, because hyper's server cannot send them.

#[path = "../../common/mod.rs"]
mod common;
mod content;
mod fields;
mod max_forwards;

use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self as client, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::io::{InspectReader, InspectWriter};
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, MethodSet, PlainText, Policy, Respond};

use crate::content::Content;
use crate::fields::OrStatus;

/// The content from the upstream or from the proxy itself.
type ProxyBody = UnsyncBoxBody<Bytes, hyper::Error>;

fn own(body: Full<Bytes>) -> ProxyBody {
    body.map_err(|never| match never {}).boxed_unsync()
}

/// The time without a byte in either direction after which a client's connection is closed. This ends
/// connections without a request, stalled uploads and downloads, and responses that the upstream does not end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The methods that the upstream handles.
///
/// `TRACE` is one of them because the proxy handles `Max-Forwards`. `CONNECT` is not, because it asks
/// for a tunnel (RFC 9110 §9.3.6).
fn policy() -> Result<Policy, Box<dyn Error>> {
    let others: MethodSet = "PURGE, purge, BAN, M-SEARCH".parse()?;
    let standard = MethodSet::STANDARD - Method::CONNECT;
    let policy = Policy::new().fallback(standard | MethodSet::WEBDAV | others);
    Ok(policy.route("/health", [Method::GET])?)
}

/// The client for the upstream.
fn client() -> Client<HttpConnector, Content> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    // hyper closes a connection only after it has sent everything that it began to send. If the
    // upstream does not read, only the kernel can close the connection.
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(Duration::from_secs(10)));
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).build(connector)
}

struct Proxy {
    client: Client<HttpConnector, Content>,
    upstream: Authority,
    policy: Policy,
}

impl Proxy {
    /// The response to a request that the policy has accepted, or the status of an error.
    async fn answer(&self, mut request: Request<Incoming>) -> OrStatus<Response<ProxyBody>> {
        let host = fields::check_request(&request)?;
        if max_forwards::is_last_recipient(&mut request)? {
            let answer = max_forwards::answer(&request, &self.policy);
            return Ok(answer.map(own));
        }
        fields::prepare_request(&mut request, host)?;
        let mut uri = request.uri().clone().into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.upstream.clone());
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| StatusCode::BAD_REQUEST)?;
        // Each connection has its own version (RFC 9110 §2.5).
        *request.version_mut() = Version::HTTP_11;

        let request = Content::of_request(request);
        let overdue = content::overdue(request.body().waits_for_sender.subscribe());
        let mut response = tokio::select! {
            response = self.client.request(request) => response.map_err(|error| self.failure(&error))?,
            status = overdue => return Err(status),
        };
        // The proxy never asks for an upgrade (RFC 9110 §15.2.2).
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(StatusCode::BAD_GATEWAY);
        }
        fields::prepare_response(&mut response)?;
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(|content| Content::from(content).boxed_unsync()))
    }

    /// The status for a request that the upstream did not answer.
    fn failure(&self, error: &client::Error) -> StatusCode {
        let cause = error.source().and_then(|cause| cause.downcast_ref());
        if cause.is_some_and(hyper::Error::is_user) {
            // The client did not send all of the content, or framed it incorrectly.
            return StatusCode::BAD_REQUEST;
        }
        eprintln!("no response from {}: {error:?}", self.upstream);
        StatusCode::BAD_GATEWAY
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let [address, url] = common::arguments(["127.0.0.1:3000", "http://127.0.0.1:3001"])?;
    let authority = url.strip_prefix("http://");
    let authority = authority.map(|url| url.strip_suffix('/').unwrap_or(url));
    let upstream = authority.and_then(|authority| authority.parse().ok());
    let upstream = upstream.ok_or(format!("not an upstream, http://HOST[:PORT]: {url}"))?;
    let policy = policy()?;
    let layer = MethodPolicyLayer::new(policy.clone())
        .respond_with_fn(|rejection, request| PlainText.respond(rejection, request).map(own));
    let proxy = Arc::new(Proxy { client: client(), upstream, policy });
    let service = TowerToHyperService::new(layer.layer(service_fn(move |request| {
        let proxy = proxy.clone();
        async move {
            let answer = proxy.answer(request).await;
            let empty = ProxyBody::default();
            answer.or_else(|status| Response::builder().status(status).body(empty))
        }
    })));

    let mut server = auto::Builder::new(TokioExecutor::new());
    // With a timer, hyper limits the time that the head of a request may take.
    server.http1().timer(TokioTimer::new());
    let mut shutdown = pin!(common::shutdown_signal()?);
    let listener = common::listen_on(&address).await?;
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let log = |error: &_| eprintln!("cannot accept a connection: {error}");
        let Ok((stream, _)) = accepted.inspect_err(log) else {
            // Most likely there are no file descriptors left. Wait until some are closed.
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let active = Arc::new(Notify::new());
        let notify = active.clone();
        let on_bytes = move |_: &[u8]| notify.notify_one();
        let stream = InspectReader::new(InspectWriter::new(stream, on_bytes.clone()), on_bytes);
        let connection = server.serve_connection(TokioIo::new(stream), service.clone());
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            let idle = async { while timeout(IDLE_TIMEOUT, active.notified()).await.is_ok() {} };
            tokio::select! {
                // Most errors mean that the client went away.
                _ = connection => {}
                () = idle => {}
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
