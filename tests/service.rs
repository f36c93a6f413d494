//! The service does what its policy decides, by whichever way it comes to know that.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{
    AnswerOptions, Decision, Drain, EmptyBody, MethodPolicy, MethodPolicyLayer, Policy,
};

use crate::support::strategies::{METHODS, any_method, block_on, method, policies, set, uris};

/// The status of the answer to a request; the inner service's is 200.
fn status(policy: &Policy, method: &Method, uri: &Uri) -> StatusCode {
    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let mut request = Request::new(Full::default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    let service = MethodPolicy::new(inner, policy.clone());
    let Ok(response) = block_on(service.oneshot(request));
    response.status()
}

fn decided(policy: &Policy, method: &Method, uri: &Uri) -> StatusCode {
    match policy.decide(method, uri.path()) {
        Decision::Forward => StatusCode::OK,
        Decision::NotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Decision::NotImplemented => StatusCode::NOT_IMPLEMENTED,
    }
}

/// Its hash is `u64::MAX`, so the slot after its own is found by an addition that overflows.
const LAST_SLOT: &str = "mPIbMJq8U7IPVo16";

#[test]
fn a_method_whose_hash_is_the_largest_number_is_not_implemented() {
    let (crafted, uri) = (method(LAST_SLOT), Uri::from_static("/"));
    for policy in [
        Policy::new(),
        Policy::new().allow([method("REPORT")]),
        Policy::new().allow(set("REPORT PROPFIND SEARCH PURGE BAN")),
    ] {
        assert_eq!(status(&policy, &crafted, &uri), StatusCode::NOT_IMPLEMENTED);
        let allowing = policy.allow(crafted.clone());
        assert_eq!(status(&allowing, &crafted, &uri), StatusCode::OK);
    }
}

/// The first and the last eight bytes of these names are those of the other.
#[test]
fn a_method_with_the_ends_of_another_is_not_that_one() {
    let uri = Uri::from_static("/");
    for (allowed, asked) in [
        ("BASELINE-CONTROL", "BASELINEX-CONTROL"),
        ("BASELINEX-CONTROL", "BASELINE-CONTROL"),
        ("UPDATEREDIRECTREF", "UPDATEREREDIRECTREF"),
    ] {
        let (allowed, asked) = (method(allowed), method(asked));
        let policy = Policy::new().allow(allowed);
        assert_eq!(status(&policy, &asked, &uri), StatusCode::NOT_IMPLEMENTED);
        let policy = policy.allow(asked.clone());
        assert_eq!(status(&policy, &asked, &uri), StatusCode::OK);
    }
}

/// Any method, often one with the ends of another.
fn crafted_methods() -> impl Strategy<Value = Method> {
    let stretched = (any_method(), "[AX]{0,2}").prop_map(|(base, middle)| {
        let (start, end) = base.as_str().split_at(base.as_str().len() / 2);
        method(&format!("{start}{middle}{end}"))
    });
    prop_oneof![
        4 => any_method(),
        4 => stretched,
        1 => select(vec![LAST_SLOT, "BASELINE-CONTROL", "BASELINEX-CONTROL"]).prop_map(method),
    ]
}

proptest! {
    #[test]
    fn any_methods_are_forwarded_exactly_where_they_are_allowed(
        allowed in proptest::collection::vec(crafted_methods(), 0..40),
        others in proptest::collection::vec(crafted_methods(), 0..40),
    ) {
        let policy = Policy::new().recognize_only([]);
        let policy = allowed.iter().fold(policy.allow([]), |policy, method| {
            policy.allow(method.clone())
        });
        for method in allowed.iter().chain(&others) {
            let uri = Uri::from_static("/");
            prop_assert_eq!(status(&policy, method, &uri), decided(&policy, method, &uri));
        }
    }
}

/// What a layer can be set to, beside its policy, that a decision depends on, or must not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Setting {
    AnswerOptions,
    Extensions,
    Others,
}

const EXTENSION: &str = "http://example.com/extension";

/// The layer with these settings, called in this order.
fn layer_of(policy: &Policy, settings: &[Setting]) -> Result<Answering, Forwarding> {
    let mut layer = MethodPolicyLayer::new(policy.clone());
    let mut settings = settings.iter();
    for setting in settings.by_ref() {
        layer = match setting {
            Setting::AnswerOptions => {
                let layer = layer.answer_options();
                return Ok(settings.fold(layer, |layer, setting| set(layer, *setting)));
            }
            setting => set(layer, *setting),
        };
    }
    return Err(layer);

    fn set<O>(
        layer: MethodPolicyLayer<EmptyBody, O>,
        setting: Setting,
    ) -> MethodPolicyLayer<EmptyBody, O> {
        match setting {
            Setting::AnswerOptions => layer,
            #[cfg(feature = "rfc2774")]
            Setting::Extensions => {
                let extensions = tower_method_policy::rfc2774::MandatoryExtensions::at_origin();
                layer.mandatory_extensions(extensions.support(EXTENSION).expect("a URI"))
            }
            #[cfg(not(feature = "rfc2774"))]
            Setting::Extensions => layer,
            Setting::Others => layer
                .cache_control(HeaderValue::from_static("no-store"))
                .drain(Drain::none())
                .on_rejection(|_, _| {}),
        }
    }
}

type Answering = MethodPolicyLayer<EmptyBody, AnswerOptions>;
type Forwarding = MethodPolicyLayer;

/// The decision table, with the rules for extensions between rows 1 and 2: the status, and whether it
/// is the inner service's.
fn expected(policy: &Policy, settings: &[Setting], request: &Request<()>) -> (StatusCode, bool) {
    let (method, path) = (request.method(), request.uri().path());
    let decided = |method: &Method| match policy.decide(method, path) {
        Decision::Forward => (StatusCode::OK, true),
        Decision::NotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, false),
        Decision::NotImplemented => (StatusCode::NOT_IMPLEMENTED, false),
    };
    // Row 1.
    if [Method::GET, Method::HEAD].contains(method) {
        return (StatusCode::OK, true);
    }
    // RFC 2774 §5.
    if cfg!(feature = "rfc2774") && settings.contains(&Setting::Extensions) {
        let base = method.as_str().strip_prefix("M-").unwrap_or_default();
        match (
            Method::from_bytes(base.as_bytes()),
            request.headers().get("man"),
        ) {
            (Ok(base), Some(_)) => return decided(&base),
            (Err(_), None) => {}
            _ => return (StatusCode::NOT_EXTENDED, false),
        }
    }
    // Row 2.
    let is_preflight = request
        .headers()
        .contains_key("access-control-request-method");
    if settings.contains(&Setting::AnswerOptions) && method == Method::OPTIONS && !is_preflight {
        let rule_allows = match path {
            "*" => policy.default_rule().is_some() || policy.rules().len() > 0,
            path => policy
                .allowed_at(path)
                .is_some_and(|allow| allow.methods().contains(method)),
        };
        if rule_allows {
            return (StatusCode::OK, false);
        }
    }
    // Rows 3 to 5.
    decided(method)
}

proptest! {
    /// Most requests are forwarded without a look at the whole table: never one that it would not
    /// forward, whatever is set and in whatever order.
    #[test]
    fn every_layer_decides_as_the_table_says(
        policy in policies(),
        settings in subsequence(vec![Setting::AnswerOptions, Setting::Extensions, Setting::Others], 0..=3)
            .prop_shuffle(),
        methods in proptest::collection::vec(
            prop_oneof![
                2 => select(METHODS).prop_map(method),
                1 => select(METHODS).prop_map(|name| method(&format!("M-{name}"))),
                1 => crafted_methods(),
            ],
            1..8,
        ),
        uri in uris(),
        (is_preflight, is_mandatory) in (any::<bool>(), any::<bool>()),
    ) {
        let inner = service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::builder().header("x-inner", "1").body(String::new()).unwrap())
        });
        let inner = tower::util::MapRequest::new(inner, |request: Request<Full<Bytes>>| request.map(drop));
        for method in methods {
            let mut request = Request::builder().method(&method).uri(&uri);
            if is_preflight {
                request = request.header("origin", "http://a").header("access-control-request-method", "PUT");
            }
            if is_mandatory {
                request = request.header("man", format!("\"{EXTENSION}\""));
            }
            let request = request.body(()).unwrap();
            let expected = expected(&policy, &settings, &request);
            let sent = request.map(|()| Full::<Bytes>::default());
            let response = block_on(async {
                match layer_of(&policy, &settings) {
                    Ok(answering) => answering.layer(inner.clone()).oneshot(sent).await,
                    Err(forwarding) => forwarding.layer(inner.clone()).oneshot(sent).await,
                }
            });
            let response = response.unwrap();
            let seen = (response.status(), response.headers().contains_key("x-inner"));
            prop_assert_eq!(seen, expected, "{} {} {:?} {:?}", method, uri, settings, policy);
        }
    }
}
