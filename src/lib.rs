//! x
mod future;
mod layer;
mod policy;
mod registered;
mod rejection;
mod respond;
mod retry_after;
mod routes;
mod service;
mod set;

pub use future::ResponseFuture;
pub use layer::MethodPolicyLayer;
pub use policy::{Allow, Decision, Policy, PolicyError};
pub use registered::{Cacheable, RegisteredMethod};
pub use rejection::{Reason, Rejected, Rejection};
pub use respond::{EmptyBody, GrpcStatus, PlainText, ProblemDetails, Respond};
pub use retry_after::RetryAfter;
pub use service::MethodPolicy;
pub use set::{MethodSet, ParseMethodSetError};
