//! Whether an axum router and a policy say the same of each path. Copy this file into the tests of an
//! application; it needs `axum`, `tower` (feature `util`) and `tower-method-policy`.

use axum::Router;
use axum::body::Body;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt;
use tower_method_policy::{MethodSet, Policy};

/// Panics unless `router`, which is not covered by the layer, serves what `policy` lists: at the path
/// of each rule, and at `more_paths`, those of routes that the default rule is for.
///
/// It asks for a method that no route has a handler for. axum then says in `Allow` which there are,
/// and these have to be the rule's. No handler runs.
///
/// Returns the patterns and paths where there is nothing to compare, for a handler takes all methods,
/// as those of `any`, `route_service` and the router's fallback do: axum then says no `Allow`. A test
/// best pins which these are, `assert_eq!(agree(…).await, ["/dav/{*path}"])`. Where such a handler
/// answers with `404`, that is taken for an unknown path.
///
/// A route that neither a rule nor `more_paths` names is not found: axum does not list its routes.
pub(crate) async fn agree(router: &Router, policy: &Policy, more_paths: &[&str]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut not_compared = Vec::new();
    let patterns = policy.rules().map(|(pattern, _)| pattern);
    for pattern in patterns.chain(more_paths.iter().copied()) {
        let path = sample(pattern);
        let request = Request::builder().method("X-UNKNOWN").uri(&path);
        let request = request.body(Body::empty()).expect("a path as in a request");
        let Ok(response) = router.clone().oneshot(request).await;

        let routed = allow(response.headers());
        let ruled = policy.allowed_at(&path).map(|rule| rule.methods());
        match (routed, ruled) {
            (Some(routed), Some(ruled)) if routed == *ruled => {}
            (Some(routed), Some(ruled)) => differences.push(format!(
                "{pattern}: the router has [{routed}], the policy [{ruled}]"
            )),
            (_, None) => differences.push(format!("{pattern}: the policy has no rule for it")),
            (None, _) if response.status() == StatusCode::NOT_FOUND => {
                differences.push(format!("{pattern}: the router has no route for {path}"));
            }
            (None, _) => not_compared.push(pattern.to_owned()),
        }
    }
    assert!(
        differences.is_empty(),
        "router and policy disagree:\n{}",
        differences.join("\n")
    );
    not_compared
}

/// The methods of a response's `Allow`, if it has one.
fn allow(headers: &HeaderMap) -> Option<MethodSet> {
    let allow = headers.get(ALLOW)?.to_str().expect("an `Allow` is ASCII");
    Some(allow.parse().expect("an `Allow` is a list of methods"))
}

/// A path that `pattern` matches: each parameter becomes a segment.
fn sample(pattern: &str) -> String {
    let mut path = String::new();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // Two stand for one.
            '{' if characters.next_if_eq(&'{').is_some() => path.push('{'),
            '}' if characters.next_if_eq(&'}').is_some() => path.push('}'),
            '{' => {
                characters.by_ref().find(|&c| c == '}');
                path += "sample";
            }
            c => path.push(c),
        }
    }
    path
}
