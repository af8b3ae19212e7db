//! The objects against the fields that Stripe publishes.
//!
//! `published.json` holds the names of the fields of each object in the fixtures of Stripe's OpenAPI
//! description: <https://github.com/stripe/openapi>, `openapi/fixtures3.json` at commit
//! f6c2a48fbac2819d1feba8143d942ffc65e1c0d2 of 2026-08-21.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::payments::api::ask;
use crate::payments::cards::{Presence, TypedCard};
use crate::payments::ledger::CheckoutOrder;

/// Published, but of an older version: what took their place is shown.
const REPLACED: [(&str, &str); 2] = [("invoice", "subscription"), ("line_item", "subscription")];

/// Newer than the fixtures: the client crate knows them.
const NEWER: [(&str, &str); 1] = [("subscription_item", "billed_until")];

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// One object of each kind, out of books in which something has happened.
fn samples() -> BTreeMap<&'static str, Value> {
    let mut ledger = Ledger::new(Catalog::seed(), "http://localhost:3000".to_owned(), 7);
    ledger.advance_to(1_795_000_000);
    let order = CheckoutOrder {
        price: "price_pro_month".to_owned(),
        quantity: 1,
        success_url: "http://localhost:3000/".to_owned(),
        ..CheckoutOrder::default()
    };
    let session = ledger.create_checkout(order).unwrap();
    let card = TypedCard { number: "4242424242424242".to_owned(), ..TypedCard::default() };
    let card = card.parse((2026, 11)).unwrap();
    ledger.pay_checkout(&session, Some(card), Presence::Present).unwrap();
    let mut get = |path: &str, form: &str| {
        let reply = ask(&mut ledger, "GET", path, form);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    };
    let first = |list: &Value| list["data"][0].clone();
    let session = get(
        &format!("checkout/sessions/{session}"),
        "expand[]=line_items&expand[]=subscription.default_payment_method&expand[]=customer",
    );
    let invoice = get(&format!("invoices/{}", session["invoice"].as_str().unwrap()), "expand[]=payments");
    let price = first(&get("prices", ""));
    let event = first(&get("events", ""));
    let product = first(&get("products", ""));
    let customer = session["customer"]["id"].as_str().unwrap().to_owned();
    let payment = first(&invoice["payments"]);
    let intent = payment["payment"]["payment_intent"].as_str().unwrap().to_owned();
    let refund = ask(&mut ledger, "POST", "refunds", &format!("payment_intent={intent}")).body;
    let portal = ask(&mut ledger, "POST", "billing_portal/sessions", &format!("customer={customer}")).body;
    let subscription = session["subscription"].clone();
    let item = first(&subscription["items"]);
    let method = subscription["default_payment_method"].clone();
    BTreeMap::from([
        ("billing_portal.session", portal),
        ("item", first(&session["line_items"])),
        ("customer", session["customer"].clone()),
        ("event", event),
        ("invoice_payment", payment),
        ("line_item", first(&invoice["lines"])),
        ("payment_method.card", method["card"].clone()),
        ("payment_method", method),
        ("plan", item["plan"].clone()),
        ("price.recurring", price["recurring"].clone()),
        ("price", price),
        ("product", product),
        ("refund", refund),
        ("subscription_item", item),
        ("subscription", subscription),
        ("invoice", without(invoice, "payments")),
        ("checkout.session", without(session, "line_items")),
    ])
}

fn without(mut object: Value, included: &str) -> Value {
    object.as_object_mut().unwrap().remove(included);
    object
}

#[test]
fn each_object_has_the_fields_that_stripe_publishes() {
    let published: BTreeMap<String, BTreeSet<String>> =
        serde_json::from_str(include_str!("published.json")).unwrap();
    let samples = samples();
    assert_eq!(samples.len(), published.len());
    for (kind, mut expected) in published {
        expected.retain(|field| !REPLACED.contains(&(kind.as_str(), field.as_str())));
        let newer = NEWER.iter().filter(|(of, _)| *of == kind).map(|(_, field)| (*field).to_owned());
        expected.extend(newer);
        let shown = names(&samples[kind.as_str()]);
        let missing: Vec<_> = expected.difference(&shown).collect();
        let invented: Vec<_> = shown.difference(&expected).collect();
        assert!(
            missing.is_empty() && invented.is_empty(),
            "{kind} lacks {missing:?} and invents {invented:?}"
        );
    }
}

#[test]
fn money_is_written_for_people() {
    assert_eq!(money(1_200, "usd"), "$12.00");
    assert_eq!(money(-5, "usd"), "−$0.05");
    assert_eq!(money(1_200, "eur"), "12.00 EUR");
    assert_eq!(money(1_200, "jpy"), "1200 JPY");
    assert_eq!(rate(&Catalog::seed(), "price_pro_year"), "$120.00 a year");
}
