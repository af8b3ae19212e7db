//! The table's stream becomes events on the bus.
//!
//! An event item is written in one transaction with the change that it tells of, so the table's stream
//! holds every event there is. Each is put on the bus at least once: what fails is reported and
//! delivered again, with all that follows it in the stream. Consumers tell a repeated event by its id.

mod bus;
mod config;
mod entry;
mod publish;
mod record;

use std::time::{Duration, SystemTime};

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::time::Instant;

pub use crate::bus::Bus;
pub use crate::config::Config;
use crate::entry::Entry;
use crate::record::Record;

/// How much of an invocation's time is kept to report what has failed.
const TIME_TO_REPORT: Duration = Duration::from_millis(500);

/// Receives batches of stream records for ever and puts the events in them on `bus`.
///
/// # Errors
/// If the Lambda runtime cannot be reached.
pub async fn run(bus: Bus) -> Result<(), lambda_runtime::Error> {
    let bus = &bus;
    lambda_runtime::run(service_fn(|invocation: LambdaEvent<Value>| async move {
        let left = invocation.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = Instant::now() + left.saturating_sub(TIME_TO_REPORT);
        let records = record::read_batch(invocation.payload);
        let put = async |entries: &[Entry]| bus.put(entries).await;
        // Boxed: the runtime's and the SDK's futures within one another are too deep a type to lay out.
        let answer = Box::pin(handle_batch(records, deadline, put)).await;
        Ok::<_, lambda_runtime::Error>(answer)
    }))
    .await
}

/// Publishes every event of a batch that can be published and answers the first record that failed.
///
/// Lambda delivers that record and all after it again. Those after it are published nevertheless: a
/// record that nobody can read must not hold up the others while it is retried, nor take them along when
/// it is given up.
async fn handle_batch(
    records: Vec<Record>,
    deadline: Instant,
    put: impl AsyncFn(&[Entry]) -> bus::Answer,
) -> DynamoDbEventResponse {
    let mut sequence_numbers = Vec::new();
    let mut entries = Vec::new();
    let mut failed = Vec::new();
    for (place, record) in records.into_iter().enumerate() {
        match record.event {
            Ok(Some(event)) => entries.push(Entry::new(place, &event)),
            Ok(None) => {}
            Err(unreadable) => {
                let sequence_number = &record.sequence_number;
                tracing::error!(sequence_number, reason = %unreadable, "A stream record is no event");
                failed.push(place);
            }
        }
        sequence_numbers.push(record.sequence_number);
    }
    for failure in publish::publish(entries, deadline, put).await {
        let sequence_number = &sequence_numbers[failure.place];
        let event_id = failure.event_id.to_string();
        tracing::error!(sequence_number, event_id, reason = failure.reason, "An event was not published");
        failed.push(failure.place);
    }
    let mut response = DynamoDbEventResponse::default();
    if let Some(first) = failed.into_iter().min() {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence_numbers.swap_remove(first));
        response.batch_item_failures = vec![failure];
    }
    response
}

#[cfg(test)]
mod tests;
