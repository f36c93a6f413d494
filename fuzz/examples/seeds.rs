//! Writes `seeds/layer` anew: an input for each situation, found by chance and cut down.

use std::fs;
use std::path::Path;

use tower_method_policy_fuzz::{SITUATIONS, layer};

fn main() -> std::io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/layer");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    let mut random = Random(0);
    let mut missing = SITUATIONS.to_vec();
    for _ in 0..20_000_000 {
        if missing.is_empty() {
            break;
        }
        let input = random.input();
        for situation in layer(&input) {
            let Some(at) = missing.iter().position(|other| *other == situation) else {
                continue;
            };
            missing.swap_remove(at);
            println!("{situation}");
            let file = situation.replace(", ", "_").replace(' ', "_");
            fs::write(directory.join(file), cut(input.clone(), situation))?;
        }
    }
    assert!(missing.is_empty(), "not found: {missing:?}");
    Ok(())
}

/// As little of `input` as is enough for `situation`.
fn cut(mut input: Vec<u8>, situation: &str) -> Vec<u8> {
    let is_enough = |input: &[u8]| !input.is_empty() && layer(input).contains(&situation);
    for at in (0..input.len()).rev() {
        let mut zeroed = input.clone();
        zeroed[at] = 0;
        let mut without = input.clone();
        without.remove(at);
        if let Some(less) = [without, zeroed].into_iter().find(|less| is_enough(less)) {
            input = less;
        }
    }
    while input.len() > 1 && input.last() == Some(&0) {
        input.pop();
    }
    input
}

/// SplitMix64, so that the inputs are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn input(&mut self) -> Vec<u8> {
        let length = 32 + self.next() % 384;
        (0..length).map(|_| self.next() as u8).collect()
    }
}
