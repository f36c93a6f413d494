//! Names of methods that a faulty comparison could confuse.

use arbitrary::{Result, Unstructured};
use http::Method;

/// The canonical order of the crate: the common methods, then the rest of the IANA registry
/// alphabetically.
pub(crate) const REGISTERED: [&str; 41] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "*",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Common names, registered and unregistered ones, and near misses.
const COMMON: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "REPORT",
    "PURGE",
    "M-SEARCH",
    "PRI",
    "*",
    "get",
    "Head",
    "GE",
    "GETT",
    "HEAD-",
    "options",
    "connect",
    "M-",
    "M",
    "M-GET",
    "M-HEAD",
    "M-PUT",
    "M-OPTIONS",
    "M-CONNECT",
    "M-M-PUT",
    "m-PUT",
    // The longest name that `http` stores in place, and the shortest that it does not.
    "AAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAA",
    "VERSION--CONTROL",
    "BASELINEX-CONTROL",
    "UPDATEREREDIRECTREF",
];

/// The characters of a token (RFC 9110 §5.6.2).
const TCHARS: &[u8] =
    b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The method called `name`.
pub fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a method is a token")
}

/// One of a server's many own methods.
pub(crate) fn own(number: usize) -> Method {
    method(&format!("OWN-{number:02}"))
}

/// A method that another draw is likely to give too, one that is almost such a method, or any method.
pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<Method> {
    let name = match u.int_in_range(0..=19)? {
        // Most settings and fields are about it.
        0..=3 => return Ok(Method::OPTIONS),
        4..=11 => return Ok(method(u.choose(COMMON)?)),
        12 | 13 => return Ok(Method::POST),
        14 => return Ok(own(u.int_in_range(0..=41)?)),
        15..=17 => altered(u)?,
        // Longer than any name that is shown in full.
        18 => vec![b'A'; u.int_in_range(300..=301)?],
        _ => {
            let length = u.int_in_range(1..=24)?;
            let characters = (0..length).map(|_| u.choose(TCHARS).copied());
            characters.collect::<Result<_>>()?
        }
    };
    Ok(Method::from_bytes(&name).expect("a method is a token"))
}

/// A registered name with a small change.
fn altered(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut name = u.choose(&REGISTERED)?.as_bytes().to_vec();
    let at = u.int_in_range(0..=name.len() - 1)?;
    match u.int_in_range(0..=5)? {
        0 => name[at] = *u.choose(TCHARS)?,
        1 => name.insert(at, *u.choose(TCHARS)?),
        2 => name.push(*u.choose(TCHARS)?),
        3 if at > 0 => name.truncate(at),
        4 => name.make_ascii_lowercase(),
        _ => name = [b"M-", name.as_slice()].concat(),
    }
    Ok(name)
}
