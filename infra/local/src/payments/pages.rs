//! The hosted pages, `/_stripe/…` on the app's origin: checkout, portal, invoices.
//!
//! Plain forms without a script. A test posts the same as JSON and gets JSON.

use std::fs;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Serde;
use serde_json::{Value, json};

use super::Payments;
use super::cards::{self, Card, Presence, TypedCard};
use super::form::Params;
use super::ledger::{
    Cause, Checkout, CheckoutStatus, Invoice, InvoiceStatus, Ledger, Portal, Progress, Proration, Status,
    Subscription,
};
use super::objects::{money, rate};
use super::refusal::Refusal;
use crate::flows::{Step, StepKind, TraceContext};
use crate::gateway::Pages;
use crate::guard::only_from_here;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hosted");

/// No form of these pages is longer.
const FORM_BYTES: usize = 16 * 1024;

struct Hosted {
    payments: Payments,
    pages: Pages,
}

type Shared = State<Arc<Hosted>>;

/// What a page can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Checkout,
    Portal,
    Invoice,
}

/// How an act ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Done {
    /// For programs: `complete`, `done`, `paid`, `requires_action`.
    status: &'static str,
    /// Where the browser goes.
    url: String,
}

/// What somebody does on a page.
#[derive(Debug, Clone)]
enum Act {
    Pay(Option<Card>),
    Confirm(bool),
    ChangePlan(String),
    Cancel(bool),
    ChangeCard(Card),
}

pub(super) fn router(payments: Payments, pages: Pages) -> Router {
    Router::new()
        .route("/_stripe/checkout/{id}", get(checkout))
        .route("/_stripe/checkout/{id}/{act}", post(act_on_checkout))
        .route("/_stripe/checkout/{id}/confirm", get(confirm_checkout).post(confirmed_checkout))
        .route("/_stripe/portal/{id}", get(portal))
        .route("/_stripe/portal/{id}/{act}", post(act_on_portal))
        .route("/_stripe/portal/{id}/confirm", get(confirm_portal).post(confirmed_portal))
        .route("/_stripe/invoices/{id}", get(invoice))
        .route("/_stripe/invoices/{id}/print", get(printed_invoice))
        .route("/_stripe/invoices/{id}/pay", post(pay_invoice))
        .route("/_stripe/invoices/{id}/confirm", get(confirm_invoice).post(confirmed_invoice))
        .layer(middleware::from_fn(only_from_here))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .with_state(Arc::new(Hosted { payments, pages }))
}

async fn checkout(State(hosted): Shared, Path(id): Path<String>) -> Response {
    hosted.show(About::Checkout, &id, None, StatusCode::OK).await
}

async fn portal(State(hosted): Shared, Path(id): Path<String>) -> Response {
    hosted.show(About::Portal, &id, None, StatusCode::OK).await
}

async fn invoice(State(hosted): Shared, Path(id): Path<String>) -> Response {
    hosted.show(About::Invoice, &id, None, StatusCode::OK).await
}

async fn printed_invoice(State(hosted): Shared, Path(id): Path<String>) -> Response {
    let view = hosted.view(&id, |ledger, id| {
        let mut view = invoice_view(ledger, ledger.invoices.get(id)?);
        view["print"] = json!(true);
        Some(view)
    });
    hosted.page("invoice", view.await, StatusCode::OK).await
}

async fn confirm_checkout(State(hosted): Shared, Path(id): Path<String>) -> Response {
    hosted.confirm(About::Checkout, &id).await
}

async fn confirm_portal(State(hosted): Shared, Path(id): Path<String>) -> Response {
    hosted.confirm(About::Portal, &id).await
}

async fn confirm_invoice(State(hosted): Shared, Path(id): Path<String>) -> Response {
    hosted.confirm(About::Invoice, &id).await
}

async fn act_on_checkout(
    State(hosted): Shared,
    Path((id, act)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if act != "pay" {
        return hosted.missing().await;
    }
    let act = hosted.typed_card(&headers, &body, false).await.map(Act::Pay);
    hosted.perform(About::Checkout, &id, act, &headers).await
}

async fn act_on_portal(
    State(hosted): Shared,
    Path((id, act)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let act = match act.as_str() {
        "plan" => text_field(&headers, &body, "price").map(Act::ChangePlan),
        "cancel" => Ok(Act::Cancel(true)),
        "resume" => Ok(Act::Cancel(false)),
        "card" => hosted
            .typed_card(&headers, &body, true)
            .await
            .and_then(|card| card.map(Act::ChangeCard).ok_or_else(|| Refusal::invalid("A card is needed."))),
        _ => return hosted.missing().await,
    };
    hosted.perform(About::Portal, &id, act, &headers).await
}

async fn pay_invoice(
    State(hosted): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let act = hosted.typed_card(&headers, &body, false).await.map(Act::Pay);
    hosted.perform(About::Invoice, &id, act, &headers).await
}

async fn confirmed_checkout(
    State(hosted): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    hosted.perform(About::Checkout, &id, confirmation(&headers, &body), &headers).await
}

async fn confirmed_portal(
    State(hosted): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    hosted.perform(About::Portal, &id, confirmation(&headers, &body), &headers).await
}

async fn confirmed_invoice(
    State(hosted): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    hosted.perform(About::Invoice, &id, confirmation(&headers, &body), &headers).await
}

impl Hosted {
    /// Does it as a step of the flow that the page belongs to, and answers in the request's way.
    async fn perform(
        &self,
        about: About,
        id: &str,
        act: Result<Act, Refusal>,
        headers: &HeaderMap,
    ) -> Response {
        let trace = self.payments.act(Cause::default(), |ledger| trace_of(ledger, about, id)).await;
        let trace = match trace {
            Ok(Some(trace)) => trace,
            Ok(None) => return self.missing().await,
            Err(error) => return broken(&error.to_string()),
        };
        let trace = TraceContext::from_traceparent(&trace).unwrap_or_else(TraceContext::new_root);
        let mut step = self.payments.flows().begin(&trace, StepKind::Payment, about.page());
        if let Ok(act) = &act {
            step.detail(act.words());
        }
        let cause = Cause { trace: step.context().to_traceparent(), flow: None, request: None };
        let outcome = match act {
            Ok(act) => self.payments.act(cause, |ledger| perform(ledger, about, id, act)).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        match outcome {
            Ok(outcome) => self.answer(about, id, outcome, step, headers).await,
            Err(error) => {
                step.error(error.to_string());
                broken(&error.to_string())
            }
        }
    }

    async fn answer(
        &self,
        about: About,
        id: &str,
        outcome: Result<Done, Refusal>,
        mut step: Step,
        headers: &HeaderMap,
    ) -> Response {
        let json = is_json(headers);
        match outcome {
            Ok(done) => {
                step.ok();
                if json {
                    return json_response(StatusCode::OK, &json!({ "status": done.status, "url": done.url }));
                }
                let location = HeaderValue::from_str(&done.url).unwrap_or(HeaderValue::from_static("/"));
                (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
            }
            Err(refusal) => {
                // That a card is refused is an answer.
                step.detail(format!(
                    "{} · {}",
                    about.page(),
                    refusal.decline_code.or(refusal.code).unwrap_or("refused")
                ));
                step.ok();
                let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
                if json {
                    return json_response(status, &refusal.body());
                }
                self.show(about, id, Some(&refusal.message), status).await
            }
        }
    }

    async fn show(&self, about: About, id: &str, error: Option<&str>, status: StatusCode) -> Response {
        let view = self.view(id, |ledger, id| {
            let mut view = match about {
                About::Checkout => checkout_view(ledger, ledger.checkouts.get(id)?),
                About::Portal => portal_view(ledger, ledger.portals.get(id)?),
                About::Invoice => {
                    let invoice = ledger.invoices.get(id).filter(|it| it.finalized_at.is_some())?;
                    invoice_view(ledger, invoice)
                }
            };
            view["error"] = json!(error);
            Some(view)
        });
        self.page(about.template(), view.await, status).await
    }

    async fn confirm(&self, about: About, id: &str) -> Response {
        let view = self.view(id, |ledger, id| {
            let (card, amount) = match about {
                About::Checkout => {
                    let checkout = ledger.checkouts.get(id)?;
                    let due = amount_due(ledger, checkout);
                    (checkout.confirming.clone()?, (due.0 > 0).then(|| money(due.0, &due.1)))
                }
                About::Portal => (ledger.portals.get(id)?.confirming.clone()?, None),
                About::Invoice => {
                    let invoice = ledger.invoices.get(id)?;
                    let card = ledger.cards.get(invoice.confirming.as_ref()?)?.card.clone();
                    (card, Some(money(invoice.amount_due(), &invoice.currency)))
                }
            };
            Some(json!({ "card": shown(&card), "amount": amount, "action": about.confirm_path(id) }))
        });
        self.page("confirm", view.await, StatusCode::OK).await
    }

    async fn view(
        &self,
        id: &str,
        view: impl FnOnce(&Ledger, &str) -> Option<Value> + Send,
    ) -> Result<Option<Value>, String> {
        let view = self.payments.act(Cause::default(), |ledger| view(ledger, id)).await;
        view.map_err(|error| error.to_string())
    }

    async fn page(
        &self,
        template: &str,
        view: Result<Option<Value>, String>,
        status: StatusCode,
    ) -> Response {
        match view {
            Ok(Some(view)) => self.render(template, view, status).await,
            Ok(None) => self.missing().await,
            Err(error) => broken(&error),
        }
    }

    async fn missing(&self) -> Response {
        let view = json!({
            "title": "There is no such page",
            "sentence": "The address is wrong, or its data were deleted.",
        });
        self.render("missing", view, StatusCode::NOT_FOUND).await
    }

    /// The files are read afresh for each request: they are being edited.
    async fn render(&self, template: &str, view: Value, status: StatusCode) -> Response {
        let (pages, file) = (self.pages.clone(), format!("{FOLDER}/{template}.html"));
        let rendered = tokio::task::spawn_blocking(move || {
            let source = fs::read_to_string(file).map_err(|error| error.to_string())?;
            let site = pages.current().map_err(|error| error.to_string())?;
            frontend::render_page(&site.site, &source, Serde(&view)).map_err(|error| error.to_string())
        });
        match rendered.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(html) => {
                let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
                (status, headers, html).into_response()
            }
            Err(error) => broken(&error),
        }
    }

    /// The card that is typed in, if one is; checked against the provider's own date.
    async fn typed_card(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        required: bool,
    ) -> Result<Option<Card>, Refusal> {
        let typed = if is_json(headers) {
            let body = if body.is_empty() { b"{}" } else { body };
            let value: Value = serde_json::from_slice(body).map_err(|it| Refusal::invalid(it.to_string()))?;
            match value.get("number") {
                None | Some(Value::Null) => None,
                Some(_) => {
                    let typed: TypedCard =
                        serde_json::from_value(value).map_err(|it| Refusal::invalid(it.to_string()))?;
                    Some(typed)
                }
            }
        } else {
            let mut form = Params::parse(body)?;
            let [number, exp, cvc, name] =
                ["number", "exp", "cvc", "name"].map(|field| form.text_or_unset(field));
            number.filter(|number| required || !number.trim().is_empty()).map(|number| TypedCard {
                number,
                exp,
                cvc,
                name,
            })
        };
        let now = self.payments.act(Cause::default(), |ledger| ledger.now).await;
        let now = now.map_err(|error| Refusal::internal(error.to_string()))?;
        let today = Timestamp::from_second(now).unwrap_or_default().to_zoned(TimeZone::UTC);
        let today = (today.year(), today.month().unsigned_abs());
        typed.map(|typed| typed.parse(today).map_err(Refusal::card)).transpose()
    }
}

fn broken(error: &str) -> Response {
    tracing::error!("a page of the payment provider failed: {error}");
    json_response(StatusCode::INTERNAL_SERVER_ERROR, &Refusal::internal(error).body())
}

fn trace_of(ledger: &Ledger, about: About, id: &str) -> Option<String> {
    match about {
        About::Checkout => ledger.checkouts.get(id).map(|it| it.trace.clone()),
        About::Portal => ledger.portals.get(id).map(|it| it.trace.clone()),
        About::Invoice => ledger.invoices.get(id).map(|it| it.trace.clone()),
    }
}

fn perform(ledger: &mut Ledger, about: About, id: &str, act: Act) -> Result<Done, Refusal> {
    let progress = match (about, act) {
        (About::Checkout, Act::Pay(card)) => ledger.pay_checkout(id, card, Presence::Present)?,
        (About::Checkout, Act::Confirm(confirmed)) => ledger.confirm_checkout(id, confirmed)?,
        (About::Portal, Act::Confirm(confirmed)) => ledger.confirm_card(id, confirmed)?,
        (About::Portal, Act::ChangeCard(card)) => ledger.change_card(id, card, Presence::Present)?,
        (About::Portal, Act::ChangePlan(price)) => {
            let subscription = portal_subscription(ledger, id)?;
            let quantity = ledger.subscriptions.get(&subscription).map_or(1, |it| it.quantity);
            ledger.change_plan(&subscription, &price, quantity, Proration::Now, Presence::Absent, true)?;
            Progress::Done
        }
        (About::Portal, Act::Cancel(cancel)) => {
            let subscription = portal_subscription(ledger, id)?;
            ledger.cancel_at_period_end(&subscription, cancel);
            Progress::Done
        }
        (About::Invoice, Act::Pay(card)) => {
            let paid = match card {
                Some(card) => ledger.pay_invoice_with(id, card, Presence::Present),
                None => ledger.pay_invoice(id, None, Presence::Present),
            };
            match paid {
                Err(refusal) if refusal.is_to_be_confirmed() => Progress::RequiresAction,
                outcome => {
                    outcome?;
                    Progress::Done
                }
            }
        }
        (About::Invoice, Act::Confirm(confirmed)) => {
            ledger.confirm_invoice(id, confirmed)?;
            Progress::Done
        }
        (About::Checkout | About::Invoice, Act::ChangePlan(_) | Act::Cancel(_) | Act::ChangeCard(_))
        | (About::Portal, Act::Pay(_)) => return Err(Refusal::invalid("This cannot be done here.")),
    };
    Ok(match (progress, about) {
        (Progress::RequiresAction, _) => {
            Done { status: "requires_action", url: format!("{}{}", ledger.origin, about.confirm_path(id)) }
        }
        (Progress::Done, About::Checkout) => {
            let url = ledger.checkouts.get(id).map(Checkout::success_url).unwrap_or_default();
            Done { status: "complete", url }
        }
        (Progress::Done, About::Portal) => {
            Done { status: "done", url: format!("{}/_stripe/portal/{id}", ledger.origin) }
        }
        (Progress::Done, About::Invoice) => {
            Done { status: "paid", url: format!("{}/_stripe/invoices/{id}", ledger.origin) }
        }
    })
}

fn portal_subscription(ledger: &Ledger, portal: &str) -> Result<String, Refusal> {
    let portal = ledger.portals.get(portal);
    let found = portal.and_then(|portal| ledger.portal_subscription(portal));
    found.map(|it| it.id.clone()).ok_or_else(|| Refusal::gone("There is no subscription."))
}

impl About {
    /// As a step is called.
    const fn page(self) -> &'static str {
        match self {
            Self::Checkout => "checkout page",
            Self::Portal => "portal page",
            Self::Invoice => "invoice page",
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::Portal => "portal",
            Self::Invoice => "invoice",
        }
    }

    fn confirm_path(self, id: &str) -> String {
        let folder = match self {
            Self::Checkout => "checkout",
            Self::Portal => "portal",
            Self::Invoice => "invoices",
        };
        format!("/_stripe/{folder}/{id}/confirm")
    }
}

impl Act {
    /// For the step: never a whole card number.
    fn words(&self) -> String {
        match self {
            Self::Pay(Some(card)) => format!("pay with {}", shown(card)),
            Self::Pay(None) => "pay".to_owned(),
            Self::Confirm(true) => "confirm".to_owned(),
            Self::Confirm(false) => "refuse to confirm".to_owned(),
            Self::ChangePlan(price) => format!("change to {price}"),
            Self::Cancel(true) => "cancel at the end of the period".to_owned(),
            Self::Cancel(false) => "keep the plan".to_owned(),
            Self::ChangeCard(card) => format!("use {}", shown(card)),
        }
    }
}

fn checkout_view(ledger: &Ledger, it: &Checkout) -> Value {
    let (due, currency) = amount_due(ledger, it);
    let sold = ledger.catalog.price(&it.order.price);
    let amount = sold.map_or(0, |(_, price)| price.unit_amount * it.order.quantity);
    let trial_end = ledger.trial_end(it).filter(|_| it.status == CheckoutStatus::Open);
    let email = it.customer.as_ref().and_then(|customer| ledger.customers.get(customer)?.email.clone());
    let mut view = json!({
        "id": it.id,
        "status": it.status.name(),
        "product": sold.map(|(product, _)| &product.name),
        "description": sold.map(|(product, _)| &product.description),
        "rate": rate(&ledger.catalog, &it.order.price),
        "amount": money(amount, &currency),
        "due": money(due, &currency),
        "trial_end": trial_end.map(date),
        "email": email.or_else(|| it.order.customer_email.clone()),
        "cancel_url": it.order.cancel_url,
        "success_url": it.success_url(),
    });
    with_card_fields(&mut view, ledger, !(it.order.card_if_required && trial_end.is_some()));
    view
}

/// What is to be paid today, and in which currency.
fn amount_due(ledger: &Ledger, it: &Checkout) -> (i64, String) {
    let Some((_, price)) = ledger.catalog.price(&it.order.price) else { return (0, String::new()) };
    let trial = ledger.trial_end(it).is_some();
    let amount = if trial { 0 } else { price.unit_amount * it.order.quantity };
    (amount, price.currency.clone())
}

fn portal_view(ledger: &Ledger, it: &Portal) -> Value {
    let customer = ledger.customers.get(&it.customer);
    let subscription = ledger.portal_subscription(it);
    let card = subscription.and_then(|it| ledger.card_of(&it.id));
    let card = card.or_else(|| customer?.default_card.clone());
    let card = card.and_then(|card| ledger.cards.get(&card));
    let can_change = subscription.is_some_and(|it| matches!(it.status, Status::Active | Status::Trialing));
    let choices = ledger
        .catalog
        .prices()
        .filter(|(product, price)| product.active && price.active)
        .filter(|(_, price)| can_change && subscription.is_some_and(|it| it.price != price.id))
        .map(|(product, price)| {
            json!({ "id": price.id, "name": product.name, "rate": rate(&ledger.catalog, &price.id) })
        });
    let invoices = ledger
        .invoices
        .iter()
        .rev()
        .filter(|invoice| invoice.customer == it.customer && invoice.finalized_at.is_some());
    let invoices = invoices.map(|invoice| {
        json!({
            "id": invoice.id,
            "number": invoice.number,
            "date": date(invoice.created),
            "amount": money(invoice.amount_due(), &invoice.currency),
            "state": state(invoice.status),
            "word": invoice.status.name(),
        })
    });
    let mut view = json!({
        "id": it.id,
        "customer": it.customer,
        "email": customer.and_then(|customer| customer.email.as_ref()),
        "return_url": it.return_url,
        "subscription": subscription.map(|it| subscription_view(ledger, it)),
        "choices": choices.collect::<Vec<_>>(),
        "card": card.map(|method| shown(&method.card)),
        "invoices": invoices.collect::<Vec<_>>(),
    });
    with_card_fields(&mut view, ledger, true);
    view
}

fn subscription_view(ledger: &Ledger, it: &Subscription) -> Value {
    let end = date(it.period_end);
    let (state, word, sentence) = match it.status {
        _ if it.cancel_at_period_end => ("warn", "ends", format!("It ends on {end}.")),
        Status::Trialing => {
            ("ok", "trial", format!("The trial ends on {end}, and the first payment is then."))
        }
        Status::Active => ("ok", "active", format!("It renews on {end}.")),
        Status::PastDue => (
            "bad",
            "past due",
            "The last payment failed: pay the open invoice, or give another card.".to_owned(),
        ),
        Status::Unpaid => ("bad", "unpaid", "The last invoice is not paid.".to_owned()),
        Status::Paused => ("idle", "paused", "The trial ended without a card.".to_owned()),
        Status::Incomplete => ("warn", "incomplete", "The first payment is not made yet.".to_owned()),
        Status::Canceled | Status::IncompleteExpired => ("idle", "ended", "It has ended.".to_owned()),
    };
    json!({
        "product": ledger.catalog.price(&it.price).map(|(product, _)| &product.name),
        "rate": rate(&ledger.catalog, &it.price),
        "status": it.status.name(),
        "state": state,
        "word": word,
        "sentence": sentence,
        "cancels": it.cancel_at_period_end,
    })
}

fn invoice_view(ledger: &Ledger, it: &Invoice) -> Value {
    let show = |amount: i64| money(amount, &it.currency);
    let customer = ledger.customers.get(&it.customer);
    let to = customer.and_then(|customer| customer.email.clone().or_else(|| customer.name.clone()));
    let lines = it.lines.iter().map(|line| {
        json!({
            "what": line.description,
            "when": format!("{} – {}", date(line.period_start), date(line.period_end)),
            "amount": show(line.amount),
        })
    });
    let card = it.payment.as_ref().and_then(|payment| ledger.cards.get(&payment.card));
    let balance = it.amount_due() - it.total();
    let mut view = json!({
        "id": it.id,
        "number": it.number,
        "state": state(it.status),
        "word": it.status.name(),
        "to": to.unwrap_or_else(|| it.customer.clone()),
        "date": date(it.finalized_at.unwrap_or(it.created)),
        "paid_at": it.paid_at.map(date),
        "card": card.map(|method| shown(&method.card)),
        "lines": lines.collect::<Vec<_>>(),
        "total": show(it.total()),
        "balance": (balance != 0).then(|| show(balance)),
        "due": show(it.amount_due()),
        "refunded": (it.refunded > 0).then(|| show(it.refunded)),
        "payable": matches!(it.status, InvoiceStatus::Open | InvoiceStatus::Uncollectible),
    });
    with_card_fields(&mut view, ledger, ledger.card_of(&it.subscription).is_none());
    view
}

fn with_card_fields(view: &mut Value, ledger: &Ledger, required: bool) {
    let year = Timestamp::from_second(ledger.now).unwrap_or_default().to_zoned(TimeZone::UTC).year();
    view["card_required"] = json!(required);
    view["exp"] = json!(format!("12/{:02}", (year + 5) % 100));
    view["test_cards"] = json!(cards::examples().collect::<Vec<_>>());
}

const fn state(status: InvoiceStatus) -> &'static str {
    match status {
        InvoiceStatus::Paid => "ok",
        InvoiceStatus::Open => "warn",
        InvoiceStatus::Uncollectible => "bad",
        InvoiceStatus::Draft | InvoiceStatus::Void => "idle",
    }
}

/// `visa •••• 4242`
fn shown(card: &Card) -> String {
    format!("{} •••• {}", card.brand(), card.last4())
}

/// `23 November 2026`
fn date(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    at.strftime("%-d %B %Y").to_string()
}

fn confirmation(headers: &HeaderMap, body: &[u8]) -> Result<Act, Refusal> {
    match text_field(headers, body, "outcome")?.as_str() {
        "authenticate" => Ok(Act::Confirm(true)),
        "fail" => Ok(Act::Confirm(false)),
        other => Err(Refusal::invalid(format!("The outcome is authenticate or fail, not {other}."))),
    }
}

fn text_field(headers: &HeaderMap, body: &[u8], name: &str) -> Result<String, Refusal> {
    if is_json(headers) {
        let value: Value = serde_json::from_slice(body).map_err(|it| Refusal::invalid(it.to_string()))?;
        let text = value[name].as_str().map(str::to_owned);
        text.ok_or_else(|| Refusal::invalid(format!("Missing required param: {name}.")))
    } else {
        Params::parse(body)?.required(name)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}
