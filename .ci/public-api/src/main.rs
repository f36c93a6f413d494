//! Compares the public face of the crate with `docs/public-api.txt`, which lists it, and with the crates
//! whose types it may show.
//!
//! ```text
//! cargo run -p method-policy-public-api            # fails where they differ
//! cargo run -p method-policy-public-api -- --write # writes the list anew
//! ```
//!
//! It ends with 2 where rustdoc's JSON is of another format than the one that it reads.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use public_api::PublicApi;

/// Whose types are in the public face; `serde_core`'s with the feature `serde` only.
const CRATES: [&str; 10] = [
    "alloc",
    "bytes",
    "core",
    "http",
    "http_body",
    "serde_core",
    "std",
    "tower_layer",
    "tower_method_policy",
    "tower_service",
];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<ExitCode> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let api = match public_api(root)? {
        Ok(api) => api,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(2));
        }
    };
    let lines = api.items().map(ToString::to_string);
    // An auto trait, too, but written by `pin-project-lite`, in its own terms.
    let lines = lines.filter(|line| !line.contains(" core::marker::Unpin for "));
    let lines: Vec<_> = lines.collect();
    let foreign: BTreeSet<_> = lines.iter().flat_map(|line| foreign(line)).collect();
    if !foreign.is_empty() {
        return Err(format!("types of other crates in the public face: {foreign:?}").into());
    }

    let listed = root.join("docs/public-api.txt");
    if env::args().any(|argument| argument == "--write") {
        fs::write(listed, lines.join("\n") + "\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let listed = fs::read_to_string(listed)?;
    let listed: BTreeSet<_> = listed.lines().collect();
    let seen: BTreeSet<_> = lines.iter().map(String::as_str).collect();
    for line in listed.difference(&seen) {
        println!("-{line}");
    }
    for line in seen.difference(&listed) {
        println!("+{line}");
    }
    if seen != listed {
        return Err("docs/public-api.txt is not the public face: --write writes it anew".into());
    }
    println!("public face: {} items, as listed", lines.len());
    Ok(ExitCode::SUCCESS)
}

/// What rustdoc says of it, with all features; derived impls too, but neither those of auto traits, which
/// are tested, nor blanket ones.
fn public_api(root: &Path) -> Result<public_api::Result<PublicApi>> {
    let target = root.join("target/public-api");
    let rustdoc = Command::new("cargo")
        .args(["rustdoc", "--quiet", "--all-features", "--target-dir"])
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .args(["--cap-lints", "allow"])
        // A stable rustdoc writes JSON, too, if it is told that it is not one.
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(root)
        .status()?;
    if !rustdoc.success() {
        return Err("rustdoc failed".into());
    }
    let json = target.join("doc/tower_method_policy.json");
    Ok(public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build())
}

/// The other crates that paths in `line` begin with. What begins with a capital is a type parameter.
fn foreign(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let roots = words.filter_map(|word| Some(word.trim_start_matches(':').split_once("::")?.0));
    roots.filter(|root| root.starts_with(|c: char| c.is_lowercase()) && !CRATES.contains(root))
}
