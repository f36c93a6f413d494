//! A server for those who run it: an axum application behind a policy that is read from a file, read
//! again while the server runs, counted for Prometheus and logged as JSON.
//!
//! ```text
//! cargo run --manifest-path examples/operations/Cargo.toml [-- ADDRESS [FILE]]
//!                                             # by default 127.0.0.1:3000 and policy.toml beside this
//!
//! curl -i http://127.0.0.1:3000/ -X DELETE    # 405, Allow: GET, HEAD, POST, OPTIONS
//! curl -i http://127.0.0.1:3000/ -X FOO       # 501, Retry-After: 3600
//! curl -i http://127.0.0.1:3000/notes/1 -X DELETE  # 200
//! curl http://127.0.0.1:3000/metrics          # both rejections, counted
//!
//! sed -i 's/^report_only = .*/report_only = true/' examples/operations/policy.toml
//! curl -i http://127.0.0.1:3000/ -X FOO       # 200: only counted, with enforced="false"
//! kill -HUP $(pidof operations)               # reads the file although it has not changed
//! ```
//!
//! Settings that are invalid change nothing: the server goes on with those that it has, logs the line
//! and the column of the mistake, and says so by `method_policy_last_reload_successful`. When it
//! starts, they are an error.
//!
//! Replace the file by renaming another one to its name, as editors, configuration management and
//! Kubernetes do: one that is written in place may be read when only a part of it is there. If the file
//! is a symbolic link to another directory, changes over there are not seen, and SIGHUP is what makes
//! the server read it. `RUST_LOG=debug` logs each rejection.
//!
//! `[candidate]` in the file is a second policy, which is tried beside the one that is in force: it only
//! counts, with `enforced="false"`, and `http_method_would_reject_total` says with which status the
//! application answered what it would have rejected. How to read all of that is in `docs/owners.md`.
//!
//! `/metrics` is public here, for the sake of brevity; serve it from another address where clients
//! should not see it.

#[path = "../../common/mod.rs"]
mod common;
mod observe;
mod reloading;
mod settings;
mod watch;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::http::Method;
use axum::middleware::map_response;
use axum::routing::{any, get};
use tower::ServiceBuilder;
use tower::util::Either;
use tower_method_policy::{MethodPolicy, MethodPolicyLayer, ProblemDetails};

use crate::reloading::Reloading;
use crate::settings::{File, Settings};
use crate::watch::{Change, Changes};

/// The application, which would do whatever it is asked for.
fn router() -> Router {
    let done = any(async |method: Method| format!("{method} done\n"));
    Router::new()
        .route("/", done.clone())
        .route("/{*path}", done)
}

/// The router behind the policy that is in force.
type Enforced = MethodPolicy<Router, ProblemDetails>;

/// Around that, a policy that only reports, if one is tried.
type Covered = Either<MethodPolicy<Enforced>, Enforced>;

/// The router behind the policies of these settings.
fn covered(router: Router, settings: &Settings) -> Covered {
    let mut policy = MethodPolicyLayer::new(settings.policy.clone())
        .report_only(settings.report_only)
        .respond_with(ProblemDetails)
        .on_rejection(observe::rejection);
    if let Some(retry_after) = settings.retry_after.clone() {
        policy = policy.retry_after(retry_after);
    }
    if let Some(cache_control) = settings.cache_control.clone() {
        policy = policy.cache_control(cache_control);
    }
    let candidate = settings.candidate.clone().map(|policy| {
        MethodPolicyLayer::new(policy)
            .report_only(true)
            .on_rejection(observe::rejection)
    });
    ServiceBuilder::new()
        .option_layer(candidate)
        .layer(policy)
        .service(router)
}

/// Applies the file's settings whenever it changes.
async fn reload(mut file: File, mut changes: Changes, service: Reloading<Covered>, router: Router) {
    loop {
        let change = changes.next().await;
        let outcome = match change {
            Change::Seen => file.read_if_changed().await,
            Change::Asked => Some(file.read().await),
        };
        let Some(outcome) = outcome else { continue };
        if let Ok(settings) = &outcome {
            service.replace(covered(router.clone(), settings));
        }
        observe::reloaded(change, &outcome);
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/policy.toml");
    let [address, path] = common::arguments(["127.0.0.1:3000", default])?;
    observe::log();
    let metrics = observe::metrics()?;
    let router = router().route("/metrics", get(async move || observe::scrape(&metrics)));

    let mut file = File::new(path);
    // Before the file is read for the first time, so that no change falls between.
    let changes = Changes::of(file.path())?;
    let settings = file.read().await.map_err(|problem| {
        let path = file.path().display();
        match problem.place() {
            Some((line, column)) => format!("{path}:{line}:{column}: {problem}"),
            None => format!("{path}: {problem}"),
        }
    })?;
    observe::started(&settings);
    let service = Reloading::new(covered(router.clone(), &settings));
    let app = Router::new()
        .fallback_service(service.clone())
        .layer(map_response(observe::response))
        // For the log to say who asks.
        .into_make_service_with_connect_info::<SocketAddr>();

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen_on(&address).await?;
    tokio::spawn(reload(file, changes, service, router));
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
