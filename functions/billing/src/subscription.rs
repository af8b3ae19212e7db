use axum::extract::State;
use serde::Serialize;
use shared::entitlement::{Entitlements, grace_until};
use shared::http::{Caller, Json, Result, Time};
use shared::plan::Plan;
use shared::subscription::{Subscription, SubscriptionStatus};
use shared::workspace::MEMBERS;
use utoipa::ToSchema;

use crate::Billing;
use crate::document::{EntitlementsDocument, PriceDocument};
use crate::parts::owned;

/// What a workspace pays for, and what that opens.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionDocument {
    /// What is paid for; what is open now is in `entitlements`.
    #[schema(value_type = String, example = "pro")]
    plan: Plan,
    /// `none`, `trialing`, `active`, `past_due`, `paused`, `unpaid`, `incomplete` or `canceled`.
    #[schema(example = "active")]
    status: &'static str,
    /// What it costs.
    price: Option<PriceDocument>,
    /// How many seats are paid for.
    #[schema(example = 1)]
    seats: u32,
    /// Until when it is paid or on trial.
    current_period_end: Option<Time>,
    /// When the trial ends or ended.
    trial_end: Option<Time>,
    /// When it will end, if it was cancelled ahead.
    cancel_at: Option<Time>,
    /// When it ended.
    ended_at: Option<Time>,
    /// Until when the plan stays open though a payment has failed.
    grace_until: Option<Time>,
    entitlements: EntitlementsDocument,
    usage: Usage,
}

/// What is used of it.
#[derive(Serialize, ToSchema)]
struct Usage {
    /// How many work in the workspace.
    #[schema(example = 1)]
    seats: u32,
}

/// The subscription
///
/// What the signed-in user's workspace pays for, as the payment provider said when it last told of a change.
#[utoipa::path(get, path = "/api/billing/subscription", tag = "billing",
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The subscription", body = SubscriptionDocument)),
)]
pub(crate) async fn subscription(
    State(billing): State<Billing>,
    caller: Caller,
) -> Result<Json<SubscriptionDocument>> {
    let workspace = owned(&billing.store().memberships(caller.user_id).await?)?;
    let subscription = billing.store().subscription(workspace).await?;
    let entitlements = Entitlements::of(subscription.as_ref(), billing.sync.clock.now());
    Ok(Json(SubscriptionDocument::new(subscription.as_ref(), entitlements)))
}

impl SubscriptionDocument {
    fn new(subscription: Option<&Subscription>, entitlements: Entitlements) -> Self {
        let live = subscription.filter(|subscription| subscription.status != SubscriptionStatus::Canceled);
        Self {
            plan: live.map_or(Plan::Free, |subscription| subscription.plan),
            status: subscription.map_or("none", |subscription| subscription.status.name()),
            price: live.map(|subscription| PriceDocument::from(&subscription.price)),
            seats: live.map_or(1, |subscription| subscription.seats),
            current_period_end: live.map(|subscription| subscription.current_period_end.into()),
            trial_end: live.and_then(|subscription| subscription.trial_end).map(Time),
            cancel_at: live.and_then(|subscription| subscription.cancel_at).map(Time),
            ended_at: subscription.and_then(|subscription| subscription.ended_at).map(Time),
            grace_until: subscription.and_then(grace_until).map(Time),
            entitlements: entitlements.into(),
            usage: Usage { seats: MEMBERS },
        }
    }
}
