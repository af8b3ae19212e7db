use axum::extract::FromRef;
use jiff::Timestamp;
use ring::hmac;
use shared::aws;
use shared::cached::Cached;
use shared::clock::{Clock, Random};
use shared::delivery::overall;
use shared::error::{self, Error};
use shared::event::{Envelope, Event};
use shared::http::{Authentication, Client, Origin, Problem, Result};
use shared::id::UserId;
use shared::keys::Keys;
use shared::limit::{CODE_BY_CLIENT, CODE_BY_USER, CODE_BY_USER_TO_RANGE, CODE_TO_NUMBER, Limit};
use shared::phone_number::{Country, PhoneNumber};
use shared::secret_key;
use shared::store::Store;
use shared::token::Verifier;
use shared::trace;

use super::{Config, Countries};

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Sms {
    /// Where users and their phones are kept.
    pub store: Store,
    /// The keys that access tokens are verified with.
    pub keys: Keys,
    /// Verifies access tokens.
    pub verifier: Verifier,
    /// The key of codes' hashes.
    pub code_key: Cached<hmac::Key>,
    /// Where the app's own pages are.
    pub origin: Origin,
    /// The countries whose numbers are taken.
    pub countries: Countries,
    /// The most codes in an hour.
    pub codes: Limit,
    /// The most codes in an hour to one country.
    pub codes_to_country: Limit,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

impl Sms {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let clock = Clock::system();
        let keys = Keys::in_parameter(&config.aws, &config.public_keys_parameter, clock.clone());
        Self {
            store: Store::connect(&config.aws, &config.table_name),
            verifier: Verifier::new(keys.clone(), &config.origin, clock.clone()),
            keys,
            code_key: secret_key::in_parameter(&config.aws, &config.code_key_parameter, clock.clone()),
            origin: Origin::new(&config.origin),
            countries: config.countries.clone(),
            codes: overall("code.all", config.codes_per_hour),
            codes_to_country: overall("code.country", config.codes_per_hour_and_country),
            clock,
            random: Random::system(),
        }
    }

    /// Opens connections and reads the keys beside the wait for the first request.
    pub fn warm(&self) {
        let (store, keys, code_key) = (self.store.clone(), self.keys.clone(), self.code_key.clone());
        aws::warm(async move {
            tokio::join!(store.warm(), keys.warm(), code_key.warm());
        });
    }

    /// An event of this moment, in the trace of the request.
    pub(crate) fn event(&self, subject: UserId, event: Event, now: Timestamp) -> Envelope {
        let traceparent = trace::current().map(|trace| trace.to_traceparent());
        Envelope::new(subject, event, now, &self.random, traceparent)
    }

    /// Counts that a client, on behalf of a user, wants something of a phone. A client at its limit takes nothing from
    /// the user's.
    pub(crate) async fn take_asking(
        &self,
        client: &Client,
        user: UserId,
        now: Timestamp,
    ) -> error::Result<()> {
        self.store.take(&CODE_BY_CLIENT, &client.to_string(), now).await?;
        self.store.take(&CODE_BY_USER, &user.to_string(), now).await
    }

    /// Counts a user's code against the range of the number, the number, its country and all together (E4), and stops
    /// codes where they go to one number of a range after the other (P1).
    pub(crate) async fn take_code(
        &self,
        user: UserId,
        number: &PhoneNumber,
        country: Country,
        now: Timestamp,
    ) -> Result<()> {
        if let Some(until) = self.store.breaker(number, now).await? {
            return Err(paused_until(until, now));
        }
        // A number of fiction is sent nothing that costs.
        let costs = number.fiction().is_none();
        if costs {
            let (range, _) = number.range();
            self.store.take(&CODE_BY_USER_TO_RANGE, &format!("{user} {range}"), now).await?;
        }
        self.store.take(&CODE_TO_NUMBER, number.as_str(), now).await?;
        if costs && let Some(pause) = self.store.watch_range(user, number, now).await? {
            let whom = if pause.is_for_all { "to anybody" } else { "to that range" };
            tracing::error!(%country, "Codes are asked for to one number of a range after the other: none is sent {whom} for an hour");
            return Err(paused_until(pause.until, now));
        }
        for (limit, key) in [(&self.codes_to_country, country.code()), (&self.codes, "all")] {
            match self.store.take(limit, key, now).await {
                Ok(()) => {}
                Err(Error::TooManyRequests { retry_after }) => {
                    tracing::error!(%country, limit = limit.name, "The budget of codes to phones is spent");
                    self.store.give_back(&CODE_TO_NUMBER, number.as_str(), now).await?;
                    return Err(paused(retry_after));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn paused_until(until: Timestamp, now: Timestamp) -> Problem {
    paused(until.duration_since(now).unsigned_abs())
}

/// 503: no codes are sent, to this number or to any, lest somebody makes money by having them sent.
fn paused(retry_after: std::time::Duration) -> Problem {
    Problem::new(
        http::StatusCode::SERVICE_UNAVAILABLE,
        "texts-paused",
        "No codes are sent to this number just now. Everything else works. Try again later.",
    )
    .retry_after(retry_after)
}

impl FromRef<Sms> for Authentication {
    fn from_ref(sms: &Sms) -> Self {
        Self { verifier: sms.verifier.clone(), origin: sms.origin.clone() }
    }
}
