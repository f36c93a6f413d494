//! The rows of the table in `docs/security.md` about paths, tested with axum, `ServeDir`, and handlers that serve one
//! resource at several paths. `decision_table.rs` tests the other rows.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::delete;
use http::{Method, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::services::ServeDir;
use tower_method_policy::{MethodPolicyLayer, Policy};

/// A policy that rejects `DELETE /admin`.
fn policy() -> Policy {
    let policy = Policy::new().route("/admin", [Method::GET]);
    let methods = [Method::GET, Method::DELETE];
    policy.unwrap().subtree("/public", methods).unwrap()
}

/// A service that answers 200 if `normalize` turns the path into `/admin`, and otherwise 404.
fn service(
    normalize: fn(&str) -> String,
) -> impl Service<Request, Response = Response<Body>, Error = Infallible, Future: Send> + Clone {
    service_fn(move |request: Request| async move {
        let mut response = Response::new(Body::empty());
        if normalize(request.uri().path()) != "/admin" {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        Ok(response)
    })
}

/// Returns the status of the answer to a request such as `GET /x`.
async fn status<S, B>(policy: &Policy, inner: S, line: &str) -> u16
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let app = MethodPolicyLayer::new(policy.clone()).layer(inner);
    let Ok(response) = app.oneshot(request).await;
    response.status().as_u16()
}

fn resolve_dots(path: &str) -> String {
    let segments = path.split('/').skip(1);
    segments.fold(String::new(), |resolved, segment| match segment {
        "." => resolved,
        ".." => resolved.rsplit_once('/').unwrap_or_default().0.to_owned(),
        segment => resolved + "/" + segment,
    })
}

fn decode(path: &str) -> String {
    let mut parts = path.split('%');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |decoded, part| {
        let code = u8::from_str_radix(&part[..2], 16).unwrap();
        decoded + &char::from(code).to_string() + &part[2..]
    })
}

fn before(path: &str, end: char) -> String {
    path.split(end).next().unwrap_or_default().to_owned()
}

fn merge_slashes(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| format!("/{segment}")).collect()
}

/// Each path that a handler treats as `/admin`, and whether the strictest fallback protects it.
#[tokio::test]
async fn rules_do_not_apply_to_other_spellings_of_a_path() {
    type Normalize = fn(&str) -> String;
    let cases: &[(&str, Normalize, bool)] = &[
        ("/public/../admin", resolve_dots, false),
        ("/public/a/./../../admin", resolve_dots, false),
        ("/other/../admin", resolve_dots, true),
        ("/%61dmin", decode, true),
        ("/Admin", str::to_ascii_lowercase, true),
        ("//admin", merge_slashes, true),
        ("/admin//", merge_slashes, true),
        ("/admin/", merge_slashes, true),
        ("/admin%00", |path| before(&decode(path), '\0'), true),
        ("/admin;jsessionid=1", |path| before(path, ';'), true),
        ("/admin.json", |path| before(path, '.'), true),
    ];
    let strict = policy().fallback([Method::GET]);
    for &(path, normalize, fallback_helps) in cases {
        let inner = service(normalize);
        let line = format!("DELETE {path}");
        assert_eq!(status(&policy(), inner.clone(), "DELETE /admin").await, 405);
        assert_eq!(status(&policy(), inner.clone(), &line).await, 200, "{line}");
        let expected = if fallback_helps { 405 } else { 200 };
        assert_eq!(status(&strict, inner, &line).await, expected, "{line}");
    }
}

#[tokio::test]
async fn axum_and_serve_dir_do_not_resolve_dot_segments() {
    let router = Router::new().route("/admin", delete("deleted"));
    let router = router.nest_service("/files", ServeDir::new("tests/data"));
    for (line, expected) in [
        ("DELETE /public/../admin", 404),
        ("DELETE /%61dmin", 404),
        ("DELETE /admin/", 404),
        ("GET /files/http-methods.csv", 200),
        ("GET /files/%68ttp-methods.csv", 200),
        ("GET /files/a/../http-methods.csv", 404),
        ("GET /files/a%2f..%2fhttp-methods.csv", 404),
    ] {
        assert_eq!(status(&policy(), router.clone(), line).await, expected, "{line}");
    }
}
