//! One request and its response.

use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::SystemTime;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_LENGTH, DATE, EXPECT};
use axum::http::{HeaderMap, Response};
use bytes::Buf;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use h3_quinn::{Connection, RecvStream, SendStream};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tower::ServiceExt;

use crate::App;

/// Answers one request. The caller can ignore errors, because `Reply` sends them to the client.
pub(crate) async fn exchange(
    request: RequestResolver<Connection, Bytes>,
    app: App,
) -> Result<(), BoxError> {
    // h3 itself answers malformed requests.
    let (request, stream) = request.resolve_request().await?;
    let (stream, receive) = stream.split();
    let outcome = Arc::new(OnceLock::new());
    let mut reply = Reply { stream, outcome };
    let Some(missing) = declared_length(request.headers()) else {
        let _ = reply.outcome.set(Err(Code::H3_MESSAGE_ERROR));
        return Ok(());
    };
    let expects = request.headers().contains_key(EXPECT);
    let (unread, is_read) = oneshot::channel();
    let upload =
        Upload { stream: receive, missing, outcome: reply.outcome.clone(), unread: Some(unread) };
    let mut response = pin!(app.oneshot(request.map(|()| Body::new(upload))));
    let response = tokio::select! {
        biased;
        // RFC 9110 §10.1.1.
        Ok(()) = is_read, if expects => {
            let interim = Response::builder().status(100).body(())?;
            reply.stream.send_response(interim).await?;
            response.await?
        }
        response = &mut response => response?,
    };
    // The application may have answered an upload that it could not read.
    match reply.outcome.get() {
        None => reply.send(response).await,
        Some(_) => Ok(()),
    }
}

/// The declared length, or `Some(None)` without one. `None` if it is malformed (RFC 9110 §8.6).
fn declared_length(headers: &HeaderMap) -> Option<Option<u64>> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else {
        return Some(None);
    };
    // `parse` would accept a sign.
    let digits = first.to_str().ok().filter(|text| !text.starts_with('+'))?;
    values.all(|other| other == first).then_some(Some(digits.parse().ok()?))
}

/// The stream of the response. An incomplete response ends with an error code, even after a panic. quinn alone
/// would end it like a complete one.
struct Reply {
    stream: RequestStream<SendStream<Bytes>, Bytes>,
    outcome: Arc<OnceLock<Result<(), Code>>>,
}

impl Reply {
    async fn send(&mut self, response: Response<Body>) -> Result<(), BoxError> {
        let (mut head, mut body) = response.into_parts();
        let now = httpdate::fmt_http_date(SystemTime::now());
        head.headers.entry(DATE).or_insert(now.try_into()?);
        // axum sets it, but the layer's rejections do not pass through axum.
        if let (400.., Some(length)) = (head.status.as_u16(), body.size_hint().exact()) {
            head.headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        let head = Response::from_parts(head, ());
        self.stream.send_response(head).await?;
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(data) => self.stream.send_data(data).await?,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    self.stream.send_trailers(trailers).await?;
                }
            }
        }
        self.stream.finish().await?;
        let _ = self.outcome.set(Ok(()));
        Ok(())
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Err(code) = *self.outcome.get_or_init(|| Err(Code::H3_INTERNAL_ERROR)) {
            self.stream.stop_stream(code);
        }
    }
}

/// The content of a request. If it is dropped before its end, the client is asked to stop (RFC 9114 §4.1).
struct Upload {
    stream: RequestStream<RecvStream, Bytes>,
    /// The declared bytes that have not arrived.
    missing: Option<u64>,
    outcome: Arc<OnceLock<Result<(), Code>>>,
    /// The first read takes it, and uses it if the read has to wait.
    unread: Option<oneshot::Sender<()>>,
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let unread = self.unread.take();
        let Poll::Ready(data) = self.stream.poll_recv_data(cx)? else {
            // The receiver is gone after the response.
            let _ = unread.map(|unread| unread.send(()));
            return Poll::Pending;
        };
        let data = data.map(|mut data| data.copy_to_bytes(data.remaining()));
        // h3 does not compare the lengths (RFC 9114 §4.1.2). It panics if trailers are read after an incomplete
        // last DATA frame.
        let length = data.as_ref().map_or(0, |data| data.len() as u64);
        let missing = self.missing.map(|missing| missing.checked_sub(length));
        if missing == Some(None) || (data.is_none() && self.missing > Some(0)) {
            let _ = self.outcome.set(Err(Code::H3_MESSAGE_ERROR));
            return Poll::Ready(Some(Err("not of the declared length".into())));
        }
        self.missing = missing.flatten();
        if let Some(data) = data {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let trailers = ready!(self.stream.poll_recv_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn size_hint(&self) -> SizeHint {
        self.missing.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.unread.is_some() && self.missing > Some(0) {
            // Call this only before the first read, because h3-quinn 0.0.10 may panic after it
            // (hyperium/h3#330). After a read, quinn itself stops the stream, with an equivalent code (RFC 9114 §8).
            self.stream.stop_sending(Code::H3_NO_ERROR);
        } else if self.unread.is_some() {
            // Reads the end of a request without content. Otherwise, quinn would stop the stream.
            let mut cx = Context::from_waker(Waker::noop());
            let _ = self.stream.poll_recv_data(&mut cx);
        }
    }
}
