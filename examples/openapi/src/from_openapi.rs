//! A [`Policy`] from an OpenAPI document of version 3.0, 3.1, or 3.2. Copy this file. It needs `http`,
//! `serde_json`, and `tower-method-policy`.
//!
//! ```
//! use method_policy_openapi::from_openapi;
//! use serde_json::json;
//!
//! let policy = from_openapi::policy(&json!({
//!     "openapi": "3.2.0",
//!     "servers": [{ "url": "https://example.com/v1" }],
//!     "paths": { "/pets/{id}": { "get": {}, "put": {} }, "/login": { "post": {} } },
//! }))?;
//! let rule = policy.rule_at("/v1/pets/7").expect("the path is in the document");
//! assert_eq!(rule.methods().to_string(), "GET, HEAD, PUT");
//! # Ok::<_, String>(())
//! ```
//!
//! - Each path becomes a rule for the methods of its operations.
//! - The path of each server's URL is put in front. The host is ignored. A variable in the URL becomes each
//!   value of its `enum`, or its `default` if it has no `enum`.
//! - Other paths have no rule, so the router answers `404` there.
//! - A part of the document that cannot become a rule is an error with its position. Nothing is ignored
//!   silently.
//!
//! Do not nest a route for `/`. axum serves it at `/api`, but OpenAPI describes it at `/api/`.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, Uri};
use serde_json::{Map, Value};
use tower_method_policy::{MethodSet, Policy};

/// The maximum number of rules and URLs of a document. Without a limit, five variables with ten
/// values each would create 100,000 rules for every path.
pub const MAX_RULES: usize = 10_000;

/// The longest server URL and the longest pattern, in bytes. A variable can occur many times.
const MAX_LENGTH: usize = 2_000;

/// The fields of a path item that are named after a method.
const OPERATIONS: [&str; 9] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// Creates a policy with a rule for each path of the document.
///
/// # Errors
///
/// Returns an error if a part of the document cannot become a rule.
pub fn policy(document: &Value) -> Result<Policy, String> {
    let at = |place: &str| {
        let place = excerpt(place);
        move |reason: String| format!("`{place}` in the OpenAPI document: {reason}")
    };
    let version = document.get("openapi").and_then(Value::as_str);
    if !version.is_some_and(|version| version.starts_with("3.")) {
        return Err(at("openapi")("it is not version 3".to_owned()));
    }
    let mut left = MAX_RULES;
    let prefixes = prefixes(document, &mut left).map_err(at("servers"))?;
    // The default server URL is `/`.
    let prefixes = prefixes.unwrap_or_else(|| BTreeSet::from([String::new()]));
    let mut policy = Policy::new();
    let Some(paths) = document.get("paths") else {
        return Ok(policy);
    };
    let paths = object(paths).map_err(at("paths"))?.iter();
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("x-")) {
        for (pattern, methods) in rules(path, item, &prefixes, &mut left).map_err(at(path))? {
            let added = policy.route(&pattern, methods);
            policy = added.map_err(|error| at(path)(error.to_string()))?;
        }
    }
    Ok(policy)
}

/// The rules for a path. The path item and its operations can have their own servers.
fn rules(
    path: &str,
    item: &Value,
    inherited: &BTreeSet<String>,
    left: &mut usize,
) -> Result<BTreeMap<String, MethodSet>, String> {
    check_path(path)?;
    let own = prefixes(item, left)?;
    let own = own.as_ref().unwrap_or(inherited);
    let mut rules: BTreeMap<String, MethodSet> = BTreeMap::new();
    for (name, operation) in operations(object(item)?)? {
        let of_operation = |reason| format!("{}: {reason}", excerpt(&name));
        object(operation).map_err(of_operation)?;
        let method = Method::from_bytes(name.as_bytes());
        let method = method.map_err(|_| of_operation("it is not a method".to_owned()))?;
        let prefixes = prefixes(operation, left).map_err(of_operation)?;
        for prefix in prefixes.as_ref().unwrap_or(own) {
            spend(left, prefix.len() + path.len()).map_err(of_operation)?;
            let rule = rules.entry(format!("{prefix}{path}"));
            rule.or_default().insert(method.clone());
        }
    }
    if rules.is_empty() {
        return Err("it has no operation".to_owned());
    }
    Ok(rules)
}

/// The operations of a path item, with their methods.
fn operations(item: &Map<String, Value>) -> Result<Vec<(String, &Value)>, String> {
    let mut operations = Vec::new();
    for (field, value) in item {
        match field.as_str() {
            "summary" | "description" | "servers" | "parameters" => {}
            "$ref" => return Err("it is a `$ref`; resolve it first".to_owned()),
            "additionalOperations" => {
                let additional = object(value).map_err(|reason| format!("`{field}`: {reason}"))?;
                let additional = additional.iter().map(|(name, value)| (name.clone(), value));
                operations.extend(additional);
            }
            name if OPERATIONS.contains(&name) => operations.push((name.to_uppercase(), value)),
            name if name.starts_with("x-") => {}
            name => return Err(format!("`{}` is not a field of a path item", excerpt(name))),
        }
    }
    Ok(operations)
}

/// The paths of the URLs in `servers`. `None` if there are none.
fn prefixes(of: &Value, left: &mut usize) -> Result<Option<BTreeSet<String>>, String> {
    let Some(servers) = of.get("servers") else {
        return Ok(None);
    };
    let servers = servers.as_array().ok_or("`servers` is not an array")?;
    let mut prefixes = BTreeSet::new();
    for server in servers {
        let url = server.get("url").and_then(Value::as_str);
        let url = url.ok_or("a server has no `url`")?;
        let of_server = |reason| format!("the server `{}`: {reason}", excerpt(url));
        for url in expand(url, server.get("variables"), left).map_err(of_server)? {
            prefixes.insert(path_of(&url).map_err(of_server)?);
        }
    }
    Ok((!prefixes.is_empty()).then_some(prefixes))
}

/// Replaces the variables in a server's URL by all of their values.
fn expand(url: &str, variables: Option<&Value>, left: &mut usize) -> Result<Vec<String>, String> {
    spend(left, url.len())?;
    let mut expanded = vec![String::new()];
    let mut rest = url;
    while let Some((literal, variable)) = rest.split_once('{') {
        let (name, after) = variable.split_once('}').ok_or("a `{` without a `}`")?;
        let values = values(name, variables)?;
        let mut longer = Vec::new();
        for start in &expanded {
            for value in &values {
                spend(left, start.len() + literal.len() + value.len() + after.len())?;
                longer.push(format!("{start}{literal}{value}"));
            }
        }
        expanded = longer;
        rest = after;
    }
    expanded.iter_mut().for_each(|url| url.push_str(rest));
    Ok(expanded)
}

/// The values of a server's variable.
fn values<'a>(name: &str, variables: Option<&'a Value>) -> Result<Vec<&'a str>, String> {
    let variable = variables.and_then(|variables| variables.get(name));
    let field = |field| variable.and_then(|variable| variable.get(field));
    let values: Option<Vec<_>> = match (field("enum"), field("default")) {
        (Some(Value::Array(values)), _) => values.iter().map(Value::as_str).collect(),
        (None, Some(Value::String(value))) => Some(vec![value]),
        _ => None,
    };
    let none = || format!("its variable `{name}` has neither an `enum` nor a `default` of strings");
    values.filter(|values| !values.is_empty()).ok_or_else(none)
}

/// The path of a URL, without a `/` at its end.
fn path_of(url: &str) -> Result<String, String> {
    if url.contains(['?', '#', '{', '}']) {
        return Err("it has a query, a fragment, or a brace".to_owned());
    }
    let scheme = if url.starts_with("//") { "http:" } else { "" };
    let uri = format!("{scheme}{url}").parse::<Uri>();
    let uri = uri.map_err(|_| "it is neither a URL nor an absolute path")?;
    check_path(uri.path())?;
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    Ok(path.to_owned())
}

/// Rejects a path that means something else as a pattern, or that no request can have (RFC 3986 §3.3).
fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err("it does not begin with `/`".to_owned());
    }
    for segment in path.split('/') {
        let is_parameter = segment.starts_with('{') && segment.ends_with('}');
        let is_literal = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c);
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut escapes = segment.split('%').skip(1);
        let reason = if segment.matches(['{', '}']).count() != 2 * usize::from(is_parameter) {
            "is not one parameter in braces"
        } else if matches!(segment, "." | "..") {
            "is resolved by clients"
        } else if !is_parameter && !segment.chars().all(is_literal) {
            "has a character that the path of a request cannot have"
        } else if !escapes.all(|escape| escape.get(..2).is_some_and(is_hex)) {
            "has a `%` without two hexadecimal digits after it"
        } else {
            continue;
        };
        return Err(format!("the segment `{}` {reason}", excerpt(segment)));
    }
    Ok(())
}

/// Counts a rule or a URL before it is created.
fn spend(left: &mut usize, length: usize) -> Result<(), String> {
    let too_long = || format!("its URLs are longer than {MAX_LENGTH} bytes");
    MAX_LENGTH.checked_sub(length).ok_or_else(too_long)?;
    let too_many = || format!("with it, the document has more than {MAX_RULES} rules and URLs");
    *left = left.checked_sub(1).ok_or_else(too_many)?;
    Ok(())
}

/// The beginning of a text that may be long.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    Ok(value.as_object().ok_or("it is not an object")?)
}
