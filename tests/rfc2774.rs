//! The HTTP Extension Framework (RFC 2774) at servers and proxies: its rules, row by row, and the
//! grammar of declarations.

#![cfg(feature = "rfc2774")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use proptest::prelude::*;
use support::server::{Connection, within};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::rfc2774::{Declaration, Declarations, MandatoryExtensions};
use tower_method_policy::{
    Decision, EmptyBody, MethodPolicyLayer, PlainText, Policy, ProblemDetails, Reason, Rejection,
    RetryAfter, WouldReject,
};

const COPY: &str = "http://example.org/copy";

const NOT_DECLARED: &str =
    "The method is that of a mandatory request, but no mandatory extension is declared.";
const NOT_MANDATORY: &str =
    "A mandatory extension is declared, but the method does not begin with M-.";

fn origin() -> MandatoryExtensions {
    support(MandatoryExtensions::at_origin())
}

fn proxy() -> MandatoryExtensions {
    support(MandatoryExtensions::at_proxy())
}

/// Supports two extensions that share their prefixes, and two that do not.
fn support(extensions: MandatoryExtensions) -> MandatoryExtensions {
    let extensions = extensions
        .support(COPY)
        .unwrap()
        .support("Use-Transform")
        .unwrap();
    let extensions = extensions
        .support_with_shared_prefix("urn:x:shared-1")
        .unwrap();
    extensions
        .support_with_shared_prefix("urn:x:shared-2")
        .unwrap()
}

/// A request as it is sent.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    version: Version,
    fields: Vec<(&'static str, &'static str)>,
}

fn ask(method: &'static str, fields: &[(&'static str, &'static str)]) -> Asked {
    Asked {
        method,
        version: Version::HTTP_11,
        fields: fields.to_vec(),
    }
}

impl Asked {
    fn over(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let request = Request::builder().method(self.method).version(self.version);
        let fields = self.fields.iter();
        let request = fields.fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.uri("/").body(Full::default()).unwrap()
    }
}

/// The outcome of a request.
#[derive(Debug)]
struct Answer {
    /// The request as the inner service received it, if it did.
    forwarded: Option<Request<()>>,
    response: Response<String>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn is_forwarded(&self) -> bool {
        self.forwarded.is_some()
    }

    fn rejection(&self) -> &Rejection {
        self.response.extensions().get().unwrap()
    }

    /// The sentence about the extensions.
    fn problem(&self) -> &str {
        self.rejection().extension_problem().unwrap()
    }

    fn fields(&self) -> Vec<(&str, &str)> {
        let fields = self.response.headers().iter();
        fields
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }
}

fn layer(extensions: MandatoryExtensions) -> MethodPolicyLayer<PlainText> {
    MethodPolicyLayer::new(Policy::new().fallback([Method::PUT]))
        .mandatory_extensions(extensions)
        .respond_with(PlainText)
}

async fn answer(extensions: MandatoryExtensions, asked: &Asked) -> Answer {
    answer_after(extensions, asked, |_| {}).await
}

/// `inner` changes the inner service's response.
async fn answer_after(
    extensions: MandatoryExtensions,
    asked: &Asked,
    inner: impl Fn(&mut Response<Full<Bytes>>),
) -> Answer {
    answer_of(&layer(extensions), asked, inner).await
}

async fn answer_of(
    layer: &MethodPolicyLayer<PlainText>,
    asked: &Asked,
    inner: impl Fn(&mut Response<Full<Bytes>>),
) -> Answer {
    let forwarded = Mutex::new(None);
    let service = layer.layer(service_fn(async |request: Request<Full<Bytes>>| {
        *forwarded.lock().unwrap() = Some(request.map(|_| ()));
        let mut response = Response::new(Full::<Bytes>::from("inner"));
        inner(&mut response);
        Ok::<_, Infallible>(response)
    }));
    let response = service.oneshot(asked.request()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer {
        forwarded: forwarded.into_inner().unwrap(),
        response: Response::from_parts(parts, body),
    }
}

// Off, the default.

#[tokio::test]
async fn without_the_setting_an_m_method_is_a_method_like_any_other() {
    let policy = Policy::new().fallback([Method::from_bytes(b"M-SEARCH").unwrap()]);
    for (method, decision) in [
        ("M-GET", Decision::NotImplemented),
        ("M-SEARCH", Decision::Forward),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(policy.decide(&method, "/"), decision);
    }
    let layer = MethodPolicyLayer::new(policy);
    let service = layer.layer(service_fn(async |request: Request<Full<Bytes>>| {
        assert!(request.extensions().get::<Declarations>().is_none());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    for method in ["M-SEARCH", "GET"] {
        // Not even malformed.
        let asked = ask(
            method,
            &[("man", "\""), ("c-man", "x"), ("connection", "c-man")],
        );
        let response = service.clone().oneshot(asked.request()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().is_empty());
    }
}

// The module's table, in its order.

/// RFC 9110 §9.1 comes before RFC 2774.
#[tokio::test]
async fn row_1_get_and_head_are_forwarded_whatever_they_declare() {
    for method in ["GET", "HEAD"] {
        for fields in [
            &[("man", "\"http://example.org/unknown\"")][..],
            &[("man", "malformed")],
            &[("c-man", "\""), ("connection", "c-man")],
            &[("man", "\"a\"; ns=16, \"b\"; ns=16")],
        ] {
            for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
                let asked = ask(method, fields).over(version);
                let answer = answer(origin(), &asked).await;
                let forwarded = answer.forwarded.unwrap();
                assert_eq!(forwarded.headers(), asked.request().headers());
                assert_eq!(forwarded.version(), version);
                assert_eq!(answer.response.status(), StatusCode::OK);
                assert!(answer.response.headers().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn row_2_a_malformed_declaration_is_400_and_names_the_mistake_and_its_place() {
    for (field, value, expected) in [
        (
            "man",
            "x",
            "man, line 0, byte 0: expected an extension identifier in quotation marks.",
        ),
        (
            "opt",
            "\"a\"; ns=1",
            "opt, line 0, byte 8: expected a header prefix of two or more digits.",
        ),
        (
            "man",
            "\"a\", \"b\"x",
            "man, line 0, byte 8: expected a semicolon, a comma or the end.",
        ),
        (
            "c-man",
            "\"a b\"",
            "c-man, line 0, byte 1: expected an absolute URI or a field name.",
        ),
        (
            "c-opt",
            "\"a\"; =b",
            "c-opt, line 0, byte 5: expected the name of a parameter.",
        ),
    ] {
        for method in ["M-PUT", "PUT", "FOO"] {
            let asked = ask(method, &[(field, value), ("connection", "C-Man, c-opt")]);
            let answer = answer(origin(), &asked).await;
            assert_eq!(answer.status(), 400, "{value}");
            assert_eq!(answer.response.body().trim_end(), expected);
            assert!(!answer.is_forwarded());
            assert_eq!(answer.rejection().reason(), Reason::MalformedDeclaration);
            assert_eq!(answer.problem(), expected);
            let shown = format!("400 Bad Request: {expected}");
            assert_eq!(answer.rejection().to_string(), shown);
            assert!(!answer.response.headers().contains_key("allow"));
        }
    }
    // Every line of a field counts.
    let asked = ask("M-PUT", &[("man", "\"a\""), ("man", "\"")]);
    let expected = "man, line 1, byte 1: expected the closing quotation mark.\n";
    assert_eq!(answer(origin(), &asked).await.response.body(), expected);
}

/// RFC 2774 §5: "The method name of a mandatory request MUST be prefixed by `M-`".
#[tokio::test]
async fn row_3_a_mandatory_declaration_without_an_m_method_is_510() {
    for fields in [
        &[("man", "\"http://example.org/copy\"")][..],
        &[("man", "\"http://example.org/unknown\"")],
        &[
            ("c-man", "\"http://example.org/copy\""),
            ("connection", "c-man"),
        ],
    ] {
        for method in ["PUT", "POST", "FOO", "OPTIONS", "m-put", "M-", "MPUT"] {
            for extensions in [origin(), proxy()] {
                let answer = answer(extensions, &ask(method, fields)).await;
                assert_eq!(answer.status(), 510, "{method}");
                assert_eq!(answer.problem(), NOT_MANDATORY);
                assert_eq!(answer.rejection().reason(), Reason::NotExtended);
                assert!(!answer.is_forwarded());
            }
        }
    }
    // An optional extension needs no `M-` method.
    let answer = answer(
        origin(),
        &ask("PUT", &[("opt", "\"http://example.org/unknown\"")]),
    )
    .await;
    assert!(answer.is_forwarded());
    assert!(answer.response.headers().is_empty());
}

/// RFC 2774 §5: "MUST return a 510 (Not Extended) response".
#[tokio::test]
async fn row_4_an_m_method_without_a_mandatory_declaration_is_510() {
    for fields in [
        &[][..],
        &[("opt", "\"http://example.org/copy\"")],
        &[("man", "")],
        &[("man", " , ,")],
        // `Connection` does not list it, as after an HTTP/1.1 proxy removed that field.
        &[("c-man", "\"http://example.org/copy\"")],
        &[("c-man", "malformed")],
        &[
            ("c-man", "\"http://example.org/copy\""),
            ("connection", "close, c-man-2"),
        ],
    ] {
        for method in ["M-PUT", "M-GET", "M-HEAD", "M-FOO", "M-M-PUT"] {
            for extensions in [origin(), proxy()] {
                let answer = answer(extensions, &ask(method, fields)).await;
                assert_eq!(answer.status(), 510, "{method} {fields:?}");
                assert_eq!(answer.problem(), NOT_DECLARED);
                let rejection = answer.rejection();
                assert_eq!(rejection.reason(), Reason::NotExtended);
                assert_eq!(rejection.status(), 510);
                assert_eq!((rejection.allow(), rejection.rule()), (None, None));
                let shown = format!("510 Not Extended: {NOT_DECLARED}");
                assert_eq!(rejection.to_string(), shown);
            }
        }
    }
}

/// RFC 2774 §5, §7.
#[tokio::test]
async fn row_5_an_extension_that_is_not_supported_is_510_which_names_it() {
    let fields = [
        (
            "man",
            "\"http://example.org/copy\", \"http://example.org/move\"",
        ),
        ("c-man", "\"X-Unknown\""),
        ("opt", "\"http://example.org/optional\""),
        ("connection", "C-Man"),
    ];
    let answer = answer(origin(), &ask("M-PUT", &fields)).await;
    assert_eq!(answer.status(), 510);
    assert!(!answer.is_forwarded());
    assert_eq!(
        answer.response.body(),
        "Extensions that are not supported here: http://example.org/move, X-Unknown. Supported: \
         http://example.org/copy, urn:x:shared-1, urn:x:shared-2, use-transform.\n"
    );
}

/// At most eight extensions, and at most 128 bytes of each.
#[tokio::test]
async fn the_sentence_about_extensions_is_bounded() {
    let longest = format!("x:{}", "y".repeat(126));
    for (count, identifier, shown) in [
        (1, longest.clone(), longest.clone()),
        (1, format!("{longest}y"), format!("{longest}…")),
        (8, "x:y".to_owned(), ["x:y"; 8].join(", ")),
        (9, "x:y".to_owned(), ["x:y"; 8].join(", ") + " and 1 more"),
    ] {
        let man = vec![format!("\"{identifier}\""); count].join(", ");
        let request = Request::builder().method("M-PUT").header("man", man);
        let service = layer(MandatoryExtensions::at_origin());
        let service = service.layer(service_fn(async |_: Request<Full<Bytes>>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
        let request = request.body(Full::default()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let expected =
            format!("Extensions that are not supported here: {shown}. Supported: none.\n");
        assert_eq!(body, expected);
    }
}

/// RFC 2774 §14.
#[tokio::test]
async fn row_5_a_proxy_has_to_support_only_what_is_declared_hop_by_hop() {
    let end_to_end = ask(
        "M-PUT",
        &[("man", "\"http://example.org/move\"; ns=16"), ("16-a", "b")],
    );
    let forwarded = answer(proxy(), &end_to_end).await;
    let request = forwarded.forwarded.as_ref().unwrap();
    assert_eq!(request.method(), "M-PUT");
    assert_eq!(request.headers(), end_to_end.request().headers());
    // The proxy did not fulfill it.
    assert!(forwarded.response.headers().is_empty());

    let fields = [
        ("c-man", "\"http://example.org/move\""),
        ("connection", "c-man"),
    ];
    let rejected = answer(proxy(), &ask("M-PUT", &fields)).await;
    assert_eq!(rejected.status(), 510);
    assert!(!rejected.is_forwarded());
}

/// RFC 2774 §4.1.
#[tokio::test]
async fn row_6_a_prefix_that_is_used_twice_is_400_unless_both_permit_it() {
    let copy = "\"http://example.org/copy\"; ns=16";
    let both = |man, c_man| {
        ask(
            "M-PUT",
            &[("man", man), ("c-man", c_man), ("connection", "c-man")],
        )
    };
    for (man, c_man, status) in [
        (copy, "\"Use-Transform\"; ns=16", 400),
        (copy, "\"Use-Transform\"; ns=17", 200),
        (copy, "\"Use-Transform\"; ns=016", 200),
        (copy, "\"Use-Transform\"", 200),
        (copy, "\"urn:x:shared-1\"; ns=16", 400),
        ("\"urn:x:shared-1\"; ns=16", copy, 400),
        (
            "\"urn:x:shared-1\"; ns=16",
            "\"urn:x:shared-2\"; ns=16",
            200,
        ),
        (
            "\"urn:x:shared-1\"; ns=16, \"urn:x:shared-2\"; ns=16",
            copy,
            400,
        ),
        (
            "\"http://example.org/copy\"; ns=16, \"use-transform\"; ns=16",
            "",
            400,
        ),
    ] {
        let answer = answer(origin(), &both(man, c_man)).await;
        assert_eq!(answer.status(), status, "{man} {c_man}");
        if status == 400 {
            let problem = answer.problem();
            assert!(
                problem.starts_with("The header prefix 16 of ")
                    && problem.ends_with(" is already used."),
                "{problem}"
            );
        }
    }
    // An optional extension that is not supported may permit it.
    let optional = [
        ("man", copy),
        ("opt", "\"http://example.org/unknown\"; ns=16"),
    ];
    assert_eq!(
        answer(origin(), &ask("M-PUT", &optional)).await.status(),
        200
    );
}

/// RFC 2774 §5: the request is processed "according to … the existing HTTP/1.1 method name".
#[tokio::test]
async fn row_7_the_rest_of_the_table_decides_about_the_method_without_m() {
    let fields = [("man", "\"http://example.org/copy\"")];
    for (method, status) in [
        // GET and HEAD are always forwarded.
        ("M-GET", 200),
        ("M-HEAD", 200),
        ("M-PUT", 200),
        ("M-OPTIONS", 405),
        ("M-POST", 405),
        ("M-FOO", 501),
        ("M-put", 501),
        // Once is enough.
        ("M-M-PUT", 501),
    ] {
        let answer = answer(origin(), &ask(method, &fields)).await;
        assert_eq!(answer.status(), status, "{method}");
        assert_eq!(answer.is_forwarded(), status == 200);
        let allow = answer.response.headers().get("allow");
        assert_eq!(allow.is_some(), status == 405);
        if status != 200 {
            let rejection = answer.rejection();
            assert_eq!(rejection.extension_problem(), None);
            assert_eq!(rejection.status(), status);
        }
    }
}

#[tokio::test]
async fn row_7_m_get_and_m_head_are_forwarded_whatever_a_rule_lists() {
    let fields = [("man", "\"http://example.org/copy\"")];
    let policies = [
        Policy::new(),
        Policy::new().fallback([]),
        Policy::new().recognize_only([]),
        Policy::new().route("/", [Method::PUT]).unwrap(),
    ];
    for policy in policies {
        for answer_options in [false, true] {
            let layer = MethodPolicyLayer::new(policy.clone())
                .answer_options(answer_options)
                .mandatory_extensions(origin())
                .respond_with(PlainText);
            for method in ["M-GET", "M-HEAD"] {
                let answer = answer_of(&layer, &ask(method, &fields), |_| {}).await;
                assert_eq!(answer.status(), 200, "{policy:?} {method}");
                assert_eq!(answer.forwarded.unwrap().method(), method);
            }
        }
    }
}

#[tokio::test]
async fn with_answering_m_options_counts_as_listed_and_is_not_turned() {
    let fields = [("man", "\"http://example.org/copy\"")];
    let policies = [
        Policy::new(),
        Policy::new().fallback([]),
        Policy::new().fallback([Method::PUT]),
        Policy::new().recognize_only([]),
        Policy::new().recognize_only([]).fallback([Method::OPTIONS]),
        Policy::new().route("/", [Method::PUT]).unwrap(),
    ];
    for policy in policies {
        let layer = MethodPolicyLayer::new(policy)
            .answer_options(true)
            .mandatory_extensions(origin())
            .respond_with(PlainText);
        let asked = ask("M-OPTIONS", &fields);
        let fulfilled = answer_of(&layer, &asked, |_| {}).await;
        assert_eq!(fulfilled.status(), 200);
        assert_eq!(fulfilled.forwarded.as_ref().unwrap().method(), "M-OPTIONS");
        assert_eq!(fulfilled.response.headers()["ext"], "");
        assert!(!fulfilled.response.headers().contains_key("allow"));
        assert_eq!(fulfilled.response.body(), "inner");

        let rejected = answer_of(&layer, &asked, |response| {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            let allow = HeaderValue::from_static("GET");
            response.headers_mut().insert("allow", allow);
        });
        let rejected = rejected.await;
        assert_eq!(rejected.status(), 405);
        assert_eq!(rejected.fields(), [("allow", "GET")]);
        assert_eq!(rejected.response.body(), "inner");

        // It is a mandatory request, so it needs a declaration.
        let undeclared = answer_of(&layer, &ask("M-OPTIONS", &[]), |_| {}).await;
        assert_eq!(undeclared.problem(), NOT_DECLARED);
        // The case counts.
        let other = answer_of(&layer, &ask("M-options", &fields), |_| {}).await;
        assert_eq!(other.status(), 501);
    }
    // Without answering, the rule decides.
    for (policy, status) in [
        (Policy::new(), 200),
        (Policy::new().fallback([Method::OPTIONS]), 200),
        (Policy::new().fallback([Method::PUT]), 405),
        (Policy::new().recognize_only([]), 501),
    ] {
        let layer = MethodPolicyLayer::new(policy)
            .mandatory_extensions(origin())
            .respond_with(PlainText);
        let answer = answer_of(&layer, &ask("M-OPTIONS", &fields), |_| {}).await;
        assert_eq!(answer.status(), status);
    }
}

#[tokio::test]
async fn with_answering_the_allow_of_a_mandatory_request_includes_options() {
    let layer = layer(origin()).answer_options(true);
    let asked = ask("M-POST", &[("man", "\"http://example.org/copy\"")]);
    let answer = answer_of(&layer, &asked, |_| {}).await;
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.response.headers()["allow"], "PUT, OPTIONS");
}

/// The rows come before those for preflights and for `OPTIONS`.
#[tokio::test]
async fn the_rows_apply_to_options_and_preflights_first() {
    let preflight = [
        ("origin", "https://example.com"),
        ("access-control-request-method", "PUT"),
    ];
    let man = ("man", "\"http://example.org/copy\"");
    for fields in [&[][..], &preflight] {
        for answer_options in [false, true] {
            let layer = layer(origin()).answer_options(answer_options);
            for (field, status) in [(man, 510), (("man", "x"), 400), (("opt", "\""), 400)] {
                let asked = ask("OPTIONS", &[&[field], fields].concat());
                let answer = answer_of(&layer, &asked, |_| {}).await;
                assert_eq!(answer.status(), status, "{field:?}");
                assert!(!answer.is_forwarded());
            }
        }
    }
    // Without a mandatory declaration they get the answers of the rest of the table.
    let layer = layer(origin()).answer_options(true);
    let opt = ("opt", "\"http://example.org/copy\"");
    let answered = answer_of(&layer, &ask("OPTIONS", &[opt]), |_| {}).await;
    assert_eq!(answered.response.headers()["allow"], "PUT, OPTIONS");
    assert!(!answered.is_forwarded());
    let asked = ask("OPTIONS", &[&[opt], &preflight[..]].concat());
    assert!(answer_of(&layer, &asked, |_| {}).await.is_forwarded());
}

#[tokio::test]
async fn with_report_only_nothing_changes_but_the_mark() {
    let layer = layer(origin()).report_only(true);
    let man = ("man", "\"http://example.org/copy\"");
    for (asked, mark) in [
        (ask("M-PUT", &[man]), None),
        (
            ask("M-PUT", &[man, ("a", "b"), ("connection", "a")]).over(Version::HTTP_10),
            None,
        ),
        (ask("M-POST", &[man]), Some(Reason::NotAllowed)),
        (ask("M-FOO", &[man]), Some(Reason::NotImplemented)),
        (ask("PUT", &[man]), Some(Reason::NotExtended)),
        (ask("M-PUT", &[]), Some(Reason::NotExtended)),
        (
            ask("M-PUT", &[("man", "x")]),
            Some(Reason::MalformedDeclaration),
        ),
    ] {
        let answer = answer_of(&layer, &asked, |_| {}).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.fields(), []);
        let found = answer.response.extensions().get::<WouldReject>();
        assert_eq!(found.map(|mark| mark.rejection().reason()), mark);
        let forwarded = answer.forwarded.unwrap();
        assert_eq!(forwarded.headers(), asked.request().headers());
        assert!(forwarded.extensions().is_empty());
    }
}

#[tokio::test]
async fn row_7_the_request_is_forwarded_unchanged_with_its_declarations() {
    let fields = [
        (
            "man",
            "\"http://example.org/copy\"; ns=16; depth=\"a \\\"b\\\"\"; fast",
        ),
        ("opt", "\"http://example.org/optional\"; ns=17"),
        ("c-man", "\"USE-transform\""),
        ("connection", "c-man"),
        ("16-copy", "x"),
    ];
    let asked = ask("M-PUT", &fields);
    let answer = answer(origin(), &asked).await;
    let request = answer.forwarded.unwrap();
    assert_eq!(request.method(), "M-PUT");
    assert_eq!(request.headers(), asked.request().headers());

    let declared: Vec<_> = request
        .extensions()
        .get::<Declarations>()
        .unwrap()
        .iter()
        .collect();
    let [man, c_man, opt] = declared[..] else {
        panic!("{declared:?}");
    };
    assert_eq!((man.identifier(), man.prefix()), (COPY, Some("16")));
    let parameters: Vec<_> = man.parameters().collect();
    assert_eq!(
        parameters,
        [
            ("ns", Some("16")),
            ("depth", Some("a \"b\"")),
            ("fast", None)
        ]
    );
    assert!(man.is_mandatory() && !man.is_hop_by_hop());
    assert_eq!(
        (c_man.identifier(), c_man.prefix()),
        ("USE-transform", None)
    );
    assert!(c_man.is_mandatory() && c_man.is_hop_by_hop());
    assert!(!opt.is_mandatory() && !opt.is_hop_by_hop());
}

#[tokio::test]
async fn row_8_the_rest_of_the_table_decides_about_any_other_request() {
    for (method, status) in [("PUT", 200), ("POST", 405), ("FOO", 501), ("M-", 501)] {
        let answer = answer(origin(), &ask(method, &[])).await;
        assert_eq!(answer.status(), status, "{method}");
    }
}

// Where declarations apply.

/// RFC 9110 §7.6.1, RFC 9113 §8.2.2.
#[tokio::test]
async fn hop_by_hop_declarations_apply_only_in_http_1_1_and_only_if_connection_lists_them() {
    let declared = ("c-man", "\"Use-Transform\"");
    for (connection, version, status) in [
        ("c-man", Version::HTTP_11, 200),
        ("keep-alive ,C-MAN", Version::HTTP_11, 200),
        ("c-opt", Version::HTTP_11, 510),
        ("", Version::HTTP_11, 510),
        ("c-man", Version::HTTP_10, 510),
        ("c-man", Version::HTTP_2, 510),
        ("c-man", Version::HTTP_3, 510),
    ] {
        let asked = ask("M-PUT", &[declared, ("connection", connection)]).over(version);
        assert_eq!(
            answer(origin(), &asked).await.status(),
            status,
            "{connection} {version:?}"
        );
        // A declaration that does not apply needs no `M-` method.
        let asked = ask("PUT", &[declared, ("connection", connection)]).over(version);
        let opposite = if status == 200 { 510 } else { 200 };
        assert_eq!(
            answer(origin(), &asked).await.status(),
            opposite,
            "{connection} {version:?}"
        );
    }
    let several = [declared, ("connection", "close"), ("connection", "c-man")];
    assert_eq!(
        answer(origin(), &ask("M-PUT", &several)).await.status(),
        200
    );
}

/// RFC 2774 §5: "remove and ignore any header field(s) from the message with the same name".
#[tokio::test]
async fn fields_that_an_http_1_0_connection_lists_are_removed_and_ignored() {
    let man = ("man", "\"http://example.org/copy\"");
    let ignored = ask("M-PUT", &[man, ("connection", "man")]).over(Version::HTTP_10);
    assert_eq!(answer(origin(), &ignored).await.status(), 510);

    // In later versions, a listed field applies and is not forwarded by a proxy (RFC 9110 §7.6.1).
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let counts = ask("M-PUT", &[man, ("connection", "man")]).over(version);
        assert_eq!(answer(origin(), &counts).await.status(), 200, "{version:?}");
    }

    let fields = [
        man,
        ("c-man", "x"),
        ("16-a", "b"),
        ("connection", "C-Man, 16-a, ("),
    ];
    let asked = ask("M-PUT", &fields).over(Version::HTTP_10);
    let request = answer(origin(), &asked).await.forwarded.unwrap();
    let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["man", "connection"]);

    // Nothing is removed from a request that is not mandatory.
    let asked = ask("PUT", &[("a", "b"), ("connection", "a")]).over(Version::HTTP_10);
    let request = answer(origin(), &asked).await.forwarded.unwrap();
    assert_eq!(request.headers(), asked.request().headers());
}

// The acknowledgement (RFC 2774 §5.1).

#[tokio::test]
async fn the_response_to_a_fulfilled_request_acknowledges_it() {
    let man = ("man", "\"http://example.org/copy\"");
    let c_man = ("c-man", "\"use-transform\"");
    let listed = ("connection", "c-man");
    let end_to_end = [("ext", ""), ("cache-control", "no-cache=\"Ext\"")];
    let hop_by_hop = [("c-ext", ""), ("connection", "C-Ext")];

    let fulfilled = answer(origin(), &ask("M-PUT", &[man])).await;
    assert_eq!(fulfilled.fields(), end_to_end);
    let fulfilled = answer(origin(), &ask("M-PUT", &[c_man, listed])).await;
    assert_eq!(fulfilled.fields(), hop_by_hop);
    let fulfilled = answer(origin(), &ask("M-PUT", &[man, c_man, listed])).await;
    assert_eq!(fulfilled.fields(), [end_to_end, hop_by_hop].concat());
    let fulfilled = answer(proxy(), &ask("M-PUT", &[man, c_man, listed])).await;
    assert_eq!(fulfilled.fields(), hop_by_hop);

    let optional = [man, ("c-opt", "\"use-transform\""), ("connection", "c-opt")];
    let fulfilled = answer(origin(), &ask("M-PUT", &optional)).await;
    assert_eq!(fulfilled.fields(), end_to_end);

    let old = answer(origin(), &ask("M-PUT", &[man]).over(Version::HTTP_10)).await;
    let expires = ("expires", "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(old.fields(), [&end_to_end[..], &[expires]].concat());
}

/// Two layers around each other, and proxies: the inner response may have the fields already.
#[tokio::test]
async fn an_acknowledged_response_is_not_acknowledged_again() {
    let fields = [
        ("man", "\"http://example.org/copy\""),
        ("c-man", "\"use-transform\""),
        ("connection", "c-man"),
    ];
    for version in [Version::HTTP_10, Version::HTTP_11] {
        for (outer, inner) in [
            (origin(), origin()),
            (proxy(), origin()),
            (origin(), proxy()),
        ] {
            for fields in [&fields[..], &fields[..1], &fields[1..]] {
                let asked = ask("M-PUT", fields).over(version);
                let mut expected = answer(origin(), &asked).await;
                if expected.status() == 510 {
                    continue;
                }
                let layers = (layer(outer.clone()), layer(inner.clone()));
                let service = service_fn(async |_: Request<Full<Bytes>>| {
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner")))
                });
                let service = layers.0.layer(layers.1.layer(service));
                let Ok(mut response) = service.oneshot(asked.request()).await;
                for response in [response.headers_mut(), expected.response.headers_mut()] {
                    let mut all: Vec<_> = response
                        .iter()
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect();
                    all.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
                    response.clear();
                    response.extend(all);
                }
                assert_eq!(response.headers(), expected.response.headers());
            }
        }
    }
    // However an inner service wrote them.
    for (cache_control, connection) in [
        (&["no-cache=\"Ext\""][..], &["C-Ext"][..]),
        (&["max-age=9, NO-CACHE=\"ext\""], &["keep-alive, c-ext"]),
        (&["max-age=9", "no-cache=\"Ext\""], &["close", "C-EXT"]),
    ] {
        let asked = ask("M-PUT", &fields);
        let answer = answer_after(origin(), &asked, |response| {
            let headers = response.headers_mut();
            for name in ["ext", "c-ext"] {
                headers.insert(name, HeaderValue::from_static(""));
            }
            for (name, values) in [("cache-control", cache_control), ("connection", connection)] {
                for value in values {
                    headers.append(name, HeaderValue::from_str(value).unwrap());
                }
            }
        });
        let answer = answer.await;
        let values = |name| -> Vec<_> {
            let values = answer.response.headers().get_all(name).iter();
            values.map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!(values("ext"), [""]);
        assert_eq!(values("c-ext"), [""]);
        assert_eq!(values("cache-control"), cache_control);
        assert_eq!(values("connection"), connection);
    }
}

#[tokio::test]
async fn the_fields_of_the_inner_service_are_kept() {
    let fields = [("man", "\"http://example.org/copy\"")];
    let asked = ask("M-PUT", &fields);
    let answer = answer_after(origin(), &asked, |response| {
        let headers = response.headers_mut();
        headers.insert("cache-control", HeaderValue::from_static("max-age=9"));
        headers.insert("allow", HeaderValue::from_static("X"));
    });
    let answer = answer.await;
    let expected = [
        ("cache-control", "max-age=9"),
        ("cache-control", "no-cache=\"Ext\""),
        ("allow", "X"),
        ("ext", ""),
    ];
    assert_eq!(answer.fields(), expected);
    assert_eq!(answer.response.body(), "inner");
}

/// "A server MUST NOT claim to have fulfilled" what it has not.
#[tokio::test]
async fn a_response_that_is_not_a_success_is_not_acknowledged() {
    let fields = [("man", "\"http://example.org/copy\"")];
    let asked = ask("M-PUT", &fields);
    for status in [301, 304, 404, 405, 500, 501] {
        let answer = answer_after(origin(), &asked, |response| {
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
        });
        let answer = answer.await;
        assert_eq!(answer.status(), status);
        assert!(answer.is_forwarded());
        assert_eq!(answer.fields(), []);
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes() {
    let service = layer(origin()).layer(service_fn(async |_: Request<Full<Bytes>>| {
        Err::<Response<Full<Bytes>>, _>("inner error")
    }));
    let asked = ask("M-PUT", &[("man", "\"http://example.org/copy\"")]);
    assert_eq!(
        service.oneshot(asked.request()).await.unwrap_err(),
        "inner error"
    );
}

// Rejections.

#[tokio::test]
async fn observers_and_responders_see_the_problem() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let layer = layer(origin())
        .cache_control(HeaderValue::from_static("no-store"))
        .on_rejection(move |rejection, _| {
            let problem = rejection.extension_problem().unwrap().to_owned();
            log.lock().unwrap().push((rejection.reason(), problem));
        })
        .respond_with(ProblemDetails);
    let service = layer.layer(service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    // Long, and with every character of a URI.
    let uri = format!("x:-._~:/?#[]@!$&'()*+,;=%41{}", "y".repeat(70_000));
    let man = vec![format!("\"{uri}\""); 20].join(", ");
    let request = Request::builder().method("M-PUT").header("man", man);
    let response = service
        .oneshot(request.body(Full::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), 510);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.len() < 2500, "{}", body.len());
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], 510);
    assert_eq!(problem["title"], "Not Extended");
    let [(Reason::NotExtended, sentence)] = &seen.lock().unwrap()[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(problem["detail"], *sentence);
    assert!(
        sentence.contains("… and 12 more. Supported: "),
        "{sentence}"
    );
    assert!(sentence.len() <= 3000, "{}", sentence.len());
}

/// They carry the responder's body and `Cache-Control`, and no other field.
#[tokio::test]
async fn a_400_or_510_carries_neither_allow_nor_retry_after_nor_grpc_fields() {
    let layer = layer(origin())
        .answer_options(true)
        .retry_after(RetryAfter::after(std::time::Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("no-store"));
    for (man, status) in [("\"http://example.org/copy\"", 510), ("x", 400)] {
        let asked = ask(
            "POST",
            &[("man", man), ("content-type", "application/grpc")],
        );
        let answer = answer_of(&layer, &asked, |_| {}).await;
        assert_eq!(answer.status(), status);
        assert_eq!(
            answer.fields(),
            [
                ("content-type", "text/plain; charset=utf-8"),
                ("cache-control", "no-store")
            ]
        );
        let empty = layer.clone().respond_with(EmptyBody);
        let service = empty.layer(service_fn(async |_: Request<Full<Bytes>>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
        let Ok(response) = service.oneshot(asked.request()).await;
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    // A responder cannot add an `Allow`.
    let layer = layer.respond_with_fn(|_, _| {
        let response = Response::builder().status(200).header("allow", "GET");
        response.body(Full::<Bytes>::default()).unwrap()
    });
    let service = layer.layer(service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let Ok(response) = service.oneshot(ask("M-PUT", &[]).request()).await;
    assert_eq!(response.status(), 510);
    assert!(!response.headers().contains_key("allow"));
}

#[test]
fn the_reasons_have_a_status_and_a_name() {
    for (reason, status, name) in [
        (Reason::NotExtended, 510, "not_extended"),
        (Reason::MalformedDeclaration, 400, "malformed_declaration"),
    ] {
        assert_eq!(reason.status(), status);
        assert_eq!(reason.to_string(), name);
    }
}

#[test]
fn an_identifier_is_a_uri_or_a_field_name() {
    for identifier in [
        "http://a/",
        "urn:x:y",
        "a",
        "Content-Type",
        "ssdp:discover",
        "a+b-c.1:x",
    ] {
        assert!(
            MandatoryExtensions::at_origin().support(identifier).is_ok(),
            "{identifier}"
        );
    }
    for identifier in [
        "",
        ":",
        "a:",
        ":a",
        "1a:b",
        "a b",
        "http://a b",
        "http://\u{e9}/",
        "a\"",
        "a/b",
    ] {
        let error = MandatoryExtensions::at_origin()
            .support(identifier)
            .unwrap_err();
        let expected = format!("{identifier:?} is neither an absolute URI nor a field name");
        assert_eq!(error.to_string(), expected);
    }
}

// On a socket.

/// The response of an origin server to one request.
async fn over_a_socket(layer: MethodPolicyLayer, request: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = layer.layer(service_fn(async |_: Request<hyper::body::Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner")))
    }));
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let http1 = hyper::server::conn::http1::Builder::new();
        let service = TowerToHyperService::new(service);
        http1
            .serve_connection(TokioIo::new(stream), service)
            .await
            .unwrap();
    });
    let mut connection = Connection::open(address).await;
    connection.send(request).await;
    let response = connection.receive().await;
    drop(connection);
    within(server).await.unwrap();
    response
}

#[tokio::test]
async fn without_the_setting_an_m_get_is_501() {
    let request = "M-GET /document HTTP/1.1\r\nHost: example.com\r\n\
                   C-Man: \"http://www.example.org/\"\r\nConnection: C-Man\r\n\r\n";
    assert_eq!(
        over_a_socket(MethodPolicyLayer::default(), request).await,
        "HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n"
    );
}

/// An HTTP/1.1 proxy removes the fields that were meant for itself, and leaves the method.
#[tokio::test]
async fn an_m_get_whose_declaration_a_proxy_removed_is_510() {
    let layer =
        || MethodPolicyLayer::default().mandatory_extensions(MandatoryExtensions::at_origin());
    for field in ["", "C-Man: \"http://www.example.org/\"\r\n"] {
        let request = format!("M-GET /document HTTP/1.1\r\nHost: example.com\r\n{field}\r\n");
        assert_eq!(
            over_a_socket(layer(), &request).await,
            "HTTP/1.1 510 Not Extended\r\ncontent-length: 0\r\n\r\n"
        );
    }
}

#[tokio::test]
async fn an_m_get_that_is_fulfilled_is_acknowledged() {
    let extensions = MandatoryExtensions::at_origin()
        .support("http://www.example.org/")
        .unwrap();
    let layer = MethodPolicyLayer::default().mandatory_extensions(extensions);
    let request = "M-GET /document HTTP/1.1\r\nHost: example.com\r\n\
                   C-Man: \"http://www.example.org/\"\r\nConnection: C-Man\r\n\r\n";
    assert_eq!(
        over_a_socket(layer, request).await,
        "HTTP/1.1 200 OK\r\nc-ext: \r\nconnection: C-Ext\r\ncontent-length: 5\r\n\r\ninner"
    );
}

// The grammar (RFC 2774 §3).

/// Parses the value of an `Opt` field: a proxy forwards its declarations, whatever they are.
fn parse(value: &[u8]) -> Result<Vec<Declaration>, String> {
    let declared = Mutex::new(None);
    let layer = MethodPolicyLayer::default().mandatory_extensions(MandatoryExtensions::at_proxy());
    let service = layer.layer(service_fn(async |request: Request<Full<Bytes>>| {
        let declarations = request.extensions().get::<Declarations>();
        *declared.lock().unwrap() = declarations.cloned();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let mut request = ask("M-PUT", &[("man", "\"x:y\"")]).request();
    let value = HeaderValue::from_bytes(value).unwrap();
    request.headers_mut().insert("opt", value);
    let Ok(response) = service.oneshot(request).now_or_never().unwrap();
    match response.extensions().get::<Rejection>() {
        Some(rejection) => Err(rejection.extension_problem().unwrap().to_owned()),
        None => {
            let declarations = declared.into_inner().unwrap().unwrap();
            Ok(declarations.iter().skip(1).cloned().collect())
        }
    }
}

/// The position and the expectation that the sentence about a malformed `Opt` field names.
fn place(problem: &str) -> (usize, &str) {
    let place = problem.strip_prefix("opt, line 0, byte ").unwrap();
    let (position, expected) = place.split_once(": expected ").unwrap();
    (
        position.parse().unwrap(),
        expected.strip_suffix('.').unwrap(),
    )
}

#[test]
fn lists_of_declarations() {
    for (value, shown) in [
        ("", &[][..]),
        (" ,\t, ", &[]),
        ("\"a:b\"", &["\"a:b\""]),
        ("\"a:b\",\"C\" , ,\"d:e\"", &["\"a:b\"", "\"C\"", "\"d:e\""]),
        ("\"a\";ns=16", &["\"a\"; ns=16"]),
        (
            "\"a\" ; NS = 0123456789 ; x = y",
            &["\"a\"; NS=0123456789; x=\"y\""],
        ),
        (
            "\"a\"; x; y=\"\"; z=\"\\\\\\\"\\q\"",
            &["\"a\"; x; y=\"\"; z=\"\\\\\\\"q\""],
        ),
    ] {
        let declarations = parse(value.as_bytes()).unwrap();
        let declarations: Vec<_> = declarations.iter().map(ToString::to_string).collect();
        assert_eq!(declarations, shown, "{value}");
    }
}

#[test]
fn values_that_are_not_lists_of_declarations() {
    for (value, position, expected) in [
        (&b"a"[..], 0, "an extension identifier in quotation marks"),
        (
            b"http://a/",
            0,
            "an extension identifier in quotation marks",
        ),
        (b"\"", 1, "the closing quotation mark"),
        (b"\"a", 2, "the closing quotation mark"),
        (b"\"\"", 1, "an absolute URI or a field name"),
        // Neither a scheme nor a field name has a comma.
        (b"\"a,b:c\"", 1, "an absolute URI or a field name"),
        (b" \"a b\"", 2, "an absolute URI or a field name"),
        (b"\"\xe9:a\"", 1, "an absolute URI or a field name"),
        (b"\"a\" \"b\"", 4, "a semicolon, a comma or the end"),
        (b"\"a\"=", 3, "a semicolon, a comma or the end"),
        (b"\"a\";", 4, "the name of a parameter"),
        (b"\"a\"; ;", 5, "the name of a parameter"),
        (b"\"a\"; ns", 7, "an equals sign and the header prefix"),
        (b"\"a\"; ns=", 8, "a header prefix of two or more digits"),
        (b"\"a\"; ns=1", 8, "a header prefix of two or more digits"),
        (b"\"a\"; ns=12a", 8, "a header prefix of two or more digits"),
        (
            b"\"a\"; ns=\"12\"",
            8,
            "a header prefix of two or more digits",
        ),
        (b"\"a\"; ns=12; ns=13", 12, "one header prefix only"),
        (b"\"a\"; b=", 7, "the value of a parameter"),
        (b"\"a\"; b=\"", 8, "the closing quotation mark"),
        (b"\"a\"; b=\"\\", 9, "the closing quotation mark"),
        (b"\"a\"; b=\"\\\"", 10, "the closing quotation mark"),
        (
            b"\"a\"; b=\"\xff\"",
            8,
            "a visible ASCII character, a space or a tab",
        ),
        (
            b"\"a\"; b=\"\\\xff\"",
            9,
            "a visible ASCII character, a space or a tab",
        ),
    ] {
        let shown = String::from_utf8_lossy(value);
        let problem = parse(value).unwrap_err();
        assert_eq!(place(&problem), (position, expected), "{shown}");
    }
}

/// A field's value that is a list of declarations, or nearly one.
fn nearly_a_list() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "\"", "\"a:b\"", "\"c\"", ";", "; ns=16", "ns", "=", "1", "23", ",", " ", "\t", "\\", "\\\"", "x",
            "; y=\"z\"", ":", "M-", "\"http://example.org/?a=b;c\"",
        ]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_declarations_or_an_error_within_them(value in nearly_a_list()) {
        let Ok(value) = HeaderValue::from_bytes(&value) else {
            return Ok(());
        };
        match parse(value.as_bytes()) {
            Ok(declarations) => {
                // The text is parsed again.
                let shown: Vec<_> = declarations.iter().map(ToString::to_string).collect();
                prop_assert_eq!(parse(shown.join(", ").as_bytes()).unwrap(), declarations);
            }
            Err(problem) => {
                let (position, expected) = place(&problem);
                prop_assert!(position <= value.len());
                prop_assert!(!expected.is_empty());
            }
        }
    }

    #[test]
    fn a_declaration_is_read_as_it_was_written(
        identifier in prop_oneof!["[a-z][a-z0-9+.-]{0,5}:[!#-;=?-Z_a-z~\\[\\]]{1,20}", "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}"],
        prefix in proptest::option::of("[0-9]{2,6}"),
        name in "[a-m!#$%&'*+.^_`|~-]{1,8}",
        text in proptest::option::of("[ -~\t]{0,20}"),
    ) {
        let prefix_shown = prefix.as_ref().map_or_else(String::new, |digits| format!(";ns={digits}"));
        let text_shown = text.as_ref().map_or_else(String::new, |text| {
            let escaped: String = text.chars().flat_map(|char| ['\\', char]).collect();
            format!("=\"{escaped}\"")
        });
        let value = format!("\"{identifier}\"{prefix_shown}; {name}{text_shown}");
        let declarations = parse(value.as_bytes()).map_err(TestCaseError::fail)?;
        let declared: Vec<_> = declarations.iter().collect();
        prop_assert_eq!(declared.len(), 1);
        prop_assert_eq!(declared[0].identifier(), &identifier);
        prop_assert_eq!(declared[0].prefix(), prefix.as_deref());
        prop_assert_eq!(declared[0].parameters().last(), Some((name.as_str(), text.as_deref())));
    }

    /// Nothing panics, and a rejection is one of the table.
    #[test]
    fn get_and_head_are_forwarded_whatever_is_declared(
        method in proptest::sample::select(vec!["GET", "HEAD", "M-GET", "M-PUT", "PUT", "POST", "FOO", "M-"]),
        fields in proptest::collection::vec(
            (proptest::sample::select(vec!["man", "opt", "c-man", "c-opt", "connection"]), nearly_a_list()), 0..5),
        version in proptest::sample::select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]),
        at_proxy in any::<bool>(),
    ) {
        let mut request = Request::builder().method(method).version(version).uri("/").body(Full::default()).unwrap();
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(name, value);
            }
        }
        let service = layer(if at_proxy { proxy() } else { origin() }).layer(service_fn(
            async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())),
        ));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let response = runtime.block_on(service.oneshot(request)).unwrap();
        if ["GET", "HEAD"].contains(&method) {
            prop_assert_eq!(response.status(), 200);
            prop_assert!(response.headers().is_empty());
        } else {
            prop_assert!([200, 400, 405, 501, 510].contains(&response.status().as_u16()));
        }
    }
}
