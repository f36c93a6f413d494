//! A reverse proxy behind a policy, with hyper's server and hyper-util's pooled client.
//!
//! Clients use HTTP/1.1 or cleartext HTTP/2. The upstream uses HTTP/1.1. Content is streamed.
//!
//! ```text
//! cargo run --features hyper --example hyper 127.0.0.1:3001
//!                                             # an upstream
//! cargo run -p example-reverse-proxy [-- ADDRESS [UPSTREAM]]
//!                                             # default: 127.0.0.1:3000 http://127.0.0.1:3001
//!
//! curl -i http://127.0.0.1:3000/ -d 'Hello!'  # 201, from the upstream, as `Via` shows
//! curl -i http://127.0.0.1:3000/ -X DELETE    # 405, from the upstream
//! curl -i http://127.0.0.1:3000/health -X PUT # 405, from the proxy
//! curl -i http://127.0.0.1:3000/ -X FOO       # 501, from the proxy
//! curl -i http://127.0.0.1:3000/ -X TRACE -H 'Max-Forwards: 0'
//!                                             # 200, the request as it reached the proxy
//! curl -i http://127.0.0.1:3000/ -X M-PUT -H 'Man: "http://example.com/ext"'
//!                                             # from the upstream, which does not implement it
//! ```
//!
//! The policy handles the HTTP Extension Framework (RFC 2774). The proxy forwards end-to-end extensions (`Man`). It
//! supports no hop-by-hop extension (`C-Man`), so it answers 510.
//!
//! The answer is 502 if the upstream is down or its response is invalid. The proxy forwards neither upgrades, such as
//! WebSocket, nor informational responses. It does not limit the time or the size of content.

#[path = "../../common/mod.rs"]
mod common;
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
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::time::sleep;
use tower::{Layer, service_fn};
use tower_method_policy::rfc2774::MandatoryExtensions;
use tower_method_policy::{MethodPolicyLayer, MethodSet, PlainText, Policy, PolicyError, Respond};

use crate::fields::OrStatus;

/// The content from the client, from the upstream, or from the proxy itself.
type ProxyBody = UnsyncBoxBody<Bytes, hyper::Error>;

fn forwarded(body: Incoming) -> ProxyBody {
    body.map_frame(fields::prepare_frame).boxed_unsync()
}

fn own(body: Full<Bytes>) -> ProxyBody {
    body.map_err(|never| match never {}).boxed_unsync()
}

/// The methods that the upstream handles.
///
/// `TRACE` is one of them because the proxy handles `Max-Forwards`. `CONNECT` is not, because it asks
/// for a tunnel (RFC 9110 §9.3.6).
fn policy() -> Result<Policy, PolicyError> {
    let others = MethodSet::from_static("PURGE, BAN");
    let standard = MethodSet::STANDARD - Method::CONNECT;
    let policy = Policy::new().fallback(standard | MethodSet::WEBDAV | others);
    policy.route("/health", [Method::GET])
}

struct Proxy {
    client: Client<HttpConnector, ProxyBody>,
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

        let response = self.client.request(request.map(forwarded)).await;
        let mut response = response.map_err(|error| {
            eprintln!("no response from {}: {error:?}", self.upstream);
            StatusCode::BAD_GATEWAY
        })?;
        // The proxy never asks for an upgrade (RFC 9110 §15.2.2).
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(StatusCode::BAD_GATEWAY);
        }
        fields::prepare_response(&mut response)?;
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(forwarded))
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
        .mandatory_extensions(MandatoryExtensions::at_proxy())
        .respond_with_fn(|rejection, request| PlainText.respond(rejection, request).map(own));
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
    let proxy = Arc::new(Proxy { client, upstream, policy });
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
        let connection = server.serve_connection(TokioIo::new(stream), service.clone());
        // Most errors mean that the client went away.
        tokio::spawn(connections.watch(connection.into_owned()));
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
