//! Methods, policies, and paths for tests.

use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tower_method_policy::{MethodSet, Policy};

/// The characters of a token (RFC 9110 §5.6.2).
pub(crate) const TCHARS: &str =
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Returns the method called `name`.
pub(crate) fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a method is a token")
}

/// Returns the set of the methods in `list`, which are separated by spaces.
pub(crate) fn set(list: &str) -> MethodSet {
    list.split_whitespace().map(method).collect()
}

/// The names of the registered methods, and the two reserved names.
pub(crate) fn registered_names() -> Vec<String> {
    let registered = MethodSet::REGISTERED.into_iter();
    let registered = registered.map(|method| method.to_string());
    registered.chain(["PRI", "*"].map(str::to_owned)).collect()
}

/// Whether the name is an error in text and in data, although code may use it.
pub(crate) fn is_mistake(method: &Method) -> bool {
    let name = method.as_str();
    let upper = name.to_ascii_uppercase();
    let is_registered = registered_names().contains(&upper);
    let sets = "WEBDAV CALDAV CARDDAV STANDARD REGISTERED RFC9110";
    "* ANY ALL NONE PRI".split(' ').chain(sets.split(' ')).any(|mistake| mistake == upper)
        || (is_registered && upper != name)
        || name.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c))
}

/// Any method: registered, almost registered, short, and long.
///
/// `http` stores names of up to 15 bytes differently from longer names, so lengths around 15 are
/// frequent. Two generated lists often have methods in common.
pub(crate) fn any_method() -> impl Strategy<Value = Method> {
    let registered = || select(registered_names());
    prop_oneof![
        4 => registered(),
        1 => registered().prop_map(|name| name.to_lowercase()),
        1 => registered().prop_map(|name| format!("{name}X")),
        2 => "[AB]{1,2}",
        2 => "(A{13}|B{14})[AB]{0,3}",
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
        1 => "C{300,301}",
    ]
    .prop_map(|name| method(&name))
}

/// Methods for policies and requests: common ones, registered ones, other ones, and look-alikes.
pub(crate) const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PROPFIND",
    "SEARCH", "PURGE", "M-SEARCH", "get", "Post", "GETX", LONG,
];
const LONG: &str = "A-NAME-OF-MORE-THAN-FIFTEEN-BYTES";

/// Patterns for routes and exempt paths. No two of them conflict, and none conflicts with one of
/// [`SUBTREES`].
pub(crate) const PATTERNS: &[&str] = &[
    "/",
    "/{*rest}",
    "/users",
    "/users/{id}",
    "/users/me",
    "/users/{user}/posts",
    "/static/{*path}",
    "/literal/{{id}}",
    "/dav/readme",
];

/// Prefixes of subtrees that do not conflict.
pub(crate) const SUBTREES: &[&str] = &["/dav", "/dav/private", "/teams/{team}/files"];

/// Each method in `words` with each target in `words`. A target begins with `/` or `*`, or contains a colon.
pub(crate) fn methods_at_targets(words: &str) -> Vec<(&str, &str)> {
    let is_target = |word: &&str| word.starts_with(['/', '*']) || word.contains(':');
    let (targets, methods): (Vec<_>, Vec<_>) = words.split_whitespace().partition(is_target);
    let at_each_target = |method| targets.iter().map(move |target| (method, *target));
    methods.into_iter().flat_map(at_each_target).collect()
}

/// One call that configures a policy.
#[derive(Clone, Debug)]
pub(crate) enum Setting {
    Recognize(MethodSet),
    RecognizeOnly(MethodSet),
    Fallback(MethodSet),
    Route(&'static str, MethodSet),
    Subtree(&'static str, MethodSet),
    Exempt(&'static str),
}

/// Builds a policy with the calls in `settings`, in their order.
pub(crate) fn policy_of(settings: &[Setting]) -> Policy {
    let apply = |policy: Policy, setting: &Setting| match setting {
        Setting::Recognize(methods) => Ok(policy.recognize(methods)),
        Setting::RecognizeOnly(methods) => Ok(policy.recognize_only(methods)),
        Setting::Fallback(methods) => Ok(policy.fallback(methods)),
        Setting::Route(pattern, methods) => policy.route(pattern, methods),
        Setting::Subtree(prefix, methods) => policy.subtree(prefix, methods),
        Setting::Exempt(pattern) => policy.exempt(pattern),
    };
    let policy = settings.iter().try_fold(Policy::new(), apply);
    policy.expect("no conflict")
}

/// Builds a policy with the calls in `calls`, such as `recognize_only; fallback GET PUT; exempt /ws`.
pub(crate) fn policy(calls: &str) -> Policy {
    let calls = calls.split(';').map(str::trim);
    let calls = calls.filter(|call| !call.is_empty());
    calls.fold(Policy::new(), |policy, call| {
        let (name, list) = call.split_once(' ').unwrap_or((call, ""));
        let (path, rule) = list.split_once(' ').unwrap_or((list, ""));
        let result = match name {
            "recognize" => Ok(policy.recognize(set(list))),
            "recognize_only" => Ok(policy.recognize_only(set(list))),
            "fallback" => Ok(policy.fallback(set(list))),
            "route" => policy.route(path, set(rule)),
            "subtree" => policy.subtree(path, set(rule)),
            "exempt" => policy.exempt(path),
            _ => panic!("{call}"),
        };
        result.expect("a valid pattern")
    })
}

/// Calls in any order and number, each pattern at most once, with sets drawn from `methods`.
pub(crate) fn settings_with<S>(methods: fn() -> S) -> impl Strategy<Value = Vec<Setting>>
where
    S: Strategy<Value = MethodSet> + 'static,
{
    let call = prop_oneof![
        methods().prop_map(Setting::Recognize),
        methods().prop_map(Setting::RecognizeOnly),
        methods().prop_map(Setting::Fallback),
    ];
    let patterns =
        prop_oneof![subsequence(PATTERNS, 0..=2), subsequence(PATTERNS, 0..=PATTERNS.len())];
    let patterns = patterns.prop_flat_map(move |patterns| {
        let setting = |pattern| {
            prop_oneof![
                4 => methods().prop_map(move |methods| Setting::Route(pattern, methods)),
                1 => Just(Setting::Exempt(pattern)),
            ]
        };
        patterns.into_iter().map(setting).collect::<Vec<_>>()
    });
    let subtrees = subsequence(SUBTREES, 0..=SUBTREES.len()).prop_flat_map(move |prefixes| {
        let setting = |prefix| methods().prop_map(move |methods| Setting::Subtree(prefix, methods));
        prefixes.into_iter().map(setting).collect::<Vec<_>>()
    });
    (vec(call, 0..=4), patterns, subtrees)
        .prop_map(|(calls, patterns, subtrees)| [calls, patterns, subtrees].concat())
        .prop_shuffle()
}

/// A few of [`METHODS`].
pub(crate) fn configured_methods() -> impl Strategy<Value = MethodSet> {
    subsequence(METHODS, 0..=5).prop_map(|names| names.into_iter().map(method).collect())
}
