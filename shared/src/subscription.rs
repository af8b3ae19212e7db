//! Subscriptions and invoices, as the payment provider's ledger has them. Words are the provider's where they can be.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{UserId, WorkspaceId};
use crate::money::Money;
use crate::plan::Plan;

/// A workspace, as the payment provider knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Id at the provider: `cus_…`.
    pub id: String,
    /// Who pays.
    pub workspace_id: WorkspaceId,
    /// Who is told.
    pub owner_id: UserId,
}

/// What a workspace pays for, as the ledger said when it was last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Id at the provider: `sub_…`.
    pub id: String,
    /// In which state it is.
    pub status: SubscriptionStatus,
    /// What is paid for.
    pub plan: Plan,
    /// What it costs, a seat.
    pub price: Price,
    /// How many seats are paid for.
    pub seats: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is paid or on trial.
    pub current_period_end: Timestamp,
    /// When the trial ends or ended, if it began with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<Timestamp>,
    /// When it will end, if it was cancelled ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Since when a payment is due that failed. Only while it is past due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past_due_since: Option<Timestamp>,
    /// Its newest invoice, by which the reconcile sees whether one was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_invoice: Option<InvoiceState>,
}

/// In which state a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// On trial: nothing was paid yet.
    Trialing,
    /// Paid.
    Active,
    /// A payment failed and is tried again.
    PastDue,
    /// Held: nothing is paid and nothing is given.
    Paused,
    /// The provider gave up on a payment, and keeps the subscription.
    Unpaid,
    /// The first payment was not made yet.
    Incomplete,
    /// Over, by whatever way.
    Canceled,
}

impl SubscriptionStatus {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Paused => "paused",
            Self::Unpaid => "unpaid",
            Self::Incomplete => "incomplete",
            Self::Canceled => "canceled",
        }
    }

    /// How much one of several subscriptions counts.
    const fn rank(self) -> u8 {
        match self {
            Self::Canceled => 0,
            Self::Incomplete => 1,
            Self::Unpaid | Self::Paused => 2,
            Self::PastDue => 3,
            Self::Trialing | Self::Active => 4,
        }
    }
}

impl Subscription {
    /// Whether there is still something to pay for or to cancel: another one must not be bought beside it.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !matches!(self.status, SubscriptionStatus::Canceled)
    }

    /// What is paid for just now: nothing, if the provider holds it or gave up on it.
    #[must_use]
    pub const fn paid_plan(&self) -> Plan {
        match self.status {
            SubscriptionStatus::Trialing | SubscriptionStatus::Active | SubscriptionStatus::PastDue => {
                self.plan
            }
            SubscriptionStatus::Paused
            | SubscriptionStatus::Unpaid
            | SubscriptionStatus::Incomplete
            | SubscriptionStatus::Canceled => Plan::Free,
        }
    }

    /// Which of several subscriptions of one customer counts: the one in the best state, then the newest. The greatest
    /// counts, and the order of reading does not.
    #[must_use]
    pub fn precedence(&self) -> (u8, Timestamp, &str) {
        (self.status.rank(), self.created_at, &self.id)
    }

    /// Whether the ledger says the same of it, by what a list of subscriptions tells.
    #[must_use]
    pub fn same_in_ledger(&self, other: &Self) -> bool {
        let listed = |subscription: &Self| Self { past_due_since: None, ..subscription.clone() };
        listed(self) == listed(other)
    }
}

/// What something costs, again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Id at the provider: `price_…`.
    pub id: String,
    /// A seat, an interval.
    pub amount: Money,
    /// How often.
    pub interval: Interval,
}

/// How often a price is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Every month.
    Month,
    /// Every year.
    Year,
}

/// An invoice, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Id at the provider, state and failed attempts.
    #[serde(flatten)]
    pub state: InvoiceState,
    /// The number printed on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What was paid if it is paid, else what is due.
    pub amount: Money,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How far an invoice has come. It only ever goes on: see [`InvoiceState::progress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceState {
    /// Id at the provider: `in_…`.
    pub id: String,
    /// In which state it is.
    pub status: InvoiceStatus,
    /// How often its payment was tried.
    pub attempts: u32,
}

/// In which state an invoice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Not due yet, and may still change.
    Draft,
    /// To be paid.
    Open,
    /// Not expected to be paid any more.
    Uncollectible,
    /// Of no effect.
    Void,
    /// Paid.
    Paid,
}

impl InvoiceStatus {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
            Self::Paid => "paid",
        }
    }
}

impl InvoiceState {
    /// How far it has come, as a number that grows with it: the same whichever news of it are seen and in which order,
    /// if only the greatest is kept. An invoice goes from draft to open, through attempts, perhaps through
    /// uncollectible, to void or paid, and never back
    /// ([Stripe](https://docs.stripe.com/invoicing/overview#invoice-statuses)).
    #[must_use]
    pub fn progress(&self) -> u64 {
        let stage = match self.status {
            InvoiceStatus::Draft => 0,
            InvoiceStatus::Open => 1,
            InvoiceStatus::Uncollectible => 2,
            InvoiceStatus::Void | InvoiceStatus::Paid => return 3 << 32,
        };
        (stage << 32) + u64::from(self.attempts)
    }
}

/// A checkout that a workspace has begun. It has one at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// Tells it from any other: the provider makes one session for it, however often it is asked.
    pub nonce: String,
    /// What is to be bought: a price's id.
    pub price: String,
    /// Days for which nothing is paid, for a workspace that has never had a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_days: Option<u32>,
    /// When it was begun. The provider closes its session a day later.
    pub begun_at: Timestamp,
    /// Id of the session at the provider, `cs_…`, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}
