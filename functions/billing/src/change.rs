//! Which events follow from what the ledger says.

use shared::event::Event;
use shared::id::WorkspaceId;
use shared::subscription::{InvoiceState, InvoiceStatus, Subscription, SubscriptionStatus};

use crate::stripe::LedgerInvoice;

/// What has happened to a subscription, if it is worth telling.
pub(crate) fn event(
    workspace_id: WorkspaceId,
    before: Option<&Subscription>,
    after: &Subscription,
) -> Option<Event> {
    match (before.filter(|before| has_begun(before)), has_begun(after)) {
        (None, false) => None,
        (None, true) => Some(Event::SubscriptionStarted {
            workspace_id,
            plan: after.plan,
            trial: after.status == SubscriptionStatus::Trialing,
        }),
        (Some(_), false) => Some(Event::SubscriptionEnded { workspace_id }),
        (Some(before), true) if terms(before) == terms(after) => None,
        (Some(_), true) => Some(Event::SubscriptionChanged {
            workspace_id,
            plan: after.paid_plan(),
            ends_at: after.cancel_at,
        }),
    }
}

fn has_begun(subscription: &Subscription) -> bool {
    subscription.is_live() && subscription.status != SubscriptionStatus::Incomplete
}

/// What its owner has agreed to and gets.
fn terms(subscription: &Subscription) -> impl PartialEq + '_ {
    (subscription.paid_plan(), &subscription.price.id, subscription.seats, subscription.cancel_at)
}

/// What has happened to an invoice that has come this far, if it is worth telling. That nothing was to be paid, as at the
/// beginning of a trial, is not.
pub(crate) fn invoice_event(
    workspace_id: WorkspaceId,
    invoice: &LedgerInvoice,
    state: &InvoiceState,
) -> Option<Event> {
    let invoice_id = state.id.clone();
    match state.status {
        InvoiceStatus::Paid if invoice.amount_paid.minor_units > 0 => {
            Some(Event::InvoicePaid { workspace_id, invoice_id, amount: invoice.amount_paid })
        }
        InvoiceStatus::Open if state.attempts > 0 && invoice.amount_due.minor_units > 0 => {
            Some(Event::PaymentFailed {
                workspace_id,
                invoice_id,
                amount: invoice.amount_due,
                next_attempt_at: invoice.next_attempt_at,
            })
        }
        InvoiceStatus::Paid
        | InvoiceStatus::Open
        | InvoiceStatus::Draft
        | InvoiceStatus::Uncollectible
        | InvoiceStatus::Void => None,
    }
}
