//! Where nothing private may end up: K2.

use serde_json::json;
use tests::person::{OTHER_PASSWORD, PASSWORD};
use tests::{Person, Platform};

use crate::ledger::Ledger;

/// What the platform shows and keeps, and where: its log and those of the functions, the flows, the items of these kinds.
pub(crate) async fn places(
    platform: &Platform,
    ledger: &Ledger,
    kinds: &[(&str, &str)],
) -> Vec<(String, String)> {
    let mut places = vec![("the platform's log".to_owned(), platform.log())];
    for function in platform.console.functions().await {
        for line in platform.console.logs(&function.name).await {
            places.push((format!("the log of {}", function.name), format!("{line:?}")));
        }
    }
    for flow in platform.console.flows().await {
        let flow = platform.console.flow(&flow.trace).await;
        // Its name has the path that was asked for on this machine, which no other trace has; and what the console shows
        // of a text is the text itself, as of a mail.
        let steps: Vec<_> = flow.steps.into_iter().filter(|step| step.kind != "text").collect();
        places.push((format!("the flow {}", flow.name), format!("{steps:?}")));
    }
    for (pk, sk) in kinds {
        for item in ledger.items(pk, sk) {
            places.push((format!("the item {} {}", item.pk, item.sk), format!("{item:?}")));
        }
    }
    places
}

/// Everything that somebody does leaves traces in many places; none of them shows who it was.
#[tokio::test]
async fn k2_no_secret_token_or_address_is_in_a_log_a_trace_a_dead_letter_or_an_event() {
    let platform = Platform::start().await;
    let mut ada = Person::new(&platform, "Wilhelmina");
    "Wilhelmina Wavertree".clone_into(&mut ada.name);
    let mut secrets = vec![
        "wilhelmina".to_owned(),
        "wavertree".to_owned(),
        "countess@".to_owned(),
        PASSWORD.to_owned(),
        OTHER_PASSWORD.to_owned(),
        "a wrong password that was typed".to_owned(),
        "$argon2".to_owned(),
        "newname".to_owned(),
    ];
    ada.sign_up().await;
    secrets.push(ada.verification_token(&platform).await);
    ada.verify(&platform).await;
    let wrong = json!({ "email": ada.email, "password": "a wrong password that was typed" });
    ada.client.post_json("/api/auth/sign-in", wrong, 401).await;
    ada.sign_in().await;
    ada.elsewhere(&platform).sign_in().await;
    let cookies = ["__Host-access", "__Host-refresh", "__Host-device"];
    secrets.extend(cookies.map(|name| ada.cookie(name)));
    ada.client.post("/api/auth/refresh").expect(204).await;
    secrets.extend(cookies.map(|name| ada.cookie(name)));
    ada.client.patch("/api/me").json(json!({ "name": "Newname" })).expect(200).await;
    let reset = ada.reset_token(&platform).await;
    ada.client
        .post_json("/api/auth/password/reset", json!({ "token": reset, "password": OTHER_PASSWORD }), 204)
        .await;
    secrets.push(reset);
    OTHER_PASSWORD.clone_into(&mut ada.password);
    ada.sign_in().await;
    let change = json!({ "email": "countess@example.com", "password": OTHER_PASSWORD });
    ada.client.put("/api/auth/email").json(change).expect(202).await;
    let token = platform.inbox.wait_for("countess@example.com", "Confirm").await.token("/confirm-email");
    ada.client.post_json("/api/auth/email/confirm", json!({ "token": token }), 204).await;
    secrets.push(token);

    // What goes wrong is told in more places than what goes well.
    for body in [
        json!({ "email": ada.email }),
        json!({ "wilhelmina@example.com": PASSWORD }),
        json!("wilhelmina@example.com"),
    ] {
        ada.client.post_json("/api/auth/sign-up", body, 422).await;
    }
    let broken = format!("{{\"email\":\"{}\",\"password\":\"{PASSWORD}\"", ada.email);
    let broken = ada.client.post("/api/auth/sign-in").body(broken).header("content-type", "application/json");
    broken.expect(400).await;
    ada.client.get(&format!("/api/me/activity?cursor={}", secrets[8])).expect(422).await;
    ada.client.get("/api/me").bearer(&format!("{}x", ada.cookie("__Host-access"))).expect(401).await;
    // A dead letter, by a provider that refuses and by a table that fails.
    platform.console.set_mail("refuse").await;
    ada.client.post("/api/auth/sign-out").expect(204).await;
    ada.client.post_json("/api/auth/password/forgot", json!({ "email": "countess@example.com" }), 202).await;
    tests::until("a dead letter", async || platform.console.dead_letters().await.pop()).await;
    platform.console.set(json!({ "faults": { "mail": "ok", "table": { "error": 1.0 } } })).await;
    let answer = ada.try_sign_in().await;
    assert!(answer.code() >= 500, "{answer}");
    platform.console.set(json!({ "faults": { "table": { "error": 0.0 } } })).await;
    let ledger = Ledger::settled(&platform).await;
    // The table's own counters have keys made of addresses and clients.
    secrets.push("127.0.0.".to_owned());

    let kinds = [("USER#", "EVENT#"), ("LIMIT#", ""), ("EVENT#", "")];
    let mut places = places(&platform, &ledger, &kinds).await;
    assert!(places.iter().any(|(place, _)| place.starts_with("the log of")), "what failed is logged");
    assert!(places.iter().filter(|(place, _)| place.starts_with("the flow")).count() > 10);
    let dead = platform.console.dead_letters().await;
    assert!(!dead.is_empty());
    for letter in dead {
        places.push(("a dead letter".to_owned(), format!("{letter:?}")));
    }
    for (place, content) in &places {
        let content = content.to_lowercase();
        for secret in &secrets {
            let secret = secret.to_lowercase();
            // The platform says on which address it listens.
            if secret == "127.0.0." && place == "the platform's log" {
                continue;
            }
            assert!(!content.contains(&secret), "{place} holds {secret:?}: {content}");
        }
    }
}
