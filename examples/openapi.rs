//! A gateway whose policy comes from an OpenAPI document of version 3. The gateway has no router, so the document is
//! the only list of the methods at each path.
//!
//! ```text
//! cargo run --example openapi [-- ADDRESS [FILE]]
//!                                # default: 127.0.0.1:3000 and the document below
//!
//! curl -i http://127.0.0.1:3000/v1/pets/1                  # 200
//! curl -i http://127.0.0.1:3000/v1/pets/1/meals -X DELETE  # 405, Allow: POST, OPTIONS
//! curl -i http://127.0.0.1:3000/v1/pets -X OPTIONS         # 200, Allow: GET, HEAD, POST, OPTIONS
//! curl -i http://127.0.0.1:3000/v1/pets -X PROPFIND        # 501
//! curl -i http://127.0.0.1:3000/elsewhere -X PATCH         # 404, not in the document
//! ```

mod common;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, ServiceExt};
use serde_json::{Map, Value};
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, MethodSet, Policy, ProblemDetails};

const DOCUMENT: &str = r#"{
    "openapi": "3.1.0",
    "info": { "title": "Pets", "version": "1.0.0" },
    "servers": [{ "url": "https://pets.example/v1" }, { "url": "/v1" }],
    "paths": {
        "/openapi.json": { "get": { "responses": { "200": { "description": "" } } } },
        "/pets": {
            "get": { "responses": { "200": { "description": "" } } },
            "post": { "responses": { "200": { "description": "" } } }
        },
        "/pets/{id}": {
            "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }],
            "get": { "responses": { "200": { "description": "" } } },
            "put": { "responses": { "200": { "description": "" } } }
        },
        "/pets/{id}/meals": {
            "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }],
            "post": { "responses": { "200": { "description": "" } } }
        }
    }
}"#;

/// The fields of a path item that are named after a method.
const OPERATIONS: [&str; 9] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// Creates a policy with a rule for each path of the document. The path of each server's URL is put in front.
///
/// A part of the document that cannot become a rule is an error. Nothing is ignored silently.
fn policy(document: &Value) -> Result<Policy, Box<dyn Error>> {
    let version = document["openapi"].as_str().unwrap_or_default();
    if !version.starts_with("3.") {
        return Err("not an OpenAPI document of version 3".into());
    }
    let prefixes = prefixes(document)?;
    let mut policy = Policy::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("x-")) {
        let item = item.as_object().ok_or(format!("{path}: not an object"))?;
        let methods = methods(item).map_err(|error| format!("{path}: {error}"))?;
        for prefix in &prefixes {
            // The parameters of OpenAPI are written like those of a pattern.
            policy = policy.route(&format!("{prefix}{path}"), &methods)?;
        }
    }
    Ok(policy)
}

/// The paths of the URLs of the servers. Their hosts are ignored.
fn prefixes(document: &Value) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut prefixes = BTreeSet::new();
    for server in document["servers"].as_array().into_iter().flatten() {
        let url = server["url"].as_str().ok_or("a server without a `url`")?;
        let uri: Uri = url.parse().map_err(|error| format!("the server {url}: {error}"))?;
        if !uri.path().starts_with('/') || uri.query().is_some() || url.contains('{') {
            let reason = "neither a path nor a URL with a path, or it has variables";
            return Err(format!("the server {url}: {reason}").into());
        }
        prefixes.insert(uri.path().trim_end_matches('/').to_owned());
    }
    if prefixes.is_empty() {
        // The default URL is `/`.
        prefixes.insert(String::new());
    }
    Ok(prefixes)
}

/// The methods of the operations of a path item.
fn methods(item: &Map<String, Value>) -> Result<MethodSet, Box<dyn Error>> {
    let mut methods = MethodSet::new();
    for (field, value) in item {
        match field.as_str() {
            "summary" | "description" | "parameters" => {}
            "additionalOperations" => {
                let operations = value.as_object().ok_or(format!("{field}: not an object"))?;
                for method in operations.keys() {
                    methods.insert(Method::from_bytes(method.as_bytes())?);
                }
            }
            name if OPERATIONS.contains(&name) => {
                if value.get("servers").is_some() {
                    return Err(
                        format!("{name}: `servers` of an operation are not supported").into()
                    );
                }
                methods.insert(Method::from_bytes(name.to_uppercase().as_bytes())?);
            }
            name if name.starts_with("x-") => {}
            // `$ref` and `servers` are two of them.
            name => return Err(format!("`{name}` is not supported").into()),
        }
    }
    Ok(methods)
}

/// Stands for the services behind the gateway. The example `reverse_proxy` forwards requests.
fn forward(document: &Value, policy: &Policy, request: &Request) -> Response {
    let path = request.uri().path();
    let Some(rule) = policy.rule_at(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // The policy forwards each `GET` and `HEAD`.
    if !rule.methods().contains(request.method()) {
        let allow = [(header::ALLOW, rule.methods().to_string())];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    match path {
        "/v1/openapi.json" => document.to_string().into_response(),
        _ => format!("{} {path}\n", request.method()).into_response(),
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let [address, file] = common::arguments(["127.0.0.1:3000", ""])?;
    let document = if file.is_empty() { DOCUMENT.to_owned() } else { fs::read_to_string(file)? };
    let document: Value = serde_json::from_str(&document)?;
    let policy = policy(&document)?;
    let app = MethodPolicyLayer::new(policy.clone())
        .answer_options(true)
        .respond_with(ProblemDetails)
        .layer(
            Router::new()
                .fallback(async move |request: Request| forward(&document, &policy, &request)),
        );

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen_on(&address).await?;
    let service = ServiceExt::<Request>::into_make_service(app);
    // axum 0.8 never returns an error here. In the next axum, `serve` returns `()`, so `?` would not compile.
    let _ = axum::serve(listener, service).with_graceful_shutdown(shutdown).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
