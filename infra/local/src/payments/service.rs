//! The provider's API as functions call it, at `http://127.0.0.1:<port>/<access key>/v1/…`.
//!
//! The client crate signs nothing and knows no instance, so the access key in the path says who
//! calls; without one, it is a developer or a test.

use std::future;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::Payments;
use super::api::{self, Reply};
use super::form::Params;
use super::ledger::{Cause, Ledger};
use super::objects::API_VERSION;
use super::refusal::Refusal;
use crate::aws_request::{Callers, context};
use crate::faults::{Faults, SendMode};
use crate::flows::{Flows, Step, StepKind, TraceContext};

const REQUEST_BYTES: usize = 1024 * 1024;

#[derive(Clone)]
struct Service {
    payments: Payments,
    callers: Callers,
    flows: Flows,
    faults: Faults,
}

pub(super) fn router(payments: Payments, callers: Callers, flows: Flows, faults: Faults) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(Service { payments, callers, flows, faults }))
}

async fn handle(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches('/');
    let (access_key, path) = match path.split_once('/') {
        Some(("v1", rest)) => (None, Some(rest)),
        Some((key, rest)) => (Some(key), rest.strip_prefix("v1/")),
        None => (None, None),
    };
    let caller = access_key.and_then(|key| (service.callers)(key));
    let Some(path) = path else {
        let refusal = Refusal::unknown_path(&parts.method, parts.uri.path());
        return answer(refused(&refusal), None, None);
    };
    let within = caller.as_ref().and_then(|caller| context(&parts.headers, caller));
    let mut step = within.map(|within| service.flows.begin(&within, StepKind::Payment, "stripe"));
    if let Some(step) = &mut step {
        step.detail(format!("{} /v1/{path}", parts.method));
    }
    let Ok(body) = to_bytes(body, REQUEST_BYTES).await else {
        let refusal = Refusal::invalid("The request is larger than 1 MB.");
        finish(step, Err("the request is too large"));
        return answer(refused(&refusal), None, None);
    };
    let mode = if caller.is_some() { service.faults.payments() } else { SendMode::Ok };
    let trace = step.as_ref().map(Step::context).unwrap_or_else(|| trace_of(&parts.headers));
    match mode {
        SendMode::Refuse => {
            let (reply, request_id) = service.carry_out(&parts, path, &body, &trace, api::fail).await;
            finish(step, Err("refused on purpose"));
            return answer(reply, Some(&request_id), text(&parts.headers, "idempotency-key"));
        }
        SendMode::Throttle => {
            finish(step, Err("throttled on purpose"));
            return answer(refused(&Refusal::rate_limit()), None, None);
        }
        SendMode::Timeout => {
            finish(step, Err("not answered on purpose"));
            return future::pending().await;
        }
        SendMode::Ok | SendMode::AcceptThenTimeout => {}
    }
    let (reply, request_id) = service.carry_out(&parts, path, &body, &trace, api::handle).await;
    if mode == SendMode::AcceptThenTimeout {
        finish(step, Err("done, but not answered on purpose"));
        return future::pending().await;
    }
    let code = reply.body["error"]["code"].as_str().or_else(|| reply.body["error"]["type"].as_str());
    match (reply.status, code) {
        (200, _) => finish(step, Ok(())),
        // That is an answer, not a failure.
        (402 | 404, Some(code)) => {
            if let Some(step) = &mut step {
                step.detail(format!("{} /v1/{path} · {code}", parts.method));
            }
            finish(step, Ok(()));
        }
        (status, code) => {
            let message = reply.body["error"]["message"].as_str().unwrap_or_default();
            finish(step, Err(&format!("{status} {}: {message}", code.unwrap_or_default())));
        }
    }
    answer(reply, Some(&request_id), text(&parts.headers, "idempotency-key"))
}

impl Service {
    async fn carry_out(
        &self,
        parts: &http::request::Parts,
        path: &str,
        body: &[u8],
        trace: &TraceContext,
        handle: fn(&mut Ledger, api::Request) -> Reply,
    ) -> (Reply, String) {
        let authorization = text(&parts.headers, header::AUTHORIZATION.as_str());
        let checked = api::authorize(authorization, self.payments.secret_key())
            .and_then(|()| api::check_version(text(&parts.headers, "stripe-version")))
            .and_then(|()| params(&parts.method, parts.uri.query(), body));
        let params = match checked {
            Ok(params) => params,
            Err(refusal) => return (refused(&refusal), String::new()),
        };
        let key = text(&parts.headers, "idempotency-key").map(str::to_owned);
        if key.as_ref().is_some_and(|key| key.len() > 255) {
            let refusal = Refusal::invalid("Idempotency keys can be at most 255 characters long.");
            return (refused(&refusal), String::new());
        }
        let cause = Cause { trace: trace.to_traceparent(), flow: None, request: None };
        let request = api::Request {
            method: parts.method.clone(),
            path: path.trim_end_matches('/').to_owned(),
            params,
            idempotency_key: key.clone(),
        };
        let done = self
            .payments
            .act(cause, |ledger| {
                let id = ledger.request_id();
                ledger.cause.request = Some((id.clone(), key));
                (handle(ledger, request), id)
            })
            .await;
        done.unwrap_or_else(|error| (refused(&Refusal::internal(error.to_string())), String::new()))
    }
}

fn params(method: &Method, query: Option<&str>, body: &[u8]) -> Result<Params, Refusal> {
    match *method {
        Method::POST => Params::parse(body),
        _ if body.is_empty() => Params::parse(query.unwrap_or_default().as_bytes()),
        _ => Params::parse(body),
    }
}

fn trace_of(headers: &HeaderMap) -> TraceContext {
    let named = text(headers, "traceparent").and_then(TraceContext::from_traceparent);
    named.unwrap_or_else(TraceContext::new_root)
}

fn refused(refusal: &Refusal) -> Reply {
    Reply { status: refusal.status, body: refusal.body(), replayed: false }
}

fn finish(step: Option<Step>, outcome: Result<(), &str>) {
    match (step, outcome) {
        (Some(step), Ok(())) => step.ok(),
        (Some(step), Err(reason)) => step.error(reason),
        (None, _) => {}
    }
}

fn answer(reply: Reply, request_id: Option<&str>, key: Option<&str>) -> Response {
    let Reply { status, body, replayed } = reply;
    let mut response = Response::new(pretty(&body).into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
    if replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    for (name, value) in [("request-id", request_id), ("idempotency-key", key)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn pretty(body: &Value) -> String {
    serde_json::to_string_pretty(body).unwrap_or_default()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
