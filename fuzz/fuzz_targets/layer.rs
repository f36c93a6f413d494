#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    tower_method_policy_fuzz::layer(data);
});
