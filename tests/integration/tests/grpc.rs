//! A policy in front of gRPC services, called by tonic's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{
    MethodPolicyLayer, PlainText, Policy, ProblemDetails, Rejection, Respond,
};

use crate::support::grpc::{channel, grpc};
use crate::support::serve::Server;
use crate::support::server::within;

/// Serves the gRPC health service. Its status is `SERVING`.
async fn serve<R>(layer: MethodPolicyLayer<R>) -> Server
where
    R: Respond<Body> + Send + Sync + 'static,
{
    let (_, health) = tonic_health::server::health_reporter();
    // `PlainText` and `ProblemDetails` cannot create tonic's body, so this uses axum's.
    Server::start(layer.layer(Routes::new(health).into_axum_router())).await
}

async fn check_call(client: &mut HealthClient<Channel>) -> Result<ServingStatus, Code> {
    let response = within(client.check(HealthCheckRequest::default())).await;
    let response = response.map_err(|status| status.code())?;
    Ok(response.into_inner().status())
}

async fn watch(client: &mut HealthClient<Channel>) -> Result<ServingStatus, Code> {
    let response = within(client.watch(HealthCheckRequest::default())).await;
    let mut stream = response.map_err(|status| status.code())?.into_inner();
    let message = within(stream.message()).await;
    let message = message.map_err(|status| status.code())?;
    Ok(message.unwrap().status())
}

/// Allows `POST`, which gRPC needs, except for one procedure.
fn without_watch() -> MethodPolicyLayer {
    let policy = Policy::new().fallback([Method::POST]);
    MethodPolicyLayer::new(policy.route("/grpc.health.v1.Health/Watch", []).unwrap())
}

/// A responder that sets a gRPC status, and a body that is no gRPC message.
fn permission_denied(_: &Rejection, _: &Parts) -> Response<Body> {
    let mut response = Response::new(Body::from("body"));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("7"));
    response
}

async fn check_rejection<R>(layer: MethodPolicyLayer<R>, code: Code)
where
    R: Respond<Body> + Send + Sync + 'static,
{
    let server = serve(layer).await;
    let mut client = grpc(server.address).await;
    assert_eq!(watch(&mut client).await, Err(code));
    assert_eq!(check_call(&mut client).await, Ok(ServingStatus::Serving));
}

#[tokio::test]
async fn a_client_gets_unimplemented_for_405_unless_the_responder_sets_a_status() {
    check_rejection(without_watch(), Code::Unimplemented).await;
    check_rejection(without_watch().respond_with(PlainText), Code::Unimplemented).await;
    let layer = without_watch().respond_with_fn(permission_denied);
    check_rejection(layer, Code::PermissionDenied).await;
}

#[tokio::test]
async fn a_client_gets_unimplemented_for_501() {
    let policy = Policy::new().recognize_only([Method::GET]);
    let server = serve(MethodPolicyLayer::new(policy).respond_with(ProblemDetails)).await;
    let mut client = grpc(server.address).await;
    assert_eq!(check_call(&mut client).await, Err(Code::Unimplemented));
    assert_eq!(watch(&mut client).await, Err(Code::Unimplemented));
}

/// The client waits for the answer before it ends its stream.
#[tokio::test]
async fn a_rejected_bidirectional_stream_is_answered() {
    let inner = service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let layer = MethodPolicyLayer::new(Policy::new().fallback([]));
    let server = Server::start(layer.layer(inner)).await;
    let mut client = tonic::client::Grpc::new(channel(server.address).await);
    for _ in 0..2 {
        within(client.ready()).await.unwrap();
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
        let path = PathAndQuery::from_static("/a.Service/Bidirectional");
        let first = HealthCheckRequest::default();
        let requests = tonic::Request::new(stream::iter([first]).chain(stream::pending()));
        let status = within(client.streaming(requests, path, codec)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}

/// tonic answers `200` with a gRPC status and never `405`, so where the inner service decides, its routes get every
/// method. A rule for each service restricts them, and the REST routes need none.
#[tokio::test]
async fn tonic_routes_merged_into_axum_need_a_rule_for_each_service() {
    let (_, health) = tonic_health::server::health_reporter();
    let rest = axum::Router::new().route("/users", axum::routing::get("users"));
    let with_fallback = Routes::new(health.clone()).into_axum_router().merge(rest.clone());
    let merged = Routes::new(health).into_axum_router().reset_fallback().merge(rest);
    let deciding = MethodPolicyLayer::default().inner_decides(true).respond_with(ProblemDetails);
    let policy = Policy::new().subtree("/grpc.health.v1.Health", [Method::POST]).unwrap();
    let with_rule = MethodPolicyLayer::new(policy).inner_decides(true).respond_with(ProblemDetails);
    let ask = async |layer: &MethodPolicyLayer<ProblemDetails>, method, path| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = layer.layer(merged.clone()).oneshot(request).await.unwrap();
        (response.status().as_u16(), response.headers().get("allow").cloned())
    };
    let check = "/grpc.health.v1.Health/Check";
    for (method, path, without, with) in [
        ("DELETE", "/users", 405, 405),
        ("FOO", "/users", 501, 501),
        ("GET", "/users", 200, 200),
        ("DELETE", check, 200, 405),
        ("FOO", check, 200, 501),
    ] {
        assert_eq!(ask(&deciding, method, path).await.0, without, "{method} {path}");
        let (status, allow) = ask(&with_rule, method, path).await;
        assert_eq!(status, with, "{method} {path}");
        let expected = if path == check { "POST" } else { "GET, HEAD" };
        let expected = (status == 405).then(|| HeaderValue::from_static(expected));
        assert_eq!(allow, expected, "{method} {path}");
    }
    // tonic's fallback answers every unknown path.
    let nowhere = || Request::delete("/nowhere").body(Body::empty()).unwrap();
    let response = deciding.layer(with_fallback).oneshot(nowhere()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &"12".parse().unwrap())
    );
    let response = deciding.layer(merged.clone()).oneshot(nowhere()).await.unwrap();
    assert_eq!(response.status(), 404);
    // A call is answered through both layers.
    let server = Server::start(with_rule.layer(merged)).await;
    let mut client = grpc(server.address).await;
    assert_eq!(check_call(&mut client).await, Ok(ServingStatus::Serving));
}

/// As docs/placement.md says: over HTTP/1.1, tonic-web answers other requests itself.
#[tokio::test]
async fn grpc_web_belongs_inside_the_policy() {
    let grpc_web = tonic_web::GrpcWebLayer::new();
    let (_, health) = tonic_health::server::health_reporter();
    let policy = MethodPolicyLayer::new(Policy::new().fallback([Method::POST]));
    let inside = policy.layer(grpc_web.layer(Routes::new(health.clone())));
    let outside = grpc_web.layer(policy.layer(Routes::new(health)));
    for (method, expected) in [("PUT", 405), ("DELETE", 405), ("FOO", 501)] {
        let request = || {
            let request = Request::builder().method(method).uri("/grpc.health.v1.Health/Check");
            request.body(tonic::body::Body::default()).unwrap()
        };
        let answer = inside.clone().oneshot(request()).await.unwrap();
        assert_eq!(answer.status(), expected, "{method}");
        let answer = outside.clone().oneshot(request()).await.unwrap();
        assert_eq!(answer.status(), 400, "{method}");
    }
}
