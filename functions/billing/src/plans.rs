use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use serde::Serialize;
use shared::entitlement::Entitlements;
use shared::http::{Json, Result};
use shared::plan::Plan;
use utoipa::ToSchema;

use crate::Billing;
use crate::document::{EntitlementsDocument, PLANS, PriceDocument};
use crate::stripe::Catalogue;

/// What can be had.
#[derive(Serialize, ToSchema)]
pub(crate) struct Plans {
    /// From the smallest to the largest.
    plans: Vec<PlanDocument>,
}

/// A plan, what it opens and what it costs.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanDocument {
    /// Which.
    #[schema(value_type = String, example = "pro")]
    plan: Plan,
    /// The name to show.
    #[schema(example = "Pro")]
    name: String,
    /// One sentence.
    #[schema(example = "For one who works with it every day.")]
    description: String,
    entitlements: EntitlementsDocument,
    /// None: it costs nothing.
    prices: Vec<OfferDocument>,
}

/// A price that a plan can be bought at.
#[derive(Serialize, ToSchema)]
#[schema(as = Offer)]
struct OfferDocument {
    #[serde(flatten)]
    price: PriceDocument,
    /// Days for which nothing is paid, for a workspace that has never had a subscription.
    #[schema(example = 14)]
    trial_days: Option<u32>,
}

/// List plans
///
/// What can be had, and what it costs, as the payment provider's catalogue says. The same for all.
#[utoipa::path(get, path = "/api/billing/plans", operation_id = "list_plans", tag = "billing", responses(
    (status = 200, description = "The plans", body = Plans),
))]
pub(crate) async fn plans(State(billing): State<Billing>) -> Result<impl IntoResponse> {
    let catalogue = billing.sync.stripe.catalogue().await?;
    let plans = PLANS.iter().filter_map(|plan| document(*plan, &catalogue)).collect();
    Ok(([(header::CACHE_CONTROL, "public, max-age=300")], Json(Plans { plans })))
}

/// A plan that is not sold is not shown.
fn document(plan: Plan, catalogue: &Catalogue) -> Option<PlanDocument> {
    let mut offers: Vec<_> =
        catalogue.offers.iter().filter(|offer| offer.active && offer.plan == plan).collect();
    offers.sort_by_key(|offer| (offer.price.amount.minor_units, &offer.price.id));
    let (name, description) = match (plan, offers.first()) {
        (Plan::Free, _) => ("Free".to_owned(), "For a look around, for as long as you like.".to_owned()),
        (Plan::Pro | Plan::Business, Some(offer)) => (offer.name.clone(), offer.description.clone()),
        (Plan::Pro | Plan::Business, None) => return None,
    };
    let offer = |offer: &&crate::stripe::Offer| OfferDocument {
        price: PriceDocument::from(&offer.price),
        trial_days: offer.trial_days,
    };
    Some(PlanDocument {
        plan,
        name,
        description,
        entitlements: Entitlements::of_plan(plan).into(),
        prices: offers.iter().map(offer).collect(),
    })
}
