//! Paying, in a real browser: from the table of plans to the provider's pages and back, and what follows when
//! time passes. The provider is the platform's; its pages are filled in as a person does.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::aws::Service;
use shared::clock::Random;
use shared::event::{Envelope, Event};
use shared::store::Store;
use tests::browser::ENTER;
use tests::{Person, Platform, until};
use thirtyfour::By;

use crate::aws::{APP_NAME, aws};
use crate::browser::Visit;

/// A card that can be charged.
const GOOD_CARD: &str = "4242 4242 4242 4242";

/// A card that is refused at once.
const DECLINED_CARD: &str = "4000 0000 0000 0002";

/// A card that can be kept, and that every charge of fails.
const FAILING_CARD: &str = "4000 0000 0000 0341";

/// A card whose owner must confirm it.
const CONFIRMED_CARD: &str = "4000 0025 0000 3155";

const DAY: i64 = 24 * 60 * 60;

/// The arrow to the right, as WebDriver codes it.
const RIGHT: &str = "\u{e014}";

/// Somebody at a browser who is about to pay.
struct Payer {
    platform: Platform,
    ada: Person,
    visit: Visit,
}

impl Payer {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let ada = Person::signed_in(&platform, "Ada").await;
        let visit = Visit::new(&platform).await;
        visit.sign_in(&ada).await;
        Self { platform, ada, visit }
    }

    /// Somebody whose workspace has Business, paid by the month with this card.
    async fn on_business(card: &str) -> Self {
        let payer = Self::new().await;
        payer.choose("Business").await;
        payer.pay(card).await;
        payer.see_on("You are on Business").await;
        payer.visit.browser.press("Go to billing").await;
        payer.visit.browser.wait_for_path("/billing").await;
        payer
    }

    /// Goes from the table of plans to the provider's checkout.
    async fn choose(&self, plan: &str) {
        self.visit.open("/pricing").await;
        self.visit.browser.press(&format!("Choose {plan}")).await;
        self.wait_for_page("/_stripe/checkout/").await;
    }

    /// Types in a card on the provider's page, and pays.
    async fn pay(&self, card: &str) {
        self.visit.browser.fill("number", card).await;
        self.press("[data-pay]").await;
    }

    /// Presses what is marked so on the provider's page.
    async fn press(&self, css: &str) {
        self.visit.browser.see(css).await.click().await.expect("it can be pressed");
    }

    async fn to_portal(&self, button: &str) {
        self.visit.browser.press(button).await;
        self.wait_for_page("/_stripe/portal/").await;
    }

    async fn back_to_billing(&self) {
        self.press("[data-return]").await;
        self.visit.browser.wait_for_path("/billing").await;
    }

    /// Has the provider keep another card.
    async fn give_card(&self, card: &str) {
        self.visit.browser.fill("number", card).await;
        self.press("[data-card]").await;
        let last = &card[card.len() - 4..];
        self.visit.browser.see_text(&format!("•••• {last}")).await;
    }

    async fn wait_for_page(&self, prefix: &str) {
        let browser = &self.visit.browser;
        until(&format!("a page at {prefix}…"), async || {
            browser.path().await.starts_with(prefix).then_some(())
        })
        .await;
    }

    async fn see_on(&self, text: &str) {
        self.visit.browser.see_text(text).await;
    }

    /// What the app says of the subscription.
    async fn subscription(&self) -> Value {
        self.ada.client.get("/api/billing/subscription").expect(200).await.json()
    }

    async fn wait_for_status(&self, status: &str) -> Value {
        until(&format!("the status {status}"), async || {
            let subscription = self.subscription().await;
            (subscription["status"] == status).then_some(subscription)
        })
        .await
    }

    /// What the provider has in its books.
    async fn books(&self) -> Value {
        self.platform.console.client().get("/_local/payments").expect(200).await.json()
    }

    /// Lets time pass at the provider.
    async fn pass(&self, days: i64) {
        let clock = json!({ "advance_seconds": days * DAY });
        self.platform.console.client().post_json("/_local/payments/clock", clock, 200).await;
    }

    /// Puts an event of a month ago into the history.
    async fn remember_last_month(&self) {
        let client = aws_sdk_dynamodb::Client::new(&aws(&self.platform).config(Service::DynamoDb));
        let user = self.ada.id().await.parse().expect("an id");
        let then = Timestamp::now() - SignedDuration::from_hours(30 * 24);
        let event = Envelope::new(user, Event::UserRenamed {}, then, &Random::system(), None);
        Store::new(client, APP_NAME).record(&event).await.expect("it is recorded");
    }

    /// How often a page has asked for a checkout.
    async fn checkouts_asked_for(&self) -> usize {
        let flows = self.platform.console.flows().await;
        flows.iter().filter(|flow| flow.name == "POST /api/billing/checkout").count()
    }

    /// Loads the billing page until its card of the plan shows this.
    async fn see_plan(&self, text: &str) {
        until(&format!("{text:?} on the billing page"), async || {
            self.visit.open("/billing").await;
            self.visit.browser.see("[data-portal]:enabled, [data-start]").await;
            let card = self.visit.browser.driver().find(By::Css("[data-view=plan]")).await.ok()?;
            card.text().await.ok()?.contains(text).then_some(())
        })
        .await;
    }

    /// The statuses of the invoices on the billing page, newest first, once there are so many.
    async fn see_invoices(&self, expected: &[&str]) {
        let mut seen = Vec::new();
        until(&format!("the invoices {expected:?}"), async || {
            self.visit.open("/billing").await;
            self.visit.browser.see("[data-invoice]").await;
            seen.clear();
            for row in
                self.visit.browser.driver().find_all(By::Css("[data-invoice] [data-status]")).await.ok()?
            {
                seen.push(row.text().await.ok()?);
            }
            (seen == expected).then_some(())
        })
        .await;
    }
}

/// B3: coming back from the checkout grants nothing; the provider's word does, and what the plan opens is open.
#[tokio::test]
async fn b3_a_plan_opens_by_the_providers_word_and_not_by_coming_back() {
    let payer = Payer::new().await;
    let browser = &payer.visit.browser;
    payer.remember_last_month().await;
    payer.visit.open("/activity").await;
    payer.see_on("Your plan shows the last 7 days.").await;
    let shown = browser.see("[data-view=activity]").await.text().await.unwrap();
    assert!(!shown.contains("Changed the name"), "{shown}");
    browser.press("See the plans").await;
    payer.see_on("7 days").await;
    payer.visit.open("/billing/return?checkout=success").await;
    payer.see_on("Confirming your payment").await;
    assert_eq!(payer.subscription().await["status"], "none", "anybody can open that address");

    let console = payer.platform.console.client();
    console.put("/_local/payments/switches").json(json!({ "drop": true })).expect(200).await;
    payer.choose("Business").await;
    payer.pay(GOOD_CARD).await;
    browser.wait_for_path("/billing/return?checkout=success").await;
    payer.see_on("Confirming your payment").await;
    assert_eq!(payer.books().await["subscriptions"][0]["status"], "active", "the provider was paid");
    assert_eq!(payer.subscription().await["status"], "none", "it has not said so yet");

    console.put("/_local/payments/switches").json(json!({ "drop": false })).expect(200).await;
    let webhooks = payer.books().await["webhooks"].as_array().unwrap().clone();
    let created = webhooks.iter().find(|webhook| webhook["type"] == "customer.subscription.created").unwrap();
    let resend = format!("/_local/payments/webhooks/{}/resend", created["id"].as_str().unwrap());
    console.post_json(&resend, json!({}), 200).await;
    // Nothing is reloaded: the page asks.
    payer.see_on("You are on Business").await;
    payer.visit.assert_no_token_in_reach().await;
    payer.visit.assert_fit().await;
    browser.press("Go to billing").await;
    browser.wait_for_path("/billing").await;
    for text in ["Active", "Renews on", "$49 a month", "Unlimited", "$49.00", "Paid"] {
        payer.see_on(text).await;
    }
    payer.platform.inbox.wait_for(&payer.ada.email, "eceipt").await;
    payer.visit.open("/activity").await;
    for text in ["Business started", "Paid $49.00", "Changed the name"] {
        payer.see_on(text).await;
    }
    assert!(!browser.driver().find(By::Css("[data-older]")).await.unwrap().is_displayed().await.unwrap());
    browser.assert_faultless().await;
}

#[tokio::test]
async fn a_declined_card_buys_nothing_and_another_one_does() {
    let payer = Payer::new().await;
    let browser = &payer.visit.browser;
    payer.choose("Pro").await;
    payer.pay(DECLINED_CARD).await;
    payer.see_on("declined").await;
    assert!(browser.path().await.starts_with("/_stripe/checkout/"));
    payer.visit.assert_fit().await;
    assert_eq!(payer.books().await["subscriptions"].as_array().unwrap().len(), 0);

    // Leaving buys nothing either, and says so.
    payer.press("[data-cancel]").await;
    browser.wait_for_path("/billing/return?checkout=cancelled").await;
    payer.see_on("Nothing was bought").await;
    browser.press("Back to the plans").await;
    browser.wait_for_path("/billing#plans").await;
    browser.press("Choose Pro").await;
    payer.wait_for_page("/_stripe/checkout/").await;
    payer.pay(CONFIRMED_CARD).await;
    payer.press("[value=authenticate]").await;
    payer.see_on("You are on Pro").await;
    payer.see_on("The trial ends on").await;
    let subscription = payer.subscription().await;
    assert_eq!((&subscription["plan"], &subscription["status"]), (&json!("pro"), &json!("trialing")));
    browser.assert_faultless().await;
}

#[tokio::test]
async fn a_plan_is_changed_cancelled_and_resumed() {
    let payer = Payer::on_business(GOOD_CARD).await;
    let browser = &payer.visit.browser;
    payer.to_portal("Change to Pro").await;
    payer.press("[value=price_pro_month]").await;
    payer.press("[data-change]").await;
    payer.see_on("Pro, ").await;
    payer.back_to_billing().await;
    // Nothing is reloaded: the page knows that something may have changed.
    payer.see_on("$12 a month").await;
    assert_eq!(payer.wait_for_status("active").await["plan"], "pro");

    payer.to_portal("Manage billing").await;
    payer.press("[data-cancel]").await;
    browser.see("[data-resume]").await;
    payer.back_to_billing().await;
    payer.see_on("and is not renewed").await;
    payer.visit.assert_fit().await;
    payer.see_on("Until then you keep all that Pro opens.").await;
    assert!(payer.subscription().await["cancel_at"].is_string());

    payer.to_portal("Resume or change").await;
    payer.press("[data-resume]").await;
    browser.see("[data-cancel]").await;
    payer.back_to_billing().await;
    payer.see_on("Renews on").await;
    assert_eq!(payer.subscription().await["cancel_at"], Value::Null);

    // Cancelled again, it ends with what was paid for.
    payer.to_portal("Manage billing").await;
    payer.press("[data-cancel]").await;
    browser.see("[data-resume]").await;
    payer.back_to_billing().await;
    payer.pass(32).await;
    payer.wait_for_status("canceled").await;
    payer.see_plan("Ended on").await;
    payer.see_on("7 days").await;
    payer.visit.open("/activity").await;
    payer.see_on("Subscription ended").await;
    browser.assert_faultless().await;
}

/// Who bought before a price was replaced pays the former one, which is in the list of plans no more.
#[tokio::test]
async fn who_pays_a_former_price_has_the_plan_all_the_same() {
    let payer = Payer::on_business(GOOD_CARD).await;
    let browser = &payer.visit.browser;
    let replaced = "
        const send = window.fetch;
        window.fetch = async (path, init) => {
            const response = await send(path, init);
            if (path !== '/api/billing/plans') return response;
            const answer = await response.json();
            for (const { prices } of answer.plans) for (const price of prices) price.id += '_new';
            return new Response(JSON.stringify(answer), response);
        };";
    payer.visit.before_each_page(replaced).await;
    payer.visit.open("/billing").await;
    payer.see_on("Change to Pro").await;
    let plans = async || browser.see("[data-view=plans]").await.text().await.unwrap();
    let monthly = plans().await;
    assert!(monthly.contains("Your plan") && !monthly.contains("Pay by the"), "{monthly}");
    browser.script("document.querySelector('[name=interval][value=year]').click()", Vec::new()).await;
    let yearly = plans().await;
    assert!(yearly.contains("Pay by the year") && !yearly.contains("Your plan"), "{yearly}");
    browser.assert_faultless().await;
}

#[tokio::test]
async fn a_subscription_renews_as_time_passes() {
    let payer = Payer::on_business(GOOD_CARD).await;
    let before = payer.wait_for_status("active").await["current_period_end"].clone();
    payer.see_invoices(&["Paid"]).await;
    payer.pass(32).await;
    payer.see_invoices(&["Paid", "Paid"]).await;
    let after = payer.subscription().await;
    assert!(after["current_period_end"].as_str() > before.as_str(), "{before} {after}");
    payer.platform.inbox.wait_for_nth(&payer.ada.email, "eceipt", 2).await;
    payer.visit.browser.assert_faultless().await;
}

#[tokio::test]
async fn a_failed_renewal_says_what_to_do_and_is_mended() {
    let payer = Payer::on_business(GOOD_CARD).await;
    let browser = &payer.visit.browser;
    payer.to_portal("Manage billing").await;
    payer.give_card(FAILING_CARD).await;
    payer.back_to_billing().await;
    payer.pass(32).await;
    payer.wait_for_status("past_due").await;
    payer.platform.inbox.wait_for(&payer.ada.email, "ayment").await;
    payer.see_plan("Past due").await;
    payer.see_on("and nothing changes").await;
    payer.visit.assert_fit().await;
    payer.see_on("Unlimited").await;
    payer.visit.open("/overview").await;
    payer.see_on("The last payment failed.").await;
    payer.visit.open("/activity").await;
    payer.see_on("Payment of $49.00 failed").await;

    payer.visit.open("/billing").await;
    payer.to_portal("Update the card").await;
    payer.give_card(GOOD_CARD).await;
    payer.visit.assert_fit().await;
    payer.back_to_billing().await;
    browser.press("Pay").await;
    payer.wait_for_page("/_stripe/invoices/").await;
    payer.visit.assert_fit().await;
    payer.press("[data-pay]").await;
    payer.wait_for_status("active").await;
    payer.see_plan("Renews on").await;
    payer.see_invoices(&["Paid", "Paid"]).await;
    payer.visit.open("/_local/ui/payments").await;
    browser.see("#invoice-list tr").await;
    payer.visit.assert_fit().await;
    browser.assert_faultless().await;
}

/// B4: neither a double click, nor two tabs, nor a checkout that is paid twice buys a second subscription.
#[tokio::test]
async fn b4_a_double_click_and_two_tabs_buy_one_subscription() {
    let payer = Payer::new().await;
    let browser = &payer.visit.browser;
    let first = browser.driver().window().await.unwrap();
    let second = browser.driver().new_tab().await.unwrap();
    let mut checkouts = Vec::new();
    for tab in [&first, &second] {
        browser.driver().switch_to_window(tab.clone()).await.unwrap();
        payer.visit.open("/pricing").await;
        browser.see("[data-leads=checkout]").await;
    }
    for tab in [&first, &second] {
        browser.driver().switch_to_window(tab.clone()).await.unwrap();
        let button = browser.see("[data-leads=checkout]").await;
        browser.driver().action_chain().double_click_element(&button).perform().await.unwrap();
        payer.wait_for_page("/_stripe/checkout/").await;
        checkouts.push(browser.path().await);
    }
    assert_eq!(checkouts[0], checkouts[1], "two tabs, two checkouts");
    assert_eq!(payer.checkouts_asked_for().await, 2, "a double click asks once");
    assert_eq!(payer.books().await["checkouts"].as_array().unwrap().len(), 1);

    payer.pay(GOOD_CARD).await;
    payer.see_on("You are on Pro").await;
    // The other tab still shows the form: it pays for nothing more.
    browser.driver().switch_to_window(first).await.unwrap();
    payer.pay(GOOD_CARD).await;
    payer.see_on("You are on Pro").await;
    let subscriptions = payer.books().await["subscriptions"].as_array().unwrap().clone();
    assert_eq!(subscriptions.len(), 1, "{subscriptions:?}");
    // A third try is told what there is.
    payer.visit.open("/pricing").await;
    browser.press("Choose Business").await;
    browser.press("Go to your billing page").await;
    browser.wait_for_path("/billing").await;
    payer.see_on("Your plan").await;
    assert_eq!(payer.books().await["subscriptions"].as_array().unwrap().len(), 1);
    browser.assert_faultless().await;
}

/// By keyboard alone, and by somebody who must sign in first: what was looked at is there again.
#[tokio::test]
async fn a_visitor_chooses_by_the_year_signs_in_and_comes_back_to_it() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.open("/").await;
    browser.press("Pricing").await;
    browser.wait_for_path("/pricing").await;
    browser.see_text("$12").await;
    browser.tab_to("[data-interval] input").await;
    browser.keys(RIGHT).await;
    browser.see_text("$120").await;
    browser.see_text("a year, $10 a month").await;
    browser.tab_to("[data-leads=checkout]").await;
    browser.keys(ENTER).await;
    until("the sign-in page", async || browser.path().await.starts_with("/sign-in?next=").then_some(()))
        .await;
    browser.fill("email", &ada.email).await;
    browser.fill("password", &ada.password).await;
    browser.press("Sign in").await;
    browser.wait_for_path("/pricing?interval=year").await;
    browser.see_text("$120").await;
    browser.press("Choose Pro").await;
    browser.see_text("$120.00 a year").await;
    // Back by the browser's own button, nothing is under way.
    browser.driver().back().await.unwrap();
    browser.press("Choose Pro").await;
    browser.see_text("$120.00 a year").await;
    browser.assert_faultless().await;
}

#[tokio::test]
async fn what_the_provider_does_not_answer_can_be_asked_for_again() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let visit = Visit::new(&platform).await;
    let browser = &visit.browser;
    visit.sign_in(&ada).await;
    platform.console.set(json!({ "faults": { "payments": "refuse" } })).await;
    visit.open("/pricing").await;
    browser.see("[data-view=plans] [data-retry]").await;
    visit.assert_fit().await;
    platform.console.set(json!({ "faults": { "payments": "ok" } })).await;
    browser.press("Try again").await;
    browser.see_text("Choose Business").await;
    // Choosing fails once: the same button works again.
    platform.console.set(json!({ "faults": { "payments": "refuse" } })).await;
    browser.press("Choose Business").await;
    browser.see("[data-leads-alert]").await;
    visit.assert_fit().await;
    platform.console.set(json!({ "faults": { "payments": "ok" } })).await;
    browser.press("Choose Business").await;
    until("the checkout", async || browser.path().await.starts_with("/_stripe/checkout/").then_some(()))
        .await;
    browser.assert_faultless().await;
}
