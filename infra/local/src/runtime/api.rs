//! The Lambda Runtime API, version 2018-06-01, as one instance sees it: each has a listener of its
//! own, so that nobody needs to be told apart.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use axum::{Json, middleware};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::guard::only_from_here;

/// What a function's process asks or tells.
#[derive(Debug)]
pub(super) enum Call {
    /// It waits for its next invocation, and so has ended the previous one or its initialisation.
    Next(oneshot::Sender<Delivery>),
    /// It answers.
    Response(Reply),
    /// It answers with an error.
    Error(Reply),
    /// It cannot initialise.
    InitError(Reply),
}

/// An answer of the process.
#[derive(Debug)]
pub(super) struct Reply {
    /// Empty for an error of the initialisation.
    pub(super) request_id: String,
    /// `None` if it is larger than a payload may be.
    pub(super) payload: Option<Bytes>,
    /// Whether the answer was expected.
    pub(super) accepted: oneshot::Sender<bool>,
}

/// An invocation as it is handed to the process.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) request_id: String,
    pub(super) function_arn: String,
    pub(super) trace_header: String,
    pub(super) timeout: Duration,
    pub(super) payload: Bytes,
}

/// The API's server; it ends with this value.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) address: SocketAddr,
    pub(super) calls: mpsc::Receiver<Call>,
    server: AbortHandle,
}

impl Api {
    pub(super) async fn serve(payload_bytes: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            // Without it the function would only wait longer.
            let _ = stream.set_nodelay(true);
        });
        // Calls wait for the instance one by one; the process makes one at a time anyway.
        let (sender, calls) = mpsc::channel(4);
        // Four paths need no router.
        let service = serve
            .layer(middleware::from_fn(only_from_here))
            .with_state(Process { calls: sender, payload_bytes });
        let server = tokio::spawn(async move { axum::serve(listener, service.into_make_service()).await });
        Ok(Self { address, calls, server: server.abort_handle() })
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Process {
    calls: mpsc::Sender<Call>,
    payload_bytes: usize,
}

async fn serve(State(process): State<Process>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
    match (&parts.method, path, path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'))) {
        (&Method::GET, "invocation/next", _) => process.next().await,
        (&Method::POST, _, Some((id, "response"))) => {
            process.reply(id.to_owned(), body, Call::Response).await
        }
        (&Method::POST, _, Some((id, "error"))) => process.reply(id.to_owned(), body, Call::Error).await,
        (&Method::POST, "init/error", _) => process.reply(String::new(), body, Call::InitError).await,
        _ => refused(StatusCode::NOT_FOUND, "There is nothing at this path", "NotFound"),
    }
}

impl Process {
    async fn next(&self) -> Response {
        let (deliver, delivery) = oneshot::channel();
        if self.calls.send(Call::Next(deliver)).await.is_err() {
            return stopping();
        }
        match delivery.await {
            Ok(delivery) => delivery.into_response(),
            Err(_) => stopping(),
        }
    }

    async fn reply(&self, request_id: String, body: Body, call: fn(Reply) -> Call) -> Response {
        let payload = to_bytes(body, self.payload_bytes).await.ok();
        let fits = payload.is_some();
        let (accepted, verdict) = oneshot::channel();
        if self.calls.send(call(Reply { request_id, payload, accepted })).await.is_err() {
            return stopping();
        }
        match verdict.await {
            Ok(true) if fits => (StatusCode::ACCEPTED, Json(Accepted { status: "OK" })).into_response(),
            Ok(true) => refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "Exceeded maximum allowed payload size",
                "RequestEntityTooLarge",
            ),
            Ok(false) => refused(StatusCode::BAD_REQUEST, "Invalid request ID", "InvalidRequestID"),
            Err(_) => stopping(),
        }
    }
}

impl IntoResponse for Delivery {
    fn into_response(self) -> Response {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = (now + self.timeout).as_millis();
        let mut headers = HeaderMap::with_capacity(6);
        for (name, value) in [
            ("content-type", "application/json".to_owned()),
            ("lambda-runtime-aws-request-id", self.request_id),
            ("lambda-runtime-deadline-ms", deadline.to_string()),
            ("lambda-runtime-invoked-function-arn", self.function_arn),
            ("lambda-runtime-trace-id", self.trace_header),
        ] {
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        }
        (headers, self.payload).into_response()
    }
}

#[derive(Serialize)]
struct Accepted {
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused {
    error_message: &'static str,
    error_type: &'static str,
}

fn refused(status: StatusCode, error_message: &'static str, error_type: &'static str) -> Response {
    (status, Json(Refused { error_message, error_type })).into_response()
}

/// The instance is about to be ended.
fn stopping() -> Response {
    refused(StatusCode::INTERNAL_SERVER_ERROR, "The instance is being stopped", "InternalError")
}
