//! The content of a request.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use h3_quinn::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

/// The content of a request, as it arrives; dropped before its end, it asks the client to stop
/// (RFC 9114 §4.1).
pub struct Upload {
    stream: RequestStream<RecvStream, Bytes>,
    next: Next,
    /// What was read to find out whether there is any.
    first: Option<Frame<Bytes>>,
    /// How much of what was declared has not arrived, in bytes.
    missing: Option<u64>,
    is_untouched: bool,
    /// Told when the content is asked for and has not come, if the client waits for that.
    wanted: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Data,
    Trailers,
    Nothing,
}

/// Why there is no more of a request's content.
#[derive(Debug)]
pub enum UploadError {
    /// The client has broken it off, or its connection is lost.
    Stream(StreamError),
    /// It is not as long as it was declared to be (RFC 9114 §4.1.2).
    Length,
}

impl Upload {
    /// h3 does not say whether there is any content. Where no length says so either, it is asked for
    /// once: a request that is known to have none need not be waited for.
    pub(crate) async fn new(
        mut stream: RequestStream<RecvStream, Bytes>,
        headers: &HeaderMap,
        wanted: Option<oneshot::Sender<()>>,
    ) -> Result<Self, UploadError> {
        let Ok(missing) = declared_length(headers) else {
            stream.stop_sending(Code::H3_MESSAGE_ERROR);
            return Err(UploadError::Length);
        };
        let mut upload = Self {
            stream,
            next: Next::Data,
            first: None,
            missing,
            is_untouched: true,
            wanted,
        };
        if missing.is_none_or(|missing| missing == 0) {
            match poll_fn(|cx| Poll::Ready(upload.poll_read(cx))).await {
                Poll::Ready(Some(first)) => upload.first = Some(first?),
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
        Ok(upload)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        self.is_untouched = false;
        let frame = self.poll_next(cx);
        if let Poll::Ready(Some(Err(_))) = frame {
            self.next = Next::Nothing;
        }
        frame
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if self.next == Next::Data {
            if let Some(mut data) = ready!(self.stream.poll_recv_data(cx))? {
                let data = data.copy_to_bytes(data.remaining());
                return Poll::Ready(Some(self.count(data).map(Frame::data)));
            }
            // h3 does not compare it, and panics when it is asked for trailers after a last DATA frame
            // that is shorter than it says.
            if self.missing.is_some_and(|missing| missing > 0) {
                return Poll::Ready(Some(Err(UploadError::Length)));
            }
            self.next = Next::Trailers;
        }
        if self.next == Next::Trailers {
            let trailers = ready!(self.stream.poll_recv_trailers(cx))?;
            self.next = Next::Nothing;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }

    fn count(&mut self, data: Bytes) -> Result<Bytes, UploadError> {
        if let Some(missing) = &mut self.missing {
            match missing.checked_sub(data.len() as u64) {
                Some(left) => *missing = left,
                None => return Err(UploadError::Length),
            }
        }
        Ok(data)
    }
}

/// What `Content-Length` says, if it is there (RFC 9110 §8.6).
fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, UploadError> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|digits| {
            // A sign would be parsed, too.
            digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let this = digits.and_then(|digits| digits.parse().ok());
        if this.is_none() || length.is_some_and(|length| Some(length) != this) {
            return Err(UploadError::Length);
        }
        length = this;
    }
    Ok(length)
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let frame = self.poll_read(cx);
        if frame.is_pending()
            && let Some(wanted) = self.wanted.take()
        {
            // Nobody listens once the response is there.
            let _ = wanted.send(());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.next == Next::Nothing
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref);
        let first = first.map_or(0, Bytes::len) as u64;
        match (self.next, self.missing) {
            (Next::Data, None) => {
                let mut hint = SizeHint::new();
                hint.set_lower(first);
                hint
            }
            // As much is missing as was declared, which may be any number.
            (Next::Data, Some(missing)) => SizeHint::with_exact(missing.saturating_add(first)),
            (Next::Trailers | Next::Nothing, _) => SizeHint::with_exact(first),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // While a read is under way, as may be even when it has returned data, h3-quinn 0.0.10 panics when
        // it is told to stop (hyperium/h3#330), and later ones wait for the read (hyperium/h3#361). But
        // quinn stops a stream that is dropped, with a code, 0, that HTTP/3 does not know and that so
        // means the same (RFC 9114 §8).
        if self.is_untouched {
            self.stream.stop_sending(Code::H3_NO_ERROR);
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}

impl From<StreamError> for UploadError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(_) => f.write_str("the request's content was broken off"),
            Self::Length => {
                f.write_str("the request's content is not as long as it was declared to be")
            }
        }
    }
}

impl Error for UploadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Stream(error) => Some(error),
            Self::Length => None,
        }
    }
}
