//! What is said in more than one place is the same everywhere, and what the README links to is there.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::fs;
use std::path::Path;

const README: &str = include_str!("../README.md");

/// The documentation of the crate, as Markdown.
fn crate_docs() -> String {
    include_str!("../src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect()
}

/// `[text](target)` as `text`.
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

/// The rows of the decision table in `markdown`, with their links left out.
fn decision_table(markdown: &str) -> Vec<String> {
    let lines = markdown.lines();
    let table = lines.skip_while(|line| !line.starts_with("| # | condition |"));
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(without_links).collect()
}

#[test]
fn the_readme_has_the_decision_table_of_the_crates_documentation() {
    let documented = decision_table(&crate_docs());
    // A header, the line below it, and five rows.
    assert_eq!(documented.len(), 7);
    assert_eq!(decision_table(README), documented);
}

/// Each row of the table is in the picture, with the same source.
#[test]
fn the_picture_has_the_rows_and_the_sources_of_the_decision_table() {
    let picture = include_str!("../docs/decision.svg");
    for row in &decision_table(README)[2..] {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (number, source) = (cells.next().unwrap(), cells.next_back().unwrap());
        let number = format!(">{number}</text>");
        assert!(picture.contains(&number), "{row}");
        assert!(picture.contains(source), "{row}");
    }
}

/// rustdoc takes it for HTML as far as to the first blank line.
#[test]
fn the_picture_can_be_put_into_the_documentation() {
    let picture = include_str!("../docs/decision.svg");
    assert!(picture.starts_with("<svg "));
    assert!(picture.lines().all(|line| !line.trim().is_empty()));
}

/// What the layer adds, as `+13`.
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
fn every_count_is_one_of_the_last_results() {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/README.md");
    let Ok(benches) = fs::read_to_string(benches) else {
        return;
    };
    let results = counts(&benches);
    assert!(results.len() > 50);
    for count in [counts(README), counts(&crate_docs())].concat() {
        assert!(
            results.contains(&count),
            "{count} is not in benches/README.md"
        );
    }
}

// The example is a package of its own, and not in this one.
#[test]
fn the_alert_that_owners_are_shown_is_the_one_that_is_tested() {
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

/// The headings that the README links to, as rustdoc makes anchors of them.
#[test]
fn the_sections_that_the_readme_links_to_exist() {
    let documentation = crate_docs();
    let headings = documentation.lines().filter_map(|line| {
        let heading = line.strip_prefix("# ")?;
        Some(heading.to_lowercase().replace(' ', "-"))
    });
    let headings: Vec<_> = headings.collect();
    let links = README.split("/latest/tower_method_policy/#").skip(1);
    let anchors = links.map(|link| link.split_once(')').expect("the end of a link").0);
    for anchor in anchors {
        assert!(headings.iter().any(|heading| heading == anchor), "{anchor}");
    }
}
