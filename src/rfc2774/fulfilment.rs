use http::header::{CACHE_CONTROL, CONNECTION, EXPIRES};
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version};

use super::declaration::Declaration;

const EXT: HeaderName = HeaderName::from_static("ext");
const C_EXT: HeaderName = HeaderName::from_static("c-ext");

/// What the response to a mandatory request says if the request was fulfilled (RFC 2774 §5.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fulfilment {
    ext: bool,
    c_ext: bool,
    /// Caches on the way may not understand `Cache-Control`.
    is_http_1_0: bool,
}

impl Fulfilment {
    /// For the declarations that oblige this server.
    pub(super) fn of<'a>(
        declarations: impl Iterator<Item = &'a Declaration>,
        version: Version,
    ) -> Self {
        let mut fulfilment = Self {
            ext: false,
            c_ext: false,
            is_http_1_0: version <= Version::HTTP_10,
        };
        for declaration in declarations.filter(|declaration| declaration.is_mandatory()) {
            match declaration.is_hop_by_hop() {
                true => fulfilment.c_ext = true,
                false => fulfilment.ext = true,
            }
        }
        fulfilment
    }

    /// Adds the fields, if the response is a success.
    pub(crate) fn acknowledge<B>(self, response: &mut Response<B>) {
        if !response.status().is_success() {
            return;
        }
        let headers: &mut HeaderMap = response.headers_mut();
        if self.ext {
            headers.insert(EXT, HeaderValue::from_static(""));
            headers.append(CACHE_CONTROL, HeaderValue::from_static("no-cache=\"Ext\""));
            if self.is_http_1_0 {
                // Not later than any `Date`.
                let epoch = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
                headers.insert(EXPIRES, epoch);
            }
        }
        if self.c_ext {
            headers.insert(C_EXT, HeaderValue::from_static(""));
            headers.append(CONNECTION, HeaderValue::from_static("C-Ext"));
        }
    }
}
