//! The console's JSON about texts, and what phones and carriers are made to do with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Parts;
use super::api::{Answer, Parameters, limit, not_json};
use super::problem::Problem;
use crate::texts::{Answered, Refusal, Text};

type Accepted = Result<(StatusCode, Json<Answered>), Problem>;

#[derive(Deserialize)]
pub(super) struct Filter {
    to: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    status: String,
}

pub(super) async fn list(State(parts): State<Arc<Parts>>, query: Parameters<Filter>) -> Answer<Value> {
    let filter = query?.0;
    // A `+` that was not encoded is read as a space.
    let number = filter.to.map(|to| to.trim().to_owned()).filter(|to| !to.is_empty());
    let number = number.map(|to| if to.starts_with('+') { to } else { format!("+{to}") });
    let texts = parts.texts.list(number, limit(filter.limit, 200, 1_000)).await?;
    Ok(Json(json!({ "texts": texts })))
}

pub(super) async fn one(State(parts): State<Arc<Parts>>, Path(id): Path<String>) -> Answer<Text> {
    parts.texts.get(id).await?.map(Json).ok_or_else(|| Refusal::UnknownText.into())
}

pub(super) async fn reply(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Accepted {
    let Reply { body } = read(&body?)?;
    Ok((StatusCode::ACCEPTED, Json(parts.phones.reply(id, &body).await?)))
}

pub(super) async fn receipt(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Accepted {
    let Receipt { status } = read(&body?)?;
    Ok((StatusCode::ACCEPTED, Json(parts.phones.receipt(id, &status).await?)))
}

/// An object; serde would read a list as one, its members by their order.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|error| Problem::Invalid(not_json(&error)))?;
    if !value.is_object() {
        return Err(Problem::Invalid("The body is not a JSON object.".to_owned()));
    }
    serde_json::from_value(value).map_err(|error| Problem::Invalid(error.to_string()))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownText => Self::NotFound("There is no such text."),
            Refusal::NoTopic | Refusal::NotSent => Self::Conflict(refusal.to_string()),
            Refusal::Body | Refusal::Status => Self::Invalid(refusal.to_string()),
            Refusal::Journal(error) => error.into(),
        }
    }
}
