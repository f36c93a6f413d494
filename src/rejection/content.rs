//! The fields that describe the content of a response.

use http::{HeaderMap, HeaderName, header};

const CONTENT_FIELDS: [HeaderName; 19] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_DISPOSITION,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
    HeaderName::from_static("sourcemap"),
    header::CONTENT_LENGTH,
];

/// Removes the fields that describe the content of a response. The layer has replaced the content.
pub(crate) fn remove_content_fields(headers: &mut HeaderMap) {
    for name in &CONTENT_FIELDS {
        headers.remove(name);
    }
}
