//! Where the mail is kept.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::message::{Detail, Mail};
use crate::events::{EventKind, Events};
use crate::journal::{Error, Journal};

/// All mail that was accepted. Clones share it.
#[derive(Clone)]
pub struct Inbox {
    journal: Journal,
    events: Events,
}

/// A mail in the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// Its id, which is also the message id that the sender got.
    pub id: String,
    /// When it was accepted, RFC 3339 with milliseconds.
    pub received_at: String,
    /// The sender's address.
    pub from: String,
    /// Everyone's address to whom it goes.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// The function that sent it; none if a function did not.
    pub function: Option<String>,
    /// The trace that it was tagged with, 32 hex digits.
    pub trace: Option<String>,
    /// The web addresses in it, each once.
    pub links: Vec<String>,
}

impl Inbox {
    /// The inbox in this journal; each mail is told to `events`.
    #[must_use]
    pub fn new(journal: Journal, events: Events) -> Self {
        Self { journal, events }
    }

    /// Mail, newest first; to one address only if `to` is given, or to those that begin with it.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn list(&self, to: Option<String>, limit: u32) -> Result<Vec<Summary>, Error> {
        let all = "SELECT summary FROM emails ORDER BY id DESC LIMIT ?3";
        let some = "SELECT summary FROM emails WHERE id IN
                (SELECT email FROM email_recipients WHERE address >= ?1 AND address < ?2)
            ORDER BY id DESC LIMIT ?3";
        let list = if to.is_some() { some } else { all };
        let from = to.unwrap_or_default().trim().to_lowercase();
        let until = format!("{from}{}", char::MAX);
        let read = move |connection: &Connection| {
            let mut list = connection.prepare_cached(list)?;
            let rows = list.query_map(params![from, until, limit], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let summaries = self.journal.read(read).await?;
        Ok(summaries.iter().filter_map(|summary| serde_json::from_str(summary).ok()).collect())
    }

    /// How much mail there is.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn count(&self) -> Result<u64, Error> {
        let count = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM emails", [], |row| row.get::<_, i64>(0))
        };
        self.journal.read(count).await.map(i64::unsigned_abs)
    }

    /// One mail.
    pub(crate) async fn get(&self, id: String) -> Result<Option<Detail>, Error> {
        let find = "SELECT summary, raw FROM emails WHERE id = ?1";
        let found: Option<(String, Vec<u8>)> = self
            .journal
            .read(move |connection| {
                connection.query_row(find, [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .await?;
        Ok(found.and_then(|(summary, raw)| Some(Detail::new(serde_json::from_str(&summary).ok()?, &raw))))
    }

    /// Keeps a mail.
    pub(super) async fn keep(&self, mail: Mail) -> Result<(), Error> {
        let Mail { summary, raw, .. } = mail;
        let stored = summary.clone();
        self.journal
            .write(move |transaction| {
                let text = serde_json::to_string(&stored).unwrap_or_default();
                transaction
                    .prepare_cached("INSERT INTO emails (id, summary, raw) VALUES (?1, ?2, ?3)")?
                    .execute(params![stored.id, text, raw])?;
                let mut insert =
                    transaction.prepare_cached("INSERT OR IGNORE INTO email_recipients VALUES (?1, ?2)")?;
                stored.to.iter().try_for_each(|to| insert.execute([&to.to_lowercase(), &stored.id]).map(drop))
            })
            .await?;
        self.events.publish(EventKind::Email, &summary);
        Ok(())
    }
}
