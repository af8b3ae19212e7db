//! Lambda's own API, as the AWS CLI and the SDKs speak it: anyone may invoke a function with an
//! event of their own.
//!
//! ```text
//! aws lambda invoke --endpoint-url http://localhost:3000 --function-name api --payload '{}' answer
//! ```

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use infra_model::App;
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::flows::{Flows, FunctionRun, TraceContext};
use crate::guard::only_from_here;
use crate::runtime::{InvokeError, Outcome, Runtime, report_line};

/// Lambda's limit of an asynchronous event.
const ASYNC_PAYLOAD_BYTES: usize = 1024 * 1024;

/// A `Tail` of the log is its last 4 KB.
const LOG_TAIL_BYTES: usize = 4 * 1024;

#[derive(Clone)]
struct Lambda {
    app: &'static App,
    runtime: Runtime,
    flows: Flows,
}

/// The API's one path, closed to other sites' pages as the console is.
pub fn router(app: &'static App, runtime: Runtime, flows: Flows) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{function}/invocations", post(invoke))
        .layer(middleware::from_fn(only_from_here))
        .with_state(Lambda { app, runtime, flows })
}

async fn invoke(
    State(lambda): State<Lambda>,
    Path(function): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = lambda.invoke(&function, &headers, body).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

impl Lambda {
    async fn invoke(&self, function: &str, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
        let name = self.name(function).ok_or_else(|| Refusal::NotFound(function.to_owned()))?;
        let kind = text(headers, "x-amz-invocation-type").unwrap_or("RequestResponse");
        let limit = match kind {
            "RequestResponse" => self.app.limits.payload_bytes,
            "Event" => ASYNC_PAYLOAD_BYTES,
            "DryRun" => return Ok(StatusCode::NO_CONTENT.into_response()),
            _ => return Err(Refusal::Invalid(format!("{kind} is no invocation type"))),
        };
        let payload = to_bytes(body, limit).await.map_err(|_| Refusal::TooLarge { limit })?;
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(&payload) {
            return Err(Refusal::NotJson(error.to_string()));
        }
        let trace = trace(headers);
        self.flows.name(trace.trace, &format!("Invoke {name}"));
        if kind == "Event" {
            let request_id = self.runtime.queue(name, payload, trace);
            return Ok(with_headers(StatusCode::ACCEPTED, Bytes::new(), &request_id, &trace));
        }
        let wants_log = text(headers, "x-amz-log-type") == Some("Tail");
        let outcome = self.runtime.run(name, payload, &[trace]).await;
        self.answer(name, outcome, &trace, wants_log)
    }

    fn answer(
        &self,
        function: &'static str,
        outcome: Outcome,
        trace: &TraceContext,
        wants_log: bool,
    ) -> Result<Response, Refusal> {
        let Outcome { request_id, run, result } = outcome;
        let (payload, failed) = match result {
            Ok(payload) => (payload, false),
            Err(InvokeError::Throttled) => return Err(Refusal::Throttled),
            Err(InvokeError::UnknownFunction) => return Err(Refusal::NotFound(function.to_owned())),
            Err(InvokeError::PayloadTooLarge) => {
                return Err(Refusal::TooLarge { limit: self.app.limits.payload_bytes });
            }
            Err(
                error @ (InvokeError::TimedOut { .. }
                | InvokeError::Crashed { .. }
                | InvokeError::InitFailed { .. }
                | InvokeError::Function { .. }),
            ) => (error.payload(&request_id), true),
        };
        let mut response = with_headers(StatusCode::OK, payload, &request_id, trace);
        let headers = response.headers_mut();
        headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
        if failed {
            headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
        }
        if wants_log && let Ok(log) = HeaderValue::try_from(self.log_tail(function, &request_id, run)) {
            headers.insert("x-amz-log-result", log);
        }
        Ok(response)
    }

    /// The end of the invocation's log with the lines that Lambda itself writes, in base64.
    fn log_tail(&self, function: &str, request_id: &str, run: Option<FunctionRun>) -> String {
        let report = run.as_ref().map(report_line);
        let mut log = format!("START RequestId: {request_id} Version: $LATEST\n");
        let lines = self.runtime.logs(function, Some(request_id), usize::MAX).unwrap_or_default();
        // The report is kept among them, and follows the end.
        for line in lines.iter().map(|line| &line.line).filter(|line| Some(*line) != report.as_ref()) {
            log.push_str(line);
            log.push('\n');
        }
        log.push_str(&format!("END RequestId: {request_id}\n"));
        if let Some(report) = report {
            log.push_str(&report);
            log.push('\n');
        }
        let start = log.len().saturating_sub(LOG_TAIL_BYTES);
        STANDARD.encode(&log.as_bytes()[start..])
    }

    /// The function by its name, its name in AWS, or its ARN, each with or without a version.
    fn name(&self, given: &str) -> Option<&'static str> {
        let unqualified = given.strip_suffix(":$LATEST").unwrap_or(given);
        let name = unqualified.rsplit(':').next()?;
        let own = |name| self.app.function(name).map(|function| function.name);
        own(name).or_else(|| own(name.strip_prefix(self.app.name)?.strip_prefix('-')?))
    }
}

fn trace(headers: &HeaderMap) -> TraceContext {
    text(headers, "x-amzn-trace-id")
        .and_then(TraceContext::from_xray)
        .or_else(|| TraceContext::from_traceparent(text(headers, "traceparent")?))
        .unwrap_or_else(TraceContext::new_root)
}

fn with_headers(status: StatusCode, payload: Bytes, request_id: &str, trace: &TraceContext) -> Response {
    let mut response = (status, payload).into_response();
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in [("x-amzn-requestid", request_id), ("x-amzn-trace-id", &trace.to_xray())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Why Lambda refuses to invoke.
#[derive(Debug)]
enum Refusal {
    NotFound(String),
    Invalid(String),
    NotJson(String),
    TooLarge { limit: usize },
    Throttled,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    r#type: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let throttled = matches!(self, Self::Throttled);
        let (status, error_type, message) = match self {
            Self::NotFound(function) => (
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                format!("Function not found: {function}"),
            ),
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, "InvalidParameterValueException", message),
            Self::NotJson(error) => (
                StatusCode::BAD_REQUEST,
                "InvalidRequestContentException",
                format!("Could not parse request body into json: {error}"),
            ),
            Self::TooLarge { limit } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                format!("Request must be smaller than {limit} bytes for the InvokeFunction operation"),
            ),
            Self::Throttled => {
                (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.".to_owned())
            }
        };
        let body = ErrorBody {
            r#type: "User",
            message,
            reason: throttled.then_some("ConcurrentInvocationLimitExceeded"),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert("x-amzn-errortype", HeaderValue::from_static(error_type));
        if throttled {
            headers.insert("retry-after", HeaderValue::from_static("1"));
        }
        response
    }
}
