#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    tower_method_policy_fuzz::policy_data(text);
});
