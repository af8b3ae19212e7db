//! Domain events become texts.
//!
//! For each event: which text does it call for, to which number (`Notifier::plan`); then it is delivered as mail is
//! ([`shared::delivery`]): within the budgets, claimed, sent, noted as done.

mod config;
mod plan;
mod words;

use std::sync::Arc;

use ring::hmac;
use shared::aws;
use shared::cached::Cached;
use shared::clock::{Clock, Random};
use shared::delivery::{Delivery, Failure, Outcome, Parcel, overall};
use shared::event::Envelope;
use shared::limit::TEXT_SENT_TO_NUMBER;
use shared::log::causes;
use shared::secret_key;
use shared::store::{Minted, Store};

pub use self::config::Config;
use crate::routes::Countries;
use crate::texter::Texter;

/// This consumer's name in claims.
const CONSUMER: &str = "sms-notifier";

/// The counter of all texts, whichever function sends them.
pub(crate) const ALL_TEXTS: &str = "text_sent.all";

/// What the function is made of.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// How events are delivered.
    pub delivery: Delivery,
    /// The way out.
    pub texter: Texter,
    /// The key of codes' hashes.
    pub code_key: Cached<hmac::Key>,
    /// The app's name.
    pub app: String,
    /// Where links lead, such as `https://example.com`.
    pub origin: String,
    /// The countries that texts go to.
    pub countries: Countries,
    /// Tells the time.
    pub clock: Clock,
    /// Makes codes.
    pub random: Random,
}

/// Receives events for ever and sends their texts.
///
/// # Errors
///
/// If the Lambda runtime cannot be reached.
pub async fn run(notifier: Notifier) -> Result<(), lambda_runtime::Error> {
    let notifier = Arc::new(notifier);
    shared::queue::run(move |event| {
        let notifier = Arc::clone(&notifier);
        // Boxed: the runtime's and the SDK's futures within one another are too deep a type to lay out.
        Box::pin(async move { notifier.handle(&event).await })
    })
    .await
}

impl Notifier {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (clock, random) = (Clock::system(), Random::system());
        let delivery = Delivery {
            store: Store::connect(&config.aws, &config.table_name),
            consumer: CONSUMER,
            per_recipient: TEXT_SENT_TO_NUMBER,
            overall: overall(ALL_TEXTS, config.budget),
            random: random.clone(),
        };
        Self {
            delivery,
            texter: Texter::new(&config.aws),
            code_key: secret_key::in_parameter(&config.aws, &config.code_key_parameter, clock.clone()),
            app: config.app.clone(),
            origin: config.origin.clone(),
            countries: config.countries.clone(),
            clock,
            random,
        }
    }

    /// Opens the connections and reads the key beside the wait for the first event.
    pub fn warm(&self) {
        let (store, texter, code_key) = (self.store().clone(), self.texter.clone(), self.code_key.clone());
        aws::warm(async move {
            tokio::join!(store.warm(), texter.warm(), code_key.warm());
        });
    }

    /// Sends the text that an event calls for, unless that was done before.
    ///
    /// # Errors
    ///
    /// If the event is to be delivered again.
    pub async fn handle(&self, event: &Envelope) -> Result<(), Failure> {
        let now = self.clock.now();
        let Some(plan) = self.plan(event, now).await? else { return Ok(()) };
        let words = plan.text.write(&self.app, &self.origin);
        let parcel = Parcel {
            event: event.id,
            kind: plan.text.kind(),
            recipient: plan.to.as_str(),
            minted: plan
                .request
                .as_ref()
                .map_or(Minted::Nothing, |request| Minted::Code(request, event.subject)),
        };
        let outcome = self.delivery.deliver(&parcel, now, self.texter.send(&plan.to, &words)).await?;
        if let Outcome::Sent(Some(message_id)) = outcome
            && let Err(error) = self.store().note_text(&message_id, event, now).await
        {
            // Its receipt will then not say what it was for: nothing to send it twice for.
            tracing::error!(event_id = %event.id, error = causes(&error), "It was not noted which text was sent");
        }
        Ok(())
    }

    fn store(&self) -> &Store {
        &self.delivery.store
    }
}
