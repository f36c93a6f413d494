//! The auto traits of every public type. They are part of the public face, and the same under every
//! set of features: a feature that some other crate enables must not break a build.

use std::future::{Pending, Ready};
use std::marker::{PhantomData, PhantomPinned};
use std::panic::{RefUnwindSafe, UnwindSafe};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
#[cfg(feature = "rfc2774")]
use tower_method_policy::rfc2774::{
    Declaration, DeclarationError, Declarations, ExtensionProblem, IdentifierError,
    MandatoryExtensions,
};
use tower_method_policy::{
    Allow, AnswerOptions, Cacheable, Decision, Drain, EmptyBody, ForwardOptions, GrpcStatus,
    MethodPolicy, MethodPolicyLayer, MethodSet, ParseMethodSetError, PlainText, Policy,
    PolicyError, ProblemDetails, Reason, RegisteredMethod, Rejection, ResponseFuture, RetryAfter,
    WouldReject,
};

/// Whether a type has a trait: the inherent constant, where there is one, hides the trait's.
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

/// `[Send, Sync, Unpin, UnwindSafe, RefUnwindSafe]`
macro_rules! auto_traits {
    ($type:ty) => {
        [
            has!($type, Send),
            has!($type, Sync),
            has!($type, Unpin),
            has!($type, UnwindSafe),
            has!($type, RefUnwindSafe),
        ]
    };
}

macro_rules! each {
    ($expected:expr; $($type:ty),+ $(,)?) => {
        $(assert_eq!(auto_traits!($type), $expected, stringify!($type));)+
    };
}

type Body = Full<Bytes>;
type Answer = Result<Response<Body>, ()>;

#[test]
fn data_has_every_auto_trait() {
    each! { [true; 5];
        Allow,
        Cacheable,
        Decision<'_>,
        Drain,
        AnswerOptions,
        EmptyBody,
        ForwardOptions,
        GrpcStatus,
        MethodSet,
        ParseMethodSetError,
        PlainText,
        PolicyError,
        ProblemDetails,
        Reason,
        RegisteredMethod,
        Rejection,
        RetryAfter,
        WouldReject,
    }
}

#[cfg(feature = "rfc2774")]
#[test]
fn data_of_rfc_2774_has_every_auto_trait() {
    each! { [true; 5];
        Declaration,
        DeclarationError,
        Declarations,
        ExtensionProblem,
        IdentifierError,
        MandatoryExtensions,
    }
}

/// `matchit`'s router is not `RefUnwindSafe`.
#[test]
fn a_policy_has_every_auto_trait_but_one() {
    each! { [true, true, true, true, false]; Policy }
}

/// What observers and extensions of a request hold is not known.
#[test]
fn what_holds_closures_or_a_request_is_not_unwind_safe() {
    each! { [true, true, true, false, false];
        MethodPolicy<()>,
        MethodPolicy<(), PlainText, AnswerOptions>,
        MethodPolicyLayer,
        MethodPolicyLayer<PlainText, AnswerOptions>,
        ResponseFuture<Ready<Answer>, Body, Body>,
        ResponseFuture<Pending<Answer>, Body, Body>,
    }
}

#[test]
fn the_future_is_what_its_parts_are() {
    type OfBody<T> = ResponseFuture<Ready<Answer>, T, Body>;
    type OfFuture<T> = ResponseFuture<T, Body, Body>;
    type NotSend = *const ();

    assert!(!has!(OfFuture<NotSend>, Send) && !has!(OfFuture<NotSend>, Sync));
    assert!(!has!(OfBody<NotSend>, Send) && !has!(OfBody<NotSend>, Sync));
    assert!(!has!(OfFuture<PhantomPinned>, Unpin));
    assert!(!has!(OfBody<PhantomPinned>, Unpin));
    assert!(has!(OfFuture<Pending<PhantomPinned>>, Unpin));
}
