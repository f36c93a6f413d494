//! Tests which public types implement `Clone`, `Debug`, and the auto traits. These traits are part of the public
//! API. They must not depend on the enabled features, because another crate may enable a feature.

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
    BodyDrain, Decision, EmptyBody, MethodExcerpt, MethodPolicy, MethodPolicyLayer, MethodSet,
    ParseMethodSetError, PlainText, Policy, PolicyError, ProblemDetails, Reason, Rejection,
    ResponseFuture, RetryAfter, Rule, RuleKind, WouldReject, method_set,
};

/// Returns whether a type implements a trait. If it does, the inherent constant `HAS` hides the one of `Fallback`.
macro_rules! has {
    ($type:ty, $trait:path) => {{
        #[allow(dead_code, reason = "unused if the type implements the trait")]
        trait Fallback {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Fallback for T {}
        struct Type<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "unused if the type does not implement the trait")]
        impl<T: ?Sized + $trait> Type<T> {
            const HAS: bool = true;
        }
        <Type<$type>>::HAS
    }};
}

macro_rules! assert_traits {
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
fn data_types_have_every_auto_trait() {
    assert_traits! { [true; 7];
        BodyDrain, Decision<'_>, EmptyBody, MethodSet, ParseMethodSetError, PlainText, PolicyError,
        ProblemDetails, Reason, Rejection, RetryAfter, Rule<'_>, RuleKind, WouldReject,
        MethodExcerpt<'_>, method_set::IntoIter, method_set::Iter<'_>,
    }
    #[cfg(feature = "rfc2774")]
    assert_traits! { [true; 7]; Declaration, Declarations, IdentifierError, MandatoryExtensions }
}

/// `matchit`'s router is not `RefUnwindSafe`, and a policy contains one.
#[test]
fn a_policy_has_every_auto_trait_except_ref_unwind_safe() {
    assert_traits! { [true, true, true, true, true, true, false]; Policy }
}

/// Observers and the extensions of a request can contain values of any type.
#[test]
fn types_that_contain_closures_or_a_request_are_not_unwind_safe() {
    assert_traits! { [true, true, true, true, true, false, false];
        MethodPolicy<()>, MethodPolicy<(), PlainText>, MethodPolicyLayer, MethodPolicyLayer<PlainText>,
        MethodPolicyLayer<Responder>,
    }
    assert_traits! { [false, true, true, true, true, false, false];
        ResponseFuture<Ready<Answer>, EmptyBody, Body, Body>, ResponseFuture<Pending<Answer>, EmptyBody, Body, Body>,
    }
}

#[test]
fn the_auto_traits_of_the_response_future_depend_on_its_parts() {
    type WithBody<T> = ResponseFuture<Ready<Answer>, EmptyBody, T, Body>;
    type WithFuture<T> = ResponseFuture<T, EmptyBody, Body, Body>;
    type NotSend = *const ();
    type WithResponder<T> = ResponseFuture<Ready<Answer>, T, Body, Body>;

    // Services share the responder, so it has to be `Sync`.
    assert!(!has!(WithResponder<NotSend>, Send) && !has!(WithResponder<NotSend>, Sync));
    assert!(!has!(WithResponder<std::cell::Cell<u8>>, Send));
    assert!(!has!(MethodPolicy<(), std::cell::Cell<u8>>, Send));
    assert!(has!(WithResponder<PhantomPinned>, Unpin));

    assert!(!has!(WithFuture<NotSend>, Send) && !has!(WithFuture<NotSend>, Sync));
    assert!(!has!(WithBody<NotSend>, Send) && !has!(WithBody<NotSend>, Sync));
    assert!(!has!(WithFuture<PhantomPinned>, Unpin));
    assert!(!has!(WithBody<PhantomPinned>, Unpin));
    assert!(has!(WithFuture<Pending<PhantomPinned>>, Unpin));
}

#[test]
fn responders_implement_copy_and_default_and_errors_implement_error() {
    assert!(has!(EmptyBody, Copy) && has!(PlainText, Copy) && has!(ProblemDetails, Copy));
    assert!(has!(EmptyBody, Default) && has!(PlainText, Default) && has!(ProblemDetails, Default));
    assert!(has!(PolicyError, Error) && has!(PolicyError, PartialEq));
    assert!(has!(ParseMethodSetError, Error) && has!(ParseMethodSetError, PartialEq));
}
