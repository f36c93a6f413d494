//! Checks that the rules of a policy list the methods that an axum router handles. Copy this file into
//! the tests of an application. It needs `axum`, `tower` (feature `util`), and `tower-method-policy`.

use axum::Router;
use axum::body::Body;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use tower::ServiceExt;
use tower_method_policy::{MethodSet, Policy, Rule, RuleKind};

/// Panics unless each rule of `policy` lists the methods that `router` handles at its path. `router` is the
/// application without the layer. `more_paths` are paths or patterns of routes at which the fallback applies.
///
/// `agree` sends requests with an unknown method. axum answers with the methods of the route in `Allow` and runs
/// no handler, unless one handler takes all methods.
///
/// If a route has a `GET` handler, its rule must list `GET`. A rule must not list `OPTIONS` if the route has no
/// `OPTIONS` handler, even if the layer answers `OPTIONS`.
///
/// Returns the patterns and paths at which axum sends no `Allow`, because one handler takes all methods
/// (`any`, `route_service`, the router's fallback). Compare them with the list that you expect:
/// `assert_eq!(agree(…).await, ["/dav"])`. If such a handler answers `404`, `agree` reports that the router has
/// no route.
///
/// axum does not list its routes. To compare a route without a rule, add its path to `more_paths`.
pub(crate) async fn agree(router: &Router, policy: &Policy, more_paths: &[&str]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut not_compared = Vec::new();

    for rule in policy.rules() {
        let pattern = rule.pattern().expect("only the fallback has no pattern");
        let mut has_route = false;
        let mut takes_all_methods = false;
        for path in paths_of(rule) {
            let response = send_unknown_method(router, &path).await;
            match allow(response.headers()) {
                Some(handled) => differences.extend(difference(&rule.to_string(), rule, &handled)),
                None if response.status() == StatusCode::NOT_FOUND => continue,
                None => takes_all_methods = true,
            }
            has_route = true;
        }
        if !has_route {
            differences.push(format!("{rule}: the router has no route for it"));
        }
        if takes_all_methods {
            not_compared.push(pattern.to_owned());
        }
    }

    for pattern in policy.exempt_paths() {
        if send_unknown_method(router, &sample(pattern)).await.status() == StatusCode::NOT_FOUND {
            differences.push(format!("exempt {pattern}: the router has no route for it"));
        }
    }

    for path in more_paths {
        let response = send_unknown_method(router, &sample(path)).await;
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

/// Describes the difference between the methods of `rule` and the `handled` methods, if there is one.
fn difference(place: &str, rule: Rule<'_>, handled: &MethodSet) -> Option<String> {
    let listed = rule.methods();
    if listed == handled {
        return None;
    }
    let advice = if handled.contains(&Method::GET) && !listed.contains(&Method::GET) {
        " (add GET to the rule)"
    } else if listed.contains(&Method::OPTIONS) && !handled.contains(&Method::OPTIONS) {
        " (remove OPTIONS from the rule; `answer_options` adds it)"
    } else {
        ""
    };
    Some(format!("{place}: the router handles [{handled}], the rule lists [{listed}]{advice}"))
}

async fn send_unknown_method(router: &Router, path: &str) -> Response<Body> {
    let request = Request::builder().method("X-UNKNOWN").uri(path);
    let request = request.body(Body::empty()).expect("a valid path");
    let Ok(response) = router.clone().oneshot(request).await;
    response
}

/// Returns the methods in `Allow`, or `None` if there is no `Allow`.
fn allow(headers: &HeaderMap) -> Option<MethodSet> {
    let allow = headers.get(ALLOW)?.to_str().expect("`Allow` is ASCII");
    Some(allow.parse().expect("`Allow` is a list of methods"))
}

/// Returns paths at which `rule` applies.
fn paths_of(rule: Rule<'_>) -> Vec<String> {
    let path = sample(rule.pattern().unwrap_or_default());
    match rule.kind() {
        RuleKind::Subtree => vec![path.clone(), format!("{path}/"), format!("{path}/sample")],
        _ => vec![path],
    }
}

/// Returns a path that `pattern` matches. Each parameter becomes `sample`.
fn sample(pattern: &str) -> String {
    let mut path = String::new();
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // `{{` and `}}` are escaped braces.
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
