//! What the console shows of the books, and what it can do to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Payments;
use super::ledger::{Cause, Ledger};
use super::objects;
use super::refusal::Refusal;
use super::webhooks::{Attempt, Delivery, LONGEST_DELAY_MS, Switches};
use crate::flows::TraceContext;
use crate::journal::Error;

/// The clock goes no further at once: a subscription by the month renews 120 times in it.
const FURTHEST_SECONDS: i64 = 10 * 366 * 24 * 60 * 60;

/// How far the clock is to go: one of both.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advance {
    advance_seconds: Option<i64>,
    until: Option<Timestamp>,
}

/// Why the console cannot do something, in one sentence.
#[derive(Debug)]
pub(crate) enum Failure {
    NotFound,
    Invalid(String),
    Journal(Error),
}

impl Payments {
    /// Everything, the newest first and at most `limit` of each kind.
    pub(crate) async fn report(&self, limit: usize) -> Result<Value, Error> {
        self.act(Cause::default(), |ledger| report(ledger, limit)).await
    }

    /// Lets time pass: what falls due meanwhile is done when this returns, and its webhooks wait
    /// to be sent.
    pub(crate) async fn advance(&self, by: Advance) -> Result<Value, Failure> {
        let done = self.act(Cause::default(), |ledger| {
            let target = match (by.advance_seconds, by.until) {
                (Some(seconds), None) => ledger.now.saturating_add(seconds),
                (None, Some(until)) => until.as_second(),
                (None, None) | (Some(_), Some(_)) => {
                    return Err("Say either advance_seconds or until.".to_owned());
                }
            };
            if !(ledger.now..=ledger.now.saturating_add(FURTHEST_SECONDS)).contains(&target) {
                return Err("The clock goes forward only, and at most ten years at once.".to_owned());
            }
            let before = ledger.events.iter().count();
            ledger.advance_to(target);
            let ahead = ledger.now - ledger.real_ms / 1_000;
            ledger.change_settings(|settings| settings.ahead_seconds = ahead);
            let events = ledger.events.iter().count() - before;
            Ok(json!({ "now": time(ledger.now), "events": events }))
        });
        done.await.map_err(Failure::Journal)?.map_err(Failure::Invalid)
    }

    /// Changes the switches that are given; the others stay.
    pub(crate) async fn switch(&self, changes: Value) -> Result<Switches, Failure> {
        let done = self.act(Cause::default(), |ledger| {
            let mut switches = json!(ledger.settings().switches);
            let Value::Object(changes) = changes else {
                return Err("The switches are an object.".to_owned());
            };
            changes.into_iter().for_each(|(name, value)| switches[name.as_str()] = value);
            let switches: Switches = serde_json::from_value(switches).map_err(|error| error.to_string())?;
            if switches.delay_ms > LONGEST_DELAY_MS {
                return Err(format!("delay_ms is at most {LONGEST_DELAY_MS}."));
            }
            ledger.change_settings(|settings| settings.switches = switches);
            Ok(switches)
        });
        done.await.map_err(Failure::Journal)?.map_err(Failure::Invalid)
    }

    /// Gives back what is left of a paid invoice, or this much of it.
    pub(crate) async fn refund(&self, invoice: &str, amount: Option<i64>) -> Result<Value, Failure> {
        let done = self.act(by_console("Payments: a refund by the console"), |ledger| {
            let reason = Some("requested_by_customer".to_owned());
            let id = ledger.refund(invoice, amount, reason, BTreeMap::new())?;
            Ok(ledger.refunds.get(&id).map(objects::refund).unwrap_or_default())
        });
        refusable(done.await)
    }

    /// A portal of the customer, without the app.
    pub(crate) async fn open_portal(&self, customer: &str) -> Result<Value, Failure> {
        let done = self.act(by_console("Payments: the portal from the console"), |ledger| {
            ledger.customer(customer, "id")?;
            let return_url = format!("{}/_local/ui/payments", ledger.origin);
            let id = ledger.create_portal(customer, Some(return_url))?;
            let portal = ledger.portals.get(&id).map(|portal| objects::portal(ledger, portal));
            Ok(json!({ "url": portal.unwrap_or_default()["url"] }))
        });
        refusable(done.await)
    }
}

/// A webhook's attempt as the console shows it.
pub(crate) fn attempt(it: &Attempt) -> Value {
    json!({
        "at": milliseconds(it.at_ms),
        "status": it.status,
        "error": it.error,
        "duration_ms": (it.duration_ms * 1_000.0).round() / 1_000.0,
    })
}

fn report(ledger: &Ledger, limit: usize) -> Value {
    let settings = ledger.settings();
    let customers = ledger.customers.iter().rev().take(limit).map(|it| {
        let known = |text: &Option<String>| text.clone().filter(|_| !it.deleted);
        json!({
            "id": it.id,
            "deleted": it.deleted,
            "email": known(&it.email),
            "name": known(&it.name),
            "balance": it.balance,
            "card": it.default_card.as_ref().or(card_in_use(ledger, &it.id)).and_then(|id| card(ledger, id)),
            "metadata": it.metadata,
            "created_at": time(it.created),
        })
    });
    let subscriptions = ledger.subscriptions.iter().rev().take(limit).map(|it| {
        let sold = ledger.catalog.price(&it.price);
        json!({
            "id": it.id,
            "customer": it.customer,
            "status": it.status.name(),
            "price": it.price,
            "plan": sold.map(|(product, _)| &product.name),
            "amount": sold.map(|(_, price)| price.unit_amount * it.quantity),
            "currency": sold.map(|(_, price)| &price.currency),
            "interval": sold.map(|(_, price)| price.interval.name()),
            "period_start": time(it.period_start),
            "period_end": time(it.period_end),
            "trial_end": it.trial_end.map(time),
            "cancel_at": it.cancel_at_period_end.then(|| time(it.period_end)),
            "ended_at": it.ended_at.map(time),
            "created_at": time(it.created),
            "trace": trace(&it.trace),
        })
    });
    let invoices = ledger.invoices.iter().rev().take(limit).map(|it| {
        json!({
            "id": it.id,
            "number": it.number,
            "customer": it.customer,
            "subscription": it.subscription,
            "status": it.status.name(),
            "reason": it.reason.name(),
            "amount_due": it.amount_due(),
            "amount_paid": it.amount_paid(),
            "amount_refunded": it.refunded,
            "currency": it.currency,
            "attempts": it.attempts,
            "next_attempt_at": it.next_attempt.or(it.finalizes_at).map(time),
            "created_at": time(it.created),
            "url": it.finalized_at.map(|_| format!("{}/_stripe/invoices/{}", ledger.origin, it.id)),
            "trace": trace(&it.trace),
        })
    });
    let checkouts = ledger.checkouts.iter().rev().take(limit).map(|it| {
        json!({
            "id": it.id,
            "customer": it.customer,
            "status": it.status.name(),
            "price": it.order.price,
            "url": it.is_open().then(|| objects::checkout_url(ledger, &it.id)),
            "created_at": time(it.created),
            "expires_at": time(it.expires_at),
            "trace": trace(&it.trace),
        })
    });
    let webhooks = ledger.deliveries.iter().rev().take(limit).filter_map(|it| webhook(ledger, it));
    json!({
        "provider": "simulator",
        "now": time(ledger.now),
        "ahead_seconds": settings.ahead_seconds,
        "next": ledger.next().map(|(at, what)| json!({ "at": time(at), "what": what })),
        "switches": settings.switches,
        "customers": customers.collect::<Vec<_>>(),
        "subscriptions": subscriptions.collect::<Vec<_>>(),
        "invoices": invoices.collect::<Vec<_>>(),
        "checkouts": checkouts.collect::<Vec<_>>(),
        "webhooks": webhooks.collect::<Vec<_>>(),
    })
}

fn webhook(ledger: &Ledger, it: &Delivery) -> Option<Value> {
    let event = ledger.events.get(&it.event)?;
    Some(json!({
        "id": event.id,
        "type": event.kind,
        "object": event.object["id"],
        "created_at": time(event.created),
        "trace": trace(&event.cause.trace),
        "status": it.status,
        "attempts": it.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "next_attempt_at": it.due_ms.map(milliseconds),
    }))
}

fn card_in_use<'a>(ledger: &'a Ledger, customer: &'a str) -> Option<&'a String> {
    ledger.live_subscriptions(customer).next_back()?.card.as_ref()
}

fn card(ledger: &Ledger, id: &str) -> Option<Value> {
    let card = &ledger.cards.get(id)?.card;
    Some(json!({ "brand": card.brand(), "last4": card.last4() }))
}

/// A flow of its own, called so.
fn by_console(flow: &str) -> Cause {
    Cause { trace: TraceContext::new_root().to_traceparent(), flow: Some(flow.to_owned()), request: None }
}

fn refusable(done: Result<Result<Value, Refusal>, Error>) -> Result<Value, Failure> {
    done.map_err(Failure::Journal)?.map_err(|refusal| match refusal.status {
        404 => Failure::NotFound,
        _ => Failure::Invalid(refusal.message),
    })
}

/// The id of the trace that a `traceparent` names.
fn trace(traceparent: &str) -> Option<String> {
    Some(TraceContext::from_traceparent(traceparent)?.trace.to_string())
}

/// RFC 3339.
pub(super) fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

fn milliseconds(milliseconds: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(milliseconds).unwrap_or_default())
}
