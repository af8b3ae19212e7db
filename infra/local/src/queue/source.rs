//! The event source mapping of the queues: receives batches, runs the function, deletes what it
//! has done. What failed appears again when its visibility timeout runs out.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use infra_model::{App, Function};
use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::{Message, Queue, Queues};
use crate::event_source::{self, Invoke};
use crate::faults::Faults;
use crate::journal;
use crate::names;
use crate::runtime::Runtime;

/// How long a poller waits after the journal failed it.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Serves all queues until `stop` turns true; then finishes the batches in hand.
pub async fn run(
    app: &'static App,
    queues: Queues,
    runtime: Runtime,
    faults: Faults,
    stop: watch::Receiver<bool>,
) {
    poll_all(app, queues, runtime, faults, stop).await;
}

pub(super) async fn poll_all(
    app: &'static App,
    queues: Queues,
    functions: impl Invoke,
    faults: Faults,
    stop: watch::Receiver<bool>,
) {
    let mut pollers = JoinSet::new();
    for index in 0..queues.0.queues.len() {
        let Some(function) = app.function(queues.0.queues[index].name) else { continue };
        let (queues, functions, faults) = (queues.clone(), functions.clone(), faults.clone());
        let source = Source { app, function, queues, index, functions, faults };
        pollers.spawn(Arc::new(source).poll(stop.clone()));
    }
    while pollers.join_next().await.is_some() {}
}

struct Source<I> {
    app: &'static App,
    function: &'static Function,
    queues: Queues,
    index: usize,
    functions: I,
    faults: Faults,
}

impl<I: Invoke> Source<I> {
    async fn poll(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.queue().trigger.max_concurrency as usize));
        let mut batches = JoinSet::new();
        loop {
            let batch = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                batch = self.next_batch(&slots) => batch,
            };
            match batch {
                Ok((batch, slot)) => {
                    let source = Arc::clone(&self);
                    batches.spawn(async move {
                        source.deliver(batch).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::error!(queue = self.function.name, "{error}");
                    tokio::time::sleep(JOURNAL_PAUSE).await;
                }
            }
            while batches.try_join_next().is_some() {}
        }
        while batches.join_next().await.is_some() {}
    }

    async fn next_batch(
        &self,
        slots: &Arc<Semaphore>,
    ) -> Result<(Vec<Message>, OwnedSemaphorePermit), journal::Error> {
        let Queue { name, trigger, arrival } = self.queue();
        let slot = Arc::clone(slots).acquire_owned().await.map_err(|_| journal::Error::Closed)?;
        loop {
            let modelled = Duration::from_secs(trigger.visibility_timeout_seconds.into());
            let visibility = self.faults.visibility_timeout().unwrap_or(modelled);
            let batch =
                self.queues.receive(name, trigger.batch_size, visibility, trigger.max_receives).await?;
            if !batch.is_empty() {
                return Ok((batch, slot));
            }
            match self.queues.next_visible(name).await? {
                None => arrival.notified().await,
                // An earlier one than the next that is known may arrive.
                Some(wait) => _ = tokio::time::timeout(wait, arrival.notified()).await,
            }
        }
    }

    async fn deliver(&self, batch: Vec<Message>) {
        let event = event(&batch, &names::queue_arn(self.app, self.function.name));
        let traces: Vec<_> = batch.iter().map(|message| message.context).collect();
        let outcome = self.functions.run(self.function.name, event.into(), &traces).await;
        let ids: HashSet<_> = batch.iter().map(|message| message.id.as_str()).collect();
        let failed: Vec<_> = match outcome.result.map(|answer| event_source::failures(&answer, &ids)) {
            Ok(Ok(failed)) if failed.is_empty() => Vec::new(),
            Ok(Ok(failed)) => {
                let log = self.functions.log(self.function.name, &outcome.request_id);
                let reported = batch.iter().filter(|message| failed.contains(&message.id));
                reported.map(|message| (message.clone(), reported_reason(message, &log))).collect()
            }
            Ok(Err(unreadable)) => with_reason(&batch, &unreadable),
            Err(error) => with_reason(&batch, &error.to_string()),
        };
        let is_failed = |message: &Message| failed.iter().any(|(it, _)| it.id == message.id);
        let done: Vec<_> =
            batch.iter().filter(|message| !is_failed(message)).map(|message| message.id.clone()).collect();
        let mut stored = Ok(());
        if !done.is_empty() {
            stored = self.queues.delete(done).await;
        }
        if !failed.is_empty() {
            stored = stored.and(self.queues.failed(self.function.name, failed).await);
        }
        if let Err(error) = stored {
            // The messages appear again and are delivered once more.
            tracing::error!(queue = self.function.name, "{error}");
        }
    }

    fn queue(&self) -> &Queue {
        &self.queues.0.queues[self.index]
    }
}

fn with_reason(batch: &[Message], reason: &str) -> Vec<(Message, String)> {
    batch.iter().map(|message| (message.clone(), reason.to_owned())).collect()
}

fn reported_reason(message: &Message, log: &[String]) -> String {
    let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
    let event_id = body["detail"]["id"].as_str().unwrap_or(&message.id);
    event_source::reason_in_log(log, &[event_id, &message.id])
        .unwrap_or_else(|| "the function reported it as failed".to_owned())
}

/// The batch as Lambda hands it to a function.
fn event(batch: &[Message], queue_arn: &str) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Event<'a> {
        records: Vec<Record<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Record<'a> {
        message_id: &'a str,
        receipt_handle: String,
        body: &'a str,
        attributes: Attributes,
        message_attributes: serde_json::Map<String, Value>,
        md5_of_body: String,
        event_source: &'static str,
        #[serde(rename = "eventSourceARN")]
        event_source_arn: &'a str,
        aws_region: &'static str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Attributes {
        approximate_receive_count: String,
        #[serde(rename = "AWSTraceHeader")]
        trace_header: String,
        sent_timestamp: String,
        sender_id: &'static str,
        approximate_first_receive_timestamp: String,
    }
    fn record<'a>(message: &'a Message, queue_arn: &'a str) -> Record<'a> {
        let Message { id, receive_count, .. } = message;
        Record {
            message_id: id,
            receipt_handle: format!("{id}/{receive_count}"),
            body: &message.body,
            attributes: Attributes {
                approximate_receive_count: receive_count.to_string(),
                trace_header: message.context.to_xray(),
                sent_timestamp: message.sent_at.to_string(),
                sender_id: names::ACCOUNT,
                approximate_first_receive_timestamp: message.first_received_at.to_string(),
            },
            message_attributes: serde_json::Map::new(),
            md5_of_body: Md5::digest(&message.body).iter().map(|byte| format!("{byte:02x}")).collect(),
            event_source: "aws:sqs",
            event_source_arn: queue_arn,
            aws_region: names::REGION,
        }
    }
    let event = Event { records: batch.iter().map(|message| record(message, queue_arn)).collect() };
    serde_json::to_vec(&event).unwrap_or_default()
}
