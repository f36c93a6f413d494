//! Compares the crate with the model of the decision tables, on random layers, requests, and responses of the inner
//! service. A forwarded request arrives unchanged, although a shortcut forwards most requests.

#[path = "support/model/mod.rs"]
mod model;
#[path = "support/random/mod.rs"]
mod random;

use std::panic;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

/// The shortcut uses only method and path. Under all settings, it may forward a request only if the table forwards
/// it.
#[test]
fn every_layer_follows_the_decision_tables() {
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() };
    let mut runner = TestRunner::new(config);
    // Only the failure of the shortest input is printed.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = runner.run(&vec(any::<u8>(), 0..2048), |bytes| {
        random::check(&bytes, false);
        Ok(())
    });
    panic::set_hook(hook);
    if let Err(TestError::Fail(_, bytes)) = &result {
        println!("{bytes:?}");
        random::check(bytes, true);
    }
    result.expect("every input passes");
}
