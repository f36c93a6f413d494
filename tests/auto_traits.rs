//! The auto traits of every public type, with `Clone` and `Debug`. They are part of the public API. They are
//! the same for every set of features, because another crate may enable a feature.

use std::error::Error;
use std::fmt::Debug;
use std::future::{Pending, Ready};
use std::marker::{PhantomData, PhantomPinned};
use std::panic::{RefUnwindSafe, UnwindSafe};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;
#[cfg(feature = "rfc2774")]
use tower_method_policy::rfc2774::{
    Declaration, Declarations, IdentifierError, MandatoryExtensions,
};
use tower_method_policy::{
    BodyDrain, Decision, EmptyBody, MethodPolicy, MethodPolicyLayer, MethodSet,
    ParseMethodSetError, PlainText, Policy, PolicyError, ProblemDetails, Reason, Rejection,
    ResponseFuture, RetryAfter, Rule, RuleKind, WouldReject, method_set,
};

/// Whether a type has a trait. An inherent constant hides the constant of the trait.
macro_rules! has {
    ($type:ty, $trait:path) => {{
        #[allow(dead_code, reason = "not every type lacks the trait")]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Otherwise for T {}
        struct Of<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "not every type has the trait")]
        impl<T: ?Sized + $trait> Of<T> {
            const HAS: bool = true;
        }
        <Of<$type>>::HAS
    }};
}

macro_rules! each {
    ($expected:expr; $($type:ty),+ $(,)?) => {
        $(
            let traits = [
                has!($type, Clone),
                has!($type, Debug),
                has!($type, Send),
                has!($type, Sync),
                has!($type, Unpin),
                has!($type, UnwindSafe),
                has!($type, RefUnwindSafe),
            ];
            assert_eq!(traits, $expected, stringify!($type));
        )+
    };
}

type Body = Full<Bytes>;
type Answer = Result<Response<Body>, ()>;
type Responder = fn(&Rejection, &Parts) -> Response<Body>;

#[test]
fn data_has_every_auto_trait() {
    each! { [true; 7];
        BodyDrain, Decision<'_>, EmptyBody, MethodSet, ParseMethodSetError, PlainText, PolicyError,
        ProblemDetails, Reason, Rejection, RetryAfter, Rule<'_>, RuleKind, WouldReject,
        method_set::IntoIter, method_set::Iter<'_>,
    }
    #[cfg(feature = "rfc2774")]
    each! { [true; 7]; Declaration, Declarations, IdentifierError, MandatoryExtensions }
}

/// `matchit`'s router is not `RefUnwindSafe`.
#[test]
fn a_policy_has_every_auto_trait_but_one() {
    each! { [true, true, true, true, true, true, false]; Policy }
}

/// The values in observers and in the extensions of a request are unknown.
#[test]
fn types_with_closures_or_a_request_are_not_unwind_safe() {
    each! { [true, true, true, true, true, false, false];
        MethodPolicy<()>, MethodPolicy<(), PlainText>, MethodPolicyLayer, MethodPolicyLayer<PlainText>,
        MethodPolicyLayer<Responder>,
    }
    each! { [false, true, true, true, true, false, false];
        ResponseFuture<Ready<Answer>, Body, Body>, ResponseFuture<Pending<Answer>, Body, Body>,
    }
}

#[test]
fn the_future_has_the_auto_traits_of_its_parts() {
    type OfBody<T> = ResponseFuture<Ready<Answer>, T, Body>;
    type OfFuture<T> = ResponseFuture<T, Body, Body>;
    type NotSend = *const ();

    assert!(!has!(OfFuture<NotSend>, Send) && !has!(OfFuture<NotSend>, Sync));
    assert!(!has!(OfBody<NotSend>, Send) && !has!(OfBody<NotSend>, Sync));
    assert!(!has!(OfFuture<PhantomPinned>, Unpin));
    assert!(!has!(OfBody<PhantomPinned>, Unpin));
    assert!(has!(OfFuture<Pending<PhantomPinned>>, Unpin));
}

#[test]
fn ready_responders_are_copied_and_errors_are_errors() {
    assert!(has!(EmptyBody, Copy) && has!(PlainText, Copy) && has!(ProblemDetails, Copy));
    assert!(has!(EmptyBody, Default) && has!(PlainText, Default) && has!(ProblemDetails, Default));
    assert!(has!(PolicyError, Error) && has!(PolicyError, PartialEq));
    assert!(has!(ParseMethodSetError, Error) && has!(ParseMethodSetError, PartialEq));
}
