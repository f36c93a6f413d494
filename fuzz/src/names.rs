//! Names of methods that are meant to be mistaken for one another.

use arbitrary::{Result, Unstructured};
use http::Method;
use tower_method_policy::RegisteredMethod;

/// Two names with the same 64-bit FNV-1a hash, by which a set of methods looks up those that are not
/// registered.
pub const SAME_FNV_1A: [&str; 2] = ["QBIe53_U2_B", "jSz6PjdHy5C"];

/// Names that the layer's table of methods, which hashes the first and the last eight bytes of what
/// `http` stores, cannot tell apart by their hash.
pub const SAME_ENDS: &[&[&str]] = &[
    // The hash is 0, as is that of `QUERY`, of which `http` stores no bytes.
    &[
        "QUERY",
        "f1W8KOD80jjXH1a",
        "7aLuEjgZribxEx2",
        "f1W8KOD85bAGmr7N",
        "7aLuEjgZLK9AU9Ch",
    ],
    // The hash is `u64::MAX`.
    &[
        "nbinK9P-Knq2gyL",
        "z0z0z0z0eaqqs2r",
        "y1y1y1y1DB1JpZc",
        "nbinK9P-GRlf9uqu",
        "z0z0z0z0iXLPxBwk",
        "mPIbMJq8U7IPVo16",
    ],
    // Of more than 15 bytes the middle is not hashed; of exactly 15 the eighth is hashed twice.
    &["VERSION-CONTROL", "VERSION--CONTROL", "VERSION-X-CONTROL"],
    &["BASELINE-CONTROL", "BASELINEX-CONTROL"],
    &["UPDATEREDIRECTREF", "UPDATEREREDIRECTREF"],
];

/// What is common, what is registered, what is not, and what only looks like it.
const OTHERS: &[&str] = &[
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
    // The longest that `http` stores in place, and the shortest that it does not.
    "AAAAAAAAAAAAAAA",
    "AAAAAAAAAAAAAAAA",
];

/// The characters of a token (RFC 9110 §5.6.2).
const TCHARS: &[u8] =
    b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The method called `name`.
pub fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a method is a token")
}

/// A method that another draw may well give, too, or one that is almost one of these, or any.
pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<Method> {
    let name = match u.int_in_range(0..=19)? {
        // What most settings and fields are about.
        0 | 1 => return Ok(Method::OPTIONS),
        2..=9 => return Ok(method(u.choose(OTHERS)?)),
        10..=13 => {
            let names = u.choose(SAME_ENDS)?;
            return Ok(method(u.choose(names)?));
        }
        14 | 15 => return Ok(method(u.choose(&SAME_FNV_1A)?)),
        16 | 17 => altered(u)?,
        // Longer than any that is shown.
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
    let mut name = u.choose(RegisteredMethod::ALL)?.name().as_bytes().to_vec();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// <http://www.isthe.com/chongo/tech/comp/fnv/>.
    fn fnv_1a(name: &str) -> u64 {
        let mut hash = 14_695_981_039_346_656_037;
        for byte in name.bytes() {
            hash ^= u64::from(byte);
            hash = hash.wrapping_mul(1_099_511_628_211);
        }
        hash
    }

    #[test]
    fn two_names_have_the_same_fnv_1a_hash() {
        let [one, other] = SAME_FNV_1A;
        assert_ne!(one, other);
        assert_eq!(fnv_1a(one), fnv_1a(other));
        for name in SAME_FNV_1A {
            assert!(RegisteredMethod::of(&method(name)).is_none());
        }
        // Values of the function's authors.
        assert_eq!(fnv_1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a("foobar"), 0x8594_4171_f739_67e8);
    }

    /// The halves of the product of the first and the last eight of the bytes that `http` stores, added
    /// without carry.
    fn ends(name: &str) -> u64 {
        let mut stored = name.as_bytes().to_vec();
        match stored.len() {
            _ if name == "QUERY" => return 0,
            length if length <= 15 => stored.resize(15, 0),
            _ => {}
        }
        let first = u64::from_le_bytes(stored[..8].try_into().unwrap());
        let last = u64::from_le_bytes(stored[stored.len() - 8..].try_into().unwrap());
        let product = u128::from(first) * u128::from(last ^ 0x9e37_79b9_7f4a_7c15);
        (product >> 64) as u64 ^ product as u64
    }

    #[test]
    fn names_have_the_same_hash_of_their_ends() {
        for names in SAME_ENDS {
            for name in *names {
                assert_eq!(ends(name), ends(names[0]), "{name}");
                assert_eq!(names.iter().filter(|other| *other == name).count(), 1);
            }
        }
        assert_eq!(ends(SAME_ENDS[0][0]), 0);
        assert_eq!(ends(SAME_ENDS[1][0]), u64::MAX);
    }
}
