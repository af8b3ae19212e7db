use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_ssm::Client as Ssm;
use axum::extract::FromRef;
use shared::aws::Service;
use shared::clock::{Clock, Random};
use shared::http::{Authentication, Origin};
use shared::keys::Keys;
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
        let ssm = Ssm::new(&config.aws.config(Service::Ssm));
        let keys = Keys::in_parameter(ssm, &config.public_keys_parameter, clock.clone());
        Self {
            store: Store::new(DynamoDb::new(&config.aws.config(Service::DynamoDb)), &config.table_name),
            verifier: Verifier::new(keys.clone(), &config.origin, clock.clone()),
            keys,
            origin: Origin::new(&config.origin),
            clock,
            random: Random::system(),
        }
    }

    /// Reads the keys while the first request is awaited.
    pub fn warm(&self) {
        self.keys.warm();
    }
}

impl FromRef<Api> for Authentication {
    fn from_ref(api: &Api) -> Self {
        Self { verifier: api.verifier.clone(), origin: api.origin.clone() }
    }
}
