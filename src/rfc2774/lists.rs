//! Reads header fields that are lists.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

/// Whether `Connection` lists the field `name`.
pub(super) fn is_listed(headers: &HeaderMap, name: &HeaderName) -> bool {
    elements(headers, CONNECTION)
        .any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// The elements of the list in the field `name`.
pub(super) fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lists = headers.get_all(name).into_iter();
    lists.flat_map(|list| list.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii))
}
