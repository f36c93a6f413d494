use tower_method_policy::{Policy, PolicyError};

fn policy() -> Result<Policy, PolicyError> {
    Policy::new().route("/cal", "GET, REPORT")
}

fn main() {
    policy().unwrap();
}
