//! Sessions: begun, refreshed, listed, ended.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;

use super::keys::{self, EXPIRES_AT, PK, SK};
use super::table::{Item, Store, expiring, failed, from_item, number, number_in, text, to_item};
use super::users::user_key;
use crate::error::{Error, Result};
use crate::event::Envelope;
use crate::id::{SessionId, UserId};
use crate::password::PasswordHash;
use crate::session::{REFRESH_GRACE, Refreshed, SESSION_LIFE, Session};
use crate::user::User;

impl Store {
    /// Begins a session of a verified user whose password was found right, and takes the better hash of it if
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the password was changed since it was checked.
    pub async fn start_session(
        &self,
        user: &User,
        session: &Session,
        rehashed: Option<&PasswordHash>,
        event: &Envelope,
    ) -> Result<()> {
        let begin = self.update(
            user_key(user.id),
            "SET first_signed_in_at = if_not_exists(first_signed_in_at, :now), password_hash = :new_hash \
             ADD version :one",
            "password_hash = :hash AND attribute_exists(verified_at)",
            &[
                (":now", text(session.created_at)),
                (":hash", text(user.password_hash.as_str())),
                (":new_hash", text(rehashed.unwrap_or(&user.password_hash).as_str())),
                (":one", number(1)),
            ],
        );
        let item = to_item(keys::user(user.id), keys::session(session.id), session)?;
        let item = expiring(item, session.created_at + SESSION_LIFE);
        self.transact(vec![begin, self.put(item), self.put_event(event)?])
            .await
            .map_err(|refused| refused.or(Error::Conflict))
    }

    /// Takes the refresh token of this generation. One round trip, unless the token is not the current one.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn refresh_session(
        &self,
        user: UserId,
        session: SessionId,
        generation: u64,
        now: Timestamp,
        replayed: &Envelope,
    ) -> Result<Refreshed> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::user(user)))
            .key(SK, text(keys::session(session)))
            .update_expression("SET generation = :next, refreshed_at = :now, expires_at = :expires_at")
            .condition_expression("generation = :presented AND expires_at > :seconds")
            .expression_attribute_values(":presented", number(generation))
            .expression_attribute_values(":next", number(generation.saturating_add(1)))
            .expression_attribute_values(":now", text(now))
            .expression_attribute_values(":seconds", number(now.as_second()))
            .expression_attribute_values(":expires_at", number((now + SESSION_LIFE).as_second()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let stored = match updated {
            Ok(output) => {
                return Ok(Refreshed::Current(from_item(output.attributes.unwrap_or_default())?));
            }
            Err(error) => condition_failure(error)?,
        };
        let Some(stored) = stored.filter(|item| is_live(item, now)) else {
            return Ok(Refreshed::Ended);
        };
        let stored: Session = from_item(stored)?;
        let previous = generation.checked_add(1) == Some(stored.generation);
        // Clocks of two machines may differ: a refresh that seems to lie ahead is a recent one.
        let in_grace = now.duration_since(stored.refreshed_at).as_secs_f64() <= REFRESH_GRACE.as_secs_f64();
        if previous && in_grace {
            return Ok(Refreshed::Current(stored));
        }
        match self.end_session(user, session, replayed).await {
            Ok(()) => Ok(Refreshed::Replayed),
            Err(Error::NotFound) => Ok(Refreshed::Ended),
            Err(error) => Err(error),
        }
    }

    /// The user's live sessions, newest first.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        let items = self.query(&keys::user(user), keys::SESSION_PREFIX).await?;
        items.into_iter().rev().filter(|item| is_live(item, now)).map(from_item).collect()
    }

    /// Ends a session at once: it can be refreshed no more.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when the user has no such session.
    pub async fn end_session(&self, user: UserId, session: SessionId, event: &Envelope) -> Result<()> {
        let key = (keys::user(user), keys::session(session));
        let end = self.delete(key, Some("attribute_exists(pk)"), &[]);
        self.transact(vec![end, self.put_event(event)?]).await.map_err(|refused| refused.or(Error::NotFound))
    }
}

/// The table drops what has expired when it gets to it, which may be days later.
fn is_live(item: &Item, now: Timestamp) -> bool {
    number_in(item, EXPIRES_AT).is_some_and(|expires_at| expires_at > now.as_second())
}

/// The item whose condition did not hold, if there is one.
fn condition_failure(error: SdkError<UpdateItemError>) -> Result<Option<Item>> {
    if let Some(UpdateItemError::ConditionalCheckFailedException(failure)) = error.as_service_error() {
        return Ok(failure.item.clone());
    }
    Err(failed(error))
}
