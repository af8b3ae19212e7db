//! What failed on its way out of the table's stream. Its dead letter says only where the records are; while the stream
//! has them, for a day, the function is given them again.

use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType, StreamRecord};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use infra_model::{Function, Trigger};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

use super::failure::{Failure, Result};
use super::target::{MODEL, Place};

/// What Lambda sends to the queue when it gives up a batch.
#[derive(Debug, Deserialize)]
struct Failed {
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: Batch,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    stream_arn: String,
}

/// Gives the function the records again that this dead letter names.
pub(crate) async fn run_again(place: &Place, function: &Function, body: &str) -> Result<()> {
    let failed: Failed = serde_json::from_str(body)
        .map_err(|error| Failure::new(format!("the dead letter names no records of a stream: {error}")))?;
    let records = read(&Client::new(&place.aws.config), &failed.batch).await?;
    let records: Vec<Value> = records
        .into_iter()
        .filter(|record| is_meant(function, record))
        .map(|record| lambda_event(record, &failed.batch.stream_arn, &place.aws.region))
        .collect();
    let name = place.function(function);
    let event = json!({ "Records": records }).to_string();
    let invoked = place.aws.lambda().invoke().function_name(&name).payload(event.into_bytes().into());
    let invoked = invoked.send().await.map_err(|error| Failure::aws(&format!("invoking {name}"), &error))?;
    let answer = invoked.payload.map(aws_sdk_lambda::primitives::Blob::into_inner).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let is_partial = answer["batchItemFailures"].as_array().is_some_and(|failures| !failures.is_empty());
    if invoked.function_error.is_some() || is_partial {
        return Err(Failure::new(format!("{} failed again on these records: {answer}", function.name)));
    }
    Ok(())
}

async fn read(streams: &Client, batch: &Batch) -> Result<Vec<Record>> {
    let gone = || {
        Failure::new(
            "the stream keeps records for a day and has these no more; the events are still in the users' history",
        )
    };
    let iterator = streams
        .get_shard_iterator()
        .stream_arn(&batch.stream_arn)
        .shard_id(&batch.shard_id)
        .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
        .sequence_number(&batch.start_sequence_number)
        .send()
        .await
        .map_err(|error| {
            use aws_sdk_dynamodbstreams::error::ProvideErrorMetadata;
            match error.code() {
                Some("TrimmedDataAccessException" | "ResourceNotFoundException") => gone(),
                _ => Failure::aws("reading the table's stream", &error),
            }
        })?;
    let mut records = Vec::new();
    let mut next = iterator.shard_iterator;
    while let Some(iterator) = next {
        let read = streams.get_records().shard_iterator(iterator).send().await;
        let read = read.map_err(|error| Failure::aws("reading the table's stream", &error))?;
        next = read.next_shard_iterator;
        let found = read.records.unwrap_or_default();
        if found.is_empty() {
            break;
        }
        for record in found {
            if after(&record, &batch.end_sequence_number) {
                return Ok(records);
            }
            records.push(record);
        }
    }
    if records.is_empty() { Err(gone()) } else { Ok(records) }
}

/// Sequence numbers are decimal and of differing length.
fn after(record: &Record, sequence_number: &str) -> bool {
    let own = record.dynamodb().and_then(StreamRecord::sequence_number).unwrap_or_default();
    let [own, other] = [own, sequence_number].map(|number| number.trim_start_matches('0'));
    (own.len(), own) > (other.len(), other)
}

/// Whether the function's trigger lets this record through: between those that failed lie others.
fn is_meant(function: &Function, record: &Record) -> bool {
    let Trigger::Stream(trigger) = function.trigger else { return false };
    let keys = record.dynamodb().and_then(StreamRecord::keys);
    let sort_key = keys.and_then(|keys| keys.get(MODEL.table.sort_key)).and_then(|key| key.as_s().ok());
    record.event_name().is_some_and(|name| name.as_str() == "INSERT")
        && sort_key.is_some_and(|key| key.starts_with(trigger.sort_key_prefix))
}

/// A record as Lambda hands it to a function.
fn lambda_event(record: Record, stream_arn: &str, region: &str) -> Value {
    let change = record.dynamodb.unwrap_or_else(|| StreamRecord::builder().build());
    json!({
        "eventID": record.event_id,
        "eventName": record.event_name.map(|name| name.as_str().to_owned()),
        "eventVersion": record.event_version,
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "eventSourceARN": stream_arn,
        "dynamodb": {
            "ApproximateCreationDateTime": change.approximate_creation_date_time.map(|time| time.secs()),
            "Keys": image(change.keys),
            "NewImage": image(change.new_image),
            "SequenceNumber": change.sequence_number,
            "SizeBytes": change.size_bytes,
            "StreamViewType": change.stream_view_type.map(|view| view.as_str().to_owned()),
        },
    })
}

fn image(item: Option<HashMap<String, AttributeValue>>) -> Value {
    Value::Object(
        item.unwrap_or_default().into_iter().map(|(name, value)| (name, attribute(value))).collect(),
    )
}

/// An attribute's value with its type, as in DynamoDB's JSON.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the service has no other kinds, the SDK leaves room for them"
)]
fn attribute(value: AttributeValue) -> Value {
    let base64 = |blob: aws_sdk_dynamodbstreams::primitives::Blob| STANDARD.encode(blob.into_inner());
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(is_null) => json!({ "NULL": is_null }),
        AttributeValue::B(blob) => json!({ "B": base64(blob) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(blobs) => json!({ "BS": blobs.into_iter().map(base64).collect::<Vec<_>>() }),
        AttributeValue::L(list) => json!({ "L": list.into_iter().map(attribute).collect::<Vec<_>>() }),
        AttributeValue::M(map) => {
            let map: Map<_, _> = map.into_iter().map(|(name, value)| (name, attribute(value))).collect();
            json!({ "M": map })
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::types::OperationType;
    use infra_model::APP;

    use super::*;

    fn record(sort_key: &str, sequence_number: &str) -> Record {
        let change = StreamRecord::builder()
            .keys("pk", AttributeValue::S("USER#1".to_owned()))
            .keys("sk", AttributeValue::S(sort_key.to_owned()))
            .new_image("at", AttributeValue::N("1".to_owned()))
            .sequence_number(sequence_number)
            .build();
        Record::builder().event_name(OperationType::Insert).dynamodb(change).build()
    }

    #[test]
    fn records_are_told_apart_as_the_trigger_does() {
        let publisher = APP.function("publisher").unwrap();
        assert!(is_meant(publisher, &record("EVENT#evt_1", "1")));
        assert!(!is_meant(publisher, &record("PROFILE", "1")));
        assert!(!is_meant(APP.function("email").unwrap(), &record("EVENT#evt_1", "1")));
    }

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        assert!(after(&record("x", "1000"), "999"));
        assert!(!after(&record("x", "000999"), "999"));
        assert!(!after(&record("x", "998"), "0999"));
    }

    #[test]
    fn a_record_is_given_as_lambda_gives_it() {
        let event = lambda_event(record("EVENT#evt_1", "7"), "arn:stream", "eu-west-1");
        assert_eq!(event["eventName"], "INSERT");
        assert_eq!(event["dynamodb"]["Keys"]["sk"]["S"], "EVENT#evt_1");
        assert_eq!(event["dynamodb"]["NewImage"]["at"]["N"], "1");
        let nested = AttributeValue::L(vec![AttributeValue::M(HashMap::from([(
            "a".to_owned(),
            AttributeValue::B(aws_sdk_dynamodbstreams::primitives::Blob::new([1, 2])),
        )]))]);
        assert_eq!(attribute(nested), json!({ "L": [{ "M": { "a": { "B": "AQI=" } } }] }));
    }
}
