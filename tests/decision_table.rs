//! The decision table, row by row in its own order, and the facts about method names that a server
//! in front of one gets wrong.

mod support;

use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use proptest::prelude::*;
use proptest::sample::select;
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{Allow, Decision, MethodPolicyLayer, MethodSet, Policy};

use crate::support::strategies::{
    METHODS, PATHS, Setting, TCHARS, any_method, method, policy_of, set, settings,
};

/// A decision in a word: `forward`, `405` with what is allowed, or `501`.
fn decide(policy: &Policy, method: &Method, path: &str) -> String {
    match policy.decide(method, path) {
        Decision::Forward => "forward".to_owned(),
        Decision::NotAllowed { allow } => format!("405 {allow}"),
        Decision::NotImplemented => "501".to_owned(),
    }
}

/// One policy of each kind of configuration, and a path at which to ask it.
fn policies() -> [(&'static str, Policy, &'static str); 6] {
    let routes = Policy::new()
        .allow([])
        .route("/dav/{*path}", set("PROPFIND PUT"))
        .expect("valid");
    [
        ("default", Policy::new(), "/"),
        ("allow", Policy::new().allow([Method::POST]), "/"),
        (
            "recognize",
            Policy::new().recognize(set("PROPFIND TRACK LINK M-SEARCH M-GET PURGE")),
            "/",
        ),
        (
            "recognize_only",
            Policy::new().recognize_only([Method::POST]),
            "/",
        ),
        ("route", routes.clone(), "/dav/file"),
        ("beside a route", routes, "/"),
    ]
}

// The rows, by their numbers.

/// RFC 9110 §9.1: "All general-purpose servers MUST support the methods GET and HEAD."
#[test]
fn row_1_get_and_head_are_forwarded() {
    for (configuration, policy, path) in policies() {
        for path in [path, "*", "", "/elsewhere"] {
            assert_eq!(
                decide(&policy, &Method::GET, path),
                "forward",
                "{configuration}"
            );
            assert_eq!(
                decide(&policy, &Method::HEAD, path),
                "forward",
                "{configuration}"
            );
        }
    }
}

/// RFC 9110 §9.3.7. The row depends on more than method and target, so it is the layer's; all that
/// belongs to it is in `options.rs`.
#[tokio::test]
async fn row_2_options_is_answered_where_that_is_enabled_and_it_is_allowed() {
    for (answer_options, allowed, expected) in [
        (true, true, 200),
        (true, false, 405),
        (false, true, 418),
        (false, false, 405),
    ] {
        let methods = if allowed { set("OPTIONS") } else { set("") };
        let layer = MethodPolicyLayer::new(Policy::new().allow(methods));
        let inner = service_fn(async |_: Request<Empty<Bytes>>| {
            let response = Response::builder().status(StatusCode::IM_A_TEAPOT);
            Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).expect("valid"))
        });
        let request = Request::options("/").body(Empty::new()).expect("valid");
        let response = if answer_options {
            layer.answer_options().layer(inner).oneshot(request).await
        } else {
            layer.layer(inner).oneshot(request).await
        };
        assert_eq!(response.expect("infallible").status(), expected);
    }
}

#[test]
fn row_3_what_the_target_allows_is_forwarded() {
    // Where no rule speaks, what is recognised.
    for name in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "CONNECT", "TRACE",
    ] {
        assert_eq!(
            decide(&Policy::new(), &method(name), "/"),
            "forward",
            "{name}"
        );
    }

    let policy = Policy::new().allow(set("POST FOO TRACE"));
    for name in ["POST", "FOO", "TRACE"] {
        assert_eq!(decide(&policy, &method(name), "/"), "forward", "{name}");
    }

    let policy = policy.route("/dav", set("PROPFIND DELETE")).unwrap();
    for name in ["PROPFIND", "DELETE"] {
        assert_eq!(decide(&policy, &method(name), "/dav"), "forward", "{name}");
    }

    // A path rule alone says nothing of other paths.
    let policy = Policy::new().route("/dav", set("PROPFIND")).unwrap();
    for name in ["POST", "CONNECT", "PROPFIND"] {
        assert_eq!(decide(&policy, &method(name), "/"), "forward", "{name}");
    }
    assert_eq!(
        decide(&policy, &method("POST"), "/dav"),
        "405 GET, HEAD, PROPFIND"
    );
}

/// RFC 9110 §15.5.6: "the method received in the request-line is known by the origin server but not
/// supported by the target resource".
#[test]
fn row_4_what_is_recognised_but_not_allowed_at_the_target_is_a_405_with_allow() {
    let login = Policy::new().allow(Allow::exactly([Method::POST]));
    assert_eq!(decide(&login, &Method::DELETE, "/"), "405 POST");

    let policy = Policy::new().allow([Method::POST]).recognize(set("PURGE"));
    for name in [
        "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PURGE",
    ] {
        assert_eq!(
            decide(&policy, &method(name), "/"),
            "405 GET, HEAD, POST",
            "{name}"
        );
    }

    // What a path rule allows somewhere is implemented by the server, so elsewhere it is a 405, and
    // the rule says what is allowed there: the default rule adds nothing to it.
    let policy = policy.route("/dav", set("PROPFIND DELETE")).unwrap();
    assert_eq!(
        decide(&policy, &method("PROPFIND"), "/"),
        "405 GET, HEAD, POST"
    );
    assert_eq!(
        decide(&policy, &Method::POST, "/dav"),
        "405 GET, HEAD, DELETE, PROPFIND"
    );
}

/// RFC 9110 §15.6.2: "the appropriate response when the server does not recognize the request method
/// and is not capable of supporting it for any resource".
#[test]
fn row_5_anything_else_is_a_501() {
    for name in ["FOO", "get", "Get", "M-GET", "TRACK", "PROPFIND"] {
        assert_eq!(decide(&Policy::new(), &method(name), "/"), "501", "{name}");
    }
    let policy = Policy::new().recognize_only([Method::POST]);
    for name in [
        "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PATCH",
    ] {
        assert_eq!(decide(&policy, &method(name), "/"), "501", "{name}");
    }
}

proptest! {
    /// The table once more, with the registry and the rules put together from what was configured.
    #[test]
    fn every_policy_decides_as_the_table_says(
        settings in settings(),
        method in prop_oneof![3 => select(METHODS).prop_map(method), 1 => any_method()],
        (path, patterns) in select(PATHS),
    ) {
        let mut added = MethodSet::new();
        let mut only = None;
        let mut default_rule = None;
        let mut path_rules = HashMap::new();
        let mut recognized_by_rules = MethodSet::new();
        for setting in &settings {
            match setting.clone() {
                Setting::Recognize(methods) => added.extend(methods),
                Setting::RecognizeOnly(methods) => {
                    only.get_or_insert_with(MethodSet::new).extend(methods);
                }
                Setting::Allow(rule) => {
                    default_rule.get_or_insert_with(MethodSet::new).extend(rule.methods());
                    recognized_by_rules.extend(rule.methods());
                }
                Setting::Route(pattern, rule) => {
                    recognized_by_rules.extend(rule.methods());
                    path_rules.insert(pattern, rule.methods().clone());
                }
            }
        }

        let recognized = only.unwrap_or(MethodSet::STANDARD) | added | recognized_by_rules;
        let path_rule = patterns.iter().find_map(|pattern| path_rules.remove(pattern));
        let rule = path_rule.or(default_rule);

        let is_allowed = match &rule {
            Some(rule) => rule.contains(&method),
            None => recognized.contains(&method),
        };
        let expected = if [Method::GET, Method::HEAD].contains(&method) || is_allowed {
            "forward".to_owned()
        } else if recognized.contains(&method) {
            format!("405 {}", rule.expect("without one what is recognised is forwarded"))
        } else {
            "501".to_owned()
        };
        prop_assert_eq!(decide(&policy_of(&settings), &method, path), expected);
    }
}

// The facts.

/// What six configurations make of some names: `F` forwarded, `4` rejected with 405, `5` with 501.
/// In the order of [`policies`]: the default; POST allowed; PROPFIND, TRACK, LINK, M-SEARCH, M-GET
/// and PURGE recognised; POST alone recognised; PROPFIND and PUT allowed by a path rule; beside it.
const FACTS: &[(&str, &str)] = &[
    ("GET HEAD", "FFFFFF"),
    ("POST", "FFFF44"),
    ("PUT", "F4F5F4"),
    ("DELETE OPTIONS PATCH QUERY TRACE CONNECT", "F4F544"),
    // Registered, or in use, but implemented only where a server says so.
    ("PROPFIND", "55F5F4"),
    ("TRACK LINK M-SEARCH M-GET PURGE", "55F555"),
];

/// What nobody recognises unless it is configured.
const UNKNOWN: &[&str] = &[
    // Registered, or in use.
    "SEARCH UNLINK ACL BASELINE-CONTROL UPDATEREDIRECTREF NOTIFY BAN DEBUG BCOPY RPC_IN_DATA",
    // Reserved: the HTTP/2 preface and the wildcard.
    "PRI *",
    // Methods are case-sensitive.
    "get Get gET GEt head Head post Post options trace query propfind Propfind purge m-search",
    // A name is compared whole, not by its length or by how it begins or ends.
    "G GE ET GETX XGET GETGET GET- -GET GET. GOT PET SET HEA HEADER HEAP READ POS POSTS PUTS PUR",
    "PATCHES DELETED OPTION TRACES TRACER CONNECTED QUERIES PROPFINDS PROPFINE PROP-FIND MSEARCH",
    "M_SEARCH M-POST",
    // Valid tokens that do not look like methods.
    "a 0 200 - ** null undefined HTTP %s%n .. '--",
];

#[test]
fn a_name_is_what_it_is_and_nothing_near_it() {
    let unknown = UNKNOWN.iter().map(|names| (*names, "555555"));
    for (names, expected) in FACTS.iter().copied().chain(unknown) {
        for name in names.split(' ') {
            let decide = |policy: &Policy, path| match policy.decide(&method(name), path) {
                Decision::Forward => 'F',
                Decision::NotAllowed { .. } => '4',
                Decision::NotImplemented => '5',
            };
            let decisions = policies().map(|(_, policy, path)| decide(&policy, path));
            assert_eq!(String::from_iter(decisions), expected, "{name}");
        }
    }
}

/// `Method` is a token (RFC 9110 §9.1), and `http` lets through exactly the characters of one
/// (§5.6.2): no policy is ever asked about anything else.
#[test]
fn exactly_the_tokens_are_methods() {
    assert!(Method::from_bytes(b"").is_err());
    for byte in 0..=u8::MAX {
        let is_tchar = TCHARS.as_bytes().contains(&byte);
        assert_eq!(
            is_tchar,
            byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
        );
        // `http` keeps names of up to 15 bytes in another form than longer ones.
        for length in [1, 3, 15, 16, 40] {
            for at in [0, length / 2, length - 1] {
                let mut name = vec![b'A'; length];
                name[at] = byte;
                assert_eq!(
                    Method::from_bytes(&name).is_ok(),
                    is_tchar,
                    "{byte:#04x} at {at}"
                );
            }
        }
    }
}

#[test]
fn a_method_of_one_character_is_a_501_until_it_is_configured() {
    for character in TCHARS.chars() {
        let name = method(&character.to_string());
        for (configuration, policy, path) in policies() {
            assert_eq!(
                decide(&policy, &name, path),
                "501",
                "{character} {configuration}"
            );
        }
        // The wildcard is reserved (RFC 9110 §18.2).
        if character != '*' {
            let policy = Policy::new().allow([]).recognize([name.clone()]);
            assert_eq!(decide(&policy, &name, "/"), "405 GET, HEAD");
            let policy = policy.allow([name.clone()]);
            assert_eq!(decide(&policy, &name, "/"), "forward");
        }
    }
}

/// RFC 9112 §3: "A server that receives a method longer than any that it implements SHOULD respond
/// with a 501 (Not Implemented) status code." hyper lets through whatever fits into its buffer.
#[test]
fn a_method_longer_than_any_that_is_implemented_is_a_501() {
    for length in [15, 16, 17, 64, 65, 255, 256, 65_535, 65_536, 70_000] {
        for name in [
            "A".repeat(length),
            format!("GET{}", "T".repeat(length)),
            "GET".repeat(length),
        ] {
            for (configuration, policy, path) in policies() {
                assert_eq!(
                    decide(&policy, &method(&name), path),
                    "501",
                    "{configuration}"
                );
            }
        }
    }
}

#[test]
fn a_long_method_is_implemented_where_it_is_configured() {
    let long = method(&"A".repeat(70_000));
    let policy = Policy::new().allow([long.clone()]);
    assert_eq!(decide(&policy, &long, "/"), "forward");

    for near in [
        "A".repeat(69_999),
        "A".repeat(70_001),
        format!("{}B", "A".repeat(69_999)),
    ] {
        assert_eq!(decide(&policy, &method(&near), "/"), "501");
    }
}

/// A name that is one character away from `GET` or `HEAD` is not it.
#[test]
fn nothing_near_get_and_head_is_forwarded_as_they_are() {
    let policy = Policy::new().allow([]).recognize_only([]);
    for name in ["GET", "HEAD"] {
        for at in 0..name.len() {
            for character in TCHARS.chars() {
                let (start, end) = name.split_at(at);
                let replaced = format!("{start}{character}{}", &end[1..]);
                let inserted = format!("{start}{character}{end}");
                let appended = format!("{name}{character}");
                for near in [replaced, inserted, appended] {
                    let expected = if near == name { "forward" } else { "501" };
                    assert_eq!(decide(&policy, &method(&near), "/"), expected, "{near}");
                }
            }
        }
    }
}

#[tokio::test]
async fn fields_and_parameters_that_override_the_method_are_never_read() {
    let layer = MethodPolicyLayer::new(Policy::new().allow([Method::DELETE]));
    let status = async |method: &str, overridden: &str| {
        let inner = service_fn(async |_: Request<Empty<Bytes>>| {
            Ok::<_, Infallible>(Response::<Empty<Bytes>>::default())
        });
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/?_method={overridden}&method={overridden}"));
        for field in [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "x-original-method",
            "x-forwarded-method",
            "method",
        ] {
            request = request.header(field, overridden);
        }
        let request = request.body(Empty::new()).unwrap();
        layer.layer(inner).oneshot(request).await.unwrap().status()
    };

    for overridden in ["GET", "DELETE", "POST", "FOO"] {
        assert_eq!(status("GET", overridden).await, StatusCode::OK);
        assert_eq!(status("DELETE", overridden).await, StatusCode::OK);
        assert_eq!(
            status("POST", overridden).await,
            StatusCode::METHOD_NOT_ALLOWED
        );
        assert_eq!(status("FOO", overridden).await, StatusCode::NOT_IMPLEMENTED);
    }
}
