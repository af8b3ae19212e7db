//! Brings what is known of a customer up to what the provider's ledger says.
//!
//! A notification is never believed, only taken as a reason to look: so it does not matter how often, in which order
//! and whether it comes.

use jiff::{SignedDuration, Timestamp};
use shared::clock::{Clock, Random};
use shared::error::Error;
use shared::event::{Envelope, Event};
use shared::store::{Applied, Store, SubscriptionRecord};
use shared::subscription::{
    Customer, Invoice, InvoiceState, InvoiceStatus, Subscription, SubscriptionStatus,
};
use shared::trace;

use crate::change;
use crate::parts::owned;
use crate::stripe::{Contact, LedgerInvoice, LedgerSubscription, Stripe};

/// What it takes to bring a customer up to date. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sync {
    /// Where subscriptions are kept.
    pub store: Store,
    /// The ledger.
    pub stripe: Stripe,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

/// Why the ledger is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reason<'a> {
    /// The invoice that is concerned.
    pub(crate) invoice: Option<&'a str>,
    /// Whether the provider says that a trial ends soon.
    pub(crate) trial_ending: bool,
}

/// How long before its end a trial is told of, as the provider does.
const TRIAL_NOTICE: SignedDuration = SignedDuration::from_hours(72);

/// How often a reading is applied again when older ones were applied meanwhile.
const ATTEMPTS: usize = 64;

impl Sync {
    /// Does what follows from an event. However often it comes, and in whichever order, the outcome is the same.
    ///
    /// # Errors
    ///
    /// If the provider or the table cannot do it now: the event is to be delivered again.
    pub async fn handle(&self, event: Envelope) -> Result<(), Error> {
        match &event.event {
            Event::BillingNotified { notification_type, customer_id, object_id, .. } => {
                let reason = Reason {
                    invoice: notification_type.starts_with("invoice.").then_some(object_id),
                    trial_ending: notification_type == "customer.subscription.trial_will_end",
                };
                match self.store.customer_by_id(customer_id).await? {
                    Some(customer) => self.customer(&customer, reason).await,
                    None => Ok(()),
                }
            }
            Event::WorkspaceDeleted { workspace_id } => match self.store.customer(*workspace_id).await? {
                Some(customer) => self.close(&customer).await,
                None => Ok(()),
            },
            Event::UserRenamed {} | Event::EmailChanged {} => {
                let Ok(workspace) = owned(&self.store.memberships(event.subject).await?) else {
                    return Ok(());
                };
                match self.store.customer(workspace).await? {
                    Some(customer) => self.introduce(&customer, None).await,
                    None => Ok(()),
                }
            }
            Event::UserSignedUp { .. }
            | Event::SignUpRepeated {}
            | Event::VerificationRequested {}
            | Event::UserVerified {}
            | Event::PasswordResetRequested { .. }
            | Event::PasswordChanged { .. }
            | Event::EmailChangeRequested { .. }
            | Event::UserDeleted {}
            | Event::SessionStarted { .. }
            | Event::SessionEnded { .. }
            | Event::SubscriptionStarted { .. }
            | Event::SubscriptionChanged { .. }
            | Event::TrialEnding { .. }
            | Event::SubscriptionEnded { .. }
            | Event::InvoicePaid { .. }
            | Event::PaymentFailed { .. }
            | Event::PhoneVerificationRequested {}
            | Event::PhoneAdded {}
            | Event::PhoneRemoved {}
            | Event::TextsStopped {}
            | Event::TextsStarted {}
            | Event::PreferencesChanged {} => Ok(()),
        }
    }

    /// Ends what a customer pays for, whose workspace was deleted.
    pub(crate) async fn close(&self, customer: &Customer) -> Result<(), Error> {
        self.stripe.delete_customer(&customer.id).await?;
        self.customer(customer, Reason::default()).await
    }

    /// Tells the provider what is stored now of whom a customer is, unless it was told that: until nothing else is
    /// stored after it than it was told last, so that of several at once nobody leaves it with something old.
    pub(crate) async fn introduce(
        &self,
        customer: &Customer,
        mut told: Option<Contact>,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            // Who has no account any more is deleted there with the workspace.
            let Some(user) = self.store.user(customer.owner_id).await? else { return Ok(()) };
            let contact = Contact::of(&user);
            if told.as_ref() == Some(&contact) {
                return Ok(());
            }
            self.stripe.update_customer(&customer.id, &contact).await?;
            told = Some(contact);
        }
        Err(Error::Conflict)
    }

    /// Reads what the ledger says of a customer and writes it, with what follows, unless something newer was written.
    pub(crate) async fn customer(&self, customer: &Customer, reason: Reason<'_>) -> Result<(), Error> {
        let ticket = self.store.take_ticket(customer.workspace_id).await?;
        // Invoices first: one that has failed by then is of a subscription that is past due by the next reading.
        let invoices = self.stripe.recent_invoices(&customer.id, reason.invoice).await?;
        let subscriptions = self.stripe.subscriptions(&customer.id).await?;
        self.apply_subscription(customer, ticket, &subscriptions, reason.trial_ending).await?;
        self.apply_invoices(customer, &invoices, &subscriptions).await
    }

    async fn apply_subscription(
        &self,
        customer: &Customer,
        mut known: SubscriptionRecord,
        ledger: &[LedgerSubscription],
        trial_ending: bool,
    ) -> Result<(), Error> {
        let counts = ledger.iter().map(|it| &it.subscription).max_by_key(|it| it.precedence());
        let counts = match counts {
            Some(counts) => Some(self.with_due_since(counts).await?),
            None => None,
        };
        let now = self.clock.now();
        for _ in 0..ATTEMPTS {
            let before = known.subscription.as_ref();
            let after = match (&counts, before) {
                (Some(after), _) => after.clone(),
                // The ledger has no such customer any more.
                (None, Some(before)) => ended(before, now),
                (None, None) => return Ok(()),
            };
            let told = trial_end_to_tell(&after, known.trial_told, trial_ending, now);
            let mut events: Vec<_> =
                change::event(customer.workspace_id, before, &after).into_iter().collect();
            if let Some(ends_at) = told {
                events.push(Event::TrialEnding { workspace_id: customer.workspace_id, ends_at });
            }
            let events = events.into_iter().zip(moments(now));
            let events: Vec<_> = events.map(|(event, at)| self.envelope(customer, event, at)).collect();
            let workspace = customer.workspace_id;
            match self.store.apply_subscription(workspace, &known, &after, told, &events).await? {
                Applied::Done | Applied::Outdated => return Ok(()),
                Applied::Changed(newer) => known = *newer,
            }
        }
        Err(Error::Conflict)
    }

    /// Since when it is past due, by the oldest invoice that failed: a newer one that fails as well gives no new grace.
    async fn with_due_since(&self, subscription: &Subscription) -> Result<Subscription, Error> {
        let mut subscription = subscription.clone();
        if subscription.status == SubscriptionStatus::PastDue {
            let since = self.stripe.due_since(&subscription.id).await?;
            subscription.past_due_since = Some(since.unwrap_or(subscription.created_at));
        }
        Ok(subscription)
    }

    async fn apply_invoices(
        &self,
        customer: &Customer,
        invoices: &[LedgerInvoice],
        subscriptions: &[LedgerSubscription],
    ) -> Result<(), Error> {
        let ids = invoices.iter().map(|invoice| invoice.id.as_str());
        let known = self.store.invoice_progress(customer.workspace_id, ids).await?;
        // The oldest first, as they happened.
        for (ledger, at) in invoices.iter().rev().zip(moments(self.clock.now())) {
            let Some(state) = state(ledger, subscriptions) else { continue };
            if known.get(&state.id).is_some_and(|progress| *progress >= state.progress()) {
                continue;
            }
            let event = change::invoice_event(customer.workspace_id, ledger, &state);
            let events: Vec<_> = event.into_iter().map(|event| self.envelope(customer, event, at)).collect();
            let invoice = Invoice {
                state,
                number: ledger.number.clone(),
                amount: ledger.amount(),
                created_at: ledger.created_at,
            };
            self.store.apply_invoice(customer.workspace_id, &invoice, &events).await?;
        }
        Ok(())
    }

    fn envelope(&self, customer: &Customer, event: Event, at: Timestamp) -> Envelope {
        let traceparent = trace::current().map(|trace| trace.to_traceparent());
        Envelope::new(customer.owner_id, event, at, &self.random, traceparent)
    }
}

/// This moment and those after it: events sort by their time, to the millisecond, and those of one moment by chance.
fn moments(now: Timestamp) -> impl Iterator<Item = Timestamp> {
    (0..).map(move |place| now + SignedDuration::from_millis(place))
}

/// How far an invoice has come, if it is one of ours and not a draft any more. A payment that is tried counts when it has
/// failed: some take days to succeed.
fn state(invoice: &LedgerInvoice, subscriptions: &[LedgerSubscription]) -> Option<InvoiceState> {
    let id = invoice.subscription_id.as_ref()?;
    let subscription = subscriptions.iter().find(|it| &it.subscription.id == id)?;
    let in_good_state = matches!(
        subscription.subscription.status,
        SubscriptionStatus::Trialing | SubscriptionStatus::Active | SubscriptionStatus::Paused
    );
    match invoice.status {
        InvoiceStatus::Draft => None,
        InvoiceStatus::Open if in_good_state => Some(InvoiceState { attempts: 0, ..invoice.state() }),
        InvoiceStatus::Open | InvoiceStatus::Uncollectible | InvoiceStatus::Void | InvoiceStatus::Paid => {
            Some(invoice.state())
        }
    }
}

fn ended(subscription: &Subscription, now: Timestamp) -> Subscription {
    Subscription {
        status: SubscriptionStatus::Canceled,
        ended_at: subscription.ended_at.or(Some(now)),
        past_due_since: None,
        ..subscription.clone()
    }
}

/// The end of a trial that is to be told of now, once.
pub(crate) fn trial_end_to_tell(
    subscription: &Subscription,
    told: Option<Timestamp>,
    notified: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let ends_at = subscription.trial_end?;
    let is_on_trial = subscription.status == SubscriptionStatus::Trialing;
    let nothing_follows = subscription.cancel_at.is_some_and(|at| at <= ends_at);
    let is_soon = notified || (now < ends_at && ends_at.duration_since(now) <= TRIAL_NOTICE);
    (is_on_trial && !nothing_follows && is_soon && told != Some(ends_at)).then_some(ends_at)
}
