//! Requests that are done once, however often they are sent: their keys, and what was answered.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use jiff::{SignedDuration, Timestamp};

use super::keys::{self, PK, SK};
use super::table::{Item, Store, failed, number, number_in, text};
use crate::clock::Random;
use crate::error::{Error, Result};
use crate::id::UserId;

/// A request that bears an idempotency key, and is the caller's to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    user_id: UserId,
    operation: &'static str,
    key: String,
    nonce: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
}

/// What came of beginning a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is the caller's to do.
    New(Intent),
    /// It was done; this was answered.
    Done(Answer),
    /// Somebody is at it.
    InFlight,
    /// The key was used for something else.
    Reused,
}

/// For how long an answer is kept.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

impl Store {
    /// Begins what a user asks for under this key, until `lease_ends`: nobody else can begin it until then, and whoever
    /// does later does it again. `fingerprint` tells what is asked for from anything else.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn begin_intent(
        &self,
        user_id: UserId,
        (operation, key): (&'static str, &str),
        fingerprint: &str,
        (now, lease_ends): (Timestamp, Timestamp),
        random: &Random,
    ) -> Result<Begun> {
        let nonce = uuid::Uuid::from_bytes(random.bytes()).simple().to_string();
        let begun = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::user(user_id)))
            .key(SK, text(keys::idempotency(operation, key)))
            .update_expression(
                "SET fingerprint = :fingerprint, begun_by = :nonce, lease_ends = :lease_ends, \
                 expires_at = :expires_at REMOVE answer_status, answer_body",
            )
            .condition_expression(
                "attribute_not_exists(pk) OR expires_at <= :seconds OR \
                 (fingerprint = :fingerprint AND attribute_not_exists(answer_status) AND lease_ends <= :now)",
            )
            .expression_attribute_values(":fingerprint", text(fingerprint))
            .expression_attribute_values(":nonce", text(&nonce))
            .expression_attribute_values(":lease_ends", number(lease_ends.as_millisecond()))
            .expression_attribute_values(":expires_at", number((now + LIFE).as_second()))
            .expression_attribute_values(":seconds", number(now.as_second()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let new = Intent { user_id, operation, key: key.to_owned(), nonce };
        match begun {
            Ok(_) => Ok(Begun::New(new)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                    let item = failure.item.clone().unwrap_or_default();
                    Ok(refused_intent(&item, fingerprint, new))
                }
                _ => Err(failed(error)),
            },
        }
    }

    /// Keeps the answer, where nothing else is written. What is written elsewhere keeps it in the same transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when it took so long that somebody else began it again.
    pub async fn keep_answer(&self, intent: &Intent, answer: &Answer) -> Result<()> {
        self.transact(vec![self.answer(intent, answer)]).await.map_err(|refused| refused.or(Error::Conflict))
    }

    /// Gives an intent up: it was refused or has failed, and may be tried again under the same key.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn give_up_intent(&self, intent: &Intent) -> Result<()> {
        let give_up = self.delete(
            intent_key(intent),
            Some("begun_by = :nonce AND attribute_not_exists(answer_status)"),
            &[(":nonce", text(&intent.nonce))],
        );
        match self.transact(vec![give_up]).await {
            Ok(()) | Err(super::table::Refused::Condition { .. }) => Ok(()),
            Err(super::table::Refused::Failed(error)) => Err(error),
        }
    }

    pub(super) fn answer(&self, intent: &Intent, answer: &Answer) -> TransactWriteItem {
        self.update(
            intent_key(intent),
            "SET answer_status = :status, answer_body = :body",
            "begun_by = :nonce",
            &[
                (":status", number(answer.status)),
                (":body", text(&answer.body)),
                (":nonce", text(&intent.nonce)),
            ],
        )
    }
}

fn intent_key(intent: &Intent) -> (String, String) {
    (keys::user(intent.user_id), keys::idempotency(intent.operation, &intent.key))
}

fn refused_intent(item: &Item, fingerprint: &str, new: Intent) -> Begun {
    let text_in = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    // Applied before, its answer was lost, and the SDK has sent it again.
    if text_in("begun_by").is_some_and(|nonce| *nonce == new.nonce) {
        return Begun::New(new);
    }
    if text_in("fingerprint").is_none_or(|own| own != fingerprint) {
        return Begun::Reused;
    }
    match (number_in(item, "answer_status").map(u16::try_from), text_in("answer_body")) {
        (Some(Ok(status)), Some(body)) => Begun::Done(Answer { status, body: body.clone() }),
        _ => Begun::InFlight,
    }
}
