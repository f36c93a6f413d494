//! The service follows the decision table, although a shortcut forwards most requests. A forwarded request
//! arrives unchanged.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower::{Layer, Service, service_fn};
#[cfg(feature = "rfc2774")]
use tower_method_policy::rfc2774::{Declarations, MandatoryExtensions};
use tower_method_policy::{
    BodyDrain, Decision, MethodPolicy, MethodPolicyLayer, MethodSet, Policy, Rejection, WouldReject,
};

use crate::support::strategies::{
    METHODS, PATHS, Setting, any_method, method, policies, policy_of, registered_names,
    settings_with, uris,
};

type Body = Full<Bytes>;

/// Method names, compared as text.
type Names = BTreeSet<String>;

fn names(methods: &MethodSet) -> Names {
    methods.iter().map(ToString::to_string).collect()
}

/// More unregistered methods than the shortcut stores.
fn unregistered_methods() -> Vec<Method> {
    (0..40).map(|n| method(&format!("OWN-{n:02}"))).collect()
}

/// Sets with methods of every kind. Many have more unregistered methods than the shortcut stores.
fn sets() -> impl Strategy<Value = MethodSet> {
    let unregistered = prop_oneof![
        2 => Just(vec![]),
        2 => Just(unregistered_methods()),
        1 => subsequence(unregistered_methods(), 0..=40),
    ];
    let common = subsequence(METHODS, 0..=METHODS.len());
    let registered = subsequence(registered_names(), 0..=3);
    (common, registered, unregistered).prop_map(|(common, registered, unregistered)| {
        let names = common.into_iter().map(str::to_owned).chain(registered);
        names.map(|name| method(&name)).chain(unregistered).collect()
    })
}

/// Any method, often one that begins and ends like another method.
fn any_or_stretched_method() -> impl Strategy<Value = Method> {
    let stretched = (any_method(), "[AX]{0,2}").prop_map(|(base, middle)| {
        let (start, end) = base.as_str().split_at(base.as_str().len() / 2);
        method(&format!("{start}{middle}{end}"))
    });
    prop_oneof![any_method(), stretched]
}

// The model: the decision table, written a second time.

/// The settings of a layer.
#[derive(Clone, Debug)]
struct Configuration {
    settings: Vec<Setting>,
    answers_options: bool,
    has_extensions: bool,
}

/// The result for the client and the inner service.
#[derive(Debug, PartialEq)]
enum Outcome {
    Forwarded,
    /// The inner service's `405` becomes `200`.
    Changed,
    /// Forwarded with the request's `Declarations`.
    Fulfilled,
    /// `200` from the layer.
    Answered(Option<Names>),
    Rejected(StatusCode, Option<Names>),
}

impl Configuration {
    fn layer(&self) -> MethodPolicyLayer {
        let layer = MethodPolicyLayer::new(policy_of(&self.settings))
            .cache_control(HeaderValue::from_static("no-store"))
            .body_drain(BodyDrain::none());
        #[cfg(feature = "rfc2774")]
        let layer = if self.has_extensions {
            let extension = SUPPORTED.trim_matches('"');
            layer.mandatory_extensions(MandatoryExtensions::at_origin().support(extension).unwrap())
        } else {
            layer
        };
        // This call comes last. It has to rebuild the shortcut that the other calls built.
        layer.answer_options(self.answers_options)
    }

    /// All methods that the server recognizes.
    fn recognized(&self) -> Names {
        const STANDARD: &str = "GET HEAD POST PUT DELETE OPTIONS TRACE CONNECT PATCH QUERY";
        let replaced = |setting: &Setting| match setting {
            Setting::RecognizeOnly(methods) => Some(names(methods)),
            _ => None,
        };
        let replaced = self.settings.iter().rev().find_map(replaced);
        let standard = || STANDARD.split(' ').map(str::to_owned).collect();
        let mut recognized: Names = replaced.unwrap_or_else(standard);
        for setting in &self.settings {
            if let Setting::Recognize(methods)
            | Setting::Route(_, methods)
            | Setting::Subtree(_, methods) = setting
            {
                recognized.extend(names(methods));
            }
        }
        recognized.extend(self.fallback().map(names).unwrap_or_default());
        recognized.extend(["GET", "HEAD"].map(str::to_owned));
        if self.answers_options {
            recognized.insert("OPTIONS".to_owned());
        }
        recognized
    }

    fn fallback(&self) -> Option<&MethodSet> {
        self.settings.iter().rev().find_map(|setting| match setting {
            Setting::Fallback(methods) => Some(methods),
            _ => None,
        })
    }

    /// The methods of the rule at a path. `matching` has the patterns that match it, the most specific first.
    fn rule(&self, matching: &[&str]) -> Option<Names> {
        let configured = matching.iter().find_map(|pattern| {
            self.settings.iter().find_map(|setting| match setting {
                Setting::Route(added, methods) | Setting::Subtree(added, methods)
                    if added == pattern =>
                {
                    Some(Some(methods))
                }
                Setting::Exempt(added) if added == pattern => Some(None),
                _ => None,
            })
        });
        let mut rule = names(configured.unwrap_or_else(|| self.fallback())?);
        if rule.contains("GET") {
            rule.insert("HEAD".to_owned());
        }
        Some(rule)
    }

    fn is_exempt(&self, matching: &[&str]) -> bool {
        let first = matching.iter().find_map(|pattern| {
            self.settings.iter().find_map(|setting| match setting {
                Setting::Route(added, _) | Setting::Subtree(added, _) if added == pattern => {
                    Some(false)
                }
                Setting::Exempt(added) if added == pattern => Some(true),
                _ => None,
            })
        });
        first == Some(true)
    }

    fn outcome(&self, sent: &Sent) -> Outcome {
        let (path, matching) = sent.path;
        let method = sent.method.as_str();

        // Row 1.
        if method == "GET" || method == "HEAD" {
            return Outcome::Forwarded;
        }

        // RFC 2774 §5.
        if self.has_extensions {
            let declared = sent.fields.iter().filter(|(name, _)| matches!(*name, "man" | "opt"));
            if declared.clone().any(|(_, value)| *value == MALFORMED) {
                return Outcome::Rejected(StatusCode::BAD_REQUEST, None);
            }
            let mut mandatory = declared.filter(|(name, _)| *name == "man").peekable();
            let is_mandatory = mandatory.peek().is_some();
            let base = method.strip_prefix("M-").filter(|base| !base.is_empty());
            if base.is_some() || is_mandatory {
                let is_supported = is_mandatory && mandatory.all(|(_, value)| *value == SUPPORTED);
                return match base {
                    Some("GET" | "HEAD") if is_supported => Outcome::Fulfilled,
                    Some("OPTIONS") if is_supported && self.answers_options => Outcome::Fulfilled,
                    Some(base) if is_supported => match self.rows_4_to_6(base, matching) {
                        Outcome::Forwarded => Outcome::Fulfilled,
                        rejected => rejected,
                    },
                    _ => Outcome::Rejected(StatusCode::NOT_EXTENDED, None),
                };
            }
        }

        if method == "OPTIONS" {
            // Row 2.
            let has = |name| sent.fields.iter().any(|(field, _)| *field == name);
            let is_preflight = has("origin") && has("access-control-request-method");
            if is_preflight {
                return Outcome::Forwarded;
            }
            // Row 3, and row 4 for `OPTIONS`.
            if self.answers_options {
                return match self.rule(matching) {
                    None if path == "*" => Outcome::Answered(None),
                    Some(rule) if path == "*" && !rule.contains("OPTIONS") => {
                        Outcome::Answered(None)
                    }
                    Some(mut rule) if !rule.contains("OPTIONS") => {
                        rule.insert("OPTIONS".to_owned());
                        Outcome::Answered(Some(rule))
                    }
                    None if self.is_exempt(matching) => Outcome::Forwarded,
                    _ => Outcome::Changed,
                };
            }
        }
        self.rows_4_to_6(method, matching)
    }

    fn rows_4_to_6(&self, method: &str, matching: &[&str]) -> Outcome {
        let is_recognized = self.recognized().contains(method);
        match self.rule(matching) {
            // Row 4.
            Some(rule) if rule.contains(method) => Outcome::Forwarded,
            None if is_recognized => Outcome::Forwarded,
            // Row 5.
            Some(mut rule) if is_recognized => {
                if self.answers_options {
                    rule.insert("OPTIONS".to_owned());
                }
                Outcome::Rejected(StatusCode::METHOD_NOT_ALLOWED, Some(rule))
            }
            // Row 6.
            _ => Outcome::Rejected(StatusCode::NOT_IMPLEMENTED, None),
        }
    }
}

type Field = (&'static str, &'static str);

/// The request that a client sends.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    path: (&'static str, &'static [&'static str]),
    target: String,
    version: Version,
    fields: Vec<Field>,
}

const SUPPORTED: &str = "\"http://example.com/extension\"";
const UNSUPPORTED: &str = "\"http://example.com/other\"";
const MALFORMED: &str = "\"http://example.com/extension";

impl Sent {
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Full::from("content"));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.parse().unwrap();
        *request.version_mut() = self.version;
        for (name, value) in &self.fields {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(*name, value);
        }
        request.extensions_mut().insert(7_u64);
        request
    }

    /// Checks that the inner service received this request unchanged.
    fn assert_arrived(&self, arrived: Request<Body>) {
        let is_fulfilled = is_fulfilled(&arrived);
        let (arrived, body) = arrived.into_parts();
        assert_eq!(arrived.method, self.method);
        assert_eq!(arrived.uri.to_string(), self.target);
        assert_eq!(arrived.version, self.version);
        let has_same_fields = arrived.headers.iter().eq(self.request().headers());
        assert!(has_same_fields, "{:?}", arrived.headers);
        assert_eq!(arrived.extensions.get(), Some(&7_u64));
        assert_eq!(arrived.extensions.len(), 1 + usize::from(is_fulfilled));
        let body = body.collect().now_or_never().unwrap();
        assert_eq!(body.unwrap().to_bytes(), "content");
    }
}

fn is_fulfilled(_request: &Request<Body>) -> bool {
    #[cfg(feature = "rfc2774")]
    return _request.extensions().get::<Declarations>().is_some();
    #[cfg(not(feature = "rfc2774"))]
    return false;
}

/// Header fields on which the table depends, and fields on which it must not depend.
fn fields() -> impl Strategy<Value = Vec<Field>> {
    const DECLARED: [&str; 4] = [SUPPORTED, SUPPORTED, UNSUPPORTED, MALFORMED];
    // `Connection` does not list `C-Man`, so the layer ignores `C-Man`.
    const OTHERS: &str = "access-control-request-headers:x-a allow:FOO authorization:Basic c-man:x \
        connection:close content-length:7 content-type:application/grpc depth:0 destination:/b \
        early-data:1 expect:100-continue forwarded:for=a host:a if-match:* if-match:\u{e9} \
        max-forwards:0 prefer:return=minimal range:bytes=0-0 sec-fetch-mode:cors te:trailers \
        transfer-encoding:chunked upgrade:websocket via:1.1 x-http-method:DELETE \
        x-http-method-override:DELETE x-method-override:DELETE";
    const CORS: [Field; 2] = [("origin", "http://a"), ("access-control-request-method", "PUT")];
    let others = OTHERS.split_whitespace();
    let others: Vec<_> = others.map(|field| field.split_once(':').unwrap()).collect();
    let declarations = vec((select(&["man", "opt"]), select(&DECLARED)), 0..=2);
    let declarations = prop_oneof![Just(vec![]), declarations];
    let count = 0..=others.len();
    let fields = (subsequence(&CORS, 0..=2), declarations, subsequence(others, count));
    fields.prop_map(|(cors, declarations, others)| [cors, declarations, others].concat())
}

fn requests() -> impl Strategy<Value = Sent> {
    let methods = prop_oneof![
        1 => select(vec![Method::GET, Method::HEAD]),
        3 => select(METHODS).prop_map(method),
        1 => Just(Method::OPTIONS),
        2 => select(unregistered_methods()),
        1 => select(registered_names()).prop_map(|name| method(&name)),
        2 => select(METHODS).prop_map(|name| method(&format!("M-{name}"))),
        1 => Just(method("M-")),
        1 => any_or_stretched_method(),
    ];
    let versions = select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]);
    (methods, select(PATHS), 0..4, versions, fields()).prop_map(
        |(method, path, form, version, fields)| {
            let target = match (path.0, form) {
                ("", _) => "example.com:443".to_owned(),
                ("*", _) => "*".to_owned(),
                (path, 0) => format!("http://example.com{path}"),
                (path, 1) => format!("{path}?query"),
                (path, _) => path.to_owned(),
            };
            Sent { method, path, target, version, fields }
        },
    )
}

fn configurations() -> impl Strategy<Value = Configuration> {
    (settings_with(sets), any::<bool>(), any::<bool>()).prop_map(
        |(settings, answers_options, has_extensions)| Configuration {
            settings,
            answers_options,
            has_extensions: has_extensions && cfg!(feature = "rfc2774"),
        },
    )
}

/// Sends the request. The inner service answers `OPTIONS` with `405`. Returns the response, and the request if the
/// inner service received it.
fn ask(layer: &MethodPolicyLayer, sent: &Sent) -> (Response<String>, Option<Request<Body>>) {
    let mut arrived = None;
    let inner = service_fn(|request: Request<Body>| {
        let status = if request.method() == Method::OPTIONS { 405 } else { 418 };
        arrived = Some(request);
        let response = Response::builder().status(status).header("allow", "GET");
        let response = response.body("inner".to_owned()).unwrap();
        ready(Ok::<_, Infallible>(response))
    });
    let response = layer.layer(inner).call(sent.request()).now_or_never();
    let Ok(response) = response.unwrap();
    (response, arrived)
}

fn observe(response: &Response<String>, arrived: Option<&Request<Body>>) -> Outcome {
    let status = response.status();
    let allow = response.headers().get(ALLOW);
    let allow = allow.map(|allow| allow.to_str().unwrap());
    let content = response.body().as_str();
    let Some(arrived) = arrived else {
        let elements = allow.map(|allow| allow.split(", ").filter(|element| !element.is_empty()));
        let allow = elements.map(|elements| elements.map(str::to_owned).collect());
        return match status {
            StatusCode::OK => Outcome::Answered(allow),
            status => Outcome::Rejected(status, allow),
        };
    };
    if status == StatusCode::OK {
        assert_eq!((allow, content), (Some("GET, OPTIONS"), ""));
        return Outcome::Changed;
    }
    let statuses: [u16; 2] = [405, 418];
    assert!(statuses.contains(&status.as_u16()));
    assert_eq!((allow, content), (Some("GET"), "inner"));
    assert_eq!(response.headers().len(), 1);
    if is_fulfilled(arrived) { Outcome::Fulfilled } else { Outcome::Forwarded }
}

proptest! {
    /// The shortcut uses only method and path. Under all settings, it may forward a request only if the
    /// table forwards it. A layer that only reports marks the same rejections.
    #[test]
    fn every_layer_follows_the_decision_table(
        configuration in configurations(),
        requests in vec(requests(), 1..48),
    ) {
        let observed = Arc::new(AtomicUsize::new(0));
        let counter = observed.clone();
        let layer = configuration.layer().on_rejection(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let reporting = layer.clone().report_only(true);
        for sent in requests {
            let (response, arrived) = ask(&layer, &sent);
            let outcome = observe(&response, arrived.as_ref());
            prop_assert_eq!(&outcome, &configuration.outcome(&sent), "{:?}", sent);
            arrived.into_iter().for_each(|arrived| sent.assert_arrived(arrived));
            let rejection = response.extensions().get::<Rejection>();
            let is_rejected = matches!(outcome, Outcome::Rejected(..));
            prop_assert_eq!(rejection.is_some_and(Rejection::is_enforced), is_rejected);
            prop_assert_eq!(response.extensions().len(), usize::from(is_rejected));

            let (response, arrived) = ask(&reporting, &sent);
            let outcome = observe(&response, arrived.as_ref());
            prop_assert_eq!(outcome, Outcome::Forwarded, "{:?}", sent);
            sent.assert_arrived(arrived.unwrap());
            let mark = response.extensions().get().map(WouldReject::rejection);
            prop_assert!(mark.is_none_or(|mark| !mark.is_enforced()));
            let facts = |of: &Rejection| (of.status(), of.reason(), of.allow().map(names));
            prop_assert_eq!(mark.map(facts), rejection.map(facts), "{:?}", sent);
            prop_assert_eq!(mark.map(Rejection::rule), rejection.map(Rejection::rule));
            prop_assert_eq!(response.extensions().len(), usize::from(is_rejected));
            prop_assert_eq!(observed.swap(0, Ordering::Relaxed), 2 * usize::from(is_rejected));
        }
    }
}

/// Returns the status of the answer to a request without header fields. The inner service answers 200.
fn status(policy: &Policy, method: &Method, uri: &Uri) -> StatusCode {
    let inner =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(String::new())));
    let mut request = Request::new(Full::default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    let mut service = MethodPolicy::new(inner, policy.clone());
    let Ok(response) = service.call(request).now_or_never().unwrap();
    response.status()
}

proptest! {
    #[test]
    fn a_service_answers_as_its_policy_decides(
        policy in policies(),
        method in prop_oneof![3 => select(METHODS).prop_map(method), 1 => any_method()],
        uri in uris(),
    ) {
        let decided = match policy.decide(&method, uri.path()) {
            Decision::Forward => StatusCode::OK,
            Decision::NotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Decision::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        };
        prop_assert_eq!(status(&policy, &method, &uri), decided);
    }

    #[test]
    fn only_listed_methods_and_get_and_head_are_forwarded(
        allowed in vec(any_or_stretched_method(), 0..80),
        others in vec(any_or_stretched_method(), 0..40),
    ) {
        let uri = Uri::from_static("/");
        let policy = Policy::new().recognize_only([]).fallback(allowed.clone());
        for method in allowed.iter().chain(&others) {
            let expected =
                allowed.contains(method) || [Method::GET, Method::HEAD].contains(method);
            let is_forwarded = status(&policy, method, &uri) == StatusCode::OK;
            prop_assert_eq!(is_forwarded, expected, "{}", method);
        }
    }
}
