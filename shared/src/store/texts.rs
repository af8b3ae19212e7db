//! Texts that were sent, and what their receipts say.

use jiff::{SignedDuration, Timestamp};

use super::keys;
use super::table::{Refused, Store, number, text};
use crate::error::{Error, Result};
use crate::event::Envelope;

/// What a carrier says of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id of the text.
    pub message_id: String,
    /// In the provider's words: `DELIVERED`.
    pub status: String,
    /// Whether no other follows.
    pub is_final: bool,
    /// When.
    pub at: Timestamp,
}

/// For how long a text and its receipt are kept.
const TEXT_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Store {
    /// Notes which event a text was sent for. Its receipt may have come already.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn note_text(&self, message_id: &str, event: &Envelope, now: Timestamp) -> Result<()> {
        let note = self.update(
            (keys::text(message_id), keys::TEXT.to_owned()),
            "SET event_id = :event, event_type = :type, user_id = :user, expires_at = :end",
            "attribute_not_exists(event_id)",
            &[
                (":event", text(event.id)),
                (":type", text(event.event.kind())),
                (":user", text(event.subject)),
                (":end", number((now + TEXT_LIFE).as_second())),
            ],
        );
        match self.transact(vec![note]).await {
            Ok(()) | Err(Refused::Condition { .. }) => Ok(()),
            Err(refused) => Err(refused.or(Error::Conflict)),
        }
    }

    /// Notes what a receipt says. Receipts may come twice and in any order: a final one holds, else the latest. Whether
    /// it says something new.
    ///
    /// # Errors
    ///
    /// Those of the table.
    pub async fn note_receipt(&self, receipt: &Receipt, now: Timestamp) -> Result<bool> {
        let attribute = if receipt.is_final { "final_status" } else { "latest_status" };
        let note = self.update(
            (keys::text(&receipt.message_id), keys::TEXT.to_owned()),
            &format!("SET {attribute} = :status, {attribute}_at = :at, expires_at = :end"),
            &format!("attribute_not_exists({attribute}) OR {attribute}_at < :at"),
            &[
                (":status", text(&receipt.status)),
                (":at", number(receipt.at.as_millisecond())),
                (":end", number((now + TEXT_LIFE).as_second())),
            ],
        );
        match self.transact(vec![note]).await {
            Ok(()) => Ok(true),
            Err(Refused::Condition { .. }) => Ok(false),
            Err(refused) => Err(refused.or(Error::Conflict)),
        }
    }
}
