//! What the provider's ledger says, in the domain's words.

use jiff::Timestamp;
use shared::money::{Currency, Money};
use shared::subscription::{InvoiceState, InvoiceStatus, Subscription, SubscriptionStatus};
use stripe_shared::SubscriptionsResourcePauseCollectionBehavior as PauseBehavior;
use stripe_types::{Expandable, List};

use super::catalogue::{Catalogue, to_price};
use super::transport::StripeError;

/// A subscription of what we sell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LedgerSubscription {
    pub(crate) customer_id: String,
    /// All but since when it is past due, which its invoices say.
    pub(crate) subscription: Subscription,
}

/// A page of all subscriptions.
#[derive(Debug)]
pub(crate) struct SubscriptionPage {
    /// Those of what we sell.
    pub(crate) subscriptions: Vec<LedgerSubscription>,
    /// After which the next page begins; none after the last.
    pub(crate) next: Option<String>,
}

/// An invoice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LedgerInvoice {
    pub(crate) id: String,
    pub(crate) number: Option<String>,
    pub(crate) status: InvoiceStatus,
    pub(crate) amount_due: Money,
    pub(crate) amount_paid: Money,
    /// How often its payment was tried.
    pub(crate) attempts: u32,
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// Of which subscription.
    pub(crate) subscription_id: Option<String>,
    pub(crate) created_at: Timestamp,
    /// When it was to be paid from.
    pub(crate) due_at: Timestamp,
    pub(crate) hosted_url: Option<String>,
    pub(crate) pdf_url: Option<String>,
}

impl SubscriptionPage {
    pub(super) fn new(
        page: List<stripe_shared::Subscription>,
        catalogue: &Catalogue,
    ) -> Result<Self, StripeError> {
        let next = page.data.last().filter(|_| page.has_more).map(|last| last.id.to_string());
        let ours = page.data.iter().filter(|subscription| is_sold(subscription, catalogue));
        let subscriptions =
            ours.map(|subscription| read(subscription, catalogue)).collect::<Result<_, _>>()?;
        Ok(Self { subscriptions, next })
    }
}

/// Whether it is a subscription to a plan of ours: the account may sell other things as well.
pub(super) fn is_sold(subscription: &stripe_shared::Subscription, catalogue: &Catalogue) -> bool {
    let item = subscription.items.data.first();
    item.is_some_and(|item| {
        catalogue.plan_of(item.price.product.id()).is_some() && to_price(&item.price).is_some()
    })
}

fn read(
    subscription: &stripe_shared::Subscription,
    catalogue: &Catalogue,
) -> Result<LedgerSubscription, StripeError> {
    let unreadable = |what: &str| StripeError::Unreadable(format!("{} has {what}", subscription.id));
    let item = subscription.items.data.first().ok_or_else(|| unreadable("no item"))?;
    let plan = catalogue.plan_of(item.price.product.id()).ok_or_else(|| unreadable("no plan"))?;
    let price = to_price(&item.price).ok_or_else(|| unreadable("no price that we know"))?;
    let status = status(subscription).ok_or_else(|| unreadable("a status that we do not know"))?;
    let period_end = time(item.current_period_end)?;
    let cancel_at = match subscription.cancel_at.map(time).transpose()? {
        None if subscription.cancel_at_period_end => Some(period_end),
        at => at,
    };
    let latest_invoice = match &subscription.latest_invoice {
        Some(Expandable::Object(invoice)) => Some(LedgerInvoice::new(invoice)?.state()),
        Some(Expandable::Id(_)) | None => None,
    };
    let customer_id = subscription.customer.id().to_string();
    let subscription = Subscription {
        id: subscription.id.to_string(),
        status,
        plan,
        price,
        seats: u32::try_from(item.quantity.unwrap_or(1)).unwrap_or(u32::MAX),
        created_at: time(subscription.created)?,
        current_period_end: period_end,
        trial_end: subscription.trial_end.map(time).transpose()?,
        cancel_at,
        ended_at: subscription.ended_at.map(time).transpose()?,
        past_due_since: None,
        latest_invoice,
    };
    Ok(LedgerSubscription { customer_id, subscription })
}

fn status(subscription: &stripe_shared::Subscription) -> Option<SubscriptionStatus> {
    use stripe_shared::SubscriptionStatus as Status;
    // "Void" is how the provider names the pause in which nothing is offered; in the others the service goes on.
    let is_held = subscription.pause_collection.as_ref().is_some_and(|it| it.behavior == PauseBehavior::Void);
    Some(match subscription.status {
        Status::Canceled | Status::IncompleteExpired => SubscriptionStatus::Canceled,
        Status::Incomplete => SubscriptionStatus::Incomplete,
        Status::Unpaid => SubscriptionStatus::Unpaid,
        Status::Paused => SubscriptionStatus::Paused,
        Status::Trialing | Status::Active | Status::PastDue if is_held => SubscriptionStatus::Paused,
        Status::Trialing => SubscriptionStatus::Trialing,
        Status::Active => SubscriptionStatus::Active,
        Status::PastDue => SubscriptionStatus::PastDue,
        Status::Unknown(_) | _ => return None,
    })
}

impl LedgerInvoice {
    pub(super) fn new(invoice: &stripe_shared::Invoice) -> Result<Self, StripeError> {
        use stripe_shared::InvoiceStatus as Status;
        let id = invoice.id.as_ref().map(ToString::to_string).unwrap_or_default();
        let unreadable = |what: &str| StripeError::Unreadable(format!("{id} has {what}"));
        let status = match &invoice.status {
            Some(Status::Open) => InvoiceStatus::Open,
            Some(Status::Paid) => InvoiceStatus::Paid,
            Some(Status::Uncollectible) => InvoiceStatus::Uncollectible,
            Some(Status::Void) => InvoiceStatus::Void,
            Some(Status::Draft) | None => InvoiceStatus::Draft,
            Some(_) => return Err(unreadable("a status that we do not know")),
        };
        let currency: Currency =
            invoice.currency.to_string().parse().map_err(|_| unreadable("a currency that is none"))?;
        let money = |minor_units| Money { minor_units, currency };
        let created_at = time(invoice.created)?;
        let parent = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        Ok(Self {
            number: invoice.number.clone(),
            status,
            amount_due: money(invoice.amount_due),
            amount_paid: money(invoice.amount_paid),
            attempts: u32::try_from(invoice.attempt_count).unwrap_or(u32::MAX),
            next_attempt_at: invoice.next_payment_attempt.map(time).transpose()?,
            subscription_id: parent.map(|details| details.subscription.id().to_string()),
            created_at,
            due_at: invoice.status_transitions.finalized_at.map(time).transpose()?.unwrap_or(created_at),
            hosted_url: invoice.hosted_invoice_url.clone(),
            pdf_url: invoice.invoice_pdf.clone(),
            id,
        })
    }

    /// What was paid if it is paid, else what is due.
    pub(crate) fn amount(&self) -> Money {
        match self.status {
            InvoiceStatus::Paid => self.amount_paid,
            InvoiceStatus::Draft
            | InvoiceStatus::Open
            | InvoiceStatus::Uncollectible
            | InvoiceStatus::Void => self.amount_due,
        }
    }

    /// How far it has come.
    pub(crate) fn state(&self) -> InvoiceState {
        InvoiceState { id: self.id.clone(), status: self.status, attempts: self.attempts }
    }
}

fn time(seconds: i64) -> Result<Timestamp, StripeError> {
    Timestamp::from_second(seconds).map_err(|error| StripeError::Unreadable(error.to_string()))
}
