//! The service does what the decision table says, although it forwards most requests by a shortcut.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::BTreeSet;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::ALLOW;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use http_body_util::Full;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower::{Layer, Service, service_fn};
#[cfg(feature = "rfc2774")]
use tower_method_policy::rfc2774::{Declarations, MandatoryExtensions};
use tower_method_policy::{
    BodyDrain, Decision, MethodPolicy, MethodPolicyLayer, MethodSet, Policy, WouldReject,
};

use crate::support::strategies::{
    METHODS, PATHS, Setting, any_method, method, policies, policy_of, registered_names,
    settings_with, uris,
};

/// Method names, compared as text.
type Names = BTreeSet<String>;

fn names(methods: &MethodSet) -> Names {
    methods.iter().map(ToString::to_string).collect()
}

/// The elements of an `Allow` field.
fn listed(headers: &HeaderMap) -> Option<Names> {
    let value = headers.get(ALLOW)?.to_str().unwrap();
    let elements = value.split(", ").filter(|element| !element.is_empty());
    Some(elements.map(str::to_owned).collect())
}

/// More own methods than the shortcut knows.
fn own_methods() -> Vec<Method> {
    (0..40).map(|n| method(&format!("OWN-{n:02}"))).collect()
}

/// Sets with methods of every kind. Many have more own methods than the shortcut knows.
fn sets() -> impl Strategy<Value = MethodSet> {
    let own = prop_oneof![
        2 => Just(vec![]),
        2 => Just(own_methods()),
        1 => subsequence(own_methods(), 0..=40),
    ];
    let common = subsequence(METHODS, 0..=METHODS.len());
    let registered = subsequence(registered_names(), 0..=3);
    (common, registered, own).prop_map(|(common, registered, own)| {
        let names = common.into_iter().map(str::to_owned).chain(registered);
        names.map(|name| method(&name)).chain(own).collect()
    })
}

/// Any method, often one that begins and ends as another does.
fn any_or_stretched_method() -> impl Strategy<Value = Method> {
    let stretched = (any_method(), "[AX]{0,2}").prop_map(|(base, middle)| {
        let (start, end) = base.as_str().split_at(base.as_str().len() / 2);
        method(&format!("{start}{middle}{end}"))
    });
    prop_oneof![any_method(), stretched]
}

// The model: the decision table, written a second time.

/// What a layer can be set to.
#[derive(Clone, Debug)]
struct Configuration {
    settings: Vec<Setting>,
    answers_options: bool,
    report_only: bool,
    /// `None` if the extension framework is off.
    role: Option<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Origin,
    Proxy,
}

#[cfg(feature = "rfc2774")]
const EXTENSION: &str = "http://example.com/extension";

/// What a client or the inner service sees.
#[derive(Debug, PartialEq)]
enum Outcome {
    Forwarded,
    /// The inner service's `405` becomes `200`.
    Turned,
    /// Forwarded as a request whose extensions are fulfilled.
    Fulfilled,
    /// `200` from the layer.
    Answered(Option<Names>),
    Rejected(StatusCode, Option<Names>),
}

impl Configuration {
    fn layer(&self) -> MethodPolicyLayer {
        let layer = MethodPolicyLayer::new(policy_of(&self.settings))
            .report_only(self.report_only)
            .cache_control(HeaderValue::from_static("no-store"))
            .body_drain(BodyDrain::none());
        #[cfg(feature = "rfc2774")]
        let layer = match self.role {
            None => layer,
            Some(role) => layer.mandatory_extensions(
                match role {
                    Role::Origin => MandatoryExtensions::at_origin(),
                    Role::Proxy => MandatoryExtensions::at_proxy(),
                }
                .support(EXTENSION)
                .unwrap(),
            ),
        };
        // Last, so that what was built from the other settings has to change.
        layer.answer_options(self.answers_options)
    }

    /// Everything that the server recognizes.
    fn recognized(&self) -> Names {
        let mut recognized: Names = [
            "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "QUERY",
        ]
        .map(str::to_owned)
        .into();
        for setting in &self.settings {
            if let Setting::RecognizeOnly(methods) = setting {
                recognized = names(methods);
            }
        }
        for setting in &self.settings {
            match setting {
                Setting::Recognize(methods)
                | Setting::Route(_, methods)
                | Setting::Subtree(_, methods) => recognized.extend(names(methods)),
                Setting::RecognizeOnly(_) | Setting::Fallback(_) | Setting::Exempt(_) => {}
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
        let mut fallbacks = self.settings.iter().filter_map(|setting| match setting {
            Setting::Fallback(methods) => Some(methods),
            _ => None,
        });
        fallbacks.next_back()
    }

    /// The methods of the rule at a path that the patterns `matching` match, the most specific first.
    fn rule(&self, matching: &[&str]) -> Option<Names> {
        let configured = matching.iter().find_map(|pattern| {
            self.settings.iter().find_map(|setting| match setting {
                Setting::Route(of, methods) | Setting::Subtree(of, methods) if of == pattern => {
                    Some(Some(methods))
                }
                Setting::Exempt(of) if of == pattern => Some(None),
                _ => None,
            })
        });
        let mut rule = names(configured.unwrap_or_else(|| self.fallback())?);
        if rule.contains("GET") {
            rule.insert("HEAD".to_owned());
        }
        Some(rule)
    }

    fn outcome(&self, sent: &Sent) -> Outcome {
        let (path, matching) = sent.path;
        let method = sent.method.as_str();

        // Row 1.
        if method == "GET" || method == "HEAD" {
            return Outcome::Forwarded;
        }

        // RFC 2774 §5.
        if let Some(role) = self.role {
            let declarations = sent.declarations();
            if declarations
                .iter()
                .any(|declared| declared.value == MALFORMED)
            {
                return Outcome::Rejected(StatusCode::BAD_REQUEST, None);
            }
            let is_mandatory = declarations.iter().any(|declared| declared.is_mandatory);
            let base = method.strip_prefix("M-").filter(|base| !base.is_empty());
            match (base, is_mandatory) {
                (None, false) => {}
                (Some(base), true) => {
                    let is_supported = declarations.iter().all(|declared| {
                        let is_ours = role == Role::Origin || declared.is_hop_by_hop;
                        !(declared.is_mandatory && is_ours) || declared.value == SUPPORTED
                    });
                    if !is_supported {
                        return Outcome::Rejected(StatusCode::NOT_EXTENDED, None);
                    }
                    if base == "GET"
                        || base == "HEAD"
                        || (base == "OPTIONS" && self.answers_options)
                    {
                        return Outcome::Fulfilled;
                    }
                    return match self.rows_4_to_6(base, matching) {
                        Outcome::Forwarded => Outcome::Fulfilled,
                        rejected => rejected,
                    };
                }
                _ => return Outcome::Rejected(StatusCode::NOT_EXTENDED, None),
            }
        }

        if method == "OPTIONS" {
            // Row 2.
            let is_preflight = sent.has("origin") && sent.has("access-control-request-method");
            if is_preflight && self.recognized().contains("OPTIONS") {
                return Outcome::Forwarded;
            }
            // Row 3, and the end of row 4.
            if self.answers_options {
                if path == "*" {
                    return Outcome::Answered(None);
                }
                return match self.rule(matching) {
                    Some(mut rule) if !rule.contains("OPTIONS") => {
                        rule.insert("OPTIONS".to_owned());
                        Outcome::Answered(Some(rule))
                    }
                    _ => Outcome::Turned,
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

/// A request, with every header field that a row could depend on.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    path: (&'static str, &'static [&'static str]),
    version: Version,
    fields: Vec<(&'static str, &'static str)>,
}

struct Declared {
    value: &'static str,
    is_mandatory: bool,
    is_hop_by_hop: bool,
}

const SUPPORTED: &str = "\"http://example.com/extension\"";
const UNSUPPORTED: &str = "\"http://example.com/other\"";
const MALFORMED: &str = "\"http://example.com/extension";

impl Sent {
    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| *field == name)
    }

    fn is_in_connection(&self, name: &str) -> bool {
        let connection = self
            .fields
            .iter()
            .filter(|(field, _)| *field == "connection");
        let mut options = connection.flat_map(|(_, value)| value.split(','));
        options.any(|option| option.trim().eq_ignore_ascii_case(name))
    }

    /// The declarations that apply to the recipient (RFC 2774 §4, RFC 9110 §7.6.1).
    fn declarations(&self) -> Vec<Declared> {
        let mut declarations = Vec::new();
        for (name, value) in &self.fields {
            let (is_mandatory, is_hop_by_hop) = match *name {
                "man" => (true, false),
                "c-man" => (true, true),
                "opt" => (false, false),
                "c-opt" => (false, true),
                _ => continue,
            };
            let applies = match (is_hop_by_hop, self.version) {
                (true, Version::HTTP_11) => self.is_in_connection(name),
                (true, _) => false,
                (false, Version::HTTP_10) => !self.is_in_connection(name),
                (false, _) => true,
            };
            if applies {
                declarations.push(Declared {
                    value,
                    is_mandatory,
                    is_hop_by_hop,
                });
            }
        }
        declarations
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let target = match self.path.0 {
            "" => "example.com:443",
            path => path,
        };
        let mut request = Request::new(Full::from("content"));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.parse().unwrap();
        *request.version_mut() = self.version;
        for (name, value) in &self.fields {
            let name = HeaderName::from_static(name);
            request
                .headers_mut()
                .append(name, HeaderValue::from_static(value));
        }
        request
    }
}

/// Header fields that the table depends on, and those that it must not depend on.
fn fields() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    const DECLARED: [&str; 4] = [SUPPORTED, SUPPORTED, UNSUPPORTED, MALFORMED];
    const OTHERS: &[(&str, &str)] = &[
        ("access-control-request-headers", "x-a"),
        ("access-control-request-private-network", "true"),
        ("authorization", "Basic YTpi"),
        ("content-length", "7"),
        ("content-type", "application/grpc"),
        ("depth", "0"),
        ("destination", "/b"),
        ("early-data", "1"),
        ("expect", "100-continue"),
        ("forwarded", "for=192.0.2.1"),
        ("host", "example.com"),
        ("if-match", "*"),
        ("max-forwards", "0"),
        ("prefer", "return=minimal"),
        ("range", "bytes=0-0"),
        ("sec-fetch-mode", "cors"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("via", "1.1 a"),
        ("x-http-method", "DELETE"),
        ("x-http-method-override", "DELETE"),
        ("x-method-override", "DELETE"),
    ];
    let cors = subsequence(
        vec![
            ("origin", "http://example.com"),
            ("access-control-request-method", "PUT"),
        ],
        0..=2,
    );
    let name = select(vec!["man", "c-man", "opt", "c-opt"]);
    let declarations = vec((name, select(&DECLARED[..])), 0..=2);
    let declarations = prop_oneof![1 => Just(vec![]), 1 => declarations];
    let connection = select(vec![
        "close",
        "C-Man",
        "man, c-man",
        "keep-alive ,C-OPT",
        "Opt,upgrade",
    ]);
    let connection = vec(connection.prop_map(|value| ("connection", value)), 0..=2);
    let others = subsequence(OTHERS, 0..=OTHERS.len());
    (cors, declarations, connection, others).prop_map(|(cors, declarations, connection, others)| {
        [cors, declarations, connection, others].concat()
    })
}

fn requests() -> impl Strategy<Value = Sent> {
    let methods = prop_oneof![
        3 => select(METHODS).prop_map(method),
        1 => Just(Method::OPTIONS),
        2 => select(own_methods()),
        1 => select(registered_names()).prop_map(|name| method(&name)),
        2 => select(METHODS).prop_map(|name| method(&format!("M-{name}"))),
        1 => Just(method("M-")),
        1 => any_or_stretched_method(),
    ];
    let versions = select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]);
    (methods, select(PATHS), versions, fields()).prop_map(|(method, path, version, fields)| Sent {
        method,
        path,
        version,
        fields,
    })
}

fn configurations() -> impl Strategy<Value = Configuration> {
    let role = select(vec![None, Some(Role::Origin), Some(Role::Proxy)]);
    let role = role.prop_map(|role| role.filter(|_| cfg!(feature = "rfc2774")));
    let report_only = prop::bool::weighted(0.1);
    (settings_with(sets), any::<bool>(), report_only, role).prop_map(
        |(settings, answers_options, report_only, role)| Configuration {
            settings,
            answers_options,
            report_only,
            role,
        },
    )
}

/// Answers `405`. The field `x-inner` shows that it was asked, and as what.
async fn inner(request: Request<Full<Bytes>>) -> Result<Response<String>, Infallible> {
    #[cfg(feature = "rfc2774")]
    let is_fulfilled = request.extensions().get::<Declarations>().is_some();
    #[cfg(not(feature = "rfc2774"))]
    let is_fulfilled = {
        drop(request);
        false
    };
    let response = Response::builder()
        .status(StatusCode::METHOD_NOT_ALLOWED)
        .header("allow", "GET, BREW")
        .header(
            "x-inner",
            if is_fulfilled {
                "fulfilled"
            } else {
                "ordinary"
            },
        );
    Ok(response.body("inner".to_owned()).unwrap())
}

fn observe(response: &Response<String>) -> Outcome {
    let allow = listed(response.headers());
    let is_as_the_inner_service_s = response.status() == StatusCode::METHOD_NOT_ALLOWED
        && response.headers()["allow"] == "GET, BREW"
        && response.headers().len() == 2
        && response.body() == "inner";
    let inner = response.headers().get("x-inner");
    match inner.map(|inner| inner.to_str().unwrap()) {
        Some("ordinary") if response.status() == StatusCode::OK => {
            assert_eq!(response.headers()["allow"], "GET, OPTIONS, BREW");
            assert_eq!(response.body(), "");
            Outcome::Turned
        }
        Some("ordinary") if is_as_the_inner_service_s => Outcome::Forwarded,
        Some("fulfilled") if is_as_the_inner_service_s => Outcome::Fulfilled,
        Some(_) => panic!("{response:?}"),
        None if response.status() == StatusCode::OK => Outcome::Answered(allow),
        None => Outcome::Rejected(response.status(), allow),
    }
}

proptest! {
    /// Most requests are forwarded by method and path alone. Only requests that the table forwards may
    /// be, whatever the settings are.
    #[test]
    fn every_layer_does_what_the_decision_table_says(
        configuration in configurations(),
        requests in vec(requests(), 1..48),
    ) {
        let mut service = configuration.layer().layer(service_fn(inner));
        for sent in requests {
            let response = service.call(sent.request()).now_or_never().unwrap().unwrap();
            let expected = configuration.outcome(&sent);
            if configuration.report_only {
                let mark = response.extensions().get::<WouldReject>().map(WouldReject::rejection);
                let mark = mark.map(|rejection| (rejection.status(), rejection.allow().map(names)));
                let expected = match expected {
                    Outcome::Rejected(status, allow) => Some((status, allow)),
                    _ => None,
                };
                prop_assert_eq!(observe(&response), Outcome::Forwarded, "{:?}", sent);
                prop_assert_eq!(mark, expected, "{:?}", sent);
            } else {
                prop_assert_eq!(observe(&response), expected, "{:?}", sent);
            }
        }
    }
}

// What `Policy::decide` says.

/// The status of the answer to a request without header fields. The inner service's is 200.
fn status(policy: &Policy, method: &Method, uri: &Uri) -> StatusCode {
    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let mut request = Request::new(Full::default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    let mut service = MethodPolicy::new(inner, policy.clone());
    let Ok(response) = service.call(request).now_or_never().unwrap();
    response.status()
}

fn decided(policy: &Policy, method: &Method, uri: &Uri) -> StatusCode {
    match policy.decide(method, uri.path()) {
        Decision::Forward => StatusCode::OK,
        Decision::NotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Decision::NotImplemented => StatusCode::NOT_IMPLEMENTED,
    }
}

proptest! {
    #[test]
    fn a_request_is_answered_as_the_policy_decides(
        policy in policies(),
        method in prop_oneof![3 => select(METHODS).prop_map(method), 1 => any_method()],
        uri in uris(),
    ) {
        prop_assert_eq!(status(&policy, &method, &uri), decided(&policy, &method, &uri));
    }

    #[test]
    fn exactly_the_listed_methods_are_forwarded(
        allowed in vec(any_or_stretched_method(), 0..80),
        others in vec(any_or_stretched_method(), 0..40),
    ) {
        let uri = Uri::from_static("/");
        let policy = Policy::new().recognize_only([]).fallback(allowed.clone());
        for method in allowed.iter().chain(&others) {
            let is_forwarded = allowed.contains(method)
                || [Method::GET, Method::HEAD].contains(method);
            let forwarded = status(&policy, method, &uri) == StatusCode::OK;
            prop_assert_eq!(forwarded, is_forwarded, "{}", method);
        }
    }
}

#[test]
fn long_methods_that_differ_only_in_the_middle_are_told_apart() {
    let name = |n: usize| method(&format!("BEGINNING-{n:03}-THE-VERY-SAME-END"));
    let even: MethodSet = (0..100).step_by(2).map(name).collect();
    let policy = Policy::new().fallback(even);
    for n in 0..100 {
        let expected = if n % 2 == 0 {
            StatusCode::OK
        } else {
            StatusCode::NOT_IMPLEMENTED
        };
        let uri = Uri::from_static("/");
        assert_eq!(status(&policy, &name(n), &uri), expected, "{n}");
    }
}
