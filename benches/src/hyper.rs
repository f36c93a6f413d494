//! hyper's HTTP/1.1 without a network.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper_util::service::TowerToHyperService;
use tower::Service;

use crate::Buffer;

/// A connection on which the same request arrives again and again, each after the one before was
/// answered, and which is closed in the end.
#[derive(Debug)]
pub struct Connection {
    request: Vec<u8>,
    /// How many are still to arrive.
    requests: usize,
    /// Whether the last one that arrived was not answered yet.
    unanswered: bool,
}

impl Connection {
    pub fn new(method: &str, requests: usize) -> Self {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: value\r\nAccept: */*\r\n\
             Accept-Encoding: gzip\r\nOrigin: http://localhost\r\n\r\n"
        );
        Self {
            request: request.into_bytes(),
            requests,
            unanswered: false,
        }
    }
}

impl Read for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unanswered {
            return Poll::Pending;
        }
        if let Some(requests) = self.requests.checked_sub(1) {
            self.requests = requests;
            self.unanswered = true;
            buffer.put_slice(&self.request);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unanswered = false;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The connection's future.
pub fn serving<S>(
    service: S,
    connection: Connection,
) -> http1::Connection<Connection, TowerToHyperService<S>>
where
    S: Service<Request<Incoming>, Response = Response<Buffer>, Error = Infallible> + Clone,
{
    let mut server = http1::Builder::new();
    // The date would be rendered whenever the wall clock reaches a new second.
    server.auto_date_header(false);
    server.serve_connection(connection, TowerToHyperService::new(service))
}

/// Serves all requests of `connection`.
#[inline(never)]
pub fn serve<S>(service: S, connection: Connection)
where
    S: Service<Request<Incoming>, Response = Response<Buffer>, Error = Infallible> + Clone,
{
    let mut serving = pin!(serving(service, connection));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(served) = serving.as_mut().poll(&mut cx) {
            return served.expect("the connection ends in order");
        }
    }
}
