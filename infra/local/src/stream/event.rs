//! Records of the stream as Lambda hands them to a function.

use dynoxide::actions::get_records::Record;
use dynoxide::types::AttributeValue;
use infra_model::App;
use jiff::Timestamp;
use serde_json::json;

use crate::names::{self, REGION};

/// A batch as Lambda hands it to a function, JSON.
pub(super) fn event<'a>(records: impl Iterator<Item = &'a Record>, app: &App) -> Vec<u8> {
    let stream_arn = stream_arn(app);
    let record = |record: &Record| {
        let mut event = serde_json::to_value(record).unwrap_or_default();
        event["awsRegion"] = json!(REGION);
        event["eventSourceARN"] = json!(stream_arn);
        event
    };
    json!({ "Records": records.map(record).collect::<Vec<_>>() }).to_string().into_bytes()
}

/// What Lambda sends to a stream's failure destination, JSON: where the records are, not what
/// they hold.
pub(super) fn failure<'a>(
    records: impl Iterator<Item = &'a Record>,
    app: &App,
    function: &str,
    attempts: u32,
) -> String {
    let records: Vec<_> = records.map(|record| &record.dynamodb).collect();
    let number = |index: usize| records.get(index).map(|record| record.sequence_number.as_str());
    let arrival = |index: usize| {
        let seconds = records.get(index).map(|record| record.approximate_creation_date_time);
        let milliseconds = seconds.map(|seconds| (seconds * 1_000.0) as i64);
        Timestamp::from_millisecond(milliseconds.unwrap_or_default()).unwrap_or_default().to_string()
    };
    let last = records.len().saturating_sub(1);
    json!({
        "version": "1.0",
        "timestamp": format!("{:.3}", Timestamp::now()),
        "requestContext": {
            "functionArn": names::function_arn(app, function),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": attempts,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "DDBStreamBatchInfo": {
            "streamArn": stream_arn(app),
            "startSequenceNumber": number(0),
            "endSequenceNumber": number(last),
            "approximateArrivalOfFirstRecord": arrival(0),
            "approximateArrivalOfLastRecord": arrival(last),
            "batchSize": records.len(),
        },
    })
    .to_string()
}

pub(super) fn sort_key<'a>(record: &'a Record, sort_key: &str) -> Option<&'a str> {
    text(record.dynamodb.keys.get(sort_key))
}

/// The type of the event that the record's item is.
pub(super) fn event_type(record: &Record) -> Option<&str> {
    attribute(record, "type")
}

/// The id of the event that the record's item is.
pub(super) fn event_id(record: &Record) -> Option<&str> {
    attribute(record, "id")
}

pub(super) fn traceparent(record: &Record) -> Option<&str> {
    attribute(record, "traceparent")
}

fn attribute<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    text(record.dynamodb.new_image.as_ref()?.get(name))
}

fn text(value: Option<&AttributeValue>) -> Option<&str> {
    match value {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

fn stream_arn(app: &App) -> String {
    // The label is when the stream was created; the functions do not look at it.
    format!("{}/stream/1970-01-01T00:00:00.000", names::table_arn(app))
}
