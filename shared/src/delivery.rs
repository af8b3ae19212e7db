//! Doing an event's effect at a provider that cannot take part in a transaction, such as sending a message: at least
//! once, and where nobody knows whether it was taken, once more and no more often than that.
//!
//! Claim the event, with what its message carries; send; note that it is done. Certainly refused: the claim
//! is given back and the queue delivers the event again. No answer: the attempt counts, and one more is made when the
//! claim's lease has ended. Twice without an answer: the event goes to the dead-letter queue with that reason.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Random;
use crate::error::Error;
use crate::id::EventId;
use crate::limit::Limit;
use crate::log::causes;
use crate::store::{Claim, Minted, Store};

/// How a consumer delivers.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where claims and counters are kept.
    pub store: Store,
    /// The consumer's name in claims.
    pub consumer: &'static str,
    /// The most messages of a kind to one recipient.
    pub per_recipient: Limit,
    /// The most messages to all recipients together.
    pub overall: Limit,
    /// Tells claims apart.
    pub random: Random,
}

/// What is to be delivered.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// The event that calls for it, by which it is known again.
    pub event: EventId,
    /// Which kind of message it is. Each kind has a budget of its own, so that none uses up another's.
    pub kind: &'static str,
    /// Who gets it: a key that is hashed before it is stored.
    pub recipient: &'a str,
    /// What it carries.
    pub minted: Minted<'a>,
}

/// What came of an event that needs no other delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The provider took it, and said this.
    Sent(T),
    /// It was sent before, or something newer takes its place.
    Settled,
    /// The recipient has had as many of this kind as anybody may.
    Dropped,
}

/// A message that is not known to be on its way. The provider's own words are left out: they name the recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It was certainly not taken.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// It may have been taken: the answer is missing, or does not say.
    #[error("the provider's answer is unknown: {0}")]
    Unknown(String),
}

/// Why an event is to be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The provider did not take the message, or did not say that it did.
    #[error(transparent)]
    Unsent(#[from] SendError),
    /// Another delivery of the event is being worked on, or was when its function died.
    #[error("another delivery of the event holds the claim")]
    Held,
    /// It was sent as often as allowed, and the provider's answer is unknown each time.
    #[error("the message may have been sent, and is not sent again")]
    GivenUp,
    /// All that may be sent for now is sent. Past the queue's retries the event waits in the dead-letter
    /// queue for somebody who knows why so much was sent.
    #[error("the budget of messages is spent")]
    BudgetSpent,
}

/// How long a claim keeps others off: longer than any invocation lives, shorter than a message stays
/// hidden in the queue once it failed.
const LEASE: SignedDuration = SignedDuration::from_secs(20);

/// How often a message is sent at most, as far as the provider's answer is unknown.
const ATTEMPTS: u32 = 2;

/// All recipients share one counter. It takes 1,000 writes a second, which no budget an hour comes near.
const OVERALL_KEY: &str = "all";

/// A limit of so many messages an hour to all recipients together.
#[must_use]
pub const fn overall(name: &'static str, max: u32) -> Limit {
    Limit { name, max, window: Duration::from_secs(60 * 60) }
}

impl Delivery {
    /// Delivers it by `send`, unless that was done before. `send` is not begun otherwise.
    ///
    /// # Errors
    ///
    /// If the event is to be delivered again.
    pub async fn deliver<T>(
        &self,
        parcel: &Parcel<'_>,
        now: Timestamp,
        send: impl Future<Output = Result<T, SendError>>,
    ) -> Result<Outcome<T>, Failure> {
        // Before the budgets: what is done needs none, and must not fail for want of one.
        if self.store.is_done(self.consumer, parcel.event).await? {
            return Ok(Outcome::Settled);
        }
        if !self.take_budget(parcel, now).await? {
            // The same message in such numbers tells its reader nothing new: somebody is plaguing them.
            let Parcel { event, kind, .. } = parcel;
            tracing::warn!(event_id = %event, kind, "A recipient has had too many of a message; another is dropped");
            return Ok(Outcome::Dropped);
        }
        let outcome = self.send_once(parcel, now, send).await;
        if !matches!(outcome, Ok(Outcome::Sent(_)) | Err(Failure::Unsent(SendError::Unknown(_)))) {
            self.give_back_budget(parcel, now).await;
        }
        outcome
    }

    async fn send_once<T>(
        &self,
        parcel: &Parcel<'_>,
        now: Timestamp,
        send: impl Future<Output = Result<T, SendError>>,
    ) -> Result<Outcome<T>, Failure> {
        let (store, event_id) = (&self.store, parcel.event);
        let lease = (now, now + LEASE);
        let claim =
            store.claim(self.consumer, event_id, lease, ATTEMPTS, parcel.minted, &self.random).await?;
        let nonce = match claim {
            Claim::Won { nonce } => nonce,
            Claim::Done | Claim::Superseded => return Ok(Outcome::Settled),
            Claim::Held => return Err(Failure::Held),
            Claim::Exhausted => return Err(Failure::GivenUp),
        };
        // Little must come between the claim and the sending: if the function dies there, an attempt is lost.
        match send.await {
            Ok(sent) => {
                // Delivered again for this, the event would be sent again.
                if let Err(error) = store.finish(self.consumer, event_id).await {
                    tracing::error!(%event_id, error = causes(&error), "It was not noted that a message is sent");
                }
                Ok(Outcome::Sent(sent))
            }
            Err(refused @ SendError::Refused(_)) => {
                if let Err(error) = store.release(self.consumer, event_id, &nonce).await {
                    tracing::error!(%event_id, error = causes(&error), "A claim was not released");
                }
                Err(refused.into())
            }
            Err(unknown @ SendError::Unknown(_)) => Err(unknown.into()),
        }
    }

    /// Counts one more message against the budgets (E4), or says that this recipient has had their share of this kind.
    async fn take_budget(&self, parcel: &Parcel<'_>, now: Timestamp) -> Result<bool, Failure> {
        match self.store.take(&self.per_recipient, &recipient_key(parcel), now).await {
            Ok(()) => {}
            Err(Error::TooManyRequests { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        match self.store.take(&self.overall, OVERALL_KEY, now).await {
            Ok(()) => Ok(true),
            Err(Error::TooManyRequests { .. }) => {
                self.give_back_budget(parcel, now).await;
                Err(Failure::BudgetSpent)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A budget that is not given back is one message smaller until its window is over: nothing to fail for.
    async fn give_back_budget(&self, parcel: &Parcel<'_>, now: Timestamp) {
        _ = self.store.give_back(&self.per_recipient, &recipient_key(parcel), now).await;
        _ = self.store.give_back(&self.overall, OVERALL_KEY, now).await;
    }
}

fn recipient_key(parcel: &Parcel<'_>) -> String {
    format!("{} {}", parcel.kind, parcel.recipient)
}

impl SendError {
    /// What the failure of a call says of the message: an answer of 4xx that it was not taken, throttling included; one of
    /// 5xx, or none, nothing.
    #[must_use]
    pub fn of<E: ProvideErrorMetadata + fmt::Debug + StdError + 'static>(
        error: &SdkError<E, HttpResponse>,
    ) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::Refused("the request could not be made".to_owned()),
            SdkError::DispatchFailure(_) if never_connected(error) => {
                Self::Refused("it could not be reached".to_owned())
            }
            SdkError::DispatchFailure(_) => Self::Unknown("the connection was lost".to_owned()),
            SdkError::TimeoutError(_) => Self::Unknown("it took too long".to_owned()),
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                let code = context.err().code().unwrap_or("no code");
                if (400..500).contains(&status) {
                    Self::Refused(code.to_owned())
                } else {
                    Self::Unknown(format!("{code}, status {status}"))
                }
            }
            SdkError::ResponseError(_) | _ => Self::Unknown("it could not be read".to_owned()),
        }
    }
}

/// Whether not a byte of the request can have left, since there was no connection.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let http = error.downcast_ref::<hyper_util::client::legacy::Error>();
        if http.is_some_and(hyper_util::client::legacy::Error::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}
