//! What time brings: renewals, ends of trials, retries.

use super::subscriptions::{FIRST_PAYMENT, Status, TRIAL_NOTICE};
use super::{Ledger, Subscription};

/// Something that falls due.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    CheckoutExpires(String),
    TrialEnding(String),
    PeriodEnds(String),
    FirstPaymentLate(String),
    InvoiceFinalized(String),
    InvoiceRetried(String),
}

impl Due {
    /// For people.
    const fn what(&self) -> &'static str {
        match self {
            Self::CheckoutExpires(_) => "A checkout expires",
            Self::TrialEnding(_) => "The end of a trial is announced",
            Self::PeriodEnds(_) => "A period ends",
            Self::FirstPaymentLate(_) => "A first payment is too late",
            Self::InvoiceFinalized(_) => "An invoice is charged",
            Self::InvoiceRetried(_) => "A payment is tried again",
        }
    }
}

impl Ledger {
    /// Does all that falls due until `time`, each at its own time and in that order.
    pub(crate) fn advance_to(&mut self, time: i64) {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= time) {
            self.now = self.now.max(at);
            self.happen(due);
        }
        self.now = self.now.max(time);
    }

    /// When the next thing falls due, in seconds since 1970, and what it is, for people.
    pub(crate) fn next(&self) -> Option<(i64, &'static str)> {
        self.next_due().map(|(at, due)| (at, due.what()))
    }

    fn next_due(&self) -> Option<(i64, Due)> {
        let checkouts = self.checkouts.iter().filter(|checkout| checkout.is_open());
        let checkouts =
            checkouts.map(|checkout| (checkout.expires_at, Due::CheckoutExpires(checkout.id.clone())));
        let subscriptions = self.subscriptions.iter().flat_map(due_of);
        let drafts = self
            .invoices
            .iter()
            .filter_map(|invoice| Some((invoice.finalizes_at?, Due::InvoiceFinalized(invoice.id.clone()))));
        let retries = self
            .invoices
            .iter()
            .filter_map(|invoice| Some((invoice.next_attempt?, Due::InvoiceRetried(invoice.id.clone()))));
        let all = checkouts.chain(subscriptions).chain(drafts).chain(retries);
        // The first of those at the same time: one's last invoice comes before one's next period.
        all.min_by_key(|(at, due)| (*at, matches!(due, Due::PeriodEnds(_))))
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::CheckoutExpires(id) => {
                let trace = self.checkouts.get(&id).map(|checkout| checkout.trace.clone());
                self.by_clock(trace.filter(|trace| !trace.is_empty()), "Payments: a checkout expires");
                self.expire_checkout(&id);
            }
            Due::TrialEnding(id) => {
                self.by_clock(None, "Payments: a trial is about to end");
                self.tell_trial_ending(&id);
            }
            Due::PeriodEnds(id) => {
                self.by_clock(None, self.what_ends(&id));
                self.end_period(&id);
            }
            Due::FirstPaymentLate(id) => {
                self.by_clock(None, "Payments: a first payment is too late");
                self.expire_incomplete(&id);
            }
            Due::InvoiceFinalized(id) => {
                self.by_clock(self.trace_of_invoice(&id), "");
                self.finalize_invoice(&id);
                self.collect_by_clock(&id);
            }
            Due::InvoiceRetried(id) => {
                self.by_clock(self.trace_of_invoice(&id), "");
                if let Some(invoice) = self.invoices.get_mut(&id) {
                    invoice.next_attempt = None;
                }
                self.collect_by_clock(&id);
            }
        }
    }

    /// What the end of the period is to its subscription.
    fn what_ends(&self, id: &str) -> &'static str {
        match self.subscriptions.get(id) {
            Some(subscription) if subscription.cancel_at_period_end => "Payments: a subscription ends",
            Some(subscription) if subscription.status == Status::Trialing => "Payments: a trial ends",
            Some(_) | None => "Payments: a subscription renews",
        }
    }

    fn trace_of_invoice(&self, id: &str) -> Option<String> {
        self.invoices.get(id).map(|invoice| invoice.trace.clone())
    }
}

fn due_of(subscription: &Subscription) -> Vec<(i64, Due)> {
    let id = || subscription.id.clone();
    match subscription.status {
        Status::Trialing => {
            let notice = (subscription.period_end - TRIAL_NOTICE).max(subscription.created);
            let told = (!subscription.trial_ending_told).then(|| (notice, Due::TrialEnding(id())));
            let ends = (subscription.period_end, Due::PeriodEnds(id()));
            told.into_iter().chain([ends]).collect()
        }
        Status::Active | Status::PastDue | Status::Unpaid => {
            vec![(subscription.period_end, Due::PeriodEnds(id()))]
        }
        Status::Incomplete => vec![(subscription.created + FIRST_PAYMENT, Due::FirstPaymentLate(id()))],
        Status::Paused | Status::Canceled | Status::IncompleteExpired => Vec::new(),
    }
}
