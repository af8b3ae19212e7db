//! What failed too often: kept with its reason until somebody redrives or discards it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{NewMessage, Queues, context, insert, now, time};
use crate::event_source::{self, Invoke};
use crate::events::EventKind;
use crate::flows::TraceContext;
use crate::journal::Error;

/// Something that failed for good, to be kept.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The function that could not handle it.
    pub queue: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Why it failed at last.
    pub reason: String,
    /// How often it was tried.
    pub receive_count: u32,
    /// When it was tried first.
    pub first_received_at: Timestamp,
    /// The type of the event that it carries.
    pub event_type: Option<String>,
    /// The trace that it belongs to.
    pub trace: TraceContext,
    /// What AWS would put into the dead-letter queue, JSON.
    pub body: String,
    /// What the function is invoked with when it is redriven, JSON.
    pub payload: String,
}

/// Where a dead letter comes from, which says how it is redriven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A function's queue: the message goes back there.
    Queue,
    /// The table's stream: the function is invoked with the records again.
    Stream,
    /// An asynchronous invocation: it is done again.
    Invocation,
}

/// A dead letter as the console shows it.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetterReport {
    /// Its id.
    pub id: String,
    /// The function that could not handle it.
    pub queue: String,
    /// Where it comes from: `queue`, `stream` or `invocation`.
    pub origin: String,
    /// Why it failed at last.
    pub reason: String,
    /// How often it was tried.
    pub receive_count: u32,
    /// When it was tried first, RFC 3339.
    pub first_received_at: String,
    /// When it was given up, RFC 3339.
    pub dead_at: String,
    /// The type of the event that it carries.
    pub event_type: Option<String>,
    /// The trace that it belongs to, 32 hex digits.
    pub trace: String,
    /// What AWS would put into the dead-letter queue.
    pub body: Value,
}

/// How a dead letter is redriven.
enum Redrive {
    /// Its message is in this queue again, and the letter is none any more.
    InQueue(&'static str, Box<DeadLetterReport>),
    /// This function is to be invoked.
    Invoke { function: String, payload: String, trace: TraceContext },
}

/// There is no such dead letter.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("there is no such dead letter")]
pub(crate) struct UnknownDeadLetter;

const COLUMNS: &str =
    "id, queue, reason, receive_count, first_received_at, dead_at, event_type, traceparent, body, origin";

impl Queues {
    /// Keeps a dead letter.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub async fn dead_letter(&self, letter: DeadLetter) -> Result<(), Error> {
        let report = self.0.journal.write(move |transaction| keep(transaction, &letter)).await?;
        self.0.events.publish(EventKind::DeadLetter, &report);
        Ok(())
    }

    /// As [`Queues::dead_letter`], within a transaction; to be told to the listeners by
    /// [`Queues::kept`] after it.
    pub(crate) fn keep(
        transaction: &Transaction<'_>,
        letter: &DeadLetter,
    ) -> rusqlite::Result<DeadLetterReport> {
        keep(transaction, letter)
    }

    /// Tells the listeners of a letter that has come, changed or gone.
    pub(crate) fn kept(&self, letter: &DeadLetterReport) {
        self.0.events.publish(EventKind::DeadLetter, letter);
    }

    /// The dead letters, newest first.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetterReport>, Error> {
        self.0
            .journal
            .read(move |connection| {
                let list = format!("SELECT {COLUMNS} FROM dead_letters ORDER BY id DESC LIMIT ?1");
                let mut list = connection.prepare_cached(&list)?;
                let rows = list.query_map([limit], report)?;
                rows.collect()
            })
            .await
    }

    /// How many there are.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn count_dead_letters(&self) -> Result<u64, Error> {
        let count = |connection: &Connection| {
            let count = "SELECT count(*) FROM dead_letters";
            connection.query_row(count, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        };
        self.0.journal.read(count).await
    }

    /// Puts a message back into its queue, as if it had never been received. What comes from
    /// elsewhere is given to its function again, which goes on after this; the letter stays until
    /// the function has done with it.
    pub(crate) async fn redrive(
        &self,
        id: String,
        functions: &impl Invoke,
    ) -> Result<Result<(), UnknownDeadLetter>, Error> {
        let names: Vec<_> = self.0.queues.iter().map(|queue| queue.name).collect();
        let wanted = id.clone();
        let redriven =
            self.0.journal.write(move |transaction| put_back(transaction, &wanted, &names)).await?;
        match redriven {
            None => return Ok(Err(UnknownDeadLetter)),
            Some(Redrive::InQueue(queue, letter)) => {
                self.arrived(queue);
                self.kept(&letter);
            }
            Some(Redrive::Invoke { function, payload, trace }) => {
                let (queues, functions) = (self.clone(), functions.clone());
                tokio::spawn(async move {
                    let outcome = functions.run(&function, payload.clone().into(), &[trace]).await;
                    let failed = match outcome.result {
                        Ok(answer) => failure_of_batch(&payload, &answer),
                        Err(error) => Some(error.to_string()),
                    };
                    let noted = match failed {
                        None => queues.discard(id).await.map(drop),
                        Some(reason) => queues.failed_again(id, reason).await,
                    };
                    if let Err(error) = noted {
                        tracing::error!("A redriven dead letter stays: {error}");
                    }
                });
            }
        }
        Ok(Ok(()))
    }

    /// Forgets a dead letter. Says whether there was one.
    pub(crate) async fn discard(&self, id: String) -> Result<bool, Error> {
        let discarded = self.0.journal.write(move |transaction| remove(transaction, &id)).await?;
        discarded.iter().for_each(|letter| self.kept(letter));
        Ok(discarded.is_some())
    }

    async fn failed_again(&self, id: String, reason: String) -> Result<(), Error> {
        let note = format!(
            "UPDATE dead_letters SET reason = ?2, receive_count = receive_count + 1 WHERE id = ?1
             RETURNING {COLUMNS}"
        );
        let noted = self.0.journal.write(move |transaction| {
            transaction.prepare_cached(&note)?.query_row([id, reason], report).optional()
        });
        noted.await?.iter().for_each(|letter| self.kept(letter));
        Ok(())
    }

    pub(super) fn buried(&self, buried: Vec<(String, DeadLetterReport)>) {
        let ids: Vec<_> = buried.iter().map(|(message_id, _)| message_id.clone()).collect();
        for waiting in self.take_waiting(&ids) {
            waiting.step.error("received too often: it is in the dead-letter queue");
        }
        buried.iter().for_each(|(_, letter)| self.kept(letter));
    }
}

impl Origin {
    const QUEUE: &'static str = "queue";

    const fn name(self) -> &'static str {
        match self {
            Self::Queue => Self::QUEUE,
            Self::Stream => "stream",
            Self::Invocation => "invocation",
        }
    }
}

fn put_back(
    transaction: &Transaction<'_>,
    id: &str,
    queues: &[&'static str],
) -> rusqlite::Result<Option<Redrive>> {
    type Letter = (String, String, Option<String>, String, String);
    let find = "SELECT queue, origin, event_type, traceparent, payload FROM dead_letters WHERE id = ?1";
    let letter: Option<Letter> = transaction
        .prepare_cached(find)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((function, origin, event_type, traceparent, payload)) = letter else { return Ok(None) };
    let trace = context(&traceparent);
    let queue = queues.iter().find(|queue| **queue == function);
    let (Origin::QUEUE, Some(queue)) = (origin.as_str(), queue) else {
        return Ok(Some(Redrive::Invoke { function, payload, trace }));
    };
    let message = NewMessage { queue, body: payload, event_type, context: trace };
    insert(transaction, &Uuid::now_v7().to_string(), &message, now())?;
    Ok(remove(transaction, id)?.map(|letter| Redrive::InQueue(queue, Box::new(letter))))
}

fn remove(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Option<DeadLetterReport>> {
    let delete = format!("DELETE FROM dead_letters WHERE id = ?1 RETURNING {COLUMNS}");
    transaction.prepare_cached(&delete)?.query_row([id], report).optional()
}

/// Why a batch of the stream failed, if the function reports that some of it did.
fn failure_of_batch(payload: &str, answer: &[u8]) -> Option<String> {
    let payload: Value = serde_json::from_str(payload).unwrap_or_default();
    let records = payload["Records"].as_array()?;
    let ids = records.iter().filter_map(|record| record["dynamodb"]["SequenceNumber"].as_str()).collect();
    match event_source::failures(answer, &ids) {
        Ok(failed) if failed.is_empty() => None,
        Ok(failed) => Some(format!("the function reported {} of the records as failed", failed.len())),
        Err(unreadable) => Some(unreadable),
    }
}

/// Turns the queue's visible messages that were received too often into dead letters.
pub(super) fn bury(
    transaction: &Transaction<'_>,
    queue: &str,
    now: i64,
    max_receives: u32,
) -> rusqlite::Result<Vec<(String, DeadLetterReport)>> {
    let select =
        "SELECT message_id, body, event_type, traceparent, receive_count, first_received_at, last_error
        FROM messages WHERE queue = ?1 AND visible_at <= ?2 AND receive_count >= ?3";
    let mut select = transaction.prepare_cached(select)?;
    let mut rows = select.query(params![queue, now, max_receives])?;
    let mut buried = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(1)?;
        let reason: Option<String> = row.get(6)?;
        let letter = DeadLetter {
            queue: queue.to_owned(),
            origin: Origin::Queue,
            reason: reason.unwrap_or_else(|| "not done within the visibility timeout".to_owned()),
            receive_count: row.get(4)?,
            first_received_at: Timestamp::from_millisecond(row.get(5)?).unwrap_or_default(),
            event_type: row.get(2)?,
            trace: context(&row.get::<_, String>(3)?),
            payload: body.clone(),
            body,
        };
        buried.push((row.get::<_, String>(0)?, keep(transaction, &letter)?));
    }
    let mut delete = transaction.prepare_cached("DELETE FROM messages WHERE message_id = ?1")?;
    buried.iter().try_for_each(|(message_id, _)| delete.execute([message_id]).map(drop))?;
    Ok(buried)
}

fn keep(transaction: &Transaction<'_>, letter: &DeadLetter) -> rusqlite::Result<DeadLetterReport> {
    let insert = format!(
        "INSERT INTO dead_letters ({COLUMNS}, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING {COLUMNS}"
    );
    transaction.prepare_cached(&insert)?.query_row(
        params![
            Uuid::now_v7().to_string(),
            letter.queue,
            letter.reason,
            letter.receive_count,
            letter.first_received_at.as_millisecond(),
            now(),
            letter.event_type,
            letter.trace.to_traceparent(),
            letter.body,
            letter.origin.name(),
            letter.payload,
        ],
        report,
    )
}

fn report(row: &Row<'_>) -> rusqlite::Result<DeadLetterReport> {
    let body: String = row.get(8)?;
    Ok(DeadLetterReport {
        id: row.get(0)?,
        queue: row.get(1)?,
        origin: row.get(9)?,
        reason: row.get(2)?,
        receive_count: row.get(3)?,
        first_received_at: time(row.get(4)?),
        dead_at: time(row.get(5)?),
        event_type: row.get(6)?,
        trace: context(&row.get::<_, String>(7)?).trace.to_string(),
        body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
    })
}
