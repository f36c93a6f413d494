//! Methods, policies and targets for property tests.

use std::future::Future;

use http::{Method, Uri};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower_method_policy::{Allow, MethodSet, Policy, RegisteredMethod};

/// The characters of a token (RFC 9110 §5.6.2).
pub(crate) const TCHARS: &str =
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The method called `name`.
pub(crate) fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a method is a token")
}

/// The set of the methods in `list`, which are separated by spaces.
pub(crate) fn set(list: &str) -> MethodSet {
    list.split_whitespace().map(method).collect()
}

/// Any method: registered, almost registered, short and long. `http` keeps names of up to 15 bytes
/// in another form than longer ones, so lengths around that are frequent, and so are names that two
/// draws have in common.
pub(crate) fn any_method() -> impl Strategy<Value = Method> {
    let registered = || {
        let names: Vec<_> = RegisteredMethod::ALL
            .iter()
            .map(|entry| entry.name())
            .collect();
        select(names)
    };
    prop_oneof![
        4 => registered().prop_map(str::to_owned),
        1 => registered().prop_map(str::to_lowercase),
        1 => registered().prop_map(|name| format!("{name}X")),
        2 => "[AB]{1,2}",
        2 => "(A{13}|B{14})[AB]{0,3}",
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
        1 => "C{300,301}",
    ]
    .prop_map(|name| method(&name))
}

/// The methods that configured policies and the requests to them are drawn from: what is common,
/// what is registered, what is not, and what only looks like it.
pub(crate) const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "SEARCH",
    "PURGE",
    "M-SEARCH",
    "get",
    "Post",
    "GETX",
    "A-NAME-OF-MORE-THAN-FIFTEEN-BYTES",
];

/// Patterns of which none conflicts with another.
pub(crate) const PATTERNS: &[&str] = &[
    "/",
    "/{*rest}",
    "/users",
    "/users/{id}",
    "/users/me",
    "/users/{user}/posts",
    "/static/{*path}",
    "/literal/{{id}}",
];

/// Paths, as `Uri::path` gives them, each with those of [`PATTERNS`] that match it, the most
/// specific one first. `*` and the empty path, which is that of authority-form, match none.
pub(crate) const PATHS: &[(&str, &[&str])] = &[
    ("/", &["/"]),
    ("*", &[]),
    ("", &[]),
    ("//", &["/{*rest}"]),
    ("/..", &["/{*rest}"]),
    ("/%2F", &["/{*rest}"]),
    ("/users", &["/users", "/{*rest}"]),
    ("/users/", &["/{*rest}"]),
    ("//users", &["/{*rest}"]),
    ("/./users", &["/{*rest}"]),
    ("/Users", &["/{*rest}"]),
    ("/%75sers", &["/{*rest}"]),
    ("/users/7", &["/users/{id}", "/{*rest}"]),
    ("/users/..", &["/users/{id}", "/{*rest}"]),
    ("/users/7%2Fposts", &["/users/{id}", "/{*rest}"]),
    ("/users/me", &["/users/me", "/users/{id}", "/{*rest}"]),
    ("/users/me/", &["/{*rest}"]),
    ("/users/%6de", &["/users/{id}", "/{*rest}"]),
    ("/users/{id}", &["/users/{id}", "/{*rest}"]),
    ("/users/7/posts", &["/users/{user}/posts", "/{*rest}"]),
    ("/users/me/posts", &["/users/{user}/posts", "/{*rest}"]),
    // To `matchit`, and so to axum, a segment that is not the last may be empty.
    ("/users//posts", &["/users/{user}/posts", "/{*rest}"]),
    ("/users/7//posts", &["/{*rest}"]),
    ("/static", &["/{*rest}"]),
    ("/static/", &["/{*rest}"]),
    ("/static/a", &["/static/{*path}", "/{*rest}"]),
    ("/static/a/", &["/static/{*path}", "/{*rest}"]),
    ("/static//", &["/static/{*path}", "/{*rest}"]),
    ("/static/../users", &["/static/{*path}", "/{*rest}"]),
    ("/literal/{id}", &["/literal/{{id}}", "/{*rest}"]),
    ("/literal/id", &["/{*rest}"]),
];

/// One call that configures a policy.
#[derive(Clone, Debug)]
pub(crate) enum Setting {
    Recognize(MethodSet),
    RecognizeOnly(MethodSet),
    Allow(Allow),
    Route(&'static str, Allow),
}

/// The policy that `settings` make, called in this order.
pub(crate) fn policy_of(settings: &[Setting]) -> Policy {
    settings
        .iter()
        .cloned()
        .fold(Policy::new(), |policy, setting| match setting {
            Setting::Recognize(methods) => policy.recognize(methods),
            Setting::RecognizeOnly(methods) => policy.recognize_only(methods),
            Setting::Allow(rule) => policy.allow(rule),
            Setting::Route(pattern, rule) => policy.route(pattern, rule).expect("no conflict"),
        })
}

/// Calls in any order and number, each pattern at most once.
pub(crate) fn settings() -> impl Strategy<Value = Vec<Setting>> {
    let calls = vec(
        prop_oneof![
            configured_methods().prop_map(Setting::Recognize),
            configured_methods().prop_map(Setting::RecognizeOnly),
            rules().prop_map(Setting::Allow),
        ],
        0..=4,
    );
    let patterns = subsequence(PATTERNS, 0..=PATTERNS.len());
    let routes = patterns.prop_flat_map(|patterns| {
        let rule = |pattern| rules().prop_map(move |rule| Setting::Route(pattern, rule));
        patterns.into_iter().map(rule).collect::<Vec<_>>()
    });
    (calls, routes)
        .prop_map(|(calls, routes)| [calls, routes].concat())
        .prop_shuffle()
}

/// A policy of any configuration.
pub(crate) fn policies() -> impl Strategy<Value = Policy> {
    settings().prop_map(|settings| policy_of(&settings))
}

/// A few of [`METHODS`].
pub(crate) fn configured_methods() -> impl Strategy<Value = MethodSet> {
    subsequence(METHODS, 0..=5).prop_map(|names| names.into_iter().map(method).collect())
}

/// A rule that adds `GET` and `HEAD`, or one that lists exactly what it is given.
pub(crate) fn rules() -> impl Strategy<Value = Allow> {
    (configured_methods(), any::<bool>()).prop_map(|(methods, exactly)| match exactly {
        true => Allow::exactly(methods),
        false => Allow::new(methods),
    })
}

/// Request targets in all four forms of RFC 9112 §3.2.
pub(crate) fn uris() -> impl Strategy<Value = Uri> {
    let paths: Vec<_> = PATHS.iter().map(|(path, _)| *path).collect();
    let path = || select(paths.clone()).prop_filter("a path", |path| path.starts_with('/'));
    prop_oneof![
        8 => path().prop_map(str::to_owned),
        2 => path().prop_map(|path| format!("http://example.com{path}?query")),
        2 => "/[!$&'()*+,;=:@a-z0-9./%{}_~-]{0,40}([?][a-z=/?]{0,8})?",
        1 => Just("http://example.com".to_owned()),
        1 => Just("example.com:443".to_owned()),
        1 => Just("*".to_owned()),
    ]
    .prop_map(|uri| uri.parse().expect("a request target"))
}

/// Runs the future of one case to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}
