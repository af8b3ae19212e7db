//! Domain events become mail.
//!
//! For each event: which mail does it call for, to whom (`Email::plan`); may another be sent (E4); claim
//! it, with its link, so that no other delivery of the event sends it too; send; note that it is done.
//! A mail that the provider certainly refused is tried again. One of which nobody knows whether
//! it was taken is sent once more, and no more often than that.

mod config;
mod mail;
mod mailer;
mod message;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::clock::{Clock, Random};
use shared::error::Error;
use shared::event::Envelope;
use shared::limit::{Limit, MAIL_SENT_TO_ADDRESS};
use shared::log::causes;
use shared::store::{Claim, Store};

pub use crate::config::{Config, InvalidSender, Sender};
pub use crate::mailer::{Mailer, SendError};
use crate::plan::Plan;

/// This consumer's name in claims.
const CONSUMER: &str = "email";

/// How long a claim keeps others off: longer than any invocation lives, shorter than a message stays
/// hidden in the queue once it failed.
const LEASE: SignedDuration = SignedDuration::from_secs(20);

/// How often a mail is sent at most, as far as the provider's answer is unknown.
const ATTEMPTS: u32 = 2;

/// What the function is made of.
#[derive(Debug, Clone)]
pub struct Email {
    /// The table.
    pub store: Store,
    /// The way out.
    pub mailer: Mailer,
    /// Whom mail is from.
    pub sender: Sender,
    /// Where links lead, such as `https://example.com`.
    pub origin: String,
    /// The most mails in an hour, to all addresses together.
    pub budget: u32,
    /// Tells the time.
    pub clock: Clock,
    /// Makes tokens.
    pub random: Random,
}

/// Why an event is to be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The words could not be made.
    #[error("the mail could not be written")]
    Unwritten(#[from] askama::Error),
    /// The provider did not take the message, or did not say that it did.
    #[error(transparent)]
    Unsent(#[from] SendError),
    /// Another delivery of the event is being worked on, or was when its function died.
    #[error("another delivery of the event holds the claim")]
    Held,
    /// It was sent as often as allowed, and the provider's answer is unknown each time.
    #[error("the mail may have been sent, and is not sent again")]
    GivenUp,
    /// All mail that may be sent in this hour is sent. Past the queue's retries the event waits in the
    /// dead-letter queue for somebody who knows why so much was sent.
    #[error("the budget of mails for this hour is spent")]
    BudgetSpent,
}

/// Receives events for ever and sends their mail.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(email: Email) -> Result<(), lambda_runtime::Error> {
    let email = Arc::new(email);
    shared::queue::run(move |event| {
        let email = Arc::clone(&email);
        // Boxed: the runtime's and the SDK's futures within one another are too deep a type to lay out.
        Box::pin(async move { email.handle(&event).await })
    })
    .await
}

/// Opens the connections, so that the first event does not wait for them.
pub async fn warm(store: Store, mailer: Mailer) {
    tokio::join!(store.warm(), mailer.warm());
}

impl Email {
    /// Sends the mail that an event calls for, unless that was done before.
    ///
    /// # Errors
    /// If the event is to be delivered again.
    pub async fn handle(&self, event: &Envelope) -> Result<(), Failure> {
        let now = self.clock.now();
        let Some(plan) = self.plan(event, now).await? else { return Ok(()) };
        // Before the budgets: what is done needs none, and must not fail for want of one.
        if self.store.is_done(CONSUMER, event.id).await? {
            return Ok(());
        }
        let kind = plan.mail.kind();
        if !self.take_budget(&plan, now).await? {
            // The same mail in such numbers tells its reader nothing new: somebody is plaguing them.
            tracing::warn!(event_id = %event.id, kind, "An address has had too many of a mail; another is dropped");
            return Ok(());
        }
        let outcome = self.send_once(event, &plan, now).await;
        if !matches!(outcome, Ok(Outcome::Sent) | Err(Failure::Unsent(SendError::Unknown(_)))) {
            self.give_back_budget(&plan, now).await;
        }
        outcome.map(|_| ())
    }

    async fn send_once(&self, event: &Envelope, plan: &Plan, now: Timestamp) -> Result<Outcome, Failure> {
        // Written before it is claimed: little must come between the claim and the sending, for if the
        // function dies there an attempt is lost.
        let words = plan.mail.write(self.sender.name.as_str(), &self.origin)?;
        let message_id = format!("{}.{:016x}", event.id, u64::from_ne_bytes(self.random.bytes()));
        let message = message::compose(&words, &self.sender, &plan.to, &message_id, now);
        let lease = (now, now + LEASE);
        let claim =
            self.store.claim(CONSUMER, event.id, lease, ATTEMPTS, plan.link.as_ref(), &self.random).await?;
        let nonce = match claim {
            Claim::Won { nonce } => nonce,
            Claim::Done => return Ok(Outcome::SentBefore),
            Claim::Held => return Err(Failure::Held),
            Claim::Exhausted => return Err(Failure::GivenUp),
        };
        match self.mailer.send(message, &plan.to, plan.mail.kind()).await {
            Ok(()) => {
                // Delivered again for this, the event would be sent again.
                if let Err(error) = self.store.finish(CONSUMER, event.id).await {
                    tracing::error!(event_id = %event.id, error = causes(&error), "It was not noted that a mail is sent");
                }
                Ok(Outcome::Sent)
            }
            Err(refused @ SendError::Refused(_)) => {
                if let Err(error) = self.store.release(CONSUMER, event.id, &nonce).await {
                    tracing::error!(event_id = %event.id, error = causes(&error), "A claim was not released");
                }
                Err(refused.into())
            }
            Err(unknown @ SendError::Unknown(_)) => Err(unknown.into()),
        }
    }

    /// Counts one more mail against the budgets (E4), or says that this address has had its share of this kind.
    async fn take_budget(&self, plan: &Plan, now: Timestamp) -> Result<bool, Failure> {
        let taken = self.store.take(&MAIL_SENT_TO_ADDRESS, &address_key(plan), now).await;
        match taken {
            Ok(()) => {}
            Err(Error::TooManyRequests { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        match self.store.take(&self.overall(), OVERALL_KEY, now).await {
            Ok(()) => Ok(true),
            Err(Error::TooManyRequests { .. }) => {
                self.give_back_budget(plan, now).await;
                Err(Failure::BudgetSpent)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A budget that is not given back is one mail smaller until the hour is over: nothing to fail for.
    async fn give_back_budget(&self, plan: &Plan, now: Timestamp) {
        _ = self.store.give_back(&MAIL_SENT_TO_ADDRESS, &address_key(plan), now).await;
        _ = self.store.give_back(&self.overall(), OVERALL_KEY, now).await;
    }

    fn overall(&self) -> Limit {
        Limit { name: "mail_sent.all", max: self.budget, window: Duration::from_secs(60 * 60) }
    }
}

/// All addresses share one counter. It takes 1,000 writes a second, which no budget of mails an hour comes near.
const OVERALL_KEY: &str = "all";

fn address_key(plan: &Plan) -> String {
    format!("{} {}", plan.mail.kind(), plan.to.key().as_str())
}

/// What came of an event that needs no other delivery.
enum Outcome {
    Sent,
    SentBefore,
}

#[cfg(test)]
mod tests;
