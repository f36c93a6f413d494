//! What `Connection` lists.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

/// Whether `Connection` lists the field `name`.
pub(super) fn is_listed(headers: &HeaderMap, name: &HeaderName) -> bool {
    connection_options(headers).any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

pub(super) fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lists = headers.get_all(CONNECTION).into_iter();
    lists.flat_map(|list| {
        list.as_bytes()
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
    })
}
