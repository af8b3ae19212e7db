//! Paying, through the front door: B1–B5, I4, N2, N5. The provider is the platform's own.

use serde_json::{Value, json};
use tests::{Person, Platform, until};

use crate::ledger::Ledger;

const CARD: &str = "4242424242424242";

async fn subscription(person: &Person) -> Value {
    person.client.get("/api/billing/subscription").expect(200).await.json()
}

/// Waits until the app says this of the subscription.
async fn wait_for(person: &Person, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(what, async || Some(subscription(person).await).filter(|it| is_so(it))).await
}

/// The id of a price that is shown.
async fn price(platform: &Platform, plan: &str, interval: &str) -> String {
    let plans = platform.client().get("/api/billing/plans").expect(200).await.json();
    let plans = plans["plans"].as_array().expect("plans").iter();
    let mut prices =
        plans.filter(|it| it["plan"] == plan).flat_map(|it| it["prices"].as_array().expect("prices"));
    let price = prices.find(|it| it["interval"] == interval).expect("a price");
    price["id"].as_str().expect("an id").to_owned()
}

async fn check_out(person: &Person, price: &str) -> String {
    let answer = person.client.post_json("/api/billing/checkout", json!({ "price": price }), 201).await;
    answer.json()["url"].as_str().expect("a place").to_owned()
}

/// Pays on the provider's page.
async fn pay(platform: &Platform, url: &str) {
    let path = url.strip_prefix(platform.origin()).expect("a page of the platform's").to_owned();
    platform.client().post_json(&format!("{path}/pay"), json!({ "number": CARD }), 200).await;
}

async fn payments(platform: &Platform) -> Value {
    platform.console.client().get("/_local/payments").expect(200).await.json()
}

async fn switch(platform: &Platform, switches: Value) {
    platform.console.client().put("/_local/payments/switches").json(switches).expect(200).await;
}

async fn portal(platform: &Platform, person: &Person, action: &str, body: Value) {
    let answer = person.client.post_json("/api/billing/portal", json!({}), 201).await.json();
    let url = answer["url"].as_str().expect("a place").to_owned();
    let path = url.strip_prefix(platform.origin()).expect("a page of the platform's").to_owned();
    platform.client().post_json(&format!("{path}/{action}"), body, 200).await;
}

/// B3 B5: from the table of plans to what it opens, and to its end.
#[tokio::test]
async fn b3_b5_what_is_paid_for_is_open_and_nothing_before() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let activity = ada.client.get("/api/me/activity").expect(200).await.json();
    assert_eq!((&activity["history_days"], &activity["older_hidden"]), (&json!(7), &json!(false)));
    assert_eq!(subscription(&ada).await["status"], "none");

    let business = price(&platform, "business", "month").await;
    let url = check_out(&ada, &business).await;
    assert_eq!(subscription(&ada).await["status"], "none", "a checkout grants nothing");
    pay(&platform, &url).await;
    let told = wait_for(&ada, "the plan", |it| it["status"] == "active").await;
    assert_eq!((&told["plan"], &told["price"]["amount"]), (&json!("business"), &json!(4900)));
    assert_eq!(told["entitlements"], json!({ "activity_history_days": null, "seats": null }));
    let activity = ada.client.get("/api/me/activity").expect(200).await.json();
    assert_eq!(activity["history_days"], Value::Null);
    let invoices = ada.client.get("/api/billing/invoices").expect(200).await.json();
    assert_eq!(
        (&invoices["invoices"][0]["status"], &invoices["invoices"][0]["amount"]),
        (&json!("paid"), &json!(4900))
    );

    let pro = price(&platform, "pro", "month").await;
    portal(&platform, &ada, "plan", json!({ "price": pro })).await;
    wait_for(&ada, "the other plan", |it| it["plan"] == "pro").await;
    portal(&platform, &ada, "cancel", json!({})).await;
    let told = wait_for(&ada, "the end", |it| !it["cancel_at"].is_null()).await;
    assert_eq!((&told["status"], &told["entitlements"]["seats"]), (&json!("active"), &json!(5)));
    portal(&platform, &ada, "resume", json!({})).await;
    wait_for(&ada, "no end", |it| it["cancel_at"].is_null()).await;

    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).expect("a user"));
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!((count("subscription.started"), count("subscription.changed")), (1, 3), "{events:?}");
    assert_eq!(count("billing.notified"), 0, "the provider's news are no part of her history");
    assert_eq!(platform.console.dead_letters().await.len(), 0);
}

/// B4 I4: whatever is clicked, one subscription is bought.
#[tokio::test]
async fn b4_i4_two_tabs_a_double_click_and_retries_buy_one_subscription() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let (pro, business) =
        (price(&platform, "pro", "year").await, price(&platform, "business", "month").await);
    let click = async |key: Option<&str>| {
        let request = ada.client.post("/api/billing/checkout").json(json!({ "price": business }));
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        request.send().await
    };
    let answers = tokio::join!(click(Some("a")), click(Some("a")), click(Some("b")), click(None));
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let mut urls: Vec<String> = Vec::new();
    for answer in &answers {
        match answer.code() {
            201 => urls.push(answer.json()["url"].as_str().expect("a place").to_owned()),
            _ => assert_eq!(answer.problem()["type"], "/problems/idempotency-in-flight"),
        }
    }
    let retried = click(Some("a")).await;
    assert_eq!(retried.code(), 201, "{retried}");
    urls.push(retried.json()["url"].as_str().expect("a place").to_owned());
    urls.dedup();
    assert_eq!(urls.len(), 1, "{urls:?}");
    ada.client
        .post("/api/billing/checkout")
        .header("idempotency-key", "a")
        .json(json!({ "price": pro }))
        .expect_problem(422, "idempotency-key-reused")
        .await;

    // Another price closes what was open: only one of the pages takes money.
    let second = check_out(&ada, &pro).await;
    let path = urls[0].strip_prefix(platform.origin()).expect("a page").to_owned();
    let paid = platform.client().post(&format!("{path}/pay")).json(json!({ "number": CARD })).send().await;
    assert_eq!(paid.code(), 409, "{paid}");
    // No webhook comes, and yet nothing is sold twice.
    switch(&platform, json!({ "drop": true })).await;
    pay(&platform, &second).await;
    for price in [&pro, &business] {
        let again = ada.client.post("/api/billing/checkout").json(json!({ "price": price }));
        again.expect_problem(409, "already-subscribed").await;
    }
    assert_eq!(payments(&platform).await["subscriptions"].as_array().expect("subscriptions").len(), 1);
    assert_eq!(subscription(&ada).await["plan"], "pro", "having looked, the app knows");
}

/// B1: who has no secret is told so, and nothing is written.
#[tokio::test]
async fn b1_a_forged_webhook_is_refused_and_writes_nothing() {
    let platform = Platform::start().await;
    let body = json!({ "id": "evt_forged", "type": "customer.subscription.created",
        "data": { "object": { "id": "sub_1", "customer": "cus_1" } } });
    let forged = format!("t={},v1={}", jiff::Timestamp::now().as_second(), "0".repeat(64));
    for signature in [None, Some("t=1,v1=00"), Some(forged.as_str())] {
        let request = platform.client();
        let request = request.post("/api/billing/webhook").without_cookies().json(body.clone());
        let request = match signature {
            Some(signature) => request.header("stripe-signature", signature),
            None => request,
        };
        request.expect_problem(400, "invalid-signature").await;
    }
    assert_eq!(platform.console.items("WEBHOOK#").await.len(), 0);
}

/// B2 B5 N5: the provider's news come twice, late, in any order, or never.
#[tokio::test]
async fn b2_b5_n5_lost_doubled_and_reordered_webhooks_end_in_the_providers_state() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let (pro, business) =
        (price(&platform, "pro", "month").await, price(&platform, "business", "month").await);
    switch(&platform, json!({ "duplicate": true, "reorder": true, "delay_ms": 50 })).await;
    pay(&platform, &check_out(&ada, &business).await).await;
    wait_for(&ada, "the plan", |it| it["plan"] == "business").await;
    until("every webhook, twice", async || {
        let webhooks = payments(&platform).await["webhooks"].as_array().expect("webhooks").clone();
        webhooks.iter().all(|it| it["status"] == "delivered" && it["next_attempt_at"].is_null()).then_some(())
    })
    .await;
    Ledger::settled(&platform).await;

    // Never: the walk finds it.
    switch(&platform, json!({ "duplicate": false, "reorder": false, "delay_ms": 0, "drop": true })).await;
    portal(&platform, &ada, "plan", json!({ "price": pro })).await;
    portal(&platform, &ada, "cancel", json!({})).await;
    platform.console.drained().await;
    assert_eq!(subscription(&ada).await["plan"], "business");
    platform.console.run_schedule("billing-reconcile").await;
    let told = subscription(&ada).await;
    assert_eq!(told["plan"], "pro");
    assert!(!told["cancel_at"].is_null(), "{told}");

    // All that was lost comes at last, the newest first: nothing goes back.
    let lost = payments(&platform).await["webhooks"].as_array().expect("webhooks").clone();
    for webhook in lost.iter().filter(|webhook| webhook["status"] == "dropped") {
        let id = webhook["id"].as_str().expect("an id");
        platform
            .console
            .client()
            .post_json(&format!("/_local/payments/webhooks/{id}/resend"), json!({}), 200)
            .await;
    }
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(subscription(&ada).await, told);
    let events = ledger.events_of(&ledger.user_of(&ada.email).expect("a user"));
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!((count("subscription.started"), count("subscription.changed")), (1, 1), "{events:?}");
    assert_eq!(platform.console.dead_letters().await.len(), 0);
}

/// N2 N5: the provider does what it is asked for and never says so; the platform is killed when money has been paid.
#[tokio::test]
async fn n5_a_lost_answer_and_a_killed_platform_leave_what_was_paid() {
    let mut platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let business = price(&platform, "business", "month").await;
    platform.console.set(json!({ "faults": { "payments": "accept_then_timeout" } })).await;
    let unanswered = ada.client.post("/api/billing/checkout").json(json!({ "price": business }));
    unanswered.header("idempotency-key", "a").expect_problem(503, "unavailable").await;
    platform.console.set(json!({ "faults": { "payments": "ok" } })).await;
    let url = check_out(&ada, &business).await;
    let made = payments(&platform).await;
    assert_eq!(made["customers"].as_array().expect("customers").len(), 1);
    assert_eq!(made["checkouts"].as_array().expect("checkouts").len(), 1);

    switch(&platform, json!({ "delay_ms": 300 })).await;
    pay(&platform, &url).await;
    platform.kill_and_restart().await;
    wait_for(&ada, "the plan", |it| it["plan"] == "business").await;
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).expect("a user"));
    assert_eq!(events.iter().filter(|event| *event == "subscription.started").count(), 1, "{events:?}");
}
