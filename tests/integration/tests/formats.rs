//! Policies from formats and configuration crates that are too heavy for the tests of the crate itself.

use http::Method;
use serde_json::{Value, json};
use tower_method_policy::{Policy, PolicyError};

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

const TOML: &str = r#"
recognize = ["ACL"]
recognize_only = "GET, HEAD, POST"
fallback = ["POST"]
exempt = ["/ws"]
[routes]
"/login.html" = "POST"
"/users/{id}" = ["PUT", "DELETE"]
[subtrees]
"/dav" = ["ACL", "PUT"]
"#;

#[test]
fn ron() {
    let expected = expected().expect("valid");
    for text in [
        r#"(
            recognize: ["ACL"], recognize_only: "GET, HEAD, POST", fallback: ["POST"], exempt: ["/ws"],
            routes: { "/login.html": "POST", "/users/{id}": ["PUT", "DELETE"] },
            subtrees: { "/dav": ["ACL", "PUT"] },
        )"#,
        r#"{
            "recognize": ["ACL"], "recognize_only": "GET, HEAD, POST", "fallback": ["POST"],
            "exempt": ["/ws"],
            "routes": { "/login.html": "POST", "/users/{id}": ["PUT", "DELETE"] },
            "subtrees": { "/dav": ["ACL", "PUT"] },
        }"#,
    ] {
        assert_eq!(ron::from_str::<Policy>(text).expect(text), expected);
    }
    let null: Policy = ron::from_str("(recognize: None, routes: None, exempt: ())").expect("null");
    assert_eq!(null, Policy::new());
    for text in [
        "(fallback: None)",
        "(routes: { \"/a\": None })",
        "(recognize_only: ())",
    ] {
        assert!(ron::from_str::<Policy>(text).is_err(), "{text}");
    }
    let error = ron::from_str::<Policy>("(\n  fallback: [\"get\"])").unwrap_err();
    assert_eq!(error.span.start.line, 2, "{error}");
    assert!(
        error
            .to_string()
            .contains(r#""get" is not "GET": methods are case-sensitive"#)
    );
}

#[test]
fn cbor() {
    let mut bytes = Vec::new();
    ciborium::into_writer(&data(), &mut bytes).expect("writable");
    let policy: Policy = ciborium::from_reader(&bytes[..]).expect("readable");
    assert_eq!(policy, expected().expect("valid"));
    for (data, is_valid) in nulls() {
        let mut bytes = Vec::new();
        ciborium::into_writer(&data, &mut bytes).expect("writable");
        let policy = ciborium::from_reader::<Policy, _>(&bytes[..]);
        assert_eq!(policy.is_ok(), is_valid, "{data}");
    }
}

#[test]
fn message_pack() {
    let bytes = rmp_serde::to_vec(&data()).expect("writable");
    let policy: Policy = rmp_serde::from_slice(&bytes).expect("readable");
    assert_eq!(policy, expected().expect("valid"));
    for (data, is_valid) in nulls() {
        let bytes = rmp_serde::to_vec(&data).expect("writable");
        let policy = rmp_serde::from_slice::<Policy>(&bytes);
        assert_eq!(policy.is_ok(), is_valid, "{data}");
    }
}

fn nulls() -> [(Value, bool); 7] {
    [
        (json!({ "recognize": null }), true),
        (json!({ "routes": null }), true),
        (json!({ "subtrees": null }), true),
        (json!({ "exempt": null }), true),
        (json!({ "fallback": null }), false),
        (json!({ "recognize_only": null }), false),
        (json!({ "routes": { "/a": null } }), false),
    ]
}

#[test]
fn figment() {
    use figment::Figment;
    use figment::providers::{Format, Json, Toml};

    let expected = expected().expect("valid");
    let toml = Figment::from(Toml::string(TOML));
    assert_eq!(toml.extract::<Policy>().expect("TOML"), expected);
    let json = Figment::from(Json::string(&data().to_string()));
    assert_eq!(json.extract::<Policy>().expect("JSON"), expected);

    // Keys keep their case.
    let upper = Figment::from(Toml::string("[routes]\n'/Users' = []"));
    let upper: Policy = upper.extract().expect("valid");
    assert!(upper.rule_at("/Users").is_some());

    for (data, is_valid) in nulls() {
        let json = Figment::from(Json::string(&data.to_string()));
        assert_eq!(json.extract::<Policy>().is_ok(), is_valid, "{data}");
    }
    let error = Figment::from(Toml::string("[routes]\n'/a' = ['get']"));
    let error = error.extract::<Policy>().unwrap_err().to_string();
    assert!(
        error.contains(r#""get" is not "GET": methods are case-sensitive"#),
        "{error}"
    );
}

#[test]
fn config_0_15() {
    use config::{Config, File, FileFormat};

    let read = |text: &str, format| {
        let config = Config::builder()
            .add_source(File::from_str(text, format))
            .build()?;
        config.try_deserialize::<Policy>()
    };
    let expected = expected().expect("valid");
    assert_eq!(read(TOML, FileFormat::Toml).expect("TOML"), expected);
    assert_eq!(
        read(&data().to_string(), FileFormat::Json).expect("JSON"),
        expected
    );

    // Keys keep their case.
    let upper = read("[routes]\n'/Users' = []", FileFormat::Toml).expect("valid");
    assert!(upper.rule_at("/Users").is_some());

    for (data, is_valid) in nulls() {
        let policy = read(&data.to_string(), FileFormat::Json);
        assert_eq!(policy.is_ok(), is_valid, "{data}");
    }
    let error = read("[routes]\n'/a' = ['get']", FileFormat::Toml)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(r#""get" is not "GET": methods are case-sensitive"#),
        "{error}"
    );
}

#[test]
fn config_0_14_makes_keys_lower_case() {
    use config_0_14::{Config, File, FileFormat};

    let read = |text: &str, format| {
        let config = Config::builder()
            .add_source(File::from_str(text, format))
            .build()?;
        config.try_deserialize::<Policy>()
    };
    let expected = expected().expect("valid");
    assert_eq!(read(TOML, FileFormat::Toml).expect("TOML"), expected);
    assert_eq!(
        read(&data().to_string(), FileFormat::Json).expect("JSON"),
        expected
    );

    let upper = read("[routes]\n'/Users' = []", FileFormat::Toml).expect("valid");
    assert!(upper.rule_at("/Users").is_none());
    assert!(upper.rule_at("/users").is_some());
    // Values are not changed.
    let exempt = read("fallback = 'POST'\nexempt = ['/Users']", FileFormat::Toml).expect("valid");
    assert!(exempt.rule_at("/Users").is_none());

    for (data, is_valid) in nulls() {
        let policy = read(&data.to_string(), FileFormat::Json);
        assert_eq!(policy.is_ok(), is_valid, "{data}");
    }
}
