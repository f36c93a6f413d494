//! Tests programs that new users write. Some of them must compile. The others must fail with a helpful error.
//!
//! The programs in `compile/` fail. The test runs rustc on them, with the crates that cargo has built for this
//! test. It compares only parts of the errors, because the other parts depend on the version of rustc. The tests
//! never run with the oldest supported Rust, because a dev-dependency does not compile with it.

#![cfg(all(unix, feature = "serde", feature = "rfc2774"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{Empty, Full};
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_method_policy::{
    EmptyBody, MethodExcerpt, MethodPolicyLayer, MethodSet, PlainText, Policy, PolicyError,
    ProblemDetails, Rejection, Respond, method_excerpt,
};

// Programs that compile.

#[tokio::test]
async fn a_closure_needs_no_type_annotations() {
    let tag = String::from("v1");
    let layer = MethodPolicyLayer::default().respond_with_fn(move |rejection, request| {
        let text = format!("{tag} {} {}", rejection.reason(), request.uri.path());
        Response::new(Body::from(text))
    });
    let request = Request::builder().method("FOO").uri("/a").body(Body::empty());
    let service = layer.layer(Router::<()>::new());
    let response = service.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    let body = axum::body::to_bytes(response.into_body(), 100).await;
    assert_eq!(body.unwrap(), "v1 not_implemented /a");
}

#[test]
fn a_responder_can_be_a_function_or_a_closure() {
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
fn a_layer_with_a_closure_and_an_excerpt_can_be_fields_of_a_struct_with_debug() {
    type Closure = fn(&Rejection, &http::request::Parts) -> Response<Body>;

    #[derive(Clone, Debug)]
    struct App<'a> {
        layer: MethodPolicyLayer<Closure>,
        method: MethodExcerpt<'a>,
    }
    let layer: MethodPolicyLayer<Closure> =
        MethodPolicyLayer::default().respond_with(|_, _| Response::new(Body::empty()));
    let app = App { layer, method: method_excerpt(&Method::PUT) };
    let tag = String::from("v1");
    let layer =
        app.layer.clone().respond_with_fn(move |_, _| Response::new(Body::from(tag.clone())));
    let service = layer.layer(Router::<()>::new());
    let app = app.clone();
    assert_eq!(app.method.to_string(), "PUT");
    assert!(format!("{app:?}").contains("MethodPolicyLayer { settings: "));
    assert!(format!("{service:?}").starts_with("MethodPolicy { inner: Router"));
}

/// `Arc` makes one type of several responders. axum needs a service that is `Clone`, `Send`, and `Sync`.
#[test]
fn a_responder_can_be_chosen_at_run_time() {
    type Dynamic = Arc<dyn Respond<Body> + Send + Sync>;
    let choices: [Dynamic; 3] = [
        Arc::new(PlainText),
        Arc::new(EmptyBody),
        Arc::new(|_: &Rejection, _: &http::request::Parts| Response::new(Body::from("v1"))),
    ];
    for responder in choices {
        let service =
            MethodPolicyLayer::default().respond_with(responder).layer(Router::<()>::new());
        let _ = tower::util::BoxCloneSyncService::<Request, _, _>::new(service);
    }
}

#[test]
fn every_function_that_takes_methods_takes_text_through_a_set() -> Result<(), PolicyError> {
    let cal = MethodSet::from_static("GET, PUT, REPORT");
    let policy = Policy::new()
        .route("/cal", MethodSet::from_static("GET, PUT, REPORT"))?
        .route("/cal/{id}", &cal)?
        .subtree("/", MethodSet::from_static("GET"))?
        .recognize(&Method::TRACE)
        .recognize_only(&cal)
        .fallback(&Method::GET);
    assert_eq!(policy.rule_at("/cal").unwrap().methods(), &(cal | &Method::HEAD));
    Ok(())
}

/// The names come from a database row or the command line, so a mistake is an error at run time.
#[test]
fn methods_from_outside_are_parsed_with_an_error_that_a_program_can_return() {
    fn add(policy: Policy, row: &(String, String)) -> Result<Policy, Box<dyn Error>> {
        Ok(policy.route(&row.0, row.1.parse::<MethodSet>()?)?)
    }
    for (methods, is_valid) in [("GET, PURGE", true), ("get", false)] {
        let row = ("/a".to_owned(), methods.to_owned());
        assert_eq!(add(Policy::new(), &row).is_ok(), is_valid);
    }
}

// Programs that do not compile.

/// The crates of this test as `NAME=FILE`. Cargo has already built them, so it only prints their files.
static CRATES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--all-features", "--no-run", "--test", "compile"]);
    cargo.args(["--message-format", "json", "--quiet", "--locked"]);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    cargo.arg("--target-dir").arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let mut crates = Vec::new();
    for message in messages.map(Result::unwrap) {
        let files = message["filenames"].as_array().into_iter().flatten();
        let is_library =
            |file: &&str| [".rlib", ".so", ".dylib"].iter().any(|end| file.ends_with(end));
        let file = files.filter_map(Value::as_str).find(is_library);
        if let (Some(file), Some(name)) = (file, message["target"]["name"].as_str()) {
            crates.push(format!("{}={file}", name.replace('-', "_")));
        }
    }
    crates
});

/// Compiles the program `compile/{name}.rs` and returns rustc's errors.
fn errors(name: &str) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args("--edition 2024 --crate-type bin --emit metadata".split(' '));
    rustc.args(["--color", "never", "-A", "warnings", "-o"]);
    rustc.arg(directory.join(format!("{name}.rmeta")));
    // The crates that the programs import.
    let direct = "axum bytes http http_body_util hyper hyper_util tokio tower tower_http \
        tower_method_policy";
    for path in &*CRATES {
        let (name, file) = path.split_once('=').unwrap();
        if direct.split(' ').any(|direct| direct == name) {
            rustc.args(["--extern", path]);
        }
        let directory = Path::new(file).parent().unwrap().display();
        if name == "http" {
            rustc.arg(format!("-Ldependency={directory}"));
        }
    }
    rustc.arg(format!("tests/compile/{name}.rs"));
    let output = rustc.current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.unwrap();
    assert!(!output.status.success(), "{name} must not compile");
    String::from_utf8(output.stderr).unwrap()
}

/// Asserts that the first error contains all of `parts` and quotes the program's line with `code`.
fn assert_first_error(name: &str, code: &str, parts: &[&str]) {
    let errors = errors(name);
    let first = errors.split("\n\nerror").next().unwrap();
    for part in parts {
        assert!(first.contains(part), "the first error of {name} lacks {part:?}:\n{errors}");
    }
    assert!(first.contains(code), "the first error of {name} does not quote {code:?}:\n{errors}");
    let first_line = errors.lines().find(|line| line.starts_with("error"));
    assert!(first.contains(first_line.unwrap()), "{errors}");
    assert!(first.lines().count() < 45, "{errors}");
}

#[test]
fn errors_name_the_set_where_text_is_given_for_methods() {
    let text = ["the trait bound `MethodSet: From<&str>` is not satisfied", "`Policy::route`"];
    assert_first_error("text_as_methods", "\"GET, REPORT\")", &text);
    assert_first_error("parsed_methods", "\"GET, REPORT\".parse()?)", &["Policy"]);
}

/// The last error cannot name `respond_with_fn`, but it shows the line with the mistake.
#[test]
fn errors_explain_the_body_type_or_show_the_closure() {
    let hint = "see \"Body types\" in the documentation of `tower_method_policy::Respond`";
    let incoming = [
        "`EmptyBody` cannot build a response with the body type `hyper::body::Incoming`",
        "`EmptyBody` needs a body that implements `Default`",
        hint,
    ];
    let boxed = [
        "`ProblemDetails` cannot build a response with the body type `BoxBody<",
        "`PlainText` and `ProblemDetails` one that implements `From<bytes::Bytes>`",
        hint,
    ];
    let another = [
        "cannot build a response with the body type `Body`",
        "give a closure to `respond_with_fn`, and let it return `http::Response<Body>`",
    ];
    let changed = [
        "`ProblemDetails` cannot build a response with the body type `CompressionBody<",
        "`tower_http::map_response_body::MapResponseBodyLayer::new(axum::body::Body::new)`",
    ];
    assert_first_error("layer_that_changes_the_body", "into_make_service(app)", &changed);
    assert_first_error("incoming_body", "TowerToHyperService::new(service)", &incoming);
    assert_first_error("box_body", "TowerToHyperService::new(service)", &boxed);
    assert_first_error("closure_with_another_body", "into_make_service(app)", &another);
    let arguments = ["expected closure that takes 2 arguments"];
    assert_first_error("closure_with_one_argument", "respond_with_fn(|rejection|", &arguments);
    let annotations = ["type annotations needed"];
    assert_first_error(
        "closure_to_respond_with",
        "respond_with(|rejection, request|",
        &annotations,
    );
}
