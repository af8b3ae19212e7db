//! What strangers may find out and how often they may try: E1–E4.

use std::mem;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::limit::{
    Limit, MAIL_BY_CLIENT, MAIL_SENT_TO_ADDRESS, MAIL_TO_ADDRESS, PASSWORD_CHECK, SIGN_IN_BY_CLIENT,
    SIGN_IN_BY_STRANGERS, SIGN_IN_TO_ACCOUNT, SIGN_UP_BY_CLIENT,
};
use tests::client::new_trace;
use tests::person::{OTHER_PASSWORD, PASSWORD, VERIFICATION};
use tests::{Person, Platform, Response};

use crate::aws::Table;
use crate::ledger::Ledger;

const SIGN_UP: &str = "/api/auth/sign-up";
const SIGN_IN: &str = "/api/auth/sign-in";
const FORGOT: &str = "/api/auth/password/forgot";
const RESEND: &str = "/api/auth/verification";

/// Long enough for a test to count to a limit, on a busy machine.
const ROOM: Duration = Duration::from_secs(90);

/// An address of each standing.
struct Standings {
    platform: Platform,
    names: [&'static str; 4],
}

impl Standings {
    async fn new() -> Self {
        let platform = Platform::start().await;
        Person::verified(&platform, "Verified").await;
        Person::signed_up(&platform, "Unverified").await.verification_token(&platform).await;
        // Signed up twice, with two passwords.
        let contested = Person::signed_up(&platform, "Contested").await;
        let mut owner = contested.elsewhere(&platform);
        OTHER_PASSWORD.clone_into(&mut owner.password);
        owner.sign_up().await;
        platform.inbox.wait_for(&contested.email, "Finish signing up").await;
        forget_counts(&platform).await;
        Self { platform, names: ["unknown", "verified", "unverified", "contested"] }
    }

    /// The answer to this request about each address, from a client of its own.
    async fn ask(&self, path: &str, body: impl Fn(&str) -> Value) -> Vec<Response> {
        let mut answers = Vec::new();
        for name in self.names {
            let body = body(&format!("{name}@example.com"));
            answers.push(self.platform.client().post(path).json(body).send().await);
        }
        answers
    }
}

fn assert_alike(what: &str, answers: &[Response], status: u16) {
    for answer in answers {
        assert_eq!(answer.code(), status, "{what}: {answer}");
        assert_eq!(answer.comparable(), answers[0].comparable(), "{what}");
    }
}

#[tokio::test]
async fn e1_sign_in_answers_alike_whoever_has_an_account() {
    let standings = Standings::new().await;
    let wrong = "some other password entirely";
    let ask = |password: &'static str| move |email: &str| json!({ "email": email, "password": password });
    assert_alike("a wrong password", &standings.ask(SIGN_IN, ask(wrong)).await, 401);
    // The right password of an address that is not verified tells nothing either.
    let answers = standings.ask(SIGN_IN, ask(PASSWORD)).await;
    let [unknown, verified, unverified, contested] = answers.as_slice() else { panic!("four") };
    assert_eq!(verified.code(), 200);
    assert_alike("the right password", &[unknown.clone(), unverified.clone(), contested.clone()], 401);
}

#[tokio::test]
async fn e1_a_locked_account_and_an_unknown_one_are_refused_alike() {
    room_in(&SIGN_IN_TO_ACCOUNT).await;
    let platform = Platform::start().await;
    Person::verified(&platform, "Ada").await;
    let client = platform.client();
    let mut refusals = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let wrong = json!({ "email": email, "password": "some other password entirely" });
        for attempt in 0..SIGN_IN_TO_ACCOUNT.max {
            let answer = client.post(SIGN_IN).json(wrong.clone()).send().await;
            assert_eq!(answer.code(), 401, "attempt {attempt}: {answer}");
        }
        refusals.push(client.post(SIGN_IN).json(wrong).send().await);
    }
    let [known, unknown] = refusals.as_mut_slice() else { panic!("two") };
    assert_eq!((known.code(), unknown.code()), (429, 429));
    let retry_after = |answer: &Response| answer.header("retry-after").parse::<i64>().expect("seconds");
    let (known_wait, unknown_wait) = (retry_after(known), retry_after(unknown));
    assert!(known_wait > 0 && (known_wait - unknown_wait).abs() <= 30, "{known_wait} s and {unknown_wait} s");
    known.headers.remove("retry-after");
    unknown.headers.remove("retry-after");
    assert_eq!(known.comparable(), unknown.comparable());
}

#[tokio::test]
async fn e1_sign_up_answers_alike_whoever_has_an_account() {
    let standings = Standings::new().await;
    for password in [PASSWORD, OTHER_PASSWORD] {
        let body = |email: &str| json!({ "email": email, "password": password, "name": "Somebody" });
        assert_alike("sign-up", &standings.ask(SIGN_UP, body).await, 202);
        forget_counts(&standings.platform).await;
    }
    // What it is, only the address itself is told.
    let inbox = &standings.platform.inbox;
    inbox.wait_for("verified@example.com", "You have an account already").await;
    inbox.wait_for("unknown@example.com", "erify").await;
}

#[tokio::test]
async fn e1_resend_and_forgot_answer_alike_whoever_has_an_account() {
    room_in(&MAIL_TO_ADDRESS).await;
    let standings = Standings::new().await;
    for path in [RESEND, FORGOT] {
        let answers = standings.ask(path, |email| json!({ "email": email })).await;
        assert_alike(path, &answers, 202);
        // Once its budget is spent, any address is refused alike.
        forget_counts(&standings.platform).await;
        for _ in 0..MAIL_TO_ADDRESS.max {
            assert_alike(path, &standings.ask(path, |email| json!({ "email": email })).await, 202);
        }
        let mut refused = standings.ask(path, |email| json!({ "email": email })).await;
        for answer in &mut refused {
            assert!(!answer.header("retry-after").is_empty(), "{answer}");
            answer.headers.remove("retry-after");
        }
        assert_alike(path, &refused, 429);
        forget_counts(&standings.platform).await;
    }
}

/// E2: the same work takes the same time. What takes time is counted, as no clock here is steady enough.
#[tokio::test]
async fn e2_the_same_work_is_done_whoever_has_an_account() {
    let standings = Standings::new().await;
    let work = async |path: &str, body: &Value| {
        let mut has_just_started = false;
        loop {
            let trace = new_trace();
            let client = standings.platform.client();
            let answer = client.post(path).json(body.clone()).traced(&trace).send().await;
            let flow = standings.platform.console.flow(&trace).await;
            forget_counts(&standings.platform).await;
            let auth = flow.steps.iter().find(|step| step.kind == "function" && step.name == "auth");
            let auth = auth.expect("it has answered");
            if auth.function.as_ref().is_some_and(|run| run.cold) {
                // A cold start opens its connection by a call of its own, which may end only when the function goes on
                // with the next request.
                has_just_started = true;
                continue;
            }
            if mem::take(&mut has_just_started) {
                continue;
            }
            // What consumers do about it may have begun already.
            let steps = flow.steps.iter();
            let steps = steps.filter(|step| step.kind == "table" && step.parent.as_ref() == Some(&auth.id));
            // The kind of call, not how many items are in it: the round trip is what takes time.
            let calls = steps.filter_map(|step| Some(step.detail.as_ref()?.split(' ').next()?.to_owned()));
            let mut calls: Vec<_> = calls.collect();
            // Those that are made at once come in any order.
            calls.sort();
            break (answer.code(), calls);
        }
    };
    for path in [SIGN_IN, SIGN_UP, RESEND, FORGOT] {
        let mut all = Vec::new();
        for name in standings.names {
            let email = format!("{name}@example.com");
            let body = match path {
                SIGN_IN => json!({ "email": email, "password": "some other password entirely" }),
                SIGN_UP => json!({ "email": email, "password": PASSWORD, "name": "Somebody" }),
                _ => json!({ "email": email }),
            };
            all.push((name, work(path, &body).await));
        }
        for (name, work) in &all {
            assert!(!work.1.is_empty(), "{path}: no call of the table was seen");
            assert_eq!(*work, all[0].1, "{path}: {name} and {}", all[0].0);
        }
    }
}

#[tokio::test]
async fn e3_failures_are_limited_per_account_and_a_forged_header_changes_nothing() {
    room_in(&SIGN_IN_TO_ACCOUNT).await;
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let attacker = platform.client();
    for attempt in 0..=SIGN_IN_TO_ACCOUNT.max {
        let address = format!("203.0.113.{attempt}");
        let guess = json!({ "email": ada.email, "password": format!("some other password {attempt}") });
        let answer = attacker
            .post(SIGN_IN)
            .json(guess)
            .header("x-forwarded-for", &address)
            .header("forwarded", &format!("for={address}"))
            .header("x-real-ip", &address)
            .header("true-client-ip", &address)
            .header("cf-connecting-ip", &address)
            .header("x-client-ip", &address)
            .header("cloudfront-viewer-address", &format!("{address}:443"))
            .header("x-amzn-request-context", &format!("{{\"http\":{{\"sourceIp\":\"{address}\"}}}}"))
            .send()
            .await;
        let expected = if attempt < SIGN_IN_TO_ACCOUNT.max { 401 } else { 429 };
        assert_eq!(answer.code(), expected, "attempt {attempt}: {answer}");
    }
    // Not even the right password gets in from there: else guessing would go on unseen.
    let right = json!({ "email": ada.email, "password": PASSWORD });
    attacker.post(SIGN_IN).json(right).expect_problem(429, "too-many-requests").await;
    // The owner is somewhere else.
    ada.sign_in().await;
}

#[tokio::test]
async fn e3_failures_are_limited_per_client_over_all_accounts() {
    room_in(&SIGN_IN_BY_CLIENT).await;
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let attacker = platform.client();
    for attempt in 0..SIGN_IN_BY_CLIENT.max {
        let guess =
            json!({ "email": format!("user{attempt}@example.com"), "password": "some other password" });
        let request =
            attacker.post(SIGN_IN).json(guess).header("x-forwarded-for", &format!("203.0.113.{attempt}"));
        let answer = request.send().await;
        assert_eq!(answer.code(), 401, "attempt {attempt}: {answer}");
    }
    let right = json!({ "email": ada.email, "password": PASSWORD });
    attacker.post(SIGN_IN).json(right).expect_problem(429, "too-many-requests").await;
    ada.sign_in().await;
}

#[tokio::test]
async fn e3_whoever_signs_in_is_not_counted() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    for _ in 0..=SIGN_IN_TO_ACCOUNT.max {
        let fresh = platform.client_at(Ipv4Addr::new(127, 0, 1, 1));
        let right = json!({ "email": ada.email, "password": PASSWORD });
        fresh.post_json(SIGN_IN, right, 200).await;
    }
}

#[tokio::test]
async fn e3_no_attack_from_anywhere_locks_the_owner_out() {
    room_in(&SIGN_IN_BY_STRANGERS).await;
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    ada.client.post("/api/auth/sign-out").expect(204).await;
    // A botnet: no client guesses often enough to be refused for itself.
    let guess = json!({ "email": ada.email, "password": "some other password entirely" });
    let each = SIGN_IN_TO_ACCOUNT.max - 1;
    let bots = SIGN_IN_BY_STRANGERS.max.div_ceil(each);
    let mut sent = 0;
    for bot in 0..bots {
        let client = platform.client_at(Ipv4Addr::new(127, 0, 2, u8::try_from(bot).unwrap() + 1));
        for _ in 0..each.min(SIGN_IN_BY_STRANGERS.max - sent) {
            client.post(SIGN_IN).json(guess.clone()).expect(401).await;
            sent += 1;
        }
    }
    let stranger = platform.client_at(Ipv4Addr::new(127, 0, 3, 1));
    let right = json!({ "email": ada.email, "password": PASSWORD });
    stranger.post(SIGN_IN).json(right.clone()).expect_problem(429, "too-many-requests").await;
    // The owner's own device is known by its cookie, wherever it is.
    ada.sign_in().await;
    // At any other, a mail opens the door: whoever reads it is the owner.
    let token = ada.reset_token(&platform).await;
    let fresh = platform.client_at(Ipv4Addr::new(127, 0, 3, 2));
    fresh.post_json("/api/auth/password/reset", json!({ "token": token, "password": PASSWORD }), 204).await;
    fresh.post_json(SIGN_IN, right.clone(), 200).await;
    // A device cookie of another account, or an invented one, is of no use to the attacker.
    let mallory = Person::signed_in(&platform, "Mallory").await;
    mallory.client.post(SIGN_IN).json(right.clone()).expect_problem(429, "too-many-requests").await;
    stranger.set_cookie("__Host-device", "invented");
    stranger.post(SIGN_IN).json(right).expect_problem(429, "too-many-requests").await;
}

#[tokio::test]
async fn e3_a_known_device_may_not_guess_without_end_either() {
    room_in(&SIGN_IN_TO_ACCOUNT).await;
    let platform = Platform::start().await;
    let mut thief = Person::signed_in(&platform, "Ada").await;
    OTHER_PASSWORD.clone_into(&mut thief.password);
    let mut codes = Vec::new();
    for _ in 0..=SIGN_IN_TO_ACCOUNT.max {
        codes.push(thief.try_sign_in().await.code());
    }
    assert_eq!(codes.pop(), Some(429), "{codes:?}");
    assert!(codes.iter().all(|code| *code == 401), "{codes:?}");
    thief.elsewhere(&platform).try_sign_in().await;
    PASSWORD.clone_into(&mut thief.password);
    thief.elsewhere(&platform).sign_in().await;
}

#[tokio::test]
async fn e3_guesses_by_a_signed_in_stranger_are_limited() {
    room_in(&PASSWORD_CHECK).await;
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let change =
        json!({ "current_password": "some other password entirely", "new_password": OTHER_PASSWORD });
    let mut last = 0;
    for _ in 0..=PASSWORD_CHECK.max {
        last = ada.client.put("/api/auth/password").json(change.clone()).send().await.code();
    }
    assert_eq!(last, 429);
    let email = json!({ "email": "eve@example.com", "password": PASSWORD });
    ada.client.put("/api/auth/email").json(email).expect_problem(429, "too-many-requests").await;
}

#[tokio::test]
async fn e3_sign_ups_are_limited_per_client() {
    room_in(&SIGN_UP_BY_CLIENT).await;
    let platform = Platform::start().await;
    let client = platform.client();
    let ask = |place: u32| {
        let body =
            json!({ "email": format!("user{place}@example.com"), "password": PASSWORD, "name": "User" });
        client.post(SIGN_UP).json(body).header("x-forwarded-for", &format!("203.0.113.{place}"))
    };
    for place in 0..SIGN_UP_BY_CLIENT.max {
        ask(place).expect(202).await;
    }
    let refused = ask(SIGN_UP_BY_CLIENT.max).send().await;
    assert_eq!(refused.problem()["type"], "/problems/too-many-requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    Person::signed_up(&platform, "Ada").await;
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(ledger.items("EMAIL#", "EMAIL").len(), SIGN_UP_BY_CLIENT.max as usize + 1);
}

#[tokio::test]
async fn e4_an_address_is_sent_no_more_mail_than_its_budget_whoever_asks() {
    room_in(&MAIL_TO_ADDRESS).await;
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    forget_counts(&platform).await;
    let mut codes = Vec::new();
    for place in 0..=MAIL_TO_ADDRESS.max {
        // Each time somebody else asks, in another spelling.
        let spelling = if place % 2 == 0 { "ADA@example.com" } else { "ada@EXAMPLE.com" };
        codes.push(platform.client().post(FORGOT).json(json!({ "email": spelling })).send().await.code());
    }
    assert_eq!(codes.pop(), Some(429), "{codes:?}");
    assert!(codes.iter().all(|code| *code == 202), "{codes:?}");
    // Nor by another door.
    let again = json!({ "email": ada.email, "password": OTHER_PASSWORD, "name": "Eve" });
    let answer = platform.client().post(SIGN_UP).json(again).send().await;
    assert_eq!(answer.code(), 429, "{answer}");
    Ledger::settled(&platform).await;
    assert_eq!(ada.reset_mails(&platform).await.len(), MAIL_TO_ADDRESS.max as usize);
}

#[tokio::test]
async fn e4_a_client_may_ask_for_so_many_mails() {
    room_in(&MAIL_BY_CLIENT).await;
    let platform = Platform::start().await;
    let client = platform.client();
    for place in 0..MAIL_BY_CLIENT.max {
        let request = client.post(FORGOT).json(json!({ "email": format!("user{place}@example.com") }));
        request.header("x-forwarded-for", &format!("203.0.113.{place}")).expect(202).await;
    }
    for path in [FORGOT, RESEND] {
        let request = client.post(path).json(json!({ "email": "another@example.com" }));
        request.expect_problem(429, "too-many-requests").await;
    }
}

#[tokio::test]
async fn e4_all_mail_together_has_a_budget() {
    room_in(&MAIL_SENT_TO_ADDRESS).await;
    let platform = Platform::start().await;
    Person::signed_up(&platform, "Ada").await.verification_token(&platform).await;
    Ledger::settled(&platform).await;
    let table = Table::of(&platform);
    let environment = infra_model::APP.function("email").unwrap().environment;
    let budget = environment.iter().find(|(name, _)| *name == "MAIL_BUDGET_PER_HOUR").unwrap();
    let infra_model::Value::Text(budget) = budget.1 else { panic!("a text: {budget:?}") };
    let mut counters = 0;
    for item in Ledger::read(&platform).await.items("LIMIT#mail", "LIMIT") {
        // Those of the address and of the client are counted where mail is asked for.
        if ![MAIL_TO_ADDRESS, MAIL_BY_CLIENT].iter().any(|limit| is_of(&item.pk, limit))
            && !is_of(&item.pk, &MAIL_SENT_TO_ADDRESS)
        {
            counters += 1;
            let spent = AttributeValue::N(budget.to_owned());
            table.set((&item.pk, &item.sk), "taken", spent).await;
        }
    }
    assert!(counters > 0, "the budget is counted");
    let bob = Person::signed_up(&platform, "Bob").await;
    let dead = tests::until("the event in the dead-letter queue", async || {
        platform.console.dead_letters().await.into_iter().next()
    })
    .await;
    assert_eq!(dead.event_type.as_deref(), Some("user.signed_up"));
    assert_eq!(platform.inbox.to(&bob.email).await.len(), 0);
    // Nothing is lost: once somebody has looked at it, it can be sent.
    forget_counts(&platform).await;
    platform.console.client().post(&format!("{}/redrive", dead.path())).expect(202).await;
    platform.inbox.wait_for(&bob.email, VERIFICATION).await;
}

fn is_of(pk: &str, limit: &Limit) -> bool {
    pk.starts_with(&format!("LIMIT#{}#", limit.name))
}

/// Sets every counter to nothing. The table may drop one at any time, when its window is over.
pub(crate) async fn forget_counts(platform: &Platform) {
    let table = Table::of(platform);
    for item in platform.console.items("LIMIT#").await {
        table.delete(&item.pk, &item.sk).await;
    }
}

/// Waits for another window of this limit if this one is over too soon to count to the limit in it: windows begin by
/// the wall clock, whatever is under way.
pub(crate) async fn room_in(limit: &Limit) {
    let length = limit.window.as_secs();
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        let left = length - now % length;
        if left > ROOM.as_secs() {
            return;
        }
        eprintln!("{}: a window ends in {left} s", limit.name);
        tokio::time::sleep(Duration::from_secs(left)).await;
    }
}
