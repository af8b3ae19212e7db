use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dynoxide::actions::put_item::PutItemRequest;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::events::Events;
use crate::flows::Status;
use crate::test_world::{Functions, failure};

const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    table: Table,
    queues: Queues,
    journal: Journal,
    flows: Flows,
    directory: TempDir,
}

/// Which events the function got, in order, in all invocations.
type Seen = Arc<Mutex<Vec<String>>>;

async fn open(directory: TempDir) -> World {
    let table = Table::open(&infra_model::APP, directory.path()).unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let flows = Flows::new(Events::new());
    let queues =
        Queues::open(&infra_model::APP, journal.clone(), flows.clone(), Events::new()).await.unwrap();
    World { table, queues, journal, flows, directory }
}

async fn world() -> World {
    open(tempfile::tempdir().unwrap()).await
}

impl World {
    async fn put(&self, sk: &str, more: Value) {
        let mut item = json!({ "pk": { "S": "USER#1" }, "sk": { "S": sk } });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let put = json!({ "TableName": "billion", "Item": item });
        let put =
            move |database: &dynoxide::Database| Ok(database.put_item(request::<PutItemRequest>(put)?)?);
        self.table.with_database(put).await.unwrap();
        self.table.written().notify_one();
    }

    async fn put_event(&self, id: &str) {
        self.put(&format!("EVENT#{id}"), json!({ "id": { "S": id }, "type": { "S": "user.verified" } }))
            .await;
    }

    async fn deliver_until(&self, functions: impl Invoke, condition: impl AsyncFn() -> bool) {
        let (stop, stopped) = watch::channel(false);
        let delivering = tokio::spawn(deliver(
            self.table.clone(),
            functions,
            self.queues.clone(),
            self.journal.clone(),
            self.flows.clone(),
            stopped,
        ));
        let met = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, met).await.expect("it happens in time");
        stop.send_replace(true);
        delivering.await.unwrap();
    }
}

fn events(event: &Value) -> Vec<(String, String)> {
    let records = event["Records"].as_array().unwrap().iter();
    let id = |record: &Value| {
        let record = &record["dynamodb"];
        let id = record["NewImage"]["id"]["S"].as_str().unwrap().to_owned();
        (id, record["SequenceNumber"].as_str().unwrap().to_owned())
    };
    records.map(id).collect()
}

/// A function that does everything.
fn willing(seen: &Seen) -> impl Invoke {
    let seen = Arc::clone(seen);
    Functions(move |event: Value| {
        seen.lock().unwrap().extend(events(&event).into_iter().map(|(id, _)| id));
        async { Ok(Bytes::new()) }
    })
}

#[tokio::test]
async fn only_inserted_events_are_delivered_and_each_once_across_restarts() {
    let before = world().await;
    let seen = Seen::default();
    before.put("PROFILE", json!({})).await;
    before.put_event("evt_1").await;
    before.put_event("evt_2").await;
    // A change of an event is not an event.
    before.put("EVENT#evt_1", json!({ "id": { "S": "evt_1" }, "changed": { "BOOL": true } })).await;
    before.deliver_until(willing(&seen), async || seen.lock().unwrap().len() == 2).await;

    let World { directory, table, .. } = before;
    table.close().await;
    let after = open(directory).await;
    after.put_event("evt_3").await;
    after.deliver_until(willing(&seen), async || seen.lock().unwrap().len() >= 3).await;
    assert_eq!(*seen.lock().unwrap(), ["evt_1", "evt_2", "evt_3"]);
}

#[tokio::test]
async fn a_record_is_as_lambda_delivers_it() {
    let world = world().await;
    world.put_event("evt_1").await;
    let seen = Arc::new(Mutex::new(Value::Null));
    let noted = Arc::clone(&seen);
    let functions = Functions(move |event: Value| {
        *noted.lock().unwrap() = event;
        async { Ok(Bytes::new()) }
    });
    world.deliver_until(functions, async || !seen.lock().unwrap().is_null()).await;
    let event = seen.lock().unwrap().clone();
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "INSERT");
    assert_eq!(record["eventSource"], "aws:dynamodb");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["dynamodb"]["StreamViewType"], "NEW_IMAGE");
    assert_eq!(record["dynamodb"]["Keys"]["sk"]["S"], "EVENT#evt_1");
    assert!(
        record["eventSourceARN"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/billion/stream/")
    );
    assert!(record["dynamodb"]["OldImage"].is_null());
}

/// V3: the record that fails is found, given up with its reason, and can be redriven; the rest
/// goes on.
#[tokio::test]
async fn v3_a_poison_record_holds_up_nothing_but_itself() {
    let world = world().await;
    for id in ["evt_1", "evt_2", "evt_3"] {
        world.put_event(id).await;
    }
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let poisoned = Functions(move |event: Value| {
        let ids: Vec<_> = events(&event).into_iter().map(|(id, _)| id).collect();
        let fails = ids.iter().any(|id| id == "evt_2");
        if !fails {
            noted.lock().unwrap().extend(ids);
        }
        async move { if fails { Err(failure("indigestible")) } else { Ok(Bytes::new()) } }
    });
    world.deliver_until(poisoned, async || seen.lock().unwrap().contains(&"evt_3".to_owned())).await;
    assert_eq!(*seen.lock().unwrap(), ["evt_1", "evt_3"]);

    let [letter] = &world.queues.dead_letters(10).await.unwrap()[..] else { panic!("one dead letter") };
    assert_eq!((letter.queue.as_str(), letter.reason.as_str()), ("publisher", "Error: indigestible"));
    assert_eq!((letter.receive_count, letter.event_type.as_deref()), (6, Some("user.verified")));
    assert_eq!(letter.body["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(letter.body["DDBStreamBatchInfo"]["batchSize"], 1);

    let healed = willing(&seen);
    assert!(world.queues.redrive(letter.id.clone(), &healed).await.unwrap().is_ok());
    let redriven = async {
        while world.queues.count_dead_letters().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, redriven).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["evt_1", "evt_3", "evt_2"]);
}

/// V4
#[tokio::test]
async fn v4_a_batch_that_fails_in_part_is_tried_again_from_there() {
    let world = world().await;
    for id in ["evt_1", "evt_2", "evt_3"] {
        world.put_event(id).await;
    }
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let functions = Functions(move |event: Value| {
        let events = events(&event);
        let mut seen = noted.lock().unwrap();
        let first_time = seen.is_empty();
        seen.extend(events.iter().map(|(id, _)| id.clone()));
        let failed = events.iter().find(|(id, _)| first_time && id == "evt_2");
        let failures: Vec<_> =
            failed.into_iter().map(|(_, number)| json!({ "itemIdentifier": number })).collect();
        let answer = json!({ "batchItemFailures": failures }).to_string();
        async { Ok(answer.into()) }
    });
    world.deliver_until(functions, async || seen.lock().unwrap().len() == 5).await;
    assert_eq!(*seen.lock().unwrap(), ["evt_1", "evt_2", "evt_3", "evt_2", "evt_3"]);
}

#[tokio::test]
async fn an_event_goes_on_in_the_trace_that_it_names() {
    let world = world().await;
    let context = TraceContext::new_root();
    let traceparent = json!({ "S": context.to_traceparent() });
    let event =
        json!({ "id": { "S": "evt_1" }, "type": { "S": "user.verified" }, "traceparent": traceparent });
    world.put("EVENT#evt_1", event).await;
    let seen = Seen::default();
    let done = async || world.flows.get(context.trace).is_some_and(|it| it.flow.status == Status::Ok);
    world.deliver_until(willing(&seen), done).await;
    let flow = world.flows.get(context.trace).unwrap();
    assert_eq!((flow.flow.name.as_str(), flow.steps.len()), ("user.verified", 1));
    assert_eq!(flow.steps[0].event.as_deref(), Some("user.verified"));
}
