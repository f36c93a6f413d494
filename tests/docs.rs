//! Checks statements in the documentation that no other test checks.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::ALLOW;
use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tower_method_policy::MethodPolicyLayer;

const README: &str = include_str!("../README.md");
const LIB: &str = include_str!("../src/lib.rs");
const DECIDE: &str = include_str!("../src/decide.rs");

/// Returns the comments that `decide.rs` must have: one for each row of the table in the documentation.
fn row_comments() -> Vec<String> {
    let docs = LIB.lines().filter_map(|line| line.strip_prefix("//! "));
    let table = docs.skip_while(|line| !line.starts_with("| # | condition |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let rows = rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, _, sources] = cells[..] else {
            panic!("{row}");
        };
        match sources.split(',').next() {
            Some("") | None => format!("// Row {number}.\n"),
            Some(source) => format!("// Row {number} ({source}).\n"),
        }
    });
    rows.collect()
}

#[test]
fn decide_rs_has_the_rows_of_the_decision_table_in_order() {
    let rows = row_comments();
    assert_eq!(rows.len(), 6);
    let mut last = 0;
    for (number, comment) in (1..).zip(rows) {
        assert!(comment.starts_with(&format!("// Row {number}")), "{comment}");
        let at = DECIDE.find(&comment).expect(&comment);
        assert!(at > last, "{comment}");
        last = at;
    }
    assert!(!DECIDE.contains("Row 7"));
}

/// Sends `method /users`, the request in the README. Returns the answer of the router alone, and
/// the answer with the layer around the router.
async fn answers(method: &str) -> [Response<Body>; 2] {
    let router = Router::new().route("/users", get("users").post("created"));
    let app = MethodPolicyLayer::default().answer_options(true).layer(router.clone());
    let request = || {
        let request = Request::builder().method(method).uri("/users");
        request.body(Body::empty()).unwrap()
    };
    let Ok(alone) = router.oneshot(request()).await;
    let Ok(answer) = app.oneshot(request()).await;
    [alone, answer]
}

#[tokio::test]
async fn the_first_table_of_the_readme_shows_the_answers() {
    let rows = README.lines().filter(|line| line.contains(" /users`"));
    let rows: Vec<_> = rows.collect();
    let methods = ["FOO", "DELETE", "OPTIONS"];
    assert_eq!(rows.len(), methods.len());
    for (row, method) in rows.iter().zip(methods) {
        assert!(row.starts_with(&format!("| `{method} /users`")), "{row}");
        let [alone, answer] = answers(method).await;
        let status = answer.status().as_u16();
        assert!(row.contains(&format!("`{status}`")), "{row}");
        assert_eq!(alone.status(), 405);
        if let Some((_, text)) = row.split_once("axum alone: `") {
            assert!(text.starts_with("405"), "{row}");
        }
        if let Some((_, text)) = row.split_once("`Allow: ") {
            let allow = answer.headers()[ALLOW].to_str().unwrap();
            assert!(text.starts_with(&format!("{allow}`")), "{row}");
        }
    }
}
