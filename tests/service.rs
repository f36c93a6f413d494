//! The service does what its policy decides, by whichever way it comes to know that.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use proptest::prelude::*;
use proptest::sample::select;
use tower::{ServiceExt, service_fn};
use tower_method_policy::{Decision, MethodPolicy, MethodSet, Policy};

use crate::support::strategies::{METHODS, any_method, block_on, method, policies, uris};

/// The status of the answer to a request; the inner service's is 200.
fn status(policy: &Policy, method: &Method, uri: &Uri) -> StatusCode {
    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let mut request = Request::new(Full::default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    let service = MethodPolicy::new(inner, policy.clone());
    let Ok(response) = block_on(service.oneshot(request));
    response.status()
}

fn decided(policy: &Policy, method: &Method, uri: &Uri) -> StatusCode {
    match policy.decide(method, uri.path()) {
        Decision::Forward => StatusCode::OK,
        Decision::NotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Decision::NotImplemented => StatusCode::NOT_IMPLEMENTED,
    }
}

proptest! {
    #[test]
    fn a_request_is_answered_as_the_policy_decides(
        policy in policies(),
        method in prop_oneof![3 => select(METHODS).prop_map(method), 1 => any_method()],
        uri in uris(),
    ) {
        prop_assert_eq!(status(&policy, &method, &uri), decided(&policy, &method, &uri));
    }

    #[test]
    fn any_methods_are_forwarded_exactly_where_they_are_allowed(
        allowed in proptest::collection::vec(any_method(), 0..40),
        others in proptest::collection::vec(any_method(), 0..40),
    ) {
        let policy = Policy::new().recognize_only([]);
        // `PRI` and `*` cannot be allowed.
        let policy = allowed.iter().fold(policy.allow([]), |policy, method| {
            policy.clone().try_allow(method.clone()).unwrap_or(policy)
        });
        for method in allowed.iter().chain(&others) {
            let uri = Uri::from_static("/");
            prop_assert_eq!(status(&policy, method, &uri), decided(&policy, method, &uri));
        }
    }
}

#[test]
fn long_methods_that_differ_only_in_the_middle_are_told_apart() {
    let name = |n: usize| method(&format!("BEGINNING-{n:03}-THE-VERY-SAME-END"));
    let even: MethodSet = (0..100).step_by(2).map(name).collect();
    let policy = Policy::new().allow(even);
    for n in 0..100 {
        let expected = match n % 2 {
            0 => StatusCode::OK,
            _ => StatusCode::NOT_IMPLEMENTED,
        };
        assert_eq!(
            status(&policy, &name(n), &Uri::from_static("/")),
            expected,
            "{n}"
        );
    }
}
