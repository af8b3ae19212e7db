//! Events: written with the change they tell of, read as the user's history.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use jiff::{SignedDuration, Timestamp};

use super::keys::{self, EVENT_PREFIX, PK, SK};
use super::limits::hashed;
use super::table::{Item, Store, bare_item, expiring, failed, from_item, text, to_item};
use crate::email_address::{EmailAddress, EmailKey};
use crate::error::{Error, Result};
use crate::event::{Envelope, SOURCE};
use crate::id::{EventId, UserId};

/// A page of a user's history.
#[derive(Debug, Clone)]
pub struct Activity {
    /// The events, newest first.
    pub events: Vec<Envelope>,
    /// Where the next page begins; none after the last.
    pub next: Option<EventId>,
}

/// For how long a decoy is kept.
const DECOY_LIFE: SignedDuration = SignedDuration::from_hours(1);

impl Store {
    /// Records an event that changes nothing by itself.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn record(&self, event: &Envelope) -> Result<()> {
        self.transact(vec![self.put_event(event)?]).await.map_err(|refused| refused.or(Error::Conflict))
    }

    /// Costs what [`Store::record`] costs and tells nobody: for an address that has no account, so that time
    /// does not tell it from one that has.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn decoy(&self, key: &EmailKey, now: Timestamp) -> Result<()> {
        let item = bare_item(format!("DECOY#{}", hashed(key.as_str())), "DECOY".to_owned());
        self.transact(vec![self.put(expiring(item, now + DECOY_LIFE))])
            .await
            .map_err(|refused| refused.or(Error::Conflict))
    }

    /// A page of the user's history, newest first, of what came before `before`.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn activity(&self, user: UserId, before: Option<EventId>, limit: u16) -> Result<Activity> {
        let pk = keys::user(user);
        let start = before.map(|id| {
            Item::from([(PK.to_owned(), text(&pk)), (SK.to_owned(), AttributeValue::S(keys::event(id)))])
        });
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(&pk))
            .expression_attribute_values(":prefix", text(EVENT_PREFIX))
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(failed)?;
        let more = page.last_evaluated_key.is_some();
        let events: Vec<Envelope> =
            page.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<_>>()?;
        let next = events.last().filter(|_| more).map(|event| event.id);
        Ok(Activity { events, next })
    }

    /// The address that an event is about: of a change asked for the new one, of a change made the old one, of a
    /// deletion the last one.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn event_address(&self, event: &Envelope) -> Result<Option<EmailAddress>> {
        let item = self.get_raw(keys::user(event.subject), keys::address(event.id)).await?;
        let Some(AttributeValue::S(address)) = item.and_then(|mut item| item.remove("email")) else {
            return Ok(None);
        };
        address.parse().map(Some).map_err(Error::internal)
    }

    pub(super) fn put_event(&self, event: &Envelope) -> Result<TransactWriteItem> {
        let mut item = to_item(keys::user(event.subject), keys::event(event.id), event)?;
        item.insert("source".to_owned(), text(SOURCE));
        Ok(self.put(item))
    }
}
