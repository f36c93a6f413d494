//! Metrics and logs.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::response::IntoResponse;
use http::request::Parts;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tower_method_policy::{MethodSet, Reason, Rejection, WouldReject, method_excerpt};
use tracing::{debug, error, info};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::{Problem, Settings};
use crate::watch::Change;

const REJECTIONS: &str = "http_method_rejections_total";
const WOULD_REJECT: &str = "http_method_would_reject_total";
const RELOADS: &str = "method_policy_reloads_total";
const LAST_RELOAD: &str = "method_policy_last_reload_successful";
const REPORT_ONLY: &str = "method_policy_report_only";

/// How many characters of a path or of a field are logged: clients send up to 64 KiB.
const LONGEST: usize = 256;

/// Logs to stdout, an object of JSON on each line: from `info` on, or as `RUST_LOG` says.
pub(crate) fn log() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter.from_env_lossy())
        .init();
}

pub(crate) fn metrics() -> Result<PrometheusHandle, BuildError> {
    // Nobody has to call `run_upkeep`: that is for histograms, and there are none.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    describe_counter!(
        REJECTIONS,
        "Requests that the method policy rejects, or would reject where it is not enforced."
    );
    describe_counter!(
        WOULD_REJECT,
        "Answers of the application that a policy that only reports would have kept from it, by status."
    );
    describe_counter!(RELOADS, "How often the settings were read again.");
    describe_gauge!(
        LAST_RELOAD,
        "Whether the settings are those that were read last."
    );
    describe_gauge!(
        REPORT_ONLY,
        "Whether the method policy only reports what it would reject."
    );
    // There from the start, so that the first increase is one.
    for outcome in ["applied", "invalid"] {
        counter!(RELOADS, "outcome" => outcome).increment(0);
    }
    for reason in [Reason::NotAllowed, Reason::NotImplemented] {
        counter!(WOULD_REJECT, "reason" => reason.as_str(), "status" => "2xx").increment(0);
    }
    Ok(metrics)
}

/// Answers a scrape.
pub(crate) fn scrape(metrics: &PrometheusHandle) -> impl IntoResponse + use<> {
    let version = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, version)], metrics.render())
}

/// Counts and logs a rejection.
pub(crate) fn rejection(rejection: &Rejection, request: &Parts) {
    // Clients choose methods, so a label is one of the registered names or `_OTHER`: a series for
    // whatever they make up would cost memory here and in Prometheus. By what is registered rather than
    // by what the policy recognises, it shows what is asked for in vain.
    let method = MethodSet::REGISTERED.name_or_other(&request.method);
    let reason = rejection.reason().as_str();
    let enforced = rejection.is_enforced();
    counter!(
        REJECTIONS,
        "reason" => reason,
        "method" => method.to_owned(),
        "enforced" => if enforced { "true" } else { "false" },
    )
    .increment(1);

    // With the names of OpenTelemetry's semantic conventions. Not above DEBUG: clients decide how many
    // of these there are, and a scanner must neither fill a disk nor wake anybody. Alert on the counter
    // instead, which takes no more room however often it is increased. Where nothing is enforced, the
    // status is not known here: the request is about to be forwarded.
    let is_other = method != request.method.as_str();
    let status = enforced.then(|| rejection.status().as_u16());
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let user_agent = request.headers.get(USER_AGENT);
    debug!(
        http.request.method = method,
        http.request.method_original =
            is_other.then(|| tracing::field::display(method_excerpt(&request.method))),
        url.path = excerpt(request.uri.path()),
        http.response.status_code = status,
        "error.type" = reason,
        // Behind a proxy this is the proxy, and who asked it is in a field of its choice.
        network.peer.address = peer.map(|ConnectInfo(peer)| tracing::field::display(peer.ip())),
        user_agent.original =
            user_agent.map(|value| excerpt(&String::from_utf8_lossy(value.as_bytes()))),
        enforced,
        "method rejected"
    );
}

fn excerpt(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// Counts an answer that a policy that only reports would have replaced. A success among them says that
/// the policy is too strict.
pub(crate) async fn response<B>(response: Response<B>) -> Response<B> {
    if let Some(mark) = response.extensions().get::<WouldReject>() {
        let status = match response.status().as_u16() {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        counter!(WOULD_REJECT, "reason" => mark.reason().as_str(), "status" => status).increment(1);
    }
    response
}

/// The settings that the server starts with.
pub(crate) fn started(settings: &Settings) {
    gauge!(LAST_RELOAD).set(1);
    gauge!(REPORT_ONLY).set(u8::from(settings.report_only));
}

/// Settings have been read again, and are applied unless there is a problem with them.
pub(crate) fn reloaded(why: Change, outcome: &Result<Settings, Problem>) {
    let asked = why == Change::Asked;
    match outcome {
        Ok(settings) => {
            started(settings);
            counter!(RELOADS, "outcome" => "applied").increment(1);
            info!(
                asked,
                report_only = settings.report_only,
                "settings reloaded"
            );
        }
        Err(problem) => {
            gauge!(LAST_RELOAD).set(0);
            counter!(RELOADS, "outcome" => "invalid").increment(1);
            let (line, column) = problem.place().unzip();
            error!(asked, line, column, error = %problem, "settings kept as they were");
        }
    }
}
