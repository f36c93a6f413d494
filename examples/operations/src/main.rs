//! A server with all that operators need. The server reads the policy from a file, and reads the file again when
//! it changes. It counts rejections for Prometheus and logs them as JSON. The README explains it.
//!
//! ```text
//! cargo run -p example-operations [-- ADDRESS [FILE]]
//!                                             # default: 127.0.0.1:3000 and the policy.toml here
//! ```

#[path = "../../common/mod.rs"]
mod common;
mod observe;
mod settings;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, ServiceExt};
use tokio::sync::watch;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

use crate::observe::{CANDIDATE, CURRENT};
use crate::settings::{Settings, SettingsFile};

/// The application behind its policies.
type App = BoxCloneSyncService<Request, Response, Infallible>;

fn app(router: Router, settings: &Settings) -> App {
    let mut policy = MethodPolicyLayer::new(settings.policy.clone())
        .answer_options(true)
        .report_only(settings.report_only)
        .respond_with(ProblemDetails)
        .on_rejection(|rejection, request| observe::rejection(CURRENT, rejection, request));
    if let Some(retry_after) = settings.retry_after.clone() {
        policy = policy.retry_after(retry_after);
    }
    if let Some(cache_control) = settings.cache_control.clone() {
        policy = policy.cache_control(cache_control);
    }
    let current = ServiceBuilder::new()
        .map_response(|response| observe::answer(CURRENT, response))
        .layer(policy)
        .service(router);
    let Some(candidate) = settings.candidate.clone() else {
        return App::new(current);
    };
    let candidate = MethodPolicyLayer::new(candidate)
        .answer_options(true) // Otherwise, it would report OPTIONS requests.
        .report_only(true)
        .on_rejection(|rejection, request| observe::rejection(CANDIDATE, rejection, request));
    // Outside the current policy, to see the requests that it rejects.
    let both = ServiceBuilder::new()
        .map_response(|response| observe::answer(CANDIDATE, response))
        .layer(candidate)
        .service(current);
    App::new(both)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/policy.toml");
    let [address, path] = common::arguments(["127.0.0.1:3000", default])?;
    observe::log();
    let metrics = observe::metrics()?;
    // The application handles every method.
    let router = Router::new()
        .route("/metrics", get(async move || observe::scrape(&metrics)))
        .fallback(async |method: Method| format!("{method} done\n"));

    let (mut file, settings) = SettingsFile::open(&path);
    let settings = settings.map_err(|error| format!("{path}: {error}"))?;
    observe::applied(&settings);

    // Each request clones the whole service, so no request sees half of a change. The service is not chosen for
    // each connection, because proxies keep their connections open for hours.
    let (replace, current) = watch::channel(app(router.clone(), &settings));
    let service = service_fn(move |request| current.borrow().clone().oneshot(request));

    let asked = reload_signal()?;
    let shutdown = common::shutdown_signal()?;
    let listener = common::listen_on(&address).await?;
    // The end of the program does not wait for this thread.
    thread::spawn(move || {
        loop {
            let (is_asked, settings) = file.next(&asked);
            if let Ok(settings) = &settings {
                replace.send_replace(app(router.clone(), settings));
            }
            observe::reloaded(is_asked, &settings);
        }
    });
    // The log needs the client's address.
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    // axum 0.8 never returns an error here. In the next axum, `serve` returns `()`, so `?` would not compile.
    let _ = axum::serve(listener, service).with_graceful_shutdown(shutdown).await;
    Ok(())
}

/// Receives SIGHUP. A signal after this function has returned is not missed.
fn reload_signal() -> io::Result<Receiver<()>> {
    let (sender, asked) = mpsc::channel();
    #[cfg(unix)]
    let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        while hangup.recv().await.is_some() && sender.send(()).is_ok() {}
        // Other systems have no such signal. The receiver waits as long as there is a sender.
        std::future::pending::<()>().await;
        drop(sender);
    });
    Ok(asked)
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
