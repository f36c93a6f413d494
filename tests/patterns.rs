//! A path pattern means to a policy what it means to axum.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use axum::body::Body;
use axum::routing;
use axum::{Extension, Router};
use futures_util::FutureExt;
use http::{Method, Request, Uri};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use tower::ServiceExt;
use tower_method_policy::{Decision, Policy, PolicyError};

/// The same patterns in a router and in a policy. What is an error to one is an error to both, and is
/// in neither.
struct Pair {
    router: Router,
    policy: Policy,
    /// Those that both took.
    patterns: Vec<String>,
}

/// Which route was taken.
#[derive(Clone)]
struct Taken(usize);

/// What a pattern is when it is added to the others.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Valid,
    Invalid,
    Conflicting,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            router: Router::new(),
            // Where no pattern matches, none of the methods that tell them apart is allowed.
            policy: Policy::new().allow([]),
            patterns: Vec::new(),
        }
    }
}

impl Pair {
    fn new(patterns: &[&str]) -> Self {
        let mut pair = Self::default();
        for pattern in patterns {
            assert_eq!(pair.add(pattern), [Kind::Valid; 2], "{pattern}");
        }
        pair
    }

    /// What `pattern` is to axum, and what it is to the policy.
    fn add(&mut self, pattern: &str) -> [Kind; 2] {
        let index = self.patterns.len();
        let route = routing::any(move || async move { Extension(Taken(index)) });
        let router = self.router.clone();
        let router = caught(move || router.route(pattern, route));
        let policy = self.policy.clone().route(pattern, [mark(index)]);
        let kinds = [
            match &router {
                Ok(_) => Kind::Valid,
                Err(message) if message.contains("conflict") => Kind::Conflicting,
                Err(_) => Kind::Invalid,
            },
            match &policy {
                Ok(_) => Kind::Valid,
                Err(PolicyError::ConflictingPattern { .. }) => Kind::Conflicting,
                Err(_) => Kind::Invalid,
            },
        ];
        if let (Ok(router), Ok(policy)) = (router, policy) {
            *self = Self {
                router,
                policy,
                patterns: [&self.patterns[..], &[pattern.to_owned()]].concat(),
            };
        }
        kinds
    }

    /// The pattern that axum takes for `path`, and the one that the policy takes.
    fn taken(&self, path: &str) -> [Option<&str>; 2] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).now_or_never();
        let response = response.expect("no handler waits").unwrap();
        let by_axum = response.extensions().get().map(|&Taken(index)| index);

        let uri: Uri = path.parse().unwrap();
        let forwarded =
            |&index: &usize| self.policy.decide(&mark(index), uri.path()) == Decision::Forward;
        let mut by_policy = (0..self.patterns.len()).filter(forwarded);
        let taken = [by_axum, by_policy.next()];
        assert_eq!(by_policy.next(), None, "only one rule holds at {path}");
        taken.map(|index| index.map(|index| &*self.patterns[index]))
    }
}

/// The method that only the rule of this number allows.
fn mark(index: usize) -> Method {
    Method::from_bytes(format!("RULE-{index}").as_bytes()).unwrap()
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// What `f` returns, or the message of its panic, which is not printed.
fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                hook(info);
            }
        }));
    });
    SILENT.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    SILENT.set(false);
    result.map_err(|panic| *panic.downcast().expect("axum formats its messages"))
}

// Known cases.

#[test]
fn a_pattern_is_invalid_to_both() {
    for pattern in [
        "",
        "users",
        "{id}",
        "*",
        // What only later versions of matchit understand.
        "/{a}.txt",
        "/a{b}.txt",
        "/{a}-{b}",
        // The patterns of axum 0.7.
        "/:",
        "/:id",
        "/users/:id",
        "/users/:id/posts",
        "/:{id}",
        "/*",
        "/*rest",
        "/files/*rest",
        "/files/*{rest}",
        "/files/{*rest}/*",
        "/files/*/index.html",
    ] {
        assert_eq!(
            Pair::default().add(pattern),
            [Kind::Invalid; 2],
            "{pattern}"
        );
    }
}

#[test]
fn a_pattern_matches_the_same_paths_to_both() {
    for (patterns, path, expected) in [
        (&["/a/{id}/b"][..], "/a/1/b", Some("/a/{id}/b")),
        // Later versions of matchit let no parameter be empty.
        (&["/a/{id}/b"], "/a//b", Some("/a/{id}/b")),
        (&["/a/{id}/b", "/{*rest}"], "/a//b", Some("/a/{id}/b")),
        (&["/{id}/b"], "//b", Some("/{id}/b")),
        (&["/a/{id}"], "/a/", None),
        (&["/a/x{id}"], "/a/x", None),
        (&["/a/x{id}/b"], "/a/x/b", Some("/a/x{id}/b")),
        (&["/a/{*rest}"], "/a/", None),
        (&["/a/{*rest}"], "/a//", Some("/a/{*rest}")),
        (&["/a/x{*rest}"], "/a/xb/c", Some("/a/x{*rest}")),
        (&["/a:b/c*d"], "/a:b/c*d", Some("/a:b/c*d")),
        (&["/{{id}}"], "/{id}", Some("/{{id}}")),
        (&["/{{id}}"], "/7", None),
        (&["/{id}"], "/a%2Fb", Some("/{id}")),
        (&["/a/b"], "/a%2Fb", None),
        (&["/a/b"], "/%61/b", None),
        (&["/a/b"], "/a/b/", None),
        (&["/a/b"], "/a/./b", None),
        (
            &["/users/new", "/users/{id}"],
            "/users/nancy",
            Some("/users/{id}"),
        ),
        (&["/{a}/b", "/a/{b}"], "/a/b", Some("/a/{b}")),
        (&["/{a}/b", "/a/{b}"], "/c/b", Some("/{a}/b")),
        (&["/{*rest}", "/a/{b}"], "/a/b/c", Some("/{*rest}")),
    ] {
        assert_eq!(
            Pair::new(patterns).taken(path),
            [expected; 2],
            "{patterns:?} {path}"
        );
    }
}

// Any case.

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn any_pattern_means_the_same_to_both(
        patterns in btree_set(patterns(), 1..=6).prop_map(Vec::from_iter).prop_shuffle(),
        paths in vec(paths(), 1..=12),
    ) {
        let mut pair = Pair::default();
        for pattern in &patterns {
            let [to_axum, to_the_policy] = pair.add(pattern);
            prop_assert_eq!(to_axum, to_the_policy, "{} {:?}", pattern, pair.patterns);
        }
        for path in &paths {
            let [by_axum, by_the_policy] = pair.taken(path);
            prop_assert_eq!(by_axum, by_the_policy, "{} {:?}", path, pair.patterns);
        }
    }
}

/// Patterns that have much in common, so that they conflict or match the same paths, and some that
/// are invalid. Each is drawn once: axum merges the routes of a pattern that it is given twice.
fn patterns() -> impl Strategy<Value = String> {
    let literal = || {
        select(vec![
            "", "a", "b", "ab", "%2F", "..", ".txt", "a:", "a*", "{{", "}}",
        ])
    };
    let parameter = || select(vec!["{x}", "{y}", "{z}", "{x.y}", "{*x}"]);
    let segment = prop_oneof![
        6 => literal().prop_map(str::to_owned),
        6 => parameter().prop_map(str::to_owned),
        2 => (literal(), parameter()).prop_map(|(prefix, name)| [prefix, name].concat()),
        1 => (parameter(), literal()).prop_map(|(name, suffix)| [name, suffix].concat()),
        1 => (literal(), literal()).prop_map(|(one, two)| [one, two].concat()),
    ];
    let odd = select(vec![
        ":x", ":", "*x", "*", "{x}{y}", "{x}{{", "{{x}}", "{{{x}}}", "{", "}", "{}", "{*}", "{x",
        "x}", "{x*}", "{:x}", "{*x}b", "{x{y}", "{{x}",
    ]);
    let segment = prop_oneof![12 => segment, 1 => odd.prop_map(str::to_owned)];
    prop_oneof![
        30 => vec(segment.clone(), 1..=4).prop_map(|segments| format!("/{}", segments.join("/"))),
        1 => vec(segment, 0..=2).prop_map(|segments| segments.join("/")),
        1 => "[/a:*{}]{0,8}",
        1 => any::<String>().prop_map(|text| format!("/{text}")),
    ]
}

/// Paths that such patterns match.
fn paths() -> impl Strategy<Value = String> {
    let segment = select(vec![
        "", "a", "b", "ab", "aa", "c", "%2F", "..", ".txt", "a.txt", "a:", "a*", "{", "}", "{x}",
        "{a}", ":x", "*x", "{*x}",
    ]);
    prop_oneof![
        20 => vec(segment, 0..=5).prop_map(|segments| format!("/{}", segments.join("/"))),
        1 => "/[/a:*{}%]{0,8}",
    ]
}

#[test]
fn too_many_parameters_are_an_error() {
    let pattern = |count| {
        (0..count)
            .map(|at| format!("/{{p{at}}}"))
            .collect::<String>()
    };
    for (pattern, is_valid) in [
        (pattern(25), true),
        (pattern(25) + "/{{/{*rest}", true),
        (pattern(26), false),
        (pattern(26) + "/{*rest}", false),
    ] {
        let policy = Policy::new().route(&pattern, []);
        let is_invalid = matches!(policy, Err(PolicyError::InvalidPattern { .. }));
        assert_eq!(is_invalid, !is_valid, "{pattern}: {policy:?}");
    }
}
