use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::event_source::Invoke;
use crate::events::EventKind;
use crate::faults::{FaultSettings, Faults, Settings};
use crate::flows::Status;
use crate::test_world::{Functions, failure};

const HIDDEN: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(10);

struct World {
    queues: Queues,
    events: Events,
    flows: Flows,
    directory: TempDir,
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    open(directory).await
}

async fn open(directory: TempDir) -> World {
    let (flows, events) = (Flows::new(Events::new()), Events::new());
    let journal = Journal::open(directory.path()).unwrap();
    let queues = Queues::open(&infra_model::APP, journal, flows.clone(), events.clone()).await.unwrap();
    World { queues, events, flows, directory }
}

impl World {
    async fn send(&self, id: &str) -> TraceContext {
        let context = TraceContext::from_traceparent(&TraceContext::new_root().to_traceparent()).unwrap();
        let body = json!({ "detail": { "id": id } }).to_string();
        let event_type = Some("user.signed_up".to_owned());
        let message = NewMessage { queue: "email", body, event_type, context };
        self.queues.send(vec![message]).await.unwrap();
        context
    }

    async fn receive(&self, visibility: Duration) -> Vec<Message> {
        self.queues.receive("email", 10, visibility, 5).await.unwrap()
    }

    fn statuses(&self, trace: TraceContext) -> Vec<(u32, Status)> {
        let flow = self.flows.get(trace.trace).unwrap();
        flow.steps.iter().map(|step| (step.attempt, step.status)).collect()
    }

    /// Polls the queue with a short visibility timeout while `condition` does not hold.
    async fn poll_until(&self, functions: impl Invoke, condition: impl AsyncFn() -> bool) {
        let (stop, stopped) = watch::channel(false);
        let faults =
            Faults::new(Settings { faults: FaultSettings::default(), visibility_timeout_ms: Some(500) });
        let polling: JoinHandle<()> = tokio::spawn(source::poll_all(
            &infra_model::APP,
            self.queues.clone(),
            functions,
            faults.unwrap(),
            stopped,
        ));
        let met = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, met).await.expect("it happens in time");
        stop.send_replace(true);
        polling.await.unwrap();
    }

    async fn report(&self) -> QueueReport {
        let reports = self.queues.report().await.unwrap();
        reports.into_iter().find(|report| report.name == "email").unwrap()
    }

    async fn is_empty(&self) -> bool {
        let report = self.report().await;
        report.visible + report.in_flight == 0
    }
}

fn ids(event: &Value) -> Vec<(String, String)> {
    let records = event["Records"].as_array().unwrap().iter();
    let id = |record: &Value| {
        let body: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
        let id = body["detail"]["id"].as_str().unwrap().to_owned();
        (record["messageId"].as_str().unwrap().to_owned(), id)
    };
    records.map(id).collect()
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_time_is_over() {
    let world = world().await;
    world.send("evt_1").await;
    let first = world.receive(Duration::ZERO).await;
    assert_eq!((first.len(), first[0].receive_count), (1, 1));
    let second = world.receive(HIDDEN).await;
    assert_eq!((second.len(), second[0].receive_count), (1, 2));
    assert_eq!(second[0].first_received_at, first[0].first_received_at);
    assert!(world.receive(HIDDEN).await.is_empty());
    let left = world.queues.next_visible("email").await.unwrap().unwrap();
    assert!(left > HIDDEN / 2 && left <= HIDDEN);
    let report = world.report().await;
    assert_eq!((report.visible, report.in_flight), (0, 1));
}

#[tokio::test]
async fn messages_survive_the_platform_and_can_then_be_received_at_once() {
    let before = world().await;
    before.send("evt_1").await;
    before.send("evt_2").await;
    assert_eq!(before.queues.receive("email", 1, HIDDEN, 5).await.unwrap().len(), 1);
    let World { directory, .. } = before;
    let after = open(directory).await;
    let mut counts: Vec<_> =
        after.receive(HIDDEN).await.iter().map(|message| message.receive_count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
}

#[tokio::test]
async fn a_message_that_is_received_too_often_becomes_a_dead_letter_and_can_be_redriven() {
    let world = world().await;
    let trace = world.send("evt_1").await;
    for _ in 0..5 {
        let [message] = &world.receive(Duration::ZERO).await[..] else { panic!("one message") };
        let failures = vec![(message.clone(), "no stamps".to_owned())];
        world.queues.failed("email", failures).await.unwrap();
    }
    assert!(world.receive(Duration::ZERO).await.is_empty());
    let [letter] = &world.queues.dead_letters(10).await.unwrap()[..] else { panic!("one dead letter") };
    assert_eq!((letter.reason.as_str(), letter.receive_count), ("no stamps", 5));
    assert_eq!(
        (letter.event_type.as_deref(), &letter.body["detail"]["id"]),
        (Some("user.signed_up"), &json!("evt_1"))
    );
    let statuses = world.statuses(trace);
    assert_eq!(statuses.len(), 6);
    assert!(statuses.iter().all(|(_, status)| *status == Status::Error));

    let unused = Functions(|_| async { Ok(Bytes::new()) });
    let redriven = world.queues.redrive(letter.id.clone(), &unused).await.unwrap();
    assert!(redriven.is_ok());
    let [message] = &world.receive(HIDDEN).await[..] else { panic!("one message") };
    assert_eq!((message.receive_count, message.origin.trace), (1, trace.trace));
    assert_eq!(world.queues.count_dead_letters().await.unwrap(), 0);
    assert!(world.queues.redrive(letter.id.clone(), &unused).await.unwrap().is_err());
}

#[tokio::test]
async fn whoever_listens_hears_of_a_dead_letter_that_fails_again_or_leaves() {
    let world = world().await;
    let mut feed = world.events.subscribe();
    let mut heard = async || {
        let event = tokio::time::timeout(PATIENCE, feed.recv()).await.expect("it is told in time").unwrap();
        assert_eq!(event.kind, EventKind::DeadLetter);
        let letter: Value = serde_json::from_str(&event.data).unwrap();
        (letter["origin"].as_str().unwrap().to_owned(), letter["receive_count"].as_u64().unwrap())
    };
    let letter = |origin, payload: &str| DeadLetter {
        queue: "email".to_owned(),
        origin,
        reason: "no stamps".to_owned(),
        receive_count: 5,
        first_received_at: jiff::Timestamp::now(),
        event_type: None,
        trace: TraceContext::new_root(),
        body: payload.to_owned(),
        payload: payload.to_owned(),
    };
    let newest = async || world.queues.dead_letters(1).await.unwrap().remove(0).id;

    world.queues.dead_letter(letter(Origin::Stream, r#"{"Records":[]}"#)).await.unwrap();
    assert_eq!(heard().await, ("stream".to_owned(), 5));
    let fails = Functions(|_| async { Err(failure("still no stamps")) });
    world.queues.redrive(newest().await, &fails).await.unwrap().unwrap();
    assert_eq!(heard().await, ("stream".to_owned(), 6));
    let works = Functions(|_| async { Ok(Bytes::from_static(b"{}")) });
    world.queues.redrive(newest().await, &works).await.unwrap().unwrap();
    assert_eq!(heard().await, ("stream".to_owned(), 6));

    world.queues.dead_letter(letter(Origin::Queue, "{}")).await.unwrap();
    assert_eq!(heard().await, ("queue".to_owned(), 5));
    world.queues.redrive(newest().await, &works).await.unwrap().unwrap();
    assert_eq!(heard().await, ("queue".to_owned(), 5));

    world.queues.dead_letter(letter(Origin::Invocation, "{}")).await.unwrap();
    assert_eq!(heard().await, ("invocation".to_owned(), 5));
    assert!(world.queues.discard(newest().await).await.unwrap());
    assert_eq!(heard().await, ("invocation".to_owned(), 5));
    assert_eq!(world.queues.count_dead_letters().await.unwrap(), 0);
}

/// V4
#[tokio::test]
async fn v4_only_the_messages_that_failed_are_delivered_again() {
    let world = world().await;
    let traces = [world.send("evt_1").await, world.send("evt_2").await];
    let seen = Arc::new(Mutex::new(HashMap::<String, u32>::new()));
    let noted = Arc::clone(&seen);
    let functions = Functions(move |event: Value| {
        let mut failures = Vec::new();
        for (message_id, id) in ids(&event) {
            let mut seen = noted.lock().unwrap();
            let times = seen.entry(id.clone()).or_default();
            *times += 1;
            if id == "evt_1" && *times < 3 {
                failures.push(json!({ "itemIdentifier": message_id }));
            }
        }
        let answer = json!({ "batchItemFailures": failures }).to_string();
        async { Ok(answer.into()) }
    });
    world.poll_until(functions, async || world.is_empty().await).await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, HashMap::from([("evt_1".to_owned(), 3), ("evt_2".to_owned(), 1)]));
    assert_eq!(world.statuses(traces[0]), [(1, Status::Error), (2, Status::Error), (3, Status::Ok)]);
    assert_eq!(world.statuses(traces[1]), [(1, Status::Ok)]);
    let first = &world.flows.get(traces[0].trace).unwrap();
    assert_eq!(first.steps[0].error.as_deref(), Some("out of stamps"), "the log says why");
    assert_eq!(first.flow.status, Status::Ok, "it was made good");
}

/// V3
#[tokio::test]
async fn v3_poison_ends_as_a_dead_letter_with_its_reason() {
    let world = world().await;
    world.send("evt_1").await;
    let functions = Functions(|_| async { Err(failure("cannot read it")) });
    world.poll_until(functions, async || world.queues.count_dead_letters().await.unwrap() == 1).await;
    let letter = &world.queues.dead_letters(10).await.unwrap()[0];
    assert_eq!((letter.reason.as_str(), letter.receive_count), ("Error: cannot read it", 5));
    assert!(world.is_empty().await);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_fails_the_batch() {
    let world = world().await;
    let trace = world.send("evt_1").await;
    let times = Arc::new(Mutex::new(0));
    let functions = Functions(move |_| {
        let mut times = times.lock().unwrap();
        *times += 1;
        let answer = if *times == 1 { "\"done\"" } else { "null" };
        async move { Ok(Bytes::from_static(answer.as_bytes())) }
    });
    world.poll_until(functions, async || world.is_empty().await).await;
    assert_eq!(world.statuses(trace), [(1, Status::Error), (2, Status::Ok)]);
}

#[tokio::test]
async fn a_record_is_as_lambda_delivers_it() {
    let world = world().await;
    world.send("evt_1").await;
    let seen = Arc::new(Mutex::new(Value::Null));
    let noted = Arc::clone(&seen);
    let functions = Functions(move |event: Value| {
        *noted.lock().unwrap() = event;
        async { Ok(Bytes::new()) }
    });
    world.poll_until(functions, async || world.is_empty().await).await;
    let event = seen.lock().unwrap().clone();
    let record = &event["Records"][0];
    let body = r#"{"detail":{"id":"evt_1"}}"#;
    assert_eq!((&record["body"], &record["eventSource"]), (&json!(body), &json!("aws:sqs")));
    // As `md5sum` has it.
    assert_eq!(record["md5OfBody"], "ae0ee5879b271ce6fe6d2bf2ab9c28f9");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:us-east-1:000000000000:billion-email");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    let sent: i64 = record["attributes"]["SentTimestamp"].as_str().unwrap().parse().unwrap();
    assert!((now() - sent).abs() < 60_000);
}
