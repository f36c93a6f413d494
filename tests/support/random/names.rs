//! Method names that a faulty comparison could confuse.

use arbitrary::{Result, Unstructured};

use crate::model::methods::registered;

/// Common names and near misses. `http` stores names of up to 15 bytes in place.
const COMMON: &str = "\
GET HEAD POST POST POST PUT DELETE OPTIONS TRACE CONNECT QUERY PROPFIND REPORT PURGE M-SEARCH PRI * get Head \
GETT HEAD- options connect M- M M-GET M-HEAD M-PUT M-OPTIONS M-CONNECT M-M-PUT m-PUT AAAAAAAAAAAAAAA \
AAAAAAAAAAAAAAAA VERSION--CONTROL BASELINEX-CONTROL UPDATEREREDIRECTREF";

/// The characters of a token (RFC 9110 §5.6.2).
const TCHARS: &[u8] =
    b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An unregistered method. A policy can list many of them.
pub(crate) fn own(number: usize) -> String {
    format!("OWN-{number:02}")
}

/// Draws a common method, a method that is almost registered, or any method.
pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<String> {
    let common: Vec<_> = COMMON.split(' ').collect();
    let name = match u.int_in_range(0..=9)? {
        // Most rows of the decision table depend on this method.
        0..=1 => b"OPTIONS".to_vec(),
        2..=5 => u.choose(&common)?.as_bytes().to_vec(),
        6 => own(u.int_in_range(0..=41)?).into_bytes(),
        7 | 8 => altered(u)?,
        // Longer than any name that the crate shows in full.
        _ if u.ratio(1, 4)? => vec![b'A'; 300],
        _ => {
            let characters = (0..u.int_in_range(1..=24)?).map(|_| u.choose(TCHARS).copied());
            characters.collect::<Result<_>>()?
        }
    };
    Ok(String::from_utf8(name).expect("ASCII"))
}

/// A registered name with a small change.
fn altered(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let all: Vec<_> = registered().collect();
    let mut name = u.choose(&all)?.as_bytes().to_vec();
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
