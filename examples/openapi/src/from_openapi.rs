//! A [`Policy`] from an OpenAPI document: copy this file, it needs `http`, `serde_json` and
//! `tower-method-policy`.
//!
//! Each path of the document becomes a rule that allows what the path item has operations for:
//! `get`, `put`, `post`, `delete`, `options`, `head`, `patch` and `trace`, and OpenAPI 3.2's `query`
//! and `additionalOperations`, whose keys are methods as they are. Documents of OpenAPI 3.0, 3.1
//! and 3.2 are understood.
//!
//! ```
//! use method_policy_openapi::from_openapi;
//! use serde_json::json;
//!
//! let policy = from_openapi::policy(&json!({
//!     "openapi": "3.2.0",
//!     "servers": [{ "url": "https://example.com/api/v1" }],
//!     "paths": {
//!         "/pets/{id}": { "get": {}, "additionalOperations": { "LINK": {} } },
//!         "/login": { "post": {} },
//!     },
//! }))?;
//! let rules: Vec<_> = policy.rules().map(|(path, allow)| format!("{path}: {allow}")).collect();
//! assert_eq!(rules, ["/api/v1/pets/{id}: GET, HEAD, LINK", "/api/v1/login: POST"]);
//! # Ok::<_, from_openapi::DocumentError>(())
//! ```
//!
//! # What is where
//!
//! - **`HEAD`** is allowed where `get` is, for routers such as axum's serve it with the handler for
//!   `GET`. A path without `get` gets a rule by [`Allow::exactly`].
//! - **`servers`**, of the document, a path item or an operation, say which paths there are in
//!   requests: the path of a server's URL goes in front, without a `/` at its end. Servers with
//!   different paths make a rule each; which host they are on makes no difference. A URL that is
//!   relative to wherever the document is served, such as `v1`, is an error: that is not in the
//!   document.
//! - **Variables** of a server stand for each value of their `enum`, or else for their `default`,
//!   whatever others the server would take. A variable that has neither is an error.
//! - **Parameters** of a path become those of a pattern, `/pets/{id}`. OpenAPI has none for the rest
//!   of a path; `{*rest}` at the end, which utoipa writes for axum's, is taken as axum takes it.
//! - **Other paths** get no rule, and there is no default rule: the router knows what is not there,
//!   and its `404` is truer than a `405`. Only methods that nothing implements are answered with
//!   `501` there, too. Call [`Policy::allow`] for more, or [`Policy::route`] for what is served but
//!   not in the document; the `Policy` is one like any other.
//! - **Recognised** are the methods of the document and [`MethodSet::STANDARD`]. To have `501` for
//!   all that the document has no operation for, call `recognize_only([])`.
//!
//! A router that is nested in axum (`nest("/api", …)`) serves its `/` as `/api`. In OpenAPI that path
//! below that server is `/api/`. The two do not agree, so give the router another path for it.
//!
//! # Errors
//!
//! Nothing of a document is left out silently. What cannot be said as a rule is a [`DocumentError`]
//! that says where it is and why: a path item that is a `$ref`, has no operation, or has a field
//! that is none of OpenAPI's; a parameter with something after it in its segment; two paths that
//! match the same requests; a path with characters that a request's path cannot have; a method that
//! is no token.
//!
//! [`Allow::exactly`]: tower_method_policy::Allow::exactly
//! [`MethodSet::STANDARD`]: tower_method_policy::MethodSet::STANDARD

use std::fmt;

use http::Method;
use serde_json::{Map, Value};
use tower_method_policy::{Allow, MethodSet, Policy};

/// The fields of a path item that hold an operation for the method of their name.
const OPERATIONS: [&str; 9] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace", "query",
];

/// Its other fields, `$ref`, `additionalOperations` and extensions apart.
const NO_OPERATIONS: [&str; 4] = ["summary", "description", "servers", "parameters"];

/// Why there is no policy for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Where in the document: a path, as it is written there, or a field of the document.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` in the OpenAPI document: {}",
            self.place, self.reason
        )
    }
}

impl std::error::Error for DocumentError {}

/// What a document allows, with a rule for each of its paths.
///
/// # Errors
///
/// If there is something in the document that no rule can say.
pub fn policy(document: &Value) -> Result<Policy, DocumentError> {
    let at = |place: &str| {
        let place = place.to_owned();
        |reason| DocumentError { place, reason }
    };
    match document.get("openapi").and_then(Value::as_str) {
        Some(version) if version.starts_with("3.") => {}
        _ => return Err(at("openapi")("it is not that of OpenAPI 3".to_owned())),
    }
    let prefixes = prefixes(document).map_err(at("servers"))?;
    // Where it says nothing, the server's URL is `/`.
    let prefixes = prefixes.unwrap_or_else(|| vec![String::new()]);
    let Some(paths) = document.get("paths") else {
        return Ok(Policy::new());
    };
    let paths = object(paths).map_err(at("paths"))?;

    let mut policy = Policy::new();
    for (path, item) in paths.iter().filter(|(path, _)| !is_extension(path)) {
        for (pattern, methods) in path_item(path, item, &prefixes).map_err(at(path))? {
            let rule = if methods.contains(&Method::GET) {
                Allow::new(methods)
            } else {
                Allow::exactly(methods)
            };
            let added = policy.route(&pattern, rule);
            policy = added.map_err(|error| at(path)(error.to_string()))?;
        }
    }
    Ok(policy)
}

/// What a path item allows, by pattern: one for each server, or more where operations have servers
/// of their own.
fn path_item(
    path: &str,
    item: &Value,
    inherited: &[String],
) -> Result<Vec<(String, MethodSet)>, String> {
    check_template(path)?;
    let prefixes_of_item = prefixes(item)?;
    let prefixes_of_item = prefixes_of_item.as_deref().unwrap_or(inherited);

    let mut rules: Vec<(String, MethodSet)> = Vec::new();
    for (method, operation) in operations(object(item)?)? {
        object(operation).map_err(|reason| format!("{method}: {reason}"))?;
        let prefixes = prefixes(operation).map_err(|reason| format!("{method}: {reason}"))?;
        for prefix in prefixes.as_deref().unwrap_or(prefixes_of_item) {
            let pattern = format!("{prefix}{path}");
            match rules.iter_mut().find(|(earlier, _)| *earlier == pattern) {
                Some((_, methods)) => methods.extend([&method]),
                None => rules.push((pattern, method.clone().into())),
            }
        }
    }
    if rules.is_empty() {
        return Err("it has no operation, so what it allows is not known".to_owned());
    }
    Ok(rules)
}

/// The operations of a path item.
fn operations(item: &Map<String, Value>) -> Result<Vec<(Method, &Value)>, String> {
    let mut operations = Vec::new();
    for (field, value) in item {
        if OPERATIONS.contains(&field.as_str()) {
            let method = field.to_ascii_uppercase();
            let method = Method::from_bytes(method.as_bytes()).expect("a token");
            operations.push((method, value));
        } else if field == "additionalOperations" {
            let additional = object(value).map_err(|reason| format!("`{field}`: {reason}"))?;
            for (name, operation) in additional {
                let has_field = OPERATIONS
                    .iter()
                    .any(|field| field.to_ascii_uppercase() == *name);
                if has_field {
                    return Err(format!(
                        "`{name}` is among `{field}`, but has a field of its own"
                    ));
                }
                let method = Method::from_bytes(name.as_bytes())
                    .map_err(|_| format!("`{name}` among `{field}` is not a method"))?;
                operations.push((method, operation));
            }
        } else if field == "$ref" {
            return Err("it is a `$ref`, which has to be resolved before".to_owned());
        } else if !NO_OPERATIONS.contains(&field.as_str()) && !is_extension(field) {
            return Err(format!("`{field}` is not a field of a path item"));
        }
    }
    Ok(operations)
}

/// The paths of the URLs of an object's `servers`, each once; `None` where it has none of its own.
fn prefixes(of: &Value) -> Result<Option<Vec<String>>, String> {
    let Some(servers) = of.get("servers") else {
        return Ok(None);
    };
    let servers = servers.as_array().ok_or("`servers` is not an array")?;
    let mut prefixes = Vec::new();
    for server in servers {
        let url = server.get("url").and_then(Value::as_str);
        let url = url.ok_or("a server has no `url`")?;
        let of_server = |reason| format!("the server `{url}`: {reason}");
        for url in expand(url, server.get("variables")).map_err(of_server)? {
            let prefix = path_of(&url).map_err(of_server)?;
            if !prefixes.iter().any(|earlier| earlier == prefix) {
                prefixes.push(prefix.to_owned());
            }
        }
    }
    Ok((!prefixes.is_empty()).then_some(prefixes))
}

/// The URLs that a server's URL with variables in it stands for.
fn expand(url: &str, variables: Option<&Value>) -> Result<Vec<String>, String> {
    let mut expanded = vec![String::new()];
    let mut rest = url;
    while let Some((literal, variable)) = rest.split_once('{') {
        let (name, after) = variable.split_once('}').ok_or("a `{` without a `}`")?;
        let values = values(name, variables)?;
        expanded = expanded
            .iter()
            .flat_map(|start| {
                values
                    .iter()
                    .map(move |value| format!("{start}{literal}{value}"))
            })
            .collect();
        rest = after;
    }
    expanded.iter_mut().for_each(|url| url.push_str(rest));
    Ok(expanded)
}

/// The values of a server's variable, as far as the document says.
fn values<'a>(name: &str, variables: Option<&'a Value>) -> Result<Vec<&'a str>, String> {
    let variable = variables.and_then(|variables| variables.get(name));
    let field = |field| variable.and_then(|variable| variable.get(field));
    let values: Option<Vec<&str>> = match field("enum") {
        Some(values) => values
            .as_array()
            .and_then(|values| values.iter().map(Value::as_str).collect()),
        None => field("default")
            .and_then(Value::as_str)
            .map(|value| vec![value]),
    };
    match values {
        Some(values) if !values.is_empty() => Ok(values),
        _ => Err(format!(
            "its variable `{name}` has neither an `enum` nor a `default` of strings"
        )),
    }
}

/// The path of a URL, without a `/` at its end.
fn path_of(url: &str) -> Result<&str, String> {
    if url.contains(['?', '#']) {
        return Err("it has a query or a fragment".to_owned());
    }
    let path = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || is_scheme(scheme) => {
            rest.find('/').map_or("", |authority| &rest[authority..])
        }
        _ if url.starts_with('/') => url,
        _ => return Err("it is relative to where the document is served".to_owned()),
    };
    path.split('/').try_for_each(check_literal)?;
    Ok(path.strip_suffix('/').unwrap_or(path))
}

/// Whether it is `https:` or the like.
fn is_scheme(text: &str) -> bool {
    let Some(scheme) = text.strip_suffix(':') else {
        return false;
    };
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_allowed)
}

/// Whether a path template says the same as a pattern that is written like it.
fn check_template(template: &str) -> Result<(), String> {
    if !template.starts_with('/') {
        return Err("it does not begin with `/`".to_owned());
    }
    template.split('/').try_for_each(|segment| {
        let Some((literal, parameter)) = segment.split_once('{') else {
            return check_literal(segment);
        };
        check_literal(literal)?;
        match parameter.split_once('}') {
            // In a pattern, `{{` is a brace.
            Some((name, _)) if name.contains('{') => Err(format!(
                "the parameter `{{{name}}}` has a brace in its name"
            )),
            Some((_, "")) => Ok(()),
            Some((name, after)) => Err(format!(
                "`{after}` follows the parameter `{{{name}}}`, which can only end a segment"
            )),
            None => Err(format!("`{{{parameter}` has no `}}` in its segment")),
        }
    })
}

/// Whether a segment is one that a request's path can have as it is (RFC 3986 §3.3).
fn check_literal(segment: &str) -> Result<(), String> {
    if matches!(segment, "." | "..") {
        return Err(format!("clients resolve the segment `{segment}`"));
    }
    let mut escapes = segment.split('%').skip(1);
    if !escapes.all(|escape| is_hex(escape.get(..2))) {
        return Err("a `%` without two hexadecimal digits after it".to_owned());
    }
    let is_pchar = |c: &char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(*c);
    match segment.chars().find(|c| !is_pchar(c)) {
        Some(c) => Err(format!("a request's path cannot have {c:?}")),
        None => Ok(()),
    }
}

fn is_hex(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| "it is not an object".to_owned())
}

fn is_extension(field: &str) -> bool {
    field.starts_with("x-")
}
