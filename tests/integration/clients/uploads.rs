//! Uploads with clients in Rust. Prints a line for each answer.
//!
//! ```text
//! uploads reqwest|ureq URL declared|chunked TIMES FILE...
//! ```

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::fs;
use std::io::Cursor;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderMap, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use ureq::SendBody;

/// The size of the parts of a body of unknown length.
const PART: usize = 64 * 1024;

fn answer(status: StatusCode, fields: &HeaderMap) -> String {
    let allow = fields.get(ALLOW).map_or("", |allow| allow.to_str().unwrap_or("?"));
    format!("{} {allow}", status.as_u16())
}

async fn by_reqwest(
    client: &reqwest::Client,
    url: &str,
    content: Bytes,
    declared: bool,
) -> Result<String, Box<dyn Error>> {
    let body = if declared {
        reqwest::Body::from(content)
    } else {
        let parts = (0..content.len()).step_by(PART);
        let parts = parts.map(move |at| content.slice(at..content.len().min(at + PART)));
        let frames = parts.map(|part| Ok::<_, Infallible>(Frame::data(part)));
        reqwest::Body::wrap(StreamBody::new(futures_util::stream::iter(frames)))
    };
    let response = client.delete(url).body(body).send().await?;
    let answer = answer(response.status(), response.headers());
    response.bytes().await?;
    Ok(answer)
}

fn by_ureq(
    agent: &ureq::Agent,
    url: &str,
    content: Bytes,
    declared: bool,
) -> Result<String, Box<dyn Error>> {
    let request = agent.delete(url).force_send_body();
    let mut response = if declared {
        request.send(&content[..])?
    } else {
        request.send(SendBody::from_owned_reader(Cursor::new(content)))?
    };
    let answer = answer(response.status(), response.headers());
    response.body_mut().read_to_vec()?;
    Ok(answer)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [library, url, framing, times, files @ ..] = &arguments[..] else {
        return Err("reqwest|ureq URL declared|chunked TIMES FILE...".into());
    };
    let declared = framing == "declared";
    let times: usize = times.parse()?;
    let client = reqwest::Client::new();
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = config.build().new_agent();
    for file in files {
        let content = Bytes::from(fs::read(file)?);
        for _ in 0..times {
            let content = content.clone();
            let answer = if library == "reqwest" {
                by_reqwest(&client, url, content, declared).await
            } else {
                by_ureq(&agent, url, content, declared)
            };
            println!("{}", answer.unwrap_or_else(|error| format!("{error:?}")));
        }
    }
    Ok(())
}
