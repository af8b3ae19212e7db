//! The console's JSON. It is stable and documented in the README.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Parts;
use super::problem::Problem;
use crate::faults::Settings;
use crate::flows::{FlowDetail, TraceContext, TraceId};
use crate::mail::Detail;
use crate::queue::UnknownDeadLetter;
use crate::runtime::InvokeError;
use crate::table::Page;

pub(super) type Parameters<T> = Result<Query<T>, QueryRejection>;
pub(super) type Answer<T> = Result<Json<T>, Problem>;

const NO_FUNCTION: Problem = Problem::NotFound("There is no function of this name.");

#[derive(Deserialize)]
pub(super) struct Limit {
    pub(super) limit: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct EmailFilter {
    to: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct LogFilter {
    request_id: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct TableFilter {
    #[serde(default)]
    pk_prefix: String,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Summary {
    invocations: u64,
    cold_starts: u64,
    errors: u64,
    /// Of the kept flows' HTTP requests; none before the first.
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    billed_ms: u64,
    emails: u64,
    texts: u64,
    dead_letters: u64,
}

pub(super) async fn summary(State(parts): State<Arc<Parts>>) -> Answer<Summary> {
    let functions = parts.runtime.report();
    let durations = parts.flows.http_durations();
    Ok(Json(Summary {
        invocations: functions.iter().map(|function| function.invocations).sum(),
        cold_starts: functions.iter().map(|function| function.cold_starts).sum(),
        errors: functions.iter().map(|function| function.errors).sum(),
        p50_ms: percentile(&durations, 50),
        p95_ms: percentile(&durations, 95),
        billed_ms: functions.iter().map(|function| function.billed_ms).sum(),
        emails: parts.inbox.count().await?,
        texts: parts.texts.count().await?,
        dead_letters: parts.queues.count_dead_letters().await?,
    }))
}

pub(super) async fn flows(State(parts): State<Arc<Parts>>, query: Parameters<Limit>) -> Answer<Value> {
    let limit = limit(query?.limit, 50, 500) as usize;
    Ok(Json(json!({ "flows": parts.flows.recent(limit) })))
}

pub(super) async fn flow(State(parts): State<Arc<Parts>>, Path(trace): Path<String>) -> Answer<FlowDetail> {
    let flow = TraceId::from_hex(&trace).and_then(|trace| parts.flows.get(trace));
    flow.map(Json).ok_or(Problem::NotFound("There is no such flow, or it has been forgotten."))
}

pub(super) async fn emails(State(parts): State<Arc<Parts>>, query: Parameters<EmailFilter>) -> Answer<Value> {
    let Query(EmailFilter { to, limit: wanted }) = query?;
    let to = to.filter(|to| !to.trim().is_empty());
    let emails = parts.inbox.list(to, limit(wanted, 200, 1_000)).await?;
    Ok(Json(json!({ "emails": emails })))
}

pub(super) async fn email(State(parts): State<Arc<Parts>>, Path(id): Path<String>) -> Answer<Detail> {
    let email = parts.inbox.get(id).await?;
    email.map(Json).ok_or(Problem::NotFound("There is no such mail."))
}

pub(super) async fn functions(State(parts): State<Arc<Parts>>) -> Json<Value> {
    Json(json!({ "functions": parts.runtime.report() }))
}

pub(super) async fn logs(
    State(parts): State<Arc<Parts>>,
    Path(name): Path<String>,
    query: Parameters<LogFilter>,
) -> Answer<Value> {
    let Query(LogFilter { request_id, limit: wanted }) = query?;
    let request_id = request_id.filter(|id| !id.is_empty());
    let lines = parts.runtime.logs(&name, request_id.as_deref(), limit(wanted, 200, 5_000) as usize);
    Ok(Json(json!({ "lines": lines.ok_or(NO_FUNCTION)? })))
}

/// Invokes a function with any event and waits for its answer.
pub(super) async fn invoke(
    State(parts): State<Arc<Parts>>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let body = body?;
    if parts.app.function(&name).is_none() {
        return Err(NO_FUNCTION);
    }
    serde_json::from_slice::<Value>(&body).map_err(|error| Problem::Invalid(not_json(&error)))?;
    let trace = TraceContext::new_root();
    parts.flows.name(trace.trace, &format!("Invoke {name}"));
    let outcome = parts.runtime.run(&name, body, &[trace]).await;
    let (status, function_error, payload) = match outcome.result {
        Ok(payload) => (200, None, payload),
        Err(error @ InvokeError::Throttled) => (429, None, error.payload(&outcome.request_id)),
        Err(error @ InvokeError::PayloadTooLarge) => (413, None, error.payload(&outcome.request_id)),
        Err(error) => (200, Some("Unhandled"), error.payload(&outcome.request_id)),
    };
    let as_text = || Value::String(String::from_utf8_lossy(&payload).into_owned());
    Ok(Json(json!({
        "status": status,
        "function_error": function_error,
        "payload": serde_json::from_slice(&payload).unwrap_or_else(|_| as_text()),
        "trace": trace.trace,
    })))
}

pub(super) async fn queues(State(parts): State<Arc<Parts>>) -> Answer<Value> {
    Ok(Json(json!({ "queues": parts.queues.report().await? })))
}

pub(super) async fn dead_letters(State(parts): State<Arc<Parts>>, query: Parameters<Limit>) -> Answer<Value> {
    let letters = parts.queues.dead_letters(limit(query?.limit, 200, 1_000)).await?;
    Ok(Json(json!({ "dead_letters": letters })))
}

pub(super) async fn redrive(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    match parts.queues.redrive(id, &parts.runtime).await? {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(json!({ "detail": "It is being handled again." })))),
        Err(UnknownDeadLetter) => Err(no_dead_letter()),
    }
}

pub(super) async fn discard(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let discarded = parts.queues.discard(id).await?;
    if discarded { Ok(StatusCode::NO_CONTENT) } else { Err(no_dead_letter()) }
}

pub(super) async fn table(State(parts): State<Arc<Parts>>, query: Parameters<TableFilter>) -> Answer<Page> {
    let Query(TableFilter { pk_prefix, cursor, limit: wanted }) = query?;
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let limit = limit(wanted, 50, 500) as usize;
    let page = parts.table.browse(pk_prefix, cursor.as_deref(), limit).await?;
    page.map(Json).map_err(|error| Problem::Invalid(error.to_string()))
}

pub(super) async fn settings(State(parts): State<Arc<Parts>>) -> Json<Settings> {
    Json(parts.faults.settings())
}

/// Changes the settings that are given; the others stay.
pub(super) async fn change_settings(
    State(parts): State<Arc<Parts>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Settings> {
    let invalid = |error: serde_json::Error| Problem::Invalid(not_json(&error));
    let changes: Value = serde_json::from_slice(&body?).map_err(invalid)?;
    let mut settings = serde_json::to_value(parts.faults.settings()).map_err(invalid)?;
    merge(&mut settings, changes).map_err(Problem::Invalid)?;
    let settings = serde_json::from_value(settings).map_err(|error| Problem::Invalid(error.to_string()))?;
    parts.faults.set(settings).map_err(|error| Problem::Invalid(error.to_string()))?;
    Ok(Json(parts.faults.settings()))
}

/// A list is refused where an object belongs: serde would read it as one, its members by their order.
fn merge(current: &mut Value, changes: Value) -> Result<(), String> {
    match (current, changes) {
        (Value::Object(current), Value::Object(changes)) => changes
            .into_iter()
            .try_for_each(|(name, change)| merge(current.entry(name).or_insert(Value::Null), change)),
        (Value::Object(_), other) => Err(format!("An object belongs where {other} is.")),
        (current, change) => {
            *current = change;
            Ok(())
        }
    }
}

fn no_dead_letter() -> Problem {
    Problem::NotFound("There is no such dead letter.")
}

pub(super) fn not_json(error: &serde_json::Error) -> String {
    format!("The body is not JSON: {error}.")
}

pub(super) fn limit(wanted: Option<u32>, usual: u32, most: u32) -> u32 {
    wanted.unwrap_or(usual).clamp(1, most)
}

/// The smallest value that at least so many percent of the ascending values do not exceed.
fn percentile(ascending: &[f64], percent: usize) -> Option<f64> {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending.get(rank - 1).copied()
}
