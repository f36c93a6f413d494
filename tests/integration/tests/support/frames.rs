//! A client that writes and reads HTTP/2 frames itself (RFC 9113 §4.1). It can send frames that no library sends.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::server::within;

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types of frames (RFC 9113 §6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// An error code (RFC 9113 §7).
const CANCEL: u32 = 8;

/// The largest payload that every peer accepts (RFC 9113 §4.2).
pub(crate) const LARGEST: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// A request whose content follows. The default path is `/`.
pub(crate) fn headers(stream: u32, method: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    field(&mut block, ":method", method);
    field(&mut block, ":scheme", "http");
    if fields.iter().all(|(name, _)| *name != ":path") {
        field(&mut block, ":path", "/");
    }
    for (name, value) in fields {
        field(&mut block, name, value);
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// A literal that is neither indexed nor compressed (RFC 7541 §6.2.2).
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for string in [name, value] {
        // RFC 7541 §5.1: a longer length takes more than one byte.
        assert!(string.len() < 127);
        block.push(string.len() as u8);
        block.extend(string.bytes());
    }
}

pub(crate) fn data(stream: u32, content: &[u8], ends: bool) -> Vec<u8> {
    let flags = if ends { END_STREAM } else { 0 };
    frame(DATA, flags, stream, content)
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// A connection with prior knowledge (RFC 9113 §3.3).
pub(crate) struct Frames {
    stream: BufReader<TcpStream>,
    /// The number of bytes of content that the server accepts on all streams together.
    pub(crate) window: usize,
    /// The number of the next stream.
    next: u32,
}

impl Frames {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut frames = Self { stream: BufReader::new(stream), window: 65_535, next: 1 };
        frames.send(PREFACE).await;
        frames.send(frame(SETTINGS, 0, 0, &[])).await;
        frames
    }

    /// The number of a new stream.
    pub(crate) fn stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_send(bytes).await, "the server accepts no more");
    }

    /// Returns false if the server does not accept all of it.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        within(self.stream.write_all(bytes.as_ref())).await.is_ok()
    }

    /// The next frame. None if the connection ends before the end of the frame. Acknowledges settings and pings.
    pub(crate) async fn receive(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.stream.read_exact(&mut head)).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        within(self.stream.read_exact(&mut payload)).await.ok()?;
        let stream = u32::from_be_bytes(stream);
        match (kind, flags & ACK, stream) {
            // The server may be closing the connection and accept nothing more.
            (SETTINGS, 0, _) => drop(self.try_send(frame(SETTINGS, ACK, 0, &[])).await),
            (PING, 0, _) => drop(self.try_send(frame(PING, ACK, 0, &payload)).await),
            (WINDOW_UPDATE, _, 0) => {
                let increment = u32::from_be_bytes(payload[..].try_into().unwrap());
                self.window += increment as usize;
            }
            _ => {}
        }
        Some(Frame { kind, flags, stream, payload })
    }

    /// The next frame that `is_wanted`.
    pub(crate) async fn receive_until(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.receive().await.unwrap();
            if is_wanted(&frame) {
                return frame;
            }
        }
    }

    /// Sends a `PING` and returns the frames before its answer. Then the server has read all bytes that were
    /// sent earlier. The error has the frames before the end of the connection.
    pub(crate) async fn ping(&mut self) -> Result<Vec<Frame>, Vec<Frame>> {
        let mut frames = Vec::new();
        // A server that accepts no more may have sent a `GOAWAY`.
        self.try_send(frame(PING, 0, 0, b"all read")).await;
        while let Some(frame) = self.receive().await {
            if frame.kind == PING && frame.flags & ACK != 0 {
                return Ok(frames);
            }
            frames.push(frame);
        }
        Err(frames)
    }
}
