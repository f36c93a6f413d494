//! Compares the crate with the model of the decision tables, on random layers, requests, and responses of the inner
//! service. A forwarded request arrives unchanged, although a shortcut forwards most requests.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/model/mod.rs"]
mod model;
mod support;

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower::{Layer as _, Service, service_fn};
#[cfg(feature = "rfc2774")]
use tower_method_policy::rfc2774::{Declarations, MandatoryExtensions};
use tower_method_policy::{BodyDrain, MethodSet, Policy};

use crate::model::policy::{Entry, Kind, Rule};
use crate::model::rejection::{Rejection, Responder};
use crate::model::subject::BuiltLayer;
use crate::model::{Content, Extensions, Layer, Marks, Outcome, Request, Response, RetryAfter};
use crate::support::strategies::{
    METHODS, PATHS, Setting, any_method, method, policy_of, registered_names, settings_with,
};

/// More unregistered methods than the shortcut stores.
fn unregistered_methods() -> Vec<Method> {
    (0..40).map(|n| method(&format!("OWN-{n:02}"))).collect()
}

/// Sets with methods of every kind. Many have more unregistered methods than the shortcut stores.
fn sets() -> impl Strategy<Value = MethodSet> {
    let others = prop_oneof![
        2 => Just(vec![]),
        2 => Just(unregistered_methods()),
        1 => subsequence(unregistered_methods(), 0..=40),
        1 => vec(any_or_stretched_method(), 0..=40),
    ];
    let common = subsequence(METHODS, 0..=METHODS.len());
    let registered = subsequence(registered_names(), 0..=3);
    (common, registered, others).prop_map(|(common, registered, others)| {
        let names = common.into_iter().map(str::to_owned).chain(registered);
        names.map(|name| method(&name)).chain(others).collect()
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

/// The model of the policy that [`policy_of`] builds.
fn model_of(settings: &[Setting]) -> model::policy::Policy {
    let names = |methods: &MethodSet| methods.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut policy = model::policy::Policy::default();
    for setting in settings {
        match setting {
            Setting::Recognize(methods) => policy.recognize.extend(names(methods)),
            Setting::RecognizeOnly(methods) => policy.recognize_only = Some(names(methods)),
            Setting::Fallback(methods) => policy.fallback = Some(Rule::fallback(names(methods))),
            Setting::Route(pattern, methods) => {
                policy.entries.push(Entry::new(Kind::Route, pattern, names(methods)));
            }
            Setting::Subtree(prefix, methods) => {
                policy.entries.push(Entry::new(Kind::Subtree, prefix, names(methods)));
            }
            Setting::Exempt(pattern) => {
                policy.entries.push(Entry::new(Kind::Exempt, pattern, vec![]));
            }
        }
    }
    policy
}

/// Layers, each with its policy.
fn layers() -> impl Strategy<Value = (Policy, Layer)> {
    use Responder::{Content, EmptyBody, Fields, GrpcStatus, PlainText};
    use RetryAfter::{Past, Seconds, Unset};

    let responders = select(&[EmptyBody, PlainText, Content, Fields, GrpcStatus]);
    let retry_after = select(&[Unset, Past, Seconds(3600)]);
    let cache_control = option::of(Just("no-store"));
    let flags = (any::<[bool; 4]>(), weighted(0.1));
    (settings_with(sets), responders, retry_after, cache_control, flags).prop_map(
        |(settings, responder, retry_after, cache_control, flags)| {
            let ([inner_decides, answer_options, has_observer, extensions], report_only) = flags;
            // The text about an extension is not part of the model.
            let extensions = extensions && responder != PlainText;
            let layer = Layer {
                responder,
                has_observer,
                retry_after,
                cache_control,
                inner_decides,
                answer_options,
                report_only,
                examines_extensions: extensions && cfg!(feature = "rfc2774"),
                ..Layer::new(model_of(&settings))
            };
            (policy_of(&settings), layer)
        },
    )
}

type Field = (&'static str, &'static str);

fn header_map(fields: &[Field]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (HeaderName::from_static(name), value)
    });
    fields.collect()
}

/// Fields in the form `name:value`.
fn parse(fields: &'static str) -> Vec<Field> {
    fields.split_whitespace().map(|field| field.split_once(':').unwrap()).collect()
}

const SUPPORTED: &str = "\"http://example.com/extension\"";
const UNSUPPORTED: &str = "\"http://example.com/other\"";
const MALFORMED: &str = "\"http://example.com/extension";

/// Header fields on which the table depends, and fields on which it must not depend.
fn fields() -> impl Strategy<Value = Vec<Field>> {
    const DECLARED: [&str; 5] = [SUPPORTED, SUPPORTED, SUPPORTED, UNSUPPORTED, MALFORMED];
    // `Connection` does not list `C-Man`, so the layer ignores `C-Man`.
    const OTHERS: &str = "access-control-request-headers:x-a allow:FOO authorization:Basic c-man:x \
        connection:close content-length:7 content-type:text/plain depth:0 destination:/b early-data:1 expect:100-continue forwarded:for=a host:a if-match:* if-match:\u{e9} \
        max-forwards:0 prefer:return=minimal range:bytes=0-0 sec-fetch-mode:cors te:trailers \
        transfer-encoding:chunked upgrade:websocket via:1.1 x-http-method:DELETE \
        x-http-method-override:DELETE x-method-override:DELETE";
    const CORS: [Field; 2] = [("origin", "http://a"), ("access-control-request-method", "PUT")];
    const GRPC: Field = ("content-type", "application/grpc");
    let names = prop_oneof![3 => Just("man"), 1 => Just("opt")];
    let declarations = vec((names, select(&DECLARED)), 1..=2);
    let declarations = prop_oneof![2 => Just(vec![]), 1 => declarations];
    let grpc = prop_oneof![3 => Just(vec![]), 1 => Just(vec![GRPC])];
    let others = vec(select(parse(OTHERS)), 0..=4);
    let fields = (subsequence(&CORS, 0..=2), declarations, grpc, others);
    fields
        .prop_map(|(cors, declarations, grpc, others)| [cors, declarations, grpc, others].concat())
}

/// A declaration in `Opt` is optional, but it can be malformed.
fn extensions(fields: &[Field]) -> Extensions {
    let declared = fields.iter().filter(|(name, _)| matches!(*name, "man" | "opt"));
    let mandatory = || declared.clone().filter(|(name, _)| *name == "man");
    if declared.clone().any(|(_, value)| *value == MALFORMED) {
        Extensions::Malformed
    } else if mandatory().next().is_none() {
        Extensions::None
    } else if mandatory().all(|(_, value)| *value == SUPPORTED) {
        Extensions::Supported
    } else {
        Extensions::Unsupported
    }
}

fn requests() -> impl Strategy<Value = Request> {
    let methods = prop_oneof![
        2 => select(vec![Method::GET, Method::HEAD]),
        3 => select(METHODS).prop_map(method),
        2 => Just(Method::OPTIONS),
        1 => Just(Method::POST),
        2 => select(unregistered_methods()),
        1 => select(registered_names()).prop_map(|name| method(&name)),
        3 => select(&["M-", "M-GET", "M-OPTIONS", "M-PUT", "M-PURGE"]).prop_map(method),
        2 => any_or_stretched_method(),
    ];
    let paths: Vec<_> = PATHS.iter().map(|(path, _)| *path).collect();
    let versions = vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];
    (methods, select(paths), 0..4, select(versions), fields(), bodies()).prop_map(
        |(method, path, form, version, fields, body)| {
            let target = match (path, form) {
                ("", _) => "example.com:443".to_owned(),
                ("*", _) => "*".to_owned(),
                (path, 0) => format!("http://example.com{path}"),
                (path, 1) => format!("{path}?query"),
                (path, _) => path.to_owned(),
            };
            Request {
                method: method.to_string(),
                target: target.parse().unwrap(),
                version,
                extensions: extensions(&fields),
                fields: header_map(&fields),
                body,
            }
        },
    )
}

/// Bodies around the length that hyper has read before the layer answers.
fn bodies() -> impl Strategy<Value = model::Body> {
    let lengths = select(&[Some(0), Some(7), Some(8192), Some(8193), None]);
    lengths.prop_map(|length| model::Body { is_at_end: length == Some(0), length })
}

/// The content of a request. `length` is `None` if it is not announced.
fn content(length: Option<u64>) -> Bytes {
    let length = length.map_or(3, |length| usize::try_from(length).unwrap());
    Bytes::from_static(&[b'a'; 10_000]).slice(..length)
}

fn responses() -> impl Strategy<Value = Response> {
    const ALLOW: &[&str] = &[
        "GET, HEAD",
        "POST,PUT\t,, FOO ,PUT",
        "OPTIONS",
        "DELETE, OPTIONS, get",
        "OWN-07, PROPFIND",
        "QUERY",
        "",
        " , ",
        "pri, !#$%&'*+-.^_`|~",
    ];
    const NOT_METHODS: &[&str] = &["GET, *", "PRI", "GET POST", "\"GET\"", "GET, \u{e9}"];
    const OTHERS: &str = "access-control-allow-origin:* cache-control:private \
        connection:keep-alive content-length:5 content-md5:x content-type:text/plain dav:1 digest:x \
        etag:x grpc-message:x grpc-status-details-bin:x grpc-status:0 retry-after:5 set-cookie:a \
        set-cookie:b signature:x sourcemap:/x vary:accept x-silly:0 x-silly:1";
    let statuses = prop_oneof![6 => Just(405), 1 => select(&[200, 204, 300, 404, 501])];
    let not_methods = prop_oneof![6 => Just(vec![]), 1 => vec(select(NOT_METHODS), 1)];
    let allow = (vec(select(ALLOW), 0..=2), not_methods);
    let others = vec(select(parse(OTHERS)), 0..=4);
    let marks = (weighted(0.2), any::<[bool; 2]>());
    (statuses, allow, others, marks).prop_map(
        |(status, (allow, not_methods), others, (is_of_policy, [is_marked, is_shared]))| {
            let allow = [allow, not_methods].concat();
            let allow = allow.iter().map(|value| ("allow", *value)).collect();
            Response {
                status: StatusCode::from_u16(status).unwrap(),
                fields: header_map(&[allow, others].concat()),
                content: Content::OfInnerService,
                marks: Marks {
                    rejection: is_of_policy.then(Rejection::of_inner_policy),
                    would_reject: None,
                    of_inner_service: is_marked,
                    shared: is_shared.then_some("the inner service"),
                },
            }
        },
    )
}

/// Sends `request` to a service of `layer`. Checks that the inner service receives it unchanged.
fn ask(layer: &BuiltLayer, request: &Request, inner: &Response) -> Outcome {
    let body = Full::new(content(request.body.length));
    let mut sent = request.build(match request.body.length {
        Some(_) => body.boxed_unsync(),
        None => StreamBody::new(body.into_stream()).boxed_unsync(),
    });
    sent.extensions_mut().insert(7_u64);
    let mut arrived = None;
    let service = service_fn(|request| {
        arrived = Some(request);
        ready(Ok::<_, Infallible>(inner.build()))
    });
    let Ok(response) = layer.layer(service).call(sent).now_or_never().unwrap();

    let is_forwarded = arrived.is_some();
    let mut is_fulfilled = false;
    if let Some(arrived) = arrived {
        let (head, body) = arrived.into_parts();
        request.assert_arrived(&head);
        is_fulfilled = has_declarations(&head.extensions);
        assert_eq!(head.extensions.get(), Some(&7_u64));
        assert_eq!(head.extensions.len(), 1 + usize::from(is_fulfilled));
        let body = body.collect().now_or_never().unwrap();
        assert_eq!(body.unwrap().to_bytes(), content(request.body.length));
    }
    Outcome { is_forwarded, is_fulfilled, observed: vec![], response: Response::read(&response) }
}

fn has_declarations(_extensions: &http::Extensions) -> bool {
    #[cfg(feature = "rfc2774")]
    return _extensions.get::<Declarations>().is_some();
    #[cfg(not(feature = "rfc2774"))]
    return false;
}

proptest! {
    /// The shortcut uses only method and path. Under all settings, it may forward a request only if the table
    /// forwards it.
    #[test]
    fn every_layer_follows_the_decision_tables(
        (policy, model) in layers(),
        exchanges in vec((requests(), responses()), 1..48),
    ) {
        model.policy.assert_lists(&policy);
        let layer = model.build(policy.clone()).body_drain(BodyDrain::none());
        // The last call has to rebuild the shortcut that the other calls built.
        let layer = layer.inner_decides(!model.inner_decides).answer_options(!model.answer_options);
        #[cfg(feature = "rfc2774")]
        let layer = if model.examines_extensions {
            let extension = SUPPORTED.trim_matches('"');
            layer.mandatory_extensions(MandatoryExtensions::at_origin().support(extension).unwrap())
        } else {
            layer
        };
        let layer = layer.inner_decides(model.inner_decides).answer_options(model.answer_options);
        let observed = Arc::new(Mutex::new(vec![]));
        let log = observed.clone();
        let layer = if model.has_observer {
            layer.on_rejection(move |rejection, request| {
                log.lock().unwrap().push(Rejection::read(rejection).seen(request));
            })
        } else {
            layer
        };
        let with_defaults = Layer::new(model.policy.clone());
        for (request, inner) in exchanges {
            with_defaults.assert_decides(&policy, &request.method, request.path());
            let mut outcome = ask(&layer, &request, &inner);
            outcome.observed = std::mem::take(&mut *observed.lock().unwrap());
            // A body that is not at its end is not read, and that of `CONNECT` never.
            let is_drained = request.body.is_at_end && request.method != "CONNECT";
            let expected = model.outcome(&request, &inner, is_drained);
            prop_assert_eq!(outcome, expected, "{:?} {:?}", request, inner);
        }
    }
}
