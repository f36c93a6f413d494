//! Checks that the rules of a policy list the methods that an axum router handles. Copy this file into
//! the tests of an application. It needs `axum`, `tower` (feature `util`), and `tower-method-policy`.

use axum::Router;
use axum::body::Body;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use tower::ServiceExt;
use tower_method_policy::{MethodSet, Policy, Rule, RuleKind};

/// Panics unless each rule of `policy` lists the methods that `router` handles there. `router` is the
/// application without the layer. `more_paths` are paths of routes at which the fallback applies.
///
/// It sends a method that no route handles. axum then names the methods of the route in `Allow`, and
/// no handler runs. List `GET` in a rule if the route has a `GET` handler, and `OPTIONS` only if it has an
/// `OPTIONS` handler, also if the layer answers `OPTIONS`.
///
/// Returns the patterns and paths at which axum sends no `Allow`, because one handler takes all methods:
/// `any`, `route_service`, and the router's fallback. Pin them in the test:
/// `assert_eq!(agree(…).await, ["/dav"])`. If such a handler answers `404`, its path counts as unknown.
///
/// axum does not list its routes, so a route that neither a rule nor `more_paths` names is not found.
pub(crate) async fn agree(router: &Router, policy: &Policy, more_paths: &[&str]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut not_compared = Vec::new();

    for rule in policy.rules() {
        let pattern = rule.pattern().expect("only the fallback has no pattern");
        let mut has_route = false;
        let mut takes_all = false;
        for path in paths_of(rule) {
            let response = ask(router, &path).await;
            match allow(response.headers()) {
                Some(handled) => differences.extend(difference(&rule.to_string(), rule, &handled)),
                None if response.status() == StatusCode::NOT_FOUND => continue,
                None => takes_all = true,
            }
            has_route = true;
        }
        if !has_route {
            differences.push(format!("{rule}: the router has no route for it"));
        }
        if takes_all {
            not_compared.push(pattern.to_owned());
        }
    }

    for pattern in policy.exempt_paths() {
        if ask(router, &sample(pattern)).await.status() == StatusCode::NOT_FOUND {
            differences.push(format!("exempt {pattern}: the router has no route for it"));
        }
    }

    for path in more_paths {
        let response = ask(router, &sample(path)).await;
        match (allow(response.headers()), policy.rule_at(&sample(path))) {
            (_, None) => differences.push(format!("{path}: no rule applies")),
            (Some(handled), Some(rule)) => {
                differences.extend(difference(&format!("{rule} at {path}"), rule, &handled));
            }
            (None, _) if response.status() == StatusCode::NOT_FOUND => {
                differences.push(format!("{path}: the router has no route for it"));
            }
            (None, _) => not_compared.push((*path).to_owned()),
        }
    }

    differences.dedup();
    assert!(differences.is_empty(), "router and policy disagree:\n{}", differences.join("\n"));
    not_compared
}

/// The line about a rule that does not list exactly the methods that are handled.
fn difference(place: &str, rule: Rule<'_>, handled: &MethodSet) -> Option<String> {
    let listed = rule.methods();
    if listed == handled {
        return None;
    }
    let advice = if handled.contains(&Method::GET) && !listed.contains(&Method::GET) {
        " (the rule needs GET)"
    } else if listed.contains(&Method::OPTIONS) && !handled.contains(&Method::OPTIONS) {
        " (the layer adds OPTIONS, the rule need not)"
    } else {
        ""
    };
    Some(format!("{place}: the router handles [{handled}], the rule lists [{listed}]{advice}"))
}

async fn ask(router: &Router, path: &str) -> Response<Body> {
    let request = Request::builder().method("X-UNKNOWN").uri(path);
    let request = request.body(Body::empty()).expect("a valid path");
    let Ok(response) = router.clone().oneshot(request).await;
    response
}

/// The methods of a response's `Allow`, if it has one.
fn allow(headers: &HeaderMap) -> Option<MethodSet> {
    let allow = headers.get(ALLOW)?.to_str().expect("`Allow` is ASCII");
    Some(allow.parse().expect("`Allow` is a list of methods"))
}

/// Paths at which a rule applies.
fn paths_of(rule: Rule<'_>) -> Vec<String> {
    let path = sample(rule.pattern().unwrap_or_default());
    match rule.kind() {
        RuleKind::Subtree => vec![path.clone(), format!("{path}/"), format!("{path}/sample")],
        RuleKind::Route | RuleKind::Fallback => vec![path],
    }
}

/// A path that `pattern` matches. Each parameter becomes a segment.
fn sample(pattern: &str) -> String {
    let mut path = String::new();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // Two braces stand for one.
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
