//! A client of gRPC servers.

use std::net::SocketAddr;

use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_client::HealthClient;

use super::server::within;

pub(crate) async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    within(endpoint.connect()).await.unwrap()
}

pub(crate) async fn grpc(address: SocketAddr) -> HealthClient<Channel> {
    HealthClient::new(channel(address).await)
}
