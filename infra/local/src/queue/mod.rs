//! SQS: one durable queue in front of each function that a queue triggers, as the model has them.
//!
//! A message that is received stays hidden for the visibility timeout and then appears again,
//! unless it was deleted. After too many receives it becomes a dead letter, which can be redriven.

mod dead_letters;
mod source;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infra_model::{App, QueueTrigger, Trigger};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) use dead_letters::UnknownDeadLetter;
pub use dead_letters::{DeadLetter, DeadLetterReport, Origin};
pub use source::run;

use crate::events::Events;
use crate::flows::{Flows, Step, StepKind, TraceContext};
use crate::journal::{Error, Journal};

/// All queues and their dead letters. Clones share them.
#[derive(Clone)]
pub struct Queues(Arc<Inner>);

struct Inner {
    journal: Journal,
    flows: Flows,
    events: Events,
    queues: Vec<Queue>,
    waiting: Mutex<HashMap<String, Waiting>>,
}

struct Queue {
    name: &'static str,
    trigger: QueueTrigger,
    arrival: Notify,
}

/// The running step of a message that is not done yet.
struct Waiting {
    step: Step,
    delivered: bool,
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage {
    /// The function whose queue it is for.
    pub(crate) queue: &'static str,
    pub(crate) body: String,
    pub(crate) event_type: Option<String>,
    pub(crate) context: TraceContext,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) event_type: Option<String>,
    pub(crate) sent_at: i64,
    pub(crate) first_received_at: i64,
    pub(crate) receive_count: u32,
    /// Where it was sent from.
    pub(crate) origin: TraceContext,
    /// Its own step is the parent.
    pub(crate) context: TraceContext,
}

/// A queue as the console shows it.
#[derive(Debug, Clone, Serialize)]
pub struct QueueReport {
    /// The function it belongs to.
    pub name: &'static str,
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that were received and are hidden.
    pub in_flight: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Queues {
    /// The queues of the app. Messages that were being handled when the platform ended can be
    /// received at once, since whoever had received them ended with it.
    ///
    /// # Errors
    /// If the journal cannot be used.
    pub async fn open(
        app: &'static App,
        journal: Journal,
        flows: Flows,
        events: Events,
    ) -> Result<Self, Error> {
        let queue = |function: &infra_model::Function| match function.trigger {
            Trigger::Queue(trigger) => Some(Queue { name: function.name, trigger, arrival: Notify::new() }),
            Trigger::Http | Trigger::Stream(_) | Trigger::Schedule(_) => None,
        };
        let queues = app.functions.iter().filter_map(queue).collect();
        let inner = Inner { journal, flows, events, queues, waiting: Mutex::default() };
        let queues = Self(Arc::new(inner));
        queues.resume().await?;
        Ok(queues)
    }

    /// Sends all of the messages or, on an error, none.
    pub(crate) async fn send(&self, messages: Vec<NewMessage>) -> Result<(), Error> {
        let queues: Vec<_> = messages.iter().map(|message| message.queue).collect();
        let messages: Vec<_> =
            messages.into_iter().map(|message| (Uuid::now_v7().to_string(), message)).collect();
        // Each step begins before a poller can see its message.
        for (message_id, message) in &messages {
            let step = self.begin(message.queue, message.event_type.as_deref(), &message.context, 1);
            self.0.waiting().insert(message_id.clone(), Waiting { step, delivered: false });
        }
        let message_ids: Vec<_> = messages.iter().map(|(message_id, _)| message_id.clone()).collect();
        let now = now();
        let sent = self
            .0
            .journal
            .write(move |transaction| {
                messages.iter().try_for_each(|(id, message)| insert(transaction, id, message, now))
            })
            .await;
        match &sent {
            Ok(()) => queues.into_iter().for_each(|queue| self.arrived(queue)),
            Err(error) => {
                let unsent = self.take_waiting(&message_ids);
                unsent.into_iter().for_each(|waiting| waiting.step.error(error.to_string()));
            }
        }
        sent
    }

    /// Takes up to `limit` visible messages and hides them for `visibility`. Those that were
    /// received too often become dead letters instead.
    pub(crate) async fn receive(
        &self,
        queue: &'static str,
        limit: u32,
        visibility: Duration,
        max_receives: u32,
    ) -> Result<Vec<Message>, Error> {
        let now = now();
        let hidden_until = now.saturating_add(milliseconds(visibility));
        let (died, received) = self
            .0
            .journal
            .write(move |transaction| {
                let died = dead_letters::bury(transaction, queue, now, max_receives)?;
                let mut statement = transaction.prepare_cached(
                    "UPDATE messages SET visible_at = ?2, receive_count = receive_count + 1,
                         first_received_at = coalesce(first_received_at, ?1)
                     WHERE id IN (SELECT id FROM messages WHERE queue = ?3 AND visible_at <= ?1
                         ORDER BY visible_at, id LIMIT ?4)
                     RETURNING message_id, body, event_type, sent_at, first_received_at, receive_count,
                         traceparent",
                )?;
                let rows = statement.query_map(params![now, hidden_until, queue, limit], received)?;
                Ok((died, rows.collect::<Result<Vec<_>, _>>()?))
            })
            .await?;
        self.buried(died);
        Ok(received.into_iter().map(|message| self.delivered(queue, message)).collect())
    }

    /// The messages are done.
    pub(crate) async fn delete(&self, ids: Vec<String>) -> Result<(), Error> {
        let done = ids.clone();
        self.0
            .journal
            .write(move |transaction| {
                let mut delete = transaction.prepare_cached("DELETE FROM messages WHERE message_id = ?1")?;
                done.iter().try_for_each(|id| delete.execute([id]).map(drop))
            })
            .await?;
        self.take_waiting(&ids).into_iter().for_each(|waiting| waiting.step.ok());
        Ok(())
    }

    /// The messages could not be handled, for these reasons. They appear again when their
    /// visibility timeout runs out.
    pub(crate) async fn failed(
        &self,
        queue: &'static str,
        failures: Vec<(Message, String)>,
    ) -> Result<(), Error> {
        let reasons: Vec<_> =
            failures.iter().map(|(message, reason)| (message.id.clone(), reason.clone())).collect();
        self.0
            .journal
            .write(move |transaction| {
                let note = "UPDATE messages SET last_error = ?2 WHERE message_id = ?1";
                let mut note = transaction.prepare_cached(note)?;
                reasons.iter().try_for_each(|(id, reason)| note.execute([id, reason]).map(drop))
            })
            .await?;
        for (message, reason) in failures {
            self.wait_again(queue, &message, reason);
        }
        Ok(())
    }

    /// How long until a message of this queue can be received; none if it is empty.
    pub(crate) async fn next_visible(&self, queue: &'static str) -> Result<Option<Duration>, Error> {
        let earliest: Option<i64> = self
            .0
            .journal
            .read(move |connection| {
                let earliest = "SELECT min(visible_at) FROM messages WHERE queue = ?1";
                connection.prepare_cached(earliest)?.query_row([queue], |row| row.get(0))
            })
            .await?;
        let wait = |at: i64| Duration::from_millis(u64::try_from(at - now()).unwrap_or(0));
        Ok(earliest.map(wait))
    }

    /// Every queue with the number of its messages, and the dead letters of other functions.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn report(&self) -> Result<Vec<QueueReport>, Error> {
        let names: Vec<_> = self.0.queues.iter().map(|queue| queue.name).collect();
        self.0
            .journal
            .read(move |connection| {
                let count = "SELECT count(*) FILTER (WHERE visible_at <= ?2),
                        count(*) FILTER (WHERE visible_at > ?2),
                        (SELECT count(*) FROM dead_letters WHERE queue = ?1)
                    FROM messages WHERE queue = ?1";
                let mut count = connection.prepare_cached(count)?;
                let now = now();
                let report = |name| {
                    count.query_row(params![name, now], |row| {
                        let number = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
                        Ok(QueueReport { name, visible: number(0)?, in_flight: number(1)?, dead: number(2)? })
                    })
                };
                names.into_iter().map(report).collect()
            })
            .await
    }

    /// Shows what is still queued, and lets it be received.
    async fn resume(&self) -> Result<(), Error> {
        let now = now();
        let queued = self
            .0
            .journal
            .write(move |transaction| {
                transaction.execute("UPDATE messages SET visible_at = min(visible_at, ?1)", [now])?;
                let mut statement = transaction.prepare(
                    "SELECT message_id, queue, event_type, traceparent, receive_count FROM messages",
                )?;
                let rows = statement.query_map([], |row| {
                    let row: (String, String, Option<String>, String, u32) =
                        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                    Ok(row)
                })?;
                rows.collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for (id, queue, event_type, traceparent, receives) in queued {
            let context = context(&traceparent);
            let step = self.begin(&queue, event_type.as_deref(), &context, receives + 1);
            self.0.waiting().insert(id, Waiting { step, delivered: false });
        }
        Ok(())
    }

    /// A message arrived in `queue`, or may be received anew.
    fn arrived(&self, queue: &str) {
        if let Some(queue) = self.queue(queue) {
            queue.arrival.notify_one();
        }
    }

    fn queue(&self, name: &str) -> Option<&Queue> {
        self.0.queues.iter().find(|queue| queue.name == name)
    }

    fn begin(&self, queue: &str, event_type: Option<&str>, context: &TraceContext, attempt: u32) -> Step {
        let mut step = self.0.flows.begin(context, StepKind::Queue, queue);
        if let Some(event_type) = event_type {
            step.event_type(event_type);
        }
        if attempt > 1 {
            step.attempt(attempt);
        }
        step
    }

    /// From now on the message's step is that of this delivery.
    fn delivered(&self, queue: &str, mut message: Message) -> Message {
        let mut waiting = self.0.waiting();
        let step = match waiting.remove(&message.id) {
            Some(Waiting { step, delivered: false }) => step,
            late => {
                if let Some(late) = late {
                    late.step.error("not done within the visibility timeout");
                }
                let event_type = message.event_type.as_deref();
                self.begin(queue, event_type, &message.origin, message.receive_count)
            }
        };
        message.context = step.context();
        waiting.insert(message.id.clone(), Waiting { step, delivered: true });
        message
    }

    /// The delivery failed; the next attempt's step begins with the wait for it.
    fn wait_again(&self, queue: &str, message: &Message, reason: String) {
        let mut waiting = self.0.waiting();
        // A delivery that took too long may have been followed by another one.
        if waiting.get(&message.id).is_none_or(|it| it.step.context() != message.context) {
            return;
        }
        let event_type = message.event_type.as_deref();
        let step = self.begin(queue, event_type, &message.origin, message.receive_count + 1);
        if let Some(failed) = waiting.insert(message.id.clone(), Waiting { step, delivered: false }) {
            failed.step.error(reason);
        }
    }

    fn take_waiting(&self, ids: &[String]) -> Vec<Waiting> {
        let mut waiting = self.0.waiting();
        ids.iter().filter_map(|id| waiting.remove(id)).collect()
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert(connection: &Connection, id: &str, message: &NewMessage, now: i64) -> rusqlite::Result<()> {
    let insert = "INSERT INTO messages
            (message_id, queue, body, event_type, traceparent, sent_at, visible_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
    let traceparent = message.context.to_traceparent();
    let NewMessage { queue, body, event_type, context: _ } = message;
    connection.prepare_cached(insert)?.execute(params![id, queue, body, event_type, traceparent, now])?;
    Ok(())
}

fn received(row: &Row<'_>) -> rusqlite::Result<Message> {
    let origin = context(&row.get::<_, String>(6)?);
    Ok(Message {
        id: row.get(0)?,
        body: row.get(1)?,
        event_type: row.get(2)?,
        sent_at: row.get(3)?,
        first_received_at: row.get(4)?,
        receive_count: row.get(5)?,
        origin,
        context: origin,
    })
}

/// What the journal holds was written by `to_traceparent`.
fn context(traceparent: &str) -> TraceContext {
    TraceContext::from_traceparent(traceparent).unwrap_or_else(TraceContext::new_root)
}

/// Milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 with milliseconds.
fn time(milliseconds: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(milliseconds).unwrap_or_default())
}

#[cfg(test)]
mod tests;
