//! Programs that new users write: those that have to compile, and the errors of those that cannot.
//!
//! `compile/*.rs` are the programs that cannot. rustc compiles them against the crates that cargo has
//! built for this test. Only parts of their errors are compared, because the rest depends on rustc. The
//! tests run with stable rustc only: a dev-dependency does not compile with the oldest one.

#![cfg(all(unix, feature = "serde", feature = "rfc2774"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{Empty, Full};
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_method_policy::{
    MethodPolicyLayer, MethodSet, Policy, ProblemDetails, Rejection, Respond,
};

// Programs that compile.

#[tokio::test]
async fn a_closure_needs_no_annotations() {
    let tag = String::from("v1");
    let layer = MethodPolicyLayer::default().respond_with_fn(move |rejection, request| {
        let text = format!("{tag} {} {}", rejection.reason(), request.uri.path());
        Response::new(Body::from(text))
    });
    let request = Request::builder()
        .method("FOO")
        .uri("/a")
        .body(Body::empty());
    let response = layer
        .layer(Router::<()>::new())
        .oneshot(request.unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    let body = axum::body::to_bytes(response.into_body(), 100)
        .await
        .unwrap();
    assert_eq!(body, "v1 not_implemented /a");
}

#[test]
fn functions_and_ready_responders_can_be_given_too() {
    fn hello(_: &Rejection, _: &http::request::Parts) -> Response<Body> {
        Response::new(Body::from("hello"))
    }
    let layer = MethodPolicyLayer::default;
    let _ = layer().respond_with_fn(hello).layer(Router::<()>::new());
    let _ = layer().respond_with(hello).layer(Router::<()>::new());
    let _ = layer().respond_with_fn(|_, _| Response::new(Body::empty()));
    let _ = layer().respond_with_fn(|rejection, request| -> Response<Full<Bytes>> {
        ProblemDetails.respond(rejection, request)
    });
    let _ = layer().respond_with_fn(|rejection, _| match rejection.allow() {
        Some(_) => Response::new(Empty::<Bytes>::new()),
        None => Response::default(),
    });
}

#[test]
fn a_setting_can_depend_on_a_condition() {
    for on in [true, false] {
        let layer = MethodPolicyLayer::default().respond_with(ProblemDetails);
        let layer = if on {
            layer.answer_options(true)
        } else {
            layer
        };
        let layer = if on { layer.report_only(on) } else { layer };
        let _service = layer.answer_options(on).layer(Router::<()>::new());
    }
}

#[test]
fn methods_can_be_given_in_every_usual_form() -> Result<(), Box<dyn std::error::Error>> {
    let list = vec![Method::GET, Method::POST];
    let mut set = MethodSet::from([Method::GET, Method::POST]);
    let expected = Policy::new().fallback(set.clone());
    for policy in [
        Policy::new().fallback(&[Method::GET, Method::POST]),
        Policy::new().fallback([Method::GET, Method::POST]),
        Policy::new().fallback(&list[..]),
        Policy::new().fallback(&list),
        Policy::new().fallback(list),
        Policy::new().fallback(&set),
        Policy::new().fallback("GET, POST".parse::<MethodSet>()?),
        Policy::new().fallback(MethodSet::try_from("GET, POST")?),
        Policy::new().fallback(MethodSet::from(Method::GET) | Method::POST),
    ] {
        assert_eq!(policy, expected);
    }
    let policy = Policy::new().route("/a", Method::PUT)?.recognize([]);
    assert_eq!(policy.rules().len(), 1);

    assert_eq!((set.clone() | Method::PUT).to_string(), "GET, POST, PUT");
    set |= Method::PUT;
    set -= Method::GET;
    assert!(set.remove(&Method::POST));
    assert_eq!(set.to_string(), "PUT");
    for method in &set {
        assert_eq!(method, Method::PUT);
    }
    Ok(())
}

#[test]
fn a_policy_can_be_built_in_a_loop() -> Result<(), tower_method_policy::PolicyError> {
    let mut policy = Policy::new();
    for path in ["/a", "/b"] {
        policy = policy.route(path, [Method::GET])?;
    }
    let paths = ["/c", "/d"];
    let policy = paths
        .iter()
        .try_fold(policy, |policy, path| policy.route(path, MethodSet::SAFE))?;
    assert_eq!(policy.rules().len(), 4);
    Ok(())
}

#[tokio::test]
async fn a_full_body_can_be_used_with_every_ready_responder() {
    let service = tower::service_fn(async |_: http::Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = MethodPolicyLayer::default()
        .respond_with(ProblemDetails)
        .layer(service);
    let response = service.oneshot(http::Request::default()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

// Programs that do not compile.

/// The `--extern` arguments for the crates of this test. Cargo has built them, so it only names them.
static CRATES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--all-features", "--no-run", "--test", "compile"]);
    cargo.args(["--message-format", "json", "--quiet", "--locked"]);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    cargo.arg("--target-dir").arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let mut crates = Vec::new();
    for message in messages.map(Result::unwrap) {
        let files = message["filenames"].as_array();
        let file = files.and_then(|files| {
            files.iter().filter_map(Value::as_str).find(|file| {
                [".rlib", ".so", ".dylib"]
                    .iter()
                    .any(|end| file.ends_with(end))
            })
        });
        if let (Some(file), Some(name)) = (file, message["target"]["name"].as_str()) {
            crates.push(format!("{}={file}", name.replace('-', "_")));
        }
    }
    crates
});

/// Returns the errors of the program `compile/{name}.rs`.
fn errors(name: &str) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args([
        "--edition",
        "2024",
        "--crate-type",
        "bin",
        "--emit",
        "metadata",
    ]);
    rustc.args(["--color", "never", "-A", "warnings", "-o"]);
    rustc.arg(directory.join(format!("{name}.rmeta")));
    let direct = [
        "axum",
        "bytes",
        "http",
        "http_body_util",
        "hyper",
        "hyper_util",
        "tokio",
        "tower",
        "tower_method_policy",
    ];
    for path in &*CRATES {
        let (name, file) = path.split_once('=').unwrap();
        if direct.contains(&name) {
            rustc.args(["--extern", path]);
        }
        let file = Path::new(file).parent().unwrap();
        if name == "http" {
            rustc
                .arg("-L")
                .arg(format!("dependency={}", file.display()));
        }
    }
    rustc.arg(format!("tests/compile/{name}.rs"));
    let output = rustc
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "{name} compiles");
    String::from_utf8(output.stderr).unwrap()
}

/// Asserts that the first error contains all of `parts`, and is about line `line` of the program.
fn assert_first_error(name: &str, line: &str, parts: &[&str]) {
    let errors = errors(name);
    let first = errors.split("\n\nerror").next().unwrap();
    for part in parts {
        assert!(first.contains(part), "{name} lacks {part:?}:\n{errors}");
    }
    assert!(
        first.contains(line),
        "{name} is not about {line:?}:\n{errors}"
    );
    let first_line = errors
        .lines()
        .find(|line| line.starts_with("error"))
        .unwrap();
    assert!(first.contains(first_line), "{errors}");
    assert!(first.lines().count() < 45, "{errors}");
}

const RECIPE: &str = "see \"Body types\" in the documentation of `tower_method_policy::Respond`";

#[test]
fn the_error_for_an_incoming_body_says_which_body_is_needed() {
    assert_first_error(
        "incoming_body",
        "TowerToHyperService::new(service)",
        &[
            "`EmptyBody` cannot build a response with the body type `hyper::body::Incoming`",
            "`EmptyBody` needs a body that implements `Default`",
            RECIPE,
        ],
    );
}

#[test]
fn the_error_for_a_box_body_says_which_body_is_needed() {
    assert_first_error(
        "box_body",
        "TowerToHyperService::new(service)",
        &[
            "`ProblemDetails` cannot build a response with the body type `BoxBody<",
            "`PlainText` and `ProblemDetails` one that implements `From<bytes::Bytes>`",
            RECIPE,
        ],
    );
}

#[test]
fn the_error_for_a_closure_with_another_body_says_which_body_is_needed() {
    assert_first_error(
        "closure_of_another_body",
        "into_make_service(app)",
        &[
            "cannot build a response with the body type `Body`",
            "give a closure to `respond_with_fn`, and let it return `http::Response<Body>`",
        ],
    );
}

#[test]
fn the_error_for_a_closure_with_one_argument_is_at_the_closure() {
    assert_first_error(
        "closure_of_one_argument",
        "respond_with_fn(|rejection|",
        &["expected closure that takes 2 arguments"],
    );
}

/// Closures are for `respond_with_fn`. This error cannot say so, but it is at the right line.
#[test]
fn the_error_for_a_closure_without_annotations_is_at_the_closure() {
    assert_first_error(
        "closure_to_respond_with",
        "respond_with(|rejection, request|",
        &["type annotations needed"],
    );
}
