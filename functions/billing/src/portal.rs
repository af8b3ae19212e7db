use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shared::error::Error;
use shared::http::{Caller, IdempotencyKey, Json, Once, Result};
use shared::id::UserId;
use shared::limit::BILLING_BY_USER;
use shared::store::{Answer, Intent};
use utoipa::ToSchema;

use crate::Billing;
use crate::parts::{NOT_SUBSCRIBED, Redirect, owned};

/// Nothing is asked for but the portal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortalBody {}

/// Open the portal
///
/// Answers where the payment provider lets the workspace change its plan, its card and its address, and cancel.
#[utoipa::path(post, path = "/api/billing/portal", operation_id = "open_portal", tag = "billing",
    security(("access_cookie" = []), ("access_token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same answer, for a day")),
    request_body = PortalBody,
    responses(
        (status = 201, description = "Where the portal is", body = Redirect),
        (status = 409, description = "The workspace has bought nothing yet, or the same request is at work",
            body = shared::http::ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn portal(
    State(billing): State<Billing>,
    caller: Caller,
    key: IdempotencyKey,
    Json(PortalBody {}): Json<PortalBody>,
) -> Result<Response> {
    let (user_id, now) = (caller.user_id, billing.sync.clock.now());
    billing.store().take(&BILLING_BY_USER, &user_id.to_string(), now).await?;
    let once = Once { user_id, operation: "portal", request: "", now };
    let work = async |intent: Option<&Intent>| open(&billing, user_id, intent).await;
    key.once(billing.store(), &billing.sync.random, once, work).await
}

async fn open(billing: &Billing, user_id: UserId, intent: Option<&Intent>) -> Result<Answer> {
    let workspace = owned(&billing.store().memberships(user_id).await?)?;
    let customer = billing.store().customer(workspace).await?.ok_or(NOT_SUBSCRIBED)?;
    let return_url = format!("{}/billing", billing.origin.as_str());
    let nonce = billing.nonce();
    let url = match billing.sync.stripe.create_portal(&customer.id, &return_url, &nonce).await {
        Err(error) if error.lacks_customer() => return Err(NOT_SUBSCRIBED),
        url => url.map_err(Error::from)?,
    };
    let answer = Redirect { url }.to_answer()?;
    if let Some(intent) = intent {
        billing.store().keep_answer(intent, &answer).await?;
    }
    Ok(answer)
}
