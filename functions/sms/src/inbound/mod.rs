//! What people answer to texts, and what carriers say of them.
//!
//! The numbers that texts come from must manage opt-outs [themselves][self-managed]: only then does AWS pass STOP on, and
//! it leaves the answer that carriers ask for to us. Notifications may come twice and in any order: of answers the latest holds,
//! and each is answered once.
//!
//! [self-managed]: https://docs.aws.amazon.com/sms-voice/latest/userguide/opt-out-list-self-managed.html

mod config;
mod keyword;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use shared::aws;
use shared::clock::{Clock, Random};
use shared::delivery::{Delivery, Failure, Parcel, overall};
use shared::error::Error;
use shared::event::{Envelope, Event};
use shared::id::{EventId, UserId};
use shared::limit::TEXT_SENT_TO_NUMBER;
use shared::phone_number::PhoneNumber;
use shared::queue::Notification;
use shared::store::{Heard, Minted, Receipt, Store};
use shared::trace;
use uuid::Uuid;

pub use self::config::Config;
use self::keyword::Keyword;
use crate::notifier::ALL_TEXTS;
use crate::texter::Texter;

/// This consumer's name in claims.
const CONSUMER: &str = "sms-inbound";

/// What the function is made of.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// How answers are answered.
    pub delivery: Delivery,
    /// The way out.
    pub texter: Texter,
    /// The app's name.
    pub app: String,
    /// Where help is, such as `https://example.com`.
    pub origin: String,
    /// Tells the time.
    pub clock: Clock,
    /// Makes ids.
    pub random: Random,
}

/// What the topic tells, as AWS End User Messaging publishes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Told {
    /// Somebody answered a text.
    Answer(Answer),
    /// A carrier says what became of a text.
    Receipt(CarrierReceipt),
}

/// [An answer](https://docs.aws.amazon.com/sms-voice/latest/userguide/two-way-sms-payload.html) to a text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    origination_number: PhoneNumber,
    message_body: String,
    inbound_message_id: Uuid,
}

/// [What became](https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html) of a text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarrierReceipt {
    message_id: String,
    message_status: String,
    #[serde(default)]
    is_final: bool,
    /// Milliseconds since 1970.
    event_timestamp: i64,
}

/// Receives notifications for ever.
///
/// # Errors
///
/// If the Lambda runtime cannot be reached.
pub async fn run(inbound: Inbound) -> Result<(), lambda_runtime::Error> {
    let inbound = Arc::new(inbound);
    shared::queue::run_notifications(move |notification: Notification<Told>| {
        let inbound = Arc::clone(&inbound);
        // Boxed: the runtime's and the SDK's futures within one another are too deep a type to lay out.
        Box::pin(async move { inbound.handle(&notification).await })
    })
    .await
}

impl Inbound {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let random = Random::system();
        let delivery = Delivery {
            store: Store::connect(&config.aws, &config.table_name),
            consumer: CONSUMER,
            per_recipient: TEXT_SENT_TO_NUMBER,
            overall: overall(ALL_TEXTS, config.budget),
            random: random.clone(),
        };
        let texter = Texter::new(&config.aws);
        let (app, origin) = (config.app.clone(), config.origin.clone());
        Self { delivery, texter, app, origin, clock: Clock::system(), random }
    }

    /// Opens the connection to the table beside the wait for the first notification. Few are answered: the way out
    /// is opened when it is needed.
    pub fn warm(&self) {
        let store = self.store().clone();
        aws::warm(async move { store.warm().await });
    }

    /// Takes in what the topic told.
    ///
    /// # Errors
    ///
    /// If it is to be delivered again.
    pub async fn handle(&self, notification: &Notification<Told>) -> Result<(), Failure> {
        match &notification.message {
            Told::Answer(answer) => self.hear(answer, notification.at).await,
            Told::Receipt(receipt) => self.note(receipt).await,
        }
    }

    async fn hear(&self, answer: &Answer, at: Timestamp) -> Result<(), Failure> {
        let Some(keyword) = Keyword::of(&answer.message_body) else { return Ok(()) };
        let number = &answer.origination_number;
        let is_news = match keyword {
            Keyword::Stop => self.take(number, true, at).await? != Heard::Late,
            Keyword::Start => self.take(number, false, at).await? != Heard::Late,
            Keyword::Help => true,
        };
        // A stranger's phone costs us nothing, however much it sends.
        if !is_news || !self.store().has_owner(number).await? {
            return Ok(());
        }
        match self.reply(answer, keyword).await {
            // What was asked for is done. Another delivery would not be answered either, and in the end the dead-letter
            // queue would hold who wrote this, and what.
            Err(reason @ (Failure::BudgetSpent | Failure::GivenUp)) => {
                tracing::error!(message_id = %answer.inbound_message_id, %reason, "An answer to a text stays without a reply");
                Ok(())
            }
            done => done,
        }
    }

    async fn take(&self, number: &PhoneNumber, stopped: bool, at: Timestamp) -> Result<Heard, Error> {
        let traceparent = trace::current().map(|trace| trace.to_traceparent());
        let now = self.clock.now();
        let event = |user: UserId| {
            let event = if stopped { Event::TextsStopped {} } else { Event::TextsStarted {} };
            Envelope::new(user, event, now, &self.random, traceparent.clone())
        };
        self.store().hear(number, stopped, at, event).await
    }

    /// Says that an answer was understood, as carriers ask: the last word after STOP, too.
    async fn reply(&self, answer: &Answer, keyword: Keyword) -> Result<(), Failure> {
        let Self { app, origin, .. } = self;
        let (kind, words) = match keyword {
            Keyword::Stop => {
                ("reply_stop", format!("{app}: you get no more texts from us. START brings them back."))
            }
            Keyword::Start => ("reply_start", format!("{app}: you get texts from us again. STOP ends them.")),
            Keyword::Help => (
                "reply_help",
                format!("{app}: codes and warnings about your account. Help at {origin} STOP ends texts."),
            ),
        };
        let number = &answer.origination_number;
        let parcel = Parcel {
            event: EventId::from_uuid(answer.inbound_message_id),
            kind,
            recipient: number.as_str(),
            minted: Minted::Nothing,
        };
        self.delivery.deliver(&parcel, self.clock.now(), self.texter.send(number, &words)).await?;
        Ok(())
    }

    async fn note(&self, receipt: &CarrierReceipt) -> Result<(), Failure> {
        let CarrierReceipt { message_id, message_status, is_final, event_timestamp } = receipt;
        let noted = Receipt {
            message_id: message_id.clone(),
            status: message_status.clone(),
            is_final: *is_final,
            at: Timestamp::from_millisecond(*event_timestamp).map_err(Error::internal)?,
        };
        let is_news = self.store().note_receipt(&noted, self.clock.now()).await?;
        // By country the one or the other says that it arrived.
        let arrived = ["DELIVERED", "SUCCESSFUL"].contains(&message_status.as_str());
        if is_news && *is_final && !arrived {
            tracing::warn!(text = message_id, status = message_status, "A text did not arrive");
        }
        Ok(())
    }

    fn store(&self) -> &Store {
        &self.delivery.store
    }
}
