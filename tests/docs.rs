//! The documentation says the same in every place, and its statements about axum and about files are true.

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

/// The documentation of the crate, as Markdown.
fn crate_docs() -> String {
    LIB.lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect()
}

/// The number and the first source of each row of the decision table.
fn decision_table() -> Vec<(String, String)> {
    let docs = crate_docs();
    let table = docs
        .lines()
        .skip_while(|line| !line.starts_with("| # | condition |"));
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

#[test]
fn the_page_about_decisions_explains_each_row() {
    let page = include_str!("../docs/decisions.md");
    let (_, page) = page.split_once("# The rows\n").unwrap();
    let (page, _) = page.split_once("\n# ").unwrap();
    let numbers = page.lines().filter_map(|line| {
        let (number, _) = line.split_once(". ")?;
        number.parse().ok()
    });
    let numbers: Vec<usize> = numbers.collect();
    assert_eq!(numbers, (1..=decision_table().len()).collect::<Vec<_>>());
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

/// rustdoc takes it for HTML up to the first blank line.
#[test]
fn the_picture_can_be_put_into_the_documentation() {
    assert!(PICTURE.starts_with("<svg "));
    assert!(PICTURE.lines().all(|line| !line.trim().is_empty()));
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

/// The counts of instructions that the layer adds, such as `+13`.
fn counts(markdown: &str) -> Vec<&str> {
    let tokens = markdown.split(|c: char| !(c == '+' || c.is_ascii_digit()));
    let is_count = |token: &&str| match token.strip_prefix('+') {
        Some(digits) => !digits.is_empty() && !digits.contains('+'),
        None => false,
    };
    tokens.filter(is_count).collect()
}

// The benchmarks are in the repository, but not in the package.
#[test]
fn every_count_is_in_the_last_results() {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/README.md");
    let Ok(benches) = fs::read_to_string(benches) else {
        return;
    };
    let benches = benches.replace(',', "");
    let results = counts(&benches);
    assert!(!results.is_empty());
    let crate_docs = crate_docs();
    let said = [counts(README), counts(&crate_docs)].concat();
    assert!(said.len() > 3, "{said:?}");
    for count in said {
        assert!(
            results.contains(&count),
            "{count} is not in benches/README.md"
        );
    }
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

#[test]
fn the_files_that_the_readme_links_to_exist() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_packaged = !repository.join("benches").exists();
    let links = README.split("](").skip(1);
    let targets = links.map(|link| link.split_once(')').expect("the end of a link").0);
    let files: Vec<_> = targets.filter(|target| !target.contains("://")).collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        // Packages of their own.
        let is_elsewhere =
            file.starts_with("benches/") || file.starts_with("examples/") && !file.ends_with(".rs");
        let is_left_out = is_packaged && is_elsewhere;
        assert!(is_left_out || repository.join(file).exists(), "{file}");
    }
}

/// The crate's documentation links to every guide, and the README only to guides that exist.
#[test]
fn the_guides_are_linked() {
    let declared = LIB.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("guide!(")
            .or(line.strip_prefix("pub mod "))?;
        let (name, _) = rest.split_once([',', ' '])?;
        name.starts_with('_').then_some(name)
    });
    let declared: Vec<_> = declared.collect();
    assert!(declared.len() > 5, "{declared:?}");
    let docs = crate_docs();
    for guide in &declared {
        assert!(docs.contains(&format!("- [`{guide}`]:")), "{guide}");
    }
    let links = README.split("/latest/tower_method_policy/").skip(1);
    for link in links {
        let end = link.find(|c: char| !c.is_alphanumeric() && c != '_');
        let guide = &link[..end.unwrap_or(link.len())];
        assert!(declared.contains(&guide), "{guide}");
    }
}
