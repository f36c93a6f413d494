//! A reverse proxy behind a policy: hyper's server in front of hyper-util's pooled client.
//!
//! Clients speak HTTP/1.1 or cleartext HTTP/2 to it, and it speaks HTTP/1.1 to one upstream. Content
//! streams both ways. What the policy rejects never reaches the upstream, and what it forwards,
//! arrives there with its method as it was sent.
//!
//! ```text
//! cargo run --example axum 127.0.0.1:3001     # an upstream
//! cargo run --manifest-path examples/reverse_proxy/Cargo.toml [-- ADDRESS [UPSTREAM]]
//!                                             # by default 127.0.0.1:3000 http://127.0.0.1:3001
//!
//! curl -i http://127.0.0.1:3000/ -d 'Hello!'  # 201, from the upstream, as `Via` shows
//! curl -i http://127.0.0.1:3000/ -X DELETE    # 405, from the upstream
//! curl -i http://127.0.0.1:3000/ -X FOO       # 501, from the proxy
//! curl -i http://127.0.0.1:3000/ -X TRACE -H 'Max-Forwards: 0'
//!                                             # 200, the request as it reached the proxy
//! ```
//!
//! An upstream that cannot be reached, or breaks off before it answers, makes a 502, and one that
//! does not answer in time a 504. What it breaks off later arrives broken off.
//!
//! Not forwarded are upgrades, such as WebSockets', and informational responses other than
//! `100 (Continue)`: hyper's server has no way to send these.

#[path = "../../common/mod.rs"]
mod common;
mod fields;
mod max_forwards;
mod upload;

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version, request};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self as client, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, MethodSet, PlainText, Policy, Rejection, Respond};

use crate::max_forwards::Hop;
use crate::upload::Upload;

/// The upstream's content, passed on as it arrives, or the proxy's own.
type ProxyBody = Either<Incoming, Full<Bytes>>;

/// How long the upstream may leave unread what it is sent, after which its connection is given up.
#[cfg(target_os = "linux")]
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes rejections.
///
/// `Incoming` has neither a default nor a constructor, so the ready responders cannot make one. They
/// make the other half of a [`ProxyBody`] instead: nothing that is forwarded gets boxed for the sake
/// of what is rejected.
fn reject(rejection: &Rejection, request: &request::Parts) -> Response<ProxyBody> {
    PlainText.respond(rejection, request).map(Either::Right)
}

/// What may be asked of the upstream: the standard methods, WebDAV's, and some that caches and UPnP
/// devices know.
///
/// `TRACE` is among them because [`max_forwards`] does for it what a proxy has to do. `CONNECT` is
/// not: it asks for a tunnel (RFC 9110 §9.3.6).
fn policy() -> Result<Policy, Box<dyn Error>> {
    let others: MethodSet = "PURGE, purge, BAN, M-SEARCH".parse()?;
    let standard = MethodSet::STANDARD - MethodSet::from(Method::CONNECT);
    Ok(Policy::new().allow(standard | MethodSet::WEBDAV | others))
}

struct Proxy {
    client: Client<HttpConnector, Upload>,
    upstream: Authority,
    policy: Policy,
}

impl Proxy {
    fn new(upstream: Authority, policy: Policy) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // hyper closes a connection only when all is sent that it has begun to send, which an upstream
        // that has stopped to read never lets happen: then the kernel has to close it.
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(STALL_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            // Closes connections that are idle for long.
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self {
            client,
            upstream,
            policy,
        }
    }

    /// The response to a request that the policy lets pass: the upstream's, unless the proxy has to
    /// answer.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<ProxyBody> {
        let (mut request, content) = request.into_parts();
        match max_forwards::next_hop(&mut request) {
            Hop::Further => {}
            Hop::Last => {
                let allow = self.policy.allowed_at(request.uri.path());
                return max_forwards::answer(&request, allow).map(Either::Right);
            }
        }
        self.forward(Request::from_parts(request, content))
            .await
            .map_or_else(
                |status| {
                    let mut response = Response::new(Either::Right(Full::default()));
                    *response.status_mut() = status;
                    response
                },
                |response| response.map(Either::Left),
            )
    }

    /// The upstream's response, or what the proxy has to say in its place.
    async fn forward(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Incoming>, StatusCode> {
        fields::prepare_request(&mut request)?;
        *request.uri_mut() = self.upstream_uri(request.uri().path_and_query())?;
        // The version is each connection's own (RFC 9110 §2.5).
        *request.version_mut() = Version::HTTP_11;

        let (request, mut watch) = upload::watch(request);
        let mut response = tokio::select! {
            response = self.client.request(request) => {
                response.map_err(|error| self.no_response(&error))?
            }
            () = watch.hangs() => return Err(StatusCode::GATEWAY_TIMEOUT),
        };

        // No upgrade was asked for, so this is no answer (RFC 9110 §15.2.2).
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(StatusCode::BAD_GATEWAY);
        }
        fields::prepare_response(&mut response);
        *response.version_mut() = Version::HTTP_11;
        Ok(response)
    }

    /// What the client is told when there is nothing to forward.
    fn no_response(&self, error: &client::Error) -> StatusCode {
        let cause = error.source().and_then(|cause| cause.downcast_ref());
        if cause.is_some_and(hyper::Error::is_user) {
            // The request's own content was broken off or is not framed as it should be.
            return StatusCode::BAD_REQUEST;
        }
        eprintln!("no response from {}: {error:?}", self.upstream);
        StatusCode::BAD_GATEWAY
    }

    /// The same path at the upstream; `*` is the upstream as a whole (RFC 9112 §3.2.4).
    fn upstream_uri(&self, path: Option<&PathAndQuery>) -> Result<Uri, StatusCode> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.upstream.clone());
        uri.path_and_query = Some(path.cloned().unwrap_or(PathAndQuery::from_static("/")));
        Uri::from_parts(uri).map_err(|_| StatusCode::BAD_REQUEST)
    }
}

/// The authority of the upstream's URL, which has nothing else.
fn upstream(url: &str) -> Result<Authority, Box<dyn Error>> {
    let parts = url.parse().map(Uri::into_parts).ok();
    parts
        .filter(|url| url.scheme == Some(Scheme::HTTP))
        .filter(|url| url.path_and_query.as_ref().is_none_or(|path| path == "/"))
        .and_then(|url| url.authority)
        .ok_or_else(|| format!("not an upstream, http://HOST[:PORT]: {url}").into())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let [address, url] = common::arguments(["127.0.0.1:3000", "http://127.0.0.1:3001"])?;
    let policy = policy()?;
    let proxy = Arc::new(Proxy::new(upstream(&url)?, policy.clone()));
    let service = MethodPolicyLayer::new(policy)
        .respond_with(reject)
        .layer(service_fn(move |request| {
            let proxy = proxy.clone();
            async { Ok::<_, Infallible>(proxy.answer(request).await) }
        }));
    let service = TowerToHyperService::new(service);

    let mut server = auto::Builder::new(TokioExecutor::new());
    // The timer closes HTTP/1.1 connections that never complete a request's header section. One on which
    // nothing is sent stays open, for which version it will be is not known yet.
    server.http1().timer(TokioTimer::new());

    let mut shutdown = pin!(common::shutdown_signal()?);
    let listener = common::listen_on(&address).await?;

    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: others have to be closed first.
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        // What streams shall not be held back until there is more of it; if that fails, it is.
        let _ = stream.set_nodelay(true);
        let connection = server.serve_connection(TokioIo::new(stream), service.clone());
        // Its error is not of interest: most often the client went away.
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
