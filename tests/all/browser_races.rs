//! What happens meanwhile, in a real browser: replies that are late or lost, second tabs, and people who press
//! again and again.

use serde_json::{Value, json};
use tests::browser::Browser;
use tests::person::OTHER_PASSWORD;
use tests::{Person, Platform, until};

use crate::browser::Visit;

/// Keeps requests of the page back while they are what `window.hold` says, as in `GET /api/me`.
const HOLD: &str = "
    const send = window.fetch;
    window.held = [];
    window.asked = [];
    window.fetch = (path, init) => new Promise((resolve, reject) => {
        const request = `${init.method} ${path}`;
        const go = () => send(path, init).then(resolve, reject);
        window.asked.push(request);
        if (request === window.hold) window.held.push(go);
        else go();
    });";

/// A page with [`HOLD`] in it.
struct Holding<'a>(&'a Browser);

impl<'a> Holding<'a> {
    /// In every page of this tab from now on; this is kept back from the first.
    async fn new(visit: &'a Visit, request: &str) -> Self {
        visit.before_each_page(&format!("window.hold = {};{HOLD}", json!(request))).await;
        Self(&visit.browser)
    }

    /// Keeps this back from now on.
    async fn hold(&self, request: &str) {
        self.0.script("window.hold = arguments[0]", vec![json!(request)]).await;
    }

    /// Waits until so many are kept back.
    async fn wait(&self, count: usize) {
        until(&format!("{count} requests that are kept back"), async || {
            (self.0.script("return window.held.length", Vec::new()).await == json!(count)).then_some(())
        })
        .await;
    }

    /// Sends what was kept back, and keeps nothing back any more.
    async fn release(&self) {
        let script = "window.hold = null; for (const go of window.held.splice(0)) go()";
        self.0.script(script, Vec::new()).await;
    }
}

/// Presses it each millisecond, from the first time until its page is gone.
async fn press_again_and_again(browser: &Browser, css: &str) {
    browser.see(&format!("{css}:enabled")).await;
    let script = "setInterval((css) => document.querySelector(css)?.click(), 1, arguments[0])";
    browser.script(script, vec![json!(css)]).await;
}

/// How often this was asked of the server.
async fn asked(platform: &Platform, request: &str) -> usize {
    platform.console.flows().await.iter().filter(|flow| flow.name == request).count()
}

async fn preferences(person: &Person) -> Value {
    person.client.get("/api/me/preferences").expect(200).await.json()
}

#[tokio::test]
async fn choices_that_are_not_loaded_yet_cannot_be_saved() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let before = preferences(&ada).await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    let holding = Holding::new(&visit, "GET /api/me/preferences").await;
    visit.open("/notifications").await;
    holding.wait(1).await;
    browser.see("#enter-number [type=submit]:enabled").await;
    browser.script("document.querySelector('#choices [type=submit]').click()", Vec::new()).await;
    holding.release().await;
    browser.see("#choices [type=submit]:enabled").await;
    assert_eq!(asked(&platform, "PUT /api/me/preferences").await, 0);
    assert_eq!(preferences(&ada).await, before);
    browser.assert_faultless().await;
}

/// Neither what another tab saved meanwhile is undone, nor what was changed while the saving went on.
#[tokio::test]
async fn only_the_choices_that_were_changed_are_saved() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    let holding = Holding::new(&visit, "").await;
    visit.open("/notifications").await;
    browser.see("#billing-text:enabled").await;

    let mut elsewhere = preferences(&ada).await;
    assert_eq!(elsewhere["billing"], json!({ "mail": true, "text": false }));
    elsewhere["billing"]["text"] = json!(true);
    ada.client.put("/api/me/preferences").json(elsewhere.clone()).expect(200).await;

    browser.see("#product-mail").await.click().await.unwrap();
    holding.hold("PUT /api/me/preferences").await;
    browser.press("Save the choices").await;
    holding.wait(1).await;
    browser.see("#billing-mail").await.click().await.unwrap();
    holding.release().await;
    browser.see_text("Saved, but for what you changed meanwhile.").await;
    elsewhere["product"]["mail"] = json!(false);
    assert_eq!(preferences(&ada).await, elsewhere);
    assert!(browser.see("#billing-text").await.is_selected().await.unwrap(), "as the other tab chose");
    assert!(!browser.see("#billing-mail").await.is_selected().await.unwrap(), "as it was left");

    browser.press("Save the choices").await;
    browser.see_text("Choices saved.").await;
    elsewhere["billing"]["mail"] = json!(false);
    assert_eq!(preferences(&ada).await, elsewhere);
    browser.assert_faultless().await;
}

#[tokio::test]
async fn a_tab_shows_who_signed_in_in_another() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let bob = Person::verified(&platform, "Bob").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    visit.open("/profile").await;
    browser.see_text(&ada.email).await;
    let first = browser.driver().window().await.unwrap();
    let second = browser.driver().new_tab().await.unwrap();
    browser.driver().switch_to_window(second).await.unwrap();
    visit.sign_in(&bob).await;
    browser.driver().switch_to_window(first).await.unwrap();
    browser.see_text(&bob.email).await;
    assert_eq!(browser.path().await, "/profile");
    browser.assert_faultless().await;
}

#[tokio::test]
async fn whoever_presses_again_and_again_asks_once() {
    let platform = Platform::start().await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/sign-up").await;
    let ada = Person::new(&platform, "Ada");
    browser.fill("name", &ada.name).await;
    browser.fill("email", &ada.email).await;
    browser.fill("password", &ada.password).await;
    press_again_and_again(browser, "main [type=submit]").await;
    browser.wait_for_path("/check-mail").await;
    assert_eq!(asked(&platform, "POST /api/auth/sign-up").await, 1);
    ada.verify(&platform).await;

    visit.open("/sign-in").await;
    browser.fill("email", &ada.email).await;
    browser.fill("password", &ada.password).await;
    press_again_and_again(browser, "main [type=submit]").await;
    browser.wait_for_path("/overview").await;
    assert_eq!(asked(&platform, "POST /api/auth/sign-in").await, 1);

    press_again_and_again(browser, "[data-sign-out]").await;
    browser.wait_for_path("/signed-out").await;
    assert_eq!(asked(&platform, "POST /api/auth/sign-out").await, 1);
    browser.assert_faultless().await;
}

/// T4: the server has made a new token, and its reply never comes.
#[tokio::test]
async fn t4_a_refresh_whose_reply_never_comes_is_repeated_in_time() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    let never_answered = "
        const send = window.fetch;
        window.fetch = (path, init) => {
            if (path !== '/api/auth/refresh' || window.lost) return send(path, init);
            window.lost = true;
            return new Promise((_, reject) => {
                init.signal?.addEventListener('abort', () => reject(init.signal.reason));
            });
        };";
    visit.before_each_page(never_answered).await;
    let refresh = browser.driver().get_named_cookie("__Host-refresh").await.unwrap();
    browser.driver().delete_cookie("__Host-access").await.unwrap();
    visit.open("/overview").await;
    until("the refresh", async || {
        (browser.script("return window.lost", Vec::new()).await == Value::Bool(true)).then_some(())
    })
    .await;
    let on_the_way = platform.client();
    on_the_way.set_cookie("__Host-refresh", &refresh.value);
    on_the_way.post("/api/auth/refresh").expect(204).await;
    browser.see_text(&ada.email).await;
    assert_eq!(browser.path().await, "/overview");
    on_the_way.post("/api/auth/refresh").expect(204).await;
    browser.assert_faultless().await;
}

/// Whoever asks again while an answer is under way is not told by it, and asks in one turn.
#[tokio::test]
async fn whoever_checks_a_payment_again_is_told_by_the_newest_answer() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    let skewed = "const now = Date.now; window.ahead = 0; Date.now = () => now() + window.ahead;";
    visit.before_each_page(skewed).await;
    let holding = Holding::new(&visit, "").await;
    visit.open("/billing/return?checkout=success").await;
    browser.see_text("Confirming your payment").await;
    browser.script("window.ahead = 30_000", Vec::new()).await;
    browser.see_text("This takes longer than usual").await;
    holding.hold("GET /api/billing/subscription").await;
    holding.wait(1).await;
    let watch = "
        const main = document.querySelector('main');
        window.told = [];
        new MutationObserver(() => window.told.push(main.dataset.now)).observe(main, { attributeFilter: ['data-now'] });";
    browser.script(watch, Vec::new()).await;
    browser.press("Check again").await;
    holding.wait(2).await;
    browser.script("window.asked.length = 0", Vec::new()).await;
    holding.release().await;
    until("four more questions", async || {
        let count = browser.script("return window.asked.length", Vec::new()).await;
        (count.as_u64() >= Some(4)).then_some(())
    })
    .await;
    assert_eq!(browser.script("return window.told", Vec::new()).await, json!(["confirming"]));
    browser.assert_faultless().await;
}

/// A1: what the server takes, the page takes.
#[tokio::test]
async fn a1_the_page_refuses_no_password_that_the_server_takes() {
    let platform = Platform::start().await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    for (email, password) in [
        ("rose@example.com", "primrose lantern canoe 93 violet"),
        ("ida@example.com", "#%&*?/#%&*?/#%&*?/"),
        ("eve@example.com", "ﬁ xk7qmv2zr9wt"),
    ] {
        visit.open("/sign-up").await;
        browser.fill("name", "Somebody").await;
        browser.fill("email", email).await;
        browser.fill("password", password).await;
        browser.press("Create account").await;
        browser.wait_for_path("/check-mail").await;
    }
    browser.assert_faultless().await;
}

/// On a phone, what happened is said above the form that was sent.
#[tokio::test]
async fn a_changed_password_is_said_where_it_is_seen() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    browser.set_width(360).await;
    visit.open("/security").await;
    browser.fill("current_password", &ada.password).await;
    browser.fill("new_password", OTHER_PASSWORD).await;
    browser.script("window.scrollTo(0, document.body.scrollHeight)", Vec::new()).await;
    browser.press("Change the password").await;
    browser.see_text("Password changed.").await;
    until("what is said to be read", async || {
        let script = "
            const { top, bottom } = document.querySelector('[data-said]').getBoundingClientRect();
            return document.activeElement.matches('[data-said]') && top >= 0 && bottom <= innerHeight;";
        (browser.script(script, Vec::new()).await == Value::Bool(true)).then_some(())
    })
    .await;
    visit.assert_fit().await;
    browser.assert_faultless().await;
}
