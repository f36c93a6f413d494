//! Replays every committed input of every target, and the inputs that a fuzzer failed with here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tower_method_policy_fuzz::{SITUATIONS, layer, policy_data};

/// The inputs of `target`, each with its file's name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = |kind: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind);
        path.join(target)
    };
    let mut inputs = Vec::new();
    for directory in [directory("seeds"), directory("artifacts")] {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            let data = fs::read(&path).expect("a file");
            inputs.push((path.display().to_string(), data));
        }
    }
    inputs.sort();
    inputs
}

fn replay(target: &str, mut run: impl FnMut(&[u8])) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty());
    for (path, data) in inputs {
        println!("{path}");
        run(&data);
    }
}

/// `cargo run --example seeds` writes them.
#[test]
fn layer_seeds_have_every_situation() {
    let mut seen = BTreeSet::new();
    replay("layer", |data| seen.extend(layer(data)));
    assert_eq!(seen, SITUATIONS.iter().copied().collect());
}

#[test]
fn policy_data_seeds_pass() {
    replay("policy_data", |data| {
        if let Ok(text) = std::str::from_utf8(data) {
            policy_data(text);
        }
    });
}
