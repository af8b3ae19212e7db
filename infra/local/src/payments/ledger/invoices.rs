//! What an invoice goes through, and how it is collected:
//! <https://docs.stripe.com/invoicing/integration/workflow-transitions>.

use serde::{Deserialize, Serialize};

use super::Ledger;
use super::calendar::{DAY, HOUR};
use super::subscriptions::Status;
use crate::payments::cards::{AUTHENTICATION_REQUIRED, Card, Charge, Presence};
use crate::payments::catalog::AfterRetries;
use crate::payments::objects;
use crate::payments::refusal::Refusal;

/// How long the invoice of a renewal is a draft.
const DRAFT: i64 = HOUR;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) created: i64,
    /// Not before it is finalized.
    pub(crate) number: Option<String>,
    pub(crate) customer: String,
    pub(crate) subscription: String,
    pub(crate) status: InvoiceStatus,
    pub(crate) reason: Reason,
    pub(crate) currency: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    /// When it is finalized by itself, while it is a draft.
    pub(crate) finalizes_at: Option<i64>,
    pub(crate) finalized_at: Option<i64>,
    pub(crate) paid_at: Option<i64>,
    pub(crate) voided_at: Option<i64>,
    pub(crate) uncollectible_at: Option<i64>,
    /// The customer's balance before it took part.
    pub(crate) starting_balance: i64,
    pub(crate) ending_balance: Option<i64>,
    pub(crate) attempts: u32,
    /// Those that the clock made.
    pub(crate) automatic_attempts: u32,
    pub(crate) next_attempt: Option<i64>,
    /// The payment, once it succeeded: the ids of the charge and of its intent, and the card.
    pub(crate) payment: Option<Payment>,
    pub(crate) refunded: i64,
    /// A card whose owner is asked to confirm.
    pub(crate) confirming: Option<String>,
    pub(crate) trace: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) intent: String,
    pub(crate) charge: String,
    pub(crate) card: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Void,
    Uncollectible,
}

/// Why there is an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Create,
    Cycle,
    Update,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Negative for what comes back.
    pub(crate) amount: i64,
    pub(crate) quantity: i64,
    pub(crate) description: String,
    pub(crate) price: String,
    /// Of the subscription.
    pub(crate) item: String,
    pub(crate) proration: bool,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) invoice: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) charge: String,
    pub(crate) intent: String,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: std::collections::BTreeMap<String, String>,
}

/// Who makes an attempt to collect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The provider, which tries again if it fails.
    Automatic,
    /// The customer or the app.
    Customer,
}

impl InvoiceStatus {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }
}

impl Reason {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Create => "subscription_create",
            Self::Cycle => "subscription_cycle",
            Self::Update => "subscription_update",
        }
    }
}

impl Invoice {
    pub(crate) fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// What is or was to be paid. A credit of the customer lowers it, a debt raises it.
    pub(crate) fn amount_due(&self) -> i64 {
        (self.total() + self.starting_balance).max(0)
    }

    pub(crate) fn amount_paid(&self) -> i64 {
        if self.status == InvoiceStatus::Paid { self.amount_due() } else { 0 }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.status == InvoiceStatus::Open
    }
}

impl Ledger {
    /// A new invoice of a subscription, as a draft.
    pub(super) fn draft_invoice(
        &mut self,
        subscription: &str,
        reason: Reason,
        lines: Vec<Line>,
        period_start: i64,
    ) -> String {
        let now = self.now;
        let of = self.subscriptions.get(subscription);
        let customer = of.map(|it| it.customer.clone()).unwrap_or_default();
        // One that is not paid is not asked again by itself.
        let advances = of.is_some_and(|it| it.status != Status::Unpaid);
        let currency = of.and_then(|it| self.price(&it.price, "price").ok()).map(|(_, currency, _)| currency);
        let id = self.id("in_1", 23);
        if self.cause.trace.is_empty() {
            self.cause.trace = self.new_trace();
        }
        let invoice = Invoice {
            id: id.clone(),
            created: now,
            number: None,
            starting_balance: self.customers.get(&customer).map_or(0, |it| it.balance),
            customer,
            subscription: subscription.to_owned(),
            status: InvoiceStatus::Draft,
            reason,
            currency: currency.unwrap_or_default(),
            lines,
            period_start,
            period_end: now,
            finalizes_at: (advances && reason == Reason::Cycle).then_some(now + DRAFT),
            finalized_at: None,
            paid_at: None,
            voided_at: None,
            uncollectible_at: None,
            ending_balance: None,
            attempts: 0,
            automatic_attempts: 0,
            next_attempt: None,
            payment: None,
            refunded: 0,
            confirming: None,
            trace: self.cause.trace.clone(),
        };
        let number = self.number();
        self.invoices.insert(number, invoice);
        if let Some(subscription) = self.subscriptions.get_mut(subscription) {
            subscription.latest_invoice = Some(id.clone());
        }
        self.emit_invoice("invoice.created", &id);
        id
    }

    /// Nothing on it changes any more: it gets its number, and the customer's balance takes part.
    pub(crate) fn finalize_invoice(&mut self, id: &str) {
        let now = self.now;
        let Some(invoice) = self.invoices.get(id).filter(|it| it.status == InvoiceStatus::Draft) else {
            return;
        };
        let (customer, total, currency) =
            (invoice.customer.clone(), invoice.total(), invoice.currency.clone());
        let Some(customer) = self.customers.get_mut(&customer) else { return };
        let number = format!("{}-{:04}", customer.invoice_prefix, customer.next_invoice);
        customer.next_invoice += 1;
        customer.currency.get_or_insert(currency);
        let starting = customer.balance;
        customer.balance = (total + starting).min(0);
        let ending = customer.balance;
        if let Some(invoice) = self.invoices.get_mut(id) {
            invoice.number = Some(number);
            invoice.status = InvoiceStatus::Open;
            invoice.finalizes_at = None;
            invoice.finalized_at = Some(now);
            invoice.starting_balance = starting;
            invoice.ending_balance = Some(ending);
        }
        self.emit_invoice("invoice.finalized", id);
    }

    /// The clock's attempt.
    pub(super) fn collect_by_clock(&mut self, id: &str) {
        let card = self.invoices.get(id).and_then(|invoice| self.card_of(&invoice.subscription));
        // How it failed is on the invoice.
        let _ = self.collect(id, card.as_deref(), Presence::Absent, Trigger::Automatic);
    }

    /// Somebody pays an open invoice, with a kept card or the one that the subscription has.
    pub(crate) fn pay_invoice(
        &mut self,
        id: &str,
        card: Option<String>,
        presence: Presence,
    ) -> Result<(), Refusal> {
        let invoice = self.invoices.get(id).ok_or_else(|| Refusal::missing("invoice", id, "id"))?;
        match invoice.status {
            InvoiceStatus::Paid => return Err(Refusal::invalid("Invoice is already paid")),
            InvoiceStatus::Void => return Err(Refusal::invalid("This invoice is void.")),
            InvoiceStatus::Draft => self.finalize_invoice(id),
            InvoiceStatus::Open | InvoiceStatus::Uncollectible => {}
        }
        let subscription = self.invoices.get(id).map(|it| it.subscription.clone()).unwrap_or_default();
        let card = card.or_else(|| self.card_of(&subscription));
        self.collect(id, card.as_deref(), presence, Trigger::Customer)
    }

    /// Pays an open invoice with a card that is typed in, and keeps the card.
    pub(crate) fn pay_invoice_with(
        &mut self,
        id: &str,
        card: Card,
        presence: Presence,
    ) -> Result<(), Refusal> {
        let invoice = self.invoices.get(id).ok_or_else(|| Refusal::missing("invoice", id, "id"))?;
        if !matches!(invoice.status, InvoiceStatus::Open | InvoiceStatus::Uncollectible) {
            return Err(Refusal::invalid("Only an open invoice can be paid."));
        }
        let customer = invoice.customer.clone();
        self.customer(&customer, "customer")?;
        if let Charge::Declined(decline) = card.keep(presence) {
            return Err(Refusal::card(decline));
        }
        let card = self.attach(&customer, card);
        let paid = self.pay_invoice(id, Some(card.clone()), presence);
        if paid.is_ok() {
            self.use_card(&customer, &card);
        }
        paid
    }

    /// The owner of the card that an invoice waits for has confirmed, or not.
    pub(crate) fn confirm_invoice(&mut self, id: &str, confirmed: bool) -> Result<(), Refusal> {
        let waiting = self.invoices.get_mut(id).and_then(|invoice| invoice.confirming.take());
        let Some(card) = waiting else {
            return Err(Refusal::invalid("Nothing waits to be confirmed."));
        };
        if !confirmed {
            return Err(Refusal::not_authenticated());
        }
        if let Some(method) = self.cards.get_mut(&card) {
            method.card.authenticated = true;
        }
        let customer = self.cards.get(&card).map(|method| method.customer.clone()).unwrap_or_default();
        self.pay_invoice(id, Some(card.clone()), Presence::Confirmed)?;
        self.use_card(&customer, &card);
        Ok(())
    }

    pub(crate) fn void_invoice(&mut self, id: &str) {
        self.close_invoice(id, InvoiceStatus::Void, "invoice.voided");
    }

    pub(crate) fn mark_uncollectible(&mut self, id: &str) {
        self.close_invoice(id, InvoiceStatus::Uncollectible, "invoice.marked_uncollectible");
    }

    fn close_invoice(&mut self, id: &str, status: InvoiceStatus, event: &str) {
        let now = self.now;
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice.status = status;
        invoice.next_attempt = None;
        invoice.finalizes_at = None;
        match status {
            InvoiceStatus::Void => invoice.voided_at = Some(now),
            InvoiceStatus::Uncollectible => invoice.uncollectible_at = Some(now),
            InvoiceStatus::Draft | InvoiceStatus::Open | InvoiceStatus::Paid => {}
        }
        self.emit_invoice(event, id);
        self.settle(id);
    }

    /// Gives money back: all that is left of a paid invoice, or this much of it.
    pub(crate) fn refund(
        &mut self,
        invoice_id: &str,
        amount: Option<i64>,
        reason: Option<String>,
        metadata: std::collections::BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let invoice =
            self.invoices.get(invoice_id).ok_or_else(|| Refusal::missing("invoice", invoice_id, "id"))?;
        let Some(payment) = invoice.payment.clone() else {
            return Err(Refusal::invalid("This invoice has no payment that could be refunded."));
        };
        let left = invoice.amount_paid() - invoice.refunded;
        if left == 0 {
            let message = format!("Charge {} has already been refunded.", payment.charge);
            return Err(Refusal { code: Some("charge_already_refunded"), ..Refusal::invalid(message) });
        }
        let amount = amount.unwrap_or(left);
        if !(1..=left).contains(&amount) {
            let message = format!("Refund amount ({amount}) must be from 1 to the {left} that are left.");
            return Err(Refusal::invalid_param("parameter_invalid_integer", "amount", message));
        }
        let refund = Refund {
            id: self.id("re_1", 23),
            created: self.now,
            invoice: invoice_id.to_owned(),
            amount,
            currency: self.invoices.get(invoice_id).map(|it| it.currency.clone()).unwrap_or_default(),
            charge: payment.charge,
            intent: payment.intent,
            reason,
            metadata,
        };
        let (id, object) = (refund.id.clone(), objects::refund(&refund));
        let number = self.number();
        self.refunds.insert(number, refund);
        if let Some(invoice) = self.invoices.get_mut(invoice_id) {
            invoice.refunded += amount;
        }
        self.emit("refund.created", object, None);
        Ok(id)
    }

    /// Tries to collect an open invoice. Whatever comes of it, events tell of it.
    pub(super) fn collect(
        &mut self,
        id: &str,
        card: Option<&str>,
        presence: Presence,
        trigger: Trigger,
    ) -> Result<(), Refusal> {
        let Some(invoice) = self.invoices.get(id) else { return Ok(()) };
        if invoice.amount_due() == 0 {
            self.paid(id, None);
            return Ok(());
        }
        let refusal = match self.charge(card, presence) {
            Ok(Charge::Succeeded) => {
                self.paid(id, card);
                return Ok(());
            }
            Ok(Charge::Declined(decline)) => {
                self.failed(id, trigger, None);
                Refusal::card(decline)
            }
            Ok(Charge::RequiresAction) if presence == Presence::Absent => {
                self.failed(id, trigger, card);
                Refusal::card(AUTHENTICATION_REQUIRED)
            }
            Ok(Charge::RequiresAction) => {
                let waits = card.map(str::to_owned);
                if let Some(invoice) = self.invoices.get_mut(id) {
                    invoice.confirming = waits;
                }
                return Err(Refusal::requires_action());
            }
            Err(no_card) => {
                self.failed(id, trigger, None);
                no_card
            }
        };
        Err(refusal)
    }

    /// Charges a kept card.
    pub(super) fn charge(&self, card: Option<&str>, presence: Presence) -> Result<Charge, Refusal> {
        let found = card.and_then(|card| self.cards.get(card));
        let method = found.ok_or_else(|| {
            Refusal::invalid("This customer has no attached payment source or default payment method.")
        })?;
        Ok(method.card.charge(presence))
    }

    /// The invoice that was paid by a charge or an intent of this id.
    pub(crate) fn invoice_of_payment(&self, id: &str) -> Option<&Invoice> {
        let is = |payment: &Payment| payment.charge == id || payment.intent == id;
        self.invoices.iter().find(|invoice| invoice.payment.as_ref().is_some_and(is))
    }

    /// An invoice that nothing more is asked for, as its subscription has ended.
    pub(super) fn stop_collecting(&mut self, subscription: &str) {
        let asked = self.invoices.iter().filter(|it| it.subscription == subscription);
        let asked = asked.filter(|it| it.next_attempt.is_some() || it.finalizes_at.is_some());
        let asked: Vec<_> = asked.map(|invoice| invoice.id.clone()).collect();
        for id in asked {
            if let Some(invoice) = self.invoices.get_mut(&id) {
                invoice.next_attempt = None;
                invoice.finalizes_at = None;
            }
        }
    }

    fn paid(&mut self, id: &str, card: Option<&str>) {
        let now = self.now;
        let payment = card.map(|card| Payment {
            id: self.id("inpay_1", 23),
            intent: self.id("pi_3", 23),
            charge: self.id("ch_3", 23),
            card: card.to_owned(),
        });
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice.attempts += u32::from(payment.is_some());
        invoice.status = InvoiceStatus::Paid;
        invoice.paid_at = Some(now);
        invoice.next_attempt = None;
        invoice.confirming = None;
        invoice.payment = payment;
        self.emit_invoice("invoice.paid", id);
        self.emit_invoice("invoice.payment_succeeded", id);
        self.settle(id);
    }

    /// Plans the next attempt, if there is to be one, and tells of it.
    fn failed(&mut self, id: &str, trigger: Trigger, confirming: Option<&str>) {
        let now = self.now;
        let retries = &self.catalog.dunning.retry_after_days;
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice.attempts += 1;
        invoice.confirming = confirming.map(str::to_owned);
        let by_itself = trigger == Trigger::Automatic && invoice.reason != Reason::Create;
        if by_itself {
            let after = retries.get(invoice.automatic_attempts as usize);
            invoice.next_attempt = after.map(|days| now + i64::from(*days) * DAY);
            invoice.automatic_attempts += 1;
        }
        let exhausted = by_itself && invoice.next_attempt.is_none();
        let subscription = invoice.subscription.clone();
        let reason = invoice.reason;
        if confirming.is_some() {
            self.emit_invoice("invoice.payment_action_required", id);
        }
        self.emit_invoice("invoice.payment_failed", id);
        let of = self.subscriptions.get(&subscription);
        // Only what is owed for the latest period makes a subscription be behind.
        if reason == Reason::Create || of.and_then(|it| it.latest_invoice.as_deref()) != Some(id) {
            return;
        }
        self.change_subscription(&subscription, |it| {
            if it.status == Status::Active {
                it.status = Status::PastDue;
            }
        });
        let behind = self.subscriptions.get(&subscription).is_some_and(|it| it.status == Status::PastDue);
        if exhausted && behind {
            match self.catalog.dunning.then {
                AfterRetries::Cancel => self.end_subscription(&subscription, "payment_failed"),
                AfterRetries::Unpaid => {
                    self.change_subscription(&subscription, |it| it.status = Status::Unpaid);
                }
            }
        }
    }

    /// A subscription whose latest invoice is no longer owed is no longer behind.
    fn settle(&mut self, invoice: &str) {
        let Some(invoice) = self.invoices.get(invoice) else { return };
        let (id, of, void) =
            (invoice.id.clone(), invoice.subscription.clone(), invoice.status != InvoiceStatus::Paid);
        let now = self.now;
        self.change_subscription(&of, |it| {
            if it.latest_invoice.as_deref() != Some(id.as_str()) {
                return;
            }
            match it.status {
                Status::Incomplete if void => {
                    it.status = Status::IncompleteExpired;
                    it.ended_at = Some(now);
                }
                Status::Incomplete | Status::PastDue | Status::Unpaid => it.status = Status::Active,
                Status::IncompleteExpired
                | Status::Trialing
                | Status::Active
                | Status::Canceled
                | Status::Paused => {}
            }
        });
    }

    pub(super) fn emit_invoice(&mut self, kind: &str, id: &str) {
        if let Some(invoice) = self.invoices.get(id) {
            let object = objects::invoice(self, invoice);
            self.emit(kind, object, None);
        }
    }
}
