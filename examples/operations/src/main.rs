//! A server with all that operators need. The server reads the policy from a file, and reads the file again when
//! it changes. It counts rejections for Prometheus and logs them as JSON.
//!
//! ```text
//! cargo run -p example-operations [-- ADDRESS [FILE]]
//!                                             # default: 127.0.0.1:3000 and the policy.toml here
//!
//! curl -i http://127.0.0.1:3000/ -X DELETE    # 405, Allow: GET, HEAD, POST, OPTIONS
//! curl -i http://127.0.0.1:3000/ -X FOO       # 501, Retry-After: 3600
//! curl -i http://127.0.0.1:3000/notes/1 -X DELETE  # 200
//! curl http://127.0.0.1:3000/metrics          # both rejections, counted
//!
//! sed -i 's/^report_only = .*/report_only = true/' examples/operations/policy.toml
//! curl -i http://127.0.0.1:3000/ -X FOO       # 200, counted with enforced="false"
//! kill -HUP $(pidof operations)               # reads the file even if it has not changed
//! ```
//!
//! The settings are a regular file of at most 1 MiB. Replace it by a rename. If you write it in place, the server
//! may read an incomplete file. If the settings are invalid, the server keeps the old settings, logs the
//! mistake, and sets `method_policy_last_reload_successful` to 0.
//!
//! There are two ways to try a policy before you enforce it. With `report_only = true`, every request is
//! forwarded, and rejections are only counted and logged. With a second policy as `[candidate]`, the current
//! policy answers, and the candidate's rejections are only counted and logged. The counters have these labels:
//!
//! | counter | label | value |
//! |---|---|---|
//! | `http_method_rejections_total` | `policy` | `current` or `candidate` |
//! | | `reason` | `not_allowed` (405) or `not_implemented` (501) |
//! | | `method` | a registered method or `_OTHER` |
//! | | `enforced` | `true` if the policy answered, `false` if it only reported |
//! | `http_method_would_reject_total` | `policy`, `reason` | as above, of a policy that only reported |
//! | | `answered_by` | `application`, or `current` if the current policy rejected the request |
//! | | `status` | the class of that answer, such as `2xx` |
//!
//! `answered_by="application"` with `status="2xx"` is a request that works today and that the policy would reject.
//! `RUST_LOG=debug` logs each rejection. `docs/operators.md` shows how to use the counters and the log.
//!
//! `/metrics` is public in this example. Serve it at another address if clients should not see it.

#[path = "../../common/mod.rs"]
mod common;
mod observe;
mod settings;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, ServiceExt};
use tokio::sync::{Notify, watch};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

use crate::observe::{CANDIDATE, CURRENT};
use crate::settings::{File, Settings};

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

    let asked = reload_signal()?;
    let mut file = File::new(&path, move |settings| app(router.clone(), settings));
    let (settings, app) = file.load().await.map_err(|problem| match problem.place {
        Some((line, column)) => format!("{path}:{line}:{column}: {problem}"),
        None => format!("{path}: {problem}"),
    })?;
    observe::applied(&settings);

    // Each request clones the whole service, so no request sees half of a change. The service is not chosen for
    // each connection, because proxies keep their connections open for hours.
    let (replace, current) = watch::channel(app);
    let service = service_fn(move |request| current.borrow().clone().oneshot(request));

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen_on(&address).await?;
    tokio::spawn(async move {
        loop {
            let (asked, outcome) = file.next(&asked).await;
            let outcome = outcome.map(|(settings, app)| {
                replace.send_replace(app);
                settings
            });
            observe::reloaded(asked, &outcome);
        }
    });
    // The log needs the client's address.
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    // axum 0.8 never returns an error here. In the next axum, `serve` returns `()`, so `?` would not compile.
    let _ = axum::serve(listener, service).with_graceful_shutdown(shutdown).await;
    Ok(())
}

/// Notified by SIGHUP. A signal after this function has returned is not missed.
fn reload_signal() -> io::Result<Arc<Notify>> {
    let asked = Arc::new(Notify::new());
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut hangup = signal(SignalKind::hangup())?;
        let notified = asked.clone();
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                notified.notify_one();
            }
        });
    }
    Ok(asked)
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
