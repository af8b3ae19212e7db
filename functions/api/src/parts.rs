use axum::extract::FromRef;
use ring::hmac;
use shared::aws;
use shared::cached::Cached;
use shared::clock::{Clock, Random};
use shared::http::{Authentication, Origin};
use shared::keys::Keys;
use shared::secret_key;
use shared::store::Store;
use shared::token::Verifier;

use crate::Config;

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where users and their events are kept.
    pub store: Store,
    /// The keys that access tokens are verified with.
    pub keys: Keys,
    /// Verifies access tokens.
    pub verifier: Verifier,
    /// The key of what ends a kind of mail by one click. It is read when somebody does.
    pub unsubscribe_key: Cached<hmac::Key>,
    /// Where the app's own pages are.
    pub origin: Origin,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

impl Api {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let clock = Clock::system();
        let keys = Keys::in_parameter(&config.aws, &config.public_keys_parameter, clock.clone());
        Self {
            store: Store::connect(&config.aws, &config.table_name),
            verifier: Verifier::new(keys.clone(), &config.origin, clock.clone()),
            keys,
            unsubscribe_key: secret_key::in_parameter(
                &config.aws,
                &config.unsubscribe_key_parameter,
                clock.clone(),
            ),
            origin: Origin::new(&config.origin),
            clock,
            random: Random::system(),
        }
    }

    /// Reads the keys beside the wait for the first request.
    pub fn warm(&self) {
        let keys = self.keys.clone();
        aws::warm(async move { keys.warm().await });
    }
}

impl FromRef<Api> for Authentication {
    fn from_ref(api: &Api) -> Self {
        Self { verifier: api.verifier.clone(), origin: api.origin.clone() }
    }
}
