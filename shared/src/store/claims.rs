//! Claims of consumers on events: however often an event is delivered, its effect is done once.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};

use super::keys;
use super::links::link_item;
use super::phones::code_update;
use super::table::{Item, Refused, Store, failed, number, number_in, text};
use crate::clock::Random;
use crate::error::Result;
use crate::id::{EventId, UserId};
use crate::link::Link;
use crate::phone::PhoneRequest;

/// What came of claiming an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's to do.
    Won {
        /// Tells this claim from any other.
        nonce: String,
    },
    /// It has been done.
    Done,
    /// Somebody is at it.
    Held,
    /// It was claimed as often as allowed and never said to be done.
    Exhausted,
    /// What it asks for is no longer wanted: a newer event asks for the same.
    Superseded,
}

/// What a message carries that is stored when its event is claimed, so that it is good once the message is there.
#[derive(Debug, Clone, Copy)]
pub enum Minted<'a> {
    /// Nothing.
    Nothing,
    /// A link, which replaces any other of its purpose.
    Link(&'a Link),
    /// A code for the number that waits for one, if that still does.
    Code(&'a PhoneRequest, UserId),
}

/// For how long it is known that an event was done: as long as a queue keeps a message (14 days), and a day.
const CLAIM_LIFE: SignedDuration = SignedDuration::from_hours(15 * 24);

impl Store {
    /// Claims an event for a consumer until `lease_ends`, and writes what its message will carry in the same
    /// transaction. Nobody else can claim it until then; after that it can be claimed again, `attempts` times in all.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn claim(
        &self,
        consumer: &str,
        event: EventId,
        (now, lease_ends): (Timestamp, Timestamp),
        attempts: u32,
        minted: Minted<'_>,
        random: &Random,
    ) -> Result<Claim> {
        let nonce = uuid::Uuid::from_bytes(random.bytes()).simple().to_string();
        let claim = self.update(
            claim_key(consumer, event),
            "SET claimed_by = :nonce, lease_ends = :lease_ends, expires_at = :expires_at ADD attempts :one",
            "attribute_not_exists(pk) OR \
             (attribute_not_exists(done) AND lease_ends <= :now AND attempts < :attempts)",
            &[
                (":nonce", text(&nonce)),
                (":lease_ends", number(lease_ends.as_millisecond())),
                (":expires_at", number((now + CLAIM_LIFE).as_second())),
                (":now", number(now.as_millisecond())),
                (":attempts", number(attempts)),
                (":one", number(1)),
            ],
        );
        let mut writes = vec![claim];
        match minted {
            Minted::Nothing => {}
            Minted::Link(link) => writes.push(self.put(link_item(link)?)),
            Minted::Code(request, user) => writes.push(code_update(self, request, user)?),
        }
        match self.transact(writes).await {
            Ok(()) => Ok(Claim::Won { nonce }),
            Err(Refused::Condition { place: 0, item }) => Ok(refused_claim(&item.unwrap_or_default(), now)),
            Err(Refused::Condition { .. }) => Ok(Claim::Superseded),
            Err(Refused::Failed(error)) => Err(error),
        }
    }

    /// Whether an event is done, so that another delivery of it has nothing to do.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn is_done(&self, consumer: &str, event: EventId) -> Result<bool> {
        let (pk, sk) = claim_key(consumer, event);
        Ok(self.get_raw(pk, sk).await?.is_some_and(|claim| claim.contains_key("done")))
    }

    /// Notes that a claimed event is done, for good.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn finish(&self, consumer: &str, event: EventId) -> Result<()> {
        self.update_claim(
            consumer,
            event,
            "SET done = :true",
            "attribute_exists(pk)",
            &[(":true", AttributeValue::Bool(true))],
        )
        .await
    }

    /// Gives a claim back: certainly nothing was done, and the attempt does not count.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn release(&self, consumer: &str, event: EventId, nonce: &str) -> Result<()> {
        self.update_claim(
            consumer,
            event,
            "SET lease_ends = :zero ADD attempts :minus_one",
            "claimed_by = :nonce AND lease_ends > :zero",
            &[(":zero", number(0)), (":minus_one", number(-1)), (":nonce", text(nonce))],
        )
        .await
    }

    /// A condition that does not hold is no error: the SDK may have sent the same update before.
    async fn update_claim(
        &self,
        consumer: &str,
        event: EventId,
        expression: &str,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> Result<()> {
        let (pk, sk) = claim_key(consumer, event);
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(keys::PK, text(pk))
            .key(keys::SK, text(sk))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_values(super::table::some_values(values))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn claim_key(consumer: &str, event: EventId) -> (String, String) {
    (keys::event(event), keys::consumer(consumer))
}

fn refused_claim(item: &Item, now: Timestamp) -> Claim {
    if item.contains_key("done") {
        Claim::Done
    } else if number_in(item, "lease_ends").is_some_and(|ends| ends > now.as_millisecond()) {
        Claim::Held
    } else {
        Claim::Exhausted
    }
}
