//! What people answer to texts.

use serde_json::{Value, json};
use shared::queue::Notification;

use super::provider::Answer as ProviderAnswer;
use super::*;

fn notification(at: Timestamp, message: Value) -> Notification<crate::inbound::Told> {
    Notification { at, message: serde_json::from_value(message).unwrap() }
}

fn answer(from: &str, words: &str, id: u32, at: Timestamp) -> Notification<crate::inbound::Told> {
    notification(
        at,
        json!({
            "originationNumber": from, "destinationNumber": "+12065550100", "messageKeyword": "KEYWORD_000000000000",
            "messageBody": words, "inboundMessageId": format!("cae173d2-66b9-564c-8309-{id:012}"),
            "previousPublishedMessageId": "00000000-0000-4000-8000-000000000000",
        }),
    )
}

/// P1
#[tokio::test]
async fn p1_stop_and_start_hold_and_are_answered_and_told_to_the_user() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    for (words, id, stopped) in [("STOP", 1, true), ("stop", 2, true), ("Start", 3, false)] {
        world.inbound.handle(&answer(ADA, words, id, world.now())).await.unwrap();
        assert_eq!(world.store().is_stopped(&number(ADA)).await.unwrap(), stopped, "{words}");
    }
    let replies: Vec<_> = world.sent().into_iter().map(|text| (text.to, text.body)).collect();
    assert_eq!(replies.len(), 3);
    assert!(replies.iter().all(|(to, _)| to == ADA));
    assert!(replies[0].1.contains("no more texts") && replies[2].1.contains("again"), "{replies:?}");
    assert_eq!(world.events(user).await[..3], ["texts.started", "texts.stopped", "phone.added"]);
    world.inbound.handle(&answer(ADA, "HELP", 4, world.now())).await.unwrap();
    assert!(world.sent()[3].body.contains(ORIGIN));
    world.inbound.handle(&answer(ADA, "thanks!", 5, world.now())).await.unwrap();
    assert_eq!(world.sent().len(), 4);
}

/// V2: each answer comes twice, in every order. The latest holds, and each is answered once.
#[tokio::test]
async fn v2_answers_in_any_order_and_number_end_in_the_latest() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let world = world().await;
        let user = world.with_phone("ada", ADA).await;
        let start = world.now();
        let at = |place: i64| start + jiff::SignedDuration::from_secs(place);
        let answers =
            [answer(ADA, "STOP", 1, at(1)), answer(ADA, "START", 2, at(2)), answer(ADA, "STOP", 3, at(3))];
        for place in order.into_iter().chain(order) {
            world.inbound.handle(&answers[place]).await.unwrap();
        }
        assert!(world.store().is_stopped(&number(ADA)).await.unwrap(), "{order:?}");
        let told = world.events(user).await.into_iter().filter(|kind| kind.starts_with("texts."));
        assert_eq!(told.clone().next(), Some("texts.stopped"), "{order:?}");
        let ids = world.sent().len();
        assert!(ids <= 3, "{order:?}: {ids} replies");
    }
}

/// V2 N4: what died between the answer and the reply is taken up again, and what was sent is not.
#[tokio::test]
async fn n4_a_reply_that_was_refused_is_sent_when_the_answer_is_delivered_again() {
    let world = world().await;
    world.with_phone("ada", ADA).await;
    let stop = answer(ADA, "STOP", 1, world.now());
    world.provider.will([ProviderAnswer::Refuse(429, "Throttled")]);
    assert!(world.inbound.handle(&stop).await.is_err());
    assert!(world.store().is_stopped(&number(ADA)).await.unwrap(), "it holds at once");
    world.inbound.handle(&stop).await.unwrap();
    world.inbound.handle(&stop).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

/// K2: what is taken is done, though nobody is told so: a dead letter would hold the number and the words.
#[tokio::test]
async fn k2_an_answer_whose_reply_is_given_up_is_no_dead_letter() {
    let mut world = world().await;
    world.with_phone("ada", ADA).await;
    let all = std::mem::replace(&mut world.inbound.delivery.overall, overall("text_sent.all", 0));
    world.inbound.handle(&answer(ADA, "STOP", 1, world.now())).await.unwrap();
    assert!(world.store().is_stopped(&number(ADA)).await.unwrap(), "the budget is spent");

    world.inbound.delivery.overall = all;
    let start = answer(ADA, "START", 2, world.now());
    world.provider.will([ProviderAnswer::AcceptAndHangUp, ProviderAnswer::AcceptAndHangUp]);
    for _ in 0..2 {
        assert!(world.inbound.handle(&start).await.is_err(), "nobody knows whether the reply was taken");
        world.pass(60);
    }
    world.inbound.handle(&start).await.unwrap();
    assert!(!world.store().is_stopped(&number(ADA)).await.unwrap());
    assert_eq!(world.sent().len(), 2);
}

/// P1: a stranger's STOP is kept for whoever gives that number later, and costs nothing.
#[tokio::test]
async fn p1_a_stranger_is_not_answered_and_never_texted() {
    let world = world().await;
    for (words, id) in [("STOP", 1), ("HELP", 2)] {
        world.inbound.handle(&answer(BOB, words, id, world.now())).await.unwrap();
    }
    assert!(world.sent().is_empty());
    assert!(world.store().is_stopped(&number(BOB)).await.unwrap());
}

#[tokio::test]
async fn a_receipt_is_kept_and_what_is_neither_is_refused() {
    let world = world().await;
    let receipt = json!({
        "eventType": "TEXT_CARRIER_UNREACHABLE", "eventVersion": "1.0", "eventTimestamp": 1_686_975_103_470_i64,
        "isFinal": true, "destinationPhoneNumber": ADA, "messageId": "862a8790", "messageStatus": "CARRIER_UNREACHABLE",
    });
    world.inbound.handle(&notification(world.now(), receipt)).await.unwrap();
    let item = world.item("TEXT#862a8790", "TEXT").await.unwrap();
    assert_eq!(item["final_status"].as_s().unwrap(), "CARRIER_UNREACHABLE");
    for other in [
        json!({}),
        json!({ "messageBody": "STOP" }),
        json!("STOP"),
        json!({ "originationNumber": "x", "messageBody": "STOP", "inboundMessageId": "1" }),
    ] {
        assert!(serde_json::from_value::<crate::inbound::Told>(other).is_err());
    }
}
