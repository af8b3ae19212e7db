use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Longer than any function may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Asks for a page.
pub(crate) fn get(runtime: &Runtime, url: &str) -> Result<Answer, String> {
    send(runtime, Request::get(url).body(Bytes::new()).unwrap())
}

/// A request of this method with these headers.
pub(crate) fn request(method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Bytes> {
    let request =
        headers.iter().fold(Request::builder().method(method).uri(url), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.body(body).unwrap()
}

pub(crate) fn send(runtime: &Runtime, request: Request<Bytes>) -> Result<Answer, String> {
    let answer = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.map(Full::new)).await.map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    runtime
        .block_on(async { tokio::time::timeout(TIMEOUT, answer).await.map_err(|error| error.to_string())? })
}
