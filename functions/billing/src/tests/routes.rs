use jiff::SignedDuration;
use serde_json::json;
use shared::limit::INVOICES_BY_USER;
use shared::plan::Plan;

use super::provider::Fault;
use super::*;

/// B3: names, prices and what they open are those of the provider's catalogue and of one table.
#[tokio::test]
async fn b3_plans_cost_what_the_provider_says() {
    let world = world().await;
    let request = Request::builder().uri("/api/billing/plans").body(Body::empty()).unwrap();
    let answer = answered(&world.routes, request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    assert_eq!(
        answer.body["plans"],
        json!([
            { "plan": "free", "name": "Free", "description": "For a look around, for as long as you like.",
              "entitlements": { "activity_history_days": 7, "seats": 1 }, "prices": [] },
            { "plan": "pro", "name": "The pro plan", "description": "pro it is",
              "entitlements": { "activity_history_days": 365, "seats": 5 },
              "prices": [
                { "id": "price_pro_month", "amount": 1200, "currency": "usd", "interval": "month", "trial_days": 14 },
                { "id": "price_pro_year", "amount": 12000, "currency": "usd", "interval": "year", "trial_days": null },
              ] },
            { "plan": "business", "name": "The business plan", "description": "business it is",
              "entitlements": { "activity_history_days": null, "seats": null },
              "prices": [
                { "id": "price_business_month", "amount": 4900, "currency": "usd", "interval": "month",
                  "trial_days": null },
              ] },
        ])
    );
    for _ in 0..3 {
        let request = Request::builder().uri("/api/billing/plans").body(Body::empty()).unwrap();
        answered(&world.routes, request).await;
    }
    let read =
        |world: &World| world.provider.ledger().calls.iter().filter(|it| it.contains("prices")).count();
    assert_eq!(read(&world), 1, "it is read once in five minutes");
    world.pass(301);
    let request = Request::builder().uri("/api/billing/plans").body(Body::empty()).unwrap();
    answered(&world.routes, request).await;
    assert_eq!(read(&world), 2);
}

#[tokio::test]
async fn without_a_subscription_the_plan_is_free() {
    let world = world().await;
    let person = world.person().await;
    let answer = world.get(&person, "/api/billing/subscription").await;
    assert_eq!(
        answer.body,
        json!({ "plan": "free", "status": "none", "price": null, "seats": 1, "current_period_end": null,
            "trial_end": null, "cancel_at": null, "ended_at": null, "grace_until": null,
            "entitlements": { "activity_history_days": 7, "seats": 1 }, "usage": { "seats": 1 } })
    );
    let portal = world.send(&person, "POST", "/api/billing/portal", None, "{}").await;
    assert_eq!((portal.status, portal.kind()), (StatusCode::CONFLICT, "/problems/not-subscribed"));
    let invoices = world.get(&person, "/api/billing/invoices").await;
    assert_eq!(invoices.body, json!({ "invoices": [], "next_cursor": null }));
}

/// B5: past due keeps the plan for a week from the first failure, whatever fails after it.
#[tokio::test]
async fn b5_a_payment_that_fails_leaves_a_week_of_grace() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    let id = {
        let mut ledger = world.provider.ledger();
        ledger.subscribe(&customer.id, "price_pro_month", false);
        let id = ledger.subscriptions[0].id.clone();
        ledger.now += 100;
        ledger.invoice(&id, 1200, false);
        ledger.now += 86_400;
        ledger.invoice(&id, 100, false);
        ledger.subscription(&id).status = "past_due";
        id
    };
    world.sync.customer(&customer, crate::sync::Reason::default()).await.unwrap();
    let told = world.get(&person, "/api/billing/subscription").await.body;
    let first_failure = Timestamp::from_second(1_800_000_000 + 100 + 3600).unwrap();
    let until = first_failure + SignedDuration::from_hours(7 * 24);
    assert_eq!(told["status"], "past_due");
    assert_eq!(told["grace_until"], format!("{until:.3}"));
    assert_eq!(told["entitlements"]["seats"], 5);
    world.pass(until.as_second() - world.now().as_second());
    let person = Person { token: world.token(&person).await, ..person };
    let told = world.get(&person, "/api/billing/subscription").await.body;
    assert_eq!((&told["plan"], &told["entitlements"]["seats"]), (&json!("pro"), &json!(1)));
    let open = world.sync.store.entitlements(person.user_id, world.now()).await.unwrap();
    assert_eq!(open.plan, Plan::Free);
    // Paid at last.
    {
        let mut ledger = world.provider.ledger();
        ledger.subscription(&id).status = "active";
        ledger.invoices.iter_mut().for_each(|invoice| invoice.status = "paid");
    }
    world.sync.customer(&customer, crate::sync::Reason::default()).await.unwrap();
    let open = world.sync.store.entitlements(person.user_id, world.now()).await.unwrap();
    assert_eq!(open.plan, Plan::Pro);
}

/// I1
#[tokio::test]
async fn i1_invoices_are_the_workspaces_own_page_by_page() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    let (other, theirs) = world.customer().await;
    {
        let mut ledger = world.provider.ledger();
        for customer in [&customer, &theirs] {
            ledger.subscribe(&customer.id, "price_pro_month", false);
        }
        let id = ledger.subscriptions[0].id.clone();
        for _ in 0..24 {
            ledger.invoice(&id, 1200, true);
        }
    }
    let first = world.get(&person, "/api/billing/invoices").await.body;
    assert_eq!(first["invoices"].as_array().unwrap().len(), 20);
    assert_eq!(first["invoices"][0]["amount"], 1200);
    assert_eq!(first["invoices"][0]["status"], "paid");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world.get(&person, &format!("/api/billing/invoices?cursor={cursor}")).await.body;
    assert_eq!(second["invoices"].as_array().unwrap().len(), 5);
    assert_eq!(second["next_cursor"], json!(null));
    // Another's cursor shows nothing of either.
    for cursor in [cursor, "in_none", "in_", "sub_1", "in_1%26customer%3Dcus_000001", "in_1/../x"] {
        let answer = world.get(&other, &format!("/api/billing/invoices?cursor={cursor}")).await;
        assert_eq!((answer.status.as_u16(), answer.kind()), (422, "/problems/validation"), "{cursor}");
    }
    let own = world.get(&other, "/api/billing/invoices").await.body;
    assert_eq!(own["invoices"].as_array().unwrap().len(), 1);
}

/// E3: nobody uses up the calls that the provider takes from the whole app.
#[tokio::test]
async fn e3_a_user_lists_so_many_invoices_and_no_more() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    let (other, _) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", false);
    // At the beginning of a window, so that all of it is in one.
    let window = i64::try_from(INVOICES_BY_USER.window.as_secs()).unwrap();
    world.pass(window - world.now().as_second() % window);
    let list = async |person: &Person| world.get(person, "/api/billing/invoices").await;
    for _ in 0..INVOICES_BY_USER.max {
        assert_eq!(list(&person).await.status, 200);
    }
    let calls = world.provider.ledger().calls.len();
    let refused = list(&person).await;
    assert_eq!((refused.status.as_u16(), refused.kind()), (429, "/problems/too-many-requests"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(world.provider.ledger().calls.len(), calls);
    assert_eq!(list(&other).await.status, 200);
    world.pass(window);
    let person = Person { token: world.token(&person).await, ..person };
    assert_eq!(list(&person).await.status, 200);
}

/// I4
#[tokio::test]
async fn i4_the_same_key_opens_one_portal() {
    let world = world().await;
    let (person, _) = world.customer().await;
    let open = async |key: Option<&str>| {
        world.send(&person, "POST", "/api/billing/portal", key, "{}").await.url().to_owned()
    };
    let first = open(Some("a")).await;
    assert_eq!(open(Some("a")).await, first);
    assert_ne!(open(Some("b")).await, first);
    assert_ne!(open(None).await, first);
    world.pass(24 * 3600 + 1);
    let person = Person { token: world.token(&person).await, ..person.clone() };
    let again = world.send(&person, "POST", "/api/billing/portal", Some("a"), "{}").await;
    assert_ne!(again.url(), first, "a key is good for a day");
}

#[tokio::test]
async fn who_is_not_signed_in_sees_nothing() {
    let world = world().await;
    let nobody = Person { token: "x".to_owned(), ..world.person().await };
    for (method, path) in [
        ("GET", "/api/billing/subscription"),
        ("GET", "/api/billing/invoices"),
        ("POST", "/api/billing/checkout"),
        ("POST", "/api/billing/portal"),
    ] {
        assert_eq!(world.send(&nobody, method, path, None, "{}").await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_again_and_then_told_of_as_unavailable() {
    let world = world().await;
    let (person, _) = world.customer().await;
    let open = async || world.send(&person, "POST", "/api/billing/portal", Some("a"), "{}").await;
    world.provider.ledger().faults.extend([Fault::Refuse; 3]);
    let refused = open().await;
    assert_eq!((refused.status.as_u16(), refused.kind()), (503, "/problems/unavailable"));
    assert_eq!(refused.headers["retry-after"], "1");
    world.provider.ledger().faults.extend([Fault::Refuse, Fault::AcceptThenBreak]);
    open().await.url();
    let portals = |it: &&String| it.contains("portal");
    assert_eq!(world.provider.ledger().calls.iter().filter(portals).count(), 6);
}
