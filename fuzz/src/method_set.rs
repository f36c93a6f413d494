use tower_method_policy::{MethodSet, ParseMethodSetError};

/// Any text: a set of methods that reads itself again, or an error with a position inside the text.
pub fn method_set(text: &str) {
    match text.parse::<MethodSet>() {
        Ok(set) => assert_eq!(set.to_string().parse(), Ok(set)),
        Err(ParseMethodSetError::InvalidToken {
            token, position, ..
        }) => {
            assert!(text[position..].starts_with(&token));
        }
        Err(other) => panic!("{other}"),
    }
}
