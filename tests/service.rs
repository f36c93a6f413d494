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

use crate::support::strategies::{METHODS, any_method, block_on, method, policies, set, uris};

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

/// Its hash is `u64::MAX`, so the slot after its own is found by an addition that overflows.
const LAST_SLOT: &str = "mPIbMJq8U7IPVo16";

#[test]
fn a_method_whose_hash_is_the_largest_number_is_not_implemented() {
    let (crafted, uri) = (method(LAST_SLOT), Uri::from_static("/"));
    for policy in [
        Policy::new(),
        Policy::new().allow([method("REPORT")]),
        Policy::new().allow(set("REPORT PROPFIND SEARCH PURGE BAN")),
    ] {
        assert_eq!(status(&policy, &crafted, &uri), StatusCode::NOT_IMPLEMENTED);
        let allowing = policy.allow(crafted.clone());
        assert_eq!(status(&allowing, &crafted, &uri), StatusCode::OK);
    }
}

/// The first and the last eight bytes of these names are those of the other.
#[test]
fn a_method_with_the_ends_of_another_is_not_that_one() {
    let uri = Uri::from_static("/");
    for (allowed, asked) in [
        ("BASELINE-CONTROL", "BASELINEX-CONTROL"),
        ("BASELINEX-CONTROL", "BASELINE-CONTROL"),
        ("UPDATEREDIRECTREF", "UPDATEREREDIRECTREF"),
    ] {
        let (allowed, asked) = (method(allowed), method(asked));
        let policy = Policy::new().allow(allowed);
        assert_eq!(status(&policy, &asked, &uri), StatusCode::NOT_IMPLEMENTED);
        let policy = policy.allow(asked.clone());
        assert_eq!(status(&policy, &asked, &uri), StatusCode::OK);
    }
}

/// Any method, often one with the ends of another.
fn crafted_methods() -> impl Strategy<Value = Method> {
    let stretched = (any_method(), "[AX]{0,2}").prop_map(|(base, middle)| {
        let (start, end) = base.as_str().split_at(base.as_str().len() / 2);
        method(&format!("{start}{middle}{end}"))
    });
    prop_oneof![
        4 => any_method(),
        4 => stretched,
        1 => select(vec![LAST_SLOT, "BASELINE-CONTROL", "BASELINEX-CONTROL"]).prop_map(method),
    ]
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
        allowed in proptest::collection::vec(crafted_methods(), 0..40),
        others in proptest::collection::vec(crafted_methods(), 0..40),
    ) {
        let policy = Policy::new().recognize_only([]);
        let policy = allowed.iter().fold(policy.allow([]), |policy, method| {
            policy.allow(method.clone())
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
