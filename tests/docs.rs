//! Statements of the documentation that no other test checks.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::fs;
use std::path::Path;

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
const PICTURE: &str = include_str!("../docs/decision.svg");

/// The number and the first source of each row of the decision table.
fn decision_table() -> Vec<(String, String)> {
    let docs = LIB.lines().filter_map(|line| line.strip_prefix("//! "));
    let table = docs.skip_while(|line| !line.starts_with("| # | condition |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let rows = rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let source = cells[3].split(',').next().unwrap();
        (cells[0].to_owned(), source.to_owned())
    });
    rows.collect()
}

#[test]
fn the_code_has_the_rows_of_the_decision_table_in_their_order() {
    let rows = decision_table();
    let numbers: Vec<_> = rows.iter().map(|(number, _)| number.as_str()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6"]);
    let mut last = 0;
    for (number, source) in rows {
        let comment = if source.is_empty() {
            format!("// Row {number}.\n")
        } else {
            format!("// Row {number} ({source}).\n")
        };
        let at = DECIDE.find(&comment).expect(&comment);
        assert!(at > last, "{comment}");
        last = at;
    }
    assert!(!DECIDE.contains("Row 7"));
}

/// The texts of the picture, from left to right and from top to bottom.
fn texts_of_the_picture() -> Vec<&'static str> {
    let ends = PICTURE
        .split("</text>")
        .filter(|part| part.contains("<text "));
    ends.map(|part| part.rsplit_once('>').unwrap().1).collect()
}

/// Status, and `Allow` if there is one, as the picture shows them.
fn shown<B>(response: &Response<B>) -> String {
    let allow = if response.headers().contains_key(ALLOW) {
        " + Allow"
    } else {
        ""
    };
    format!("{}{allow}", response.status().as_u16())
}

/// The layer and the route that the README and the picture show.
fn app() -> (impl Layer<Router, Service = App>, Router) {
    let layer = MethodPolicyLayer::default().answer_options(true);
    let router = Router::new().route("/users", get("users").post("created"));
    (layer, router)
}

type App = tower_method_policy::MethodPolicy<Router>;

fn users(method: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri("/users");
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_picture_shows_the_answers_of_a_router_alone_and_behind_the_layer() {
    let texts = texts_of_the_picture();
    let header = ["request", "router alone", "layer", "router", "answer"];
    let (first, rows) = texts.split_at(header.len());
    assert_eq!(first, header);

    let rows: Vec<_> = rows.chunks(4).collect();
    let methods: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(methods, ["GET", "DELETE", "OPTIONS", "FOO"]);
    let (layer, router) = app();
    for row in rows {
        let alone = router.clone().oneshot(users(row[0])).await.unwrap();
        let answer = layer
            .layer(router.clone())
            .oneshot(users(row[0]))
            .await
            .unwrap();
        assert_eq!(row[1], alone.status().as_str(), "{row:?}");
        // The router answers all but the last one behind the layer, too.
        let by = if row[0] == "FOO" { &answer } else { &alone };
        assert_eq!(row[2], by.status().as_str(), "{row:?}");
        assert_eq!(row[3], shown(&answer), "{row:?}");
    }
}

#[tokio::test]
async fn the_readme_s_first_table_is_true() {
    let (layer, router) = app();
    let rows: Vec<_> = README
        .lines()
        .filter(|line| line.contains(" /users`"))
        .collect();
    for (row, method, answer, alone) in [
        (rows[0], "FOO", "501", "405"),
        (rows[1], "DELETE", "405", "405"),
        (rows[2], "OPTIONS", "200", "405"),
    ] {
        assert!(row.starts_with(&format!("| `{method} /users`")), "{row}");
        let by_layer = layer
            .layer(router.clone())
            .oneshot(users(method))
            .await
            .unwrap();
        let by_router = router.clone().oneshot(users(method)).await.unwrap();
        assert_eq!(
            (by_layer.status().as_str(), by_router.status().as_str()),
            (answer, alone)
        );
        assert!(row.contains(&format!("`{answer}`")), "{row}");
        if let Some((_, said)) = row.split_once("axum alone: `") {
            assert!(said.starts_with(alone), "{row}");
        }
        if let Some((_, said)) = row.split_once("`Allow: ") {
            let allow = by_layer.headers()[ALLOW].to_str().unwrap();
            assert!(said.starts_with(&format!("{allow}`")), "{row}");
        }
    }
    assert_eq!(rows.len(), 3);
}

// The example is a package of its own.
#[test]
fn the_alerts_on_the_page_for_operators_are_the_tested_ones() {
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/operations/alerts.yml");
    let Ok(alerts) = fs::read_to_string(alerts) else {
        return;
    };
    let page = include_str!("../docs/operators.md");
    let shown = page.split("```yaml\n").skip(1);
    let shown = shown.map(|block| block.split_once("```").unwrap().0);
    let shown: Vec<_> = shown.filter(|block| block.contains("alert: ")).collect();
    assert!(!shown.is_empty());
    for block in shown {
        assert!(alerts.contains(block), "{block}");
    }
}
