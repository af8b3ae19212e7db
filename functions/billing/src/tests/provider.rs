//! A payment provider for tests: a ledger that is changed by hand, behind the requests and answers of the real one.
//!
//! Its answers have what the client's types need to be parsed, and no more.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// The provider. Cheap to clone.
#[derive(Clone)]
pub(super) struct Provider(Arc<Mutex<Ledger>>);

/// Its ledger, and how it behaves.
#[derive(Default)]
pub(super) struct Ledger {
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) customers: Vec<String>,
    /// What was told of each customer that was made or changed by a request.
    pub(super) told_of: HashMap<String, HashMap<String, String>>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) invoices: Vec<Invoice>,
    pub(super) sessions: Vec<Session>,
    /// Every request: `POST /v1/customers`.
    pub(super) calls: Vec<String>,
    /// What goes wrong with the next requests that change something.
    pub(super) faults: VecDeque<Fault>,
    /// Every request is answered by an error, and does nothing.
    pub(super) is_down: bool,
    /// The next answer to a request for this is made, told of, and kept back until it is let go.
    hold: Option<(&'static str, oneshot::Sender<()>, Arc<Notify>)>,
    answered: HashMap<String, (String, Answer)>,
    at_work: HashSet<String>,
    ids: u64,
}

#[derive(Clone)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) status: &'static str,
    pub(super) price: &'static str,
    pub(super) quantity: u64,
    pub(super) created: i64,
    pub(super) period_end: i64,
    pub(super) trial_end: Option<i64>,
    pub(super) cancel_at_period_end: bool,
    pub(super) ended_at: Option<i64>,
    pub(super) pause: Option<&'static str>,
}

#[derive(Clone)]
pub(super) struct Invoice {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) subscription: String,
    pub(super) status: &'static str,
    pub(super) amount: i64,
    pub(super) attempts: u64,
    pub(super) created: i64,
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) price: String,
    pub(super) trial_days: Option<String>,
    pub(super) status: &'static str,
    checkout: Option<String>,
}

/// What goes wrong with a request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is done, and the answer says that it failed.
    AcceptThenFail,
    /// It is not done.
    Refuse,
    /// As the two before, and whoever asks again with the same key hears again that it failed.
    AcceptThenFailForGood,
    RefuseForGood,
    /// It is done, and the connection breaks before the answer.
    AcceptThenBreak,
}

/// The type of a webhook, and the id of its object.
pub(super) type Told = (&'static str, String);

type Answer = (u16, Value);

/// Prices by id: product, amount, interval.
const PRICES: [(&str, &str, i64, &str); 4] = [
    ("price_pro_month", "pro", 1200, "month"),
    ("price_pro_year", "pro", 12_000, "year"),
    ("price_business_month", "business", 4900, "month"),
    ("price_other", "", 100, "month"),
];

const DAY: i64 = 24 * 3600;

impl Provider {
    /// A new one, and where it is.
    pub(super) async fn start(now: i64) -> (Self, String) {
        let provider = Self(Arc::new(Mutex::new(Ledger { now, ..Ledger::default() })));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (provider, base)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap()
    }

    /// The requests that bore these keys never came.
    pub(super) fn forget_keys(&self) {
        self.ledger().answered.clear();
    }

    /// Keeps back the next answer to a request that begins so: what it says is as of now. Answers what tells that it
    /// was made, and what lets it go.
    pub(super) fn hold(&self, request: &'static str) -> (oneshot::Receiver<()>, Arc<Notify>) {
        let (made, is_made) = oneshot::channel();
        let let_go = Arc::new(Notify::new());
        self.ledger().hold = Some((request, made, Arc::clone(&let_go)));
        (is_made, let_go)
    }
}

async fn serve(State(provider): State<Provider>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    assert_eq!(parts.headers["authorization"], "Bearer sk_test_1");
    assert!(parts.headers.contains_key("stripe-version"));
    let body = String::from_utf8(to_bytes(body, 65_536).await.unwrap().to_vec()).unwrap();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let key = parts.headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let changes = path.ends_with("/expire") || path.starts_with("/v1/customers/");
    let creates = parts.method == Method::POST && !changes;
    assert!(!creates || key.is_some(), "{path} bears no idempotency key");
    let fault = {
        let mut ledger = provider.ledger();
        ledger.calls.push(format!("{} {path}", parts.method));
        let fault = if parts.method == Method::POST { ledger.faults.pop_front() } else { None };
        if let Some(key) = &key {
            if let Some((request, answer)) = ledger.answered.get(key) {
                let same = *request == format!("{path}?{body}");
                let answer = if same { answer.clone() } else { (400, error("idempotency_error")) };
                return faulty(fault, answer);
            }
            if !ledger.at_work.insert(key.clone()) {
                return respond((409, error("idempotency_key_in_use")));
            }
        }
        fault
    };
    if creates {
        // What is asked for twice at once meets itself.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (answer, hold) = {
        let mut ledger = provider.ledger();
        if let Some(key) = &key {
            ledger.at_work.remove(key);
        }
        if fault == Some(Fault::Refuse) || ledger.is_down {
            return faulty(Some(Fault::Refuse), (500, error("api_error")));
        }
        let failure = (500, error("api_error"));
        let answer = match fault {
            Some(Fault::RefuseForGood) => failure,
            Some(Fault::AcceptThenFailForGood) => {
                ledger.answer(&parts.method, &path, &query, &body);
                failure
            }
            _ => ledger.answer(&parts.method, &path, &query, &body),
        };
        if let Some(key) = key {
            ledger.answered.insert(key, (format!("{path}?{body}"), answer.clone()));
        }
        let request = format!("{} {path}?{query}", parts.method);
        (answer, ledger.hold.take_if(|(held, ..)| request.starts_with(*held)))
    };
    if let Some((_, made, let_go)) = hold {
        _ = made.send(());
        let_go.notified().await;
    }
    faulty(fault, answer)
}

/// What the client gets of an answer.
fn faulty(fault: Option<Fault>, answer: Answer) -> Response {
    match fault {
        Some(Fault::AcceptThenFail | Fault::Refuse) => respond((500, error("api_error"))),
        // A body that is shorter than it says.
        Some(Fault::AcceptThenBreak) => {
            let broken = futures_util::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("broken"))]);
            Response::new(Body::from_stream(broken))
        }
        Some(Fault::AcceptThenFailForGood | Fault::RefuseForGood) | None => respond(answer),
    }
}

fn respond((status, body): Answer) -> Response {
    let json = [("content-type", "application/json"), ("request-id", "req_1")];
    (StatusCode::from_u16(status).unwrap(), json, body.to_string()).into_response()
}

fn error(code: &str) -> Value {
    json!({ "error": { "type": "invalid_request_error", "code": code, "message": "for ada@example.com" } })
}

fn no_customer() -> Value {
    let mut error = error("resource_missing");
    error["error"]["param"] = "customer".into();
    error
}

impl Ledger {
    fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}_{:06}", self.ids)
    }

    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &str) -> Answer {
        let parse = |text: &str| -> HashMap<String, String> {
            form_urlencoded::parse(text.as_bytes()).into_owned().collect()
        };
        let (query, form) = (parse(query), parse(body));
        let segments: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["prices"]) => list(PRICES.iter().map(|(id, ..)| price(id, true)).collect(), &query),
            ("POST", ["customers"]) => {
                assert!(form["email"].ends_with("@example.com"));
                let id = self.customer();
                self.told_of.insert(id.clone(), form);
                (200, self.customer_json(&id))
            }
            ("GET", ["customers"]) => {
                let is_called = |id: &&String| {
                    self.told_of.get(*id).is_some_and(|told| told.get("email") == query.get("email"))
                };
                let found = self.customers.iter().rev().filter(is_called);
                list(found.map(|id| self.customer_json(id)).collect(), &query)
            }
            ("POST", ["customers", id]) => {
                if !self.customers.iter().any(|it| it == id) {
                    return (404, error("resource_missing"));
                }
                self.told_of.entry((*id).to_owned()).or_default().extend(form);
                (200, self.customer_json(id))
            }
            ("DELETE", ["customers", id]) => {
                if !self.customers.iter().any(|it| it == id) {
                    return (404, error("resource_missing"));
                }
                self.delete(id);
                (200, json!({ "object": "customer", "id": id, "deleted": true }))
            }
            ("GET", ["subscriptions"]) => {
                let customer = query.get("customer");
                if customer.is_some_and(|customer| !self.customers.contains(customer)) {
                    return (404, no_customer());
                }
                assert_eq!(query["status"], "all");
                let of = self.subscriptions.iter().rev();
                let of = of.filter(|it| customer.is_none_or(|customer| it.customer == *customer));
                list(of.map(|it| self.subscription_json(it)).collect(), &query)
            }
            ("GET", ["invoices"]) => {
                if query.get("customer").is_some_and(|customer| !self.customers.contains(customer)) {
                    return (404, no_customer());
                }
                let fits = |invoice: &&Invoice| {
                    query.get("customer").is_none_or(|it| *it == invoice.customer)
                        && query.get("subscription").is_none_or(|it| *it == invoice.subscription)
                        && query.get("status").is_none_or(|it| it == invoice.status)
                };
                list(
                    self.invoices.iter().rev().filter(fits).map(|it| self.invoice_json(it)).collect(),
                    &query,
                )
            }
            ("GET", ["invoices", id]) => match self.invoices.iter().find(|it| it.id == *id) {
                Some(invoice) => (200, self.invoice_json(invoice)),
                None => (404, error("resource_missing")),
            },
            ("POST", ["checkout", "sessions"]) => {
                assert_eq!(form["mode"], "subscription");
                assert_eq!(form["line_items[0][quantity]"], "1");
                assert!(form["subscription_data[metadata][workspace_id]"].starts_with("wsp_"));
                assert!(form["success_url"].ends_with("/billing/return?checkout=success"));
                if !self.customers.contains(&form["customer"]) {
                    return (400, no_customer());
                }
                let session = Session {
                    id: self.id("cs"),
                    customer: form["customer"].clone(),
                    price: form["line_items[0][price]"].clone(),
                    trial_days: form.get("subscription_data[trial_period_days]").cloned(),
                    status: "open",
                    checkout: form.get("metadata[checkout]").cloned(),
                };
                self.sessions.push(session.clone());
                (200, session_json(&session))
            }
            ("GET", ["checkout", "sessions"]) => {
                let fits = |it: &&Session| it.customer == query["customer"] && it.status == query["status"];
                list(self.sessions.iter().rev().filter(fits).map(session_json).collect(), &query)
            }
            ("GET", ["checkout", "sessions", id]) => match self.sessions.iter().find(|it| it.id == *id) {
                Some(session) => (200, session_json(session)),
                None => (404, error("resource_missing")),
            },
            ("POST", ["checkout", "sessions", id, "expire"]) => {
                match self.sessions.iter_mut().find(|it| it.id == *id) {
                    Some(session) if session.status == "open" => {
                        session.status = "expired";
                        (200, session_json(session))
                    }
                    _ => (400, error("resource_invalid_state")),
                }
            }
            ("POST", ["billing_portal", "sessions"]) => {
                if !self.customers.contains(&form["customer"]) {
                    return (400, no_customer());
                }
                let id = self.id("bps");
                let url = format!("https://portal.example/{id}");
                (
                    200,
                    json!({ "object": "billing_portal.session", "id": id, "configuration": "bpc_1",
                        "created": self.now, "customer": form["customer"], "livemode": false, "url": url }),
                )
            }
            other => panic!("{other:?} is not spoken"),
        }
    }

    fn customer_json(&self, id: &str) -> Value {
        let told = |name: &str| self.told_of.get(id).and_then(|told| told.get(name));
        json!({ "object": "customer", "id": id, "created": 1, "livemode": false, "email": told("email"),
            "name": told("name"),
            "metadata": told("metadata[workspace_id]").map(|id| json!({ "workspace_id": id })) })
    }

    fn subscription_json(&self, it: &Subscription) -> Value {
        let latest = self.invoices.iter().rev().find(|invoice| invoice.subscription == it.id);
        let item = json!({
            "object": "subscription_item", "id": format!("si_{}", it.id), "created": it.created,
            "current_period_end": it.period_end, "current_period_start": it.created, "discounts": [],
            "metadata": {}, "price": price(it.price, false), "quantity": it.quantity, "subscription": it.id,
            "plan": { "object": "plan", "active": true, "billing_scheme": "per_unit", "created": 1, "currency": "usd",
                "id": it.price, "interval": "month", "interval_count": 1, "livemode": false,
                "usage_type": "licensed" },
        });
        json!({
            "object": "subscription", "id": it.id, "customer": it.customer, "status": it.status,
            "automatic_tax": { "enabled": false }, "billing_cycle_anchor": it.created,
            "billing_mode": { "type": "flexible" }, "billing_schedules": [],
            "cancel_at_period_end": it.cancel_at_period_end,
            "cancel_at": it.cancel_at_period_end.then_some(it.period_end),
            "collection_method": "charge_automatically", "created": it.created, "currency": "usd",
            "discounts": [], "ended_at": it.ended_at,
            "invoice_settings": { "issuer": { "type": "self" } },
            "items": { "object": "list", "data": [item], "has_more": false, "url": "/v1/subscription_items" },
            "latest_invoice": latest.map(|invoice| self.invoice_json(invoice)),
            "livemode": false, "metadata": {}, "start_date": it.created, "trial_end": it.trial_end,
            "pause_collection": it.pause.map(|behavior| json!({ "behavior": behavior })),
        })
    }

    fn invoice_json(&self, it: &Invoice) -> Value {
        let paid = if it.status == "paid" { it.amount } else { 0 };
        json!({
            "object": "invoice", "id": it.id, "customer": it.customer, "status": it.status,
            "amount_due": it.amount, "amount_overpaid": 0, "amount_paid": paid, "amount_remaining": it.amount - paid,
            "amount_shipping": 0, "attempt_count": it.attempts, "attempted": it.attempts > 0,
            "automatic_tax": { "enabled": false }, "collection_method": "charge_automatically",
            "created": it.created, "currency": "usd", "default_tax_rates": [], "discounts": [],
            "hosted_invoice_url": format!("https://pay.example/{}", it.id),
            "issuer": { "type": "self" },
            "lines": { "object": "list", "data": [], "has_more": false, "url": "/v1/invoices/lines" },
            "livemode": false, "number": format!("N-{}", it.id),
            "parent": { "type": "subscription_details", "subscription_details": { "subscription": it.subscription } },
            "payment_settings": {}, "period_end": it.created, "period_start": it.created,
            "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0,
            "starting_balance": 0, "status_transitions": { "finalized_at": it.created + 3600 },
            "subtotal": it.amount, "total": it.amount,
        })
    }

    /// A customer that the app made.
    pub(super) fn customer(&mut self) -> String {
        let id = self.id("cus");
        self.customers.push(id.clone());
        id
    }

    /// A customer is no more, nor is what it pays for or was about to.
    pub(super) fn delete(&mut self, customer: &str) {
        self.customers.retain(|it| it != customer);
        for subscription in self.subscriptions.iter_mut().filter(|it| it.customer == customer) {
            subscription.status = "canceled";
            subscription.ended_at = Some(self.now);
        }
        for session in self.sessions.iter_mut().filter(|it| it.customer == customer) {
            session.status = "expired";
        }
    }

    /// A new subscription, paid or on trial.
    pub(super) fn subscribe(&mut self, customer: &str, price: &'static str, trial: bool) -> Vec<Told> {
        let id = self.id("sub");
        let length = if trial { 14 * DAY } else { 30 * DAY };
        self.subscriptions.push(Subscription {
            id: id.clone(),
            customer: customer.to_owned(),
            status: if trial { "trialing" } else { "active" },
            price,
            quantity: 1,
            created: self.now,
            period_end: self.now + length,
            trial_end: trial.then_some(self.now + length),
            cancel_at_period_end: false,
            ended_at: None,
            pause: None,
        });
        let mut told = vec![("customer.subscription.created", id.clone())];
        told.extend(self.invoice(&id, if trial { 0 } else { amount(price) }, true));
        told
    }

    /// An invoice of a subscription, paid or failed.
    pub(super) fn invoice(&mut self, subscription: &str, amount: i64, paid: bool) -> Vec<Told> {
        let id = self.id("in");
        let customer = self.subscription(subscription).customer.clone();
        self.invoices.push(Invoice {
            id: id.clone(),
            customer,
            subscription: subscription.to_owned(),
            status: if paid { "paid" } else { "open" },
            amount,
            attempts: 1,
            created: self.now,
        });
        vec![(if paid { "invoice.paid" } else { "invoice.payment_failed" }, id)]
    }

    pub(super) fn subscription(&mut self, id: &str) -> &mut Subscription {
        self.subscriptions.iter_mut().find(|it| it.id == id).expect("a subscription")
    }

    /// Somebody pays on the hosted page.
    pub(super) fn pay(&mut self, session: &str) -> Vec<Told> {
        let session = self.sessions.iter_mut().find(|it| it.id == session).expect("a session");
        assert_eq!(session.status, "open", "a session is paid once");
        session.status = "complete";
        let session = session.clone();
        let price = PRICES.iter().find(|(id, ..)| *id == session.price).expect("a price").0;
        let mut told = vec![("checkout.session.completed", session.id.clone())];
        told.extend(self.subscribe(&session.customer, price, session.trial_days.is_some()));
        told
    }
}

pub(super) fn amount(price: &str) -> i64 {
    PRICES.iter().find(|(id, ..)| *id == price).expect("a price").2
}

fn price(id: &str, expanded: bool) -> Value {
    let (id, plan, amount, interval) = PRICES.iter().find(|(it, ..)| *it == id).expect("a price");
    let product = format!("prod_{plan}");
    let metadata = if plan.is_empty() { json!({}) } else { json!({ "plan": plan }) };
    let product = if expanded {
        json!({ "object": "product", "id": product, "active": true, "created": 1, "description": format!("{plan} it is"),
            "images": [], "livemode": false, "marketing_features": [], "metadata": metadata,
            "name": format!("The {plan} plan"), "type": "service", "updated": 1 })
    } else {
        json!(product)
    };
    let metadata = if *id == "price_pro_month" { json!({ "trial_days": "14" }) } else { json!({}) };
    json!({
        "object": "price", "id": id, "active": true, "billing_scheme": "per_unit", "created": 1, "currency": "usd",
        "livemode": false, "metadata": metadata, "product": product, "type": "recurring", "unit_amount": amount,
        "recurring": { "interval": interval, "interval_count": 1, "usage_type": "licensed" },
    })
}

fn session_json(session: &Session) -> Value {
    let url = (session.status == "open").then(|| format!("https://checkout.example/{}", session.id));
    json!({
        "object": "checkout.session", "id": session.id, "customer": session.customer, "status": session.status,
        "automatic_tax": { "enabled": false }, "created": 1, "custom_fields": [], "custom_text": {},
        "expires_at": 2, "livemode": false, "mode": "subscription", "payment_method_types": ["card"],
        "payment_status": "unpaid", "shipping_options": [], "url": url,
        "metadata": session.checkout.as_ref().map(|nonce| json!({ "checkout": nonce })),
    })
}

/// A page of a list that is newest first.
fn list(data: Vec<Value>, query: &HashMap<String, String>) -> Answer {
    let start = match query.get("starting_after") {
        Some(after) => match data.iter().position(|it| it["id"] == after.as_str()) {
            Some(at) => at + 1,
            None => return (404, error("resource_missing")),
        },
        None => 0,
    };
    let limit: usize = query["limit"].parse().unwrap();
    let more = data.len() > start + limit;
    let data: Vec<Value> = data.into_iter().skip(start).take(limit).collect();
    (200, json!({ "object": "list", "data": data, "has_more": more, "url": "/v1/things" }))
}
