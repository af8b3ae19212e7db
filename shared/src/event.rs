//! What has happened, in the past tense: all that functions say to each other.
//!
//! An event is written in one transaction with the change it tells of, is kept as the user's history,
//! and is put on the bus by the publisher. It carries ids, never an address, a number, a token or a secret:
//! a consumer reads those where they are kept, so that a dead-letter queue holds nothing worth stealing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Random;
use crate::id::{EventId, SessionId, UserId, WorkspaceId};
use crate::money::Money;
use crate::plan::Plan;
use crate::session::SessionEnd;

/// CloudEvents' `source` of every event of this app.
pub const SOURCE: &str = "billion";

/// What has happened to a user.
///
/// Match it without `_`: a new event shall force a decision in every consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// Somebody signed up; the address is not verified yet.
    #[serde(rename = "user.signed_up")]
    UserSignedUp {
        /// The workspace that the user starts with.
        workspace_id: WorkspaceId,
    },
    /// Somebody signed up with an address that has an account already.
    #[serde(rename = "user.sign_up_repeated")]
    SignUpRepeated {},
    /// An unverified user asked for another verification mail.
    #[serde(rename = "user.verification_requested")]
    VerificationRequested {},
    /// The user's address was shown to be theirs.
    #[serde(rename = "user.verified")]
    UserVerified {},
    /// The user took another name.
    #[serde(rename = "user.renamed")]
    UserRenamed {},
    /// Somebody asked to set a new password.
    #[serde(rename = "user.password_reset_requested")]
    PasswordResetRequested {
        /// How often the password had been set: a later one makes this worth nothing.
        #[serde(default)]
        password_changes: u32,
    },
    /// The password was set anew, and every other session ended with it.
    #[serde(rename = "user.password_changed")]
    PasswordChanged {
        /// How.
        by: PasswordChange,
    },
    /// The user asked to move to another address. [`crate::store::Store::event_address`] has it.
    #[serde(rename = "user.email_change_requested")]
    EmailChangeRequested {
        /// How often the password had been set when it was given for this: a later one makes it worth nothing.
        #[serde(default)]
        password_changes: u32,
    },
    /// The user moved to another address. [`crate::store::Store::event_address`] has the former one.
    #[serde(rename = "user.email_changed")]
    EmailChanged {},
    /// The user deleted their account. [`crate::store::Store::event_address`] has the address that it had.
    #[serde(rename = "user.deleted")]
    UserDeleted {},
    /// A workspace went with its last user.
    #[serde(rename = "workspace.deleted")]
    WorkspaceDeleted {
        /// The workspace.
        workspace_id: WorkspaceId,
    },
    /// The user signed in.
    #[serde(rename = "session.started")]
    SessionStarted {
        /// The session.
        session_id: SessionId,
        /// Short description of the device.
        device: String,
        /// Whether the user has signed in before, but not from this device.
        new_device: bool,
    },
    /// A session ended before its time.
    #[serde(rename = "session.ended")]
    SessionEnded {
        /// The session.
        session_id: SessionId,
        /// Why.
        reason: SessionEnd,
    },
    /// The payment provider told of something about a customer. What it is worth is read from the provider.
    #[serde(rename = "billing.notified")]
    BillingNotified {
        /// Id of the provider's notification.
        notification_id: String,
        /// What it is about, in the provider's words: `customer.subscription.updated`.
        notification_type: String,
        /// The customer, by the provider's id.
        customer_id: String,
        /// The object, by the provider's id: a subscription, an invoice, a checkout session.
        object_id: String,
    },
    /// A workspace has a subscription.
    #[serde(rename = "subscription.started")]
    SubscriptionStarted {
        /// The workspace.
        workspace_id: WorkspaceId,
        /// What it pays for.
        plan: Plan,
        /// Whether it begins with a trial.
        trial: bool,
    },
    /// The subscription has another plan, number of seats or end.
    #[serde(rename = "subscription.changed")]
    SubscriptionChanged {
        /// The workspace.
        workspace_id: WorkspaceId,
        /// What it pays for now.
        plan: Plan,
        /// When it will end, if it was cancelled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_at: Option<Timestamp>,
    },
    /// The trial ends in three days; then the first payment is due.
    #[serde(rename = "subscription.trial_ending")]
    TrialEnding {
        /// The workspace.
        workspace_id: WorkspaceId,
        /// When.
        ends_at: Timestamp,
    },
    /// The subscription is over.
    #[serde(rename = "subscription.ended")]
    SubscriptionEnded {
        /// The workspace.
        workspace_id: WorkspaceId,
    },
    /// An invoice was paid.
    #[serde(rename = "invoice.paid")]
    InvoicePaid {
        /// The workspace.
        workspace_id: WorkspaceId,
        /// The invoice, by the provider's id.
        invoice_id: String,
        /// What was paid.
        amount: Money,
    },
    /// An invoice could not be paid.
    #[serde(rename = "invoice.payment_failed")]
    PaymentFailed {
        /// The workspace.
        workspace_id: WorkspaceId,
        /// The invoice, by the provider's id.
        invoice_id: String,
        /// What is due.
        amount: Money,
        /// When the provider tries again, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_attempt_at: Option<Timestamp>,
    },
    /// The user gave a phone number, which a code is to be sent to.
    #[serde(rename = "phone.verification_requested")]
    PhoneVerificationRequested {},
    /// The number was shown to be the user's.
    #[serde(rename = "phone.added")]
    PhoneAdded {},
    /// The user has no number any more.
    #[serde(rename = "phone.removed")]
    PhoneRemoved {},
    /// The user answered STOP, and gets no texts any more.
    #[serde(rename = "texts.stopped")]
    TextsStopped {},
    /// The user answered START after STOP.
    #[serde(rename = "texts.started")]
    TextsStarted {},
    /// The user chose what to be told of, and how.
    #[serde(rename = "user.preferences_changed")]
    PreferencesChanged {},
}

/// How a password was set anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordChange {
    /// By a link from the user's inbox.
    Reset,
    /// By the signed-in user, who gave the old one.
    Change,
}

impl Event {
    /// Every type there is.
    pub const TYPES: &'static [&'static str] = &[
        "user.signed_up",
        "user.sign_up_repeated",
        "user.verification_requested",
        "user.verified",
        "user.renamed",
        "user.password_reset_requested",
        "user.password_changed",
        "user.email_change_requested",
        "user.email_changed",
        "user.deleted",
        "workspace.deleted",
        "session.started",
        "session.ended",
        "billing.notified",
        "subscription.started",
        "subscription.changed",
        "subscription.trial_ending",
        "subscription.ended",
        "invoice.paid",
        "invoice.payment_failed",
        "phone.verification_requested",
        "phone.added",
        "phone.removed",
        "texts.stopped",
        "texts.started",
        "user.preferences_changed",
    ];

    /// The type, as CloudEvents' `type` and EventBridge's `detail-type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::UserSignedUp { .. } => "user.signed_up",
            Self::SignUpRepeated {} => "user.sign_up_repeated",
            Self::VerificationRequested {} => "user.verification_requested",
            Self::UserVerified {} => "user.verified",
            Self::UserRenamed {} => "user.renamed",
            Self::PasswordResetRequested { .. } => "user.password_reset_requested",
            Self::PasswordChanged { .. } => "user.password_changed",
            Self::EmailChangeRequested { .. } => "user.email_change_requested",
            Self::EmailChanged {} => "user.email_changed",
            Self::UserDeleted {} => "user.deleted",
            Self::WorkspaceDeleted { .. } => "workspace.deleted",
            Self::SessionStarted { .. } => "session.started",
            Self::SessionEnded { .. } => "session.ended",
            Self::BillingNotified { .. } => "billing.notified",
            Self::SubscriptionStarted { .. } => "subscription.started",
            Self::SubscriptionChanged { .. } => "subscription.changed",
            Self::TrialEnding { .. } => "subscription.trial_ending",
            Self::SubscriptionEnded { .. } => "subscription.ended",
            Self::InvoicePaid { .. } => "invoice.paid",
            Self::PaymentFailed { .. } => "invoice.payment_failed",
            Self::PhoneVerificationRequested {} => "phone.verification_requested",
            Self::PhoneAdded {} => "phone.added",
            Self::PhoneRemoved {} => "phone.removed",
            Self::TextsStopped {} => "texts.stopped",
            Self::TextsStarted {} => "texts.started",
            Self::PreferencesChanged {} => "user.preferences_changed",
        }
    }
}

/// An event with what CloudEvents 1.0 says of it, and its W3C trace context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Id: the same however often the event is delivered.
    pub id: EventId,
    /// To whom it happened.
    pub subject: UserId,
    /// When.
    pub time: Timestamp,
    /// Where the request that caused it is traced, as in W3C Trace Context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

impl Envelope {
    /// An event of this moment.
    #[must_use]
    pub fn new(
        subject: UserId,
        event: Event,
        now: Timestamp,
        random: &Random,
        traceparent: Option<String>,
    ) -> Self {
        Self { id: EventId::new(now, random), subject, time: now, traceparent, event }
    }

    /// The event as CloudEvents' JSON.
    ///
    /// # Panics
    ///
    /// Never: every event is plain data.
    #[must_use]
    pub fn to_cloud_event(&self) -> serde_json::Value {
        let mut json = serde_json::to_value(self).expect("an event is plain data");
        json["specversion"] = "1.0".into();
        json["source"] = SOURCE.into();
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_event_is_read_as_it_was_written() {
        let random = Random::system();
        let now: Timestamp = "2026-11-23T10:00:00.123Z".parse().unwrap();
        let envelope = Envelope::new(
            UserId::new(now, &random),
            Event::SessionStarted {
                session_id: SessionId::new(now, &random),
                device: "Firefox on Linux".to_owned(),
                new_device: true,
            },
            now,
            &random,
            None,
        );
        let json = envelope.to_cloud_event();
        assert_eq!(json["type"], "session.started");
        assert_eq!(json["specversion"], "1.0");
        assert_eq!(json["time"], "2026-11-23T10:00:00.123Z");
        assert_eq!(json["data"]["device"], "Firefox on Linux");
        assert_eq!(serde_json::from_value::<Envelope>(json).unwrap(), envelope);
    }

    #[test]
    fn an_event_without_data_says_so() {
        let random = Random::system();
        let id = UserId::new(Timestamp::UNIX_EPOCH, &random);
        let json =
            Envelope::new(id, Event::UserVerified {}, Timestamp::UNIX_EPOCH, &random, None).to_cloud_event();
        assert_eq!(json["data"], serde_json::json!({}));
        assert!(Event::TYPES.contains(&json["type"].as_str().unwrap()));
    }
}
