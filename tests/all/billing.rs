//! Paying, through the front door: B1–B5, I4, N2, N5, K2. The provider is the platform's own.

use std::fs;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use tests::person::PASSWORD;
use tests::{Person, Platform, Response, until};
use tokio::runtime::Runtime;

use crate::ledger::{Ledger, subjects};
use crate::privacy::places;

/// A card that can be charged.
pub(crate) const CARD: &str = "4242424242424242";

/// A card that can be kept, and that every charge of fails.
pub(crate) const FAILING_CARD: &str = "4000000000000341";

/// A card that is refused at once.
const DECLINED_CARD: &str = "4000000000000002";

const DAY: i64 = 24 * 60 * 60;

pub(crate) async fn subscription(person: &Person) -> Value {
    person.client.get("/api/billing/subscription").expect(200).await.json()
}

/// Waits until the app says this of the subscription.
pub(crate) async fn wait_for(person: &Person, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(what, async || Some(subscription(person).await).filter(|it| is_so(it))).await
}

/// The id of a price that is shown.
pub(crate) async fn price(platform: &Platform, plan: &str, interval: &str) -> String {
    let plans = platform.client().get("/api/billing/plans").expect(200).await.json();
    let plans = plans["plans"].as_array().expect("plans").iter();
    let mut prices =
        plans.filter(|it| it["plan"] == plan).flat_map(|it| it["prices"].as_array().expect("prices"));
    let price = prices.find(|it| it["interval"] == interval).expect("a price");
    price["id"].as_str().expect("an id").to_owned()
}

pub(crate) async fn check_out(person: &Person, price: &str) -> String {
    let answer = person.client.post_json("/api/billing/checkout", json!({ "price": price }), 201).await;
    answer.json()["url"].as_str().expect("a place").to_owned()
}

/// The path of a page of the provider's.
fn page<'a>(platform: &Platform, url: &'a str) -> &'a str {
    url.strip_prefix(platform.origin()).expect("a page of the platform's")
}

/// Pays on the provider's page.
pub(crate) async fn pay(platform: &Platform, url: &str) {
    let path = page(platform, url);
    platform.client().post_json(&format!("{path}/pay"), json!({ "number": CARD }), 200).await;
}

/// The provider's books, the newest first.
pub(crate) async fn payments(platform: &Platform) -> Value {
    platform.console.client().get("/_local/payments?limit=2000").expect(200).await.json()
}

/// All of a kind in the provider's books.
pub(crate) async fn booked(platform: &Platform, kind: &str) -> Vec<Value> {
    payments(platform).await[kind].as_array().expect("a list").clone()
}

/// Lets time pass at the provider.
pub(crate) async fn pass(platform: &Platform, days: i64) {
    let clock = json!({ "advance_seconds": days * DAY });
    platform.console.client().post_json("/_local/payments/clock", clock, 200).await;
}

/// Waits until the provider has no webhook to send, and all that follows from them is done.
async fn told(platform: &Platform) {
    until("every webhook", async || {
        let webhooks = booked(platform, "webhooks").await;
        webhooks.iter().all(|it| it["next_attempt_at"].is_null()).then_some(())
    })
    .await;
    Ledger::settled(platform).await;
}

async fn switch(platform: &Platform, switches: Value) {
    platform.console.client().put("/_local/payments/switches").json(switches).expect(200).await;
}

pub(crate) async fn portal(platform: &Platform, person: &Person, action: &str, body: Value) {
    let done = try_portal(platform, person, action, body).await;
    assert_eq!(done.code(), 200, "{done}");
}

async fn try_portal(platform: &Platform, person: &Person, action: &str, body: Value) -> Response {
    let answer = person.client.post_json("/api/billing/portal", json!({}), 201).await.json();
    let path = page(platform, answer["url"].as_str().expect("a place"));
    platform.client().post(&format!("{path}/{action}")).json(body).send().await
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

/// V2: who moves to another address, or is called something else, is so at the provider.
#[tokio::test]
async fn v2_the_provider_writes_to_the_address_of_now() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    check_out(&ada, &price(&platform, "pro", "month").await).await;
    let known = async || {
        let customer = booked(&platform, "customers").await.remove(0);
        (customer["email"].clone(), customer["name"].clone())
    };
    assert_eq!(known().await, (json!(ada.email), json!("Ada")));
    ada.client.patch("/api/me").json(json!({ "name": "Countess" })).expect(200).await;
    Ledger::settled(&platform).await;
    assert_eq!(known().await, (json!(ada.email), json!("Countess")));
    let new = "countess@example.com";
    ada.client.put("/api/auth/email").json(json!({ "email": new, "password": PASSWORD })).expect(202).await;
    let token = platform.inbox.wait_for(new, "Confirm your new").await.token("/confirm-email");
    platform.client().post_json("/api/auth/email/confirm", json!({ "token": token }), 204).await;
    Ledger::settled(&platform).await;
    assert_eq!(known().await, (json!(new), json!("Countess")));
    assert_eq!(booked(&platform, "customers").await.len(), 1);
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
    assert_eq!(booked(&platform, "subscriptions").await.len(), 1);
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
    told(&platform).await;
    let webhooks = booked(&platform, "webhooks").await;
    let twice = |it: &Value| it["attempts"].as_array().is_some_and(|attempts| attempts.len() == 2);
    assert!(webhooks.iter().all(|it| it["status"] == "delivered" && twice(it)), "{webhooks:#?}");

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
    let lost = booked(&platform, "webhooks").await;
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

/// Something that happens, or that goes wrong with what is told of it. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    /// A plan is bought, or changed for another.
    Choose(usize),
    Cancel,
    Resume,
    /// A card that can be charged is kept, or one that cannot.
    Card(bool),
    /// So many days pass.
    Pass(i64),
    /// From now on what is told comes so.
    Switch(Switches),
    /// A webhook is sent by hand, whatever became of it before.
    Resend(usize),
}

#[derive(Debug, Clone)]
struct Switches {
    duplicate: bool,
    reorder: bool,
    delay_ms: u64,
    drop: bool,
}

/// How it ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// What was dropped is sent at last, the newest first.
    Sent,
    /// What was dropped is lost. Then the ledger is walked through.
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    let place = 0..1000_usize;
    let switches = (any::<bool>(), any::<bool>(), 0..300_u64, any::<bool>());
    prop_oneof![
        4 => place.clone().prop_map(Step::Choose),
        2 => Just(Step::Cancel),
        1 => Just(Step::Resume),
        2 => any::<bool>().prop_map(Step::Card),
        3 => (1..40_i64).prop_map(Step::Pass),
        4 => switches.prop_map(|(duplicate, reorder, delay_ms, drop)| {
            Step::Switch(Switches { duplicate, reorder, delay_ms, drop })
        }),
        2 => place.prop_map(Step::Resend),
    ]
}

const NO_SWITCHES: Switches = Switches { duplicate: false, reorder: false, delay_ms: 0, drop: false };

/// How many courses of events are taken, the same each time, each on a platform of its own, unless `PROPTEST_CASES` asks
/// for so many others. In the
/// function itself, where one takes a hundredth of the time, more orders are tried
/// (`functions/billing/src/tests/permutations.rs`).
const COURSES: u32 = 32;

/// B2 B5 N5: the provider's own webhooks, of whatever happens to a subscription within months.
#[test]
fn b2_b5_n5_whatever_happens_and_however_it_is_told_it_ends_as_the_ledger_has_it() {
    let runtime = Runtime::new().expect("a runtime");
    let given = Config::default();
    let are_others = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if are_others { given.cases } else { COURSES };
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(if are_others { fastrand::u64(..) } else { 0 }),
        seed @ RngSeed::Fixed(_) => seed,
    };
    eprintln!("PROPTEST_RNG_SEED={rng_seed}");
    // Each takes seconds: what fails is shown when it is a little shorter.
    let config = Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 20, ..given };
    let strategy = (proptest::collection::vec(step(), 1..10), prop_oneof![Just(End::Sent), Just(End::Lost)]);
    let outcome = TestRunner::new(config).run(&strategy, |(steps, end)| {
        runtime.block_on(async {
            let course = Course::new().await;
            for step in steps {
                course.take(step).await;
            }
            course.end(end).await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// A subscriber, and all that happens to what they pay for.
struct Course {
    platform: Platform,
    ada: Person,
}

impl Course {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let ada = Person::signed_in(&platform, "Ada").await;
        Self { platform, ada }
    }

    /// What counts of what the provider has sold her: it sells one at a time.
    async fn sold(&self) -> Option<Value> {
        booked(&self.platform, "subscriptions").await.into_iter().next()
    }

    async fn take(&self, step: Step) {
        let Self { platform, ada } = self;
        let prices = ["price_pro_month", "price_pro_year", "price_business_month", "price_business_year"];
        let sold = self.sold().await;
        let is_live = sold.as_ref().is_some_and(|it| it["status"] != "canceled");
        let done = match step {
            Step::Choose(which) if !is_live => {
                pay(platform, &check_out(ada, prices[which % prices.len()]).await).await;
                return;
            }
            Step::Choose(which) => {
                let price = prices[which % prices.len()];
                try_portal(platform, ada, "plan", json!({ "price": price })).await
            }
            Step::Cancel | Step::Resume | Step::Card(_) if !is_live => return,
            Step::Cancel => try_portal(platform, ada, "cancel", json!({})).await,
            Step::Resume => try_portal(platform, ada, "resume", json!({})).await,
            Step::Card(good) => {
                let number = if good { CARD } else { FAILING_CARD };
                try_portal(platform, ada, "card", json!({ "number": number })).await
            }
            Step::Pass(days) => return pass(platform, days).await,
            Step::Switch(switches) => return self.switch(&switches).await,
            Step::Resend(which) => {
                let webhooks = booked(platform, "webhooks").await;
                if !webhooks.is_empty() {
                    self.resend(&webhooks[which % webhooks.len()]).await;
                }
                return;
            }
        };
        // The provider may refuse it, as things are: a card that cannot be charged, say.
        assert!([200, 400, 402, 409].contains(&done.code()), "{done}");
    }

    async fn switch(&self, Switches { duplicate, reorder, delay_ms, drop }: &Switches) {
        let switches =
            json!({ "duplicate": duplicate, "reorder": reorder, "delay_ms": delay_ms, "drop": drop });
        switch(&self.platform, switches).await;
    }

    async fn resend(&self, webhook: &Value) {
        let path = format!("/_local/payments/webhooks/{}/resend", webhook["id"].as_str().expect("an id"));
        self.platform.console.client().post_json(&path, json!({}), 200).await;
    }

    async fn end(&self, end: End) {
        let Self { platform, ada } = self;
        self.switch(&NO_SWITCHES).await;
        told(platform).await;
        match end {
            End::Sent => {
                let webhooks = booked(platform, "webhooks").await;
                for webhook in webhooks.iter().filter(|webhook| webhook["status"] == "dropped") {
                    self.resend(webhook).await;
                }
            }
            End::Lost => assert_eq!(platform.console.run_schedule("billing-reconcile").await.status, "ok"),
        }
        let ledger = Ledger::settled(platform).await;
        let known = subscription(ada).await;
        assert_eq!(Standing::of_app(&known), self.sold().await.map(|sold| Standing::of_provider(&sold)));

        // Each beginning and each end was told once, and in turn.
        let events = ledger.events_of(&ledger.user_of(&ada.email).expect("a user"));
        let mut running = false;
        for event in &events {
            match event.as_str() {
                "subscription.started" => assert!(!std::mem::replace(&mut running, true), "{events:?}"),
                "subscription.ended" => assert!(std::mem::replace(&mut running, false), "{events:?}"),
                _ => {}
            }
        }
        let is_running = !["none", "canceled"].contains(&known["status"].as_str().expect("a status"));
        assert_eq!(running, is_running, "{events:?}");
        let paid = booked(platform, "invoices").await;
        let paid = paid.iter().filter(|it| it["amount_paid"].as_i64().is_some_and(|paid| paid > 0)).count();
        let receipts = events.iter().filter(|event| *event == "invoice.paid").count();
        match end {
            End::Sent => assert_eq!(receipts, paid, "{events:?}"),
            End::Lost => assert!(receipts <= paid, "{receipts} of {paid}: {events:?}"),
        }
        assert_eq!(platform.console.dead_letters().await.len(), 0);
    }
}

/// What there is to know of a subscription, whoever says it.
#[derive(Debug, PartialEq)]
struct Standing {
    status: String,
    /// Of what is not over.
    price: Option<String>,
    period_end: Option<Timestamp>,
    trial_end: Option<Timestamp>,
    cancel_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl Standing {
    fn of_app(told: &Value) -> Option<Self> {
        let status = told["status"].as_str().expect("a status").to_owned();
        (status != "none").then(|| Self {
            status,
            price: told["price"]["id"].as_str().map(str::to_owned),
            period_end: time(&told["current_period_end"]),
            trial_end: time(&told["trial_end"]),
            cancel_at: time(&told["cancel_at"]),
            ended_at: time(&told["ended_at"]),
        })
    }

    fn of_provider(sold: &Value) -> Self {
        let status = sold["status"].as_str().expect("a status").to_owned();
        let is_live = status != "canceled";
        let live = |name: &str| time(&sold[name]).filter(|_| is_live);
        Self {
            price: sold["price"].as_str().filter(|_| is_live).map(str::to_owned),
            period_end: live("period_end"),
            trial_end: live("trial_end"),
            cancel_at: live("cancel_at"),
            ended_at: time(&sold["ended_at"]),
            status,
        }
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().expect("a time"))
}

/// B4 I4: every POST on the way is sent three times at once, and again when it was answered.
#[tokio::test]
async fn b4_i4_every_post_that_is_sent_again_buys_one_subscription() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    switch(&platform, json!({ "duplicate": true })).await;
    let body = json!({ "price": price(&platform, "business", "month").await });
    // The place that all are sent to.
    let post = async |path: &str, key: &str, body: &Value| {
        let once = || ada.client.post(path).header("idempotency-key", key).json(body.clone()).send();
        let at_once = tokio::join!(once(), once(), once());
        let mut places = Vec::new();
        for answer in [at_once.0, at_once.1, at_once.2] {
            match answer.code() {
                201 => places.push(answer.json()["url"].clone()),
                409 => assert_eq!(answer.problem()["type"], "/problems/idempotency-in-flight"),
                other => panic!("{other}: {answer}"),
            }
        }
        places.push(once().await.json()["url"].clone());
        assert!(places.iter().all(|place| place == &places[0] && place.is_string()), "{places:?}");
        places.remove(0).as_str().map(str::to_owned).expect("a place")
    };
    let url = post("/api/billing/checkout", "buy", &body).await;
    let page = page(&platform, &url);
    let click = || async {
        let path = format!("{page}/pay");
        platform.client().post(&path).json(json!({ "number": CARD })).expect(200).await.json()["url"].clone()
    };
    let paid = tokio::join!(click(), click(), click());
    assert!(paid.0 == paid.1 && paid.1 == paid.2 && paid.2 == click().await, "{paid:?}");
    wait_for(&ada, "the plan", |it| it["plan"] == "business").await;
    post("/api/billing/portal", "see", &json!({})).await;
    // A tab that was left open: the same answer, and no new page to pay on.
    assert_eq!(post("/api/billing/checkout", "buy", &body).await, url);
    let fresh = ada.client.post("/api/billing/checkout").json(body);
    fresh.expect_problem(409, "already-subscribed").await;
    told(&platform).await;

    for kind in ["customers", "checkouts", "subscriptions", "invoices"] {
        assert_eq!(booked(&platform, kind).await.len(), 1, "{kind}");
    }
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).expect("a user"));
    for kind in ["subscription.started", "invoice.paid"] {
        assert_eq!(events.iter().filter(|event| *event == kind).count(), 1, "{kind} in {events:?}");
    }
    let mails = subjects(&platform, &ada.email).await;
    assert_eq!((mails["Your receipt"], mails["Your subscription has started"]), (1, 1), "{mails:?}");
}

/// K2: of whoever pays there is nothing but ids and amounts in a log, a flow, an event or a dead letter, whatever went
/// wrong; and no place to pay at in a log, for whoever has it may use it.
#[tokio::test]
async fn k2_nothing_of_whoever_pays_is_in_a_log_a_flow_an_event_or_a_dead_letter() {
    let platform = Platform::start_with(json!({ "visibility_timeout_ms": 300 })).await;
    let ada = Person { name: "Wilhelmina Wavertree".to_owned(), ..Person::new(&platform, "Wilhelmina") };
    ada.sign_up().await;
    ada.verify(&platform).await;
    ada.sign_in().await;
    let business = price(&platform, "business", "month").await;
    let kept = |name: &str| {
        let file = platform.data().join("keys").join(name);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let secrets = ["billing-stripe-secret-key", "billing-webhook-secrets"].map(kept);
    let secrets = secrets.iter().flat_map(|text| text.split(['"', '[', ']', ',']));
    let mut secrets: Vec<String> =
        secrets.map(|it| it.trim().to_owned()).filter(|it| it.len() > 16).collect();
    assert_eq!(secrets.len(), 2);
    secrets.extend(["wilhelmina", "wavertree"].map(str::to_owned));
    secrets.extend([CARD, FAILING_CARD, DECLINED_CARD].map(str::to_owned));

    // The provider fails, refuses a key and a card, and takes one.
    platform.console.set(json!({ "faults": { "payments": "refuse" } })).await;
    ada.client.post("/api/billing/checkout").json(json!({ "price": business })).expect(503).await;
    platform.console.set(json!({ "faults": { "payments": "ok" } })).await;
    let url = check_out(&ada, &business).await;
    let page = page(&platform, &url);
    platform.client().post_json(&format!("{page}/pay"), json!({ "number": DECLINED_CARD }), 402).await;
    platform.console.set(json!({ "faults": { "payments": "refuse" } })).await;
    pay(&platform, &url).await;
    let dead = until("a dead letter of billing-sync", async || {
        platform.console.dead_letters().await.into_iter().find(|it| it.queue == "billing-sync")
    })
    .await;
    platform.console.set(json!({ "faults": { "payments": "ok" } })).await;
    platform.console.run_schedule("billing-reconcile").await;
    wait_for(&ada, "the plan", |it| it["plan"] == "business").await;
    portal(&platform, &ada, "card", json!({ "number": FAILING_CARD })).await;
    pass(&platform, 32).await;
    wait_for(&ada, "the failure", |it| it["status"] == "past_due").await;
    ada.client.get("/api/billing/invoices").expect(200).await;
    ada.client.get("/api/billing/invoices?cursor=in_none").expect(422).await;
    let told =
        json!({ "id": "evt_1", "type": "customer.created", "data": { "object": { "email": ada.email } } });
    let forged = platform.client();
    let forged = forged.post("/api/billing/webhook").header("stripe-signature", "t=1,v1=00").json(told);
    forged.expect(400).await;
    platform.inbox.wait_for(&ada.email, "Your payment failed").await;
    Ledger::settled(&platform).await;

    let ledger = Ledger::read(&platform).await;
    let kinds = [
        ("USER#", "EVENT#"),
        ("CUSTOMER#", ""),
        ("WEBHOOK#", ""),
        ("WORKSPACE#", "INVOICE#"),
        ("WORKSPACE#", "SUBSCRIPTION"),
        ("WORKSPACE#", "CHECKOUT"),
        ("EVENT#", ""),
        ("LIMIT#", ""),
    ];
    for (pk, sk) in kinds {
        assert!(!ledger.items(pk, sk).is_empty(), "{pk} {sk}");
    }
    let mut places = places(&platform, &ledger, &kinds).await;
    let logged = || places.iter().filter(|(place, _)| place.starts_with("the log of"));
    let is_told = |words: &str| logged().any(|(_, line)| line.contains(words));
    assert!(is_told("the payment provider failed"), "what failed is logged");
    assert!(!is_told("/_stripe/"), "a log has a place to pay at");
    places.push(("the dead letter".to_owned(), format!("{dead:?}")));
    for (place, content) in &places {
        let content = content.to_lowercase();
        for secret in &secrets {
            assert!(!content.contains(&secret.to_lowercase()), "{place} holds {secret:?}: {content}");
        }
    }
}
