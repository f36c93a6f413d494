//! Replays the committed inputs of each target, and the failing inputs that a fuzzer stored on this machine.

use std::fs;
use std::path::Path;

use tower_method_policy_fuzz::{layer, policy_data};

fn replay(target: &str, run: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = fs::read_dir(root.join("seeds").join(target)).expect("seeds");
    let artifacts = fs::read_dir(root.join("artifacts").join(target));
    for entry in seeds.chain(artifacts.into_iter().flatten()) {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        run(&fs::read(path).expect("a file"));
    }
}

#[test]
fn layer_seeds_pass() {
    replay("layer", layer);
}

#[test]
fn policy_data_seeds_pass() {
    replay("policy_data", |data| policy_data(&String::from_utf8_lossy(data)));
}
