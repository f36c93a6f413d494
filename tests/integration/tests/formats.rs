//! Policies in formats and configuration crates that the tests of the crate itself do not use.

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tower_method_policy::{BodyDrain, Policy, PolicyError, RetryAfter};

fn expected() -> Result<Policy, PolicyError> {
    let acl = Method::from_bytes(b"ACL").expect("a token");
    Policy::new()
        .recognize(acl.clone())
        .recognize_only([Method::GET, Method::HEAD, Method::POST])
        .fallback([Method::POST])
        .exempt("/ws")?
        .route("/login.html", [Method::POST])?
        .route("/users/{id}", [Method::PUT, Method::DELETE])?
        .subtree("/dav", [acl, Method::PUT])
}

fn data() -> Value {
    json!({
        "recognize": ["ACL"],
        "recognize_only": "GET, HEAD, POST",
        "fallback": ["POST"],
        "exempt": ["/ws"],
        "routes": { "/login.html": "POST", "/users/{id}": ["PUT", "DELETE"] },
        "subtrees": { "/dav": ["ACL", "PUT"] },
    })
}

/// Checks a format that can express the same data as JSON.
fn check<E: Debug>(read: impl Fn(&Value) -> Result<Policy, E>) {
    assert_eq!(read(&data()).expect("valid"), expected().expect("valid"));
    for (data, is_valid) in [
        (json!({ "recognize": null }), true),
        (json!({ "routes": null }), true),
        (json!({ "subtrees": null }), true),
        (json!({ "exempt": null }), true),
        (json!({ "fallback": null }), false),
        (json!({ "recognize_only": null }), false),
        (json!({ "routes": { "/a": null } }), false),
    ] {
        assert_eq!(read(&data).is_ok(), is_valid, "{data}");
    }
}

const MISTAKE: &str = r#""get" is not "GET": methods are case-sensitive"#;

/// Checks a crate that reads JSON. The route `/Users` becomes `users`.
fn check_crate<E: Debug + Display>(read: impl Fn(&str) -> Result<Policy, E>, users: &str) {
    check(|data| read(&data.to_string()));
    let upper = read(r#"{ "exempt": ["/Exempt"], "routes": { "/Users": [] } }"#).expect("valid");
    assert_eq!(upper.rules().next().and_then(|rule| rule.pattern()), Some(users));
    // Values keep their case.
    assert!(upper.exempt_paths().eq(["/Exempt"]));
    let error = read(r#"{ "routes": { "/a": ["get"] } }"#).expect_err("a mistake");
    assert!(error.to_string().contains(MISTAKE), "{error}");
}

#[test]
fn ron() {
    let text = r#"(
        recognize: ["ACL"], recognize_only: "GET, HEAD, POST", fallback: ["POST"], exempt: ["/ws"],
        routes: { "/login.html": "POST", "/users/{id}": ["PUT", "DELETE"] },
        subtrees: { "/dav": ["ACL", "PUT"] },
    )"#;
    let policy: Policy = ron::from_str(text).expect(text);
    assert_eq!(policy, expected().expect("valid"));
    // RON has structs and maps.
    let map = ron::from_str::<Policy>(&data().to_string());
    assert_eq!(map.expect("a map"), policy);
    let null: Policy = ron::from_str("(recognize: None, routes: None, exempt: ())").expect("null");
    assert_eq!(null, Policy::new());
    for text in ["(fallback: None)", "(routes: { \"/a\": None })", "(recognize_only: ())"] {
        assert!(ron::from_str::<Policy>(text).is_err(), "{text}");
    }
    let error = ron::from_str::<Policy>("(\n  fallback: [\"get\"])").unwrap_err();
    assert_eq!(error.span.start.line, 2, "{error}");
    assert!(error.to_string().contains(MISTAKE), "{error}");
}

#[test]
fn cbor() {
    check(|data| {
        let mut bytes = Vec::new();
        ciborium::into_writer(data, &mut bytes).expect("writable");
        ciborium::from_reader(&bytes[..])
    });
}

#[test]
fn message_pack() {
    check(|data| rmp_serde::from_slice(&rmp_serde::to_vec(data).expect("writable")));
}

#[test]
fn figment() {
    use figment::Figment;
    use figment::providers::{Format, Json};

    let read = |text: &str| Figment::from(Json::string(text)).extract().map_err(Box::new);
    check_crate(read, "/Users");
}

/// Both versions have the same API. Without `try_parsing`, every environment variable is a string.
macro_rules! check_config {
    ($config:ident, $users:expr) => {
        let read = |text: &str| {
            let source = $config::File::from_str(text, $config::FileFormat::Json);
            $config::Config::builder().add_source(source).build()?.try_deserialize()
        };
        check_crate(read, $users);

        let variables = [
            ("RETRY_AFTER", "3600"),
            ("DRAIN__MAX_BYTES", "1000"),
            ("DRAIN__TIMEOUT_SECONDS", "60"),
            ("POLICY__FALLBACK", "GET, POST"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let source = $config::Environment::default().separator("__");
        let source = source.source(Some(HashMap::from(variables)));
        let config = $config::Config::builder().add_source(source).build().expect("variables");
        let retry_after: RetryAfter = config.get("retry_after").expect("a number");
        assert_eq!(retry_after, RetryAfter::after(Duration::from_secs(3600)));
        let drain: BodyDrain = config.get("drain").expect("numbers");
        let expected = BodyDrain::default().max_bytes(1000).timeout(Duration::from_secs(60));
        assert_eq!(drain, expected);
        let policy: Policy = config.get("policy").expect("a policy");
        assert_eq!(policy, Policy::new().fallback([Method::GET, Method::POST]));
    };
}

#[test]
fn config_0_15() {
    check_config!(config, "/Users");
}

#[test]
fn config_0_14_changes_keys_to_lower_case() {
    check_config!(config_0_14, "/users");
}
