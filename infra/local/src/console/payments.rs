//! The console's JSON of the payment provider.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Parts;
use super::api::{Answer, Limit, Parameters, limit, not_json};
use super::problem::Problem;
use crate::payments::Payments;
use crate::payments::report::{Failure, attempt};

type Body = Result<Bytes, BytesRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    amount: Option<i64>,
}

pub(super) async fn report(State(parts): State<Arc<Parts>>, query: Parameters<Limit>) -> Answer<Value> {
    let Query(Limit { limit: wanted }) = query?;
    match &parts.payments {
        Some(payments) => Ok(Json(payments.report(limit(wanted, 200, 2_000) as usize).await?)),
        None => Ok(Json(json!({ "provider": "stripe" }))),
    }
}

pub(super) async fn clock(State(parts): State<Arc<Parts>>, body: Body) -> Answer<Value> {
    let by = read(&body?)?;
    Ok(Json(simulator(&parts)?.advance(by).await?))
}

pub(super) async fn switches(State(parts): State<Arc<Parts>>, body: Body) -> Answer<Value> {
    let changes = read(&body?)?;
    Ok(Json(json!(simulator(&parts)?.switch(changes).await?)))
}

pub(super) async fn resend(State(parts): State<Arc<Parts>>, Path(event): Path<String>) -> Answer<Value> {
    let sent = simulator(&parts)?.resend(&event).await?;
    let sent = sent.ok_or(Problem::NotFound("There is no such event."))?;
    Ok(Json(attempt(&sent)))
}

pub(super) async fn refund(
    State(parts): State<Arc<Parts>>,
    Path(invoice): Path<String>,
    body: Body,
) -> Answer<Value> {
    let body = body?;
    let Amount { amount } = if body.is_empty() { Amount { amount: None } } else { read(&body)? };
    Ok(Json(simulator(&parts)?.refund(&invoice, amount).await?))
}

pub(super) async fn portal(State(parts): State<Arc<Parts>>, Path(customer): Path<String>) -> Answer<Value> {
    Ok(Json(simulator(&parts)?.open_portal(&customer).await?))
}

fn simulator(parts: &Parts) -> Result<&Payments, Problem> {
    parts.payments.as_ref().ok_or_else(|| {
        Problem::Conflict(
            "The real Stripe is in use, as STRIPE_SECRET_KEY is set: see its dashboard.".to_owned(),
        )
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::Invalid(not_json(&error)))
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::NotFound("There is no such thing."),
            Failure::Invalid(sentence) => Self::Invalid(sentence),
            Failure::Journal(error) => error.into(),
        }
    }
}
