//! What the payment provider tells: kept once, and left to be read afresh.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::aws;
use shared::cached::Cached;
use shared::clock::{Clock, Random};
use shared::error::Error;
use shared::event::{Envelope, Event};
use shared::http::{Json, Problem, Result};
use shared::store::{Store, Webhook};
use shared::trace;

use crate::config::WebhookConfig;
use crate::signature::WebhookSecrets;

/// What it takes to hear the provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Where webhooks are kept.
    pub store: Store,
    /// What they are signed with.
    pub secrets: Cached<WebhookSecrets>,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

const MAX_BYTES: usize = 1024 * 1024;

const INVALID_SIGNATURE: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "invalid-signature",
    "The signature is not one of this body, by a secret of ours, of the last minutes.",
);

const UNREADABLE: Problem =
    Problem::new(StatusCode::BAD_REQUEST, "malformed-json", "The body is no event of the payment provider.");

impl Webhooks {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &WebhookConfig) -> Self {
        let clock = Clock::system();
        let parse = |json: &str| Ok(WebhookSecrets::parse(json)?);
        Self {
            store: Store::connect(&config.aws, &config.table_name),
            secrets: Cached::in_parameter(&config.aws, &config.secrets_parameter, parse, clock.clone()),
            clock,
            random: Random::system(),
        }
    }

    /// Opens connections and reads the secrets beside the wait for the first request.
    pub fn warm(&self) {
        let (store, secrets) = (self.store.clone(), self.secrets.clone());
        aws::warm(async move {
            tokio::join!(store.warm(), secrets.warm());
        });
    }
}

/// The route.
pub fn webhook_router(webhooks: Webhooks) -> Router {
    Router::new().route("/api/billing/webhook", post(receive)).with_state(webhooks)
}

/// An event of the provider, as far as it is looked at.
#[derive(Deserialize)]
struct Told {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    object: Option<String>,
    /// An id, or the customer itself.
    #[serde(default)]
    customer: Option<Value>,
}

impl Told {
    fn customer_id(&self) -> Option<&str> {
        let object = &self.data.object;
        match &object.customer {
            Some(Value::String(id)) => Some(id),
            Some(expanded) => expanded["id"].as_str(),
            None if object.object.as_deref() == Some("customer") => object.id.as_deref(),
            None => None,
        }
    }

    /// Whether it may change what a workspace pays for.
    fn is_of_interest(&self) -> bool {
        self.kind == "customer.deleted"
            || ["customer.subscription.", "invoice.", "checkout.session."]
                .iter()
                .any(|prefix| self.kind.starts_with(prefix))
    }
}

/// Hear the payment provider
///
/// For the payment provider only: the signature counts, and no cookie or token. Whatever kind of event it is, it is kept
/// once; what it is about is then read from the provider.
#[utoipa::path(post, path = "/api/billing/webhook", tag = "billing",
    params(("Stripe-Signature" = String, Header, description = "`t=<seconds>,v1=<hex>`")),
    request_body(content = serde_json::Value, description = "An event of the payment provider"),
    responses((status = 200, description = "It is kept", body = serde_json::Value)),
)]
pub(crate) async fn receive(State(webhooks): State<Webhooks>, request: Request) -> Result<Json<Value>> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BYTES).await.map_err(|_| Problem::TOO_LARGE)?;
    webhooks.authenticate(&parts.headers, &body).await?;
    let told: Told = serde_json::from_slice(&body).map_err(|_| UNREADABLE)?;
    webhooks.keep(&told).await?;
    Ok(Json(json!({})))
}

impl Webhooks {
    async fn authenticate(&self, headers: &HeaderMap, body: &Bytes) -> Result<()> {
        let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
        let header = header.ok_or(INVALID_SIGNATURE)?;
        let now = self.clock.now();
        if self.secrets.current().await?.verify(header, body, now) {
            return Ok(());
        }
        // The secrets may have been replaced.
        let is_good = self.secrets.newer().await?.verify(header, body, now);
        is_good.then_some(()).ok_or(INVALID_SIGNATURE)
    }

    /// Keeps it, with the event that follows from it, if it is about a customer of ours.
    async fn keep(&self, told: &Told) -> Result<(), Error> {
        let now = self.clock.now();
        let customer = match told.customer_id() {
            Some(id) if told.is_of_interest() => self.store.customer_by_id(id).await?,
            Some(_) | None => None,
        };
        let event = customer.as_ref().map(|customer| {
            let event = Event::BillingNotified {
                notification_id: told.id.clone(),
                notification_type: told.kind.clone(),
                customer_id: customer.id.clone(),
                object_id: told.data.object.id.clone().unwrap_or_default(),
            };
            let traceparent = trace::current().map(|trace| trace.to_traceparent());
            (customer, Envelope::new(customer.owner_id, event, now, &self.random, traceparent))
        });
        let webhook = Webhook {
            id: told.id.clone(),
            kind: told.kind.clone(),
            customer_id: told.customer_id().map(str::to_owned),
            object_id: told.data.object.id.clone(),
            received_at: now,
        };
        let event = event.as_ref().map(|(customer, event)| (customer.id.as_str(), event));
        self.store.keep_webhook(&webhook, event).await?;
        Ok(())
    }
}
