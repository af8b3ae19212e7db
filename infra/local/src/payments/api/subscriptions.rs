//! Subscriptions: <https://docs.stripe.com/api/subscriptions>.

use super::metadata::{given, merge};
use super::{Outcome, page, then};
use crate::payments::cards::Presence;
use crate::payments::form::Params;
use crate::payments::ledger::{Ledger, MissingCard, OnFailure, Proration, Status, Terms};
use crate::payments::objects;
use crate::payments::refusal::Refusal;

pub(super) fn list(ledger: &Ledger, params: &mut Params) -> Outcome {
    let customer = params.text("customer")?;
    let price = params.text("price")?;
    let status = params.text("status")?;
    let known = [
        "all",
        "ended",
        "active",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ];
    if let Some(status) = status.as_deref().filter(|status| !known.contains(status)) {
        let message = format!("Invalid status: must be one of {}, not {status}", known.join(", "));
        return Err(Refusal::invalid_param("parameter_unknown", "status", message));
    }
    let wanted = |it: &Status| match status.as_deref() {
        Some("all") => true,
        Some("ended") => it.is_final(),
        Some(name) => it.name() == name,
        // Stripe leaves out what was canceled unless it is asked for.
        None => *it != Status::Canceled,
    };
    let all = ledger.subscriptions.iter().rev().filter(|it| {
        wanted(&it.status)
            && customer.as_ref().is_none_or(|customer| *customer == it.customer)
            && price.as_ref().is_none_or(|price| *price == it.price)
    });
    page("/v1/subscriptions", all.map(|it| objects::subscription(ledger, it)).collect(), params)
}

pub(super) fn get(ledger: &Ledger, id: &str) -> Outcome {
    let found = ledger.subscriptions.get(id).map(|it| objects::subscription(ledger, it));
    found.ok_or_else(|| Refusal::missing("subscription", id, "id"))
}

pub(super) fn create(ledger: &mut Ledger, mut params: Params, paths: &[String]) -> Outcome {
    if params.count("items") > 1 {
        return Err(Refusal::invalid("This simulator takes one item only."));
    }
    let customer = params.required("customer")?;
    let card = params.text("default_payment_method")?;
    if let Some(card) = &card
        && ledger.cards.get(card).is_none_or(|method| method.customer != customer)
    {
        return Err(Refusal::missing("PaymentMethod", card, "default_payment_method"));
    }
    let behaviours =
        [("allow_incomplete", OnFailure::Incomplete), ("error_if_incomplete", OnFailure::Refuse)];
    let terms = Terms {
        customer,
        price: params.required("items[0][price]")?,
        quantity: quantity(&mut params, "items[0][quantity]")?,
        card,
        trial_end: match trial_days(&mut params, "trial_period_days")? {
            Some(days) => Some(ledger.now + days * 24 * 60 * 60),
            None => ledger.of_caller(params.integer("trial_end")?),
        },
        missing_card: missing_card(&mut params, "trial_settings")?,
        metadata: given(params.map("metadata")),
        description: params.text("description")?,
        presence: if params.boolean("off_session")?.unwrap_or(false) {
            Presence::Absent
        } else {
            Presence::Present
        },
        on_failure: params.one_of("payment_behavior", &behaviours)?.unwrap_or(OnFailure::Incomplete),
    };
    then(ledger, params, paths, |ledger| {
        let id = ledger.start_subscription(terms)?;
        get(ledger, &id)
    })
}

pub(super) fn change(ledger: &mut Ledger, id: &str, mut params: Params, paths: &[String]) -> Outcome {
    let found = ledger.subscriptions.get(id).ok_or_else(|| Refusal::missing("subscription", id, "id"))?;
    let (item, old_price, old_quantity) = (found.item.clone(), found.price.clone(), found.quantity);
    let is_final = found.status.is_final();
    if let Some(given) = params.text("items[0][id]")?.filter(|given| *given != item) {
        return Err(Refusal::missing("subscription item", &given, "items[0][id]"));
    }
    let price = params.text("items[0][price]")?;
    let quantity = params.integer("items[0][quantity]")?;
    let prorations = [
        ("create_prorations", Proration::NextInvoice),
        ("always_invoice", Proration::Now),
        ("none", Proration::None),
    ];
    let proration = params.one_of("proration_behavior", &prorations)?.unwrap_or(Proration::NextInvoice);
    let refuse = params
        .one_of("payment_behavior", &[("allow_incomplete", false), ("error_if_incomplete", true)])?
        .unwrap_or(false);
    let cancel = params.boolean("cancel_at_period_end")?;
    let description = params.text_or_unset("description");
    let card = params.text("default_payment_method")?;
    if let Some(card) = &card
        && ledger.cards.get(card).is_none()
    {
        return Err(Refusal::missing("PaymentMethod", card, "default_payment_method"));
    }
    let metadata = params.map("metadata");
    if is_final && (price.is_some() || quantity.is_some() || cancel.is_some()) {
        return Err(Refusal::invalid(
            "A canceled subscription can only update its cancellation_details and metadata.",
        ));
    }
    then(ledger, params, paths, |ledger| {
        if price.is_some() || quantity.is_some() {
            let (price, quantity) = (price.unwrap_or(old_price), quantity.unwrap_or(old_quantity));
            ledger.change_plan(id, &price, quantity.max(1), proration, Presence::Absent, refuse)?;
        }
        if let Some(cancel) = cancel {
            ledger.cancel_at_period_end(id, cancel);
        }
        ledger.change_subscription(id, |it| {
            if let Some(description) = description {
                it.description = Some(description).filter(|text| !text.is_empty());
            }
            if card.is_some() {
                it.card = card;
            }
            merge(&mut it.metadata, metadata);
        });
        get(ledger, id)
    })
}

pub(super) fn cancel(ledger: &mut Ledger, id: &str, mut params: Params, paths: &[String]) -> Outcome {
    params.only("invoice_now", "false")?;
    params.only("prorate", "false")?;
    let live = ledger.subscriptions.get(id).filter(|it| !it.status.is_final());
    live.ok_or_else(|| Refusal::missing("subscription", id, "id"))?;
    then(ledger, params, paths, |ledger| {
        ledger.end_subscription(id, "cancellation_requested");
        get(ledger, id)
    })
}

pub(super) fn quantity(params: &mut Params, name: &str) -> Result<i64, Refusal> {
    let quantity = params.integer(name)?.unwrap_or(1);
    if (1..=999_999).contains(&quantity) {
        return Ok(quantity);
    }
    let message = format!("Invalid integer: {quantity}; it must be from 1 to 999999");
    Err(Refusal::invalid_param("parameter_invalid_integer", name, message))
}

pub(super) fn trial_days(params: &mut Params, name: &str) -> Result<Option<i64>, Refusal> {
    let days = params.integer(name)?;
    match days {
        Some(days) if !(1..=730).contains(&days) => {
            let message = format!("Invalid integer: {days}; a trial lasts from 1 to 730 days");
            Err(Refusal::invalid_param("parameter_invalid_integer", name, message))
        }
        days => Ok(days),
    }
}

pub(super) fn missing_card(params: &mut Params, name: &str) -> Result<MissingCard, Refusal> {
    let choices = [
        ("create_invoice", MissingCard::CreateInvoice),
        ("pause", MissingCard::Pause),
        ("cancel", MissingCard::Cancel),
    ];
    let name = format!("{name}[end_behavior][missing_payment_method]");
    Ok(params.one_of(&name, &choices)?.unwrap_or_default())
}
