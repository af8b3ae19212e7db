//! Customers and their cards: <https://docs.stripe.com/api/customers>.

use super::metadata::{given, merge};
use super::{Outcome, page, then};
use crate::payments::form::Params;
use crate::payments::ledger::{Customer, Ledger};
use crate::payments::objects;
use crate::payments::refusal::Refusal;

pub(super) fn list(ledger: &Ledger, params: &mut Params) -> Outcome {
    let email = params.text("email")?;
    let wanted = |it: &&Customer| !it.deleted && (email.is_none() || it.email == email);
    let all = ledger.customers.iter().rev().filter(wanted).map(|it| objects::customer(ledger, it)).collect();
    page("/v1/customers", all, params)
}

pub(super) fn get(ledger: &Ledger, id: &str) -> Outcome {
    let found = ledger.customers.get(id).ok_or_else(|| Refusal::missing("customer", id, "id"))?;
    Ok(if found.deleted { objects::deleted_customer(id) } else { objects::customer(ledger, found) })
}

pub(super) fn create(ledger: &mut Ledger, mut params: Params, paths: &[String]) -> Outcome {
    let email = params.text("email")?;
    let name = params.text("name")?;
    let description = params.text("description")?;
    let metadata = given(params.map("metadata"));
    then(ledger, params, paths, |ledger| {
        let id = ledger.create_customer(email, name, description, metadata);
        get(ledger, &id)
    })
}

pub(super) fn change(ledger: &mut Ledger, id: &str, mut params: Params, paths: &[String]) -> Outcome {
    ledger.customer(id, "id")?;
    let [email, name, description] =
        ["email", "name", "description"].map(|field| params.text_or_unset(field));
    let metadata = params.map("metadata");
    let card = params.text("invoice_settings[default_payment_method]")?;
    if let Some(card) = &card
        && ledger.cards.get(card).is_none_or(|method| method.customer != id)
    {
        return Err(Refusal::missing("PaymentMethod", card, "invoice_settings[default_payment_method]"));
    }
    then(ledger, params, paths, |ledger| {
        ledger.change_customer(id, |it| {
            for (field, value) in
                [(&mut it.email, email), (&mut it.name, name), (&mut it.description, description)]
            {
                if let Some(value) = value {
                    *field = Some(value).filter(|value| !value.is_empty());
                }
            }
            merge(&mut it.metadata, metadata);
            if card.is_some() {
                it.default_card = card;
            }
        });
        get(ledger, id)
    })
}

pub(super) fn cards(ledger: &Ledger, id: &str, params: &mut Params) -> Outcome {
    ledger.customer(id, "id")?;
    params.only("type", "card")?;
    let of_customer = ledger.cards.iter().rev().filter(|method| method.customer == id);
    page(
        &format!("/v1/customers/{id}/payment_methods"),
        of_customer.map(objects::payment_method).collect(),
        params,
    )
}

pub(super) fn card(ledger: &Ledger, id: &str) -> Outcome {
    let found = ledger.cards.get(id).map(objects::payment_method);
    found.ok_or_else(|| Refusal::missing("PaymentMethod", id, "id"))
}
