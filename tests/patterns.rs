//! The language of path patterns: a rule matches the same paths as axum's route, and everything that is
//! not surely a path is an error with advice.

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
use tower_method_policy::{Decision, Policy, PolicyError, RuleKind};

/// One call that adds a pattern to a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Route(String),
    Subtree(String),
    Exempt(String),
}
use Entry::{Exempt, Route, Subtree};

impl Entry {
    fn add_to(&self, policy: Policy, rule: Method) -> Result<Policy, PolicyError> {
        match self {
            Route(pattern) => policy.route(pattern, rule),
            Subtree(prefix) => policy.subtree(prefix, rule),
            Exempt(pattern) => policy.exempt(pattern),
        }
    }

    /// The entry as errors name it.
    fn name(&self) -> String {
        match self {
            Route(pattern) => format!("route {pattern:?}"),
            Subtree(prefix) => format!("subtree {prefix:?}"),
            Exempt(pattern) => format!("exempt path {pattern:?}"),
        }
    }

    /// The patterns that the entry stands for.
    fn axum_routes(&self) -> Vec<String> {
        match self {
            Route(pattern) | Exempt(pattern) => vec![pattern.clone()],
            Subtree(prefix) => ["", "/", "/{*rest}"]
                .map(|end| format!("{prefix}{end}"))
                .into(),
        }
    }
}

/// The same entries in a router and in a policy.
struct Pair {
    router: Router,
    policy: Policy,
    entries: Vec<Entry>,
}

/// Which route axum took.
#[derive(Clone)]
struct Taken(usize);

impl Pair {
    fn new(entries: &[Entry]) -> Self {
        let mut pair = Self {
            router: Router::new(),
            // Where no pattern matches, no mark is allowed.
            policy: Policy::new().fallback([]),
            entries: Vec::new(),
        };
        for entry in entries {
            assert_eq!(pair.add(entry), [Ok(()), Ok(())], "{entry:?}");
        }
        pair
    }

    /// Adds `entry` to both unless one of them panics or returns an error.
    fn add(&mut self, entry: &Entry) -> [Result<(), String>; 2] {
        let index = self.entries.len();
        let router = self.router.clone();
        let router = caught(move || {
            let routes = entry.axum_routes();
            routes.iter().fold(router, |router, route| {
                router.route(
                    route,
                    routing::any(move || async move { Extension(Taken(index)) }),
                )
            })
        });
        let policy = entry.add_to(self.policy.clone(), mark(index));
        let policy = policy.map_err(|error| error.to_string());
        match (router, policy) {
            (Ok(router), Ok(policy)) => {
                *self = Self {
                    router,
                    policy,
                    entries: [&self.entries[..], std::slice::from_ref(entry)].concat(),
                };
                [Ok(()), Ok(())]
            }
            (router, policy) => [router.map(drop), policy.map(drop)],
        }
    }

    /// The entry that axum takes at `path`. Asserts that the policy takes the same one.
    fn taken(&self, path: &str) -> Option<&Entry> {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).now_or_never();
        let response = response.expect("no handler waits").unwrap();
        let index = response.extensions().get().map(|&Taken(index)| index);
        let entry = index.map(|index| &self.entries[index]);

        let context = || format!("{path} {:?}", self.entries);
        let uri: Uri = path.parse().unwrap();
        let rule = self.policy.rule_at(uri.path());
        let rule = rule.map(|rule| (rule.kind(), rule.pattern()));
        let expected = match entry {
            Some(Route(pattern)) => Some((RuleKind::Route, Some(&**pattern))),
            Some(Subtree(prefix)) => Some((RuleKind::Subtree, Some(&**prefix))),
            Some(Exempt(_)) => None,
            None => Some((RuleKind::Fallback, None)),
        };
        assert_eq!(rule, expected, "{}", context());
        for (at, marked) in self.entries.iter().enumerate() {
            let decision = self.policy.decide(&mark(at), uri.path());
            let is_recognized = !matches!(marked, Exempt(_));
            match entry {
                _ if !is_recognized => assert_eq!(decision, Decision::NotImplemented),
                Some(Exempt(_)) => assert_eq!(decision, Decision::Forward, "{}", context()),
                _ => assert_eq!(
                    decision == Decision::Forward,
                    index == Some(at),
                    "{}",
                    context()
                ),
            }
        }
        entry
    }
}

/// The method that only the rule with this number lists.
fn mark(index: usize) -> Method {
    Method::from_bytes(format!("RULE-{index}").as_bytes()).unwrap()
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Returns the value of `f`, or the message of its panic, which is not printed.
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

// What patterns match.

#[test]
fn a_pattern_matches_the_same_paths_as_in_axum() {
    for (patterns, path, expected) in [
        (&["/a/{id}/b"][..], "/a/1/b", Some("/a/{id}/b")),
        // An empty segment, which matchit 0.9 by itself does not match.
        (&["/a/{id}/b"], "/a//b", Some("/a/{id}/b")),
        (&["/a/{id}/b", "/{*rest}"], "/a//b", Some("/a/{id}/b")),
        (&["/{id}/b"], "//b", Some("/{id}/b")),
        (&["/{a}/{b}/c"], "///c", Some("/{a}/{b}/c")),
        (&["/a/{id}/{*rest}"], "/a//b/c", Some("/a/{id}/{*rest}")),
        (&["/a/{id}/"], "/a//", Some("/a/{id}/")),
        (&["/a/{id}"], "/a/", None),
        (&["/a/{id}"], "/a//", None),
        (&["/a/{*rest}"], "/a/", None),
        (&["/a/{*rest}"], "/a//", Some("/a/{*rest}")),
        (&["/a/b", "/a/{id}/b"], "/a//b", Some("/a/{id}/b")),
        (&["/{{id}}"], "/{id}", Some("/{{id}}")),
        (&["/{{id}}"], "/7", None),
        (&["/a{{b}}c/}}{{"], "/a{b}c/}{", Some("/a{{b}}c/}}{{")),
        (&["/{id}"], "/a%2Fb", Some("/{id}")),
        (&["/a%2Fb"], "/a%2fb", None),
        (&["/a/b"], "/a%2Fb", None),
        (&["/a/b"], "/%61/b", None),
        (&["/a/b"], "/A/b", None),
        (&["/a/b"], "/a/b/", None),
        (&["/a/b"], "/a/./b", None),
        (&["/a/b"], "/a/b?c=d", Some("/a/b")),
        (&["/a;v=1/b:c/$d"], "/a;v=1/b:c/$d", Some("/a;v=1/b:c/$d")),
        (
            &["/users/new", "/users/{id}"],
            "/users/nancy",
            Some("/users/{id}"),
        ),
        (&["/{a}/b", "/a/{b}"], "/a/b", Some("/a/{b}")),
        (&["/{a}/b", "/a/{b}"], "/c/b", Some("/{a}/b")),
        (&["/{*rest}", "/a/{b}"], "/a/b/c", Some("/{*rest}")),
    ] {
        let entries = patterns.iter().map(|pattern| Route((*pattern).to_owned()));
        let pair = Pair::new(&entries.collect::<Vec<_>>());
        let expected = expected.map(|pattern| Route(pattern.to_owned()));
        assert_eq!(pair.taken(path), expected.as_ref(), "{patterns:?} {path}");
    }
}

#[test]
fn a_subtree_is_its_prefix_with_and_without_a_slash_and_everything_below() {
    let [dav, team] = ["/dav", "/teams/{team}"].map(|prefix| Subtree(prefix.to_owned()));
    let inner = Subtree("/dav/private".to_owned());
    let readme = Route("/dav/readme".to_owned());
    let lock = Exempt("/dav/private/lock".to_owned());
    let pair = Pair::new(&[dav, team, inner, readme, lock]);
    let [dav, team, inner, readme, lock] = &pair.entries[..] else {
        panic!("{:?}", pair.entries);
    };
    for (path, expected) in [
        ("/dav", Some(dav)),
        ("/dav/", Some(dav)),
        ("/dav//", Some(dav)),
        ("/dav/a", Some(dav)),
        ("/dav//a", Some(dav)),
        ("/dav/a/b/c.txt", Some(dav)),
        ("/dav/..", Some(dav)),
        ("/dav/readme", Some(readme)),
        ("/dav/readme/", Some(dav)),
        ("/dav/private", Some(inner)),
        ("/dav/private/", Some(inner)),
        ("/dav/private/a", Some(inner)),
        ("/dav/privately", Some(dav)),
        ("/dav/private/lock", Some(lock)),
        ("/dav/private/lock/", Some(inner)),
        ("/davx", None),
        ("/Dav", None),
        ("//dav", None),
        ("/teams", None),
        ("/teams/", None),
        ("/teams/7", Some(team)),
        ("/teams/7/", Some(team)),
        ("/teams/7/a/b", Some(team)),
        ("/teams//a", Some(team)),
        ("/teams//", Some(team)),
    ] {
        assert_eq!(pair.taken(path), expected, "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Every pattern that the policy accepts alone is accepted by axum, conflicts with the same
    /// patterns, and matches the same paths.
    #[test]
    fn an_accepted_pattern_means_the_same_as_in_axum(
        entries in btree_set(entries(), 1..=7).prop_map(Vec::from_iter).prop_shuffle(),
        paths in vec(paths(), 1..=12),
    ) {
        let mut pair = Pair::new(&[]);
        for entry in &entries {
            if entry.add_to(Policy::new(), mark(0)).is_err() {
                continue;
            }
            let [to_axum, to_the_policy] = pair.add(entry);
            prop_assert_eq!(to_axum.is_ok(), to_the_policy.is_ok(), "{:?} {:?}", entry, pair.entries);
            if let Err(message) = to_the_policy {
                // The error names both entries as they were written.
                let existing = pair.entries.iter().map(Entry::name);
                let expected = existing.map(|existing| {
                    format!("{} conflicts with the earlier {existing}", entry.name())
                });
                prop_assert!(expected.into_iter().any(|expected| expected == message), "{}", message);
            }
        }
        for path in &paths {
            pair.taken(path);
        }
    }

    /// Two entries conflict in either order, and the error names the one that was added first.
    #[test]
    fn entries_conflict_in_either_order(a in entries(), b in entries()) {
        let add = |entry: &Entry, policy: Policy| entry.add_to(policy, mark(0));
        let (Ok(one), Ok(other)) = (add(&a, Policy::new()), add(&b, Policy::new())) else {
            return Ok(());
        };
        match (add(&b, one), add(&a, other)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
            (Err(one), Err(other)) => {
                let conflict = |a: &Entry, b: &Entry| {
                    format!("{} conflicts with the earlier {}", a.name(), b.name())
                };
                prop_assert_eq!(one.to_string(), conflict(&b, &a));
                prop_assert_eq!(other.to_string(), conflict(&a, &b));
            }
            (one, other) => prop_assert!(false, "{:?} {:?}", one.err(), other.err()),
        }
    }

    /// Any text is a pattern or an error. A pattern consists of the three kinds of segments.
    #[test]
    fn only_paths_are_accepted(
        text in prop_oneof!["/?[-a-z{}*/:.%+?#$,() é\u{1}2E\\\\<>\\[\\]]{0,12}", any::<String>()],
    ) {
        let entries = [Route(text.clone()), Subtree(text.clone()), Exempt(text.clone())];
        for entry in entries {
            match entry.add_to(Policy::new(), mark(0)) {
                Ok(_) => assert_is_a_pattern(&text),
                Err(error) => {
                    let error = error.to_string();
                    prop_assert!(error.len() < 1_000, "{}", error);
                    prop_assert!(text.len() > 128 || error.starts_with(&entry.name()), "{}", error);
                }
            }
        }
    }
}

fn assert_is_a_pattern(text: &str) {
    let is_identifier = |name: &str| {
        let is_valid = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        !name.is_empty() && name.chars().all(is_valid)
    };
    let segments = text.strip_prefix('/').expect(text).split('/');
    let count = segments.clone().count();
    for (at, segment) in segments.enumerate() {
        let inside = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let rest = inside.and_then(|inside| inside.strip_prefix('*'));
        let is_parameter = inside.is_some_and(is_identifier);
        let is_rest = rest.is_some_and(is_identifier) && at + 1 == count;
        let literal = segment.replace("{{", "%7B").replace("}}", "%7D");
        let is_literal = literal
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@%".contains(c));
        let is_empty = segment.is_empty() && at + 1 < count;
        assert!(
            !is_empty && (is_parameter || is_rest || is_literal),
            "{text:?}"
        );
        assert!(![".", ".."].contains(&segment), "{text:?}");
    }
}

/// Entries that have much in common, so that they conflict or match the same paths. Some are invalid.
fn entries() -> impl Strategy<Value = Entry> {
    let segment = prop_oneof![
        6 => select(vec!["a", "b", "ab", "%2F", "a.txt", "a:b", "{{", "}}", "{{a}}", "a{{"]),
        6 => select(vec!["{x}", "{y}", "{x-1}", "{_}"]),
        1 => select(vec!["", "{*x}", "..", ":x", "{x}a", "a{x}"]),
    ];
    let last = prop_oneof![
        2 => Just(""),
        2 => Just("/"),
        2 => Just("/{*x}"),
        2 => Just("/{*y}"),
        4 => Just("/a"),
        4 => Just("/{x}"),
    ];
    let pattern = (vec(segment, 0..=3), last).prop_map(|(segments, last)| {
        let segments = segments.iter().map(|segment| format!("/{segment}"));
        segments.collect::<String>() + last
    });
    (pattern, 0..6).prop_map(|(pattern, kind)| match kind {
        0 => Exempt(pattern),
        1 | 2 => Subtree(pattern),
        _ => Route(pattern),
    })
}

/// Paths that such patterns match.
fn paths() -> impl Strategy<Value = String> {
    let segment = select(vec![
        "", "", "a", "b", "ab", "c", "%2F", "..", "a.txt", "a:b", "{", "}", "{x}", "{a}", "a{",
        ":x", "{*x}",
    ]);
    prop_oneof![
        20 => vec(segment, 0..=5).prop_map(|segments| format!("/{}", segments.join("/"))),
        1 => "/[/a:*{}%]{0,8}",
    ]
}

// Errors.

/// Each pattern with the part of its error after its name.
const INVALID: &[(&str, &str)] = &[
    ("", "does not begin with `/`"),
    ("users", "does not begin with `/`"),
    ("*", "does not begin with `/`"),
    ("{id}", "does not begin with `/`"),
    (" /users", "does not begin with `/`"),
    ("GET /users/{id}", "does not begin with `/`"),
    ("example.com:443", "does not begin with `/`"),
    ("http://example.com/", "does not begin with `/`"),
    ("^/users/[0-9]+$", "does not begin with `/`"),
    ("~ ^/users", "does not begin with `/`"),
    // Characters that are not in a path.
    ("/a b", "contains ' ': write it percent-encoded"),
    ("/a/ ", "contains ' ': write it percent-encoded"),
    ("/a\tb", r"contains '\t': write it percent-encoded"),
    ("/a\n", r"contains '\n': write it percent-encoded"),
    ("/\0", r"contains '\0': write it percent-encoded"),
    ("/\u{7f}", r"contains '\u{7f}': write it percent-encoded"),
    ("/café", "contains 'é': write it percent-encoded"),
    ("/日本", "contains '日': write it percent-encoded"),
    ("/\u{a0}", r"contains '\u{a0}': write it percent-encoded"),
    (
        "/a\\b",
        r"has the segment `a\b`: '\\' is not valid in a path",
    ),
    ("/a|b", "has the segment `a|b`: '|' is not valid in a path"),
    (
        "/\"a\"",
        "has the segment `\"a\"`: '\"' is not valid in a path",
    ),
    ("/a^b", "has the segment `a^b`: '^' is not valid in a path"),
    ("/a>b", "has the segment `a>b`: '>' is not valid in a path"),
    ("/a%", "has the segment `a%`: write a percent sign as `%25`"),
    (
        "/a%2",
        "has the segment `a%2`: write a percent sign as `%25`",
    ),
    (
        "/100%/b",
        "has the segment `100%`: write a percent sign as `%25`",
    ),
    (
        "/a%zz",
        "has the segment `a%zz`: write a percent sign as `%25`",
    ),
    (
        "/a%e}}2",
        "has the segment `a%e}}2`: write a percent sign as `%25`",
    ),
    // Parts of a URL that are not its path.
    (
        "/a?x",
        "has the segment `a?x`: a rule matches the path only, not the query",
    ),
    (
        "/q?b=c",
        "has the segment `q?b=c`: a rule matches the path only, not the query",
    ),
    (
        "/users/{id}?x",
        "has the segment `{id}?x`: a rule matches the path only, not the query",
    ),
    (
        "/books{?max}",
        "has the segment `books{?max}`: a rule matches the path only, not the query",
    ),
    (
        "/a#x",
        "has the segment `a#x`: clients do not send fragments",
    ),
    ("/#/a", "has the segment `#`: clients do not send fragments"),
    // Segments that clients remove.
    (
        "/a/../b",
        "has the segment `..`: clients remove it before they send a request",
    ),
    (
        "/./b",
        "has the segment `.`: clients remove it before they send a request",
    ),
    (
        "/a/%2e%2E",
        "has the segment `%2e%2E`: clients remove it before they send a request",
    ),
    (
        "/a/.%2e/b",
        "has the segment `.%2e`: clients remove it before they send a request",
    ),
    ("//a", "has an empty segment"),
    ("/a//b", "has an empty segment"),
    ("/a//", "has an empty segment"),
    ("/a/{x}//{y}", "has an empty segment"),
    // Lists and regular expressions.
    ("/a,/b", "has the segment `a,`: give each path a rule"),
    (
        "/users$",
        "has the segment `users$`: a pattern is not a regular expression",
    ),
    // axum 0.7 and Express.
    (
        "/:id",
        "has the segment `:id`: write `{id}` for one whole segment, `{*id}` for the rest of the path",
    ),
    (
        "/users/:user_id/posts",
        "`:user_id`: write `{user_id}` for one whole segment",
    ),
    (
        "/:",
        "`:`: write `{name}` for one whole segment, `{*name}` for the rest of the path",
    ),
    ("/:{id}", "`:{id}`: write `{id}`"),
    ("/:id?", "`:id?`: write `{id}`"),
    (r"/:id(\d+)", r"`:id(\d+)`: write `{id}`"),
    ("/:from-:to", "`:from-:to`: write"),
    (
        "/*",
        "`*`: write `{name}` for one whole segment, `{*name}` for the rest of the path",
    ),
    (
        "/files/*rest",
        "`*rest`: write `{rest}` for one whole segment, `{*rest}` for the rest",
    ),
    (
        "/files/*splat",
        "`*splat`: write `{splat}` for one whole segment, `{*splat}` for the rest",
    ),
    // Spring, ASP.NET, Symfony, API gateways.
    (
        "/files/**",
        "`**`: write `{name}` for one whole segment, `{*name}` for the rest of the path",
    ),
    ("/**/b", "`**`: write `{name}`"),
    ("/a/*/b", "`*`: write `{name}` for one whole segment"),
    (
        "/admin/{proxy+}",
        "`{proxy+}`: write `{proxy}` for one whole segment, `{*proxy}` for the rest",
    ),
    (
        "/users/{id:[0-9]+}",
        "`{id:[0-9]+}`: write `{id}` for one whole segment",
    ),
    (
        r"/users/{id:\d{2}}",
        r"`{id:\d{2}}`: write `{id}` for one whole segment",
    ),
    (
        "/users/{id:int}",
        "`{id:int}`: write `{id}` for one whole segment",
    ),
    (
        "/users/{id?}",
        "`{id?}`: write `{id}` for one whole segment",
    ),
    (
        "/files/{**path}",
        "`{**path}`: write `{path}` for one whole segment, `{*path}` for the rest",
    ),
    (
        "/files/{tail:.*}",
        "`{tail:.*}`: write `{tail}` for one whole segment, `{*tail}` for the rest",
    ),
    (
        "/files/{path:path}",
        "`{path:path}`: write `{path}` for one whole segment, `{*path}`",
    ),
    (r"/{id<\d+>}", r"`{id<\d+>}`: write `{id}`"),
    (
        "/{controller=Home}",
        "`{controller=Home}`: write `{controller}`",
    ),
    ("/v1/{name=shelves/*}", "`{name=shelves`: write `{name}`"),
    (
        "/files/{+path}",
        "`{+path}`: write `{path}` for one whole segment, `{*path}` for the rest",
    ),
    // Go.
    (
        "/go/{path...}",
        "`{path...}`: write `{path}` for one whole segment, `{*path}` for the rest",
    ),
    (
        "/a/{$}",
        "`{$}`: end the pattern with `/` for the path itself",
    ),
    // Flask, Rocket, Django.
    ("/flask/<id>", "`<id>`: write `{id}` for one whole segment"),
    (
        "/flask/<int:id>",
        "`<int:id>`: write `{id}` for one whole segment",
    ),
    (
        "/flask/<path:file>",
        "`<path:file>`: write `{file}` for one whole segment, `{*file}`",
    ),
    (
        "/rocket/<path..>",
        "`<path..>`: write `{path}` for one whole segment, `{*path}` for the rest",
    ),
    (
        r"/(?P<year>[0-9]{4})",
        r"`(?P<year>[0-9]{4})`: write `{year}`",
    ),
    // Next.js, SvelteKit.
    ("/posts/[id]", "`[id]`: write `{id}` for one whole segment"),
    (
        "/posts/[...slug]",
        "`[...slug]`: write `{slug}` for one whole segment, `{*slug}` for the rest",
    ),
    ("/posts/[[...slug]]", "`[[...slug]]`: write `{slug}`"),
    ("/(group)/a", "`(group)`: write"),
    // Wildcards and regular expressions.
    ("/.*", "`.*`: write `{name}`"),
    ("/a/.+", "`.+`: write `{name}`"),
    (
        "/(.*)",
        "`(.*)`: write `{name}` for one whole segment, `{*name}` for the rest of the path",
    ),
    ("/sensors/+/temperature", "`+`: write `{name}`"),
    ("/v*", "`v*`: write"),
    ("/*.html", "`*.html`: write"),
    ("/a*b/c", "`a*b`: write"),
    // A part of a segment.
    (
        "/{id}.json",
        "`{id}.json`: write `{id}` for one whole segment",
    ),
    ("/v{version}/users", "`v{version}`: write"),
    ("/a{*rest}", "`a{*rest}`: write"),
    ("/{a}{b}", "`{a}{b}`: write"),
    ("/{a}-{b}", "`{a}-{b}`: write"),
    // Braces.
    ("/{", "`{`: write `{name}`"),
    ("/}", "`}`: write `{name}`"),
    ("/{}", "`{}`: write `{name}`"),
    ("/{*}", "`{*}`: write `{name}`"),
    ("/{id", "`{id`: write `{id}`"),
    ("/{a.b}", "`{a.b}`: write `{a}`"),
    ("/{ä}", "contains 'ä'"),
    ("/{{a}", "`{{a}`: write"),
    ("/{{{a}}}", "`{{{a}}}`: write"),
    ("/{*rest}/", "has `{*rest}` before the last segment"),
    ("/{*rest}/posts", "has `{*rest}` before the last segment"),
    ("/{*a}/{*b}", "has `{*a}` before the last segment"),
];

#[test]
fn a_pattern_that_is_not_surely_a_path_is_an_error_with_advice() {
    for &(pattern, expected) in INVALID {
        let [route, subtree, exempt] =
            [Route, Subtree, Exempt].map(|entry| entry(pattern.to_owned()));
        for entry in [route, subtree, exempt] {
            let error = entry
                .add_to(Policy::new(), mark(0))
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(&format!("{} ", entry.name())), "{error}");
            assert!(error.contains(expected), "{error}\n{expected}");
        }
    }
}

#[test]
fn unusual_paths_are_accepted() {
    for pattern in [
        "/",
        "/a/",
        "/a.b/c~d/_e-f",
        "/v1/items:batchGet",
        "/odata/$metadata",
        "/Products(1)/Name",
        "/a;v=1",
        "/a,b",
        "/c++",
        "/@user/it's!",
        "/a&b=c+d",
        "/caf%C3%A9/%2F",
        "/...",
        "/.well-known/caldav",
        "/{a}/{a}",
        "/{{a}}/b{{c",
        "/{a-b_1}/{*r}",
        // Doubled braces are literal, so these are no dot segments or wildcards.
        "/}}/%2e%2e}}",
        "/+}}/.}}+/a$}}/b,{{",
    ] {
        assert!(Policy::new().route(pattern, []).is_ok(), "{pattern}");
    }
    // A name of any length.
    let long = format!("/{{{}}}", "a".repeat(1_000));
    assert!(Policy::new().route(&long, []).is_ok());
}

#[test]
fn a_subtree_is_written_as_its_prefix() {
    for (prefix, expected) in [
        ("/", "is every path: use the fallback"),
        (
            "/dav/",
            "includes the path with a trailing slash already: write it without",
        ),
        (
            "/{user}/",
            "includes the path with a trailing slash already: write it without",
        ),
        (
            "/dav/{*path}",
            "includes everything below already: write it without the last segment",
        ),
        (
            "/{*rest}",
            "includes everything below already: write it without the last segment",
        ),
    ] {
        let error = Policy::new().subtree(prefix, []).unwrap_err();
        assert_eq!(error.to_string(), format!("subtree {prefix:?} {expected}"));
        assert!(Policy::new().route(prefix, []).is_ok());
        assert!(Policy::new().exempt(prefix).is_ok());
    }
}

#[test]
fn conflicting_entries_are_both_named_as_they_were_written() {
    let route = |pattern: &str| Route(pattern.to_owned());
    let subtree = |prefix: &str| Subtree(prefix.to_owned());
    let exempt = |pattern: &str| Exempt(pattern.to_owned());
    let others = [
        "/",
        "/users/me",
        "/static/css/{*file}",
        "/{{x}}/y",
        "/v1/users",
    ]
    .map(route);
    for (existing, entry) in [
        (route("/a"), route("/a")),
        (route("/a"), exempt("/a")),
        (exempt("/a"), exempt("/a")),
        (subtree("/a"), route("/a")),
        (subtree("/a"), route("/a/")),
        (subtree("/a"), exempt("/a/{*rest}")),
        (subtree("/a"), route("/a/{id}")),
        (subtree("/a"), subtree("/a/{id}")),
        (route("/a/"), subtree("/a")),
        (exempt("/a/{id}/b"), subtree("/a")),
        (subtree("/{tenant}"), subtree("/{team}")),
        (route("/{id}"), route("/{id}")),
        (route("/{id}"), route("/{name}")),
        (route("/users/{id}"), route("/users/{name}")),
        (
            route("/users/{user}/posts/{post}"),
            route("/users/{id}/posts/{number}"),
        ),
        (route("/{first}/{second}/edit"), route("/{a}/{b}/edit")),
        (route("/static/{*path}"), route("/static/{*rest}")),
        (route("/static/{*path}"), route("/static/{file}")),
        (route("/static/{file}"), route("/static/{*path}")),
        (route("/static/{*path}"), route("/static/{dir}/index.html")),
        // The most specific pattern does not win here.
        (route("/{a}"), route("/{*rest}")),
        (route("/{dir}/index.html"), route("/{*path}")),
        (route("/{{b}}"), route("/{{b}}")),
        (route("/{{b}}/{id}"), route("/{{b}}/{name}")),
    ] {
        for others in [&others[..0], &others] {
            for [before, after] in [[others, &[]], [&[], others]] {
                let entries = [before, std::slice::from_ref(&existing), after].concat();
                let policy = entries.iter().fold(Policy::new(), |policy, entry| {
                    entry.add_to(policy, mark(0)).unwrap()
                });
                let error = entry.add_to(policy, mark(0)).unwrap_err();
                let (entry, existing) = (entry.name(), existing.name());
                let expected = format!("{entry} conflicts with the earlier {existing}");
                assert_eq!(error.to_string(), expected, "{entries:?}");
            }
        }
    }
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
        (pattern(100), false),
    ] {
        for entry in [Route(pattern.clone()), Exempt(pattern)] {
            match entry.add_to(Policy::new(), mark(0)) {
                Ok(_) => assert!(is_valid, "{entry:?}"),
                Err(error) => {
                    assert!(!is_valid, "{error}");
                    assert!(
                        error.to_string().ends_with(" has more than 25 parameters"),
                        "{error}"
                    );
                }
            }
        }
    }
    let subtree = |count| Policy::new().subtree(&pattern(count), []);
    assert!(subtree(25).is_ok());
    assert!(subtree(26).is_err());
}

#[test]
fn a_pattern_has_at_most_8192_bytes() {
    for part in ["a", "{{", "%20", "a/"] {
        let pattern = |bytes: usize| {
            let parts = part.repeat((bytes - 1) / part.len());
            format!("/{parts:a<width$}", width = bytes - 1)
        };
        assert!(Policy::new().route(&pattern(8192), []).is_ok(), "{part}");
        let error = Policy::new().route(&pattern(8193), []).unwrap_err();
        assert!(
            error.to_string().ends_with(" has more than 8192 bytes"),
            "{error}"
        );
    }
}

/// Also for characters that are long when they are escaped, and with a problem in a short pattern too.
#[test]
fn errors_for_huge_patterns_are_short() {
    for bytes in [8_000, 1_000_000] {
        let huge = |part: &str| part.repeat(bytes / part.len());
        let patterns = [
            huge("a"),
            huge("/"),
            format!("/{}", huge("\u{1}")),
            format!("/{}", huge("\u{10ffff}")),
            format!("/:{}", huge("a")),
            format!("/:{}", huge("a.")),
            format!("/{{{}", huge("a")),
            format!("/{{{}.}}", huge("a")),
            format!("/{{{}:[0-9]+}}", huge("a")),
            format!("/{{*{}}}/b", huge("a")),
            format!("/<int:{}>", huge("a")),
            format!("/[{}]", huge("a")),
            format!("/{}?", huge("a")),
            format!("/{}#", huge("a")),
            format!("/{}*", huge("a")),
            format!("/{}$", huge("a")),
            format!("/{},/a", huge("a")),
            format!("/{}%", huge("a")),
            format!("/{}", huge("\\")),
            format!("/{}", huge("{{}")),
            huge("/{a}"),
            huge("/a{b}"),
        ];
        for pattern in patterns {
            for entry in [
                Route(pattern.clone()),
                Subtree(pattern.clone()),
                Exempt(pattern.clone()),
            ] {
                let error = entry
                    .add_to(Policy::new(), mark(0))
                    .unwrap_err()
                    .to_string();
                assert!(error.len() < 1_000, "{} {}", error.len(), &error[..300]);
            }
        }
    }
    // Conflicts name two patterns.
    let huge = |part: &str| part.repeat(8_000);
    for [one, other] in [
        [format!("/{}", huge("a")), format!("/{}", huge("a"))],
        [format!("/{{{}}}", huge("a")), format!("/{{{}}}", huge("b"))],
    ] {
        let policy = Policy::new().route(&one, []).unwrap();
        let error = policy.route(&other, []).unwrap_err().to_string();
        assert!(error.len() < 1_000, "{}", error.len());
    }
}
