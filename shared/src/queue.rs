//! The edge to a queue: a batch of messages in, those that failed out.
//!
//! Each message is an event that the bus delivered, or a notification of a topic. It is handled by itself, in its own trace, beside the
//! others: one that fails, hangs or cannot be read is the only one that the queue delivers again, and
//! in the end puts into the dead-letter queue.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::event::Envelope;
use crate::log::causes;
use crate::trace::{self, TraceContext};

/// How much of an invocation's time is kept to report what has failed. A message that takes
/// longer is given up; did the invocation run out of time, all of the batch would count as failed.
const TIME_TO_REPORT: Duration = Duration::from_millis(500);

/// Messages in work at once.
const CONCURRENCY: usize = 10;

/// Receives batches for ever and hands each event to `handle`. An error means: deliver it again.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run<H, F, E>(handle: H) -> Result<(), lambda_runtime::Error>
where
    H: Fn(Envelope) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Error + 'static,
{
    serve(handle).await
}

/// Receives batches for ever and hands each notification of a topic to `handle`. An error means: deliver it again.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run_notifications<T, H, F, E>(handle: H) -> Result<(), lambda_runtime::Error>
where
    T: DeserializeOwned + Send + 'static,
    H: Fn(Notification<T>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Error + 'static,
{
    serve(handle).await
}

/// What a topic told: a message that SNS wrapped, as it does for a queue without raw delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification<T> {
    /// When the topic got it.
    pub at: Timestamp,
    /// What it was told.
    pub message: T,
}

async fn serve<M, H, F, E>(handle: H) -> Result<(), lambda_runtime::Error>
where
    M: Message,
    H: Fn(M) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Error + 'static,
{
    let handle = Arc::new(handle);
    lambda_runtime::run(service_fn(move |invocation: LambdaEvent<SqsEvent>| {
        let handle = Arc::clone(&handle);
        async move {
            let left = invocation.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
            let time = left.saturating_sub(TIME_TO_REPORT);
            Ok::<_, lambda_runtime::Error>(handle_batch(invocation.payload, time, handle).await)
        }
    }))
    .await
}

/// Handles a batch within `time` and answers which of its messages failed.
async fn handle_batch<M, H, F, E>(batch: SqsEvent, time: Duration, handle: Arc<H>) -> SqsBatchResponse
where
    M: Message,
    H: Fn(M) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Error + 'static,
{
    let deadline = tokio::time::Instant::now() + time;
    // Failed until shown otherwise, so that a handler that panics fails its own message only.
    let mut failed: HashSet<String> =
        batch.records.iter().map(|message| message.message_id.clone().unwrap_or_default()).collect();
    let mut running = JoinSet::new();
    for message in batch.records {
        if running.len() == CONCURRENCY {
            forget_done(&mut failed, running.join_next().await);
        }
        let handle = Arc::clone(&handle);
        running.spawn(handle_message(message, deadline, handle).in_current_span());
    }
    while let Some(joined) = running.join_next().await {
        forget_done(&mut failed, Some(joined));
    }
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed);
    response
}

fn forget_done(failed: &mut HashSet<String>, joined: Option<Result<Option<String>, tokio::task::JoinError>>) {
    match joined {
        Some(Ok(Some(done))) => _ = failed.remove(&done),
        Some(Err(panic)) => tracing::error!(error = %panic, "A message's handler panicked"),
        Some(Ok(None)) | None => {}
    }
}

/// The id of the message, if it is done.
async fn handle_message<M, H, F, E>(
    message: SqsMessage,
    deadline: tokio::time::Instant,
    handle: Arc<H>,
) -> Option<String>
where
    M: Message,
    H: Fn(M) -> F,
    F: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    let id = message.message_id.unwrap_or_default();
    let receives = message.attributes.get("ApproximateReceiveCount").map_or("1", String::as_str);
    let content = match M::read(message.body.as_deref().unwrap_or_default()) {
        Ok(content) => content,
        Err(unreadable) => {
            // Not what it says: that could be anything.
            tracing::error!(
                message_id = id,
                receives,
                at = unreadable.column(),
                "A message is not what it should be: {:?}",
                unreadable.classify()
            );
            return None;
        }
    };
    let xray = message.attributes.get("AWSTraceHeader").map(String::as_str);
    let context = content.trace().or_else(|| xray.and_then(TraceContext::from_xray));
    let (event_id, event_type) = content.name().unwrap_or_else(|| (id.clone(), "notification"));
    let handled = async {
        let outcome = tokio::time::timeout_at(deadline, handle(content)).await;
        let reason = match outcome {
            Ok(Ok(())) => return Some(id),
            Ok(Err(error)) => causes(&error),
            Err(_) => "it was not done in time".to_owned(),
        };
        tracing::error!(event_id, event_type, receives, reason, "An event was not handled");
        None
    };
    match context {
        Some(context) => trace::scope(context, handled).await,
        None => handled.await,
    }
}

/// What a queue's messages are.
trait Message: Send + Sized + 'static {
    fn read(body: &str) -> Result<Self, serde_json::Error>;

    /// The trace that it is part of, if it says so itself.
    fn trace(&self) -> Option<TraceContext>;

    /// Its id and type for the log, if it has them.
    fn name(&self) -> Option<(String, &'static str)>;
}

impl Message for Envelope {
    fn read(body: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<EventBridgeEvent<Self>>(body).map(|delivered| delivered.detail)
    }

    fn trace(&self) -> Option<TraceContext> {
        self.traceparent.as_deref().and_then(TraceContext::from_traceparent)
    }

    fn name(&self) -> Option<(String, &'static str)> {
        Some((self.id.to_string(), self.event.kind()))
    }
}

impl<T: DeserializeOwned + Send + 'static> Message for Notification<T> {
    fn read(body: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Wrapped {
            timestamp: Timestamp,
            message: String,
        }
        let Wrapped { timestamp, message } = serde_json::from_str(body)?;
        Ok(Self { at: timestamp, message: serde_json::from_str(&message)? })
    }

    fn trace(&self) -> Option<TraceContext> {
        None
    }

    fn name(&self) -> Option<(String, &'static str)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::clock::Random;
    use crate::event::Event;
    use crate::id::UserId;

    const TIME: Duration = Duration::from_secs(5);

    fn message(id: &str, body: &str) -> SqsMessage {
        serde_json::from_value(json!({ "messageId": id, "body": body })).unwrap()
    }

    fn event_message(id: &str, event: Event, trace_digit: char) -> SqsMessage {
        let random = Random::system();
        let now = Timestamp::UNIX_EPOCH;
        let trace: String = std::iter::repeat_n(trace_digit, 32).collect();
        let traceparent = Some(format!("00-{trace}-00f067aa0ba902b7-01"));
        let envelope = Envelope::new(UserId::new(now, &random), event, now, &random, traceparent);
        let body = json!({
            "version": "0",
            "id": "5f2c1d3e-0000-4000-8000-000000000000",
            "detail-type": envelope.event.kind(),
            "source": "billion",
            "account": "000000000000",
            "time": "2026-11-23T10:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": envelope.to_cloud_event(),
        });
        message(id, &body.to_string())
    }

    fn batch(messages: Vec<SqsMessage>) -> SqsEvent {
        let mut batch = SqsEvent::default();
        batch.records = messages;
        batch
    }

    fn failures(response: SqsBatchResponse) -> Vec<String> {
        let mut ids: Vec<_> =
            response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        ids.sort();
        ids
    }

    /// V3 V4
    #[tokio::test]
    async fn v4_only_the_messages_that_failed_are_delivered_again() {
        let batch = batch(vec![
            event_message("good", Event::UserVerified {}, '1'),
            event_message("bad", Event::UserRenamed {}, '2'),
            message("poison", "{\"detail\": 7}"),
            message("empty", ""),
        ]);
        let handle = |event: Envelope| async move {
            let good = event.event == Event::UserVerified {};
            good.then_some(()).ok_or_else(|| std::io::Error::other("refused"))
        };
        let response = handle_batch(batch, TIME, Arc::new(handle)).await;
        assert_eq!(failures(response), ["bad", "empty", "poison"]);
    }

    /// V3
    #[tokio::test]
    async fn v3_a_message_whose_handler_panics_or_hangs_holds_up_nothing_but_itself() {
        let batch = batch(vec![
            event_message("panics", Event::UserRenamed {}, '1'),
            event_message("hangs", Event::PasswordResetRequested { password_changes: 0 }, '2'),
            event_message("good", Event::UserVerified {}, '3'),
        ]);
        let handle = |event: Envelope| async move {
            assert_ne!(event.event, Event::UserRenamed {}, "poison");
            if event.event == (Event::PasswordResetRequested { password_changes: 0 }) {
                std::future::pending::<()>().await;
            }
            Ok::<_, std::io::Error>(())
        };
        let response = handle_batch(batch, Duration::from_millis(50), Arc::new(handle)).await;
        assert_eq!(failures(response), ["hangs", "panics"]);
    }

    #[tokio::test]
    async fn each_message_is_handled_in_its_own_trace() {
        let messages = ('1'..='9').chain('a'..='f');
        let messages = messages.map(|digit| event_message(&digit.to_string(), Event::UserVerified {}, digit));
        let handle = |event: Envelope| async move {
            tokio::task::yield_now().await;
            let expected = event.traceparent.as_deref().and_then(TraceContext::from_traceparent);
            if trace::current() == expected && expected.is_some() {
                Ok(())
            } else {
                Err(std::io::Error::other("other trace"))
            }
        };
        let response = handle_batch(batch(messages.collect()), TIME, Arc::new(handle)).await;
        assert_eq!(failures(response), Vec::<String>::new());
    }
}
