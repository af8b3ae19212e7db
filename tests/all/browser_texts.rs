//! What people are told of, in a real browser: a phone that is confirmed, texted and stopped, the table of
//! choices, and the link at the end of a mail.

use serde_json::{Value, json};
use tests::browser::SPACE;
use tests::person::OTHER_PASSWORD;
use tests::{Person, Platform, until};
use thirtyfour::By;

use crate::browser::Visit;

/// A number of fiction: Ofcom keeps the range free for plays and films.
const NUMBER: &str = "+44 7700 900123";

/// What was texted to [`NUMBER`], newest first.
async fn texts(platform: &Platform) -> Vec<Value> {
    let page = platform.console.client().get("/_local/texts?to=%2B447700900123").expect(200).await.json();
    let texts = page["texts"].as_array().expect("texts").clone();
    texts.into_iter().filter(|text| text["direction"] == "sent").collect()
}

/// The newest text to [`NUMBER`] that says this, once there is one.
async fn wait_for_text(platform: &Platform, part: &str) -> Value {
    until(&format!("a text about {part:?}"), async || {
        texts(platform)
            .await
            .into_iter()
            .find(|text| text["body"].as_str().is_some_and(|body| body.contains(part)))
    })
    .await
}

/// The code of the newest text that has one.
async fn wait_for_code(platform: &Platform) -> String {
    let text = wait_for_text(platform, "is your code").await;
    let body = text["body"].as_str().expect("a body");
    let mut words = body.split(|letter: char| !letter.is_ascii_digit());
    words.find(|word| word.len() == 6).unwrap_or_else(|| panic!("no code in {body:?}")).to_owned()
}

/// P1, P2: a phone is confirmed by the code that it was sent, gets a text for what its owner wants to know,
/// answers STOP, and gets none.
#[tokio::test]
async fn p1_a_phone_is_confirmed_texted_and_stopped() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    browser.press("Notifications").await;
    browser.wait_for_path("/notifications").await;
    browser.see_text("No text is sent until you confirm a phone number.").await;

    browser.fill("number", "07700 900123").await;
    browser.press("Send a code").await;
    let error = browser.see("#number-error").await.text().await.unwrap();
    assert!(error.contains("country code"), "{error}");
    browser.fill("number", NUMBER).await;
    browser.press("Send a code").await;
    browser.see_text("We sent a code to").await;
    let resend = browser.see("[data-resend]").await;
    assert_eq!(resend.attr("aria-disabled").await.unwrap().as_deref(), Some("true"), "not again at once");
    let code = wait_for_code(&platform).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    browser.fill("code", wrong).await;
    browser.press("Confirm the number").await;
    browser.see("#code-error").await;
    visit.assert_fit().await;
    browser.fill("code", &format!("{} {}", &code[..3], &code[3..])).await;
    browser.press("Confirm the number").await;
    browser.see_text("The number is confirmed.").await;
    browser.see_text("Confirmed").await;
    visit.assert_no_token_in_reach().await;
    visit.assert_fit().await;

    // Another device signs in: that is texted.
    let elsewhere = ada.elsewhere(&platform);
    elsewhere.sign_in().await;
    let text = wait_for_text(&platform, "Firefox on Linux").await;
    let reply = format!("/_local/texts/{}/reply", text["id"].as_str().expect("an id"));
    platform.console.client().post_json(&reply, json!({ "body": "STOP" }), 202).await;
    until("the end of texts", async || {
        visit.open("/notifications").await;
        browser.see("[data-standing]").await;
        let card = browser.driver().find(By::Css("[data-view=phone]")).await.ok()?.text().await.ok()?;
        card.contains("You answered STOP").then_some(())
    })
    .await;
    platform.console.drained().await;
    let so_far = texts(&platform).await.len();

    let passwords = json!({ "current_password": ada.password, "new_password": OTHER_PASSWORD });
    elsewhere.client.put("/api/auth/password").json(passwords).expect(204).await;
    platform.inbox.wait_for(&ada.email, "Your password was changed").await;
    platform.console.drained().await;
    let after = texts(&platform).await;
    assert_eq!(after.len(), so_far, "texted after STOP: {after:#?}");

    // The browser's own session has ended with the password.
    let ada = Person { password: OTHER_PASSWORD.to_owned(), ..ada };
    browser.driver().delete_all_cookies().await.unwrap();
    visit.sign_in(&ada).await;
    visit.open("/activity").await;
    browser.see_text("Stopped texts by answering STOP").await;
    visit.open("/notifications").await;
    browser.press("Remove").await;
    browser.press("Remove the number").await;
    browser.see_text("The number is removed.").await;
    let phone = ada.elsewhere(&platform);
    phone.sign_in().await;
    assert_eq!(phone.client.get("/api/sms/phone").expect(200).await.json()["phone"], Value::Null);
    browser.assert_faultless().await;
}

/// By keyboard alone; mail about security cannot be turned off.
#[tokio::test]
async fn what_to_be_told_of_is_chosen_in_a_table() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    visit.open("/notifications").await;
    browser.see("#billing-text:enabled").await;
    let security = browser.see("#security-mail").await;
    assert!(security.is_selected().await.unwrap() && !security.is_enabled().await.unwrap());
    browser.tab_to("#billing-text").await;
    browser.keys(SPACE).await;
    browser.tab_to("#product-mail").await;
    browser.keys(SPACE).await;
    browser.tab_to("#choices [type=submit]").await;
    browser.keys(SPACE).await;
    browser.see_text("Choices saved.").await;
    let preferences = ada.client.get("/api/me/preferences").expect(200).await.json();
    assert_eq!(preferences["billing"]["text"], true, "{preferences}");
    assert_eq!(preferences["product"]["mail"], false, "{preferences}");
    assert_eq!(preferences["security"]["mail"], true, "{preferences}");
    visit.open("/notifications").await;
    assert!(browser.see("#billing-text:enabled").await.is_selected().await.unwrap());
    assert!(!browser.see("#product-mail:enabled").await.is_selected().await.unwrap());
    visit.open("/activity").await;
    browser.see_text("Changed what to be told of").await;
    browser.assert_faultless().await;
}

/// S2, F2: the page behind a mail's link asks for a click, by somebody who is not signed in.
#[tokio::test]
async fn s2_the_link_at_the_end_of_a_mail_unsubscribes_with_one_click() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let token = until("a mail with the link", async || {
        let mails = platform.inbox.to(&ada.email).await;
        mails.iter().find_map(|mail| mail.find_token("/unsubscribe"))
    })
    .await;
    let product =
        async || ada.client.get("/api/me/preferences").expect(200).await.json()["product"]["mail"].clone();
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open(&format!("/unsubscribe#token={token}")).await;
    browser.see("button[type=submit]:enabled").await;
    visit.assert_no_token_in_reach().await;
    assert_eq!(product().await, true, "opening the page changes nothing");
    browser.press("Stop this mail").await;
    browser.see_text("Unsubscribed").await;
    assert_eq!(product().await, false);
    visit.open("/unsubscribe").await;
    browser.see_text("Open the link again").await;
    browser.open("about:blank").await;
    visit.open("/unsubscribe#token=bm90IG91cnM").await;
    browser.press("Stop this mail").await;
    browser.see_text("This link is no good any more").await;
    browser.assert_faultless().await;
}
