//! A policy in front of gRPC services, called by tonic's client.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{GrpcStatus, MethodPolicyLayer, Policy, Respond};

use crate::support::grpc::grpc;
use crate::support::serve::Server;
use crate::support::server::within;

/// Serves the gRPC health service, which says that it is serving.
async fn serve<R>(layer: MethodPolicyLayer<R>) -> Server
where
    R: Respond<Body> + Clone + Send + Sync + 'static,
{
    let (_, health) = tonic_health::server::health_reporter();
    let service = layer.layer(Routes::new(health).prepare());
    Server::start(service.map_request(|request: Request<Incoming>| request.map(Body::new))).await
}

async fn check(client: &mut HealthClient<Channel>) -> Result<ServingStatus, Code> {
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

/// Allows `POST`, which gRPC needs, except to one procedure.
fn without_watch() -> MethodPolicyLayer {
    let policy = Policy::new().allow([Method::POST]);
    MethodPolicyLayer::new(policy.route("/grpc.health.v1.Health/Watch", []).unwrap())
}

#[tokio::test]
async fn a_client_is_served_through_the_policy() {
    let policy = Policy::new().allow([Method::POST]);
    let server = serve(MethodPolicyLayer::new(policy).respond_with(GrpcStatus)).await;
    let mut client = grpc(server.address).await;
    assert_eq!(check(&mut client).await, Ok(ServingStatus::Serving));
    assert_eq!(watch(&mut client).await, Ok(ServingStatus::Serving));
}

#[tokio::test]
async fn a_rejected_client_sees_unimplemented_from_grpc_status() {
    let server = serve(without_watch().respond_with(GrpcStatus)).await;
    let mut client = grpc(server.address).await;
    assert_eq!(watch(&mut client).await, Err(Code::Unimplemented));
    assert_eq!(check(&mut client).await, Ok(ServingStatus::Serving));
}

// gRPC maps neither 405 nor 501 to a status of its own.
#[tokio::test]
async fn a_rejected_client_sees_unknown_from_an_empty_body() {
    let server = serve(without_watch()).await;
    let mut client = grpc(server.address).await;
    assert_eq!(watch(&mut client).await, Err(Code::Unknown));
    assert_eq!(check(&mut client).await, Ok(ServingStatus::Serving));
}

/// A client that streams and waits for the answer gets it.
#[tokio::test]
async fn a_bidirectional_stream_is_answered() {
    let inner = service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let layer = MethodPolicyLayer::new(Policy::new().allow([])).respond_with(GrpcStatus);
    let server = Server::start(layer.layer(inner)).await;
    let endpoint = Endpoint::new(format!("http://{}", server.address)).unwrap();
    let channel = within(endpoint.connect()).await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    for _ in 0..2 {
        within(client.ready()).await.unwrap();
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
        let path = PathAndQuery::from_static("/a.Service/Bidirectional");
        let first = HealthCheckRequest::default();
        let requests = tonic::Request::new(stream::iter([first]).chain(stream::pending()));
        let status = within(client.streaming(requests, path, codec))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}

#[tokio::test]
async fn a_service_is_called_without_a_server() {
    let (_, health) = tonic_health::server::health_reporter();
    let service = without_watch()
        .respond_with(GrpcStatus)
        .layer(Routes::new(health));

    // A service is a channel, as far as the client is concerned.
    let mut client = HealthClient::new(service.clone());
    let reply = client.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(reply.into_inner().status(), ServingStatus::Serving);
    let rejected = client
        .watch(HealthCheckRequest::default())
        .await
        .unwrap_err();
    assert_eq!(rejected.code(), Code::Unimplemented);

    // A client may tell its codec by the subtype, and only recognizes a reply of the same type.
    for (content_type, grpc_status) in [(Some("application/grpc+proto"), Some("12")), (None, None)]
    {
        let mut request = Request::put("/grpc.health.v1.Health/Check");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let request = request.body(Body::empty()).unwrap();
        let rejected = service.clone().oneshot(request).await.unwrap();
        assert_eq!(rejected.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(rejected.headers()["allow"], "GET, HEAD, POST");
        let text = |name| {
            rejected
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(text("grpc-status"), grpc_status);
        assert_eq!(text("content-type"), content_type);
    }
}

// This holds if it compiles.
#[test]
fn the_layer_is_accepted_by_the_server() {
    let layer = MethodPolicyLayer::default().on_rejection(|_, _| {});
    let _ = tonic::transport::Server::builder().layer(layer.respond_with(GrpcStatus));
}
