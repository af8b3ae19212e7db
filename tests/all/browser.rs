//! The journeys in a real browser, as a person makes them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tests::browser::{Browser, ENTER, SPACE};
use tests::person::{OTHER_PASSWORD, PASSWORD, VERIFICATION};
use tests::{Person, Platform, until};
use thirtyfour::By;

use crate::site::{CONSOLE_PAGES, PAGES};

/// Pages of somebody who is signed in.
const PRIVATE_PAGES: [&str; 7] =
    ["/overview", "/activity", "/billing", "/billing/return", "/notifications", "/security", "/profile"];

/// A browser at the app's front page.
pub(crate) struct Visit {
    pub(crate) browser: Browser,
    origin: String,
}

impl Visit {
    pub(crate) async fn new(platform: &Platform) -> Self {
        Self { browser: Browser::start().await, origin: platform.origin().to_owned() }
    }

    pub(crate) async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.origin)).await;
    }

    pub(crate) async fn sign_in(&self, person: &Person) {
        self.open("/sign-in").await;
        self.browser.fill("email", &person.email).await;
        self.browser.fill("password", &person.password).await;
        self.browser.press("Sign in").await;
        self.browser.wait_for_path("/overview").await;
    }

    /// Runs this from now on in each page of the tab, before the page's own scripts.
    pub(crate) async fn before_each_page(&self, script: &str) {
        let source = json!({ "source": script });
        self.browser.command("Page.addScriptToEvaluateOnNewDocument", source).await;
    }

    /// Whatever the page shows now is fit for all: see [`inspect`].
    pub(crate) async fn assert_fit(&self) {
        let page = self.browser.path().await;
        let mut faults = Vec::new();
        for dark in [true, false] {
            self.browser.set_dark(dark).await;
            inspect(&self.browser, &page, dark, &mut faults).await;
        }
        self.browser.set_width(1280).await;
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// F2: no token is where a script can read it, or in an address.
    pub(crate) async fn assert_no_token_in_reach(&self) {
        let script = "return JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.referrer])";
        let reach = self.browser.script(script, Vec::new()).await;
        let reach = reach.as_str().unwrap();
        for sign in ["eyJ", "token", "__Host"] {
            assert!(!reach.contains(sign), "{reach}");
        }
        assert_eq!(self.browser.script("return document.cookie", Vec::new()).await, "");
    }
}

/// The first ten minutes of somebody who has never been here, and everything that they may do then.
#[tokio::test]
async fn a_person_signs_up_reads_the_mail_and_uses_the_app_to_the_end() {
    let platform = Platform::start().await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/").await;
    browser.press("Create an account").await;
    browser.wait_for_path("/sign-up").await;
    browser.fill("name", "Ada Lovelace").await;
    browser.fill("email", "ada@example.com").await;
    browser.fill("password", PASSWORD).await;
    browser.press("Create account").await;
    browser.wait_for_path("/check-mail").await;
    browser.see_text("Check your mail").await;
    visit.assert_no_token_in_reach().await;

    // The mail is in the local inbox; its own link is followed, in the mail as it is shown there.
    let mail = platform.inbox.wait_for("ada@example.com", VERIFICATION).await;
    visit.open(&format!("/_local/ui/inbox?id={}", mail.id.as_str().unwrap())).await;
    browser.see_text("Verify your email address").await;
    let frame = browser.see("iframe").await;
    let window = browser.driver().window().await.unwrap();
    frame.enter_frame().await.unwrap();
    let link = browser.see("a[href*=\"/verify#token=\"]").await;
    link.click().await.unwrap();
    let windows = until("the page of the link", async || {
        let windows = browser.driver().windows().await.ok()?;
        (windows.len() > 1).then_some(windows)
    })
    .await;
    let opened = windows.into_iter().find(|it| *it != window).unwrap();
    browser.driver().switch_to_window(opened).await.unwrap();
    browser.press("Confirm address").await;
    browser.see_text("Address confirmed").await;
    visit.assert_no_token_in_reach().await;

    browser.press("Sign in").await;
    browser.see_text("Welcome back.").await;
    browser.fill("email", "ada@example.com").await;
    browser.fill("password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.wait_for_path("/overview").await;
    browser.see_text("Ada Lovelace").await;
    browser.see_text("Your role: Owner").await;
    visit.assert_no_token_in_reach().await;
    browser.press("All activity").await;
    browser.wait_for_path("/activity").await;
    until("three events", async || {
        let rows = browser.driver().find_all(By::Css("[data-rows] tr")).await.ok()?;
        (rows.len() == 3).then_some(())
    })
    .await;

    // A phone signs in; here it is seen and ended.
    let ada = Person {
        client: platform.client(),
        email: "ada@example.com".into(),
        password: PASSWORD.into(),
        name: "Ada".into(),
    };
    ada.sign_in().await;
    browser.press("Security").await;
    browser.wait_for_path("/security").await;
    browser.see_text("Firefox on Linux").await;
    browser.press("End").await;
    browser.press("End the session").await;
    browser.see_text("The session on Firefox on Linux has ended.").await;
    ada.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;

    browser.fill("current_password", PASSWORD).await;
    browser.fill("new_password", OTHER_PASSWORD).await;
    browser.press("Change the password").await;
    browser.see_text("Password changed.").await;
    platform.inbox.wait_for("ada@example.com", "Your password was changed").await;

    browser.press("Profile").await;
    browser.wait_for_path("/profile").await;
    until("the name to be there", async || {
        let value = browser.see("#rename input[name=name]").await.value().await.ok()??;
        (value == "Ada Lovelace").then_some(())
    })
    .await;
    browser.fill("name", "Ada King").await;
    browser.press("Save the name").await;
    until("the new name", async || (platform_name(&platform).await == "Ada King").then_some(())).await;
    browser.fill("email", "countess@example.com").await;
    browser.fill("password", OTHER_PASSWORD).await;
    browser.press("Change the address").await;
    let mail = platform.inbox.wait_for("countess@example.com", "Confirm your new").await;
    let link = mail.links.iter().find(|link| link.contains("/confirm-email#token=")).unwrap();
    browser.open(link).await;
    browser.press("Confirm address").await;
    browser.see_text("Address changed").await;
    visit.assert_no_token_in_reach().await;

    visit.open("/overview").await;
    browser.see_text("countess@example.com").await;
    browser.press("Activity").await;
    browser.wait_for_path("/activity").await;
    browser.press("Sign out").await;
    browser.wait_for_path("/signed-out").await;
    visit.assert_no_token_in_reach().await;
    // Going back shows nothing of what was there.
    browser.driver().back().await.unwrap();
    until("the sign-in page", async || browser.path().await.starts_with("/sign-in").then_some(())).await;
    browser.assert_faultless().await;
}

/// The user's name, as the table has it.
async fn platform_name(platform: &Platform) -> String {
    let users = platform.console.items("USER#").await;
    let user = users.iter().find(|item| item.sk == "USER").expect("a user");
    user.attributes["name"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_person_who_forgot_the_password_gets_in_again() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/sign-in").await;
    browser.fill("email", &ada.email).await;
    browser.fill("password", "some other password entirely").await;
    browser.press("Sign in").await;
    browser.see("[data-alert]").await;
    browser.press("Forgot password?").await;
    browser.wait_for_path("/forgot").await;
    browser.fill("email", &ada.email).await;
    browser.press("Send the link").await;
    browser.see_text("Check your mail").await;
    let mail = platform.inbox.wait_for(&ada.email, "Choose a new password").await;
    let link = mail.links.iter().find(|link| link.contains("/reset#token=")).unwrap();
    browser.open(link).await;
    visit.assert_no_token_in_reach().await;
    browser.fill("password", OTHER_PASSWORD).await;
    browser.press("Save the password").await;
    browser.see_text("Password saved").await;
    browser.press("Sign in").await;
    browser.fill("email", &ada.email).await;
    browser.fill("password", OTHER_PASSWORD).await;
    browser.press("Sign in").await;
    browser.wait_for_path("/overview").await;
    // The link is spent.
    browser.open(link).await;
    browser.fill("password", PASSWORD).await;
    browser.press("Save the password").await;
    browser.see_text("This link is no good any more").await;
    visit.open("/verify").await;
    browser.see_text("Open the link again").await;
    browser.assert_faultless().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_field_is_said_beside_it() {
    let platform = Platform::start().await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/sign-up").await;
    browser.fill("name", " ").await;
    browser.fill("email", "ada@example").await;
    browser.fill("password", "short").await;
    browser.press("Create account").await;
    for name in ["name", "email", "password"] {
        let error = browser.see(&format!("#{name}-error")).await.text().await.unwrap();
        assert!(error.len() > 10, "{name}: {error:?}");
        let invalid = browser.see(&format!("input[name={name}]")).await.attr("aria-invalid").await.unwrap();
        assert_eq!(invalid.as_deref(), Some("true"), "{name}");
    }
    let focus = "return document.activeElement?.name";
    assert_eq!(browser.script(focus, Vec::new()).await, "name", "the first of them has the focus");
    assert_eq!(platform.console.function("auth").await.invocations, 0, "nothing was sent");
    // What only the server knows is said in the same place.
    browser.fill("name", "Ada").await;
    browser.fill("email", "ada@example.com").await;
    browser.fill("password", "passwordpassword").await;
    browser.press("Create account").await;
    until("the server's word", async || {
        let error = browser.driver().find(By::Css("#password-error")).await.ok()?.text().await.ok()?;
        error.contains("easy to guess").then_some(())
    })
    .await;
    assert_eq!(browser.script(focus, Vec::new()).await, "password");
    browser.fill("password", PASSWORD).await;
    browser.press("Create account").await;
    browser.wait_for_path("/check-mail").await;
    browser.assert_faultless().await;
}

#[tokio::test]
async fn a_person_without_a_mouse_signs_in_and_out() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/sign-in").await;
    browser.see("button[type=submit]:enabled").await;
    browser.tab_to("input[name=email]").await;
    browser.keys(&ada.email).await;
    browser.tab_to("input[name=password]").await;
    browser.keys(PASSWORD).await;
    // The password can be shown, and the focus is always to be seen.
    browser.tab_to("[data-reveal]").await;
    browser.keys(SPACE).await;
    let shown =
        browser.script("return document.querySelector('input[name=password]').type", Vec::new()).await;
    assert_eq!(shown, "text");
    browser.tab_to("button[type=submit]").await;
    let outline = "const style = getComputedStyle(document.activeElement); return style.outlineStyle !== 'none' || style.boxShadow !== 'none'";
    assert_eq!(browser.script(outline, Vec::new()).await, true, "the focus can be seen");
    browser.keys(ENTER).await;
    browser.wait_for_path("/overview").await;
    browser.see_text("Ada").await;
    browser.tab_to(".skip").await;
    browser.keys(ENTER).await;
    assert_eq!(browser.script("return document.activeElement.id", Vec::new()).await, "main");
    visit.open("/overview").await;
    browser.tab_to("[data-sign-out]").await;
    browser.keys(ENTER).await;
    browser.wait_for_path("/signed-out").await;
    browser.assert_faultless().await;
}

/// T5: an account ends where it is managed, after a second thought; its other tabs end with it.
#[tokio::test]
async fn t5_a_person_deletes_their_account() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    let first = browser.driver().window().await.unwrap();
    let tab = browser.driver().new_tab().await.unwrap();
    browser.driver().switch_to_window(tab).await.unwrap();
    visit.open("/profile").await;
    browser.see_text("ada@example.com").await;
    let type_in = async |password: &str| {
        let field = browser.see("#delete-password").await;
        field.clear().await.unwrap();
        field.send_keys(password).await.unwrap();
    };
    browser.press("Delete the account").await;
    browser.see_text("Enter your password.").await;
    type_in(OTHER_PASSWORD).await;
    browser.press("Delete the account").await;
    browser.see_text("cannot be brought back").await;
    visit.assert_fit().await;
    browser.press("Delete for good").await;
    browser.see_text("This is not your password.").await;
    type_in(PASSWORD).await;
    browser.press("Delete the account").await;
    browser.press("Keep it").await;
    ada.sign_in().await;
    browser.press("Delete the account").await;
    browser.press("Delete for good").await;
    browser.wait_for_path("/account-deleted").await;
    platform.inbox.wait_for("ada@example.com", "Your account was deleted").await;
    ada.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    browser.driver().switch_to_window(first).await.unwrap();
    browser.wait_for_path("/signed-out").await;
    browser.assert_faultless().await;
}

/// The chain at the heart of the app, seen while it runs.
#[tokio::test]
async fn the_console_shows_a_sign_ups_whole_chain_as_it_runs() {
    let platform = Platform::start().await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/_local").await;
    browser.see_text("No flow yet").await;
    let ada = Person::signed_up(&platform, "Ada").await;
    // Nothing is reloaded: it is told of each step.
    until("a node of each kind", async || {
        let text = browser.driver().find(By::Id("graph-nodes")).await.ok()?.text().await.ok()?.to_lowercase();
        let all = ["sign-up", "auth", "stream", "publisher", "user.signed_up", "queue", "email", "mail"];
        all.iter().all(|part| text.contains(part)).then_some(())
    })
    .await;
    let flow = platform.console.flow_when("POST /api/auth/sign-up", |flow| flow.status == "ok").await;
    // Its twin as a table tells of every step.
    browser.see("#flow-table summary").await.click().await.unwrap();
    until("a row for each step", async || {
        let rows = browser.driver().find_all(By::Css("#flow-rows tr")).await.ok()?;
        (rows.len() == flow.steps.len()).then_some(())
    })
    .await;
    browser.see_text(&ada.email).await;
    browser.assert_faultless().await;
}

/// A browser has six connections to an origin, for all its tabs: a console that is open in many leaves some.
#[tokio::test]
async fn however_many_tabs_show_the_console_the_app_opens_in_the_next() {
    let platform = Platform::start().await;
    let visit = Visit::new(&platform).await;
    let (browser, driver) = (&visit.browser, visit.browser.driver());
    let first = driver.window().await.unwrap();
    for page in CONSOLE_PAGES {
        visit.open(page).await;
        browser.see("[data-live=live]").await;
        let next = driver.new_tab().await.unwrap();
        driver.switch_to_window(next).await.unwrap();
    }
    let opened = tokio::time::timeout(Duration::from_secs(20), visit.open("/sign-in")).await;
    opened.expect("the app opens beside seven tabs of the console");
    browser.see("input[name=email]").await;

    // Whoever comes back to the first tab is told of what happened meanwhile.
    Person::signed_up(&platform, "Ada").await;
    driver.switch_to_window(first).await.unwrap();
    browser.command("Page.bringToFront", json!({})).await;
    browser.see_text("POST /api/auth/sign-up").await;
    browser.see("[data-live=live]").await;
}

#[tokio::test]
async fn the_console_goes_back_to_the_mail_that_it_showed() {
    let platform = Platform::start().await;
    let mut newest_first = Vec::new();
    for name in ["Ada", "Bob"] {
        let person = Person::signed_up(&platform, name).await;
        platform.inbox.wait_for(&person.email, VERIFICATION).await;
        newest_first.insert(0, person.email);
    }
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    let reads = async |email: &String| {
        until(&format!("the mail to {email}"), async || {
            let to = browser.driver().find(By::Css("#reader [data-slot=to]")).await.ok()?;
            (to.text().await.ok()? == *email).then_some(())
        })
        .await;
    };
    visit.open("/_local/ui/inbox").await;
    reads(&newest_first[0]).await;
    browser.see("#inbox-list li:nth-child(2) a").await.click().await.unwrap();
    reads(&newest_first[1]).await;
    browser.driver().back().await.unwrap();
    browser.wait_for_path("/_local/ui/inbox").await;
    reads(&newest_first[0]).await;
}

#[tokio::test]
async fn what_is_being_typed_is_not_yet_searched_for_in_the_consoles_data() {
    let platform = Platform::start().await;
    Person::signed_up(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/_local/ui/data").await;
    browser.see("#item-list li").await;
    browser.fill("prefix", "NOTHING#").await;
    // Asked again, for what was searched for: a row that is new shows that the answer has come.
    Person::signed_up(&platform, "Bob").await;
    let before = browser.see("#table-count").await.text().await.unwrap();
    browser.press("Refresh").await;
    until("more items", async || {
        let count = browser.driver().find(By::Id("table-count")).await.ok()?.text().await.ok()?;
        (count != before).then_some(())
    })
    .await;
    assert!(!browser.driver().find_all(By::Css("#item-list li")).await.unwrap().is_empty());
    browser.press("Show").await;
    browser.see_text("No partition key starts with “NOTHING#”.").await;
}

#[tokio::test]
async fn what_was_not_in_a_queue_is_handled_again_and_stays_until_it_is_done() {
    let platform = Platform::start().await;
    let client = platform.console.client();
    let invoke = client.post("/2015-03-31/functions/email/invocations");
    let invoke = invoke.header("x-amz-invocation-type", "Event");
    invoke.json(json!({ "Records": "none of that kind" })).expect(202).await;
    until("a dead letter", async || platform.console.dead_letters().await.pop()).await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/_local/ui/dead-letters").await;
    browser.see_text("for the function email").await;
    browser.see_text("received 3 times").await;
    browser.press("Redrive").await;
    browser.see_text("Redriven: It is being handled again.").await;
    // Nobody reloads: the page is told that it failed again.
    browser.see_text("received 4 times").await;
}

#[tokio::test]
async fn a_page_that_lost_its_network_or_its_session_says_so_and_recovers() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    // Whoever is not signed in is led to the sign-in page, and back.
    visit.open("/security").await;
    until("the sign-in page", async || browser.path().await.starts_with("/sign-in").then_some(())).await;
    browser.fill("email", &ada.email).await;
    browser.fill("password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.wait_for_path("/security").await;
    // The access token has run out: it is renewed without a word.
    browser.driver().delete_cookie("__Host-access").await.unwrap();
    visit.open("/overview").await;
    browser.see_text(&ada.email).await;
    browser.set_offline(true).await;
    browser.see_text("Offline.").await;
    browser.set_offline(false).await;
    until("the end of the banner", async || {
        let banner = browser.driver().find(By::Css("[data-offline]")).await.ok()?;
        (!banner.is_displayed().await.ok()?).then_some(())
    })
    .await;
    // A failure of the server can be tried again.
    platform.console.set(json!({ "faults": { "table": { "error": 1.0 } } })).await;
    visit.open("/overview").await;
    browser.see("[data-retry]").await;
    platform.console.set(json!({ "faults": { "table": { "error": 0.0 } } })).await;
    until("what was asked for", async || {
        if let Ok(retry) = browser.driver().find(By::Css("[data-retry]")).await {
            let _ = retry.click().await;
        }
        let text = browser.driver().find(By::Css("main")).await.ok()?.text().await.ok()?;
        text.contains(&ada.email).then_some(())
    })
    .await;
    browser.assert_faultless().await;
}

/// I5: signing in leads to no other site, whatever the address asks for.
#[tokio::test]
async fn i5_signing_in_leads_to_no_other_site() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    for (next, lands) in [
        ("//evil.example", "/overview"),
        ("https%3A%2F%2Fevil.example", "/overview"),
        ("%2F%5Cevil.example", "/overview"),
        ("javascript%3Aalert(1)", "/overview"),
        ("%2F%09%2Fevil.example", "/overview"),
        ("%2Factivity", "/activity"),
    ] {
        browser.driver().delete_all_cookies().await.unwrap();
        visit.open(&format!("/sign-in?next={next}")).await;
        browser.fill("email", &ada.email).await;
        browser.fill("password", PASSWORD).await;
        browser.press("Sign in").await;
        browser.wait_for_path(lands).await;
    }
    browser.assert_faultless().await;
}

/// F1: what the policy is for. A page that would do it is stopped.
#[tokio::test]
async fn f1_the_policy_stops_what_it_is_there_to_stop() {
    let platform = Platform::start().await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/").await;
    browser.assert_faultless().await;
    let stopped = browser
        .driver()
        .execute_async(
            "const done = arguments[0];
            const stopped = [];
            document.addEventListener('securitypolicyviolation', (event) => stopped.push(event.effectiveDirective));
            const script = document.createElement('script');
            try { script.text = 'window.injected = 1'; } catch { stopped.push('trusted types: script'); }
            document.head.append(script);
            try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>'); } catch { stopped.push('trusted types: markup'); }
            const style = document.createElement('style');
            style.textContent = 'body { color: red }';
            document.head.append(style);
            fetch('http://127.0.0.1:9/').catch(() => {});
            const image = new Image();
            image.src = 'http://127.0.0.1:9/x.png';
            setTimeout(() => done([stopped, window.injected ?? null]), 300);",
            Vec::new(),
        )
        .await
        .unwrap();
    let stopped = stopped.json().clone();
    let directives: BTreeSet<_> = stopped[0].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for directive in
        ["trusted types: script", "trusted types: markup", "style-src-elem", "connect-src", "img-src"]
    {
        assert!(directives.contains(directive), "{directive} in {directives:?}");
    }
    assert_eq!(stopped[1], Value::Null, "a script was injected");
}

/// Every page, in the light and in the dark: axe finds nothing, nothing goes wrong in the browser, and a
/// phone need not scroll sideways.
#[tokio::test]
async fn every_page_is_fit_for_all_in_light_and_dark_and_on_a_phone() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    // Something to show in the console, and something that failed.
    platform.console.set_mail("refuse").await;
    ada.client.post_json("/api/auth/password/forgot", json!({ "email": ada.email }), 202).await;
    until("a dead letter", async || platform.console.dead_letters().await.pop()).await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    let mut faults = Vec::new();
    for dark in [false, true] {
        browser.set_dark(dark).await;
        let signed_out = PAGES.iter().filter(|page| !PRIVATE_PAGES.contains(page));
        let more = [
            "/nothing",
            "/pricing?interval=year",
            "/verify#token=x",
            "/reset#token=x",
            "/confirm-email#token=x",
            "/unsubscribe#token=x",
        ];
        let mut pages: Vec<&str> = signed_out.chain(&more).copied().collect();
        pages.extend(CONSOLE_PAGES);
        check(&visit, &pages, dark, &mut faults).await;
        visit.sign_in(&ada).await;
        check(&visit, &PRIVATE_PAGES, dark, &mut faults).await;
        browser.driver().delete_all_cookies().await.unwrap();
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn check(visit: &Visit, pages: &[&str], dark: bool, faults: &mut Vec<String>) {
    let browser = &visit.browser;
    for page in pages {
        // Leaving a page by its fragment alone would not load it.
        browser.open("about:blank").await;
        browser.set_width(1280).await;
        visit.open(page).await;
        until(&format!("{page} to be done loading"), async || {
            let done = "return document.readyState === 'complete' && !document.querySelector('main [aria-busy=true]') && !document.querySelector('main button[type=submit]:disabled')";
            (browser.script(done, Vec::new()).await == Value::Bool(true)).then_some(())
        })
        .await;
        let shift = browser.layout_shift().await;
        if shift > 0.1 {
            faults.push(format!("{page}: it moves by {shift} while it loads"));
        }
        inspect(browser, page, dark, faults).await;
        let reveal = "for (const button of document.querySelectorAll('[data-reveal]')) button.click();
            return document.querySelector('[data-reveal]') !== null";
        if browser.script(reveal, Vec::new()).await == Value::Bool(true) {
            inspect(browser, &format!("{page} with the password shown"), dark, faults).await;
        }
    }
}

/// Axe finds nothing in the page as it is, wide or on a phone, which need not scroll sideways; and nothing went
/// wrong in the browser.
async fn inspect(browser: &Browser, page: &str, dark: bool, faults: &mut Vec<String>) {
    let light = if dark { "dark" } else { "light" };
    for width in [1280, 360] {
        browser.set_width(width).await;
        let overflow = browser
            .script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
                Vec::new(),
            )
            .await;
        if overflow.as_f64().unwrap_or_default() > 0.0 {
            faults.push(format!("{page} ({light}): {width} px must scroll {overflow} px sideways"));
        }
        for violation in browser.axe().await {
            faults.push(format!(
                "{page} ({light}, {width} px): {}: {}: {:?}",
                violation.id, violation.help, violation.nodes
            ));
        }
    }
    for fault in browser.faults().await {
        faults.push(format!("{page} ({light}): {}", fault.message));
    }
}
