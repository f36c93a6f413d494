//! The share of the example `webdav` without its policy, for a comparison in `webdav.py`.

#[path = "../../../examples/common/mod.rs"]
mod common;

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::extract::Request;
use dav_server::DavHandler;
use dav_server::localfs::LocalFs;
use dav_server::memls::MemLs;

async fn serve() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let dav = DavHandler::builder()
        .filesystem(LocalFs::new(directory.path(), false, false, false))
        .locksystem(MemLs::new())
        .strip_prefix("/dav")
        .autoindex(true)
        .build_handler();
    let app = Router::new().fallback(async move |request: Request| dav.handle(request).await);

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
