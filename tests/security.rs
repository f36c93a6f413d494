//! The rows of the table in `docs/security.md`, tested with axum, `ServeDir`, and handlers that serve one resource
//! at several paths.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::fs;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{any, delete};
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
    // `OPTIONS` with these fields is a preflight.
    let request = request.header("origin", "https://example.com");
    let request = request.header("access-control-request-method", "DELETE");
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

#[tokio::test]
async fn get_head_and_preflights_reach_the_service_although_no_rule_lists_them() {
    let open = service(|_| "/admin".to_owned());
    let strict = Policy::new().fallback([Method::DELETE]);
    for (line, expected) in
        [("GET /x", 200), ("HEAD /x", 200), ("OPTIONS /x", 200), ("POST /x", 405)]
    {
        assert_eq!(status(&strict, open.clone(), line).await, expected, "{line}");
    }
}

/// Each path that a handler treats as `/admin`, and whether the strictest fallback protects it.
#[tokio::test]
async fn rules_do_not_apply_to_other_spellings_of_a_path() {
    type Normalize = fn(&str) -> String;
    let cases: &[(&str, Normalize, bool)] = &[
        ("/public/../admin", resolve_dots, false),
        ("/public/./../admin", resolve_dots, false),
        ("/public/a/../../admin", resolve_dots, false),
        ("/other/../admin", resolve_dots, true),
        ("/%61dmin", decode, true),
        ("/admi%6E", decode, true),
        ("/%61%64%6d%69%6e", decode, true),
        ("/Admin", str::to_ascii_lowercase, true),
        ("/ADMIN", str::to_ascii_lowercase, true),
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

/// No policy reads these fields, so no rule and no fallback helps.
#[tokio::test]
async fn fields_with_another_path_or_method_do_not_change_the_decision() {
    let inner = service_fn(async |request: Request| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let policy =
        policy().route("/form", [Method::GET, Method::DELETE]).unwrap().fallback([Method::GET]);
    for (name, value, line, expected) in [
        ("x-original-url", "/admin", "DELETE /form", 200),
        ("x-rewrite-url", "/admin", "DELETE /form", 200),
        ("x-original-url", "/form", "DELETE /admin", 405),
        ("x-http-method-override", "DELETE", "GET /admin", 200),
        ("x-http-method-override", "GET", "DELETE /admin", 405),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).header(name, value);
        let app = MethodPolicyLayer::new(policy.clone()).layer(inner);
        let Ok(response) = app.oneshot(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status().as_u16(), expected, "{line} {name}");
    }
}

/// The inner service decides, so a handler for all methods gets an unknown one.
#[tokio::test]
async fn an_any_route_handles_every_method_if_it_decides_and_no_rule_applies() {
    let router = Router::new().route("/any", any("handled")).route("/admin", any("handled"));
    for (line, expected) in
        [("FOO /any", 200), ("DELETE /any", 200), ("DELETE /admin", 405), ("FOO /admin", 501)]
    {
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        let app = MethodPolicyLayer::new(policy()).inner_decides(true).layer(router.clone());
        let Ok(response) = app.oneshot(request.unwrap()).await;
        assert_eq!(response.status().as_u16(), expected, "{line}");
    }
}

#[tokio::test]
async fn a_subtree_includes_the_trailing_slash() {
    let policy = Policy::new().subtree("/admin", [Method::GET]).unwrap();
    assert_eq!(status(&policy, service(merge_slashes), "DELETE /admin/").await, 405);
}

#[tokio::test]
async fn axum_does_not_serve_a_route_at_other_spellings_of_its_path() {
    let router = Router::new().route("/admin", delete("deleted"));
    for path in [
        "/public/../admin",
        "/%61dmin",
        "/Admin",
        "//admin",
        "/admin/",
        "/admin%00",
        "/admin;jsessionid=1",
        "/admin.json",
    ] {
        let status = status(&policy(), router.clone(), &format!("DELETE {path}")).await;
        assert_eq!(status, 404, "{path}");
    }
}

#[tokio::test]
async fn serve_dir_decodes_paths_but_does_not_resolve_dot_segments() {
    let directory = std::env::temp_dir().join(format!("serve-dir-{}", std::process::id()));
    fs::create_dir_all(directory.join("public")).unwrap();
    fs::write(directory.join("admin"), "secret").unwrap();
    for (line, expected) in [
        ("GET /admin", 200),
        ("GET /%61dmin", 200),
        ("GET /public/../admin", 404),
        ("GET /public%2f..%2fadmin", 404),
    ] {
        let serve = ServeDir::new(&directory);
        assert_eq!(status(&policy(), serve, line).await, expected, "{line}");
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_fallback_answers_405_if_you_forgot_the_rule_of_an_endpoint() {
    let router = Router::new().route("/forgotten", delete("deleted"));
    let strict = policy().fallback([Method::GET]);
    assert_eq!(status(&strict, router.clone(), "DELETE /forgotten").await, 405);
    assert_eq!(status(&policy(), router, "DELETE /forgotten").await, 200);
}
