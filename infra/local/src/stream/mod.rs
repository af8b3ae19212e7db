//! The event source mapping of the table's stream: reads what was committed, runs the function
//! with batches of it, and keeps in the journal how far it has come.
//!
//! Each record is delivered at least once. The checkpoint moves only past records that the
//! function has done, or that are kept as dead letters.

mod event;
mod progress;

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use dynoxide::actions::get_records::Record;
use infra_model::{StreamTrigger, Trigger};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::json;
use tokio::sync::watch;

use crate::event_source::{self, Invoke};
use crate::flows::{Flows, Step, StepKind, TraceContext};
use crate::journal::{self, Journal};
use crate::queue::{DeadLetter, DeadLetterReport, Origin, Queues};
use crate::runtime::{InvokeError, Runtime};
use crate::table::{self, Table, answer, request};
use event::{event, event_id, event_type, sort_key, traceparent};
use progress::{Outcome, Progress};

/// Each write wakes the reader; this is for what is written without the platform.
const POLL: Duration = Duration::from_secs(1);

/// How long the reader waits after a file failed it.
const PAUSE: Duration = Duration::from_secs(1);

/// Records that are read at once.
const PAGE: usize = 1_000;

/// Delivers the stream to the function that it triggers until `stop` turns true; then finishes
/// the invocation in hand.
pub async fn run(
    table: Table,
    runtime: Runtime,
    queues: Queues,
    journal: Journal,
    flows: Flows,
    stop: watch::Receiver<bool>,
) {
    deliver(table, runtime, queues, journal, flows, stop).await;
}

async fn deliver(
    table: Table,
    functions: impl Invoke,
    queues: Queues,
    journal: Journal,
    flows: Flows,
    stop: watch::Receiver<bool>,
) {
    let triggered = |function: &infra_model::Function| match function.trigger {
        Trigger::Stream(trigger) => Some((function.name, trigger)),
        Trigger::Http | Trigger::Queue(_) | Trigger::Schedule(_) => None,
    };
    let Some((consumer, trigger)) = table.app().functions.iter().find_map(triggered) else { return };
    let mut source = Source { table, functions, queues, journal, flows, stop, consumer, trigger, unsaved: 0 };
    let mut position = loop {
        match source.checkpoint().await {
            Ok(position) => break position,
            Err(error) => source.pause(&error).await,
        }
        if source.stopped() {
            return;
        }
    };
    while !source.stopped() {
        match source.read(position.clone()).await {
            Ok(page) if page.is_empty() => source.wait_for_a_write().await,
            Ok(page) => position = source.deliver_page(page, position).await,
            Err(error) => source.pause(&error).await,
        }
    }
}

struct Source<I> {
    table: Table,
    functions: I,
    queues: Queues,
    journal: Journal,
    flows: Flows,
    stop: watch::Receiver<bool>,
    consumer: &'static str,
    trigger: StreamTrigger,
    /// Records that were passed over since the checkpoint was saved.
    unsaved: usize,
}

/// A record on its way to the function.
struct Delivery {
    record: Record,
    /// Its place in the page.
    index: usize,
    origin: TraceContext,
    step: Option<Step>,
    attempt: u32,
}

impl<I: Invoke> Source<I> {
    /// Delivers what concerns the function; answers the position after all that is settled.
    async fn deliver_page(&mut self, page: Vec<Record>, position: Option<String>) -> Option<String> {
        let sequence_numbers: Vec<_> =
            page.iter().map(|record| record.dynamodb.sequence_number.clone()).collect();
        let mut deliveries: Vec<_> =
            page.into_iter().enumerate().filter_map(|(index, record)| self.accept(index, record)).collect();
        let mut progress = Progress::new(deliveries.len(), self.trigger);
        let mut position = position;
        while let Some(batch) = progress.next() {
            if self.stopped() {
                return position;
            }
            let (outcome, reason) = self.invoke(&deliveries[batch]).await;
            let settled = progress.settle(outcome);
            // Up to the next record that is not settled, and past all that concern nobody.
            let next = progress.next().map_or(sequence_numbers.len(), |next| deliveries[next.start].index);
            let reached = next.checked_sub(1).map(|last| sequence_numbers[last].clone());
            if reached.is_some() && (!settled.done.is_empty() || !settled.dead.is_empty()) {
                let dead = &deliveries[settled.dead.clone()];
                let letter = (!dead.is_empty()).then(|| self.dead_letter(dead, settled.attempts, &reason));
                if !self.settle(reached.clone(), letter).await {
                    return position;
                }
                position = reached;
            }
            self.show(&mut deliveries, &settled, &reason);
            self.wait(settled.wait).await;
        }
        if deliveries.is_empty() {
            self.pass_over(&sequence_numbers).await;
        }
        sequence_numbers.last().cloned().or(position)
    }

    /// Takes a record that the function's filter lets through, and begins its step.
    fn accept(&self, index: usize, record: Record) -> Option<Delivery> {
        let sort_key = sort_key(&record, self.table.app().table.sort_key)?;
        if !sort_key.starts_with(self.trigger.sort_key_prefix) {
            return None;
        }
        let announced = self.table.announcements().read(sort_key);
        if record.event_name != "INSERT" {
            if let Some(table::Origin::Step(step)) = announced {
                step.ok();
            }
            return None;
        }
        let unknown = || {
            let context = traceparent(&record).and_then(TraceContext::from_traceparent);
            let context = context.unwrap_or_else(TraceContext::new_root);
            self.begin(&record, &context, 1)
        };
        let mut step = match announced {
            Some(table::Origin::Step(step)) => step,
            Some(table::Origin::Written(context)) => self.begin(&record, &context, 1),
            None => unknown(),
        };
        if let Some(event_type) = event_type(&record) {
            step.event_type(event_type);
        }
        let origin = step.origin();
        Some(Delivery { record, index, origin, step: Some(step), attempt: 1 })
    }

    async fn invoke(&self, batch: &[Delivery]) -> (Outcome, String) {
        let records = batch.iter().map(|delivery| &delivery.record);
        let payload = event(records, self.table.app());
        let traces: Vec<_> = batch.iter().filter_map(|it| Some(it.step.as_ref()?.context())).collect();
        let outcome = self.functions.run(self.consumer, payload.into(), &traces).await;
        let ids: Vec<_> = batch.iter().map(|it| it.record.dynamodb.sequence_number.as_str()).collect();
        let in_batch: HashSet<_> = ids.iter().copied().collect();
        match outcome.result.map(|answer| event_source::failures(&answer, &in_batch)) {
            Ok(Ok(failed)) => match ids.iter().position(|id| failed.contains(*id)) {
                None => (Outcome::Done, String::new()),
                Some(lowest) => {
                    let log = self.functions.log(self.consumer, &outcome.request_id);
                    let reason = reported_reason(&batch[lowest], &log);
                    (Outcome::FailedFrom(lowest), reason)
                }
            },
            Ok(Err(unreadable)) => (Outcome::Failed, unreadable),
            Err(error @ InvokeError::Throttled) => (Outcome::Throttled, error.to_string()),
            Err(error) => (Outcome::Failed, error.to_string()),
        }
    }

    /// Saves how far it has come, together with what was given up on the way. False if the
    /// platform stops before that is done.
    async fn settle(&mut self, reached: Option<String>, letter: Option<DeadLetter>) -> bool {
        self.unsaved = 0;
        loop {
            match self.save(reached.clone(), letter.clone()).await {
                Ok(letter) => {
                    letter.iter().for_each(|letter| self.queues.kept(letter));
                    return true;
                }
                Err(error) => self.pause(&error).await,
            }
            if self.stopped() {
                return false;
            }
        }
    }

    /// Saves the checkpoint now and then, as nothing is lost by reading such records again.
    async fn pass_over(&mut self, sequence_numbers: &[String]) {
        self.unsaved += sequence_numbers.len();
        if self.unsaved >= PAGE {
            self.settle(sequence_numbers.last().cloned(), None).await;
        }
    }

    fn show(&self, deliveries: &mut [Delivery], settled: &progress::Settled, reason: &str) {
        let mut finish = |range: &Range<usize>, finish: &dyn Fn(&mut Delivery, Step)| {
            for delivery in &mut deliveries[range.clone()] {
                if let Some(step) = delivery.step.take() {
                    finish(delivery, step);
                }
            }
        };
        finish(&settled.done, &|_, step| step.ok());
        finish(&settled.dead, &|_, step| step.error(format!("given up: {reason}")));
        finish(&settled.again, &|delivery, step| {
            step.error(reason);
            delivery.attempt += 1;
            delivery.step = Some(self.begin(&delivery.record, &delivery.origin, delivery.attempt));
        });
    }

    fn begin(&self, record: &Record, context: &TraceContext, attempt: u32) -> Step {
        let mut step = self.flows.begin(context, StepKind::Stream, self.consumer);
        if attempt > 1 {
            step.attempt(attempt);
        }
        if let Some(event_type) = event_type(record) {
            step.event_type(event_type);
        }
        step
    }

    fn dead_letter(&self, dead: &[Delivery], attempts: u32, reason: &str) -> DeadLetter {
        let records = || dead.iter().map(|delivery| &delivery.record);
        let app = self.table.app();
        let created = |record: Option<&Record>| {
            let seconds = record.map_or(0.0, |record| record.dynamodb.approximate_creation_date_time);
            Timestamp::from_millisecond((seconds * 1_000.0) as i64).unwrap_or_default()
        };
        DeadLetter {
            queue: self.consumer.to_owned(),
            origin: Origin::Stream,
            reason: reason.to_owned(),
            receive_count: attempts,
            first_received_at: created(records().next()),
            event_type: records().next().and_then(event_type).map(str::to_owned),
            trace: dead.first().map_or_else(TraceContext::new_root, |delivery| delivery.origin),
            body: event::failure(records(), app, self.consumer, attempts),
            payload: String::from_utf8(event(records(), app)).unwrap_or_default(),
        }
    }

    async fn checkpoint(&self) -> Result<Option<String>, journal::Error> {
        let consumer = self.consumer;
        let stream_arn = self.table.stream_arn().to_owned();
        let find = "SELECT sequence_number FROM checkpoints WHERE consumer = ?1 AND stream_arn = ?2";
        let found = self.journal.read(move |connection| {
            connection.query_row(find, [consumer, &stream_arn], |row| row.get(0)).optional()
        });
        found.await.map(Option::flatten)
    }

    async fn save(
        &self,
        reached: Option<String>,
        letter: Option<DeadLetter>,
    ) -> Result<Option<DeadLetterReport>, journal::Error> {
        let consumer = self.consumer;
        let stream_arn = self.table.stream_arn().to_owned();
        let save = move |transaction: &Transaction<'_>| {
            let upsert = "INSERT INTO checkpoints VALUES (?1, ?2, ?3) ON CONFLICT (consumer)
                DO UPDATE SET stream_arn = excluded.stream_arn, sequence_number = excluded.sequence_number";
            transaction.prepare_cached(upsert)?.execute(params![consumer, stream_arn, reached])?;
            letter.map(|letter| Queues::keep(transaction, &letter)).transpose()
        };
        self.journal.write(save).await
    }

    async fn read(&self, after: Option<String>) -> Result<Vec<Record>, table::Error> {
        let stream_arn = self.table.stream_arn().to_owned();
        self.table
            .with_database(move |database| {
                let described = database.describe_stream(request(json!({ "StreamArn": stream_arn }))?)?;
                let described = answer(&described)?;
                let mut wanted = json!({
                    "StreamArn": stream_arn,
                    // The database has one shard for ever.
                    "ShardId": described["StreamDescription"]["Shards"][0]["ShardId"],
                    "ShardIteratorType": "TRIM_HORIZON",
                });
                if let Some(after) = after {
                    wanted["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
                    wanted["SequenceNumber"] = json!(after);
                }
                let iterator = answer(&database.get_shard_iterator(request(wanted)?)?)?;
                let wanted = json!({ "ShardIterator": iterator["ShardIterator"], "Limit": PAGE });
                Ok(database.get_records(request(wanted)?)?.records)
            })
            .await
    }

    async fn pause(&self, error: &impl std::fmt::Display) {
        tracing::error!(consumer = self.consumer, "the stream cannot go on: {error}");
        self.wait(PAUSE).await;
    }

    async fn wait_for_a_write(&self) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.table.written().notified() => {}
            () = tokio::time::sleep(POLL) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn wait(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let mut stop = self.stop.clone();
        // An error says that the time is over.
        let _ = tokio::time::timeout(time, stop.wait_for(|stop| *stop)).await;
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

fn reported_reason(delivery: &Delivery, log: &[String]) -> String {
    let sequence_number = delivery.record.dynamodb.sequence_number.as_str();
    let names: Vec<_> = event_id(&delivery.record).into_iter().chain([sequence_number]).collect();
    event_source::reason_in_log(log, &names)
        .unwrap_or_else(|| "the function reported it as failed".to_owned())
}

#[cfg(test)]
mod tests;
