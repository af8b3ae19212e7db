//! What is shown of prices and entitlements.

use serde::Serialize;
use shared::entitlement::Entitlements;
use shared::plan::Plan;
use shared::subscription::{Interval, Price};
use utoipa::ToSchema;

/// What a plan costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Price)]
pub(crate) struct PriceDocument {
    /// Id, to check out with.
    #[schema(example = "price_1MoBy5LkdIwHu7ixZhnattbh")]
    pub(crate) id: String,
    /// What a seat costs an interval, in the currency's minor unit.
    #[schema(example = 1200)]
    amount: i64,
    /// Three letters of ISO 4217, in lower case.
    #[schema(example = "usd")]
    currency: String,
    /// How often it is paid.
    #[schema(value_type = String, example = "month")]
    interval: Interval,
}

/// What is open. Null: without limit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entitlements)]
pub(crate) struct EntitlementsDocument {
    /// How far back the history of activity is shown, in days.
    #[schema(example = 365)]
    activity_history_days: Option<u32>,
    /// How many may work in the workspace.
    #[schema(example = 5)]
    seats: Option<u32>,
}

impl From<&Price> for PriceDocument {
    fn from(price: &Price) -> Self {
        Self {
            id: price.id.clone(),
            amount: price.amount.minor_units,
            currency: price.amount.currency.code().to_owned(),
            interval: price.interval,
        }
    }
}

impl From<Entitlements> for EntitlementsDocument {
    fn from(Entitlements { plan: _, activity_history_days, seats }: Entitlements) -> Self {
        Self { activity_history_days, seats }
    }
}

/// The plans, in the order in which they are shown.
pub(crate) const PLANS: [Plan; 3] = [Plan::Free, Plan::Pro, Plan::Business];
