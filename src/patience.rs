//! How long a body is waited for. A bound in time needs a clock, and so the feature `tokio`.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    Never,
    ToTheEnd,
    #[cfg(feature = "tokio")]
    For(std::time::Duration),
}

impl Wait {
    pub(crate) fn start(self) -> Patience {
        match self {
            Self::Never => Patience::None,
            Self::ToTheEnd => Patience::Endless,
            #[cfg(feature = "tokio")]
            Self::For(time) => Patience::Limited {
                alarm: tokio::time::sleep(time),
            },
        }
    }
}

/// A future that is ready when nothing is to be waited for any longer.
#[cfg(feature = "tokio")]
type Alarm = tokio::time::Sleep;
#[cfg(not(feature = "tokio"))]
type Alarm = std::future::Pending<()>;

pin_project! {
    #[project = PatienceProjection]
    pub(crate) enum Patience {
        None,
        Endless,
        Limited { #[pin] alarm: Alarm },
    }
}

impl Patience {
    /// Ready when the body is not to be waited for any longer.
    pub(crate) fn poll_over(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            PatienceProjection::None => Poll::Ready(()),
            PatienceProjection::Endless => Poll::Pending,
            PatienceProjection::Limited { alarm } => alarm.poll(cx),
        }
    }
}
