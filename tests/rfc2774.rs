//! The HTTP Extension Framework (RFC 2774) at servers and proxies: its rules, row by row, and the
//! grammar of declarations.

#![cfg(feature = "rfc2774")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::Full;
use proptest::prelude::*;
use support::answer::{fields, send};
use support::strategies::{method, policy};
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::rfc2774::{
    Declaration, Declarations, IdentifierError, MandatoryExtensions,
};
use tower_method_policy::{
    Decision, MethodPolicyLayer, PlainText, ProblemDetails, Reason, Rejection, Respond, WouldReject,
};

type Body = Full<Bytes>;

fn origin() -> MandatoryExtensions {
    support(MandatoryExtensions::at_origin()).unwrap()
}

fn proxy() -> MandatoryExtensions {
    support(MandatoryExtensions::at_proxy()).unwrap()
}

/// Supports two extensions that do not share their header prefix, and two that do.
fn support(extensions: MandatoryExtensions) -> Result<MandatoryExtensions, IdentifierError> {
    let extensions = extensions.support("x:copy")?.support("Use-Transform")?;
    let extensions = extensions.support_with_shared_prefix("x:shared-1")?;
    extensions.support_with_shared_prefix("x:shared-2")
}

fn layer(extensions: MandatoryExtensions, calls: &str) -> MethodPolicyLayer<PlainText> {
    MethodPolicyLayer::new(policy(calls)).mandatory_extensions(extensions).respond_with(PlainText)
}

/// Builds a request. `method` may end with a version, as in `M-PUT@1.0`. ` & ` separates the fields.
fn request(method: &str, fields: &str) -> Request<Body> {
    let (method, version) = method.split_once('@').unwrap_or((method, "1.1"));
    let version = match version {
        "1.0" => Version::HTTP_10,
        "1.1" => Version::HTTP_11,
        "2" => Version::HTTP_2,
        _ => Version::HTTP_3,
    };
    let fields = fields.split(" & ").filter(|field| !field.is_empty());
    let request = Request::builder().method(method).version(version);
    let request = fields.fold(request, |request, field| {
        let (name, value) = field.split_once(": ").unwrap_or((field, ""));
        request.header(name.trim_end_matches(':'), value)
    });
    request.uri("/").body(Body::default()).unwrap()
}

/// Sorts fields as [`fields`] does.
fn sorted(text: &str) -> String {
    fields(request("GET", text).headers())
}

/// The request that the inner service received, if any, and the response with its body as text.
type Answer = (Option<Request<()>>, Response<String>);

/// Sends `request`. The inner service answers with `inner`.
async fn answer_with<R: Respond<Body>>(
    layer: &MethodPolicyLayer<R>,
    request: Request<Body>,
    inner: http::response::Builder,
) -> Answer {
    let forwarded = Mutex::new(None);
    let inner = Mutex::new(Some(inner.body(Body::from("inner")).unwrap()));
    let service = layer.layer(service_fn(async |request: Request<Body>| {
        *forwarded.lock().unwrap() = Some(request.map(|_| ()));
        Ok::<_, Infallible>(inner.lock().unwrap().take().unwrap())
    }));
    let response = send(service, request).await;
    (forwarded.into_inner().unwrap(), response)
}

async fn answer<R: Respond<Body>>(layer: &MethodPolicyLayer<R>, request: Request<Body>) -> Answer {
    answer_with(layer, request, Response::builder()).await
}

const NOT_DECLARED: &str =
    "The method is that of a mandatory request, but no mandatory extension is declared.";
const NOT_MANDATORY: &str =
    "A mandatory extension is declared, but the method does not begin with M-.";

/// The status, with the `Allow` field of a 405 and the problem of a 400 or 510.
fn outcome((forwarded, response): &Answer) -> String {
    let status = response.status().as_u16();
    assert_eq!(forwarded.is_some(), status == 200);
    let allow = response.headers().get("allow");
    assert_eq!(allow.is_some(), status == 405);
    let Some(rejection) = response.extensions().get::<Rejection>() else {
        return status.to_string();
    };
    assert_eq!(rejection.status(), status);
    let Some(problem) = rejection.extension_problem() else {
        let allow = allow.map_or("", |allow| allow.to_str().unwrap());
        return format!("{status} {allow}").trim_end().to_owned();
    };
    let is_malformed = rejection.reason() == Reason::MalformedDeclaration;
    assert_eq!(status, if is_malformed { 400 } else { 510 });
    assert_eq!((rejection.allow(), rejection.rule()), (None, None));
    let phrase = response.status().to_string();
    assert_eq!(rejection.to_string(), format!("{phrase}: {problem}"));
    assert_eq!(*response.body(), format!("{problem}\n"));
    let problem = match problem {
        NOT_DECLARED => "not declared",
        NOT_MANDATORY => "not mandatory",
        problem => problem,
    };
    format!("{status} {problem}")
}

/// Checks a table. The columns are methods, header fields, the outcome, and optionally another outcome for a layer
/// that answers `OPTIONS`.
async fn check_at(extensions: MandatoryExtensions, calls: &str, table: &str) {
    for line in table.trim().lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        for method in columns[0].split(' ') {
            for (answer_options, expected) in
                [(false, columns[2]), (true, columns[columns.len() - 1])]
            {
                let layer = layer(extensions.clone(), calls).answer_options(answer_options);
                let answer = answer(&layer, request(method, columns[1])).await;
                assert_eq!(outcome(&answer), expected, "{calls}: {method} {line}");
            }
        }
    }
}

async fn check(calls: &str, table: &str) {
    check_at(origin(), calls, table).await;
    check_at(proxy(), calls, table).await;
}

// The rows of the table in the documentation of `rfc2774`, in the same order.

#[tokio::test]
async fn by_default_an_m_method_is_an_ordinary_method() {
    let policy = policy("fallback M-SEARCH");
    let decision = policy.decide(&method("M-GET"), "/");
    assert_eq!(decision, Decision::NotImplemented);
    let layer = MethodPolicyLayer::new(policy);
    for method in ["M-SEARCH", "GET"] {
        // Even malformed declarations are ignored.
        let sent = request(method, "man: \" & c-man: x & connection: c-man");
        let (forwarded, response) = answer(&layer, sent).await;
        assert!(forwarded.unwrap().extensions().is_empty());
        assert!(response.headers().is_empty());
    }
}

/// RFC 9110 §9.1 has priority over RFC 2774.
#[tokio::test]
async fn row_1_get_and_head_are_forwarded_with_any_declaration() {
    for calls in ["", "fallback", "recognize_only; fallback"] {
        let table = r#"GET HEAD GET@1.0 GET@2 | man: "x:unknown" | 200
            GET HEAD GET@1.0 GET@2 | man: malformed | 200
            GET HEAD GET@1.0 GET@2 | c-man: " & connection: c-man | 200
            GET HEAD GET@1.0 GET@2 | man: "a"; ns=16, "b"; ns=16 | 200"#;
        check(calls, table).await;
    }
}

#[tokio::test]
async fn row_2_a_malformed_declaration_is_400_with_the_mistake_and_its_position() {
    let table = r#"M-PUT PUT FOO | man: x | 400 man, line 0, byte 0: expected an extension identifier in quotation marks.
        M-PUT PUT FOO | opt: "a"; ns=1 | 400 opt, line 0, byte 8: expected a header prefix of two or more digits.
        M-PUT PUT FOO | c-man: "a b" & connection: C-Man | 400 c-man, line 0, byte 1: expected an absolute URI or a field name.
        M-PUT PUT FOO | man: "a" & man: " | 400 man, line 1, byte 1: expected the closing quotation mark."#;
    check("fallback PUT", table).await;
}

/// RFC 2774 §5: "The method name of a mandatory request MUST be prefixed by `M-`". Otherwise, servers "MUST
/// return a 510 (Not Extended) response".
#[tokio::test]
async fn rows_3_and_4_an_m_method_and_a_mandatory_declaration_need_each_other() {
    let table = r#"PUT POST FOO m-put M- MPUT | man: "x:copy" | 510 not mandatory
        PUT POST FOO m-put M- MPUT | man: "x:unknown" | 510 not mandatory
        PUT POST FOO m-put M- MPUT | c-man: "x:copy" & connection: c-man | 510 not mandatory
        PUT | opt: "x:unknown" | 200
        M-PUT M-GET M-HEAD M-FOO M-M-PUT M-OPTIONS | | 510 not declared
        M-PUT M-GET M-HEAD M-FOO M-M-PUT M-OPTIONS | opt: "x:copy" | 510 not declared
        M-PUT M-GET M-HEAD M-FOO M-M-PUT M-OPTIONS | man: | 510 not declared
        M-PUT M-GET M-HEAD M-FOO M-M-PUT M-OPTIONS | man:  , , | 510 not declared
        M-PUT M-GET M-FOO | c-man: "x:copy" | 510 not declared
        M-PUT M-GET M-FOO | c-man: malformed | 510 not declared
        M-PUT M-GET M-FOO | c-man: "x:copy" & connection: close, c-man-2 | 510 not declared"#;
    check("fallback PUT", table).await;
    // These rows come before the rows for `OPTIONS` and preflights.
    let table = r#"OPTIONS | man: "x:copy" | 510 not mandatory
        OPTIONS | man: "x:copy" & origin: a & access-control-request-method: PUT | 510 not mandatory
        OPTIONS | opt: " & origin: a & access-control-request-method: PUT | 400 opt, line 0, byte 1: expected the closing quotation mark.
        OPTIONS | opt: "x:copy" & origin: a & access-control-request-method: PUT | 200"#;
    check("recognize_only; fallback PUT", table).await;
    let answering = layer(origin(), "fallback PUT").answer_options(true);
    let (forwarded, response) = answer(&answering, request("OPTIONS", "opt: \"x:copy\"")).await;
    assert!(forwarded.is_none());
    assert_eq!(response.headers()["allow"], "PUT, OPTIONS");
}

/// They stay in memory while the inner service works, and a client chooses how many it sends.
#[tokio::test]
async fn more_than_100_declarations_or_parameters_are_malformed() {
    let parameters = |count: usize| format!("\"x:copy\"{}", ";a".repeat(count));
    let declarations = |count: usize| vec!["\"x:copy\""; count].join(",");
    let ok = "200".to_owned();
    for (fields, expected) in [
        (format!("man: {}", parameters(100)), ok.clone()),
        (format!("man: {}", declarations(100)), ok.clone()),
        (format!("man: {} & opt: {}", parameters(50), parameters(50)), ok.clone()),
        (format!("man: {} & opt: {}", declarations(50), declarations(50)), ok),
        (
            format!("man: {}", parameters(101)),
            "400 man, line 0, byte 209: expected at most 100 parameters.".to_owned(),
        ),
        (
            format!("man: \"x:copy\" & opt: {}", parameters(180_000)),
            "400 opt, line 0, byte 209: expected at most 100 parameters.".to_owned(),
        ),
        (
            format!("man: {} & opt: {}", parameters(50), parameters(51)),
            "400 opt, line 0, byte 109: expected at most 100 parameters.".to_owned(),
        ),
        (
            format!("man: {}", declarations(101)),
            "400 man, line 0, byte 900: expected at most 100 declarations.".to_owned(),
        ),
        (
            format!("man: \"x:copy\" & opt: {}", declarations(60_000)),
            "400 opt, line 0, byte 891: expected at most 100 declarations.".to_owned(),
        ),
    ] {
        check("fallback PUT", &format!("M-PUT | {fields} | {expected}")).await;
    }
}

/// RFC 2774 §5, §7, and §14: a proxy has to support only hop-by-hop extensions.
#[tokio::test]
async fn row_5_an_unsupported_mandatory_extension_is_510_with_its_name() {
    let listed = |list: &str| {
        let supported = "use-transform, x:copy, x:shared-1, x:shared-2";
        format!("510 Extensions that are not supported here: {list}. Supported: {supported}.")
    };
    for (fields, at_origin, at_proxy) in [
        (r#"man: "x:copy", "x:a""#, listed("x:a"), "200".to_owned()),
        (r#"man: "x:a" & c-man: "X-B", "x:c""#, listed("x:a, X-B, x:c"), listed("X-B, x:c")),
        (r#"c-man: "x:a" & opt: "x:b""#, listed("x:a"), listed("x:a")),
    ] {
        let line = format!("M-PUT | {fields} & connection: C-Man | ");
        check_at(origin(), "fallback PUT", &(line.clone() + &at_origin)).await;
        check_at(proxy(), "fallback PUT", &(line + &at_proxy)).await;
    }
}

/// It has at most eight extensions, and at most 128 bytes of each. The body and observers get the same text.
#[tokio::test]
async fn the_text_about_unsupported_extensions_is_bounded() {
    // `longest` has every special character of a URI.
    let longest = format!("{:y<128}", "x:-._~:/?#[]@!$&'()*+,;=%41");
    for (count, identifier, listed) in [
        (1, longest.clone(), longest.clone()),
        (1, format!("{longest}y"), format!("{longest}…")),
        (8, "x:y".to_owned(), ["x:y"; 8].join(", ")),
        (9, "x:y".to_owned(), ["x:y"; 8].join(", ") + " and 1 more"),
        (
            20,
            longest.clone() + &"y".repeat(70_000),
            vec![longest + "…"; 8].join(", ") + " and 12 more",
        ),
    ] {
        let seen = Arc::new(Mutex::new(String::new()));
        let log = seen.clone();
        let layer = MethodPolicyLayer::default()
            .mandatory_extensions(MandatoryExtensions::at_origin())
            .on_rejection(move |rejection, _| {
                *log.lock().unwrap() = rejection.extension_problem().unwrap().to_owned();
            })
            .respond_with(ProblemDetails);
        let man = vec![format!("\"{identifier}\""); count].join(", ");
        let (_, response) = answer(&layer, request("M-PUT", &format!("man: {man}"))).await;
        let expected =
            format!("Extensions that are not supported here: {listed}. Supported: none.");
        assert_eq!(*seen.lock().unwrap(), expected);
        let problem: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(problem["detail"], expected);
        assert_eq!(problem["title"], "Not Extended");
        assert_eq!(problem["status"], 510);
    }
}

/// RFC 2774 §4.1. An unsupported optional extension may permit a shared prefix, so it is no error.
#[tokio::test]
async fn row_6_a_header_prefix_that_is_used_twice_is_400_unless_both_extensions_permit_it() {
    let table = r#"M-PUT | man: "x:copy"; ns=16 & c-man: "Use-Transform"; ns=16 & connection: c-man | 400 The header prefix 16 of Use-Transform is already used.
        M-PUT | man: "x:copy"; ns=16 & man: "use-transform"; ns=16 | 400 The header prefix 16 of use-transform is already used.
        M-PUT | man: "x:copy"; ns=16, "x:shared-1"; ns=16 | 400 The header prefix 16 of x:shared-1 is already used.
        M-PUT | man: "x:shared-1"; ns=16, "x:copy"; ns=16 | 400 The header prefix 16 of x:copy is already used.
        M-PUT | man: "x:shared-1"; ns=16, "x:shared-2"; ns=16, "x:copy"; ns=16 | 400 The header prefix 16 of x:copy is already used.
        M-PUT | man: "x:shared-1"; ns=16, "x:shared-2"; ns=16 | 200
        M-PUT | man: "x:copy"; ns=16, "Use-Transform"; ns=17 | 200
        M-PUT | man: "x:copy"; ns=16, "Use-Transform"; ns=016 | 200
        M-PUT | man: "x:copy"; ns=16, "Use-Transform" | 200
        M-PUT | man: "x:copy"; ns=16 & opt: "x:unknown"; ns=16 | 200"#;
    check("fallback PUT", table).await;
}

/// RFC 2774 §5: the request is processed "according to … the existing HTTP/1.1 method name". `M-GET` and
/// `M-HEAD` are always forwarded. So is `M-OPTIONS` if the layer answers `OPTIONS`. Methods are case-sensitive,
/// and only the first `M-` is removed.
#[tokio::test]
async fn rows_7_and_8_the_decision_table_decides_about_the_method_without_the_m_prefix() {
    let table = r#"M-GET M-HEAD M-PUT | man: "x:copy" | 200
        M-FOO M-put M-M-PUT M-options | man: "x:copy" | 501
        M-OPTIONS | man: "x:copy" | 405 PUT | 200
        M-POST | man: "x:copy" | 405 PUT | 405 PUT, OPTIONS
        PUT | | 200
        FOO M- | | 501"#;
    check("fallback PUT", table).await;
    for (calls, without) in [
        ("", "200"),
        ("fallback", "405"),
        ("fallback OPTIONS", "200"),
        ("recognize_only", "501"),
        ("recognize_only; fallback OPTIONS", "200"),
        ("route / PUT", "405 PUT"),
    ] {
        check(calls, r#"M-GET M-HEAD | man: "x:copy" | 200"#).await;
        check(calls, &format!(r#"M-OPTIONS | man: "x:copy" | {without} | 200"#)).await;
        // A 405 of the inner service to `M-OPTIONS` passes unchanged.
        let layer = layer(origin(), calls).answer_options(true);
        let inner = Response::builder().status(405).header("allow", "GET");
        let sent = request("M-OPTIONS", "man: \"x:copy\"");
        let (_, response) = answer_with(&layer, sent, inner).await;
        assert_eq!(response.status(), 405);
        assert_eq!(fields(response.headers()), "allow: GET");
        assert_eq!(response.body(), "inner");
    }
}

#[tokio::test]
async fn the_request_is_forwarded_unchanged_with_its_declarations() {
    let fields = r#"man: "x:copy"; ns=16; depth="a \"b\""; fast & opt: "x:optional"; ns=17 & c-man: "USE-transform" & connection: c-man & 16-copy: x"#;
    let sent = request("M-PUT", fields);
    let (forwarded, _) = answer(&layer(origin(), "fallback PUT"), sent.clone()).await;
    let forwarded = forwarded.unwrap();
    assert_eq!(forwarded.method(), "M-PUT");
    assert_eq!(forwarded.headers(), sent.headers());

    let declared = forwarded.extensions().get::<Declarations>().unwrap();
    let [man, c_man, opt] = declared.iter().collect::<Vec<_>>()[..] else {
        panic!("{declared:?}");
    };
    assert_eq!((man.identifier(), man.prefix()), ("x:copy", Some("16")));
    let parameters: Vec<_> = man.parameters().collect();
    let depth = ("depth", Some("a \"b\""));
    assert_eq!(parameters, [("ns", Some("16")), depth, ("fast", None)]);
    assert!(man.is_mandatory() && !man.is_hop_by_hop());
    assert_eq!((c_man.identifier(), c_man.prefix()), ("USE-transform", None));
    assert!(c_man.is_mandatory() && c_man.is_hop_by_hop());
    assert!(!opt.is_mandatory() && !opt.is_hop_by_hop());
}

/// RFC 9110 §7.6.1, RFC 9113 §8.2.2. A declaration that does not apply needs no `M-` method.
#[tokio::test]
async fn hop_by_hop_declarations_apply_only_in_http_1_1_and_only_if_connection_lists_them() {
    let table = r#"M-PUT | c-man: "Use-Transform" & connection: c-man | 200
        M-PUT | c-man: "Use-Transform" & connection: keep-alive ,C-MAN | 200
        M-PUT | c-man: "Use-Transform" & connection: close & connection: c-man | 200
        PUT | c-man: "Use-Transform" & connection: c-man | 510 not mandatory
        M-PUT | c-man: "Use-Transform" & connection: c-opt | 510 not declared
        M-PUT@1.0 M-PUT@2 M-PUT@3 | c-man: "Use-Transform" & connection: c-man | 510 not declared
        PUT | c-man: "Use-Transform" & connection: c-opt | 200
        PUT@1.0 PUT@2 PUT@3 | c-man: "Use-Transform" & connection: c-man | 200
        M-PUT@1.0 | man: "x:copy" & connection: man | 510 not declared
        M-PUT M-PUT@2 | man: "x:copy" & connection: man | 200"#;
    check("fallback PUT", table).await;
}

/// RFC 2774 §5: "remove and ignore any header field(s) from the message with the same name".
#[tokio::test]
async fn in_http_1_0_fields_that_connection_lists_are_removed_from_a_mandatory_request() {
    let fields = r#"man: "x:copy" & c-man: x & 16-a: b & connection: C-Man, 16-a, ("#;
    for (method, report_only, is_removed) in [
        ("M-PUT@1.0", false, true),
        ("M-PUT@1.1", false, false),
        ("PUT@1.0", false, false),
        ("M-PUT@1.0", true, false),
    ] {
        let fields = match method {
            "M-PUT@1.1" => fields.replace("C-Man, ", ""),
            "PUT@1.0" => fields.replace("man: \"x:copy\" & ", ""),
            _ => fields.to_owned(),
        };
        let sent = request(method, &fields);
        let layer = layer(origin(), "fallback PUT").report_only(report_only);
        let (forwarded, response) = answer(&layer, sent.clone()).await;
        let mut expected = sent.into_parts().0.headers;
        if is_removed {
            expected.remove("c-man");
            expected.remove("16-a");
        }
        let forwarded = forwarded.unwrap();
        assert_eq!(forwarded.headers(), &expected, "{method}");
        // A layer that only reports adds neither declarations nor an acknowledgement.
        let is_fulfilled = method.starts_with("M-") && !report_only;
        assert_eq!(forwarded.extensions().is_empty(), !is_fulfilled);
        assert_eq!(response.headers().contains_key("ext"), is_fulfilled);
        assert!(response.extensions().get::<WouldReject>().is_none());
    }
}

// The acknowledgement (RFC 2774 §5.1).

/// "A server MUST NOT claim to have fulfilled" a request that failed.
#[tokio::test]
async fn only_a_success_of_the_inner_service_is_acknowledged() {
    let [man, c_man] = [r#"man: "x:copy""#, r#"c-man: "use-transform" & connection: c-man"#];
    let c_opt = r#"c-opt: "use-transform" & connection: c-opt"#;
    let ext = r#"ext:  & cache-control: no-cache="Ext""#;
    let c_ext = "c-ext:  & connection: C-Ext";
    let expires = "expires: Thu, 01 Jan 1970 00:00:00 GMT";
    for (extensions, method, sent, expected) in [
        (origin(), "M-PUT", [man, ""], [ext, ""]),
        (origin(), "M-PUT", [c_man, ""], [c_ext, ""]),
        (origin(), "M-PUT", [man, c_man], [ext, c_ext]),
        (origin(), "M-PUT", [man, c_opt], [ext, ""]),
        (origin(), "M-PUT@1.0", [man, ""], [ext, expires]),
        (proxy(), "M-PUT", [man, c_man], ["", c_ext]),
        (proxy(), "M-PUT", [man, ""], ["", ""]),
    ] {
        let sent = sent.join(" & ");
        let expected = sorted(&expected.join(" & "));
        let layer = layer(extensions, "fallback PUT");
        let (_, response) = answer(&layer, request(method, &sent)).await;
        assert_eq!(fields(response.headers()), expected, "{sent}");
        for status in [301, 304, 404, 405, 500, 501] {
            let inner = Response::builder().status(status);
            let (forwarded, response) = answer_with(&layer, request(method, &sent), inner).await;
            assert!(forwarded.is_some());
            assert_eq!(response.status(), status);
            assert_eq!(fields(response.headers()), "");
        }
        // If an outer layer also acknowledges the extensions, no field appears twice.
        for outer in [origin(), proxy()] {
            let outer = self::layer(outer, "fallback PUT");
            let service = outer.layer(layer.layer(service_fn(async |_: Request<Body>| {
                Ok::<_, Infallible>(Response::new(Body::default()))
            })));
            let Ok(response) = service.oneshot(request(method, &sent)).await;
            for name in response.headers().keys() {
                let count = response.headers().get_all(name).iter().count();
                assert_eq!(count, 1, "{name}");
            }
        }
    }
}

/// The inner service may have written them in another case or order. Its other fields are kept.
#[tokio::test]
async fn fields_of_the_acknowledgement_are_not_added_if_the_inner_service_sent_them() {
    let both = r#"man: "x:copy" & c-man: "use-transform" & connection: c-man"#;
    for inner in [
        r#"cache-control: no-cache="Ext" & connection: C-Ext"#,
        r#"cache-control: max-age=9, NO-CACHE="ext" & connection: keep-alive, c-ext"#,
        r#"cache-control: max-age=9 & cache-control: no-cache="Ext" & connection: C-EXT"#,
        "cache-control: max-age=9 & connection: close & allow: X",
    ] {
        let is_added = inner.contains("close &");
        let added = r#" & cache-control: no-cache="Ext" & connection: C-Ext"#;
        let added = if is_added { added } else { "" };
        let inner_fields = request("GET", &format!("{inner} & ext:  & c-ext: "));
        let inner_fields = inner_fields.headers().iter();
        let response = inner_fields
            .fold(Response::builder(), |response, (name, value)| response.header(name, value));
        let sent = request("M-PUT", both);
        let (_, response) = answer_with(&layer(origin(), "fallback PUT"), sent, response).await;
        let expected = sorted(&format!("{inner} & ext:  & c-ext: {added}"));
        assert_eq!(fields(response.headers()), expected);
        assert_eq!(response.body(), "inner");
    }
}

#[test]
fn an_identifier_is_a_uri_or_a_field_name() {
    for identifier in "http://a/ urn:x:y a Content-Type ssdp:discover a+b-c.1:x".split(' ') {
        let result = MandatoryExtensions::at_origin().support(identifier);
        assert!(result.is_ok(), "{identifier}");
    }
    for identifier in "|:|a:|:a|1a:b|a b|http://a b|http://é/|a\"|a/b".split('|') {
        let result = MandatoryExtensions::at_origin().support(identifier);
        let expected = format!("{identifier:?} is neither an absolute URI nor a field name");
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}

// The grammar (RFC 2774 §3).

/// Parses the value of an `Opt` field. A proxy forwards all optional declarations.
fn parse(value: &[u8]) -> Result<Vec<Declaration>, String> {
    let layer = MethodPolicyLayer::default().mandatory_extensions(MandatoryExtensions::at_proxy());
    let mut request = request("M-PUT", "man: \"x:y\"");
    let value = HeaderValue::from_bytes(value).unwrap();
    request.headers_mut().insert("opt", value);
    let (forwarded, response) = answer(&layer, request).now_or_never().unwrap();
    match response.extensions().get::<Rejection>() {
        Some(rejection) => Err(rejection.extension_problem().unwrap().to_owned()),
        None => {
            let forwarded = forwarded.unwrap();
            let declarations = forwarded.extensions().get::<Declarations>().unwrap();
            Ok(declarations.iter().skip(1).cloned().collect())
        }
    }
}

/// Returns the position and the expectation in the text about a malformed `Opt` field.
fn place(problem: &str) -> (usize, &str) {
    let place = problem.strip_prefix("opt, line 0, byte ").unwrap();
    let (position, expected) = place.split_once(": expected ").unwrap();
    (position.parse().unwrap(), expected.strip_suffix('.').unwrap())
}

#[test]
fn lists_of_declarations_are_parsed() {
    for line in r#"|
        ,  , |
        "a:b" | "a:b"
        "a:b","C" , ,"d:e" | "a:b", "C", "d:e"
        "a";ns=16 | "a"; ns=16
        "a" ; NS = 0123456789 ; x = y | "a"; NS=0123456789; x="y"
        "a"; x; y=""; z="\\\"\q" | "a"; x; y=""; z="\\\"q""#
        .lines()
    {
        let (value, expected) = line.split_once('|').unwrap();
        let declarations = parse(value.trim().as_bytes()).unwrap();
        let declarations: Vec<_> = declarations.iter().map(ToString::to_string).collect();
        assert_eq!(declarations.join(", "), expected.trim(), "{value}");
    }
    // Every character of a token (RFC 9110 §5.6.2), and the first and the last ones of a quoted string.
    let token = "!#$%&'*+-.^_`|~0aZ";
    let declarations = parse(format!("\"{token}\";{token}={token};b=\"\t ~\"").as_bytes()).unwrap();
    let expected = format!("\"{token}\"; {token}=\"{token}\"; b=\"\t ~\"");
    assert_eq!(declarations[0].to_string(), expected);
}

#[test]
fn malformed_lists_are_errors_with_the_position_of_the_mistake() {
    for line in r#"a | 0 | an extension identifier in quotation marks
        http://a/ | 0 | an extension identifier in quotation marks
        " | 1 | the closing quotation mark
        "a | 2 | the closing quotation mark
        "" | 1 | an absolute URI or a field name
        "a,b:c" | 1 | an absolute URI or a field name
        , "a b" | 3 | an absolute URI or a field name
        "é:a" | 1 | an absolute URI or a field name
        "a" "b" | 4 | a semicolon, a comma, or the end
        "a"= | 3 | a semicolon, a comma, or the end
        "a"; | 4 | the name of a parameter
        "a"; ; | 5 | the name of a parameter
        "a"; ns | 7 | an equals sign and the header prefix
        "a"; ns= | 8 | a header prefix of two or more digits
        "a"; ns=1 | 8 | a header prefix of two or more digits
        "a"; ns=12a | 8 | a header prefix of two or more digits
        "a"; ns="12" | 8 | a header prefix of two or more digits
        "a"; ns=12; ns=13 | 12 | one header prefix only
        "a"; b= | 7 | the value of a parameter
        "a"; b=" | 8 | the closing quotation mark
        "a"; b="\ | 9 | the closing quotation mark
        "a"; b="\" | 10 | the closing quotation mark
        "a"; b="é" | 8 | a visible ASCII character, a space, or a tab
        "a"; b="\é" | 9 | a visible ASCII character, a space, or a tab"#
        .lines()
    {
        let columns: Vec<_> = line.split(" | ").map(str::trim).collect();
        let problem = parse(columns[0].as_bytes()).unwrap_err();
        let expected = (columns[1].parse().unwrap(), columns[2]);
        assert_eq!(place(&problem), expected, "{line}");
    }
}

/// The value of a field: a list of declarations, or nearly one.
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
    fn any_value_is_a_list_of_declarations_or_an_error_at_a_position_in_it(value in nearly_a_list()) {
        let Ok(value) = HeaderValue::from_bytes(&value) else {
            return Ok(());
        };
        match parse(value.as_bytes()) {
            Ok(declarations) => {
                // Their text is parsed to the same declarations.
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
}
