//! Path patterns: a rule matches the same paths as the same route in axum, and a pattern that is probably a
//! mistake is an error with advice.

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

    /// The name of the entry in errors.
    fn name(&self) -> String {
        match self {
            Route(pattern) => format!("route {pattern:?}"),
            Subtree(prefix) => format!("subtree {prefix:?}"),
            Exempt(pattern) => format!("exempt path {pattern:?}"),
        }
    }

    /// The axum routes that match the same paths.
    fn axum_routes(&self) -> Vec<String> {
        match self {
            Route(pattern) | Exempt(pattern) => vec![pattern.clone()],
            Subtree(prefix) => ["", "/", "/{*rest}"].map(|end| format!("{prefix}{end}")).into(),
        }
    }
}

/// Returns the error of adding `entry` to an empty policy.
fn error_of(entry: &Entry) -> String {
    entry.add_to(Policy::new(), method_of(0)).unwrap_err().to_string()
}

/// A router and a policy with the same entries.
struct Pair {
    router: Router,
    policy: Policy,
    entries: Vec<Entry>,
}

/// A response extension: the index of the entry that axum chose.
#[derive(Clone)]
struct Chosen(usize);

impl Pair {
    fn new(entries: &[Entry]) -> Self {
        let mut pair = Self {
            router: Router::new(),
            // If no pattern matches, the policy forwards none of the rules' methods.
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
            let handler = routing::any(move || async move { Extension(Chosen(index)) });
            let routes = entry.axum_routes();
            routes.iter().fold(router, |router, route| router.route(route, handler.clone()))
        });
        let policy = entry.add_to(self.policy.clone(), method_of(index));
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

    /// Returns the entry that axum chooses at `path`. Asserts that the policy chooses the same entry.
    fn chosen_at(&self, path: &str) -> Option<&Entry> {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).now_or_never();
        let response = response.expect("no handler waits").unwrap();
        let index = response.extensions().get().map(|&Chosen(index)| index);
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
        for (at, other) in self.entries.iter().enumerate() {
            let decision = self.policy.decide(&method_of(at), uri.path());
            let is_recognized = !matches!(other, Exempt(_));
            match entry {
                _ if !is_recognized => assert_eq!(decision, Decision::NotImplemented),
                Some(Exempt(_)) => assert_eq!(decision, Decision::Forward, "{}", context()),
                _ => {
                    let is_forwarded = decision == Decision::Forward;
                    assert_eq!(is_forwarded, index == Some(at), "{}", context());
                }
            }
        }
        entry
    }
}

/// The method that only the rule with this number lists.
fn method_of(index: usize) -> Method {
    Method::from_bytes(format!("RULE-{index}").as_bytes()).unwrap()
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Returns the value of `f` or the message of its panic. The panic is not printed.
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

// Matching.

/// Parses an entry, such as `route /a`.
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

/// The columns are the entries, the entry that matches (`-` for none), and the paths.
const MATCHES: &str = "
    route /a/{id}/b                   | route /a/{id}/b        | /a/1/b /a//b
    route /a/{id}/b + route /{*rest}  | route /a/{id}/b        | /a//b
    route /{a}/{b}/c                  | route /{a}/{b}/c       | ///c
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
        let line = line.replace("NESTED", NESTED);
        let columns: Vec<_> = line.split('|').collect();
        let entries: Vec<_> = columns[0].split('+').map(entry).collect();
        let pair = Pair::new(&entries);
        let expected = (columns[1].trim() != "-").then(|| entry(columns[1]));
        for path in columns[2].split_whitespace() {
            assert_eq!(pair.chosen_at(path), expected.as_ref(), "{line}: {path}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// If an empty policy accepts a pattern, axum accepts it. In both, it conflicts with the same
    /// patterns and matches the same paths.
    #[test]
    fn an_accepted_pattern_works_as_in_axum(
        entries in btree_set(entries(), 1..=7).prop_map(Vec::from_iter).prop_shuffle(),
        paths in vec(paths(), 1..=12),
    ) {
        let mut pair = Pair::new(&[]);
        for entry in &entries {
            if entry.add_to(Policy::new(), method_of(0)).is_err() {
                continue;
            }
            let [in_axum, in_the_policy] = pair.add(entry);
            prop_assert_eq!(in_axum.is_ok(), in_the_policy.is_ok(), "{:?} {:?}", entry, pair.entries);
            if let Err(message) = in_the_policy {
                // The error names both entries as they were written.
                let existing = pair.entries.iter().map(Entry::name);
                let expected = existing.map(|existing| {
                    format!("{} conflicts with the earlier {existing}", entry.name())
                });
                prop_assert!(expected.into_iter().any(|expected| expected == message), "{}", message);
            }
        }
        for path in &paths {
            pair.chosen_at(path);
        }
    }
}

/// Similar entries, which often conflict or match the same paths. Some are invalid.
fn entries() -> impl Strategy<Value = Entry> {
    let segment = prop_oneof![
        6 => select(vec!["a", "b", "ab", "%2F", "a.txt", "a:b", "{{", "}}", "{{a}}", "a{{"]),
        6 => select(vec!["{x}", "{y}", "{x-1}", "{_}"]),
        1 => select(vec!["", "{*x}", "..", ":x", "{x}a", "a{x}"]),
    ];
    let last = select(vec!["", "/", "/{*x}", "/{*y}", "/a", "/{x}", "/a", "/{x}"]);
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

/// Paths that [`entries`] often match.
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

/// Each line has a problem and the patterns that have it, separated by two spaces. The problem `{id}` is short
/// for the advice to write `{id}` or `{*id}`.
const INVALID: &str = r##"
    does not begin with `/`  users  *  {id}  GET /users/{id}  example.com:443  http://example.com/
    does not begin with `/`  ^/users/[0-9]+$  ~ ^/users
    contains ' ': write it percent-encoded  /a b  /a b/
    contains 'é': write it percent-encoded  /café
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
    {proxy}  /admin/{proxy+}
    {path}  /files/{**path}  /files/{path:path}  /files/{+path}  /go/{path...}  /rocket/<path..>
    {tail}  /files/{tail:.*}
    {file}  /flask/<path:file>
    {controller}  /{controller=Home}
    {year}  /(?P<year>[0-9]{4})
    {slug}  /posts/[...slug]  /posts/[[...slug]]
    {from-}  /:from-:to
    {group}  /(group)/a
    {v}  /v*  /v{version}/users
    {a}  /a{*rest}  /a*b/c  /{a}{b}  /{a}-{b}  /{a.b}  /{{a}  /{{{a}}}
"##;

#[test]
fn a_pattern_that_is_probably_a_mistake_is_an_error_with_advice() {
    let lines = INVALID.trim().lines().map(|line| line.trim().split("  "));
    let lines = lines.map(|mut columns| (columns.next().unwrap().to_owned(), columns.collect()));
    let begin = ("does not begin with `/`".to_owned(), vec!["", " /users"]);
    let culprits = ["\t", "\n", "\0", "\u{7f}", "\u{a0}"].map(|culprit| format!("/{culprit}"));
    let escaped = culprits.iter().map(|pattern| {
        let shown = format!("{:?}", &pattern[1..]).replace('"', "'");
        let problem = format!("contains {shown}: write it percent-encoded");
        (problem, vec![&**pattern])
    });
    let cases = lines.chain(escaped).chain([begin]);
    for (problem, patterns) in cases {
        let problem = match problem.strip_prefix('{') {
            Some(name) => {
                format!(
                    "write `{{{name}` for one whole segment, `{{*{name}` for the rest of the path"
                )
            }
            None => problem,
        };
        for pattern in patterns {
            for entry in [Route, Subtree, Exempt].map(|kind| kind((*pattern).to_owned())) {
                let error = error_of(&entry);
                let name = entry.name();
                let mut segments = pattern.split('/');
                let in_segment = |segment| format!("{name} has the segment `{segment}`: {problem}");
                let is_expected = error == format!("{name} {problem}")
                    || segments.any(|part| error == in_segment(part));
                assert!(is_expected, "{error}\n{problem}");
            }
        }
    }
}

#[test]
fn unusual_paths_are_accepted() {
    // Doubled braces are literal, so the last three patterns have no dot segments or wildcards.
    let patterns = "/ /a/ /a.b/c~d/_e-f /v1/items:batchGet /odata/$metadata /Products(1)/Name /a;v=1 \
                    /a,b /c++ /@user/it's! /a&b=c+d /caf%C3%A9/%2F /... /.well-known/caldav /{a}/{a} \
                    /{a-b_1}/{*r} /{{a}}/b{{c /}}/%2e%2e}} /+}}/.}}+/a$}}/b,{{";
    let long = format!("/{{{}}}", "a".repeat(1_000));
    for pattern in patterns.split(' ').chain([&*long]) {
        assert!(Policy::new().route(pattern, []).is_ok(), "{pattern}");
    }
}

#[test]
fn a_subtree_that_ends_with_a_slash_or_a_wildcard_is_an_error() {
    let slash = "already includes the path with a trailing slash: leave out the slash";
    let rest = "already includes everything below: leave out the last segment";
    for (prefix, expected) in [
        ("/", "matches every path: use the fallback"),
        ("/dav/", slash),
        ("/{user}/", slash),
        ("/dav/{*path}", rest),
    ] {
        let error = Policy::new().subtree(prefix, []).unwrap_err();
        assert_eq!(error.to_string(), format!("subtree {prefix:?} {expected}"));
        assert!(Policy::new().route(prefix, []).is_ok());
        assert!(Policy::new().exempt(prefix).is_ok());
    }
}

/// Each pair conflicts, even if one of its patterns is more specific.
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
    route /users/{id} + route /users/{name}
    route /users/{user}/posts/{post} + route /users/{id}/posts/{number}
    route /static/{*path} + route /static/{file}
    route /static/{*path} + route /static/{dir}/index.html
    route /{a} + route /{*rest}
    route /{{b}} + route /{{b}}";

#[test]
fn the_error_about_a_conflict_names_both_entries_as_they_were_written() {
    let others = "/ /users/me /static/css/{*file} /{{x}}/y /v1/users";
    let others = others.split(' ').map(|path| Route(path.to_owned()));
    let others: Vec<_> = others.collect();
    for line in CONFLICTS.trim().lines() {
        let (one, other) = line.split_once('+').unwrap();
        let (one, other) = (entry(one), entry(other));
        let none = &others[..0];
        for (existing, added, others) in
            [(&one, &other, none), (&other, &one, none), (&one, &other, &others)]
        {
            for [before, after] in [[others, &[]], [&[], others]] {
                let entries = [before, std::slice::from_ref(existing), after].concat();
                let policy = entries.iter().fold(Policy::new(), |policy, entry| {
                    entry.add_to(policy, method_of(0)).unwrap()
                });
                let error = added.add_to(policy, method_of(0)).unwrap_err();
                let (added, existing) = (added.name(), existing.name());
                let expected = format!("{added} conflicts with the earlier {existing}");
                assert_eq!(error.to_string(), expected, "{entries:?}");
            }
        }
    }
}

#[test]
fn more_than_25_parameters_are_an_error() {
    for (count, end, is_valid) in
        [(25, "", true), (25, "/{{", true), (26, "", false), (100, "", false)]
    {
        let parameters = (0..count).map(|at| format!("/{{p{at}}}"));
        let pattern = parameters.collect::<String>() + end;
        let rest = Route(format!("{pattern}/{{*rest}}"));
        for entry in
            [Route, Exempt, Subtree].map(|kind| kind(pattern.clone())).into_iter().chain([rest])
        {
            let error = entry.add_to(Policy::new(), method_of(0)).err();
            assert_eq!(error.is_none(), is_valid, "{entry:?}");
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(is_valid || text.ends_with(" has more than 25 parameters"), "{text}");
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
        assert!(error.to_string().ends_with(" has more than 8192 bytes"), "{error}");
    }
}

/// Some characters become longer when they are escaped. Most of the patterns would be errors even if they
/// were short.
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
                let error = error_of(&entry);
                assert!(error.len() < 1_000, "{} {}", error.len(), &error[..300]);
            }
        }
    }
    // An error about a conflict names two patterns.
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
