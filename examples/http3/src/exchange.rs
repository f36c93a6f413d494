//! One request and its response.

use std::error::Error;
use std::pin::pin;
use std::time::SystemTime;

use bytes::Bytes;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use h3_quinn::{Connection, SendStream};
use http::header::{CONTENT_LENGTH, DATE, EXPECT};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tower::{Service, ServiceExt};

use crate::upload::{Upload, UploadError};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Answers a request. An error is of interest to the client alone, who is told.
pub(crate) async fn exchange<S, B>(request: RequestResolver<Connection, Bytes>, service: S)
where
    S: Service<Request<Upload>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    // h3 answers malformed ones.
    let Ok((request, stream)) = request.resolve_request().await else {
        return;
    };
    let (send, receive) = stream.split();
    let mut reply = Reply {
        stream: send,
        method: request.method().clone(),
        failure: Some(Code::H3_INTERNAL_ERROR),
    };
    let answered = async {
        let (wanted, is_wanted) = oneshot::channel();
        // RFC 9110 §10.1.1.
        let expects = request
            .headers()
            .get(EXPECT)
            .is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let upload = Upload::new(receive, request.headers(), expects.then_some(wanted)).await?;
        let mut response = pin!(service.oneshot(request.map(|()| upload)));
        let response = tokio::select! {
            response = &mut response => response,
            Ok(()) = is_wanted => {
                reply.send_continue().await?;
                response.await
            }
        };
        reply.send(response.map_err(Into::into)?).await
    };
    if let Err(error) = answered.await
        && let Some(UploadError::Length) = error.downcast_ref()
    {
        reply.failure = Some(Code::H3_MESSAGE_ERROR);
    }
}

/// Whatever becomes of it, it ends: as a whole, or with the code of a failure. quinn ends a stream that
/// is only dropped as if it were whole.
struct Reply {
    stream: RequestStream<SendStream<Bytes>, Bytes>,
    /// The request's.
    method: Method,
    /// None once it is whole.
    failure: Option<Code>,
}

impl Reply {
    async fn send_continue(&mut self) -> Result<(), BoxError> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        Ok(self.stream.send_response(response).await?)
    }

    /// Sends what hyper would: h3 sends what it is given, and adds nothing.
    async fn send<B>(&mut self, response: Response<B>) -> Result<(), BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let (mut head, body) = response.into_parts();
        let now = httpdate::fmt_http_date(SystemTime::now());
        head.headers.entry(DATE).or_insert(now.try_into()?);
        let is_to_head = self.method == Method::HEAD;
        // RFC 9110 §8.6.
        let has_length = match head.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => false,
            status => self.method != Method::CONNECT || !status.is_success(),
        };
        if let Some(length) = body.size_hint().exact()
            && has_length
            // What answers HEAD may have left the content out already.
            && !(is_to_head && length == 0)
        {
            head.headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        self.stream
            .send_response(Response::from_parts(head, ()))
            .await?;
        if !is_to_head {
            self.send_body(body).await?;
        }
        self.stream.finish().await?;
        self.failure = None;
        Ok(())
    }

    async fn send_body<B>(&mut self, body: B) -> Result<(), BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let mut body = pin!(body);
        while let Some(frame) = body.frame().await {
            match frame.map_err(Into::into)?.into_data() {
                Ok(data) => self.stream.send_data(data).await?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.stream.send_trailers(trailers).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(code) = self.failure {
            self.stream.stop_stream(code);
        }
    }
}
