//! The HTTP Extension Framework (RFC 2774): mandatory extensions, `M-` methods and `510`.
//!
//! RFC 2774 is **Historic**, and IANA marks its status code `510` as obsolete: nothing new should
//! be built on it. It is here for servers and proxies that have to meet clients that use it. The
//! feature `rfc2774` is off by default, and so are these rules in a layer until
//! [`mandatory_extensions`](crate::MethodPolicyLayer::mandatory_extensions) switches them on: till then
//! a method that begins with `M-` is a token like any other, `501` unless a policy allows it by name
//! (`M-SEARCH`, say).
//!
//! They are looked at before row 2 of the [decision table](crate#decision-table); the first that matches
//! wins.
//!
//! | condition | answer | source |
//! |---|---|---|
//! | the method is exactly `GET` or `HEAD` | forward, whatever it declares | RFC 9110 §9.1 |
//! | a declaration is malformed | `400`, saying what and where | RFC 2774 §3 |
//! | a mandatory declaration, but no `M-` method | `510`: it is not this server's to fulfil | §5 |
//! | an `M-` method without a mandatory declaration | `510` | §5 |
//! | a mandatory extension is not supported (at a [proxy](MandatoryExtensions::at_proxy): a hop-by-hop one) | `510`, naming what is not and what is | §5, §7, §14 |
//! | two extensions use one header prefix, and not both permit it | `400` | §4 |
//! | an `M-` method, and all is supported | the rest of the table decides on the method without `M-`; if it forwards, the request goes on as it came | §5 |
//! | anything else | the rest of the table | |
//!
//! - **Where declarations count.** `Man` and `Opt` anywhere; `C-Man` and `C-Opt` only in an
//!   HTTP/1.1 request whose `Connection` lists them (RFC 9110 §7.6.1): HTTP/2 and HTTP/3 have no
//!   `Connection`, and in an HTTP/1.0 request the fields that it lists are ignored, whichever they
//!   are, and not forwarded with an `M-` method (RFC 2774 §5).
//! - **Rules** name the method without `M-`: where `PUT` is allowed, `M-PUT` is. To name `M-PUT` itself
//!   allows nothing, and makes `Allow` say more than is true.
//! - **The forwarded request** has its [`Declarations`] in its extensions. Its method keeps the
//!   `M-`.
//! - **The response** to a forwarded `M-` request, if it is a success, says that the request was
//!   fulfilled (§5.1): `Ext` with `Cache-Control: no-cache="Ext"` (and an `Expires` in the past for
//!   an HTTP/1.0 client) where `Man` was declared to an origin server, `C-Ext` with `Connection:
//!   C-Ext` where `C-Man` was. These are the only header fields that this crate ever adds to a
//!   response that it forwards.
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
//! let service = MethodPolicyLayer::new(Policy::new().allow([Method::PUT]))
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

mod connection;
mod declaration;
mod fulfilment;
mod mandatory;
mod parse;
mod problem;

pub use self::declaration::{Declaration, DeclarationError, Declarations};
pub(crate) use self::fulfilment::Fulfilment;
pub use self::mandatory::{IdentifierError, MandatoryExtensions};
pub(crate) use self::mandatory::{Mandatory, Verdict};
pub use self::problem::ExtensionProblem;
