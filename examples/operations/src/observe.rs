//! Metrics and logs.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::response::IntoResponse;
use http::request::Parts;
use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tower_method_policy::{MethodSet, Reason, Rejection, WouldReject, method_excerpt};
use tracing::{debug, error, info};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::Settings;

/// The values of the labels `policy` and `answered_by`.
pub(crate) const CURRENT: &str = "current";
pub(crate) const CANDIDATE: &str = "candidate";
const APPLICATION: &str = "application";

const REJECTIONS: &str = "http_method_rejections_total";
const WOULD_REJECT: &str = "http_method_would_reject_total";
const RELOADS: &str = "method_policy_reloads_total";
const LAST_RELOAD: &str = "method_policy_last_reload_successful";
const REPORT_ONLY: &str = "method_policy_report_only";

/// How many characters of a client's value are logged. Clients send up to 64 KiB.
const MAX_LENGTH: usize = 256;

/// Logs to stdout, one JSON object per line. `RUST_LOG` sets the level, and `info` is the default.
pub(crate) fn log() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter.from_env_lossy())
        .init();
}

pub(crate) fn metrics() -> Result<PrometheusHandle, BuildError> {
    // `run_upkeep` is only for histograms, and there are none.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    describe_counter!(REJECTIONS, "Requests that a policy rejected or only reported.");
    describe_counter!(WOULD_REJECT, "Answers to requests that a policy only reported.");
    describe_counter!(RELOADS, "How often the settings were read again.");
    describe_gauge!(LAST_RELOAD, "Whether the settings that were read last apply.");
    describe_gauge!(REPORT_ONLY, "Whether the current policy only reports.");
    // Each series starts at 0, so Prometheus sees the first increase.
    for outcome in ["applied", "invalid"] {
        counter!(RELOADS, "outcome" => outcome).increment(0);
    }
    for policy in [CURRENT, CANDIDATE] {
        for reason in [Reason::NotAllowed, Reason::NotImplemented] {
            would_reject(policy, reason, APPLICATION, "2xx".to_owned()).increment(0);
        }
    }
    Ok(metrics)
}

/// Answers a scrape.
pub(crate) fn scrape(metrics: &PrometheusHandle) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

/// Counts and logs a rejection by one of the policies.
pub(crate) fn rejection(policy: &'static str, rejection: &Rejection, request: &Parts) {
    // Clients choose method names, so a label taken from the request would have unbounded cardinality.
    // The label is a registered name or `_OTHER`. It is not limited to the methods of the policy, because the
    // counter should show which unrecognized methods clients want.
    let method = MethodSet::REGISTERED.name_or_other(&request.method);
    let reason = rejection.reason().as_str();
    let enforced = rejection.is_enforced();
    counter!(
        REJECTIONS,
        "policy" => policy,
        "reason" => reason,
        "method" => method.to_owned(),
        "enforced" => if enforced { "true" } else { "false" },
    )
    .increment(1);

    // The names are those of OpenTelemetry's semantic conventions. The level is DEBUG because clients
    // decide how many events there are: a scanner must neither fill a disk nor page an operator. Alert
    // on the counter instead. A policy that only reports has no status here, because the request has not
    // been forwarded yet.
    let is_other = method != request.method.as_str();
    let status = enforced.then(|| rejection.status().as_u16());
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let user_agent = request.headers.get(USER_AGENT);
    debug!(
        policy,
        http.request.method = method,
        http.request.method_original =
            is_other.then(|| tracing::field::display(method_excerpt(&request.method))),
        url.path = printable(request.uri.path()),
        http.response.status_code = status,
        "error.type" = reason,
        // Behind a proxy, this is the proxy's address. The proxy sends the client's address in a header field.
        network.peer.address = peer.map(|ConnectInfo(peer)| tracing::field::display(peer.ip())),
        user_agent.original =
            user_agent.map(|value| printable(&String::from_utf8_lossy(value.as_bytes()))),
        rule = rejection.rule().map(tracing::field::display),
        enforced,
        "{rejection}"
    );
}

/// At most `MAX_LENGTH` characters of a client's text. Characters that control a terminal, change the direction of
/// text, or are invisible become `\u{…}`. JSON escapes only some of them, and tools such as `jq -r` undo that.
fn printable(text: &str) -> String {
    let mut printable = String::new();
    for character in text.chars().take(MAX_LENGTH) {
        match character {
            '"' | '\'' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    printable
}

/// Counts an answer to a request that `policy` would have rejected if it were enforced.
pub(crate) fn answer<B>(policy: &'static str, mut response: Response<B>) -> Response<B> {
    let extensions = response.extensions_mut();
    // The mark is removed, because the candidate outside must not count the current policy's mark.
    if let Some(mark) = extensions.remove::<WouldReject>() {
        let is_rejected = extensions.get::<Rejection>().is_some();
        let answered_by = if is_rejected { CURRENT } else { APPLICATION };
        let status = format!("{}xx", response.status().as_u16() / 100);
        would_reject(policy, mark.rejection().reason(), answered_by, status).increment(1);
    }
    response
}

fn would_reject(
    policy: &'static str,
    reason: Reason,
    answered_by: &'static str,
    status: String,
) -> Counter {
    let reason = reason.as_str();
    counter!(WOULD_REJECT, "policy" => policy, "reason" => reason, "answered_by" => answered_by, "status" => status)
}

/// Sets the gauges after `settings` were applied.
pub(crate) fn applied(settings: &Settings) {
    gauge!(LAST_RELOAD).set(1);
    gauge!(REPORT_ONLY).set(u8::from(settings.report_only));
}

/// Counts and logs a read of the settings. They apply unless there is an error.
pub(crate) fn reloaded(asked: bool, outcome: &Result<Settings, String>) {
    match outcome {
        Ok(settings) => {
            applied(settings);
            counter!(RELOADS, "outcome" => "applied").increment(1);
            let report_only = settings.report_only;
            let candidate = settings.candidate.is_some();
            info!(asked, report_only, candidate, "settings reloaded");
        }
        Err(error) => {
            gauge!(LAST_RELOAD).set(0);
            counter!(RELOADS, "outcome" => "invalid").increment(1);
            error!(asked, error, "settings kept as they were");
        }
    }
}
