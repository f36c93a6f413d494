use http::{HeaderMap, HeaderValue, Version};
use tower_method_policy::rfc2774::Declarations;

/// Header fields of any bytes: declarations or an error, never a panic; and what is understood is
/// understood again in its own words.
pub fn declarations(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut lines = data.split(|&byte| byte == b'\n');
    for name in ["connection", "man", "c-man", "opt", "c-opt", "man"] {
        if let Some(Ok(value)) = lines.next().map(HeaderValue::from_bytes) {
            headers.append(name, value);
        }
    }
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
        let Ok(declarations) = Declarations::of(version, &headers) else {
            continue;
        };
        for declaration in &declarations {
            let mut again = HeaderMap::new();
            let shown = HeaderValue::try_from(declaration.to_string()).expect("visible ASCII");
            again.insert("man", shown);
            let again = Declarations::of(Version::HTTP_11, &again).expect("a declaration");
            let again = again.iter().next().expect("one");
            assert_eq!(again.identifier(), declaration.identifier());
            assert!(again.parameters().eq(declaration.parameters()));
        }
    }
}
