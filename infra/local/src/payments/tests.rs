//! The provider as a whole: over HTTP, over restarts, and towards an app that takes webhooks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex as StdMutex;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, Request, StatusCode, header};
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::webhooks::{GATHERING_MS, Switches};
use super::*;
use crate::faults::{SendMode, Settings};
use crate::flows::{StepKind, TraceContext};
use crate::test_world::{FUNCTION_KEY, a_function, serve};

const KEY: &str = "sk_test_1";
const PATIENCE: Duration = Duration::from_secs(20);

/// An app that takes webhooks and answers with these statuses, and then 200.
struct App {
    origin: String,
    received: mpsc::UnboundedReceiver<(HeaderMap, String)>,
    answers: Arc<StdMutex<VecDeque<u16>>>,
}

type Inbox = (mpsc::UnboundedSender<(HeaderMap, String)>, Arc<StdMutex<VecDeque<u16>>>);

async fn take((sender, answers): Inbox, headers: HeaderMap, body: String) -> StatusCode {
    sender.send((headers, body)).unwrap();
    let status = answers.lock().unwrap().pop_front().unwrap_or(200);
    StatusCode::from_u16(status).unwrap()
}

impl App {
    async fn start() -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let answers = Arc::<StdMutex<VecDeque<u16>>>::default();
        let handler =
            |State(inbox): State<Inbox>, headers: HeaderMap, body: String| take(inbox, headers, body);
        let router = Router::new().route(WEBHOOK_PATH, post(handler)).with_state((sender, answers.clone()));
        Self { origin: serve(router).await, received, answers }
    }

    /// The next webhook.
    async fn next(&mut self) -> (HeaderMap, Value) {
        let (headers, body) = tokio::time::timeout(PATIENCE, self.received.recv()).await.unwrap().unwrap();
        assert!(is_signed(&headers, &body), "{body}");
        (headers, serde_json::from_str(&body).unwrap())
    }

    async fn next_types(&mut self, count: usize) -> Vec<String> {
        let mut types = Vec::new();
        for _ in 0..count {
            types.push(self.next().await.1["type"].as_str().unwrap().to_owned());
        }
        types
    }
}

/// As the app verifies it: <https://docs.stripe.com/webhooks#verify-manually>.
fn is_signed(headers: &HeaderMap, body: &str) -> bool {
    let header = headers["stripe-signature"].to_str().unwrap();
    let part = |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
    let seconds: i64 = part("t=").parse().unwrap();
    let tag: Vec<u8> = (0..32)
        .map(|index| u8::from_str_radix(&part("v1=")[2 * index..2 * index + 2], 16).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"whsec_1");
    (now_ms() / 1_000 - seconds).abs() < 300
        && hmac::verify(&key, format!("{seconds}.{body}").as_bytes(), &tag).is_ok()
}

/// The provider, and what runs its clock and its webhooks.
struct World {
    payments: Payments,
    flows: Flows,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl World {
    async fn start(folder: &TempDir, origin: &str) -> Self {
        let journal = Journal::open(folder.path()).unwrap();
        let events = Events::new();
        let flows = Flows::new(events.clone());
        let secrets = Secrets { key: KEY.to_owned(), webhooks: vec!["whsec_1".to_owned()] };
        let payments = Payments::new(origin.to_owned(), secrets, journal, flows.clone(), events);
        let stop = watch::Sender::new(false);
        let running = tokio::spawn(payments.clone().run(stop.subscribe()));
        Self { payments, flows, stop, running }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }

    async fn switch(&self, switches: Value) {
        self.payments.switch(switches).await.unwrap();
    }

    async fn customer(&self, name: &str) -> String {
        let name = Some(name.to_owned());
        let create = |ledger: &mut Ledger| ledger.create_customer(None, name, None, BTreeMap::new());
        self.payments.act(Cause::default(), create).await.unwrap()
    }

    async fn webhooks(&self) -> Vec<Value> {
        self.payments.report(100).await.unwrap()["webhooks"].as_array().unwrap().clone()
    }

    /// Waits until the webhooks stand so.
    async fn until(&self, stands: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let wait = async {
            loop {
                let webhooks = self.webhooks().await;
                if stands(&webhooks) {
                    return webhooks;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the webhooks never stood so")
    }
}

fn status_is(status: &str) -> impl Fn(&[Value]) -> bool {
    move |webhooks| webhooks.iter().all(|webhook| webhook["status"] == status)
}

#[tokio::test]
async fn a_webhook_is_signed_and_part_of_the_flow_that_caused_it() {
    let (folder, mut app) = (TempDir::new().unwrap(), App::start().await);
    let world = World::start(&folder, &app.origin).await;
    let trace = TraceContext::new_root();
    let cause = Cause { trace: trace.to_traceparent(), ..Cause::default() };
    let create = |ledger: &mut Ledger| ledger.create_customer(None, None, None, BTreeMap::new());
    let customer = world.payments.act(cause, create).await.unwrap();
    let (headers, event) = app.next().await;
    assert_eq!(
        (&event["type"], &event["data"]["object"]["id"]),
        (&json!("customer.created"), &json!(customer))
    );
    let told = TraceContext::from_traceparent(headers["traceparent"].to_str().unwrap()).unwrap();
    assert_eq!(told.trace, trace.trace);
    world.until(status_is("delivered")).await;
    let flow = world.flows.get(trace.trace).unwrap();
    assert_eq!((flow.steps[0].kind, flow.steps[0].name.as_str()), (StepKind::Payment, "customer.created"));
    assert_eq!(told.parent, Some(flow.steps[0].id));
    world.end().await;
}

#[tokio::test]
async fn a_webhook_that_is_not_taken_is_sent_again() {
    let (folder, mut app) = (TempDir::new().unwrap(), App::start().await);
    app.answers.lock().unwrap().extend([500]);
    let world = World::start(&folder, &app.origin).await;
    world.customer("Ada").await;
    let (first, second) = (app.next().await.1, app.next().await.1);
    assert_eq!(first, second);
    let webhooks = world.until(status_is("delivered")).await;
    let attempts: Vec<_> =
        webhooks[0]["attempts"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(attempts, [500, 200]);
    world.end().await;
}

/// N1: what was answered is on disk, and so is the webhook that tells of it.
#[tokio::test]
async fn customers_webhooks_and_the_clock_outlive_the_process() {
    let (folder, mut app) = (TempDir::new().unwrap(), App::start().await);
    let nowhere = "http://127.0.0.1:9";
    let world = World::start(&folder, nowhere).await;
    let customer = world.customer("Ada").await;
    world
        .payments
        .advance(serde_json::from_value(json!({ "advance_seconds": 86_400 })).unwrap())
        .await
        .unwrap();
    let refused = |webhooks: &[Value]| !webhooks[0]["attempts"].as_array().unwrap().is_empty();
    world.until(refused).await;
    // As after `kill -9`: nobody says goodbye.
    world.running.abort();
    drop(world);

    let world = World::start(&folder, &app.origin).await;
    assert_eq!(app.next().await.1["data"]["object"]["id"], customer.as_str());
    let report = world.payments.report(10).await.unwrap();
    assert_eq!((&report["customers"][0]["id"], &report["ahead_seconds"]), (&json!(customer), &json!(86_400)));
    world.end().await;
}

#[tokio::test]
async fn dropped_webhooks_wait_for_a_hand_that_sends_them_in_any_order() {
    let (folder, mut app) = (TempDir::new().unwrap(), App::start().await);
    let world = World::start(&folder, &app.origin).await;
    world.switch(json!({ "drop": true })).await;
    for name in ["Ada", "Grace"] {
        world.customer(name).await;
    }
    let webhooks = world.until(status_is("dropped")).await;
    world.switch(json!({ "drop": false })).await;
    for webhook in [&webhooks[0], &webhooks[1], &webhooks[1]] {
        let sent = world.payments.resend(webhook["id"].as_str().unwrap()).await.unwrap().unwrap();
        assert_eq!(sent.status, Some(200));
    }
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(app.next().await.1["data"]["object"]["name"].clone());
    }
    assert_eq!(names, ["Grace", "Ada", "Ada"]);
    assert!(world.payments.resend("evt_x").await.unwrap().is_none());
    world.end().await;
}

#[tokio::test]
async fn webhooks_are_doubled_and_put_out_of_order_on_purpose() {
    let (folder, mut app) = (TempDir::new().unwrap(), App::start().await);
    let world = World::start(&folder, &app.origin).await;
    world.switch(json!({ "duplicate": true })).await;
    world.customer("Ada").await;
    assert_eq!(app.next().await.1["id"], app.next().await.1["id"]);
    world.switch(json!({ "duplicate": false, "reorder": true })).await;
    // At one moment, however slow this machine is.
    let come_and_go = |ledger: &mut Ledger| {
        let id = ledger.create_customer(None, None, None, BTreeMap::new());
        ledger.delete_customer(&id);
    };
    world.payments.act(Cause::default(), come_and_go).await.unwrap();
    assert_eq!(app.next_types(2).await, ["customer.deleted", "customer.created"]);
    world.end().await;
}

#[test]
fn webhooks_out_of_order_wait_for_those_of_the_next_moments() {
    let mut ledger = Ledger::new(Catalog::seed(), "http://localhost:3000".to_owned(), 7);
    ledger.change_settings(|settings| settings.switches.reorder = true);
    let due = |ledger: &Ledger| ledger.due_webhooks(|_| false).0;
    let comes = |ledger: &mut Ledger, at: i64| {
        ledger.real_ms = at;
        ledger.create_customer(None, None, None, BTreeMap::new());
        ledger.events.iter().last().expect("an event").id.clone()
    };
    let [first, second] = [comes(&mut ledger, 0), comes(&mut ledger, GATHERING_MS - 1)];
    assert!(due(&ledger).is_empty());
    ledger.real_ms = GATHERING_MS;
    assert_eq!(due(&ledger).iter().map(|it| &it.event).collect::<Vec<_>>(), [&second, &first]);
    // Whatever comes when these are gone waits for others in its turn.
    let late = comes(&mut ledger, GATHERING_MS + 1);
    assert!(ledger.due_webhooks(|event| event != late).0.is_empty());
}

/// While an answer is awaited, what is to be sent after it does not keep the machine busy.
#[test]
fn what_waits_for_its_turn_is_not_asked_for_meanwhile() {
    let ms = Duration::from_millis;
    assert_eq!(until_next(true, Some(-5), Some(2_000)), ms(1));
    assert_eq!(until_next(true, Some(50), Some(2_000)), ms(50));
    assert_eq!(until_next(false, Some(-5), Some(2_000)), ms(2_000));
    assert_eq!(until_next(false, Some(-5), None), LONGEST_SLEEP);
    assert_eq!(until_next(true, None, Some(86_400_000)), LONGEST_SLEEP);
}

#[tokio::test]
async fn a_switch_that_makes_no_sense_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let world = World::start(&folder, "http://127.0.0.1:9").await;
    for wrong in [json!({ "lose": true }), json!({ "delay_ms": 600_001 }), json!({ "drop": 1 }), json!([])] {
        assert!(world.payments.switch(wrong.clone()).await.is_err(), "{wrong}");
    }
    assert_eq!(world.payments.switch(json!({})).await.unwrap(), Switches::default());
    for wrong in [json!({}), json!({ "advance_seconds": -1 }), json!({ "until": "2020-01-01T00:00:00Z" })] {
        let by = serde_json::from_value(wrong.clone()).unwrap();
        assert!(world.payments.advance(by).await.is_err(), "{wrong}");
    }
    world.end().await;
}

fn call(path: &str, method: &str, form: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(form.to_owned())).unwrap()
}

async fn body(response: axum::response::Response) -> Value {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)))
}

#[tokio::test]
async fn a_functions_call_is_a_step_of_its_flow_and_fails_on_purpose() {
    let folder = TempDir::new().unwrap();
    let world = World::start(&folder, "http://127.0.0.1:9").await;
    let (step, callers) = a_function("api", &world.flows);
    let trace = step.context().trace;
    let faults = Faults::new(Settings::default()).unwrap();
    let api = service::router(world.payments.clone(), callers, world.flows.clone(), faults.clone());
    let path = format!("/{FUNCTION_KEY}/v1/customers");
    let authorized = [("authorization", "Bearer sk_test_1"), ("idempotency-key", "k")];
    let create = || api.clone().oneshot(call(&path, "POST", "name=Ada", &authorized));

    let mode = |payments| {
        let mut settings = Settings::default();
        settings.faults.payments = payments;
        faults.set(settings).unwrap();
    };
    let refused = [authorized[0], ("idempotency-key", "refused")];
    let refused = || api.clone().oneshot(call(&path, "POST", "name=Ada", &refused));
    mode(SendMode::Refuse);
    assert_eq!(refused().await.unwrap().status(), 500);
    mode(SendMode::Throttle);
    assert_eq!(create().await.unwrap().status(), 429);
    // Done, but nobody hears of it: whoever asks again with the same key gets the one customer.
    mode(SendMode::Timeout);
    assert!(tokio::time::timeout(Duration::from_millis(200), create()).await.is_err());
    assert_eq!(world.payments.report(10).await.unwrap()["customers"], json!([]));
    mode(SendMode::AcceptThenTimeout);
    assert!(tokio::time::timeout(Duration::from_secs(2), create()).await.is_err());
    mode(SendMode::Ok);
    let again = create().await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert!(again.headers()["request-id"].to_str().unwrap().starts_with("req_"));
    let made = body(again).await;
    let report = world.payments.report(10).await.unwrap();
    assert_eq!(report["customers"].as_array().unwrap().len(), 1);
    assert_eq!(report["customers"][0]["id"], made["id"]);
    // That it failed is remembered like any other answer; that there was too much to do is not.
    let again = refused().await.unwrap();
    assert_eq!(
        (again.status().as_u16(), &again.headers()["idempotent-replayed"]),
        (500, &"true".parse().unwrap())
    );

    let flow = world.flows.get(trace).unwrap();
    let calls: Vec<_> = flow.steps.iter().filter(|step| step.name == "stripe").collect();
    assert_eq!(calls.len(), 6);
    assert_eq!(calls[4].detail.as_deref(), Some("POST /v1/customers"));
    assert!(calls.iter().all(|step| step.kind == StepKind::Payment && step.parent == Some(flow.steps[0].id)));
    let webhook = &report["webhooks"][0];
    assert_eq!(webhook["trace"], trace.to_string(), "what follows belongs to the same flow");
    world.end().await;
}

#[tokio::test]
async fn a_call_without_the_key_or_in_another_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let world = World::start(&folder, "http://127.0.0.1:9").await;
    let (_step, callers) = a_function("api", &world.flows);
    let faults = Faults::new(Settings::default()).unwrap();
    let api = service::router(world.payments.clone(), callers, world.flows.clone(), faults);
    let key = ("authorization", "Bearer sk_test_1");
    for (path, headers, status) in [
        ("/v1/prices", vec![], 401),
        ("/v1/prices", vec![("authorization", "Bearer sk_test_2")], 401),
        ("/v1/prices", vec![key, ("stripe-version", "2020-08-27")], 400),
        ("/v1/prices", vec![key, ("stripe-version", objects::API_VERSION)], 200),
        ("/v1/prices/", vec![key], 200),
        ("/v2/prices", vec![key], 404),
        ("/", vec![key], 404),
    ] {
        let response = api.clone().oneshot(call(path, "GET", "", &headers)).await.unwrap();
        assert_eq!(response.status(), status, "{path} {headers:?}");
    }
    world.end().await;
}

/// The pages, as a browser and as a test use them.
mod hosted {
    use super::*;
    use crate::gateway::Pages;
    use crate::payments::ledger::CheckoutOrder;

    struct Browser {
        world: World,
        pages: Router,
        _folder: TempDir,
    }

    impl Browser {
        async fn open() -> Self {
            let folder = TempDir::new().unwrap();
            let world = World::start(&folder, "http://localhost:3000").await;
            world.switch(json!({ "drop": true })).await;
            let pages = world.payments.pages(Pages::new("Billion".to_owned()));
            Self { world, pages, _folder: folder }
        }

        async fn checkout(&self, trial_days: Option<i64>) -> String {
            let order = CheckoutOrder {
                customer_email: Some("<ada>@example.com".to_owned()),
                price: "price_pro_month".to_owned(),
                quantity: 1,
                success_url: "http://localhost:3000/billing/return?checkout=success&id={CHECKOUT_SESSION_ID}"
                    .to_owned(),
                trial_days,
                ..CheckoutOrder::default()
            };
            let create = |ledger: &mut Ledger| ledger.create_checkout(order).unwrap();
            self.world.payments.act(Cause::default(), create).await.unwrap()
        }

        async fn get(&self, path: &str) -> (StatusCode, String) {
            let request = call(path, "GET", "", &[("host", "localhost:3000")]);
            let response = self.pages.clone().oneshot(request).await.unwrap();
            (response.status(), body(response).await.as_str().unwrap_or_default().to_owned())
        }

        /// As a form: the status, where it leads, and the page.
        async fn submit(&self, path: &str, form: &str) -> (StatusCode, String, String) {
            let request = call(path, "POST", form, &[("host", "localhost:3000")]);
            let response = self.pages.clone().oneshot(request).await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let to = headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap());
            (status, to.to_owned(), body(response).await.to_string())
        }

        async fn post(&self, path: &str, value: Value) -> (StatusCode, Value) {
            let mut request = call(path, "POST", &value.to_string(), &[("host", "localhost:3000")]);
            request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            let response = self.pages.clone().oneshot(request).await.unwrap();
            (response.status(), body(response).await)
        }
    }

    #[tokio::test]
    async fn a_form_is_paid_declined_and_confirmed() {
        let browser = Browser::open().await;
        let id = browser.checkout(None).await;
        let page = format!("/_stripe/checkout/{id}");
        let (status, html) = browser.get(&page).await;
        assert_eq!(status, 200, "{html}");
        assert!(html.contains("$12.00") && html.contains("&lt;ada&gt;@example.com"), "{html}");
        let pay = format!("{page}/pay");
        let (status, _, html) = browser.submit(&pay, "number=4000000000009995&exp=12%2F40&cvc=123").await;
        assert_eq!(status, 402);
        assert!(html.contains("Your card has insufficient funds."), "{html}");
        let (status, _, html) = browser.submit(&pay, "number=").await;
        assert!(status == 400 && html.contains("A card is needed."), "{html}");
        let (status, to, _) = browser.submit(&pay, "number=4000002500003155&exp=12%2F40&cvc=123").await;
        assert_eq!((status, to), (StatusCode::SEE_OTHER, format!("http://localhost:3000{page}/confirm")));
        let (status, html) = browser.get(&format!("{page}/confirm")).await;
        assert!(status == 200 && html.contains("visa •••• 3155"), "{html}");
        let (status, _, html) = browser.submit(&format!("{page}/confirm"), "outcome=fail").await;
        assert_eq!(status, 402, "{html}");
        browser.submit(&pay, "number=4000002500003155").await;
        let (status, to, _) = browser.submit(&format!("{page}/confirm"), "outcome=authenticate").await;
        let success = format!("http://localhost:3000/billing/return?checkout=success&id={id}");
        assert_eq!((status, to), (StatusCode::SEE_OTHER, success.clone()));
        let (_, html) = browser.get(&page).await;
        assert!(html.contains("This checkout is complete."), "{html}");
        // A second click.
        let (status, to, _) = browser.submit(&pay, "number=4242424242424242").await;
        assert_eq!((status, to), (StatusCode::SEE_OTHER, success));
        let report = browser.world.payments.report(10).await.unwrap();
        assert_eq!(report["subscriptions"].as_array().unwrap().len(), 1);
        browser.world.end().await;
    }

    #[tokio::test]
    async fn a_test_pays_with_json_and_manages_in_the_portal() {
        let browser = Browser::open().await;
        let id = browser.checkout(Some(14)).await;
        let (_, html) = browser.get(&format!("/_stripe/checkout/{id}")).await;
        assert!(html.contains("Start the trial") && html.contains("$0.00"), "{html}");
        let pay = format!("/_stripe/checkout/{id}/pay");
        let (status, refused) = browser.post(&pay, json!({ "number": "4000000000000002" })).await;
        assert_eq!((status.as_u16(), &refused["error"]["decline_code"]), (402, &json!("generic_decline")));
        let (status, paid) = browser.post(&pay, json!({ "number": "4000000000000341" })).await;
        assert_eq!((status.as_u16(), &paid["status"]), (200, &json!("complete")));

        let report = browser.world.payments.report(10).await.unwrap();
        let customer = report["customers"][0]["id"].as_str().unwrap().to_owned();
        let url = browser.world.payments.open_portal(&customer).await.unwrap()["url"].clone();
        let portal = url.as_str().unwrap().strip_prefix("http://localhost:3000").unwrap().to_owned();
        let (status, html) = browser.get(&portal).await;
        assert!(status == 200 && html.contains("The trial ends on"), "{html}");
        let subscription =
            async || browser.world.payments.report(10).await.unwrap()["subscriptions"][0].clone();
        // What is archived is neither offered nor to be had by asking for it.
        let archive = |ledger: &mut Ledger| ledger.catalog.products[1].prices[1].active = false;
        browser.world.payments.act(Cause::default(), archive).await.unwrap();
        let (_, html) = browser.get(&portal).await;
        assert!(html.contains("price_business_month") && !html.contains("price_business_year"), "{html}");
        let asked = json!({ "price": "price_business_year" });
        assert_eq!(browser.post(&format!("{portal}/plan"), asked).await.0, 400);
        for (act, value, field, expected) in [
            ("cancel", json!({}), "cancel_at", report["subscriptions"][0]["period_end"].clone()),
            ("resume", json!({}), "cancel_at", Value::Null),
            ("plan", json!({ "price": "price_business_month" }), "price", json!("price_business_month")),
        ] {
            let (status, done) = browser.post(&format!("{portal}/{act}"), value).await;
            assert_eq!((status.as_u16(), &done["status"]), (200, &json!("done")), "{done}");
            assert_eq!(subscription().await[field], expected, "{act}");
        }
        // The trial ends, the charge fails, another card pays.
        let by = json!({ "advance_seconds": 14 * 86_400 + 3_600 });
        browser.world.payments.advance(serde_json::from_value(by).unwrap()).await.unwrap();
        assert_eq!(subscription().await["status"], "past_due");
        let report = browser.world.payments.report(10).await.unwrap();
        let invoice = format!("/_stripe/invoices/{}", report["invoices"][0]["id"].as_str().unwrap());
        let (status, html) = browser.get(&invoice).await;
        assert!(status == 200 && html.contains("Pay $49.00"), "{html}");
        // One card waits for its owner; another one that is declined is declined nevertheless.
        let pay = async |number: &str| {
            let (status, answer) = browser.post(&format!("{invoice}/pay"), json!({ "number": number })).await;
            (status.as_u16(), answer["status"].clone())
        };
        assert_eq!(pay("4000002760003184").await, (200, json!("requires_action")));
        assert_eq!(pay("4000000000000002").await, (402, Value::Null));
        assert_eq!(browser.post(&format!("{invoice}/pay"), json!({})).await.0, 402);
        let (status, paid) =
            browser.post(&format!("{invoice}/pay"), json!({ "number": "4242424242424242" })).await;
        assert_eq!((status.as_u16(), &paid["status"]), (200, &json!("paid")));
        assert_eq!(subscription().await["status"], "active");
        let (_, html) = browser.get(&format!("{invoice}/print")).await;
        assert!(html.contains("visa •••• 4242") && !html.contains("<form"), "{html}");
        let refund =
            browser.world.payments.refund(report["invoices"][0]["id"].as_str().unwrap(), Some(900)).await;
        assert_eq!(refund.unwrap()["amount"], 900);
        let (status, done) =
            browser.post(&format!("{portal}/card"), json!({ "number": "5555555555554444" })).await;
        assert_eq!((status.as_u16(), &done["status"]), (200, &json!("done")));
        assert!(browser.get(&portal).await.1.contains("mastercard •••• 4444"));
        browser.world.end().await;
    }

    #[tokio::test]
    async fn pages_that_are_not_there_say_so_and_strangers_pages_may_do_nothing() {
        let browser = Browser::open().await;
        let id = browser.checkout(None).await;
        for path in [
            "/_stripe/checkout/cs_x",
            "/_stripe/portal/x",
            "/_stripe/invoices/x",
            "/_stripe/invoices/x/print",
        ] {
            assert_eq!(browser.get(path).await.0, 404, "{path}");
        }
        let pay = format!("/_stripe/checkout/{id}/pay");
        for (path, form) in [
            ("/_stripe/checkout/cs_x/pay".to_owned(), "number=4242424242424242"),
            (format!("/_stripe/checkout/{id}/steal"), ""),
            ("/_stripe/portal/x/cancel".to_owned(), ""),
        ] {
            assert_eq!(browser.submit(&path, form).await.0, 404, "{path}");
        }
        assert_eq!(browser.submit(&format!("/_stripe/checkout/{id}/confirm"), "outcome=maybe").await.0, 400);
        assert_eq!(browser.post(&pay, json!({ "number": 4242 })).await.0, 400);
        let foreign = call(
            &pay,
            "POST",
            "number=4242424242424242",
            &[("host", "localhost:3000"), ("origin", "http://evil.example")],
        );
        let response = browser.pages.clone().oneshot(foreign).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        browser.world.end().await;
    }
}
