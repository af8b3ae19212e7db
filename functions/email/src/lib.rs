//! Domain events become mail.
//!
//! For each event: which mail does it call for, to whom (`Email::plan`); then it is delivered
//! ([`shared::delivery`]): within the budgets (E4), claimed with its link, sent, noted as done.

mod config;
mod mail;
mod mailer;
mod message;
mod plan;

use std::sync::Arc;

use ring::hmac;
use shared::aws;
use shared::cached::Cached;
use shared::clock::{Clock, Random};
use shared::delivery::{self, Delivery, Parcel, overall};
use shared::error::Error;
use shared::event::Envelope;
use shared::limit::MAIL_SENT_TO_ADDRESS;
use shared::secret_key;
use shared::store::{Minted, Store};
use shared::unsubscribe::UnsubscribeToken;

pub use crate::config::{Config, InvalidSender, Sender};
pub use crate::mailer::Mailer;
use crate::message::Unsubscribe;

/// This consumer's name in claims.
const CONSUMER: &str = "email";

/// What the function is made of.
#[derive(Debug, Clone)]
pub struct Email {
    /// How events are delivered.
    pub delivery: Delivery,
    /// The way out.
    pub mailer: Mailer,
    /// Whom mail is from.
    pub sender: Sender,
    /// Where links lead, such as `https://example.com`.
    pub origin: String,
    /// The key of what ends a kind of mail by one click.
    pub unsubscribe_key: Cached<hmac::Key>,
    /// Tells the time.
    pub clock: Clock,
    /// Makes tokens.
    pub random: Random,
}

/// Why an event is to be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What it takes to write the mail cannot be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// The words could not be made.
    #[error("the mail could not be written")]
    Unwritten(#[from] askama::Error),
    /// It could not be delivered.
    #[error(transparent)]
    Undelivered(#[from] delivery::Failure),
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

impl Email {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let Config { aws, table_name, origin, sender, budget, unsubscribe_key_parameter } = config;
        let (clock, random) = (Clock::system(), Random::system());
        Self {
            delivery: delivery(Store::connect(&aws, table_name), budget, random.clone()),
            mailer: Mailer::new(&aws, &sender),
            sender,
            origin,
            unsubscribe_key: secret_key::in_parameter(&aws, unsubscribe_key_parameter, clock.clone()),
            clock,
            random,
        }
    }

    /// Opens the connections and reads the key beside the wait for the first event.
    pub fn warm(&self) {
        let (store, mailer, key) = (self.store().clone(), self.mailer.clone(), self.unsubscribe_key.clone());
        aws::warm(async move {
            tokio::join!(store.warm(), mailer.warm(), key.warm());
        });
    }

    /// Sends the mail that an event calls for, unless that was done before.
    ///
    /// # Errors
    /// If the event is to be delivered again.
    pub async fn handle(&self, event: &Envelope) -> Result<(), Failure> {
        let now = self.clock.now();
        let Some(plan) = self.plan(event, now).await? else { return Ok(()) };
        let unsubscribe = match plan.mail.optional() {
            None => None,
            Some(kind) => {
                let key = self.unsubscribe_key.current().await?;
                Some(Unsubscribe::new(&self.origin, &UnsubscribeToken::new(&key, event.subject, kind)))
            }
        };
        let page = unsubscribe.as_ref().map(|unsubscribe| unsubscribe.page.as_str());
        let words = plan.mail.write(self.sender.name.as_str(), &self.origin, page)?;
        let message_id = format!("{}.{:016x}", event.id, u64::from_ne_bytes(self.random.bytes()));
        let message =
            message::compose(&words, &self.sender, &plan.to, unsubscribe.as_ref(), (&message_id, now));
        let (kind, address) = (plan.mail.kind(), plan.to.key());
        let parcel = Parcel {
            event: event.id,
            kind,
            recipient: address.as_str(),
            minted: plan.link.as_ref().map_or(Minted::Nothing, Minted::Link),
        };
        self.delivery.deliver(&parcel, now, self.mailer.send(message, &plan.to, kind)).await?;
        Ok(())
    }

    fn store(&self) -> &Store {
        &self.delivery.store
    }
}

/// So many mails an hour to all addresses together, within each address's own limit.
fn delivery(store: Store, budget: u32, random: Random) -> Delivery {
    Delivery {
        store,
        consumer: CONSUMER,
        per_recipient: MAIL_SENT_TO_ADDRESS,
        overall: overall("mail_sent.all", budget),
        random,
    }
}

#[cfg(test)]
mod tests;
