//! Where the texts are kept.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::events::{EventKind, Events};
use crate::journal::{Error, Journal};

/// All texts that were sent and all that came in. Clones share them.
#[derive(Clone)]
pub struct Inbox {
    journal: Journal,
    events: Events,
}

/// A text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Text {
    /// Its id, which is also the message id that the sender got.
    pub id: String,
    /// When it was accepted or came in, RFC 3339 with milliseconds.
    pub at: String,
    /// Whether the app sent it or got it.
    pub direction: Direction,
    /// The phone's number at the other end, E.164.
    pub number: String,
    /// What it says.
    pub body: String,
    /// The name that the phone shows instead of a number, if there is one.
    pub sender_id: Option<String>,
    /// `transactional` or `promotional`; none for one that came in.
    pub r#type: Option<String>,
    /// How many texts of a phone it takes.
    pub parts: u32,
    /// The function that sent it; none if a function did not.
    pub function: Option<String>,
    /// The trace that it belongs to, 32 hex digits.
    pub trace: Option<String>,
    /// What the carrier said of its delivery, last.
    pub receipt: Option<Receipt>,
    /// The text that it answers.
    pub in_reply_to: Option<String>,
}

/// Who sent a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The app.
    Sent,
    /// A phone.
    Received,
}

/// What a carrier said of a text's delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// As `DELIVERED`.
    pub status: String,
    /// When, RFC 3339 with milliseconds.
    pub at: String,
}

impl Inbox {
    /// The texts in this journal; each change is told to `events`.
    #[must_use]
    pub const fn new(journal: Journal, events: Events) -> Self {
        Self { journal, events }
    }

    /// Texts, newest first; only those of numbers that begin with `number`, if it is given.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn list(&self, number: Option<String>, limit: u32) -> Result<Vec<Text>, Error> {
        let all = "SELECT text FROM texts ORDER BY id DESC LIMIT ?3";
        let some = "SELECT text FROM texts WHERE number >= ?1 AND number < ?2 ORDER BY id DESC LIMIT ?3";
        let list = if number.is_some() { some } else { all };
        let from = number.unwrap_or_default();
        let until = format!("{from}{}", char::MAX);
        let read = move |connection: &Connection| {
            let mut list = connection.prepare_cached(list)?;
            let rows = list.query_map(params![from, until, limit], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let texts = self.journal.read(read).await?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// How many texts there are.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn count(&self) -> Result<u64, Error> {
        let count = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM texts", [], |row| row.get::<_, i64>(0))
        };
        self.journal.read(count).await.map(i64::unsigned_abs)
    }

    /// One text.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn get(&self, id: String) -> Result<Option<Text>, Error> {
        let find = "SELECT text FROM texts WHERE id = ?1";
        let read =
            move |connection: &Connection| connection.query_row(find, [id], |row| row.get(0)).optional();
        let found: Option<String> = self.journal.read(read).await?;
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps a text, or what has become of it.
    pub(super) async fn keep(&self, text: Text) -> Result<(), Error> {
        let stored = text.clone();
        self.journal
            .write(move |transaction| {
                let json = serde_json::to_string(&stored).unwrap_or_default();
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO texts (id, number, text) VALUES (?1, ?2, ?3)")?
                    .execute(params![stored.id, stored.number, json])
            })
            .await?;
        self.events.publish(EventKind::Text, &text);
        Ok(())
    }
}

impl Receipt {
    pub(super) fn now(status: &str) -> Self {
        Self { status: status.to_owned(), at: format!("{:.3}", Timestamp::now()) }
    }
}
