//! What is for sale, and what happens to those who do not pay: `products.json` beside this file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const SEED: &str = include_str!("products.json");

/// When the products and prices say that they were made: 2026-01-01T00:00:00Z.
pub(crate) const CREATED: i64 = 1_767_225_600;

/// All that is for sale.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalog {
    pub(crate) dunning: Dunning,
    pub(crate) products: Vec<Product>,
}

/// How a failed renewal is tried again. Stripe's "custom retry schedule" takes up to three retries,
/// each some days after the attempt before it, and then one of these ends:
/// <https://docs.stripe.com/billing/revenue-recovery/smart-retries#custom-retry-schedule>.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dunning {
    pub(crate) retry_after_days: Vec<u32>,
    pub(crate) then: AfterRetries,
}

/// What becomes of a subscription whose last retry has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AfterRetries {
    Cancel,
    Unpaid,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Product {
    pub(crate) id: String,
    /// Whether it can be bought; what is bought goes on.
    #[serde(default = "active")]
    pub(crate) active: bool,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) prices: Vec<Price>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) id: String,
    /// Not if it is archived: <https://docs.stripe.com/products-prices/manage-prices>.
    #[serde(default = "active")]
    pub(crate) active: bool,
    pub(crate) lookup_key: String,
    pub(crate) currency: String,
    /// In the currency's minor unit.
    pub(crate) unit_amount: i64,
    pub(crate) interval: Interval,
    /// What whoever makes a checkout reads, as `trial_days`: it grants nothing by itself.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// How long one payment lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Interval {
    Month,
    Year,
}

impl Catalog {
    /// What the file says.
    pub(crate) fn seed() -> Self {
        serde_json::from_str(SEED).expect("a test reads products.json")
    }

    pub(crate) fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    /// A price with the product that it is of.
    pub(crate) fn price(&self, id: &str) -> Option<(&Product, &Price)> {
        self.prices().find(|(_, price)| price.id == id)
    }

    pub(crate) fn prices(&self) -> impl Iterator<Item = (&Product, &Price)> {
        self.products.iter().flat_map(|product| product.prices.iter().map(move |price| (product, price)))
    }

    /// Takes in what was for sale once: a price is archived, as at Stripe, and never gone.
    pub(crate) fn archive(&mut self, was: &Product) {
        let gone = was.prices.iter().filter(|price| self.price(&price.id).is_none());
        let mut gone: Vec<_> = gone.map(|price| Price { active: false, ..price.clone() }).collect();
        match self.products.iter_mut().find(|product| product.id == was.id) {
            Some(product) => product.prices.append(&mut gone),
            None => self.products.push(Product { active: false, prices: gone, ..was.clone() }),
        }
    }
}

/// What the file does not say.
const fn active() -> bool {
    true
}

impl Interval {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    pub(crate) const fn months(self) -> i32 {
        match self {
            Self::Month => 1,
            Self::Year => 12,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_plans_are_for_sale_by_the_month_and_by_the_year() {
        let catalog = Catalog::seed();
        for plan in ["pro", "business"] {
            let of_plan = catalog.prices().filter(|(product, _)| product.metadata["plan"] == plan);
            let intervals: Vec<_> = of_plan.map(|(_, price)| price.interval).collect();
            assert_eq!(intervals, [Interval::Month, Interval::Year], "{plan}");
        }
        let mut ids: Vec<_> = catalog.prices().map(|(_, price)| &price.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    }

    #[test]
    fn retries_are_at_most_three_as_at_stripe() {
        assert!((1..=3).contains(&Catalog::seed().dunning.retry_after_days.len()));
    }
}
