//! Names of methods, and the values of `Allow`.

use std::collections::BTreeSet;

use http::{HeaderMap, Method};

pub(crate) type Names = BTreeSet<String>;

/// RFC 9110 §9.3, RFC 5789, and RFC 10008, in the canonical order of the crate.
pub(crate) const STANDARD: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"];

/// The rest of the IANA registry. The canonical order is alphabetical from here on.
const OTHERS: &str = "\
* ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF \
MKWORKSPACE MOVE ORDERPATCH PRI PROPFIND PROPPATCH REBIND REPORT SEARCH UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE \
UPDATEREDIRECTREF VERSION-CONTROL";

/// All registered names in canonical order.
pub(crate) fn registered() -> impl Iterator<Item = &'static str> {
    STANDARD.into_iter().chain(OTHERS.split(' '))
}

pub(crate) fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a method is a token")
}

/// Writes methods in canonical order.
pub(crate) fn list(methods: &Names) -> String {
    let mut names: Vec<_> = methods.iter().map(String::as_str).collect();
    // The sort is stable, so the others stay in alphabetical order.
    names.sort_by_cached_key(|name| {
        registered().position(|other| other == *name).unwrap_or(usize::MAX)
    });
    names.join(", ")
}

/// All `Allow` fields of a response (RFC 9110 §10.2.1).
pub(crate) enum Allow {
    Missing,
    /// A field is not a list of methods, or it lists `*` or `PRI`, which no resource has.
    NotMethods,
    Methods(Names),
}

impl Allow {
    pub(crate) fn of(fields: &HeaderMap) -> Self {
        if !fields.contains_key("allow") {
            return Self::Missing;
        }
        let values = fields.get_all("allow").iter();
        let lists = values.map(|value| elements(value.as_bytes()));
        match lists.collect::<Option<Vec<_>>>() {
            Some(lists) => Self::Methods(lists.into_iter().flatten().collect()),
            None => Self::NotMethods,
        }
    }
}

/// The methods of a list. It may have empty elements (RFC 9110 §5.6.1).
fn elements(list: &[u8]) -> Option<Names> {
    let elements = std::str::from_utf8(list).ok()?.split(',');
    let elements = elements.map(|element| element.trim_matches([' ', '\t']));
    let is_method = |name: &str| name != "*" && name != "PRI" && name.bytes().all(is_tchar);
    let names = elements.filter(|element| !element.is_empty());
    names.map(|name| is_method(name).then(|| name.to_owned())).collect()
}

/// RFC 9110 §5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
