//! What follows from what has happened: V1–V4.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::{Value, json};
use shared::aws::Service;
use tests::console::DeadLetter;
use tests::person::{OTHER_PASSWORD, PASSWORD, VERIFICATION};
use tests::{Person, Platform, until};

use crate::aws::{APP_NAME, aws};
use crate::ledger::{Ledger, subjects};

#[tokio::test]
async fn v1_each_change_has_one_event_and_no_other() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    ada.client.patch("/api/me").json(json!({ "name": "Countess" })).expect(200).await;
    let phone = ada.elsewhere(&platform);
    phone.sign_in().await;
    phone.client.post("/api/auth/sign-out").expect(204).await;
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    ada.client.put("/api/auth/password").json(change).expect(204).await;
    let token = ada.reset_token(&platform).await;
    ada.client
        .post_json("/api/auth/password/reset", json!({ "token": token, "password": PASSWORD }), 204)
        .await;
    let ledger = Ledger::settled(&platform).await;
    let user = ledger.user_of(&ada.email).unwrap();
    assert_eq!(
        ledger.events_of(&user),
        [
            "user.signed_up",
            "user.verified",
            "session.started",
            "user.renamed",
            "session.started",
            "session.ended",
            "user.password_changed",
            "user.password_reset_requested",
            "user.password_changed",
        ]
    );
    // Each was told in a mail of its own, once.
    let subjects = subjects(&platform, &ada.email).await;
    assert!(
        subjects
            .iter()
            .all(|(subject, count)| *count == if subject == "Your password was changed" { 2 } else { 1 }),
        "{subjects:?}"
    );
}

#[tokio::test]
async fn v1_what_fails_leaves_neither_a_change_nor_an_event() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    Ledger::settled(&platform).await;
    let before = Ledger::read(&platform).await;
    // Sure to fail, and not tried again for long: the client has no more time than the function.
    platform.console.set(json!({ "faults": { "table": { "error": 1.0 } } })).await;
    let bob = Person::new(&platform, "Bob");
    let body = json!({ "email": bob.email, "password": PASSWORD, "name": "Bob" });
    let sign_up = bob.client.post("/api/auth/sign-up").json(body).send().await;
    let rename = ada.client.patch("/api/me").json(json!({ "name": "Eve" })).send().await;
    for answer in [sign_up, rename] {
        assert!([500, 503, 504].contains(&answer.code()), "{answer}");
        answer.problem();
    }
    platform.console.set(json!({ "faults": { "table": { "error": 0.0 } } })).await;
    let after = Ledger::settled(&platform).await;
    assert_eq!(after.user_of(&bob.email), None);
    let user = after.user_of(&ada.email).unwrap();
    assert_eq!(after.events_of(&user), before.events_of(&user));
    assert_eq!(ada.me().await["user"]["name"], "Ada");
    assert_eq!(after.items("USER#", "").len(), before.items("USER#", "").len());
}

/// V2: the effect is done once, however often the event is delivered.
#[tokio::test]
async fn v2_an_event_that_is_delivered_again_mails_nobody_twice() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    ada.verification_token(&platform).await;
    let ledger = Ledger::settled(&platform).await;
    let event = ledger.items("USER#", "EVENT#")[0].attributes.clone();
    let detail = json!({
        "specversion": "1.0", "id": event["id"], "source": event["source"], "type": event["type"],
        "subject": event["subject"], "time": event["time"], "data": event["data"],
        "traceparent": event["traceparent"],
    });
    put_events(&platform, &[("user.signed_up", detail.to_string().as_str()); 5]).await;
    until("five more deliveries", async || {
        let flows = platform.console.flows().await;
        let sign_up = flows.into_iter().find(|flow| flow.name == "POST /api/auth/sign-up")?;
        let flow = platform.console.flow(&sign_up.trace).await;
        let delivered = flow.steps.iter().filter(|step| step.kind == "queue" && step.status == "ok").count();
        (delivered >= 6).then_some(())
    })
    .await;
    platform.console.drained().await;
    assert_eq!(subjects(&platform, &ada.email).await.into_values().sum::<usize>(), 1);
    assert_eq!(platform.console.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn v3_a_poison_message_holds_up_nothing_and_ends_with_its_reason_where_it_can_be_redriven() {
    let platform = Platform::start().await;
    let poison =
        json!({ "specversion": "1.0", "id": "poison", "type": "user.signed_up", "data": 7 }).to_string();
    put_events(&platform, &[("user.signed_up", poison.as_str()), ("user.verified", "{}")]).await;
    // Meanwhile all goes on.
    let ada = Person::signed_in(&platform, "Ada").await;
    platform.inbox.wait_for(&ada.email, "Your address is verified").await;
    let dead = dead_letters_soon(&platform, 2).await;
    platform.console.drained().await;
    for letter in &dead {
        assert_eq!(letter.queue, "email");
        assert!(letter.reason.len() > 10, "a reason: {letter:?}");
        assert_eq!(letter.receive_count, 5, "{letter:?}");
        assert!(letter.dead_at.parse::<jiff::Timestamp>().is_ok(), "{letter:?}");
    }
    let types: Vec<_> = dead.iter().filter_map(|letter| letter.event_type.as_deref()).collect();
    assert!(types.contains(&"user.signed_up") && types.contains(&"user.verified"), "{types:?}");
    let queues = platform.console.queues().await;
    let email = queues.iter().find(|queue| queue.name == "email").unwrap();
    assert_eq!((email.dead, email.visible, email.in_flight), (2, 0, 0));

    // Redriven, it gets all its tries anew, and dies again.
    let client = platform.console.client();
    client.post(&format!("{}/redrive", dead[0].path())).expect(202).await;
    until("its second death", async || {
        let now = platform.console.dead_letters().await;
        let died_again = now.len() == 2
            && now.iter().any(|letter| letter.dead_at > dead[0].dead_at && letter.dead_at > dead[1].dead_at);
        died_again.then_some(())
    })
    .await;
    for letter in platform.console.dead_letters().await {
        client.delete(&letter.path()).expect(204).await;
        client.delete(&letter.path()).expect(404).await;
    }
    assert_eq!(platform.console.dead_letters().await.len(), 0);
    assert_eq!(platform.console.summary().await.dead_letters, 0);
}

#[tokio::test]
async fn v3_a_mail_that_is_refused_waits_among_the_dead_and_is_sent_once_when_redriven() {
    let platform = Platform::start().await;
    platform.console.set_mail("refuse").await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let dead = dead_letters(&platform, 1).await.remove(0);
    assert_eq!(dead.event_type.as_deref(), Some("user.signed_up"));
    assert!(dead.reason.to_lowercase().contains("reject"), "{}", dead.reason);
    assert_eq!(platform.inbox.to(&ada.email).await.len(), 0);
    platform.console.set_mail("ok").await;
    platform.console.client().post(&format!("{}/redrive", dead.path())).expect(202).await;
    ada.verify(&platform).await;
    Ledger::settled(&platform).await;
    assert_eq!(subjects(&platform, &ada.email).await[&format!("{VERIFICATION} your email address")], 1);
    assert_eq!(platform.console.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn v4_of_a_batch_only_what_failed_is_tried_again() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let bob = Person::signed_up(&platform, "Bob").await;
    for person in [&ada, &bob] {
        person.verification_token(&platform).await;
    }
    let ledger = Ledger::settled(&platform).await;
    let message = |id: &str, body: String| json!({ "messageId": id, "body": body, "eventSource": "aws:sqs" });
    let delivered = |address: &str| {
        let user = ledger.user_of(address).unwrap();
        let detail = json!({
            "specversion": "1.0", "id": format!("evt_{}", "0".repeat(31) + if address == ada.email { "1" } else { "2" }),
            "source": "billion", "type": "user.verification_requested", "subject": user,
            "time": "2026-11-23T10:00:00.000Z", "data": {},
        });
        json!({
            "version": "0", "id": "x", "detail-type": "user.verification_requested", "source": "billion",
            "account": "000000000000", "time": "2026-11-23T10:00:00Z", "region": "us-east-1", "resources": [],
            "detail": detail,
        })
        .to_string()
    };
    let batch = json!({ "Records": [
        message("one", delivered(&ada.email)),
        message("two", "{ poison".to_owned()),
        message("three", delivered(&bob.email)),
        message("four", delivered(&bob.email).replace("evt_", "xyz_")),
    ] });
    let answer =
        platform.console.client().post("/_local/functions/email/invoke").json(batch).expect(200).await.json();
    assert_eq!(answer["function_error"], Value::Null, "{answer}");
    let failures = answer["payload"]["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let mut failed: Vec<_> =
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["four", "two"]);

    // And by way of the queue: the good ones of a batch are done once, the bad one is tried five times.
    let before = platform.console.function("email").await.invocations;
    let entries = [("user.verified", "{}"), ("session.ended", "{}")];
    put_events(&platform, &entries).await;
    let carol = Person::signed_up(&platform, "Carol").await;
    carol.verification_token(&platform).await;
    dead_letters_soon(&platform, 1).await;
    Ledger::settled(&platform).await;
    let invocations = platform.console.function("email").await.invocations - before;
    assert!((5..=6).contains(&invocations), "{invocations} invocations");
    for person in [&ada, &bob, &carol] {
        let mails = subjects(&platform, &person.email).await["Verify your email address"];
        assert_eq!(mails, if person.email == carol.email { 1 } else { 2 }, "{}", person.email);
    }
}

/// An event that no consumer has asked for is kept as history, and no queue sees it.
#[tokio::test]
async fn an_event_without_subscribers_goes_to_no_queue() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    Ledger::settled(&platform).await;
    let before = platform.console.function("email").await.invocations;
    ada.client.post("/api/auth/sign-out").expect(204).await;
    let flow = platform
        .console
        .flow_when("POST /api/auth/sign-out", |flow| {
            flow.steps.iter().any(|step| step.kind == "bus" && step.status == "ok")
        })
        .await;
    assert!(flow.steps.iter().all(|step| step.kind != "queue"), "{flow:?}");
    platform.console.drained().await;
    assert_eq!(platform.console.function("email").await.invocations, before);
}

async fn put_events(platform: &Platform, events: &[(&str, &str)]) {
    let client = aws_sdk_eventbridge::Client::new(&aws(platform).config(Service::EventBridge));
    let entry = |(kind, detail): &(&str, &str)| {
        PutEventsRequestEntry::builder()
            .event_bus_name(APP_NAME)
            .source("billion")
            .detail_type(*kind)
            .detail(*detail)
            .build()
    };
    let entries = events.iter().map(entry).collect();
    let output = client.put_events().set_entries(Some(entries)).send().await.expect("the bus answers");
    assert_eq!(output.failed_entry_count(), 0, "{output:?}");
}

async fn dead_letters(platform: &Platform, count: usize) -> Vec<DeadLetter> {
    until(&format!("{count} dead letters"), async || {
        let letters = platform.console.dead_letters().await;
        (letters.len() >= count).then_some(letters)
    })
    .await
}

/// As [`dead_letters`], where all else is done but noting that: then what fails may come back sooner than a mail is sent.
async fn dead_letters_soon(platform: &Platform, count: usize) -> Vec<DeadLetter> {
    until("mails that are noted", async || {
        let claims = platform.console.items("EVENT#").await;
        claims.iter().all(|claim| claim.attributes.get("done") == Some(&Value::Bool(true))).then_some(())
    })
    .await;
    platform.console.set(json!({ "visibility_timeout_ms": 300 })).await;
    dead_letters(platform, count).await
}
