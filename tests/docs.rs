//! The same statement in two places is the same.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::fs;
use std::path::Path;

/// Leaves `text` of `[text](target)`.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((words, link)) = link.split_once("](") else {
            break;
        };
        let (_, after) = link.split_once(')').expect("the end of a link");
        plain += before;
        plain += words;
        rest = after;
    }
    plain + rest
}

/// The rows of the decision table, without links.
fn decision_table<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let table = lines.skip_while(|line| !line.starts_with("| # | condition |"));
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(without_links).collect()
}

#[test]
fn the_readme_has_the_decision_table_of_the_crates_documentation() {
    let documentation = include_str!("../src/lib.rs").lines();
    let documented = decision_table(documentation.filter_map(|line| line.strip_prefix("//! ")));
    assert!(documented.len() > 2);
    assert_eq!(
        decision_table(include_str!("../README.md").lines()),
        documented
    );
}

// The published package does not have the example.
#[test]
fn the_alert_in_the_guide_is_the_tested_one() {
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/operations/alerts.yml");
    let Ok(alerts) = fs::read_to_string(alerts) else {
        return;
    };
    let (_, shown) = include_str!("../docs/owners.md")
        .split_once("```yaml\n")
        .unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert!(shown.contains("alert: NewMethodWanted"));
    assert!(alerts.contains(shown));
}
