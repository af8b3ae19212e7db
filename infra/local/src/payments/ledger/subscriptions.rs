//! What a subscription goes through: <https://docs.stripe.com/billing/subscriptions/overview>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, HOUR, period_end};
use super::invoices::{Line, Reason, Trigger};
use super::proration::part_left;
use super::{Ledger, Proration, difference};
use crate::payments::cards::{Charge, Presence};
use crate::payments::objects;
use crate::payments::refusal::Refusal;

/// How long a first payment may take: then the subscription is `incomplete_expired`.
pub(super) const FIRST_PAYMENT: i64 = 23 * HOUR;

/// How long before its end a trial's end is announced.
pub(super) const TRIAL_NOTICE: i64 = 3 * DAY;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// Its one item.
    pub(crate) item: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) status: Status,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    /// What it is charged to; none: to the customer's default.
    pub(crate) card: Option<String>,
    /// On whose day of the month periods end.
    pub(crate) anchor: i64,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    pub(crate) trial_start: Option<i64>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) trial_ending_told: bool,
    pub(crate) missing_card: MissingCard,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) cancel_reason: Option<String>,
    pub(crate) latest_invoice: Option<String>,
    /// What waits for the next invoice.
    pub(crate) pending: Vec<Line>,
    /// The flow in which it began.
    pub(crate) trace: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Canceled,
    Unpaid,
    Paused,
}

/// What happens when a trial ends without a card.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingCard {
    #[default]
    CreateInvoice,
    Pause,
    Cancel,
}

/// What happens when the first payment fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Nothing has happened then: `error_if_incomplete`, and what the checkout does.
    Refuse,
    /// It begins `incomplete`.
    Incomplete,
}

/// What a subscription begins with.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) customer: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) card: Option<String>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) missing_card: MissingCard,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    pub(crate) presence: Presence,
    pub(crate) on_failure: OnFailure,
}

impl Status {
    /// Nothing follows it.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
        }
    }
}

impl Ledger {
    /// Begins a subscription, and takes its first payment unless it begins with a trial.
    pub(crate) fn start_subscription(&mut self, terms: Terms) -> Result<String, Refusal> {
        self.for_sale(&terms.price, "items[0][price]")?;
        let (amount, _, interval) = self.price(&terms.price, "items[0][price]")?;
        self.customer(&terms.customer, "customer")?;
        let trial_end = terms.trial_end.filter(|end| *end > self.now);
        let card = terms.card.clone().or_else(|| self.customers.get(&terms.customer)?.default_card.clone());
        if terms.on_failure == OnFailure::Refuse && trial_end.is_none() {
            self.charge_would(&terms.customer, amount * terms.quantity, card.as_deref(), terms.presence)?;
        }
        let now = self.now;
        let id = self.id("sub_1", 23);
        let subscription = Subscription {
            id: id.clone(),
            item: self.id("si_", 14),
            created: now,
            customer: terms.customer,
            price: terms.price,
            quantity: terms.quantity,
            status: if trial_end.is_some() { Status::Trialing } else { Status::Incomplete },
            metadata: terms.metadata,
            description: terms.description,
            card: terms.card,
            anchor: trial_end.unwrap_or(now),
            period_start: now,
            period_end: trial_end.unwrap_or_else(|| period_end(now, interval, now)),
            trial_start: trial_end.map(|_| now),
            trial_end,
            trial_ending_told: false,
            missing_card: terms.missing_card,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            cancel_reason: None,
            latest_invoice: None,
            pending: Vec::new(),
            trace: self.cause.trace.clone(),
        };
        let number = self.number();
        self.subscriptions.insert(number, subscription);
        let line = self.period_line(&id);
        let invoice = self.draft_invoice(&id, Reason::Create, line.into_iter().collect(), now);
        self.emit_subscription("customer.subscription.created", &id, None);
        self.finalize_invoice(&invoice);
        // A refusal here is kept by the subscription's status.
        let _ = self.collect(&invoice, card.as_deref(), terms.presence, Trigger::Customer);
        Ok(id)
    }

    /// Goes over to another price.
    ///
    /// With `refuse`, a payment that is due at once and fails leaves everything as it was.
    pub(crate) fn change_plan(
        &mut self,
        id: &str,
        price: &str,
        quantity: i64,
        proration: Proration,
        presence: Presence,
        refuse: bool,
    ) -> Result<(), Refusal> {
        let (new_amount, _, new_interval) = self.price(price, "items[0][price]")?;
        let Some(subscription) = self.subscriptions.get(id) else {
            return Err(Refusal::missing("subscription", id, "id"));
        };
        if subscription.price == price && subscription.quantity == quantity {
            return Ok(());
        }
        // One that has been archived since may be kept, as in another quantity.
        if subscription.price != price {
            self.for_sale(price, "items[0][price]")?;
        }
        let (old_amount, _, old_interval) = self.price(&subscription.price, "price")?;
        let (start, end, now) = (subscription.period_start, subscription.period_end, self.now);
        let (customer, old_price) = (subscription.customer.clone(), subscription.price.clone());
        let old_total = old_amount * subscription.quantity;
        let new_total = new_amount * quantity;
        match subscription.status {
            Status::Trialing => {
                self.change_subscription(id, |it| {
                    it.price = price.to_owned();
                    it.quantity = quantity;
                });
                return Ok(());
            }
            Status::Active => {}
            Status::Incomplete
            | Status::IncompleteExpired
            | Status::PastDue
            | Status::Canceled
            | Status::Unpaid
            | Status::Paused => {
                let status = subscription.status.name();
                return Err(Refusal::invalid(format!(
                    "The price of a subscription that is {status} cannot be changed."
                )));
            }
        }
        let anew = old_interval != new_interval;
        let back = part_left(-old_total, start, end, now);
        let left = if anew { new_total } else { part_left(new_total, start, end, now) };
        let at_once = anew || proration == Proration::Now;
        let due = match proration {
            Proration::None if anew => new_total,
            Proration::None => 0,
            Proration::Now | Proration::NextInvoice => back + left,
        };
        let card = self.card_of(id);
        if at_once && refuse {
            self.charge_would(&customer, due, card.as_deref(), presence)?;
        }
        let mut lines = Vec::new();
        if proration != Proration::None {
            lines.push(self.line(id, &old_price, "Unused time on", back, true, (now, end)));
        }
        let new_end = if anew { period_end(now, new_interval, now) } else { end };
        if anew {
            lines.push(self.line(id, price, "", left, false, (now, new_end)));
        } else if proration != Proration::None {
            lines.push(self.line(id, price, "Remaining time on", left, true, (now, end)));
        }
        let Some(before) = self.subscriptions.get(id).map(|it| objects::subscription(self, it)) else {
            return Ok(());
        };
        let at_once = at_once && !lines.is_empty();
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.price = price.to_owned();
            subscription.quantity = quantity;
            if anew {
                subscription.anchor = now;
                subscription.period_start = now;
                subscription.period_end = new_end;
            }
            if !at_once {
                subscription.pending.append(&mut lines);
            }
        }
        let invoice = at_once.then(|| self.draft_invoice(id, Reason::Update, lines, start));
        self.emit_update(id, &before);
        if let Some(invoice) = invoice {
            self.finalize_invoice(&invoice);
            // A refusal here is kept by the subscription's status.
            let _ = self.collect(&invoice, card.as_deref(), presence, Trigger::Automatic);
        }
        Ok(())
    }

    /// Sets or clears the end at the end of the period.
    pub(crate) fn cancel_at_period_end(&mut self, id: &str, cancel: bool) {
        let now = self.now;
        self.change_subscription(id, |it| {
            if it.cancel_at_period_end == cancel || it.status.is_final() {
                return;
            }
            it.cancel_at_period_end = cancel;
            it.canceled_at = cancel.then_some(now);
            it.cancel_reason = cancel.then(|| "cancellation_requested".to_owned());
        });
    }

    /// Ends it now.
    pub(crate) fn end_subscription(&mut self, id: &str, reason: &str) {
        let now = self.now;
        let Some(subscription) = self.subscriptions.get_mut(id).filter(|it| !it.status.is_final()) else {
            return;
        };
        subscription.status = Status::Canceled;
        subscription.ended_at = Some(now);
        subscription.canceled_at.get_or_insert(now);
        subscription.cancel_reason.get_or_insert_with(|| reason.to_owned());
        self.stop_collecting(id);
        self.emit_subscription("customer.subscription.deleted", id, None);
    }

    /// A first payment did not come in time.
    pub(super) fn expire_incomplete(&mut self, id: &str) {
        let now = self.now;
        self.change_subscription(id, |it| {
            it.status = Status::IncompleteExpired;
            it.ended_at = Some(now);
        });
        let open = self.invoices.iter().filter(|it| it.subscription == id && it.is_open());
        let open: Vec<_> = open.map(|invoice| invoice.id.clone()).collect();
        for invoice in open {
            self.void_invoice(&invoice);
        }
    }

    /// A paused subscription goes on, from now, with a payment.
    pub(crate) fn resume_paused(&mut self, id: &str) -> Result<(), Refusal> {
        let now = self.now;
        let subscription = self.subscriptions.get(id).filter(|it| it.status == Status::Paused);
        let Some(subscription) = subscription else {
            return Err(Refusal::invalid("Only a subscription that is paused can be resumed."));
        };
        let (amount, _, interval) = self.price(&subscription.price, "price")?;
        let (customer, total) = (subscription.customer.clone(), amount * subscription.quantity);
        let card = self.card_of(id);
        self.charge_would(&customer, total, card.as_deref(), Presence::Absent)?;
        let before = objects::subscription(self, subscription);
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.status = Status::Active;
            subscription.anchor = now;
            subscription.period_start = now;
            subscription.period_end = period_end(now, interval, now);
        }
        let line = self.period_line(id);
        let invoice = self.draft_invoice(id, Reason::Update, line.into_iter().collect(), now);
        self.emit_update(id, &before);
        self.emit_subscription("customer.subscription.resumed", id, None);
        self.finalize_invoice(&invoice);
        self.collect(&invoice, card.as_deref(), Presence::Absent, Trigger::Automatic)
    }

    /// The period is over: the next one begins, or the subscription ends.
    pub(super) fn end_period(&mut self, id: &str) {
        let Some(subscription) = self.subscriptions.get(id) else { return };
        if subscription.cancel_at_period_end {
            return self.end_subscription(id, "cancellation_requested");
        }
        let Ok((.., interval)) = self.price(&subscription.price, "price") else {
            // Books from before the catalog was kept in them: nobody knows what it costs.
            return self.end_subscription(id, "cancellation_requested");
        };
        let (before, start) = (subscription.status, subscription.period_end);
        if before == Status::Trialing && self.card_of(id).is_none() {
            match subscription.missing_card {
                MissingCard::CreateInvoice => {}
                MissingCard::Cancel => return self.end_subscription(id, "payment_failed"),
                MissingCard::Pause => {
                    self.change_subscription(id, |it| it.status = Status::Paused);
                    return self.emit_subscription("customer.subscription.paused", id, None);
                }
            }
        }
        let previous_start = subscription.period_start;
        let end = period_end(subscription.anchor, interval, start);
        let before = objects::subscription(self, subscription);
        let mut lines = Vec::new();
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            lines = std::mem::take(&mut subscription.pending);
            subscription.period_start = start;
            subscription.period_end = end;
            if subscription.status == Status::Trialing {
                subscription.status = Status::Active;
            }
        }
        lines.extend(self.period_line(id));
        self.draft_invoice(id, Reason::Cycle, lines, previous_start);
        self.emit_update(id, &before);
    }

    /// Told three days before it happens.
    pub(super) fn tell_trial_ending(&mut self, id: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.trial_ending_told = true;
        }
        self.emit_subscription("customer.subscription.trial_will_end", id, None);
    }

    /// Changes a subscription, and tells of it if it is another now.
    pub(crate) fn change_subscription(&mut self, id: &str, change: impl FnOnce(&mut Subscription)) {
        let Some(before) = self.subscriptions.get(id).map(|it| objects::subscription(self, it)) else {
            return;
        };
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            change(subscription);
        }
        self.emit_update(id, &before);
    }

    /// What the subscription is charged to.
    pub(crate) fn card_of(&self, id: &str) -> Option<String> {
        let subscription = self.subscriptions.get(id)?;
        let default = || self.customers.get(&subscription.customer)?.default_card.clone();
        subscription.card.clone().or_else(default)
    }

    /// The line of the current period; a trial costs nothing.
    fn period_line(&self, id: &str) -> Option<Line> {
        let subscription = self.subscriptions.get(id)?;
        let (amount, ..) = self.price(&subscription.price, "price").ok()?;
        let period = (subscription.period_start, subscription.period_end);
        Some(match subscription.status {
            Status::Trialing => self.line(id, &subscription.price, "Trial period for", 0, false, period),
            Status::Incomplete
            | Status::IncompleteExpired
            | Status::Active
            | Status::PastDue
            | Status::Canceled
            | Status::Unpaid
            | Status::Paused => {
                self.line(id, &subscription.price, "", amount * subscription.quantity, false, period)
            }
        })
    }

    fn line(
        &self,
        id: &str,
        price: &str,
        what: &str,
        amount: i64,
        proration: bool,
        period: (i64, i64),
    ) -> Line {
        let product = self.catalog.price(price).map(|(product, _)| product.name.clone());
        let product = product.unwrap_or_default();
        let subscription = self.subscriptions.get(id);
        let quantity = subscription.map_or(1, |it| it.quantity);
        let description = match what {
            "" => format!("{quantity} × {product}"),
            _ => format!("{what} {product}"),
        };
        Line {
            amount,
            quantity,
            description,
            price: price.to_owned(),
            item: subscription.map(|it| it.item.clone()).unwrap_or_default(),
            proration,
            period_start: period.0,
            period_end: period.1,
        }
    }

    /// Whether an amount could be charged now.
    fn charge_would(
        &self,
        customer: &str,
        amount: i64,
        card: Option<&str>,
        presence: Presence,
    ) -> Result<(), Refusal> {
        let balance = self.customers.get(customer).map_or(0, |it| it.balance);
        if amount + balance <= 0 {
            return Ok(());
        }
        match self.charge(card, presence)? {
            Charge::Succeeded => Ok(()),
            Charge::Declined(decline) => Err(Refusal::card(decline)),
            Charge::RequiresAction => Err(Refusal::requires_action()),
        }
    }

    fn emit_update(&mut self, id: &str, before: &serde_json::Value) {
        let Some(after) = self.subscriptions.get(id).map(|it| objects::subscription(self, it)) else {
            return;
        };
        if let Some(previous) = difference(before, &after) {
            self.emit("customer.subscription.updated", after, Some(previous));
        }
    }

    pub(super) fn emit_subscription(&mut self, kind: &str, id: &str, previous: Option<serde_json::Value>) {
        if let Some(subscription) = self.subscriptions.get(id) {
            let object = objects::subscription(self, subscription);
            self.emit(kind, object, previous);
        }
    }
}
