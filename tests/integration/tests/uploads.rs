//! Rejected uploads by clients that other tests do not use.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, Policy};

use crate::support::serve::Server;
use crate::support::server::within;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[tokio::test]
async fn reqwest_receives_every_answer() {
    let inner = service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET]));
    let server = Server::start(layer.layer(inner)).await;
    for size in [64 * KIB, MIB, 16 * MIB] {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = Bytes::from(vec![0; size]);
        for _ in 0..20 {
            let request = client
                .delete(format!("http://{}/", server.address))
                .body(body.clone());
            let response = within(request.send()).await.unwrap();
            assert_eq!(response.status(), 405, "{size} bytes");
        }
    }
}
