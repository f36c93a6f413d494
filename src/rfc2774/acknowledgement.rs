use http::header::{CACHE_CONTROL, CONNECTION, EXPIRES};
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version};

use super::declaration::Declaration;
use super::lists::{elements, is_listed};

const EXT: HeaderName = HeaderName::from_static("ext");
const C_EXT: HeaderName = HeaderName::from_static("c-ext");

/// The fields that acknowledge a fulfilled mandatory request (RFC 2774 §5.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledgement {
    ext: bool,
    c_ext: bool,
    /// HTTP/1.0 caches may not understand `Cache-Control`.
    is_http_1_0: bool,
}

impl Acknowledgement {
    /// Acknowledges the mandatory declarations that this server has to fulfill.
    pub(super) fn new<'a>(
        declarations: impl Iterator<Item = &'a Declaration>,
        version: Version,
    ) -> Self {
        let mut acknowledgement =
            Self { ext: false, c_ext: false, is_http_1_0: version <= Version::HTTP_10 };
        for declaration in declarations {
            if declaration.is_hop_by_hop() {
                acknowledgement.c_ext = true;
            } else {
                acknowledgement.ext = true;
            }
        }
        acknowledgement
    }

    /// Adds the fields if the response is a success. An inner layer may have added them already.
    pub(crate) fn apply<B>(self, response: &mut Response<B>) {
        if !response.status().is_success() {
            return;
        }
        let headers: &mut HeaderMap = response.headers_mut();
        if self.ext {
            headers.insert(EXT, HeaderValue::from_static(""));
            let no_cache = b"no-cache=\"Ext\"";
            if !elements(headers, CACHE_CONTROL)
                .any(|element| element.eq_ignore_ascii_case(no_cache))
            {
                headers.append(CACHE_CONTROL, HeaderValue::from_static("no-cache=\"Ext\""));
            }
            if self.is_http_1_0 {
                // Earlier than any `Date`.
                let epoch = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
                headers.insert(EXPIRES, epoch);
            }
        }
        if self.c_ext {
            headers.insert(C_EXT, HeaderValue::from_static(""));
            if !is_listed(headers, &C_EXT) {
                headers.append(CONNECTION, HeaderValue::from_static("C-Ext"));
            }
        }
    }
}
