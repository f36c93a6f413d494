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

/// The entry that `text` names, such as `route /a`.
fn entry(text: &str) -> Entry {
    let (kind, pattern) = text.trim().split_once(' ').expect(text);
    let kind = match kind {
        "route" => Route,
        "subtree" => Subtree,
        "exempt" => Exempt,
        _ => panic!("{text}"),
    };
    kind(pattern.to_owned())
}

/// Entries, the entry that matches (`-` for none), and paths.
const MATCHES: &str = "
    route /a/{id}/b                   | route /a/{id}/b        | /a/1/b /a//b
    route /a/{id}/b + route /{*rest}  | route /a/{id}/b        | /a//b
    route /{id}/b                     | route /{id}/b          | //b
    route /{a}/{b}/c                  | route /{a}/{b}/c       | ///c
    route /a/{id}/{*rest}             | route /a/{id}/{*rest}  | /a//b/c
    route /a/{id}/                    | route /a/{id}/         | /a//
    route /a/{id}                     | -                      | /a/ /a//
    route /a/{*rest}                  | -                      | /a/
    route /a/{*rest}                  | route /a/{*rest}       | /a//
    route /a/b + route /a/{id}/b      | route /a/{id}/b        | /a//b
    route /{{id}}                     | route /{{id}}          | /{id}
    route /{{id}}                     | -                      | /7
    route /a{{b}}c/}}{{               | route /a{{b}}c/}}{{    | /a{b}c/}{
    route /{id}                       | route /{id}            | /a%2Fb
    route /a%2Fb                      | -                      | /a%2fb
    route /a/b                        | -                      | /a%2Fb /%61/b /A/b /a/b/ /a/./b
    route /a/b                        | route /a/b             | /a/b?c=d
    route /a;v=1/b:c/$d               | route /a;v=1/b:c/$d    | /a;v=1/b:c/$d
    route /users/new + route /users/{id} | route /users/{id}   | /users/nancy
    route /{a}/b + route /a/{b}       | route /a/{b}           | /a/b
    route /{a}/b + route /a/{b}       | route /{a}/b           | /c/b
    route /{*rest} + route /a/{b}     | route /{*rest}         | /a/b/c
    NESTED | subtree /dav         | /dav /dav/ /dav// /dav/a /dav//a /dav/a/b/c.txt /dav/.. /dav/readme/
    NESTED | subtree /dav         | /dav/privately
    NESTED | route /dav/readme    | /dav/readme
    NESTED | subtree /dav/private | /dav/private /dav/private/ /dav/private/a /dav/private/lock/
    NESTED | exempt /dav/private/lock | /dav/private/lock
    NESTED | subtree /teams/{team} | /teams/7 /teams/7/ /teams/7/a/b /teams//a /teams//
    NESTED | -                    | /davx /Dav //dav /teams /teams/";
const NESTED: &str = "subtree /dav + subtree /teams/{team} + subtree /dav/private + route /dav/readme \
                      + exempt /dav/private/lock";

#[test]
fn a_pattern_matches_the_same_paths_as_in_axum() {
    for line in MATCHES.trim().lines() {
        let columns: Vec<_> = line
            .replace("NESTED", NESTED)
            .split('|')
            .map(str::to_owned)
            .collect();
        let entries: Vec<_> = columns[0].split('+').map(entry).collect();
        let pair = Pair::new(&entries);
        let expected = (columns[1].trim() != "-").then(|| entry(&columns[1]));
        for path in columns[2].split_whitespace() {
            assert_eq!(pair.taken(path), expected.as_ref(), "{line}: {path}");
        }
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

/// Problems and the patterns that have them, with two spaces between. `{id}` stands for the advice to
/// write that parameter.
const INVALID: &str = r##"
    does not begin with `/`  users  *  {id}  GET /users/{id}  example.com:443  http://example.com/
    does not begin with `/`  ^/users/[0-9]+$  ~ ^/users
    contains ' ': write it percent-encoded  /a b  /a b/
    contains 'é': write it percent-encoded  /café
    contains '日': write it percent-encoded  /日本
    contains 'ä': write it percent-encoded  /{ä}
    '\\' is not valid in a path  /a\b
    '|' is not valid in a path  /a|b
    '"' is not valid in a path  /"a"
    '^' is not valid in a path  /a^b
    '>' is not valid in a path  /a>b
    write a percent sign as `%25`  /a%  /a%2  /100%/b  /a%zz  /%{{1e
    a rule matches the path only, not the query  /a?x  /q?b=c  /users/{id}?x  /books{?max}
    clients do not send fragments  /a#x  /#/a
    clients remove it before they send a request  /a/../b  /./b  /a/%2e%2E  /a/.%2e/b
    has an empty segment  //a  /a//b  /a//  /a/{x}//{y}
    give each path a rule  /a,/b
    a pattern is not a regular expression  /users$
    end the pattern with `/` for the path itself  /a/{$}
    has `{*rest}` before the last segment  /{*rest}/  /{*rest}/posts
    has `{*a}` before the last segment  /{*a}/{*b}
    {id}  /:id  /:{id}  /:id?  /:id(\d+)  /users/{id:[0-9]+}  /users/{id:\d{2}}  /users/{id:int}
    {id}  /users/{id?}  /{id<\d+>}  /flask/<id>  /flask/<int:id>  /posts/[id]  /{id}.json  /{id
    {user_id}  /users/:user_id/posts
    {name}  /:  /*  /files/**  /**/b  /a/*/b  /.*  /a/.+  /(.*)  /sensors/+/temperature
    {name}  /{  /}  /{}  /{*}  /v1/{name=shelves/*}
    {rest}  /files/*rest
    {splat}  /files/*splat
    {proxy}  /admin/{proxy+}
    {path}  /files/{**path}  /files/{path:path}  /files/{+path}  /go/{path...}  /rocket/<path..>
    {tail}  /files/{tail:.*}
    {file}  /flask/<path:file>
    {controller}  /{controller=Home}
    {year}  /(?P<year>[0-9]{4})
    {slug}  /posts/[...slug]  /posts/[[...slug]]
    {from-}  /:from-:to
    {group}  /(group)/a
    {html}  /*.html
    {v}  /v*  /v{version}/users
    {a}  /a{*rest}  /a*b/c  /{a}{b}  /{a}-{b}  /{a.b}  /{{a}  /{{{a}}}
"##;

#[test]
fn a_pattern_that_is_not_surely_a_path_is_an_error_with_advice() {
    let lines = INVALID.trim().lines().map(|line| line.trim().split("  "));
    let lines = lines.map(|mut columns| (columns.next().unwrap().to_owned(), columns.collect()));
    let begin = ("does not begin with `/`".to_owned(), vec!["", " /users"]);
    let escaped = ["\t", "\n", "\0", "\u{7f}", "\u{a0}"].map(|culprit| ["/a", culprit].concat());
    let escaped = escaped.iter().map(|pattern| {
        let culprit = pattern.chars().last().unwrap();
        (
            format!("contains {culprit:?}: write it percent-encoded"),
            vec![&**pattern],
        )
    });
    let cases = lines.chain(escaped).chain([begin]);
    for (problem, patterns) in cases {
        let problem = match problem.strip_prefix('{') {
            Some(name) => format!(
                "write `{{{name}` for one whole segment, `{{*{name}` for the rest of the path"
            ),
            None => problem,
        };
        for pattern in patterns {
            for entry in [Route, Subtree, Exempt].map(|kind| kind((*pattern).to_owned())) {
                let error = entry
                    .add_to(Policy::new(), mark(0))
                    .unwrap_err()
                    .to_string();
                let name = entry.name();
                let mut segments = pattern.split('/');
                let is_expected = error == format!("{name} {problem}")
                    || segments.any(|segment| {
                        error == format!("{name} has the segment `{segment}`: {problem}")
                    });
                assert!(is_expected, "{error}\n{problem}");
            }
        }
    }
}

#[test]
fn unusual_paths_are_accepted() {
    // Doubled braces are literal, so the last three have no dot segments or wildcards.
    let patterns = "/ /a/ /a.b/c~d/_e-f /v1/items:batchGet /odata/$metadata /Products(1)/Name /a;v=1 \
                    /a,b /c++ /@user/it's! /a&b=c+d /caf%C3%A9/%2F /... /.well-known/caldav /{a}/{a} \
                    /{a-b_1}/{*r} /{{a}}/b{{c /}}/%2e%2e}} /+}}/.}}+/a$}}/b,{{";
    let long = format!("/{{{}}}", "a".repeat(1_000));
    for pattern in patterns.split(' ').chain([&*long]) {
        assert!(Policy::new().route(pattern, []).is_ok(), "{pattern}");
    }
}

#[test]
fn a_subtree_is_written_as_its_prefix() {
    let slash = "includes the path with a trailing slash already: write it without";
    let rest = "includes everything below already: write it without the last segment";
    for (prefix, expected) in [
        ("/", "is every path: use the fallback"),
        ("/dav/", slash),
        ("/{user}/", slash),
        ("/dav/{*path}", rest),
        ("/{*rest}", rest),
    ] {
        let error = Policy::new().subtree(prefix, []).unwrap_err();
        assert_eq!(error.to_string(), format!("subtree {prefix:?} {expected}"));
        assert!(Policy::new().route(prefix, []).is_ok());
        assert!(Policy::new().exempt(prefix).is_ok());
    }
}

/// The most specific pattern does not win here. The order does not matter: see
/// `entries_conflict_in_either_order`.
const CONFLICTS: &str = "
    route /a + route /a
    route /a + exempt /a
    exempt /a + exempt /a
    subtree /a + route /a
    subtree /a + route /a/
    subtree /a + exempt /a/{*rest}
    subtree /a + route /a/{id}
    subtree /a + subtree /a/{id}
    exempt /a/{id}/b + subtree /a
    subtree /{tenant} + subtree /{team}
    route /{id} + route /{id}
    route /users/{id} + route /users/{name}
    route /users/{user}/posts/{post} + route /users/{id}/posts/{number}
    route /{first}/{second}/edit + route /{a}/{b}/edit
    route /static/{*path} + route /static/{*rest}
    route /static/{*path} + route /static/{file}
    route /static/{*path} + route /static/{dir}/index.html
    route /{a} + route /{*rest}
    route /{dir}/index.html + route /{*path}
    route /{{b}} + route /{{b}}
    route /{{b}}/{id} + route /{{b}}/{name}";

#[test]
fn conflicting_entries_are_both_named_as_they_were_written() {
    let others = "/ /users/me /static/css/{*file} /{{x}}/y /v1/users";
    let others: Vec<_> = others
        .split(' ')
        .map(|path| Route(path.to_owned()))
        .collect();
    for line in CONFLICTS.trim().lines() {
        let (existing, added) = line.split_once('+').unwrap();
        let (existing, added) = (entry(existing), entry(added));
        for others in [&others[..0], &others] {
            for [before, after] in [[others, &[]], [&[], others]] {
                let entries = [before, std::slice::from_ref(&existing), after].concat();
                let policy = entries.iter().fold(Policy::new(), |policy, entry| {
                    entry.add_to(policy, mark(0)).unwrap()
                });
                let error = added.add_to(policy, mark(0)).unwrap_err();
                let (added, existing) = (added.name(), existing.name());
                let expected = format!("{added} conflicts with the earlier {existing}");
                assert_eq!(error.to_string(), expected, "{entries:?}");
            }
        }
    }
}

#[test]
fn too_many_parameters_are_an_error() {
    let pattern = |count| {
        let parameters = (0..count).map(|at| format!("/{{p{at}}}"));
        parameters.collect::<String>()
    };
    for (pattern, is_valid) in [
        (pattern(25), true),
        (pattern(25) + "/{{", true),
        (pattern(26), false),
        (pattern(100), false),
    ] {
        let [rest, route] = ["/{*rest}", ""].map(|end| Route(pattern.clone() + end));
        for entry in [rest, route, Exempt(pattern.clone()), Subtree(pattern)] {
            match entry.add_to(Policy::new(), mark(0)) {
                Ok(_) => assert!(is_valid, "{entry:?}"),
                Err(error) => {
                    let is_expected = error.to_string().ends_with(" has more than 25 parameters");
                    assert!(is_expected && !is_valid, "{error}");
                }
            }
        }
    }
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
    // The part between the two `~` is repeated.
    let parts = "~a~ ~/~ /~\u{1}~ /~\u{10ffff}~ /:~a~ /:~a.~ /{~a~ /{~a~.} /{~a~:[0-9]+} /{*~a~}/b /<int:~a~> \
                 /[~a~] /~a~? /~a~# /~a~* /~a~$ /~a~,/a /~a~% /~\\~ /~{{}~ ~/{a}~ ~/a{b}~";
    for bytes in [8_000, 1_000_000] {
        for part in parts.split(' ') {
            let [before, repeated, after] = part.split('~').collect::<Vec<_>>()[..] else {
                panic!("{part}");
            };
            let repeated = repeated.repeat(bytes / repeated.len());
            let pattern = format!("{before}{repeated}{after}");
            for entry in [Route, Subtree, Exempt].map(|kind| kind(pattern.clone())) {
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
