//! A bound in time on the reading of a body; without the feature `tokio` there is no clock, so
//! none.

pub(crate) use imp::{Deadline, Timeout};

#[cfg(feature = "tokio")]
mod imp {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use pin_project_lite::pin_project;
    use tokio::time::{Sleep, sleep};

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Timeout(pub(crate) Option<Duration>);

    impl Timeout {
        pub(crate) const NONE: Self = Self(None);

        pub(crate) fn start(self) -> Deadline {
            Deadline {
                sleep: self.0.map(sleep),
            }
        }
    }

    pin_project! {
        pub(crate) struct Deadline {
            #[pin]
            sleep: Option<Sleep>,
        }
    }

    impl Deadline {
        pub(crate) fn poll_passed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            match self.project().sleep.as_pin_mut() {
                Some(sleep) => sleep.poll(cx),
                None => Poll::Pending,
            }
        }
    }
}

#[cfg(not(feature = "tokio"))]
mod imp {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Timeout;

    impl Timeout {
        pub(crate) const NONE: Self = Self;

        pub(crate) fn start(self) -> Deadline {
            Deadline
        }
    }

    pub(crate) struct Deadline;

    impl Deadline {
        pub(crate) fn poll_passed(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
}
