use std::cell::RefCell;
use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;
use shared::clock::Random;
use shared::event::{Envelope, Event};
use shared::id::UserId;

use super::*;
use crate::record::Unreadable;

const TRACEPARENT: &str = "00-6a5b4c3d0af7651916cd43dd8448eb21-00f067aa0ba902b7-01";

fn event() -> Envelope {
    let random = Random::system();
    let now = Timestamp::UNIX_EPOCH;
    let user = UserId::new(now, &random);
    Envelope::new(user, Event::UserVerified {}, now, &random, Some(TRACEPARENT.to_owned()))
}

/// The n-th record: an event item as Lambda delivers it.
fn record(n: usize, event: &Envelope) -> Value {
    let pk = format!("USER#{}", event.subject);
    let sk = format!("EVENT#{}", event.id);
    json!({
        "eventID": n.to_string(),
        "eventName": "INSERT",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "SequenceNumber": (1000 + n).to_string(),
            "SizeBytes": 300,
            "Keys": {"pk": {"S": pk}, "sk": {"S": sk}},
            "NewImage": {
                "pk": {"S": pk},
                "sk": {"S": sk},
                "id": {"S": event.id},
                "source": {"S": "billion"},
                "subject": {"S": event.subject},
                "time": {"S": event.time},
                "type": {"S": event.event.kind()},
                "data": {"M": {}},
                "traceparent": {"S": TRACEPARENT},
            },
        },
    })
}

fn records(count: usize) -> Vec<Value> {
    (0..count).map(|n| record(n, &event())).collect()
}

/// A bus that refuses entries by what `refuse` says of their place and of how often they were put.
struct FakeBus<F> {
    refuse: F,
    puts: RefCell<HashMap<usize, u32>>,
    calls: RefCell<Vec<usize>>,
}

impl<F: Fn(usize, u32) -> Option<&'static str>> FakeBus<F> {
    fn new(refuse: F) -> Self {
        Self { refuse, puts: RefCell::default(), calls: RefCell::default() }
    }

    async fn put(&self, entries: &[Entry]) -> bus::Answer {
        self.calls.borrow_mut().push(entries.len());
        let refusal = |entry: &Entry| {
            let mut puts = self.puts.borrow_mut();
            let count = puts.entry(entry.place).or_default();
            *count += 1;
            (self.refuse)(entry.place, *count).map(str::to_owned)
        };
        Ok(entries.iter().map(refusal).collect())
    }

    async fn handle(&self, records: Vec<Value>) -> Option<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let records = record::read_batch(json!({ "Records": records }));
        let answer = handle_batch(records, deadline, async |entries: &[Entry]| self.put(entries).await).await;
        let mut failures = answer.batch_item_failures.into_iter();
        let first = failures.next().and_then(|failure| failure.item_identifier);
        assert!(failures.next().is_none());
        first
    }
}

#[tokio::test]
async fn events_are_put_ten_at_a_time() {
    let bus = FakeBus::new(|_, _| None);
    assert_eq!(bus.handle(records(23)).await, None);
    assert_eq!(*bus.calls.borrow(), [10, 10, 3]);
}

#[test]
fn an_entry_too_large_for_any_call_is_alone_in_its_own() {
    let entry =
        |place: usize, bytes: usize| Entry { detail: "x".repeat(bytes), ..Entry::new(place, &event()) };
    let calls =
        entry::calls(vec![entry(0, 10), entry(1, 300 * 1024), entry(2, 200 * 1024), entry(3, 100 * 1024)]);
    let places: Vec<Vec<usize>> =
        calls.iter().map(|call| call.iter().map(|entry| entry.place).collect()).collect();
    assert_eq!(places, [vec![0], vec![1], vec![2], vec![3]]);
}

#[test]
fn an_event_reaches_the_bus_with_its_trace() {
    let event = event();
    let read = record::read_batch(json!({ "Records": [record(0, &event)] })).remove(0);
    let read = read.event.unwrap().unwrap();
    assert_eq!(read, event);
    let entry = Entry::new(0, &read);
    let detail: Value = serde_json::from_str(&entry.detail).unwrap();
    assert_eq!(detail["traceparent"], TRACEPARENT);
    assert_eq!(detail["specversion"], "1.0");
    assert_eq!(detail["source"], "billion");
    assert_eq!(entry.trace.unwrap().to_traceparent(), TRACEPARENT);
}

#[tokio::test]
async fn what_the_bus_cannot_take_just_then_is_put_again() {
    let bus = FakeBus::new(|place, count| (place == 11 && count < 3).then_some("ThrottlingException"));
    assert_eq!(bus.handle(records(12)).await, None);
    assert_eq!(*bus.calls.borrow(), [10, 2, 1, 1]);
}

/// V4
#[tokio::test]
async fn v4_the_first_record_that_failed_is_reported_and_the_rest_is_published() {
    let bus = FakeBus::new(|place, _| match place {
        3 => Some("ThrottlingException"),
        7 => Some("NotAuthorizedForSource"),
        _ => None,
    });
    assert_eq!(bus.handle(records(12)).await.as_deref(), Some("1003"));
    assert_eq!(bus.puts.borrow().len(), 12);
    assert_eq!(bus.puts.borrow()[&3], 4, "throttled: put again at once");
    assert_eq!(bus.puts.borrow()[&7], 1, "refused for good");
}

/// V3
#[tokio::test]
async fn v3_a_record_that_cannot_be_read_fails_alone() {
    let mut poisoned = records(5);
    poisoned[2]["dynamodb"]["NewImage"]["type"]["S"] = "user.abducted".into();
    poisoned[4] = json!({ "dynamodb": { "SequenceNumber": "1004" } });
    let bus = FakeBus::new(|_, _| None);
    assert_eq!(bus.handle(poisoned).await.as_deref(), Some("1002"));
    assert_eq!(bus.puts.borrow().len(), 3);
}

#[tokio::test]
async fn when_the_whole_call_fails_the_first_of_it_is_reported() {
    let deadline = Instant::now() + Duration::from_secs(60);
    let records = record::read_batch(json!({ "Records": records(12) }));
    let down = async |entries: &[Entry]| match entries.len() {
        10 => Ok(vec![None; 10]),
        _ => Err("AccessDeniedException".to_owned()),
    };
    let answer = handle_batch(records, deadline, down).await;
    assert_eq!(answer.batch_item_failures[0].item_identifier.as_deref(), Some("1010"));
}

#[tokio::test]
async fn a_bus_that_hangs_is_reported_before_the_invocation_ends() {
    let deadline = Instant::now() + Duration::from_millis(50);
    let records = record::read_batch(json!({ "Records": records(1) }));
    let answer = handle_batch(records, deadline, async |_: &[Entry]| std::future::pending().await).await;
    assert_eq!(answer.batch_item_failures[0].item_identifier.as_deref(), Some("1000"));
}

#[test]
fn what_is_no_new_event_is_passed_over() {
    let mut changed = record(0, &event());
    changed["eventName"] = "MODIFY".into();
    let mut user = record(1, &event());
    user["dynamodb"]["Keys"]["sk"]["S"] = "USER".into();
    let read = record::read_batch(json!({ "Records": [changed, user] }));
    assert!(read.iter().all(|record| record.event.as_ref().is_ok_and(Option::is_none)));
    assert!(record::read_batch(json!({})).is_empty());
    let none = record::read_batch(json!({ "Records": [7] })).remove(0);
    assert_eq!(none.event.unwrap_err(), Unreadable::Record);
}
