//! What the payment provider told, kept once each; and how far its ledger was walked through.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;
use super::table::{Refused, Store, expiring, text, to_item};
use crate::error::Result;
use crate::event::{Envelope, SOURCE};

/// A webhook, as far as it is kept: what it said is read afresh from the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Id at the provider, the same however often it is delivered: `evt_…`.
    pub id: String,
    /// What it is about, in the provider's words: `customer.subscription.updated`.
    pub kind: String,
    /// The customer, if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
}

/// For how long a webhook is known. The provider repeats one for three days, by hand for thirty.
const WEBHOOK_LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);

#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    after: String,
}

impl Store {
    /// Keeps a webhook and the event that follows from it, unless it was kept before. Answers whether it is new.
    ///
    /// The event is put beside the customer, not into anybody's history: it only says that there is something to read.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn keep_webhook(&self, webhook: &Webhook, event: Option<(&str, &Envelope)>) -> Result<bool> {
        let forgotten = webhook.received_at + WEBHOOK_LIFE;
        let item = to_item(keys::webhook(&webhook.id), keys::WEBHOOK.to_owned(), webhook)?;
        let mut writes = vec![self.put_if(expiring(item, forgotten), "attribute_not_exists(pk)", &[])];
        if let Some((customer, event)) = event {
            let mut item = to_item(keys::customer(customer), keys::event(event.id), event)?;
            item.insert("source".to_owned(), text(SOURCE));
            writes.push(self.put(expiring(item, forgotten)));
        }
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Refused::Condition { .. }) => Ok(false),
            Err(Refused::Failed(error)) => Err(error),
        }
    }

    /// Where a walk that a scheduled function does in several runs is to go on. None: at the beginning.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn cursor(&self, function: &str) -> Result<Option<String>> {
        let cursor: Option<Cursor> = self.get(keys::schedule(function), keys::CURSOR.to_owned()).await?;
        Ok(cursor.map(|cursor| cursor.after))
    }

    /// Notes where the walk is to go on. None: it came to its end.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn save_cursor(&self, function: &str, after: Option<&str>) -> Result<()> {
        let key = (keys::schedule(function), keys::CURSOR.to_owned());
        let write = match after {
            Some(after) => self.put(to_item(key.0, key.1, &Cursor { after: after.to_owned() })?),
            None => self.delete(key, None, &[]),
        };
        self.transact(vec![write]).await.map_err(|refused| refused.or(crate::error::Error::Conflict))
    }
}
