//! A WebDAV share (dav-server) beside a site on axum, one policy around both.
//!
//! The share lies under `/dav/`, in a temporary directory that is removed when the program ends,
//! and has the methods of WebDAV class 1 and 2. The site is at `/` and takes `POST`. No other part
//! of the server implements anything, so `SEARCH` and `VERSION-CONTROL` are `501` everywhere.
//! `PROPPATCH` is forwarded: a plain directory cannot store properties, and what dav-server answers
//! then is its own `501`.
//!
//! ```text
//! cargo run -p example-webdav [-- ADDRESS]               # by default 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/dav/a -T Cargo.toml     # 201
//! curl -i http://127.0.0.1:3000/dav/ -X PROPFIND        # 207, the files
//! curl -i http://127.0.0.1:3000/dav/                    # 200, the files as HTML
//! curl -i http://127.0.0.1:3000/dav/ -X OPTIONS         # 200, Allow and DAV: 1, 2
//! curl -i http://127.0.0.1:3000/dav/ -X SEARCH          # 501
//! curl -i http://127.0.0.1:3000/dav/ -X POST            # 405, Allow: GET, HEAD, PUT, …, UNLOCK
//! curl -i http://127.0.0.1:3000/ -X PROPFIND            # 405, Allow: GET, HEAD, POST
//! curl -i http://127.0.0.1:3000/ -X DELETE -T Cargo.toml
//!                                                       # 405: the upload is read, then rejected
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::routing::{any, get};
use axum::{Router, ServiceExt};
use dav_server::DavHandler;
use dav_server::localfs::LocalFs;
use dav_server::memls::MemLs;
use tower::Layer;
use tower_method_policy::{Allow, MethodPolicyLayer, MethodSet, PlainText, Policy, PolicyError};

/// Where the share lies. A path that ends with `{*…}` does not match without the rest.
const SHARE: [&str; 3] = ["/dav", "/dav/", "/dav/{*path}"];

/// The site, and the files of `directory` as the share.
fn router(directory: &Path) -> Router {
    let dav = DavHandler::builder()
        .filesystem(LocalFs::new(directory, false, false, false))
        .locksystem(MemLs::new())
        .strip_prefix("/dav")
        // `GET` of a collection is then a list of its files, not a 405: what the rule allows is true
        // at every path of the share.
        .autoindex(true)
        .build_handler();
    let share = any(async move |request: Request| dav.handle(request).await);
    let site = get("The files are under /dav/.\n").post(async |text: String| text);
    SHARE
        .into_iter()
        .fold(Router::new().route("/", site), |router, path| {
            router.route(path, share.clone())
        })
}

/// `POST` beside `GET` and `HEAD`, and in the share WebDAV in its place.
fn policy() -> Result<Policy, PolicyError> {
    let methods = MethodSet::WEBDAV | [Method::PUT, Method::DELETE, Method::OPTIONS].into();
    let share = Allow::new(methods).options_header(
        HeaderName::from_static("dav"),
        HeaderValue::from_static("1, 2"),
    );
    SHARE
        .into_iter()
        .try_fold(Policy::new().allow([Method::POST]), |policy, path| {
            policy.route(path, share.clone())
        })
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let app = MethodPolicyLayer::new(policy()?)
        // Not left to dav-server: its answer promises partial updates (`DAV: …,
        // sabredav-partialupdate`) and the `PATCH` that makes them, which the policy rejects, and
        // leaves out `GET` and `HEAD` at a collection. Clients choose what they do by the `DAV`
        // field (RFC 4918 §10.1), so the rule has one, and it names what is allowed.
        .answer_options()
        .respond_with(PlainText)
        .layer(router(directory.path()));

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    axum::serve(listener, ServiceExt::<Request>::into_make_service(app))
        .with_graceful_shutdown(shutdown)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
