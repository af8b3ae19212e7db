//! Invoices and refunds: <https://docs.stripe.com/api/invoices>, <https://docs.stripe.com/api/refunds>.

use super::metadata::given;
use super::{Outcome, page, then};
use crate::payments::cards::Presence;
use crate::payments::form::Params;
use crate::payments::ledger::{InvoiceStatus, Ledger};
use crate::payments::objects;
use crate::payments::refusal::Refusal;

pub(super) fn list(ledger: &Ledger, params: &mut Params) -> Outcome {
    use InvoiceStatus::{Draft, Open, Paid, Uncollectible, Void};
    let customer = params.text("customer")?;
    let of = params.text("subscription")?;
    let statuses =
        [("draft", Draft), ("open", Open), ("paid", Paid), ("uncollectible", Uncollectible), ("void", Void)];
    let status = params.one_of("status", &statuses)?;
    let all = ledger.invoices.iter().rev().filter(|it| {
        customer.as_ref().is_none_or(|customer| *customer == it.customer)
            && of.as_ref().is_none_or(|of| *of == it.subscription)
            && status.is_none_or(|status| status == it.status)
    });
    page("/v1/invoices", all.map(|it| objects::invoice(ledger, it)).collect(), params)
}

pub(super) fn get(ledger: &Ledger, id: &str) -> Outcome {
    let found = ledger.invoices.get(id).map(|it| objects::invoice(ledger, it));
    found.ok_or_else(|| Refusal::missing("invoice", id, "id"))
}

pub(super) fn act(
    ledger: &mut Ledger,
    id: &str,
    action: &str,
    mut params: Params,
    paths: &[String],
) -> Outcome {
    let found = ledger.invoices.get(id).ok_or_else(|| Refusal::missing("invoice", id, "id"))?;
    let status = found.status;
    let card = if action == "pay" { params.text("payment_method")? } else { None };
    let wrong = |message: &str| Err(Refusal::invalid(message));
    match (action, status) {
        ("finalize", InvoiceStatus::Draft) | ("pay", _) => {}
        ("finalize", _) => return wrong("This invoice is already finalized."),
        ("void", InvoiceStatus::Open | InvoiceStatus::Uncollectible) => {}
        ("void", _) => return wrong("You can only pass in open invoices. This invoice isn't open."),
        (_, InvoiceStatus::Open) => {}
        (_, _) => return wrong("Only open invoices can be marked uncollectible."),
    }
    then(ledger, params, paths, |ledger| {
        match action {
            "pay" => ledger.pay_invoice(id, card, Presence::Absent)?,
            "void" => ledger.void_invoice(id),
            "finalize" => ledger.finalize_invoice(id),
            _ => ledger.mark_uncollectible(id),
        }
        get(ledger, id)
    })
}

pub(super) fn refunds(ledger: &Ledger, params: &mut Params) -> Outcome {
    let charge = params.text("charge")?;
    let intent = params.text("payment_intent")?;
    let all = ledger.refunds.iter().rev().filter(|it| {
        charge.as_ref().is_none_or(|charge| *charge == it.charge)
            && intent.as_ref().is_none_or(|intent| *intent == it.intent)
    });
    page("/v1/refunds", all.map(objects::refund).collect(), params)
}

pub(super) fn create_refund(ledger: &mut Ledger, mut params: Params) -> Outcome {
    let (name, payment) = match (params.text("payment_intent")?, params.text("charge")?) {
        (Some(intent), None) => ("payment_intent", intent),
        (None, Some(charge)) => ("charge", charge),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Refusal::invalid(
                "One of the following params should be provided: payment_intent, charge.",
            ));
        }
    };
    let amount = params.integer("amount")?;
    let reasons = ["duplicate", "fraudulent", "requested_by_customer"].map(|reason| (reason, reason));
    let reason = params.one_of("reason", &reasons)?.map(str::to_owned);
    let metadata = given(params.map("metadata"));
    let invoice = ledger.invoice_of_payment(&payment).map(|it| it.id.clone());
    let invoice = invoice.ok_or_else(|| Refusal::missing(name, &payment, name))?;
    then(ledger, params, &[], |ledger| {
        let id = ledger.refund(&invoice, amount, reason, metadata)?;
        Ok(ledger.refunds.get(&id).map(objects::refund).unwrap_or_default())
    })
}
