//! The end of an account, through the front door: T5, B5, V1, V2.

use serde_json::{Value, json};
use tests::person::{OTHER_PASSWORD, PASSWORD, VERIFICATION};
use tests::{Person, Platform, until};

use crate::billing::{check_out, pay, payments, price, subscription, wait_for};
use crate::ledger::{Ledger, subjects};
use crate::texts::add_phone;

/// Of fiction: nobody has it.
const NUMBER: &str = "+447700900471";

const DELETE: &str = "/api/auth/account/delete";

/// T5 B5: sessions end at once, the subscription at the provider; the address and the number are free, and nothing that
/// is left says whose it was.
#[tokio::test]
async fn t5_b5_a_deleted_account_is_gone_everywhere_and_pays_no_more() {
    let platform = Platform::start().await;
    let mut ada = Person::new(&platform, "Wilhelmina");
    "Wilhelmina Wavertree".clone_into(&mut ada.name);
    ada.sign_up().await;
    ada.verify(&platform).await;
    ada.sign_in().await;
    add_phone(&platform, &ada, NUMBER).await;
    let mut wishes = ada.client.get("/api/me/preferences").expect(200).await.json();
    wishes["billing"]["text"] = json!(true);
    ada.client.put("/api/me/preferences").json(wishes).expect(200).await;
    let business = price(&platform, "business", "month").await;
    pay(&platform, &check_out(&ada, &business).await).await;
    wait_for(&ada, "the plan", |it| it["status"] == "active").await;
    let there = ada.elsewhere(&platform);
    there.sign_in().await;
    let before = Ledger::settled(&platform).await;
    let id = before.user_of(&ada.email).expect("a user");

    ada.client.post_json(DELETE, json!({ "password": OTHER_PASSWORD }), 422).await;
    ada.client.post_json(DELETE, json!({ "password": PASSWORD }), 204).await;
    there.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    ada.client.get("/api/me").expect_problem(401, "unauthenticated").await;
    platform.inbox.wait_for(&ada.email, "Your account was deleted").await;
    until("the end of the subscription", async || {
        let books = payments(&platform).await;
        let is_over =
            books["subscriptions"][0]["status"] == "canceled" && books["customers"][0]["deleted"] == true;
        is_over.then_some(())
    })
    .await;
    let flow = platform
        .console
        .flow_when(&format!("POST {DELETE}"), |flow| flow.steps.iter().any(|step| step.kind == "mail"))
        .await;
    let names: Vec<_> = flow.steps.iter().map(|step| step.name.as_str()).collect();
    for name in ["email", "ses", "billing-sync", "stripe"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }

    let after = Ledger::settled(&platform).await;
    let events = after.events_of(&id);
    for kind in ["user.deleted", "workspace.deleted", "subscription.ended"] {
        assert_eq!(events.iter().filter(|event| *event == kind).count(), 1, "{kind} in {events:?}");
    }
    // The address is kept for the last mail, until that has expired.
    for item in after.all().iter().filter(|item| !item.sk.starts_with("ADDRESS#")) {
        let text = format!("{item:?}").to_lowercase();
        for trace in ["wilhelmina", "wavertree", &NUMBER[1..], "argon2"] {
            assert!(!text.contains(trace), "{trace} in {text}");
        }
    }
    let mails = subjects(&platform, &ada.email).await;
    assert_eq!(mails.get("Your account was deleted"), Some(&1), "{mails:?}");
    assert_eq!(mails.get("Your subscription has ended"), None, "{mails:?}");

    // Whoever has the address and the number begins anew.
    ada.sign_up().await;
    platform.inbox.wait_for_nth(&ada.email, VERIFICATION, 2).await;
    ada.verify(&platform).await;
    ada.sign_in().await;
    assert_ne!(ada.id().await, id);
    assert_eq!(ada.client.get("/api/sms/phone").expect(200).await.json()["phone"], Value::Null);
    assert_eq!(subscription(&ada).await["status"], "none");
    add_phone(&platform, &Person::signed_in(&platform, "Eve").await, NUMBER).await;
    assert_eq!(platform.console.dead_letters().await.len(), 0);
}
