use axum::extract::FromRef;
use jiff::Timestamp;
use serde::Serialize;
use shared::aws;
use shared::clock::{Clock, Random};
use shared::email_address::EmailKey;
use shared::error;
use shared::event::{Envelope, Event};
use shared::http::{Authentication, Client, Origin};
use shared::id::UserId;
use shared::keys::Keys;
use shared::limit::{MAIL_BY_CLIENT, MAIL_TO_ADDRESS};
use shared::password::Hasher;
use shared::store::Store;
use shared::token::Signer;
use shared::trace;
use utoipa::ToSchema;

use crate::Config;

/// What the handlers work with.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Where users and sessions are kept.
    pub store: Store,
    /// The keys that tokens are signed with.
    pub keys: Keys,
    /// Signs and verifies tokens.
    pub signer: Signer,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Where the app's own pages are.
    pub origin: Origin,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

impl Auth {
    /// The parts as this configuration says, with the system's time and randomness.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (clock, random) = (Clock::system(), Random::system());
        let keys = Keys::in_parameter(&config.aws, &config.signing_keys_parameter, clock.clone());
        Self {
            store: Store::connect(&config.aws, &config.table_name),
            signer: Signer::new(keys.clone(), &config.origin, clock.clone()),
            keys,
            hasher: Hasher::new(random.clone()),
            origin: Origin::new(&config.origin),
            clock,
            random,
        }
    }

    /// Opens connections and reads the keys beside the wait for the first request.
    pub fn warm(&self) {
        let (store, keys) = (self.store.clone(), self.keys.clone());
        aws::warm(async move {
            tokio::join!(store.warm(), keys.warm());
        });
    }

    /// An event of this moment, in the trace of the request.
    pub(crate) fn event(&self, subject: UserId, event: Event, now: Timestamp) -> Envelope {
        let traceparent = trace::current().map(|trace| trace.to_traceparent());
        Envelope::new(subject, event, now, &self.random, traceparent)
    }

    /// Counts a mail that is asked for. A client at its limit takes nothing from the address's: it could otherwise
    /// keep the owner from asking.
    pub(crate) async fn take_mail(
        &self,
        client: &Client,
        to: &EmailKey,
        now: Timestamp,
    ) -> error::Result<()> {
        self.store.take(&MAIL_BY_CLIENT, &client.to_string(), now).await?;
        self.store.take(&MAIL_TO_ADDRESS, to.as_str(), now).await
    }
}

impl FromRef<Auth> for Origin {
    fn from_ref(auth: &Auth) -> Self {
        auth.origin.clone()
    }
}

impl FromRef<Auth> for Authentication {
    fn from_ref(auth: &Auth) -> Self {
        Self { verifier: auth.signer.verifier().clone(), origin: auth.origin.clone() }
    }
}

/// What was accepted and is done by mail.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// One sentence for people. It is the same whatever is known of the address.
    #[schema(example = "We sent a mail to this address. Open the link in it to go on.")]
    detail: &'static str,
}

impl Accepted {
    pub(crate) const MAIL: Self =
        Self { detail: "We sent a mail to this address. Open the link in it to go on." };

    pub(crate) const MAIL_IF_KNOWN: Self = Self {
        detail: "If this address can have such a mail, it is on its way. Open the link in it to go on.",
    };
}
