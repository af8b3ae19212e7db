//! The records of the table's stream, as Lambda delivers them.

use aws_lambda_events::dynamodb::EventRecord;
use serde_json::Value;
use shared::event::Envelope;

/// A record of the stream.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its place in the stream.
    pub(crate) sequence_number: String,
    /// The event that it tells of, if it tells of one.
    pub(crate) event: Result<Option<Envelope>, Unreadable>,
}

/// A record that cannot be read. Its content is not told: it could be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is no stream record")]
    Record,
    #[error("its item is no event that this version knows")]
    Item,
}

/// Reads a batch, each record by itself, so that one that cannot be read fails alone.
pub(crate) fn read_batch(mut batch: Value) -> Vec<Record> {
    let records = match batch.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => records,
        _ => Vec::new(),
    };
    records.into_iter().map(read).collect()
}

fn read(record: Value) -> Record {
    let sequence_number =
        record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).unwrap_or_default();
    Record { sequence_number: sequence_number.to_owned(), event: read_event(record) }
}

fn read_event(record: Value) -> Result<Option<Envelope>, Unreadable> {
    let record: EventRecord = serde_json::from_value(record).map_err(|_| Unreadable::Record)?;
    if record.event_name != "INSERT" || !is_event(&record.change.keys) {
        return Ok(None);
    }
    serde_dynamo::from_item(record.change.new_image).map(Some).map_err(|_| Unreadable::Item)
}

/// The event source mapping filters by the same rule; this holds if it does not.
fn is_event(keys: &serde_dynamo::Item) -> bool {
    keys.get("sk")
        .is_some_and(|key| matches!(key, serde_dynamo::AttributeValue::S(key) if key.starts_with("EVENT#")))
}
