//! What the services' endpoints read from every request that is signed for AWS: who calls, and
//! for which trace.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use crate::flows::TraceContext;
use crate::runtime::{Caller, Runtime};

/// Knows who signs with an access key.
pub(crate) type Callers = Arc<dyn Fn(&str) -> Option<Caller> + Send + Sync>;

pub(crate) fn callers(runtime: Runtime) -> Callers {
    Arc::new(move |access_key_id| runtime.caller(access_key_id))
}

/// The instance whose access key signed the request. None for anybody else's key: a developer's
/// SDK or a test, which may do everything.
pub(crate) fn caller(headers: &HeaderMap, runtime: &Runtime) -> Option<Caller> {
    runtime.caller(access_key_id(headers)?)
}

/// As [`caller`], among these.
pub(crate) fn caller_among(callers: &Callers, headers: &HeaderMap) -> Option<Caller> {
    callers(access_key_id(headers)?)
}

fn access_key_id(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    Some(credential.split_once('/')?.0)
}

/// Which of the caller's traces the request belongs to: the one that it names, else the first.
/// None while the caller runs no invocation, as during its start.
pub(crate) fn context(headers: &HeaderMap, caller: &Caller) -> Option<TraceContext> {
    let named = headers.get("x-amzn-trace-id").and_then(|header| header.to_str().ok());
    let named = named.and_then(TraceContext::from_xray);
    let of_that_trace = named.and_then(|named| of_trace(caller, &named));
    of_that_trace.or_else(|| caller.running.first().copied())
}

/// The caller's running invocation within that trace, if it works for it.
pub(crate) fn of_trace(caller: &Caller, named: &TraceContext) -> Option<TraceContext> {
    caller.running.iter().find(|running| running.trace == named.trace).copied()
}

/// An answer of a service that speaks JSON.
pub(crate) fn json_response(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(&Uuid::now_v7().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// An error of a service that speaks JSON.
pub(crate) fn json_error(
    status: StatusCode,
    content_type: &'static str,
    error_type: &str,
    message: &str,
) -> Response {
    // Some services spell the message's name one way and some the other; SDKs read both.
    let body = json!({ "__type": error_type, "message": message, "Message": message });
    json_response(status, content_type, body.to_string())
}

/// The answer of a service that speaks AWS's query protocol; `result` is XML.
pub(crate) fn query_answer(namespace: &str, action: &str, result: &str) -> Response {
    let request_id = Uuid::new_v4();
    let body = format!(
        "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    );
    xml(StatusCode::OK, body)
}

/// An error of a service that speaks AWS's query protocol.
pub(crate) fn query_error(namespace: &str, status: StatusCode, code: &str, message: &str) -> Response {
    let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
    let (message, request_id) = (escaped(message), Uuid::new_v4());
    let body = format!(
        "<ErrorResponse xmlns=\"{namespace}\">\
         <Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>"
    );
    xml(status, body)
}

fn xml(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
