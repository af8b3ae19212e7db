//! Phones, texts and what people want to be told of: P1, P2, E4, N4, K2, V2, S2.

use serde_json::{Value, json};
use shared::limit::CODE_TO_NUMBER;
use tests::person::{OTHER_PASSWORD, PASSWORD};
use tests::{Client, Person, Platform, Response, until};

use crate::abuse::room_in;
use crate::aws::Table;
use crate::billing::{FAILING_CARD, check_out, pass, pay, portal, price, wait_for as wait_for_subscription};
use crate::ledger::{Ledger, subjects};
use crate::privacy::places;

/// Of fiction: nobody has it.
const NUMBER: &str = "+447700900123";

/// The texts of the console, newest first, to numbers that begin so.
pub(crate) async fn texts(platform: &Platform, to: &str) -> Vec<Value> {
    let path = format!("/_local/texts?limit=1000&to={}", to.replace('+', "%2B"));
    let json = platform.console.client().get(&path).expect(200).await.json();
    let texts = json["texts"].as_array().unwrap_or_else(|| panic!("{json}")).clone();
    texts.into_iter().filter(|text| text["direction"] == "sent").collect()
}

/// The newest text to this number whose words hold this, once there are `count` of them.
async fn wait_for(platform: &Platform, to: &str, words: &str, count: usize) -> Value {
    until(&format!("{count} texts to {to} about {words:?}"), async || {
        let texts = texts(platform, to).await;
        let mut matching =
            texts.into_iter().filter(|text| text["body"].as_str().is_some_and(|body| body.contains(words)));
        let newest = matching.next()?;
        (1 + matching.count() >= count).then_some(newest)
    })
    .await
}

fn code_in(text: &Value) -> String {
    let body = text["body"].as_str().expect("words");
    let (_, rest) = body.split_once("Billion: ").expect("the app's name");
    rest[..6].to_owned()
}

async fn ask(client: &Client, number: &str) -> Response {
    client.put("/api/sms/phone").json(json!({ "number": number })).send().await
}

/// Gives a number and shows that it is theirs.
pub(crate) async fn add_phone(platform: &Platform, person: &Person, number: &str) {
    let is_code = |text: &Value| text["body"].as_str().is_some_and(|body| body.contains("is your code"));
    let before = texts(platform, number).await.into_iter().filter(is_code).count();
    let answer = ask(&person.client, number).await;
    assert_eq!(answer.code(), 202, "{answer}");
    let code = code_in(&wait_for(platform, number, "is your code", before + 1).await);
    person.client.post_json("/api/sms/phone/confirm", json!({ "code": code }), 204).await;
}

async fn reply(platform: &Platform, text: &Value, words: &str) {
    let path = format!("/_local/texts/{}/reply", text["id"].as_str().expect("an id"));
    platform.console.client().post_json(&path, json!({ "body": words }), 202).await;
}

async fn phone(person: &Person) -> Value {
    person.client.get("/api/sms/phone").expect(200).await.json()
}

/// P1 P2: the whole journey, and its chain as one flow.
#[tokio::test]
async fn p1_p2_a_phone_is_shown_to_be_theirs_gets_texts_and_answers_stop() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    assert_eq!(phone(&ada).await["phone"], Value::Null);
    let answer = ask(&ada.client, "+44 7700 900-123").await;
    assert_eq!(answer.code(), 202, "{answer}");
    let text = wait_for(&platform, NUMBER, "is your code", 1).await;
    assert_eq!(text["type"], "transactional");
    assert_eq!(text["function"], "sms-notifier");
    let code = code_in(&text);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    ada.client.post_json("/api/sms/phone/confirm", json!({ "code": wrong }), 422).await;
    ada.client.post_json("/api/sms/phone/confirm", json!({ "code": code }), 204).await;
    ada.client
        .post("/api/sms/phone/confirm")
        .json(json!({ "code": code }))
        .expect_problem(410, "invalid-code")
        .await;
    assert_eq!(phone(&ada).await["phone"], json!({ "number": NUMBER, "verified": true, "texts": "on" }));
    platform.inbox.wait_for(&ada.email, "A phone number was added").await;

    // From the request to the text, one flow.
    ada.elsewhere(&platform).sign_in().await;
    let warning = wait_for(&platform, NUMBER, "new device", 1).await;
    let flow = platform
        .console
        .flow_when("POST /api/auth/sign-in", |flow| flow.steps.iter().any(|step| step.kind == "text"))
        .await;
    let names: Vec<_> = flow.steps.iter().map(|step| step.name.as_str()).collect();
    assert!(names.contains(&"sms-notifier") && names.contains(&"email"), "{names:?}");

    // STOP holds at once, is told to her, and is answered once.
    reply(&platform, &warning, "Stop!").await;
    wait_for(&platform, NUMBER, "no more texts", 1).await;
    assert_eq!(phone(&ada).await["phone"]["texts"], "stopped");
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    ada.client.put("/api/auth/password").json(change).expect(204).await;
    platform.inbox.wait_for(&ada.email, "Your password was changed").await;
    Ledger::settled(&platform).await;
    assert_eq!(texts(&platform, NUMBER).await.len(), 3, "code, warning, answer");

    reply(&platform, &warning, "START").await;
    wait_for(&platform, NUMBER, "again", 1).await;
    assert_eq!(phone(&ada).await["phone"]["texts"], "on");
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).unwrap());
    for kind in ["phone.verification_requested", "phone.added", "texts.stopped", "texts.started"] {
        assert_eq!(events.iter().filter(|event| *event == kind).count(), 1, "{kind} in {events:?}");
    }
    ada.client.delete("/api/sms/phone").expect(204).await;
    platform.inbox.wait_for(&ada.email, "Your phone number was removed").await;
    assert_eq!(phone(&ada).await["phone"], Value::Null);
    assert_eq!(platform.console.dead_letters().await.len(), 0);
}

/// P1: who chose to be texted about money is, and who did not is mailed alone; STOP ends that as well.
#[tokio::test]
async fn p1_what_somebody_chose_is_texted_to_them_and_to_nobody_else() {
    const BOBS: &str = "+447700900124";
    let platform = Platform::start().await;
    let (ada, bob) = (Person::signed_in(&platform, "Ada").await, Person::signed_in(&platform, "Bob").await);
    let business = price(&platform, "business", "month").await;
    for (person, number, chosen) in [(&ada, NUMBER, true), (&bob, BOBS, false)] {
        add_phone(&platform, person, number).await;
        person.client.put("/api/me/preferences").json(json!({
            "security": { "mail": true, "text": true }, "billing": { "mail": true, "text": chosen }, "product": { "mail": true },
        })).expect(200).await;
        pay(&platform, &check_out(person, &business).await).await;
        wait_for_subscription(person, "the plan", |it| it["plan"] == "business").await;
        portal(&platform, person, "card", json!({ "number": FAILING_CARD })).await;
    }
    pass(&platform, 32).await;
    let failed = wait_for(&platform, NUMBER, "a payment of 49.00 USD failed", 1).await;
    for person in [&ada, &bob] {
        platform.inbox.wait_for(&person.email, "Your payment failed").await;
    }
    let flow = platform.console.flow(failed["trace"].as_str().expect("a trace")).await;
    let names: Vec<_> = flow.steps.iter().map(|step| step.name.as_str()).collect();
    for step in ["invoice.payment_failed", "billing-webhook", "billing-sync", "sms-notifier", "email"] {
        assert!(names.contains(&step), "from the webhook to the text, one flow: no {step} in {names:?}");
    }
    reply(&platform, &failed, "STOP").await;
    wait_for(&platform, NUMBER, "no more texts", 1).await;
    // Dunning comes to its end.
    pass(&platform, 20).await;
    for person in [&ada, &bob] {
        platform.inbox.wait_for(&person.email, "Your subscription has ended").await;
    }
    Ledger::settled(&platform).await;
    let to = async |number: &str| {
        let texts = texts(&platform, number).await;
        texts.into_iter().map(|text| text["body"].as_str().expect("words").to_owned()).collect::<Vec<_>>()
    };
    let texted = to(NUMBER).await;
    assert_eq!(texted.len(), 3, "code, failure, answer: {texted:?}");
    let texted = to(BOBS).await;
    assert_eq!(texted.len(), 1, "the code: {texted:?}");
}

/// P1: numbers of a range that several accounts ask for pause that range, several ranges all codes, and nothing else; a
/// reset lets them through.
#[tokio::test]
async fn p1_a_pumping_pattern_trips_the_breaker_and_the_app_keeps_working() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    add_phone(&platform, &ada, NUMBER).await;
    let bob = Person::signed_in(&platform, "Bob").await;
    let mut accounts = Vec::new();
    for place in 0..12 {
        accounts.push(Person::signed_in(&platform, &format!("Eve{place}")).await);
    }
    let mut accounts = accounts.iter().cycle();
    let mut ranges = 0;
    // Until nobody is sent a code, the first of a range included.
    loop {
        let (mut taken, mut last) = (0, None);
        while last.is_none() {
            let number = format!("+49151123{ranges}{taken:04}");
            let answer = ask(&accounts.next().expect("they go round").client, &number).await;
            if answer.code() == 202 { taken += 1 } else { last = Some(answer) }
        }
        let paused = last.expect("a refusal");
        assert_eq!(paused.problem()["type"], "/problems/texts-paused", "{paused}");
        assert!(!paused.header("retry-after").is_empty(), "{paused}");
        if taken == 0 {
            break;
        }
        // Seven in a window of time, and seven more where the next began meanwhile.
        assert!((7..=14).contains(&taken), "{taken}");
        if ranges == 0 {
            assert_eq!(ask(&bob.client, "+4915112309999").await.code(), 503, "the range is paused");
            assert_eq!(ask(&bob.client, "+14155552671").await.code(), 202, "and no other");
        }
        ranges += 1;
    }
    // So it is with ranges.
    assert!((5..=9).contains(&ranges), "{ranges}");
    assert_eq!(ask(&bob.client, "+14155552672").await.code(), 503);
    bob.client.patch("/api/me").json(json!({ "name": "Robert" })).expect(200).await;
    ada.elsewhere(&platform).sign_in().await;
    wait_for(&platform, NUMBER, "new device", 1).await;
    Table::of(&platform).delete("BREAKER#sms", "BREAKER").await;
    assert_eq!(ask(&bob.client, "+14155552672").await.code(), 202);
    wait_for(&platform, "+14155552672", "is your code", 1).await;
}

/// P1 E3: one account that asks for one number of a range after the other is refused itself, and nobody else is.
#[tokio::test]
async fn p1_one_account_trips_no_breaker() {
    let platform = Platform::start().await;
    let eve = Person::signed_in(&platform, "Eve").await;
    let mut answers = Vec::new();
    for last in 0..10 {
        // From wherever.
        let client = platform.client();
        client.set_cookie("__Host-access", &eve.cookie("__Host-access"));
        let answer = ask(&client, &format!("+491511234{last:04}")).await;
        if answer.code() == 429 {
            assert!(!answer.header("retry-after").is_empty(), "{answer}");
        }
        answers.push(answer.code());
    }
    assert_eq!((answers[3], answers[9]), (202, 429), "{answers:?}");
    assert!(answers.iter().all(|code| [202, 429].contains(code)), "{answers:?}");
    let bob = Person::signed_in(&platform, "Bob").await;
    for number in ["+4915112349999", "+14155552671"] {
        assert_eq!(ask(&bob.client, number).await.code(), 202, "{number}");
    }
}

/// N4 K2: what the provider refuses waits among the dead, and neither number nor code is in any place but the table and
/// the text itself.
#[tokio::test]
async fn n4_k2_a_refused_text_is_sent_once_when_redriven_and_no_number_or_code_is_left_behind() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    add_phone(&platform, &ada, NUMBER).await;
    let code = code_in(&wait_for(&platform, NUMBER, "is your code", 1).await);
    platform.console.set(json!({ "faults": { "texts": "throttle" }, "visibility_timeout_ms": 300 })).await;
    ada.elsewhere(&platform).sign_in().await;
    let dead = until("a dead letter", async || platform.console.dead_letters().await.pop()).await;
    assert_eq!((dead.queue.as_str(), dead.event_type.as_deref()), ("sms-notifier", Some("session.started")));
    assert!(dead.reason.contains("refused"), "{}", dead.reason);
    platform.console.set(json!({ "faults": { "texts": "ok" } })).await;
    platform.console.client().post(&format!("{}/redrive", dead.path())).expect(202).await;
    let warning = wait_for(&platform, NUMBER, "new device", 1).await;
    reply(&platform, &warning, "STOP").await;
    let answered = wait_for(&platform, NUMBER, "no more texts", 1).await;
    let path = format!("/_local/texts/{}/receipt", answered["id"].as_str().expect("an id"));
    platform.console.client().post_json(&path, json!({ "status": "CARRIER_UNREACHABLE" }), 202).await;
    until("the note of a text that did not arrive", async || {
        let lines = platform.console.logs("sms-inbound").await;
        lines.iter().any(|line| line.line.contains("CARRIER_UNREACHABLE")).then_some(())
    })
    .await;
    for malformed in [json!({ "number": format!("{NUMBER}x") }), json!({ NUMBER: 1 })] {
        ada.client.put("/api/sms/phone").json(malformed).expect(422).await;
    }
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(texts(&platform, NUMBER).await.len(), 3);

    let kinds = [("USER#", "EVENT#"), ("EVENT#", ""), ("LIMIT#", ""), ("TEXT#", ""), ("BREAKER#", "")];
    let mut places = places(&platform, &ledger, &kinds).await;
    places.push(("the dead letter".to_owned(), format!("{dead:?}")));
    for (place, content) in &places {
        assert!(!content.contains("447700900123") && !content.contains("7700 900"), "{place}: {content}");
        // Six digits may stand in an id; a code stands by itself.
        let words = content.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(words.clone().all(|word| word != code), "{place}: {content}");
    }
}

/// V2: of an event that is delivered again and again, one text comes.
#[tokio::test]
async fn v2_an_event_that_is_delivered_again_texts_nobody_twice() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    add_phone(&platform, &ada, NUMBER).await;
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.items("USER#", "EVENT#");
    let asked = events.iter().find(|item| item.attributes["type"] == "phone.verification_requested").unwrap();
    let it = &asked.attributes;
    let detail = json!({
        "specversion": "1.0", "id": it["id"], "source": it["source"], "type": it["type"],
        "subject": it["subject"], "time": it["time"], "data": it["data"],
    });
    let new_device = json!({
        "specversion": "1.0", "id": format!("evt_{}", "1".repeat(32)), "source": "billion", "type": "session.started",
        "subject": it["subject"], "time": it["time"],
        "data": { "session_id": format!("ses_{}", "1".repeat(32)), "device": "Firefox on Linux", "new_device": true },
    });
    for _ in 0..3 {
        let records = [&detail, &new_device].map(|detail| {
            let body = json!({
                "version": "0", "id": "x", "detail-type": detail["type"], "source": "billion",
                "account": "000000000000", "time": "2026-11-23T10:00:00Z", "region": "us-east-1", "resources": [],
                "detail": detail,
            });
            json!({ "messageId": detail["id"], "body": body.to_string(), "eventSource": "aws:sqs" })
        });
        let client = platform.console.client();
        let invoke = client.post("/_local/functions/sms-notifier/invoke").json(json!({ "Records": records }));
        let answer = invoke.expect(200).await.json();
        assert_eq!(answer["payload"]["batchItemFailures"], json!([]), "{answer}");
    }
    assert_eq!(texts(&platform, NUMBER).await.len(), 2, "the code and the warning");
}

/// V2: answers that are delivered again and again, and out of order: each is answered once, and the latest holds.
#[tokio::test]
async fn v2_answers_that_are_delivered_again_in_any_order_are_answered_once() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    add_phone(&platform, &ada, NUMBER).await;
    let now = jiff::Timestamp::now();
    let record = |words: &str, seconds: i64, id: char| {
        let id = format!("cae173d2-66b9-464c-8309-{}", id.to_string().repeat(12));
        let message = json!({
            "originationNumber": NUMBER, "destinationNumber": "+12065550100", "messageKeyword": "K", "messageBody": words,
            "inboundMessageId": id, "previousPublishedMessageId": id,
        });
        let body = json!({
            "Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:us-east-1:000000000000:billion-sms-inbound",
            "Message": message.to_string(), "Timestamp": now + jiff::SignedDuration::from_secs(seconds),
            "SignatureVersion": "1", "Signature": "x", "SigningCertURL": "x", "UnsubscribeURL": "x",
        });
        json!({ "messageId": id, "body": body.to_string(), "eventSource": "aws:sqs" })
    };
    let (stop, start, again) = (record("STOP", 1, 'a'), record("START", 2, 'b'), record("STOP", 3, 'c'));
    for records in [[&stop, &stop], [&again, &stop], [&start, &again], [&again, &start]] {
        let client = platform.console.client();
        // One after the other, as from a queue that hands out one message at a time.
        for record in records {
            let invoke =
                client.post("/_local/functions/sms-inbound/invoke").json(json!({ "Records": [record] }));
            let answer = invoke.expect(200).await.json();
            assert_eq!(answer["payload"]["batchItemFailures"], json!([]), "{answer}");
        }
    }
    assert_eq!(phone(&ada).await["phone"]["texts"], "stopped");
    let bodies: Vec<_> =
        texts(&platform, NUMBER).await.into_iter().map(|text| text["body"].clone()).collect();
    assert_eq!(bodies.len(), 3, "the code, and an answer to each STOP: START came too late: {bodies:?}");
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).unwrap());
    let told: Vec<_> = events.iter().filter(|event| event.starts_with("texts.")).collect();
    assert_eq!(told, ["texts.stopped"], "{events:?}");
}

/// E4: asked for by whomever, a number gets so many codes in an hour.
#[tokio::test]
async fn e4_a_number_is_not_plagued_with_codes() {
    room_in(&CODE_TO_NUMBER).await;
    let platform = Platform::start().await;
    let mut taken = Vec::new();
    for name in ["Ada", "Bob", "Carol", "Dan"] {
        let person = Person::signed_in(&platform, name).await;
        let answer = ask(&person.client, NUMBER).await;
        if answer.code() == 429 {
            assert!(!answer.header("retry-after").is_empty(), "{answer}");
        }
        taken.push(answer.code());
    }
    assert_eq!(taken, [202, 202, 202, 429]);
    Ledger::settled(&platform).await;
    assert_eq!(texts(&platform, NUMBER).await.len(), 3);
}

/// S2: one click in the mail program, without a cookie; a GET changes nothing; warnings go on.
#[tokio::test]
async fn s2_one_click_ends_a_kind_of_mail_without_a_cookie_and_a_get_does_not() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let preferences = async || ada.client.get("/api/me/preferences").expect(200).await.json();
    let welcome = platform.inbox.wait_for(&ada.email, "Your address is verified").await;
    let header = |name: &str| {
        let header = welcome.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.unwrap_or_else(|| panic!("no {name} in {:?}", welcome.headers)).value.trim().to_owned()
    };
    assert_eq!(header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    let url = header("List-Unsubscribe");
    let url = url.strip_prefix('<').and_then(|url| url.strip_suffix('>')).expect("an address in brackets");
    let path = url.strip_prefix(platform.origin()).expect("our own origin");
    let verification = platform.inbox.wait_for(&ada.email, "Verify").await;
    let names: Vec<_> = verification.headers.iter().map(|header| header.name.to_lowercase()).collect();
    assert!(!names.iter().any(|name| name.starts_with("list-")), "{names:?}");

    let program = platform.client();
    let page = program.get(path).without_cookies().expect(303).await;
    let token = welcome.token("/unsubscribe");
    assert_eq!(page.header("location"), format!("{}/unsubscribe#token={token}", platform.origin()));
    assert_eq!(preferences().await["product"]["mail"], true, "a GET changes nothing");
    let post = |path: &str, body: &'static str| {
        let request = program.post(path).without_cookies().without_header("sec-fetch-site");
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    post(path, "").expect_problem(400, "not-one-click").await;
    // Not the last letter: of that, some bits are none of the token's.
    let (start, end) = path.split_at(path.len() - 10);
    let other = if end.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{start}{other}{}", &end[1..]);
    post(&forged, "List-Unsubscribe=One-Click").expect_problem(410, "invalid-link").await;
    assert_eq!(preferences().await["product"]["mail"], true);
    for _ in 0..2 {
        post(path, "List-Unsubscribe=One-Click").expect(204).await;
    }
    let expected = json!({
        "security": { "mail": true, "text": true }, "billing": { "mail": true, "text": false }, "product": { "mail": false },
    });
    assert_eq!(preferences().await, expected);
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).unwrap());
    assert_eq!(events.iter().filter(|event| *event == "user.preferences_changed").count(), 1, "{events:?}");

    // On the app's own page, where no URL holds the token.
    ada.client.put("/api/me/preferences").json(json!({
        "security": { "mail": true, "text": false }, "billing": { "mail": false, "text": true }, "product": { "mail": true },
    })).expect(200).await;
    let body = json!({ "token": token });
    program.post("/api/unsubscribe").without_cookies().json(body).expect(204).await;
    let chosen = preferences().await;
    assert_eq!((&chosen["product"]["mail"], &chosen["billing"]["text"]), (&json!(false), &json!(true)));
    ada.elsewhere(&platform).sign_in().await;
    platform.inbox.wait_for(&ada.email, "Sign-in from a new device").await;
}

/// I1 I2: each user chooses for themselves, and nobody turns warnings off.
#[tokio::test]
async fn i2_preferences_are_ones_own_and_warnings_are_always_mailed() {
    let platform = Platform::start().await;
    let (ada, bob) = (Person::signed_in(&platform, "Ada").await, Person::signed_in(&platform, "Bob").await);
    let all = |on: bool| json!({ "security": { "mail": true, "text": on }, "billing": { "mail": on, "text": on }, "product": { "mail": on } });
    let mut none = all(false);
    assert_eq!(ada.client.put("/api/me/preferences").json(none.clone()).expect(200).await.json(), none);
    assert_eq!(bob.client.get("/api/me/preferences").expect(200).await.json()["billing"]["mail"], true);
    none["security"]["mail"] = json!(false);
    let refused = ada.client.put("/api/me/preferences").json(none).expect_problem(422, "validation").await;
    assert_eq!(refused["errors"][0]["field"], "security.mail");
    ada.client.put("/api/me/preferences").json(json!({ "product": { "mail": true } })).expect(422).await;
    platform.client().get("/api/me/preferences").expect(401).await;
    assert_eq!(ada.client.put("/api/me/preferences").json(all(true)).expect(200).await.json(), all(true));
    // What changes nothing is no event.
    ada.client.put("/api/me/preferences").json(all(true)).expect(200).await;
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).unwrap());
    assert_eq!(events.iter().filter(|event| *event == "user.preferences_changed").count(), 2, "{events:?}");
    assert_eq!(subjects(&platform, &bob.email).await.len(), 2);
}
