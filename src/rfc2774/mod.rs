//! The HTTP Extension Framework (RFC 2774): mandatory extensions, `M-` methods, and `510`.
//!
//! RFC 2774 is **Historic**, and IANA marks `510` as obsolete. Do not use it for anything new. The module is
//! for servers and proxies whose clients use it.
//!
//! [`mandatory_extensions`](crate::MethodPolicyLayer::mandatory_extensions) enables this table. The layer
//! applies it before row 2 of the [decision table](crate::guide::decisions). The first row that matches wins.
//!
//! | condition | answer | source |
//! |---|---|---|
//! | the method is exactly `GET` or `HEAD` | forward | RFC 9110 §9.1 |
//! | a declaration is malformed | `400`; a [responder](crate::Respond) can show the mistake and its position | RFC 2774 §3 |
//! | a mandatory declaration, but no `M-` method | `510` | §5 |
//! | an `M-` method without a mandatory declaration | `510` | §5 |
//! | a mandatory extension is not supported (at a [proxy](MandatoryExtensions::at_proxy): a hop-by-hop one) | `510`; a responder can show it and the supported ones | §5, §7, §14 |
//! | two extensions use the same header prefix, and at least one does not permit it | `400` | §4 |
//! | an `M-` method, and every mandatory extension is supported | the rest of the table decides about the method without `M-` | §5 |
//! | anything else | the rest of the table decides | |
//!
//! - `Man` and `Opt` apply in every version. `C-Man` and `C-Opt` apply only in HTTP/1.1, and only if
//!   `Connection` lists them (RFC 9110 §7.6.1). In HTTP/1.0, a field that `Connection` lists is ignored and
//!   is not forwarded with an `M-` method (RFC 2774 §5).
//! - Rules list the method without `M-`: if a rule lists `PUT`, `M-PUT` is forwarded. `M-GET` and `M-HEAD` are
//!   forwarded without a rule. If the layer answers `OPTIONS`, so is `M-OPTIONS`.
//! - The forwarded request keeps its method. Its [`http::Extensions`] contain the [`Declarations`].
//! - A request may have at most 100 declarations and 100 parameters. More is malformed.
//! - The layer acknowledges the extensions in a successful response to a forwarded `M-` request (§5.1). For
//!   `C-Man`, it adds `C-Ext` and `Connection: C-Ext`. For `Man` at an origin server, it adds `Ext` and
//!   `Cache-Control: no-cache="Ext"`, and for an HTTP/1.0 client also a past `Expires`.
//!
//! ```
//! use http::{Method, Request, Response};
//! use http_body_util::Empty;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_method_policy::rfc2774::{Declarations, MandatoryExtensions};
//! use tower_method_policy::{MethodPolicyLayer, Policy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let extensions = MandatoryExtensions::at_origin().support("http://www.example.org/copy")?;
//! let service = MethodPolicyLayer::new(Policy::new().fallback([Method::PUT]))
//!     .mandatory_extensions(extensions)
//!     .layer(service_fn(async |request: Request<Empty<&'static [u8]>>| {
//!         let declared = request.extensions().get::<Declarations>().unwrap();
//!         assert_eq!(declared.iter().next().unwrap().prefix(), Some("16"));
//!         Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//!     }));
//!
//! let request = |extension| {
//!     Request::builder().method("M-PUT").header("man", extension).body(Empty::new())
//! };
//! let fulfilled = service.clone().oneshot(request(r#""http://www.example.org/copy"; ns=16"#)?).await?;
//! assert_eq!(fulfilled.status(), 200);
//! assert_eq!(fulfilled.headers()["ext"], "");
//!
//! let rejected = service.oneshot(request(r#""http://www.example.org/move""#)?).await?;
//! assert_eq!(rejected.status(), 510);
//! # Ok(())
//! # }
//! ```

mod acknowledgement;
mod declaration;
mod lists;
mod mandatory;
mod parse;
mod problem;

pub(crate) use self::acknowledgement::Acknowledgement;
pub use self::declaration::{Declaration, Declarations};
pub(crate) use self::mandatory::{Fulfillable, Verdict};
pub use self::mandatory::{IdentifierError, MandatoryExtensions};
pub(crate) use self::problem::ExtensionProblem;
