//! Domain events become texts.

use shared::delivery::{Failure, SendError};
use shared::event::{Event, PasswordChange};
use shared::id::{SessionId, WorkspaceId};
use shared::limit::TEXT_SENT_TO_NUMBER;
use shared::money::Money;
use shared::preference::Preferences;
use shared::store::Receipt;

use super::provider::Answer;
use super::*;

fn new_device(world: &World) -> Event {
    let session_id = SessionId::new(world.now(), &world.sms.random);
    Event::SessionStarted { session_id, device: "Firefox on Linux".to_owned(), new_device: true }
}

/// P2
#[tokio::test]
async fn p2_a_code_is_sent_once_and_shows_that_the_number_is_the_users() {
    let world = world().await;
    let user = world.user("ada").await;
    let event = world.request(user, ADA).await;
    world.notifier.handle(&event).await.unwrap();
    let sent = world.sent();
    assert_eq!((sent.len(), sent[0].to.as_str(), sent[0].kind.as_str()), (1, ADA, "Transactional"));
    assert!(sent[0].body.ends_with(&format!("\n\n@app.example #{}", sent[0].code())), "{}", sent[0].body);
    assert_eq!(world.confirm(user, &sent[0].code()).await, 204);
    assert_eq!(world.store().phone(user).await.unwrap().unwrap().number, number(ADA));
}

/// V2
#[tokio::test]
async fn v2_an_event_that_is_delivered_again_sends_nothing() {
    let world = world().await;
    let user = world.user("ada").await;
    let event = world.request(user, ADA).await;
    for _ in 0..3 {
        world.notifier.handle(&event).await.unwrap();
        world.pass(60);
    }
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        world.confirm(user, &sent[0].code()).await,
        204,
        "the code that was sent is the one that counts"
    );
}

/// V2
#[tokio::test]
async fn v2_of_deliveries_at_once_one_sends() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let event = world.event(user, new_device(&world));
    let deliveries = (0..8).map(|_| {
        let (notifier, event) = (world.notifier.clone(), event.clone());
        tokio::spawn(async move { notifier.handle(&event).await })
    });
    for delivery in deliveries.collect::<Vec<_>>() {
        let outcome = delivery.await.unwrap();
        assert!(matches!(outcome, Ok(()) | Err(Failure::Held)), "{outcome:?}");
    }
    assert_eq!(world.sent().len(), 1);
}

/// P2: of two that were asked for the newer one counts, in whichever order they are sent.
#[tokio::test]
async fn p2_a_newer_request_makes_the_older_worth_nothing() {
    let world = world().await;
    let user = world.user("ada").await;
    let (older, newer) = (world.request(user, ADA).await, world.request(user, BOB).await);
    for event in [&newer, &older] {
        world.notifier.handle(event).await.unwrap();
    }
    let sent = world.sent();
    assert_eq!(sent.iter().map(|text| text.to.as_str()).collect::<Vec<_>>(), [BOB]);
    assert_eq!(world.confirm(user, &sent[0].code()).await, 204);
}

/// P2: none before the address is verified, and none that nobody waits for any more.
#[tokio::test]
async fn p2_no_code_is_sent_before_the_address_is_verified_or_after_its_time() {
    let world = world().await;
    let user = world.user("ada").await;
    let late = world.request(user, ADA).await;
    world.pass(5 * 60);
    world.notifier.handle(&late).await.unwrap();
    assert!(world.sent().is_empty());

    let stranger = world.unverified("eve").await;
    let event = world.event(stranger, Event::PhoneVerificationRequested {});
    let request = PhoneRequest {
        number: number(BOB),
        country: "DE".parse().unwrap(),
        event_id: event.id,
        asked_at: event.time,
        dies_at: event.time + CODE_LIFE,
        code_hash: None,
        tries: 0,
    };
    assert!(world.store().request_phone(&request, &event).await.is_err(), "the table refuses it");
    world.put_request(stranger, &request).await;
    world.notifier.handle(&event).await.unwrap();
    assert!(world.sent().is_empty(), "and so does whoever sends");
}

/// N4
#[tokio::test]
async fn n4_what_was_certainly_refused_is_sent_however_often_it_takes() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let event = world.event(user, new_device(&world));
    let refusals = [
        Answer::Refuse(429, "Throttled"),
        Answer::Refuse(400, "InvalidParameter"),
        Answer::Refuse(403, "OptedOut"),
    ];
    world.provider.will(refusals.into_iter().cycle().take(6));
    for _ in 0..6 {
        let failure = world.notifier.handle(&event).await.unwrap_err();
        assert!(matches!(failure, Failure::Unsent(SendError::Refused(_))), "{failure}");
        assert!(!failure.to_string().contains("49"), "the provider's words name the number: {failure}");
    }
    world.notifier.handle(&event).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

/// N4
#[tokio::test]
async fn n4_what_may_have_been_sent_is_sent_once_more_at_most() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let event = world.event(user, new_device(&world));
    world.provider.will([Answer::AcceptAndHangUp, Answer::AcceptAndHangUp]);
    let failure = world.notifier.handle(&event).await.unwrap_err();
    assert!(matches!(failure, Failure::Unsent(SendError::Unknown(_))), "{failure}");
    assert!(
        matches!(world.notifier.handle(&event).await, Err(Failure::Held)),
        "the first may still be at it"
    );
    world.pass(30);
    assert!(matches!(world.notifier.handle(&event).await, Err(Failure::Unsent(SendError::Unknown(_)))));
    for _ in 0..3 {
        world.pass(30);
        assert!(matches!(world.notifier.handle(&event).await, Err(Failure::GivenUp)));
    }
    assert_eq!(world.sent().len(), 2);
}

/// N4 P2: a second code after a lost answer takes the place of the first, whichever text arrives.
#[tokio::test]
async fn n4_a_code_whose_answer_was_lost_is_replaced_by_the_second() {
    let world = world().await;
    let user = world.user("ada").await;
    let event = world.request(user, ADA).await;
    world.provider.will([Answer::AcceptAndHangUp]);
    world.notifier.handle(&event).await.unwrap_err();
    world.pass(30);
    world.notifier.handle(&event).await.unwrap();
    let sent = world.sent();
    assert_eq!(sent.len(), 2);
    if sent[0].code() != sent[1].code() {
        assert_eq!(world.confirm(user, &sent[0].code()).await, 422);
    }
    assert_eq!(world.confirm(user, &sent[1].code()).await, 204);
}

#[tokio::test]
async fn an_answer_of_5xx_says_nothing_and_one_of_4xx_says_no() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let event = world.event(user, new_device(&world));
    world.provider.will([Answer::Refuse(500, "InternalFailure"), Answer::Refuse(403, "AuthorizationError")]);
    assert!(matches!(world.notifier.handle(&event).await, Err(Failure::Unsent(SendError::Unknown(_)))));
    world.pass(30);
    assert!(matches!(world.notifier.handle(&event).await, Err(Failure::Unsent(SendError::Refused(_)))));
}

/// Each kind of text, by what the user chose.
#[tokio::test]
async fn what_the_user_asked_for_is_texted_and_nothing_else() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let workspace_id = WorkspaceId::new(world.now(), &world.sms.random);
    let amount = Money { minor_units: 1200, currency: "usd".parse().unwrap() };
    let (invoice_id, next_attempt_at) = ("in_1".to_owned(), None);
    let security =
        [new_device(&world), Event::PasswordChanged { by: PasswordChange::Change }, Event::EmailChanged {}];
    let billing = [
        Event::PaymentFailed { workspace_id, invoice_id: invoice_id.clone(), amount, next_attempt_at },
        Event::SubscriptionEnded { workspace_id },
    ];
    let others = [
        Event::UserRenamed {},
        Event::InvoicePaid { workspace_id, invoice_id, amount },
        Event::PhoneAdded {},
        Event::TextsStopped {},
        Event::PreferencesChanged {},
    ];
    let choose = async |security_text, billing_text| {
        let chosen = Preferences { security_text, billing_text, ..Preferences::default() };
        let event = world.event(user, Event::PreferencesChanged {});
        world.store().set_preferences(chosen, &event).await.unwrap();
    };
    let texted = async |events: &[Event]| {
        world.provider.forget();
        for event in events {
            world.tell(user, event.clone()).await.unwrap();
        }
        world.sent().len()
    };
    // Until they choose: warnings.
    assert_eq!((texted(&security).await, texted(&billing).await, texted(&others).await), (3, 0, 0));
    choose(false, true).await;
    assert_eq!((texted(&security).await, texted(&billing).await, texted(&others).await), (0, 2, 0));
    choose(false, false).await;
    assert_eq!((texted(&security).await, texted(&billing).await), (0, 0));
    choose(true, true).await;
    let event = world.event(user, Event::PhoneRemoved {});
    world.store().remove_phone(user, &event).await.unwrap();
    assert_eq!((texted(&security).await, texted(&billing).await), (0, 0));
}

/// P1
#[tokio::test]
async fn p1_a_number_that_answered_stop_gets_no_text_and_no_code() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let event = |user| world.event(user, Event::TextsStopped {});
    world.store().hear(&number(ADA), true, world.now(), event).await.unwrap();
    world.store().hear(&number(BOB), true, world.now(), event).await.unwrap();
    world.tell(user, new_device(&world)).await.unwrap();
    let asked = world.request(user, BOB).await;
    world.notifier.handle(&asked).await.unwrap();
    assert!(world.sent().is_empty());
}

/// P1: a country that is not allowed any more gets nothing more either.
#[tokio::test]
async fn p1_texts_go_to_allowed_countries_only() {
    let mut world = world().await;
    let user = world.with_phone("ada", ADA).await;
    world.notifier.countries = "US".parse().unwrap();
    world.tell(user, new_device(&world)).await.unwrap();
    let asked = world.request(user, BOB).await;
    world.notifier.handle(&asked).await.unwrap();
    assert!(world.sent().is_empty());
}

/// P1: what is texted to users with a number goes on while codes are paused.
#[tokio::test]
async fn p1_an_open_breaker_stops_codes_and_nothing_else() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let asked = world.request(user, BOB).await;
    let alike: Vec<_> = (0..8).map(|last| number(&format!("{}{last:04}", &BOB[..BOB.len() - 4]))).collect();
    for number in &alike {
        let asker = UserId::new(world.now(), &world.sms.random);
        world.store().watch_range(asker, number, world.now()).await.unwrap();
    }
    assert!(world.store().breaker(&number(BOB), world.now()).await.unwrap().is_some());
    world.notifier.handle(&asked).await.unwrap();
    assert!(world.sent().is_empty());
    world.tell(user, new_device(&world)).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

/// E4
#[tokio::test]
async fn e4_a_number_gets_so_many_of_a_text_in_an_hour_and_no_kind_uses_up_another() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    world.pass(60 * 60);
    for _ in 0..TEXT_SENT_TO_NUMBER.max + 5 {
        world.tell(user, new_device(&world)).await.unwrap();
    }
    assert_eq!(world.sent().len(), TEXT_SENT_TO_NUMBER.max as usize);
    world.tell(user, Event::EmailChanged {}).await.unwrap();
    assert_eq!(world.sent().len(), TEXT_SENT_TO_NUMBER.max as usize + 1);
    world.pass(60 * 60);
    world.tell(user, new_device(&world)).await.unwrap();
    assert_eq!(world.sent().len(), TEXT_SENT_TO_NUMBER.max as usize + 2);
}

/// E4
#[tokio::test]
async fn e4_past_the_overall_budget_texts_wait_in_the_queue() {
    let mut world = world().await;
    let (ada, bob) = (world.with_phone("ada", ADA).await, world.with_phone("bob", BOB).await);
    world.pass(60 * 60);
    world.notifier.delivery.overall.max = 2;
    for event in [new_device(&world), Event::EmailChanged {}] {
        world.tell(ada, event).await.unwrap();
    }
    let event = world.event(bob, new_device(&world));
    for _ in 0..3 {
        assert!(matches!(world.notifier.handle(&event).await, Err(Failure::BudgetSpent)));
    }
    assert_eq!(world.sent().len(), 2);
    world.pass(60 * 60);
    world.notifier.handle(&event).await.unwrap();
    assert_eq!(world.sent().last().unwrap().to, BOB);
}

/// Nothing goes from Amazon's own service to a number of fiction, and the event is done all the same.
#[tokio::test]
async fn a_number_of_fiction_is_sent_nothing_that_costs() {
    let mut world = world().await;
    let user = world.with_phone("ada", "+447700900123").await;
    let elsewhere = world.notifier.texter.clone();
    let credentials = Credentials::from_keys("test", "test", None);
    // As in the cloud: no endpoint but the region's own. Were it called, the test would have no answer.
    let amazon = Aws::new("us-east-1".to_owned(), credentials, Endpoints::default());
    world.notifier.texter = Texter::new(&amazon);
    let event = world.event(user, new_device(&world));
    world.notifier.handle(&event).await.unwrap();
    world.notifier.texter = elsewhere;
    world.notifier.handle(&event).await.unwrap();
    assert!(world.sent().is_empty());
    world.tell(user, new_device(&world)).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

/// V2: what a receipt says is kept, whether it comes before or after it is known what the text was for.
#[tokio::test]
async fn v2_a_text_and_its_receipts_find_each_other_in_any_order() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let receipt = |status: &str, is_final, at| Receipt {
        // The first was the code.
        message_id: "00000000-0000-4000-8000-000000000001".to_owned(),
        status: status.to_owned(),
        is_final,
        at: Timestamp::from_millisecond(at).unwrap(),
    };
    let early = receipt("QUEUED", false, 1);
    assert!(world.store().note_receipt(&early, world.now()).await.unwrap());
    world.tell(user, new_device(&world)).await.unwrap();
    assert_eq!(world.sent()[0].message_id, early.message_id);
    let last = receipt("DELIVERED", true, 5);
    assert!(world.store().note_receipt(&last, world.now()).await.unwrap());
    assert!(!world.store().note_receipt(&last, world.now()).await.unwrap(), "twice is once");
    assert!(!world.store().note_receipt(&receipt("SENT", true, 2), world.now()).await.unwrap(), "late");
    let item = world.item(&format!("TEXT#{}", early.message_id), "TEXT").await.unwrap();
    let text = |name: &str| item[name].as_s().unwrap().clone();
    assert_eq!(text("final_status"), "DELIVERED");
    assert_eq!(text("latest_status"), "QUEUED");
    assert_eq!(text("event_type"), "session.started");
    assert_eq!(text("user_id"), user.to_string());
    assert!(!format!("{item:?}").contains("4915112345678"), "K2");
}
