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
            Subtree(prefix) if prefix == "/" => ["/", "/{*rest}"].map(str::to_owned).into(),
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
    subtree /                         | subtree /              | / // /a /a/ //a /a/b/c
    subtree / + exempt /ws + subtree /a/{b} + route /a | exempt /ws | /ws
    subtree / + exempt /ws + subtree /a/{b} + route /a | route /a   | /a
    subtree / + exempt /ws + subtree /a/{b} + route /a | subtree /  | / /a/ /ws/ /b
    subtree / + exempt /ws + subtree /a/{b} + route /a | subtree /a/{b} | /a/b /a/b/c /a//b
    route /a,                         | route /a,              | /a,
    route /users$                     | route /users$          | /users$
    route /+ + route /{id}            | route /+               | /+
    route /+ + route /{id}            | route /{id}            | /a
    route /(group)/a                  | route /(group)/a       | /(group)/a
    route /(group)/a                  | -                      | /a /group/a /x/a
    route /a/.+b + route /{x}/{y}     | route /a/.+b           | /a/.+b
    route /a/.+b + route /{x}/{y}     | route /{x}/{y}         | /a/+b /a/..b
    route /things/a:batchGet          | route /things/a:batchGet | /things/a:batchGet
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
        let entries: Vec<_> = columns[0].split(" + ").map(entry).collect();
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
                    format!("{} conflicts with {existing}", entry.name())
                });
                prop_assert!(expected.into_iter().any(|expected| expected == message), "{}", message);
            }
        }
        // Each literal pattern is also a path.
        let literal = entries.iter().map(|(Route(text) | Subtree(text) | Exempt(text))| text);
        let literal =
            literal.filter(|text| text.starts_with('/') && !text.contains(['{', '}']));
        for path in paths.iter().chain(literal) {
            pair.chosen_at(path);
        }
    }
}

/// Similar entries, which often conflict or match the same paths. Some are invalid.
fn entries() -> impl Strategy<Value = Entry> {
    // `pchar` (RFC 3986 §3.3) without `*` and `%`.
    let any_literal = "[a-z0-9._~!$&'()+,;=:@-]{1,4}|[a$(+,.:]{1,2}";
    let segment = prop_oneof![
        6 => select(vec!["a", "b", "ab", "%2F", "a.txt", "a:b", "{{", "}}", "{{a}}", "a{{"]).prop_map(str::to_owned),
        6 => select(vec!["{x}", "{y}", "{x-1}", "{_}"]).prop_map(str::to_owned),
        3 => any_literal,
        1 => select(vec!["", "{*x}", "..", ":x", "{x}a", "a{x}", "}{{}", "{{{a}}}"]).prop_map(str::to_owned),
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
    let segment = prop_oneof![9 => segment.prop_map(str::to_owned), 1 => "[a-c$&'()+,;=:@.]{1,2}"];
    prop_oneof![
        20 => vec(segment, 0..=5).prop_map(|segments| format!("/{}", segments.join("/"))),
        1 => "/[/a:*{}%]{0,8}",
    ]
}

// Errors.

/// Each line has a problem and the patterns that have it, separated by two spaces.
const INVALID: &str = r##"
    does not begin with `/`  users  *  {id}  GET /users/{id}  example.com:443  http://example.com/
    does not begin with `/`  ^/users/[0-9]+$  ~ ^/users
    contains ' '  /a b  /a b/
    contains 'é'  /café
    contains 'ä'  /{ä}
    contains '\\'  /a\b  /:id(\d+)  /users/{id:\d{2}}
    contains '|'  /a|b
    contains '"'  /"a"
    contains '^'  /a^b
    contains '>'  /a>b
    contains '?'  /a?x  /q?b=c  /users/{id}?x  /books{?max}  /:id?  /users/{id?}  /(?P<year>[0-9]{4})
    contains '#'  /a#x  /#/a
    contains '['  /users/{id:[0-9]+}  /posts/[id]  /posts/[...slug]  /posts/[[...slug]]
    contains '<'  /{id<\d+>}  /flask/<id>  /flask/<int:id>  /flask/<path:file>  /rocket/<path..>
    PERCENT  /a%  /a%2  /100%/b  /a%zz  /%{{1e
    DOTS  /a/../b  /./b  /a/%2e%2E  /a/.%2e/b
    has an empty segment  //a  /a//b  /a//  /a/{x}//{y}
    SEGMENT  /{*rest}/  /{*rest}/posts  /{*a}/b{*c}
    SEGMENT  /:id  /:{id}  /:  /:from-:to  /users/:user_id/posts
    SEGMENT  /**/b  /a/*/b  /.*  /v*  /a*b/c  /a*  /(.*)
    SEGMENT  /{id}.json  /{id  /{  /}  /{}  /{a}{b}  /{a}-{b}  /{a.b}  /{{a}  /{{{a}}}  /}{{}  /a/{$}
    SEGMENT  /users/{id:int}  /v1/{name=shelves/*}  /admin/{proxy+}  /files/{path:path}  /files/{+path}
    SEGMENT  /go/{path...}  /files/{tail:.*}  /{controller=Home}  /v{version}/users  /a{*rest}
"##;

const SYNTAX: &str =
    "write literal segments, `{name}` for one whole segment, and `{*rest}` at the end";

#[test]
fn a_pattern_that_is_not_a_path_or_certainly_a_mistake_is_an_error_with_advice() {
    let lines = INVALID.trim().lines().map(|line| line.trim().split("  "));
    let lines = lines.map(|mut columns| (columns.next().unwrap().to_owned(), columns.collect()));
    let begin = ("does not begin with `/`".to_owned(), vec!["", " /users"]);
    let culprits = ["\t", "\n", "\0", "\u{7f}", "\u{a0}"].map(|culprit| format!("/{culprit}"));
    let escaped = culprits.iter().map(|pattern| {
        let shown = format!("{:?}", &pattern[1..]).replace('"', "'");
        (format!("contains {shown}"), vec![&**pattern])
    });
    let cases = lines.chain(escaped).chain([begin]);
    for (problem, patterns) in cases {
        for pattern in patterns {
            for entry in [Route, Subtree, Exempt].map(|kind| kind((*pattern).to_owned())) {
                let error = error_of(&entry);
                // The advice for a prefix does not mention `{*rest}`, which would be the next error.
                let syntax = match entry {
                    Subtree(_) => "write literal segments, and `{name}` for one whole segment",
                    _ => SYNTAX,
                };
                let name = entry.name();
                let is_expected = pattern.split('/').any(|segment| {
                    let expected = match &*problem {
                        "SEGMENT" => format!("{name} has the segment `{segment}`: {syntax}"),
                        "DOTS" => {
                            let clients = "most clients remove it before they send a request";
                            format!("{name} has the segment `{segment}`: {clients}")
                        }
                        "PERCENT" => {
                            let percent = "write a percent sign as `%25`";
                            format!("{name} has the segment `{segment}`: {percent}")
                        }
                        contains if contains.starts_with("contains ") => {
                            let culprit = &contains["contains '".len()..];
                            let is_escaped =
                                culprit.starts_with('\\') && !culprit.starts_with("\\\\");
                            let is_printed = culprit
                                .starts_with(|c: char| c.is_ascii_punctuation())
                                && !is_escaped;
                            let advice = if is_printed { "" } else { ". Percent-encode it" };
                            format!(
                                "{name} {contains}, which is not valid in a path: {syntax}{advice}"
                            )
                        }
                        problem => format!("{name} {problem}"),
                    };
                    error == expected
                });
                assert!(is_expected, "{error}\n{problem}");
            }
        }
    }
}

/// RFC 3986 §3.3: `pchar = unreserved / pct-encoded / sub-delims / ":" / "@"`.
#[test]
fn every_path_without_an_asterisk_can_be_written() {
    // Doubled braces are literal, so the last three patterns have no dot segments or wildcards.
    let patterns = "/ /a/ /a.b/c~d/_e-f /v1/items:batchGet /odata/$metadata /Products(1)/Name /a;v=1 \
                    /a,b /c++ /@user/it's! /a&b=c+d /caf%C3%A9/%2F /... /.well-known/caldav /{a}/{a} \
                    /{a-b_1}/{*r} /{{a}}/b{{c /}}/%2e%2e}} /+}}/.}}+/a$}}/b,{{ /a, /a,/b /users$ /+ /(group)/a \
                    /a/.+b /a/.+ /things/a:batchGet /sensors/+/temperature /(a)/b( /$ /a/$/b, /%2A /a%2a";
    let long = format!("/{{{}}}", "a".repeat(1_000));
    for pattern in patterns.split(' ').chain([&*long]) {
        assert!(Policy::new().route(pattern, []).is_ok(), "{pattern}");
    }
    for c in "-._~!$&'()+,;=:@".chars() {
        for path in [format!("/a{c}"), format!("/a{c}b/c"), format!("/a/{c}{c}{c}/{c}a")] {
            if path.contains("/:") {
                continue;
            }
            let policy = Policy::new().route(&path, [Method::PUT]).unwrap();
            assert_eq!(policy.rule_at(&path).and_then(|rule| rule.pattern()), Some(&*path));
        }
    }
}

#[test]
fn a_subtree_that_ends_with_a_slash_or_a_wildcard_is_an_error_whose_advice_works() {
    let slash = "already includes the path with a trailing slash: leave out the slash";
    let rest = "already includes everything below: leave out the last segment";
    for (prefix, expected, mended) in [
        ("/dav/", slash, "/dav"),
        ("/{user}/", slash, "/{user}"),
        ("/dav/{*path}", rest, "/dav"),
        ("/dav/*", rest, "/dav"),
        ("/dav/**", rest, "/dav"),
        ("/dav/*path", rest, "/dav"),
        ("/dav/{**path}", rest, "/dav"),
        ("/a/b/{*}", rest, "/a/b"),
        ("/*", rest, "/"),
        ("/{*rest}", rest, "/"),
    ] {
        let error = Policy::new().subtree(prefix, []).unwrap_err();
        assert_eq!(error.to_string(), format!("subtree {prefix:?} {expected}"));
        assert!(Policy::new().subtree(mended, []).is_ok());
    }
    for pattern in ["/dav/", "/{user}/", "/dav/{*path}", "/{*rest}"] {
        assert!(Policy::new().route(pattern, []).is_ok());
        assert!(Policy::new().exempt(pattern).is_ok());
    }
    for pattern in ["/dav/*", "/dav/**", "/files/*rest", "/files/{**path}", "/v1/{*}"] {
        for entry in [Route, Exempt].map(|kind| kind(pattern.to_owned())) {
            let last = pattern.rsplit('/').next().unwrap();
            let expected = format!("{} has the segment `{last}`: {SYNTAX}", entry.name());
            assert_eq!(error_of(&entry), expected);
        }
    }
}

/// Each pair conflicts, even if one of its patterns is more specific.
const CONFLICTS: &str = "
    route /a + route /a
    route /a + exempt /a
    subtree /a + route /a/
    subtree /a + exempt /a/{*rest}
    subtree /a + route /a/{id}
    subtree /a + subtree /a/{id}
    exempt /a/{id}/b + subtree /a
    subtree /{tenant} + subtree /{team}
    route /users/{id} + route /users/{name}
    route /static/{*path} + route /static/{file}
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
                let expected = format!("{added} conflicts with {existing}");
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
                 /[~a~] /~a~? /~a~# /~a~* /~a~% /~\\~ /~{{}~ ~/{a}~ ~/a{b}~";
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
