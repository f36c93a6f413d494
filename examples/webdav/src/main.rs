//! A WebDAV share (dav-server) and a website on axum, with one policy around both.
//!
//! The share is at `/dav`, in a temporary directory that is removed when the program ends. The website is at
//! `/` and has `GET` and `POST`. Nothing implements `SEARCH` and `VERSION-CONTROL`, so they get `501`
//! everywhere. `PROPPATCH` is forwarded, but a plain directory cannot store properties. So dav-server itself
//! answers `501`.
//!
//! ```text
//! cargo run -p example-webdav [-- ADDRESS]              # the default is 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/dav/a -T Cargo.toml     # 201
//! curl -i http://127.0.0.1:3000/dav/ -X PROPFIND        # 207, the files
//! curl -i http://127.0.0.1:3000/dav/                    # 200, the files as HTML
//! curl -i http://127.0.0.1:3000/dav/ -X OPTIONS         # 200, dav-server's DAV and MS-Author-Via
//! curl -i http://127.0.0.1:3000/dav/ -X DELETE          # 403: the share itself stays
//! curl -i http://127.0.0.1:3000/dav/ -X SEARCH          # 501
//! curl -i http://127.0.0.1:3000/dav/ -d text            # 405, Allow: GET, HEAD, PUT, …, UNLOCK, OPTIONS
//! curl -i http://127.0.0.1:3000/ -X PROPFIND            # 405, Allow: GET, HEAD, POST, OPTIONS
//! curl -i http://127.0.0.1:3000/ -X OPTIONS             # 200, Allow: GET, HEAD, POST, OPTIONS
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, ServiceExt};
use dav_server::DavHandler;
use dav_server::davpath::DavPath;
use dav_server::localfs::LocalFs;
use dav_server::memls::MemLs;
use tower::Layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_method_policy::{MethodPolicyLayer, MethodSet, PlainText, Policy, PolicyError};
use xml::EventReader;
use xml::reader::XmlEvent;

/// The path of the share.
const SHARE: &str = "/dav";

/// The maximum size of XML in bytes. It is also the limit of dav-server.
const XML_SIZE: usize = 65_536;

/// The maximum number of XML elements inside each other. Clients need about five.
const XML_DEPTH: usize = 50;

/// The maximum number of namespaces of all XML elements together. Each element has those of the elements around it.
const XML_NAMESPACES: usize = 100_000;

/// The website, and the files of `directory` as the share.
fn router(directory: &Path) -> Router {
    let dav = DavHandler::builder()
        .filesystem(LocalFs::new(directory, false, false, false))
        .locksystem(MemLs::new())
        .strip_prefix(SHARE)
        // `GET` of a collection then returns a list of its files and not a 405. So the `Allow` of the rule
        // is correct at every path of the share.
        .autoindex(true)
        .build_handler();
    let share = any(async move |request: Request| share(&dav, request).await)
        // dav-server panics on some malformed fields, such as `If: <`. These requests now get 500.
        .layer(CatchPanicLayer::new());
    Router::new()
        .route("/", get("The files are under /dav/.\n").post(async |text: String| text))
        .route(SHARE, share.clone())
        .route(&format!("{SHARE}/"), share.clone())
        .route(&format!("{SHARE}/{{*path}}"), share)
}

/// Forwards the request to dav-server, unless dav-server cannot be trusted with it. For example, it would remove
/// the share itself, and then have no directory to serve.
async fn share(dav: &DavHandler, mut request: Request) -> Response {
    let forbidden = || (StatusCode::FORBIDDEN, "The share itself stays.\n").into_response();
    let Some(path) = path_in_share(request.uri().path()) else {
        return forbidden();
    };
    if !has_possible_positions(request.headers()) {
        return (StatusCode::BAD_REQUEST, "No file is that long.\n").into_response();
    }
    let method = request.method().clone();
    if matches!(method.as_str(), "DELETE" | "COPY" | "MOVE") && is_share(&path) {
        return forbidden();
    }
    if matches!(method.as_str(), "COPY" | "MOVE") {
        let Some(destination) = destination(request.headers()) else {
            return (StatusCode::BAD_REQUEST, "The destination is no URI.\n").into_response();
        };
        match path_in_share(&destination) {
            Some(path) if !is_share(&path) => {}
            _ => return forbidden(),
        }
        // Otherwise, dav-server might read a different path from the URI.
        let Ok(destination) = HeaderValue::try_from(destination) else {
            return forbidden();
        };
        request.headers_mut().insert("destination", destination);
    }
    if matches!(method.as_str(), "PROPFIND" | "PROPPATCH" | "LOCK") {
        let (head, body) = request.into_parts();
        let Ok(xml) = to_bytes(body, XML_SIZE).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        if is_too_complex(&xml) {
            return (StatusCode::BAD_REQUEST, "The XML is too complex.\n").into_response();
        }
        request = Request::from_parts(head, Body::from(xml));
    }
    let mut response = dav.handle(request).await.into_response();
    // `MKCOL` of an existing resource gets 405 (RFC 4918 §9.3.1), but without the `Allow` that every 405 needs
    // (RFC 9110 §15.5.6).
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = (share_methods() - method).to_string();
        let allow = HeaderValue::try_from(allow).map(|allow| (header::ALLOW, allow));
        response.headers_mut().extend(allow);
    }
    response
}

/// Whether each number in the fields for ranges is a possible position in a file. dav-server calculates with these
/// numbers. If the result is larger than 2^64, it panics or sends a body without an end.
fn has_possible_positions(headers: &HeaderMap) -> bool {
    let fields = ["range", "content-range", "x-update-range"];
    let values = fields.into_iter().flat_map(|field| headers.get_all(field));
    let mut numbers = values.flat_map(|value| {
        let digits = value.as_bytes().split(|byte| !byte.is_ascii_digit());
        digits.filter(|digits| !digits.is_empty())
    });
    numbers.all(|digits| {
        let digits = std::str::from_utf8(digits).ok();
        digits.is_some_and(|digits| digits.parse::<i64>().is_ok())
    })
}

/// Whether XML could end the process. dav-server reads it with a function that calls itself for each element, so
/// deep XML overflows the stack. It copies the namespaces for each element, so 64 KiB could become gigabytes.
///
/// This reader does neither. It is the one that dav-server uses, so it also counts the elements of entities.
fn is_too_complex(xml: &[u8]) -> bool {
    let (mut depth, mut namespaces) = (0_usize, 0_usize);
    for event in EventReader::new(xml) {
        match event {
            Ok(XmlEvent::StartElement { namespace, .. }) => {
                depth += 1;
                namespaces += namespace.0.len();
            }
            Ok(XmlEvent::EndElement { .. }) => depth -= 1,
            Ok(_) => {}
            // dav-server also stops here.
            Err(_) => return false,
        }
        if depth > XML_DEPTH || namespaces > XML_NAMESPACES {
            return true;
        }
    }
    false
}

/// `path` without the prefix of the share, if it is in the share. It is parsed by dav-server's own code, because
/// there are many spellings: `/dav`, `/dav//`, `/dav/.`, `/dav/a/%2e%2e`. dav-server also accepts `/davx`, which
/// is not in the share.
fn path_in_share(path: &str) -> Option<DavPath> {
    let mut path = DavPath::new(path).ok()?;
    path.set_prefix(SHARE).ok()?;
    path.as_bytes().starts_with(b"/").then_some(path)
}

fn is_share(path: &DavPath) -> bool {
    path.as_bytes() == b"/"
}

/// The path of the `Destination` (RFC 4918 §10.3), which is an absolute URI or an absolute path. The host is
/// ignored, because a proxy may change it.
fn destination(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("destination").iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let value = value.to_str().ok()?;
    if value.starts_with('/') {
        return Some(value.to_owned());
    }
    let uri: Uri = value.parse().ok()?;
    uri.scheme()?;
    Some(uri.path().to_owned())
}

/// The methods that dav-server handles. It handles `PATCH`, and announces it in its answer to `OPTIONS`
/// (`sabredav-partialupdate`).
fn share_methods() -> MethodSet {
    MethodSet::WEBDAV | Method::PATCH
}

/// Rules for the share. The website needs no rule, because axum answers `405` with its own `Allow`.
///
/// The rules list `OPTIONS`, so dav-server answers it. The answer contains `DAV` and `MS-Author-Via`, and clients
/// use these fields.
///
/// The rules of the share itself do not list `MKCOL`, because the share always exists. A file has no such rule, so
/// its `Allow` lists `MKCOL`, which works only if the file is deleted first.
///
/// The answer to `OPTIONS /` has no `DAV` field, because the website is not a WebDAV resource (RFC 4918 §10.1).
/// Windows and Office send `OPTIONS` to the root first, and some versions connect only if `DAV` and
/// `MS-Author-Via` are there. If you have such clients, mount the share at `/`.
///
/// CalDAV and CardDAV clients send `PROPFIND` to `/.well-known/caldav` and follow the redirect (RFC 6764
/// §5). There is no fallback here, so the request reaches the router. With a fallback, exempt the path:
/// `.exempt("/.well-known/caldav")?`.
fn policy() -> Result<Policy, PolicyError> {
    let share_itself = share_methods() - MethodSet::from_static("MKCOL");
    Policy::new()
        .route(SHARE, &share_itself)?
        .route(&format!("{SHARE}/"), &share_itself)?
        .route(&format!("{SHARE}/{{*path}}"), share_methods())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let app = MethodPolicyLayer::new(policy()?)
        .answer_options(true)
        .respond_with(PlainText)
        .layer(router(directory.path()));

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    // `?` would not compile with the next axum, where this is `()`.
    let _ = axum::serve(listener, ServiceExt::<Request>::into_make_service(app))
        .with_graceful_shutdown(shutdown)
        .await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
