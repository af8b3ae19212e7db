//! Phones: asked for, shown to be somebody's, given up; and what numbers answer to texts.

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, PK, SK};
use super::table::{Refused, Store, expiring, failed, from_item, number as number_value, text, to_item};
use super::users::user_key;
use crate::error::{Error, Result};
use crate::event::Envelope;
use crate::id::UserId;
use crate::phone::{CODE_TRIES, CodeHash, Phone, PhoneRequest};
use crate::phone_number::PhoneNumber;

/// Whose a number is.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    user_id: UserId,
}

/// What a number answered last.
#[derive(Debug, Serialize, Deserialize)]
struct OptOut {
    stopped: bool,
    /// Milliseconds since 1970.
    answered_at: i64,
}

/// What came of an answer to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// From now on it is otherwise.
    Changed,
    /// It was so before.
    Unchanged,
    /// A later answer was heard before.
    Late,
}

/// How often an answer is weighed again when another was heard meanwhile.
const ANSWER_RETRIES: usize = 5;

impl Store {
    /// The number that the user has shown to be theirs.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn phone(&self, user: UserId) -> Result<Option<Phone>> {
        self.get(keys::user(user), keys::PHONE.to_owned()).await
    }

    /// The number that waits for its code.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn phone_request(&self, user: UserId, now: Timestamp) -> Result<Option<PhoneRequest>> {
        let request: Option<PhoneRequest> = self.get(keys::user(user), keys::PHONE_CODE.to_owned()).await?;
        Ok(request.filter(|request| request.dies_at > now))
    }

    /// Asks for a code to a number, in the place of any that was asked for before.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the user's address is not verified.
    pub async fn request_phone(&self, request: &PhoneRequest, event: &Envelope) -> Result<()> {
        let item = to_item(keys::user(event.subject), keys::PHONE_CODE.to_owned(), request)?;
        let verified = self.check(user_key(event.subject), "attribute_exists(verified_at)", &[]);
        self.transact(vec![verified, self.put(expiring(item, request.dies_at)), self.put_event(event)?])
            .await
            .map_err(|refused| refused.or(Error::Conflict))
    }

    /// Counts a code that is tried, before it is looked at, so that tries at once are not more than are allowed;
    /// and gives what it has to match.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCode`] when there is none to match, or it was tried often enough.
    pub async fn try_code(&self, user: UserId, now: Timestamp) -> Result<PhoneRequest> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(keys::user(user)))
            .key(SK, text(keys::PHONE_CODE))
            .update_expression("ADD tries :one")
            .condition_expression("attribute_exists(code_hash) AND expires_at > :now AND tries < :tries")
            .expression_attribute_values(":one", number_value(1))
            .expression_attribute_values(":now", number_value(now.as_second()))
            .expression_attribute_values(":tries", number_value(CODE_TRIES))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match updated {
            Ok(output) => output.attributes.unwrap_or_default(),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                return Err(Error::InvalidCode);
            }
            Err(error) => return Err(failed(error)),
        };
        let request: PhoneRequest = from_item(item)?;
        if request.dies_at > now { Ok(request) } else { Err(Error::InvalidCode) }
    }

    /// Spends the code that was matched: the number is the user's, and nobody else's any more. `removed` is the
    /// event for whoever had it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCode`] when it was spent meanwhile, or another was sent.
    pub async fn confirm_phone(
        &self,
        user: UserId,
        (request, hash): (&PhoneRequest, &CodeHash),
        now: Timestamp,
        added: &Envelope,
        removed: impl Fn(UserId) -> Envelope,
    ) -> Result<()> {
        let number = &request.number;
        let phone = Phone { number: number.clone(), country: request.country, verified_at: now };
        let owned: Option<Owner> = self.get(keys::phone(number), keys::PHONE.to_owned()).await?;
        let before = self.phone(user).await?.filter(|phone| phone.number != *number);
        let spend = self.delete(
            (keys::user(user), keys::PHONE_CODE.to_owned()),
            Some("code_hash = :hash AND expires_at > :now"),
            &[(":hash", text(hash.as_str())), (":now", number_value(now.as_second()))],
        );
        let item = to_item(keys::phone(number), keys::PHONE.to_owned(), &Owner { user_id: user })?;
        // Whose it was when it was looked up: two who confirm at once cannot both have it.
        let own = match &owned {
            None => self.put_if(item, "attribute_not_exists(pk)", &[]),
            Some(owner) => self.put_if(item, "user_id = :owner", &[(":owner", text(owner.user_id))]),
        };
        let mut writes = vec![
            spend,
            own,
            self.put(to_item(keys::user(user), keys::PHONE.to_owned(), &phone)?),
            self.put_event(added)?,
        ];
        if let Some(before) = before {
            writes.push(self.disown(user, &before.number));
        }
        if let Some(owner) = owned.filter(|owner| owner.user_id != user) {
            writes.push(self.drop_phone(owner.user_id, number));
            writes.push(self.put_event(&removed(owner.user_id))?);
        }
        self.transact(writes).await.map_err(|refused| match refused {
            Refused::Condition { place: 0, .. } => Error::InvalidCode,
            refused @ (Refused::Condition { .. } | Refused::Failed(_)) => refused.or(Error::Conflict),
        })
    }

    /// Takes the user's number away, and any that waits for its code. Whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when it was changed meanwhile.
    pub async fn remove_phone(&self, user: UserId, event: &Envelope) -> Result<bool> {
        let phone = self.phone(user).await?;
        let mut writes = vec![self.delete((keys::user(user), keys::PHONE_CODE.to_owned()), None, &[])];
        if let Some(phone) = &phone {
            writes.push(self.drop_phone(user, &phone.number));
            writes.push(self.disown(user, &phone.number));
            writes.push(self.put_event(event)?);
        }
        self.transact(writes).await.map_err(|refused| refused.or(Error::Conflict))?;
        Ok(phone.is_some())
    }

    pub(super) fn drop_phone(&self, user: UserId, number: &PhoneNumber) -> TransactWriteItem {
        let key = (keys::user(user), keys::PHONE.to_owned());
        self.delete(key, Some("phone_number = :number"), &[(":number", text(number))])
    }

    pub(super) fn disown(&self, user: UserId, number: &PhoneNumber) -> TransactWriteItem {
        let key = (keys::phone(number), keys::PHONE.to_owned());
        self.delete(key, Some("user_id = :user"), &[(":user", text(user))])
    }

    /// Whether this number answered STOP, and not START since.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn is_stopped(&self, number: &PhoneNumber) -> Result<bool> {
        Ok(self.opt_out(number).await?.is_some_and(|opt_out| opt_out.stopped))
    }

    /// Takes the answer of a number, STOP or START. Answers may come twice and in any order: the latest holds.
    /// `event` is that for the user who has the number.
    ///
    /// # Errors
    ///
    /// Those of the table; [`Error::Conflict`] when answers crowd each other.
    pub async fn hear(
        &self,
        number: &PhoneNumber,
        stopped: bool,
        at: Timestamp,
        event: impl Fn(UserId) -> Envelope,
    ) -> Result<Heard> {
        let answered_at = at.as_millisecond();
        for _ in 0..ANSWER_RETRIES {
            let known = self.opt_out(number).await?;
            if let Some(known) = &known
                && known.answered_at >= answered_at
            {
                let is_same = known.answered_at == answered_at && known.stopped == stopped;
                return Ok(if is_same { Heard::Unchanged } else { Heard::Late });
            }
            let changes = known.as_ref().is_some_and(|known| known.stopped) != stopped;
            let item =
                to_item(keys::phone(number), keys::OPT_OUT.to_owned(), &OptOut { stopped, answered_at })?;
            let mut writes = vec![match &known {
                None => self.put_if(item, "attribute_not_exists(pk)", &[]),
                Some(known) => self.put_if(
                    item,
                    "answered_at = :before",
                    &[(":before", number_value(known.answered_at))],
                ),
            }];
            let owner: Option<Owner> = self.get(keys::phone(number), keys::PHONE.to_owned()).await?;
            if let Some(owner) = owner.filter(|_| changes) {
                writes.push(self.put_event(&event(owner.user_id))?);
            }
            match self.transact(writes).await {
                Ok(()) if changes => return Ok(Heard::Changed),
                Ok(()) => return Ok(Heard::Unchanged),
                Err(Refused::Condition { .. }) => {}
                Err(Refused::Failed(error)) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }

    /// Whether this is the number of a user.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn has_owner(&self, number: &PhoneNumber) -> Result<bool> {
        Ok(self.get_raw(keys::phone(number), keys::PHONE.to_owned()).await?.is_some())
    }

    async fn opt_out(&self, number: &PhoneNumber) -> Result<Option<OptOut>> {
        self.get(keys::phone(number), keys::OPT_OUT.to_owned()).await
    }
}

/// The hash of a code that is about to be sent, if its number still waits for that one.
pub(super) fn code_update(store: &Store, request: &PhoneRequest, user: UserId) -> Result<TransactWriteItem> {
    let hash = request.code_hash.as_ref().ok_or_else(|| Error::internal("a code without a hash"))?;
    let update = store.update(
        (keys::user(user), keys::PHONE_CODE.to_owned()),
        "SET code_hash = :hash, dies_at = :dies_at, expires_at = :expires_at, tries = :zero",
        "event_id = :event",
        &[
            (":hash", text(hash.as_str())),
            (":dies_at", text(request.dies_at)),
            (":expires_at", number_value(request.dies_at.as_second())),
            (":zero", number_value(0)),
            (":event", text(request.event_id)),
        ],
    );
    Ok(update)
}
