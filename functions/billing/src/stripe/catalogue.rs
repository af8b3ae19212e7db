//! What is sold, by the provider's catalogue.

use std::collections::HashMap;

use shared::money::Money;
use shared::plan::Plan;
use shared::subscription::{Interval, Price};
use stripe_shared::RecurringInterval;
use stripe_types::Expandable;

/// What is sold: the provider's prices whose product bears a plan's name in its metadata, as `plan`.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Each price there is or was.
    pub(crate) offers: Vec<Offer>,
    /// The plan of each product.
    plans: HashMap<String, Plan>,
}

/// A plan at a price.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) plan: Plan,
    /// The product's name and description.
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Price,
    /// Days for which a new customer pays nothing: `trial_days` in the price's or the product's metadata.
    pub(crate) trial_days: Option<u32>,
    /// Whether it can still be bought.
    pub(crate) active: bool,
}

impl Catalogue {
    pub(super) fn new(prices: Vec<stripe_shared::Price>) -> Self {
        let mut catalogue = Self::default();
        for price in prices {
            catalogue.add(price);
        }
        catalogue
    }

    fn add(&mut self, price: stripe_shared::Price) {
        let Expandable::Object(product) = &price.product else { return };
        let Some(plan) = product.metadata.get("plan").and_then(|name| Plan::from_name(name)) else { return };
        self.plans.insert(product.id.to_string(), plan);
        let Some(recurring) = to_price(&price) else {
            tracing::warn!(price = %price.id, "a price is neither by month nor by year, or has no amount: it is not sold");
            return;
        };
        let trial_days = price.metadata.get("trial_days").or_else(|| product.metadata.get("trial_days"));
        self.offers.push(Offer {
            plan,
            name: product.name.clone(),
            description: product.description.clone().unwrap_or_default(),
            price: recurring,
            trial_days: trial_days.and_then(|days| days.parse().ok()).filter(|days| *days > 0),
            active: price.active && product.active,
        });
    }

    /// The plan of a product, if it is one that we sell.
    pub(crate) fn plan_of(&self, product: &str) -> Option<Plan> {
        self.plans.get(product).copied()
    }

    /// What can be bought at this price.
    pub(crate) fn offer(&self, price: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.active && offer.price.id == price)
    }
}

/// A price by month or year, of a fixed amount.
pub(super) fn to_price(price: &stripe_shared::Price) -> Option<Price> {
    let recurring = price.recurring.as_ref().filter(|recurring| recurring.interval_count == 1)?;
    let interval = match recurring.interval {
        RecurringInterval::Month => Interval::Month,
        RecurringInterval::Year => Interval::Year,
        RecurringInterval::Day | RecurringInterval::Week | RecurringInterval::Unknown(_) | _ => return None,
    };
    let currency = price.currency.to_string().parse().ok()?;
    let amount = Money { minor_units: price.unit_amount?, currency };
    Some(Price { id: price.id.to_string(), amount, interval })
}
