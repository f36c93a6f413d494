//! Checks statements in the documentation that no other test checks.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use http::Request;
use http::header::ALLOW;
use tower::ServiceExt;

const README: &str = include_str!("../README.md");
const DECISIONS: &str = include_str!("../docs/decisions.md");
const DECIDE: &str = include_str!("../src/decide.rs");
const PROGRAM: &str = include_str!("../examples/axum.rs");

#[test]
fn the_program_of_the_readme_is_the_axum_example() {
    let code = PROGRAM.split_once("\n\n").unwrap().1;
    let block = README.split_once("```rust,no_run\n").unwrap().1;
    assert_eq!(block.split_once("```\n").unwrap().0, code);
}

/// A block of shell commands with `cargo add` is in front of each block of Rust.
#[test]
fn each_rust_block_of_the_readme_uses_the_crates_that_cargo_adds() {
    let mut checked = 0;
    let mut added = "";
    for block in README.split("```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        if language == "sh" {
            added = text;
        } else if language.starts_with("rust") {
            let names = text.lines().filter_map(|line| line.strip_prefix("use "));
            for name in names.map(|path| path.split("::").next().unwrap().replace('_', "-")) {
                let is_added =
                    added.split_whitespace().any(|word| word.split('@').next() == Some(&name));
                assert!(added.starts_with("cargo add ") && is_added, "{name}: {added}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 6);
}

/// Returns the comments that `decide.rs` must have: one for each row of the table in the documentation.
fn row_comments() -> Vec<String> {
    let table = DECISIONS.lines().skip_while(|line| !line.starts_with("| # | condition |"));
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

/// `tests/examples.rs` compares the last column with the answers of the program.
#[tokio::test]
async fn the_table_of_the_readme_shows_the_answers_of_axum_alone() {
    let router =
        Router::new().route("/users", get("users").post("created")).route("/any", any("any"));
    let rows: Vec<_> = README.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 5);
    for row in rows {
        let cells: Vec<_> = row.split(" | ").collect();
        let (method, path) = cells[0].trim_matches(['|', ' ', '`']).split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        let Ok(answer) = router.clone().oneshot(request.unwrap()).await;
        let allow = if answer.headers().contains_key(ALLOW) { " and `Allow`" } else { "" };
        assert_eq!(cells[1], format!("`{}`{allow}", answer.status().as_u16()), "{row}");
    }
}
