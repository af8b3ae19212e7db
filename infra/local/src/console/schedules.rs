//! The console's JSON about schedules.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::Parts;
use super::api::Answer;
use super::problem::Problem;

pub(super) async fn list(State(parts): State<Arc<Parts>>) -> Answer<Value> {
    Ok(Json(json!({ "schedules": parts.schedules.report().await? })))
}

/// Starts a function as its schedule does.
pub(super) async fn run(
    State(parts): State<Arc<Parts>>,
    Path(function): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    match parts.schedules.run_now(&function).await? {
        Some(trace) => Ok((StatusCode::ACCEPTED, Json(json!({ "trace": trace })))),
        None => Err(Problem::NotFound("No schedule starts a function of this name.")),
    }
}
