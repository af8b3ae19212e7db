//! Checkout sessions and portal sessions: <https://docs.stripe.com/api/checkout/sessions>,
//! <https://docs.stripe.com/api/customer_portal/sessions>.

use super::metadata::given;
use super::subscriptions::{missing_card, quantity, trial_days};
use super::{Outcome, page, then};
use crate::payments::form::Params;
use crate::payments::ledger::{CheckoutOrder, CheckoutStatus, Ledger};
use crate::payments::objects;
use crate::payments::refusal::Refusal;

pub(super) fn list(ledger: &Ledger, params: &mut Params) -> Outcome {
    use CheckoutStatus::{Complete, Expired, Open};
    let customer = params.text("customer")?;
    let subscription = params.text("subscription")?;
    let statuses = [("open", Open), ("complete", Complete), ("expired", Expired)];
    let status = params.one_of("status", &statuses)?;
    let all = ledger.checkouts.iter().rev().filter(|it| {
        (customer.is_none() || it.customer == customer)
            && (subscription.is_none() || it.subscription == subscription)
            && status.is_none_or(|status| it.status == status)
    });
    page("/v1/checkout/sessions", all.map(|it| objects::checkout(ledger, it)).collect(), params)
}

pub(super) fn get(ledger: &Ledger, id: &str) -> Outcome {
    let found = ledger.checkouts.get(id).map(|it| objects::checkout(ledger, it));
    found.ok_or_else(|| Refusal::missing("checkout.session", id, "id"))
}

pub(super) fn create(ledger: &mut Ledger, mut params: Params, paths: &[String]) -> Outcome {
    let mode = params.required("mode")?;
    if mode != "subscription" {
        let message = format!("This simulator has checkouts in mode subscription only, not {mode}.");
        return Err(Refusal::invalid_param("parameter_unknown", "mode", message));
    }
    if params.count("line_items") > 1 {
        return Err(Refusal::invalid("This simulator takes one line item only."));
    }
    for (name, value) in [
        ("automatic_tax[enabled]", "false"),
        ("payment_method_types[0]", "card"),
        ("phone_number_collection[enabled]", "false"),
        ("tax_id_collection[enabled]", "false"),
        ("ui_mode", "hosted_page"),
    ] {
        params.only(name, value)?;
    }
    // What a customer gives is not kept, as nothing is asked for but a card.
    params.map("customer_update");
    let order = CheckoutOrder {
        customer: params.text("customer")?,
        customer_email: params.text("customer_email")?,
        client_reference_id: params.text("client_reference_id")?,
        price: params.required("line_items[0][price]")?,
        quantity: quantity(&mut params, "line_items[0][quantity]")?,
        success_url: url(params.required("success_url")?, "success_url")?,
        cancel_url: params.text("cancel_url")?.map(|address| url(address, "cancel_url")).transpose()?,
        expires_at: ledger.of_caller(params.integer("expires_at")?),
        metadata: given(params.map("metadata")),
        subscription_metadata: given(params.map("subscription_data[metadata]")),
        description: params.text("subscription_data[description]")?,
        trial_days: trial_days(&mut params, "subscription_data[trial_period_days]")?,
        trial_end: ledger.of_caller(params.integer("subscription_data[trial_end]")?),
        missing_card: missing_card(&mut params, "subscription_data[trial_settings]")?,
        card_if_required: params
            .one_of("payment_method_collection", &[("always", false), ("if_required", true)])?
            .unwrap_or(false),
        allow_promotion_codes: params.boolean("allow_promotion_codes")?,
        locale: params.text("locale")?,
        billing_address_collection: params.text("billing_address_collection")?,
    };
    if order.customer.is_some() && order.customer_email.is_some() {
        return Err(Refusal::invalid(
            "You may only specify one of these parameters: customer, customer_email.",
        ));
    }
    then(ledger, params, paths, |ledger| {
        let id = ledger.create_checkout(order)?;
        get(ledger, &id)
    })
}

pub(super) fn expire(ledger: &mut Ledger, id: &str) -> Outcome {
    get(ledger, id)?;
    if let Some(found) = ledger.checkouts.get(id).filter(|it| !it.is_open()) {
        return Err(Refusal::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a \
             status of `{}`.",
            found.status.name()
        )));
    }
    ledger.expire_checkout(id);
    get(ledger, id)
}

pub(super) fn create_portal(ledger: &mut Ledger, mut params: Params) -> Outcome {
    let customer = params.required("customer")?;
    let return_url = params.text("return_url")?.map(|address| url(address, "return_url")).transpose()?;
    params.text("locale")?;
    then(ledger, params, &[], |ledger| {
        let id = ledger.create_portal(&customer, return_url)?;
        Ok(ledger.portals.get(&id).map(|it| objects::portal(ledger, it)).unwrap_or_default())
    })
}

/// A web address.
fn url(address: String, name: &str) -> Result<String, Refusal> {
    // What is to be filled in is no part of an address yet.
    let filled = address.replace("{CHECKOUT_SESSION_ID}", "x");
    let absolute = filled
        .parse::<http::Uri>()
        .is_ok_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")));
    if absolute {
        return Ok(address);
    }
    let message = "Not a valid URL: it needs a scheme and a host.";
    Err(Refusal::invalid_param("url_invalid", name, message))
}
