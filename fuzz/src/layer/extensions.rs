//! RFC 2774, as the table of `tower_method_policy::rfc2774` has it.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use tower_method_policy::rfc2774::MandatoryExtensions;

use super::request::{Declared, Sent};

/// Which extensions are supported, and where.
#[derive(Clone, Debug)]
pub(super) struct Supported {
    is_proxy: bool,
    /// Identifiers, and whether the header prefix may be shared.
    extensions: BTreeMap<&'static str, bool>,
}

/// What the rules say about a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Ordinary,
    Mandatory { base: String, done: Done },
    Reject(StatusCode),
}

/// What the response to a fulfilled request acknowledges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    end_to_end: bool,
    hop_by_hop: bool,
    is_for_http_1_0: bool,
}

impl Supported {
    pub(super) fn draw(u: &mut Unstructured<'_>) -> Result<(Self, MandatoryExtensions)> {
        let is_proxy = u.ratio(1, 3)?;
        let mut extensions = BTreeMap::new();
        let mut settings = match is_proxy {
            true => MandatoryExtensions::at_proxy(),
            false => MandatoryExtensions::at_origin(),
        };
        for identifier in ["http://a.example/x", "http://a.example/y", "x-field"] {
            let supported = match u.int_in_range(0..=3)? {
                0 => settings.clone(),
                1 => {
                    extensions.insert(identifier, true);
                    settings
                        .clone()
                        .support_with_shared_prefix(identifier)
                        .unwrap()
                }
                _ => {
                    extensions.insert(identifier, false);
                    settings.clone().support(identifier).unwrap()
                }
            };
            settings = supported;
        }
        let supported = Self {
            is_proxy,
            extensions,
        };
        Ok((supported, settings))
    }

    /// Of a request that is neither `GET` nor `HEAD`.
    pub(super) fn verdict(&self, sent: &Sent) -> Verdict {
        let is_1_1 = sent.version == Version::HTTP_11;
        let is_older = sent.version < Version::HTTP_11;
        let listed = sent.hop_by_hop();
        let is_listed = |name: &str| listed.iter().any(|listed| listed == name);
        let count = |name: &str| {
            let counts = match name.starts_with("c-") {
                true => is_1_1 && is_listed(name),
                false => !(is_older && is_listed(name)),
            };
            match counts {
                true => sent.declared_by(name),
                false => Some(Vec::new()),
            }
        };
        let (Some(man), Some(c_man), Some(opt), Some(c_opt)) =
            (count("man"), count("c-man"), count("opt"), count("c-opt"))
        else {
            return Verdict::Reject(StatusCode::BAD_REQUEST);
        };

        let base = sent.method.as_str().strip_prefix("M-");
        let base = base.filter(|base| !base.is_empty());
        let is_mandatory = !man.is_empty() || !c_man.is_empty();
        let Some(base) = base else {
            return match is_mandatory {
                true => Verdict::Reject(StatusCode::NOT_EXTENDED),
                false => Verdict::Ordinary,
            };
        };
        let is_supported = |(identifier, _): &Declared| self.extensions.contains_key(identifier);
        // A proxy passes on what is declared end to end.
        let are_supported =
            (self.is_proxy || man.iter().all(is_supported)) && c_man.iter().all(is_supported);
        if !is_mandatory || !are_supported {
            return Verdict::Reject(StatusCode::NOT_EXTENDED);
        }
        let mut users = BTreeMap::<_, Vec<bool>>::new();
        for (identifier, prefix) in [&man, &c_man, &opt, &c_opt].into_iter().flatten() {
            if let (Some(prefix), Some(shares)) = (prefix, self.extensions.get(identifier)) {
                users.entry(prefix).or_default().push(*shares);
            }
        }
        if users
            .values()
            .any(|users| users.len() > 1 && users.contains(&false))
        {
            return Verdict::Reject(StatusCode::BAD_REQUEST);
        }
        Verdict::Mandatory {
            base: base.to_owned(),
            done: Done {
                end_to_end: !self.is_proxy && !man.is_empty(),
                hop_by_hop: !c_man.is_empty(),
                is_for_http_1_0: is_older,
            },
        }
    }
}

impl Done {
    /// RFC 2774 §5.1. What the inner service has said already is not said twice.
    pub(super) fn acknowledge(self, status: StatusCode, fields: &mut HeaderMap) {
        if !(200..300).contains(&status.as_u16()) {
            return;
        }
        let value = HeaderValue::from_static;
        let lists = |fields: &HeaderMap, name, element: &str| {
            let values = fields.get_all(name).iter();
            let mut values = values.map(|value| value.to_str().expect("ASCII").to_lowercase());
            values.any(|value| value.split(',').any(|listed| listed.trim() == element))
        };
        if self.end_to_end {
            fields.insert("ext", value(""));
            if !lists(fields, "cache-control", "no-cache=\"ext\"") {
                fields.append("cache-control", value("no-cache=\"Ext\""));
            }
            if self.is_for_http_1_0 {
                fields.insert("expires", value("Thu, 01 Jan 1970 00:00:00 GMT"));
            }
        }
        if self.hop_by_hop {
            fields.insert("c-ext", value(""));
            if !lists(fields, "connection", "c-ext") {
                fields.append("connection", value("C-Ext"));
            }
        }
    }
}

/// RFC 2774 §5: the fields of a fulfilled request that are forwarded.
pub(super) fn forwarded_fields(sent: &Sent) -> HeaderMap {
    let mut fields = sent.headers.clone();
    if sent.version < Version::HTTP_11 {
        for name in sent.hop_by_hop() {
            if !name.is_empty() {
                fields.remove(name.as_str());
            }
        }
    }
    fields
}
