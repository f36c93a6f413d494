//! Serves a tower service, such as one behind a
//! [`MethodPolicyLayer`](tower_method_policy::MethodPolicyLayer), over HTTP/3 with h3 (0.0.8) and quinn.
//!
//! To the layer it is like HTTP/2:
//!
//! - It never sends `Connection`, which HTTP/3 does not have (RFC 9114 §4.2). It knows by the request's
//!   version, which h3 sets; whoever makes requests has to, for the default is `HTTP_11`. One that the
//!   service sets is sent: h3 does not take it out, as hyper does.
//! - A rejected upload is read within the bounds of [`Drain`](tower_method_policy::Drain), and left
//!   otherwise. Then only its stream ends: the client is asked to stop ([`Upload`]), and its next
//!   request goes over the same connection.
//! - `CONNECT` has no path, so no path rule speaks of it, only the default rule. As its stream has no end,
//!   it is answered after [`Drain::idle_undeclared`](tower_method_policy::Drain::idle_undeclared).
//!
//! What hyper does and h3 leaves to its user is done here:
//!
//! - h3 sends what it is given. `Date`, `Content-Length` and `100 (Continue)` are added, and the content
//!   of an answer to `HEAD` is left out.
//! - A request whose content is not as long as it was declared to be is an error (RFC 9114 §4.1.2).
//! - A response that is not finished is reset: quinn ends what is dropped as if it were complete.
//! - A header section may have 128 KiB. By default it may have any size.
//! - Connections end within 10 seconds of when the server is told to stop: as soon as requests are
//!   answered and nothing more of the answers is sent. h3 only sends `GOAWAY`; `accept` waits on, for ever if
//!   the client does.
//!
//! What cannot be helped:
//!
//! - The frame of a header section is kept in memory until it is complete, whatever its size, and only
//!   then found to be too large.
//! - An empty `DATA` frame looks like the end of the content; if more follows, that is an error of the
//!   connection.
//! - So does a last one that is shorter than it says. Then h3 panics when it is asked for trailers, which
//!   costs the request, and nothing else.

mod exchange;
mod server;
mod upload;

pub use server::serve;
pub use upload::{Upload, UploadError};
