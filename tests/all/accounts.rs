//! Signing up, verifying, resetting, moving: A1–A10.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tests::person::{OTHER_PASSWORD, PASSWORD, VERIFICATION};
use tests::{Client, Person, Platform, Response, until};

use crate::abuse::forget_counts;
use crate::aws::{Table, moment};
use crate::ledger::{Ledger, subjects};

const SIGN_UP: &str = "/api/auth/sign-up";
const CONFIRM: &str = "/api/auth/verification/confirm";
const RESET: &str = "/api/auth/password/reset";

/// The whole journey: from nobody to a verified, signed-in user, through every part of the chain.
#[tokio::test]
async fn somebody_signs_up_reads_the_mail_verifies_and_signs_in() {
    let platform = Platform::start().await;
    let ada = Person::new(&platform, "Ada");
    let answer = ada.sign_up().await.json();
    assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
    let mail = platform.inbox.wait_for("ada@example.com", VERIFICATION).await;
    assert_eq!(mail.to, ["ada@example.com"]);
    let token = json!({ "token": mail.token("/verify") });
    ada.client.post_json(CONFIRM, token, 204).await;
    let signed_in = ada.sign_in().await.json();
    assert_eq!(signed_in["user"]["email"], "ada@example.com");

    let me = ada.me().await;
    assert_eq!(me["user"]["name"], "Ada");
    assert_eq!(me["user"]["verified"], true);
    assert_eq!(me["user"]["id"], signed_in["user"]["id"]);
    assert_eq!(me["workspaces"].as_array().map(Vec::len), Some(1));
    assert_eq!(me["workspaces"][0]["role"], "owner");
    platform.inbox.wait_for("ada@example.com", "Your address is verified").await;

    let activity = ada.client.get("/api/me/activity").expect(200).await.json();
    let types: Vec<_> = activity["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["session.started", "user.verified", "user.signed_up"]);
}

#[tokio::test]
async fn a1_a_password_needs_fifteen_characters_and_no_others_than_its_owner_likes() {
    let platform = Platform::start().await;
    let too_short = "violet harbour".to_owned();
    let long = format!("{PASSWORD} {}", "plinth gravel wombat ".repeat(8).trim_end());
    assert!(too_short.chars().count() == 14 && long.chars().count() > 128);
    let too_short = sign_up_with(&platform.client(), "short", &too_short).await;
    assert_eq!(invalid_fields(&too_short), ["password"], "{too_short}");

    for (name, password) in [
        ("fifteen", "violetharbourxq"),
        ("unicode", "đường quanh hồ tây 🦆 về khuya"),
        ("spaces", "  violet harbour canoe lanterns  "),
        ("long", &long),
    ] {
        let mut person = Person::new(&platform, name);
        password.clone_into(&mut person.password);
        person.sign_up().await;
        person.verify(&platform).await;
        person.sign_in().await;
        // Every character counts, also the last one and those past the 72 bytes of other hashes.
        let shortened: String = password.chars().take(password.chars().count() - 1).collect();
        for other in [shortened, format!("{password}x"), password.to_uppercase()] {
            if other != password {
                person.password = other;
                assert_eq!(person.try_sign_in().await.code(), 401, "{name}: {}", person.password);
            }
        }
    }
}

#[tokio::test]
async fn a2_common_passwords_and_the_owners_own_words_are_refused() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let reset = ada.reset_token(&platform).await;
    let refused = [
        "passwordpassword",
        "password1234567",
        "123456789012345",
        "111111111111111111",
        "qwertyuiopasdfghjkl",
        "iloveyouiloveyou",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "correct horse battery staple",
        "billionbillionbillion",
        "Billion-2026-Billion",
    ];
    let client = platform.client();
    for password in refused {
        let answer = sign_up_with(&client, "eve", password).await;
        assert_eq!(invalid_fields(&answer), ["password"], "{password}: {answer}");
        let answer =
            ada.client.post(RESET).json(json!({ "token": reset, "password": password })).send().await;
        assert_eq!(invalid_fields(&answer), ["password"], "{password}: {answer}");
        let change = json!({ "current_password": PASSWORD, "new_password": password });
        let answer = ada.client.put("/api/auth/password").json(change).send().await;
        assert_eq!(invalid_fields(&answer), ["new_password"], "{password}: {answer}");
    }
    for password in [
        "wilhelmina.wavertree",
        "Wilhelmina Wavertree",
        "wilhelmina.wavertree@example.com",
        "wavertreewavertree1",
    ] {
        let body = json!({ "email": "wilhelmina.wavertree@example.com", "name": "Wilhelmina Wavertree", "password": password });
        let answer = platform.client().post(SIGN_UP).json(body).send().await;
        assert_eq!(invalid_fields(&answer), ["password"], "{password}: {answer}");
    }
    // A refused password has not spent the link, nor is it told apart from a good one by its user.
    ada.client.post_json(RESET, json!({ "token": reset, "password": OTHER_PASSWORD }), 204).await;
}

#[tokio::test]
async fn a3_passwords_are_kept_as_argon2id_and_weaker_hashes_are_upgraded_at_sign_in() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let table = Table::of(&platform);
    let user = Ledger::read(&platform).await.user_of(&ada.email).unwrap();
    let (pk, sk) = (format!("USER#{user}"), "USER");
    let hash = async || match table.get(&pk, sk).await.unwrap().remove("password_hash") {
        Some(AttributeValue::S(hash)) => hash,
        other => panic!("a hash is a text: {other:?}"),
    };
    let strong = "$argon2id$v=19$m=19456,t=2,p=1$";
    assert!(hash().await.starts_with(strong));

    let weak = weak_hash(PASSWORD);
    table.set((&pk, sk), "password_hash", AttributeValue::S(weak.clone())).await;
    let mut guesser = ada.elsewhere(&platform);
    OTHER_PASSWORD.clone_into(&mut guesser.password);
    assert_eq!(guesser.try_sign_in().await.code(), 401);
    assert_eq!(hash().await, weak, "a wrong password changes nothing");
    ada.sign_in().await;
    assert!(hash().await.starts_with(strong));
    ada.elsewhere(&platform).sign_in().await;
}

#[tokio::test]
async fn a4_a_link_works_once_however_many_follow_it_at_once() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let token = ada.verification_token(&platform).await;
    let answers = at_once(&platform, 8, |client, _| {
        let body = json!({ "token": token });
        async move { client.post(CONFIRM).json(body).send().await }
    })
    .await;
    one_of(&answers, 204, 410);

    let token = ada.reset_token(&platform).await;
    let password = |place| format!("{OTHER_PASSWORD} number {place}");
    let answers = at_once(&platform, 6, |client, place| {
        let body = json!({ "token": token, "password": password(place) });
        async move { client.post(RESET).json(body).send().await }
    })
    .await;
    let winner = one_of(&answers, 204, 410);
    for place in 0..answers.len() {
        let mut ada = ada.elsewhere(&platform);
        ada.password = password(place);
        let expected = if place == winner { 200 } else { 401 };
        assert_eq!(ada.try_sign_in().await.code(), expected, "the password of attempt {place}");
    }
    let ledger = Ledger::settled(&platform).await;
    let events = ledger.events_of(&ledger.user_of(&ada.email).unwrap());
    for once in ["user.verified", "user.password_changed"] {
        assert_eq!(events.iter().filter(|kind| *kind == once).count(), 1, "{once} in {events:?}");
    }
}

#[tokio::test]
async fn a4_a_link_expires() {
    let platform = Platform::start().await;
    let table = Table::of(&platform);
    let ada = Person::signed_up(&platform, "Ada").await;
    let token = ada.verification_token(&platform).await;
    let user = format!("USER#{}", Ledger::read(&platform).await.user_of(&ada.email).unwrap());
    let link = (user.as_str(), "LINK#verification");
    table.set(link, "dies_at", moment(-1)).await;
    ada.client.post(CONFIRM).json(json!({ "token": token })).expect_problem(410, "invalid-link").await;
    // It was refused for its age alone.
    table.set(link, "dies_at", moment(60)).await;
    ada.client.post_json(CONFIRM, json!({ "token": token }), 204).await;

    let token = ada.reset_token(&platform).await;
    let body = json!({ "token": token, "password": OTHER_PASSWORD });
    table.set((&user, "LINK#password_reset"), "dies_at", moment(-1)).await;
    ada.client.post(RESET).json(body).expect_problem(410, "invalid-link").await;
    ada.sign_in().await;
}

#[tokio::test]
async fn a4_a_link_dies_when_a_newer_one_is_sent() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let old = ada.verification_token(&platform).await;
    ada.client.post_json("/api/auth/verification", json!({ "email": ada.email }), 202).await;
    let new = platform.inbox.wait_for_nth(&ada.email, VERIFICATION, 2).await.token("/verify");
    assert_ne!(old, new);
    ada.client.post(CONFIRM).json(json!({ "token": old })).expect_problem(410, "invalid-link").await;
    ada.client.post_json(CONFIRM, json!({ "token": new }), 204).await;

    let old = ada.reset_token(&platform).await;
    let new = ada.reset_token(&platform).await;
    let body = |token: &str| json!({ "token": token, "password": OTHER_PASSWORD });
    ada.client.post(RESET).json(body(&old)).expect_problem(410, "invalid-link").await;
    ada.client.post_json(RESET, body(&new), 204).await;
}

#[tokio::test]
async fn a4_a_link_for_one_purpose_is_worth_nothing_for_another() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let verification = ada.verification_token(&platform).await;
    let reset = ada.reset_token(&platform).await;
    let invalid = async |path: &str, body: Value| {
        ada.client.post(path).json(body).expect_problem(410, "invalid-link").await;
    };
    invalid(CONFIRM, json!({ "token": reset })).await;
    invalid("/api/auth/email/confirm", json!({ "token": reset })).await;
    invalid("/api/auth/email/confirm", json!({ "token": verification })).await;
    invalid(RESET, json!({ "token": verification, "password": OTHER_PASSWORD })).await;
    // Tokens that are none are links that do not work: neither says why.
    let changed = format!("{}{}", &verification[..verification.len() - 2], "xx");
    for token in ["", "x", &"A".repeat(64), &"A".repeat(4_000), &changed, "../../etc/passwd", "é"] {
        let answer = ada.client.post(CONFIRM).json(json!({ "token": token })).send().await;
        assert!([410, 422].contains(&answer.code()), "{token:?}: {answer}");
    }
    ada.client.post_json(CONFIRM, json!({ "token": verification }), 204).await;
}

#[tokio::test]
async fn a4_only_a_hash_of_a_link_is_stored() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let verification = ada.verification_token(&platform).await;
    let reset = ada.reset_token(&platform).await;
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(ledger.items("USER#", "LINK#").len(), 2);
    let table = format!("{:?}", ledger.all());
    for token in [&verification, &reset] {
        // Neither the token nor the secret half of it.
        assert!(!table.contains(token.as_str()) && !table.contains(&token[token.len() / 2..]));
    }
    // Nor in any file, but for the one in which the inbox keeps the mails that carry it.
    for token in [&verification, &reset] {
        let holds = |file: &PathBuf| {
            let bytes = fs::read(file).expect("a file");
            String::from_utf8_lossy(&bytes).contains(&token[token.len() / 2..])
        };
        let holders = files(&platform.data()).into_iter().filter(holds);
        let name = |file: PathBuf| file.file_name().expect("a name").to_string_lossy().into_owned();
        // A database is several files.
        let holders: BTreeSet<_> =
            holders.map(|file| name(file).split('-').next().map(str::to_owned)).collect();
        assert_eq!(holders, BTreeSet::from([Some("platform.db".to_owned())]));
        assert!(!platform.log().contains(&token[token.len() / 2..]));
    }
}

/// All files in a folder and those in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a4_an_address_that_never_signed_up_is_not_created_by_asking_for_links() {
    let platform = Platform::start().await;
    let client = platform.client();
    for path in ["/api/auth/verification", "/api/auth/password/forgot"] {
        client.post_json(path, json!({ "email": "nobody@example.com" }), 202).await;
    }
    Person::verified(&platform, "Ada").await;
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(ledger.user_of("nobody@example.com"), None);
    assert_eq!(ledger.items("USER#", "USER").iter().filter(|item| item.sk == "USER").count(), 1);
    assert_eq!(platform.inbox.to("nobody@example.com").await.len(), 0);
}

#[tokio::test]
async fn a5_links_carry_the_configured_origin_whatever_a_request_says() {
    let platform = Platform::start().await;
    let ada = Person::new(&platform, "Ada");
    let forged = |path: &str, body: Value| {
        ada.client
            .post(path)
            .json(body)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "ftp")
            .header("x-forwarded-port", "81")
            .header("forwarded", "host=evil.example;proto=ftp")
            .header("x-original-url", "http://evil.example/")
            .header("referer", "https://evil.example/")
    };
    let body = json!({ "email": ada.email, "password": ada.password, "name": ada.name });
    // Whether a request for another host is taken at all is the gateway's business.
    let answer = forged(SIGN_UP, body).send().await;
    if answer.code() != 202 {
        ada.sign_up().await;
    }
    platform.inbox.wait_for(&ada.email, VERIFICATION).await;
    let answer = forged("/api/auth/password/forgot", json!({ "email": ada.email })).send().await;
    if answer.code() != 202 {
        ada.reset_token(&platform).await;
    }
    until("two mails", async || (platform.inbox.all().await.len() >= 2).then_some(())).await;
    for mail in platform.inbox.all().await {
        let mail = platform.inbox.open(&mail).await;
        assert!(!mail.links.is_empty());
        let origin = format!("{}/", platform.origin());
        for link in &mail.links {
            assert!(link.starts_with(&origin) || link == platform.origin(), "{link}");
        }
        let words = format!("{}{}{:?}", mail.text, mail.html, mail.headers);
        assert!(!words.contains("evil.example") && !words.contains("ftp:"), "{words}");
    }
}

#[tokio::test]
async fn a6_a_reset_or_a_change_of_the_password_ends_every_other_session() {
    let platform = Platform::start().await;
    let laptop = Person::signed_in(&platform, "Ada").await;
    let phone = laptop.elsewhere(&platform);
    phone.sign_in().await;
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    laptop.client.put("/api/auth/password").json(change).expect(204).await;
    phone.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    laptop.client.post("/api/auth/refresh").expect(204).await;
    let sessions = laptop.client.get("/api/auth/sessions").expect(200).await.json();
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1), "{sessions}");
    assert_eq!(phone.try_sign_in().await.code(), 401, "the old password is worth nothing");

    let token = laptop.reset_token(&platform).await;
    let tablet = platform.client();
    tablet.post_json(RESET, json!({ "token": token, "password": PASSWORD }), 204).await;
    laptop.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    phone.sign_in().await;
    platform.inbox.wait_for_nth(&laptop.email, "Your password was changed", 2).await;
}

#[tokio::test]
async fn a6_a_reset_link_on_its_way_dies_when_the_password_is_changed() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let token = ada.reset_token(&platform).await;
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    ada.client.put("/api/auth/password").json(change).expect(204).await;
    let body = json!({ "token": token, "password": PASSWORD });
    ada.client.post(RESET).json(body).expect_problem(410, "invalid-link").await;
}

#[tokio::test]
async fn a6_whoever_signed_up_with_somebody_elses_address_gets_nothing_once_its_owner_takes_it() {
    let platform = Platform::start().await;
    let squatter = Person::signed_up(&platform, "Ada").await;
    let their_link = squatter.verification_token(&platform).await;
    let mut owner = squatter.elsewhere(&platform);
    OTHER_PASSWORD.clone_into(&mut owner.password);
    owner.sign_up().await;
    let token = platform.inbox.wait_for(&owner.email, "Finish signing up").await.token("/reset");
    // The link that the squatter caused would have verified the squatter's password.
    owner.client.post(CONFIRM).json(json!({ "token": their_link })).expect_problem(410, "invalid-link").await;
    assert_eq!(squatter.try_sign_in().await.code(), 401);
    owner.client.post_json(RESET, json!({ "token": token, "password": owner.password }), 204).await;
    assert_eq!(squatter.try_sign_in().await.code(), 401, "the squatter's password is worth nothing");
    owner.sign_in().await;
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(ledger.items("USER#", "SESSION#").len(), 1, "only the owner is signed in");
}

#[tokio::test]
async fn a6_an_owner_who_resets_the_password_of_a_sign_up_by_somebody_else_owns_it() {
    let platform = Platform::start().await;
    let squatter = Person::signed_up(&platform, "Ada").await;
    let mut owner = squatter.elsewhere(&platform);
    OTHER_PASSWORD.clone_into(&mut owner.password);
    let token = owner.reset_token(&platform).await;
    owner.client.post_json(RESET, json!({ "token": token, "password": owner.password }), 204).await;
    assert_eq!(squatter.try_sign_in().await.code(), 401);
    owner.sign_in().await;
    assert_eq!(owner.me().await["user"]["verified"], true);
}

#[tokio::test]
async fn a7_looking_at_a_link_spends_nothing() {
    let platform = Platform::start().await;
    let ada = Person::signed_up(&platform, "Ada").await;
    let token = ada.verification_token(&platform).await;
    let scanner = platform.client();
    for page in ["/verify", "/reset", "/confirm-email"] {
        for method in [reqwest::Method::GET, reqwest::Method::HEAD] {
            // A scanner may send what a browser keeps to itself.
            for path in [page.to_owned(), format!("{page}?token={token}"), format!("{page}%23token={token}")]
            {
                let answer = scanner.request(method.clone(), &path).send().await;
                assert!([200, 404].contains(&answer.code()), "{answer}");
            }
        }
    }
    for path in [CONFIRM, RESET, "/api/auth/email/confirm"] {
        for method in [reqwest::Method::GET, reqwest::Method::HEAD, reqwest::Method::OPTIONS] {
            let answer = scanner.request(method, &format!("{path}?token={token}")).send().await;
            assert_eq!(answer.code(), 405, "{answer}");
            assert_eq!(answer.header("allow"), "POST", "{answer}");
        }
    }
    ada.client.post_json(CONFIRM, json!({ "token": token }), 204).await;
}

#[tokio::test]
async fn a8_moving_to_another_address_takes_the_password_and_both_inboxes() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let new = "countess@example.com";
    let wrong = json!({ "email": new, "password": OTHER_PASSWORD });
    let answer = ada.client.put("/api/auth/email").json(wrong).send().await;
    assert_eq!(invalid_fields(&answer), ["password"], "{answer}");
    ada.client.put("/api/auth/email").json(json!({ "email": new, "password": PASSWORD })).expect(202).await;
    let token = platform.inbox.wait_for(new, "Confirm your new").await.token("/confirm-email");
    assert_eq!(ada.me().await["user"]["email"], "ada@example.com", "nothing is moved before it is confirmed");
    let reset = ada.reset_token(&platform).await;

    // The link alone does it: it may be opened at another device.
    platform.client().post_json("/api/auth/email/confirm", json!({ "token": token }), 204).await;
    platform.inbox.wait_for("ada@example.com", "Your email address was changed").await;
    assert_eq!(ada.me().await["user"]["email"], new);
    assert_eq!(ada.elsewhere(&platform).try_sign_in().await.code(), 401, "the old address is no one's");
    let mut moved = ada.elsewhere(&platform);
    new.clone_into(&mut moved.email);
    moved.sign_in().await;
    let spent = json!({ "token": token });
    ada.client.post("/api/auth/email/confirm").json(spent).expect_problem(410, "invalid-link").await;
    // What lies in the old inbox opens nothing any more.
    let body = json!({ "token": reset, "password": OTHER_PASSWORD });
    ada.client.post(RESET).json(body).expect_problem(410, "invalid-link").await;
    // The old address is free for somebody else.
    let heir = Person::signed_up(&platform, "Ada").await;
    let token = platform.inbox.wait_for_nth(&heir.email, VERIFICATION, 2).await.token("/verify");
    heir.client.post_json(CONFIRM, json!({ "token": token }), 204).await;
    heir.sign_in().await;
}

#[tokio::test]
async fn a8_an_address_of_somebody_else_cannot_be_moved_to() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let bob = Person::signed_in(&platform, "Bob").await;
    let ask = |email: &str| json!({ "email": email, "password": PASSWORD });
    let taken = ada.client.put("/api/auth/email").json(ask("BOB@example.com")).expect(202).await;
    let free = ada.client.put("/api/auth/email").json(ask("free@example.com")).expect(202).await;
    assert_eq!(taken.comparable(), free.comparable(), "E1: whose an address is, is not told");
    let told = platform.inbox.wait_for(&bob.email, "has an account already").await;
    assert_eq!(told.find_token("/confirm-email"), None);

    // Taken only after the link was sent: the first who verifies has it.
    let token = platform.inbox.wait_for("free@example.com", "Confirm your new").await.token("/confirm-email");
    let mut carol = Person::new(&platform, "Carol");
    "free@example.com".clone_into(&mut carol.email);
    carol.sign_up().await;
    carol.verify(&platform).await;
    let body = json!({ "token": token });
    ada.client.post("/api/auth/email/confirm").json(body).expect_problem(410, "invalid-link").await;
    assert_eq!(ada.me().await["user"]["email"], "ada@example.com");
    carol.sign_in().await;
}

#[tokio::test]
async fn a9_one_address_is_one_account_whatever_its_case_or_unicode_form() {
    let platform = Platform::start().await;
    let mut ada = Person::new(&platform, "Ada");
    "Ada.Lovelace@Bücher.example".clone_into(&mut ada.email);
    ada.sign_up().await;
    let stored = "Ada.Lovelace@xn--bcher-kva.example";
    platform.inbox.wait_for(stored, VERIFICATION).await;
    for (place, spelling) in [
        "ada.lovelace@bücher.example",
        "ADA.LOVELACE@BÜCHER.EXAMPLE",
        "ada.lovelace@xn--bcher-kva.example",
        "Ada.Lovelace@XN--BCHER-KVA.example",
        "ada.lovelace@bu\u{308}cher.example",
        "ａｄａ.lovelace@bücher.example",
        " ada.lovelace@bücher。example ",
    ]
    .into_iter()
    .enumerate()
    {
        let mut other = ada.elsewhere(&platform);
        spelling.clone_into(&mut other.email);
        if place < 3 {
            other.sign_up().await;
        } else {
            other.client.post_json("/api/auth/verification", json!({ "email": spelling }), 202).await;
        }
        let ledger = Ledger::read(&platform).await;
        assert_eq!(ledger.items("EMAIL#", "EMAIL").len(), 1, "{spelling}");
        assert_eq!(
            ledger.items("USER#", "USER").iter().filter(|item| item.sk == "USER").count(),
            1,
            "{spelling}"
        );
        // The budget of mails to the address is not what this is about.
        forget_counts(&platform).await;
    }
    let ledger = Ledger::settled(&platform).await;
    assert!(ledger.user_of(stored).is_some());
    // Mails asked for at once come in any order. That of this link is asked for when there is no other.
    let known = platform.inbox.all().await.len();
    ada.client.post_json("/api/auth/verification", json!({ "email": ada.email }), 202).await;
    let mails =
        until("one more mail", async || Some(platform.inbox.all().await).filter(|mails| mails.len() > known))
            .await;
    assert!(mails.iter().all(|mail| mail.to == [stored]), "mail goes to the address as it is stored");
    let token = mails[0].token("/verify");
    ada.client.post_json(CONFIRM, json!({ "token": token }), 204).await;
    for spelling in ["ada.lovelace@bücher.example", "ADA.LOVELACE@BÜCHER.EXAMPLE"] {
        let mut again = ada.elsewhere(&platform);
        spelling.clone_into(&mut again.email);
        again.sign_in().await;
    }
}

#[tokio::test]
async fn a9_no_second_account_arises_from_sign_ups_at_once() {
    let platform = Platform::start().await;
    let answers = at_once(&platform, 8, |client, place| {
        let email = if place % 2 == 0 { "ada@example.com" } else { "ADA@EXAMPLE.COM" };
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
        async move { client.post(SIGN_UP).json(body).send().await }
    })
    .await;
    for answer in &answers {
        assert!([202, 429].contains(&answer.code()), "{answer}");
    }
    let ledger = Ledger::settled(&platform).await;
    let users = ledger.items("USER#", "USER").into_iter().filter(|item| item.sk == "USER").count();
    assert_eq!(
        (users, ledger.items("EMAIL#", "EMAIL").len(), ledger.items("WORKSPACE#", "").len()),
        (1, 1, 1)
    );
    let events = ledger.events_of(&ledger.user_of("ada@example.com").unwrap());
    assert_eq!(events.iter().filter(|kind| *kind == "user.signed_up").count(), 1, "{events:?}");
}

#[tokio::test]
async fn a10_a_verification_mail_that_fails_is_tried_again_and_can_be_asked_for_again() {
    let platform = Platform::start().await;
    platform.console.set_mail("throttle").await;
    let ada = Person::signed_up(&platform, "Ada").await;
    // Stored with its event before anything is mailed.
    let ledger = Ledger::read(&platform).await;
    let user = ledger.user_of(&ada.email).unwrap();
    assert_eq!(ledger.events_of(&user), ["user.signed_up"]);
    until("a mail that is throttled", async || {
        let failed = platform.console.function("email").await.invocations > 0;
        failed.then_some(())
    })
    .await;
    assert_eq!(platform.inbox.to(&ada.email).await.len(), 0);
    platform.console.set_mail("ok").await;
    ada.verification_token(&platform).await;

    ada.client.post_json("/api/auth/verification", json!({ "email": ada.email }), 202).await;
    platform.inbox.wait_for_nth(&ada.email, VERIFICATION, 2).await;
    ada.verify(&platform).await;
    Ledger::settled(&platform).await;
    assert_eq!(subjects(&platform, &ada.email).await["Verify your email address"], 2);
}

/// Names of the fields that the answer refuses.
fn invalid_fields(answer: &Response) -> Vec<String> {
    assert_eq!(answer.code(), 422, "{answer}");
    let problem = answer.problem();
    let errors = problem["errors"].as_array().expect("errors");
    errors
        .iter()
        .map(|error| {
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
            error["field"].as_str().expect("a field").to_owned()
        })
        .collect()
}

async fn sign_up_with(client: &Client, name: &str, password: &str) -> Response {
    let body = json!({ "email": format!("{name}@example.com"), "password": password, "name": "Q" });
    client.post(SIGN_UP).json(body).send().await
}

/// Sends requests of several clients at once.
async fn at_once<F: Future<Output = Response> + Send + 'static>(
    platform: &Platform,
    count: usize,
    request: impl Fn(Client, usize) -> F,
) -> Vec<Response> {
    let running: Vec<_> = (0..count).map(|place| tokio::spawn(request(platform.client(), place))).collect();
    let mut answers = Vec::new();
    for request in running {
        answers.push(request.await.expect("an answer"));
    }
    answers
}

/// The place of the one answer with this status, all others having the other.
fn one_of(answers: &[Response], status: u16, other: u16) -> usize {
    let codes: Vec<_> = answers.iter().map(Response::code).collect();
    assert_eq!(codes.iter().filter(|code| **code == status).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [status, other].contains(code)), "{codes:?}");
    codes.iter().position(|code| *code == status).expect("one")
}

/// A hash of half the memory, with which nobody would start today.
fn weak_hash(password: &str) -> String {
    use argon2::password_hash::PasswordHasher;
    let params = argon2::Params::new(9 * 1024, 1, 1, None).expect("parameters");
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash: argon2::password_hash::phc::PasswordHash =
        argon2.hash_password_with_salt(password.as_bytes(), b"sixteen bytes ok").expect("a hash");
    hash.to_string()
}
