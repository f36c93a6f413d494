//! [`Forwarded`] may say "forward" only where the decision table ([`decide`](crate::decide)) would: it is
//! a shortcut for the many requests whose method alone, or with the path, decides that.
//!
//! A request is large, and copying it costs more than deciding about it. The compiler copies it
//! wherever its address reaches a function that is not inlined, such as `Method::as_str`; so what is
//! done here is done by inlined code, which tells methods apart by their derived [`Hash`] and `==`. A
//! `HashSet` in place of the hash table below would cost each request 30 instructions, and 70 those that
//! it is asked about; without any of this, `GET` costs 28 to 65 more and `PROPFIND` 82 to 283.

use std::hash::{Hash, Hasher};

use http::{Method, Request};

use crate::decide::Table;
use crate::methods::MethodSet;
use crate::methods::registered::{self, Id};
use crate::policy::Policy;

/// The requests that are forwarded for their method and target alone.
#[derive(Clone)]
pub(crate) struct Forwarded {
    /// Of the registered methods, as bits, what is forwarded at every target. Asked for are only
    /// those that `http` knows as variants.
    everywhere: u64,
    /// Likewise, what is forwarded at one target or another.
    somewhere: u64,
    /// Of all other methods: what is forwarded at every target.
    extensions: Box<[Slot]>,
}

/// A slot of a hash table with linear probing, which is at most half full and whose length is a
/// power of two.
type Slot = Option<(u64, Method)>;

impl Forwarded {
    /// What `decision` forwards for its method and target alone.
    pub(crate) fn new(decision: &Table) -> Self {
        let mut depends_on_more = MethodSet::new();
        if decision.answers_options {
            depends_on_more.insert(Method::OPTIONS);
        }
        #[cfg(feature = "rfc2774")]
        if decision.extensions.is_some() {
            depends_on_more.extend(decision.policy.recognized());
        }
        // No setting can take out `GET` and `HEAD`.
        let depends_on_more = depends_on_more - MethodSet::from([Method::GET, Method::HEAD]);
        let [everywhere, somewhere] = decision.policy.forwarded();
        let everywhere = everywhere - depends_on_more.clone();
        let somewhere = somewhere - depends_on_more;
        Self {
            everywhere: everywhere.registered(),
            somewhere: somewhere.registered(),
            extensions: table(&everywhere),
        }
    }

    /// Whether `request` is forwarded. `false` says nothing: the decision table does.
    #[inline]
    pub(crate) fn contains<B>(&self, request: &Request<B>, policy: &Policy) -> bool {
        let method = request.method();
        match registered::variant(method).map(Id::bit) {
            Some(bit) if self.everywhere & bit != 0 => true,
            Some(bit) => self.somewhere & bit != 0 && policy.forwards(bit, request.uri().path()),
            None => self.contains_extension(method),
        }
    }

    #[inline]
    fn contains_extension(&self, method: &Method) -> bool {
        let table = &self.extensions;
        let hash = hash(method);
        let mut at = hash as usize;
        while let Some(Some((found, candidate))) = table.get(at & (table.len() - 1)) {
            if *found == hash {
                return candidate == method;
            }
            // A client chooses the method, and so the hash: it may be the largest number.
            at = at.wrapping_add(1);
        }
        false
    }
}

fn table(methods: &MethodSet) -> Box<[Slot]> {
    let is_extension = |method: &&Method| registered::variant(method).is_none();
    let extensions: Vec<_> = methods.iter().filter(is_extension).collect();
    let mut table = vec![None; (2 * extensions.len()).next_power_of_two()];
    let mask = table.len() - 1;
    for method in extensions {
        let hash = hash(method);
        let mut at = hash as usize & mask;
        // Of methods with the same hash one is enough: the others are left to the decision table.
        while table[at].as_ref().is_some_and(|(taken, _)| *taken != hash) {
            at = (at + 1) & mask;
        }
        table[at] = Some((hash, method.clone()));
    }
    table.into()
}

#[inline]
fn hash(method: &Method) -> u64 {
    let mut hasher = NameHasher::default();
    method.hash(&mut hasher);
    hasher.finish()
}

/// Hashes the longest piece that it is given, which is a method's name, by its first and its last
/// eight bytes: `http` stores a name of up to 15 bytes in 15 bytes, so these are all of it, and an
/// over-long name costs no more than a short one.
///
/// Which names are stored is the configuration's choice, not a client's: a client cannot make
/// entries collide, so a keyed hash would cost every request and protect nothing.
#[derive(Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            // The constant keeps the product from zero when the last bytes are padding.
            let last = u64::from_ne_bytes(*last) ^ 0x9e37_79b9_7f4a_7c15;
            let product = u128::from(u64::from_ne_bytes(*first)) * u128::from(last);
            self.0 = product as u64 ^ (product >> 64) as u64;
        }
    }

    // What tells variants and lengths apart adds nothing to the name.

    #[inline]
    fn write_u8(&mut self, _: u8) {}

    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn write_isize(&mut self, _: isize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Allow;

    /// What it leaves to the decision table is only slower; it shall leave as little as it can.
    #[test]
    fn it_leaves_nothing_that_is_forwarded_for_its_method_or_path_to_the_decision_table() {
        let own = (0..1000).map(|number| format!("OWN-{number}"));
        let own = own.map(|name| Method::from_bytes(name.as_bytes()).unwrap());
        let propfind = Method::from_bytes(b"PROPFIND").unwrap();
        let everywhere: MethodSet = own.chain([Method::POST, propfind]).collect();
        let policy = Policy::new()
            .allow(everywhere.clone() | Method::PATCH.into())
            .route("/put", everywhere.clone() | Method::PUT.into())
            .unwrap()
            .route("/login", Allow::exactly(everywhere.clone()))
            .unwrap();
        let forwarded = Forwarded::new(&Table::new(policy.clone()));
        let contains = |method: &Method, path| {
            let request = Request::builder().method(method).uri(path).body(());
            forwarded.contains(&request.unwrap(), &policy)
        };

        let get_and_head = MethodSet::from([Method::GET, Method::HEAD]);
        for method in &(everywhere | get_and_head) {
            for path in ["/", "/put", "/login"] {
                assert!(contains(method, path), "{method} {path}");
            }
        }
        for (method, path) in [(Method::PATCH, "/"), (Method::PUT, "/put")] {
            assert!(contains(&method, path), "{method} {path}");
        }
    }

    #[test]
    fn where_no_rule_speaks_it_forwards_what_is_recognised() {
        let policy = Policy::new();
        let forwarded = Forwarded::new(&Table::new(policy.clone()));
        for method in policy.recognized() {
            let request = Request::builder().method(method).body(()).unwrap();
            assert!(forwarded.contains(&request, &policy), "{method}");
        }
    }
}
