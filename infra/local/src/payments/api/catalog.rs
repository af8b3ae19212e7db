//! Products and prices: <https://docs.stripe.com/api/prices>.

use super::{Outcome, page};
use crate::payments::catalog::{Price, Product};
use crate::payments::form::Params;
use crate::payments::ledger::Ledger;
use crate::payments::objects;
use crate::payments::refusal::Refusal;

pub(super) fn products(ledger: &Ledger, params: &mut Params) -> Outcome {
    let active = params.boolean("active")?;
    let all = ledger.catalog.products.iter().filter(|it| active.is_none_or(|active| active == it.active));
    page("/v1/products", all.map(objects::product).collect(), params)
}

pub(super) fn product(ledger: &Ledger, id: &str) -> Outcome {
    let found = ledger.catalog.product(id).map(objects::product);
    found.ok_or_else(|| Refusal::missing("product", id, "id"))
}

pub(super) fn prices(ledger: &Ledger, params: &mut Params) -> Outcome {
    let active = params.boolean("active")?;
    params.only("type", "recurring")?;
    let product = params.text("product")?;
    let keys = params.list("lookup_keys");
    let wanted = |of: &Product, price: &Price| {
        active.is_none_or(|active| active == price.active)
            && product.as_ref().is_none_or(|product| *product == of.id)
            && (keys.is_empty() || keys.contains(&price.lookup_key))
    };
    let all = ledger
        .catalog
        .prices()
        .filter(|(product, price)| wanted(product, price))
        .map(|(product, price)| objects::price(product, price))
        .collect();
    page("/v1/prices", all, params)
}

pub(super) fn price(ledger: &Ledger, id: &str) -> Outcome {
    let found = ledger.catalog.price(id).map(|(product, price)| objects::price(product, price));
    found.ok_or_else(|| Refusal::missing("price", id, "id"))
}
