use axum::extract::FromRef;
use http::StatusCode;
use serde::Serialize;
use shared::aws;
use shared::clock::{Clock, Random};
use shared::error::Error;
use shared::http::{Authentication, Origin, Problem};
use shared::id::WorkspaceId;
use shared::keys::Keys;
use shared::store::{Answer, Store};
use shared::token::Verifier;
use shared::workspace::{Membership, Role};
use utoipa::ToSchema;

use crate::config::{Config, LedgerConfig};
use crate::stripe::Stripe;
use crate::sync::Sync;

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Billing {
    /// Where subscriptions are kept, and the ledger.
    pub sync: Sync,
    /// The keys that access tokens are verified with.
    pub keys: Keys,
    /// Verifies access tokens.
    pub verifier: Verifier,
    /// Where the app's own pages are.
    pub origin: Origin,
}

pub(crate) const ALREADY_SUBSCRIBED: Problem = Problem::new(
    StatusCode::CONFLICT,
    "already-subscribed",
    "The workspace has a subscription. Change or cancel it in the portal.",
);

pub(crate) const NOT_SUBSCRIBED: Problem = Problem::new(
    StatusCode::CONFLICT,
    "not-subscribed",
    "The workspace has bought nothing yet. Choose a plan first.",
);

impl Billing {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let sync = Sync::new(&config.ledger);
        let keys = Keys::in_parameter(&config.ledger.aws, &config.public_keys_parameter, sync.clock.clone());
        Self {
            verifier: Verifier::new(keys.clone(), &config.origin, sync.clock.clone()),
            sync,
            keys,
            origin: Origin::new(&config.origin),
        }
    }

    /// Opens connections and reads the keys beside the wait for the first request.
    pub fn warm(&self) {
        let (sync, keys) = (self.sync.clone(), self.keys.clone());
        aws::warm(async move {
            tokio::join!(sync.store.warm(), sync.stripe.warm(), keys.warm());
        });
    }

    /// What tells something that is made at the provider from anything else.
    pub(crate) fn nonce(&self) -> String {
        let bytes: [u8; 16] = self.sync.random.bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.sync.store
    }
}

impl Sync {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &LedgerConfig) -> Self {
        let clock = Clock::system();
        let base = config.stripe_base.as_deref();
        Self {
            store: Store::connect(&config.aws, &config.table_name),
            stripe: Stripe::new(&config.aws, base, &config.stripe_key_parameter, clock.clone()),
            clock,
            random: Random::system(),
        }
    }

    /// Opens connections and reads the key beside the wait for the first event.
    pub fn warm(&self) {
        let sync = self.clone();
        aws::warm(async move {
            tokio::join!(sync.store.warm(), sync.stripe.warm());
        });
    }
}

impl FromRef<Billing> for Authentication {
    fn from_ref(billing: &Billing) -> Self {
        Self { verifier: billing.verifier.clone(), origin: billing.origin.clone() }
    }
}

/// The workspace that a user pays for: the one that they own, the oldest first.
pub(crate) fn owned(memberships: &[Membership]) -> Result<WorkspaceId, Error> {
    let owned = memberships.iter().find(|membership| match membership.role {
        Role::Owner => true,
    });
    owned.map(|membership| membership.workspace_id).ok_or(Error::NotFound)
}

/// Where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Redirect {
    /// A page of the payment provider's.
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_test_a1b2c3")]
    pub(crate) url: String,
}

impl Redirect {
    pub(crate) fn to_answer(&self) -> Result<Answer, Error> {
        let body = serde_json::to_string(self).map_err(Error::internal)?;
        Ok(Answer { status: StatusCode::CREATED.as_u16(), body })
    }
}
