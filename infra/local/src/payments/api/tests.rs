//! The API as the client crate speaks it: its own requests go in, and its own strict types read the
//! answers (async-stripe 1.0.0-rc.10, which is generated from Stripe's OpenAPI description).

use std::collections::{BTreeMap, HashMap};

use miniserde::Deserialize;
use stripe_billing::billing_portal_session::CreateBillingPortalSession;
use stripe_billing::invoice::{ListInvoice, RetrieveInvoice};
use stripe_billing::subscription::{
    CancelSubscription, ListSubscription, ListSubscriptionStatus, RetrieveSubscription,
};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionSubscriptionData,
    ExpireCheckoutSession, RetrieveCheckoutSession,
};
use stripe_client_core::{StripeMethod, StripeRequest};
use stripe_core::customer::{CreateCustomer, DeleteCustomer, RetrieveCustomer};
use stripe_product::price::ListPrice;
use stripe_shared::{
    CheckoutSessionMode, CheckoutSessionPaymentStatus, CheckoutSessionStatus, InvoiceStatus as TheirInvoice,
    SubscriptionStatus,
};

use super::*;
use crate::payments::cards::{Presence, TypedCard};
use crate::payments::catalog::Catalog;
use crate::payments::ledger::Progress;

const DAY: i64 = 24 * 60 * 60;

fn books() -> Ledger {
    let mut ledger = Ledger::new(Catalog::seed(), "http://localhost:3000".to_owned(), 7);
    ledger.real_ms = 1_795_000_000_000;
    ledger.advance_to(1_795_000_000);
    ledger
}

/// Sends a request of the client crate.
fn ask_as_client<R>(ledger: &mut Ledger, request: &R) -> Reply
where
    R: StripeRequest,
{
    let built = request.build();
    let (method, form) = match built.method {
        StripeMethod::Get => (Method::GET, built.query),
        StripeMethod::Post => (Method::POST, built.body),
        StripeMethod::Delete => (Method::DELETE, built.body.or(built.query)),
    };
    let params = Params::parse(form.unwrap_or_default().as_bytes()).unwrap();
    let path = built.path.trim_start_matches('/').to_owned();
    handle(ledger, Request { method, path, params, idempotency_key: None })
}

/// …and reads the answer as the client crate does.
fn send<R>(ledger: &mut Ledger, request: &R) -> R::Output
where
    R: StripeRequest,
    R::Output: Deserialize,
{
    let reply = ask_as_client(ledger, request);
    assert_eq!(reply.status, 200, "{}", reply.body);
    parsed(&reply.body)
}

fn parsed<T: Deserialize>(body: &Value) -> T {
    miniserde::json::from_str(&body.to_string())
        .unwrap_or_else(|_| panic!("the client crate cannot read {body:#}"))
}

fn pay(ledger: &mut Ledger, session: &str, number: &str) {
    let typed = TypedCard { number: number.to_owned(), ..TypedCard::default() };
    let card = typed.parse((2026, 11)).unwrap();
    let paid = ledger.pay_checkout(session, Some(card), Presence::Present).unwrap();
    assert_eq!(paid, Progress::Done);
}

fn customer_of(ledger: &mut Ledger) -> String {
    let metadata = HashMap::from([("workspace_id".to_owned(), "wsp_1".to_owned())]);
    let create = CreateCustomer::new().email("ada@example.com").name("Ada").metadata(metadata);
    let customer = send(ledger, &create);
    assert_eq!(customer.metadata.unwrap()["workspace_id"], "wsp_1");
    customer.id.to_string()
}

fn checkout_of(
    ledger: &mut Ledger,
    customer: &str,
    trial_days: Option<u32>,
) -> stripe_shared::CheckoutSession {
    let mut data = CreateCheckoutSessionSubscriptionData::new();
    data.metadata = Some(HashMap::from([("workspace_id".to_owned(), "wsp_1".to_owned())]));
    data.trial_period_days = trial_days;
    let mut item = CreateCheckoutSessionLineItems::new();
    (item.price, item.quantity) = (Some("price_pro_month".to_owned()), Some(1));
    let expires_at = ledger.now + 2 * 60 * 60;
    let create = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Subscription)
        .customer(customer)
        .client_reference_id("wsp_1")
        .line_items(vec![item])
        .success_url("http://localhost:3000/billing/return?checkout=success")
        .cancel_url("http://localhost:3000/billing/return?checkout=cancelled")
        .expires_at(expires_at)
        .subscription_data(data);
    send(ledger, &create)
}

#[test]
fn the_client_crate_reads_the_prices_with_their_products() {
    let mut ledger = books();
    let list = ListPrice::new().limit(100).expand(vec!["data.product".to_owned()]);
    let prices = send(&mut ledger, &list);
    assert_eq!((prices.data.len(), prices.has_more), (4, false));
    for price in &prices.data {
        let product = price.product.as_object().expect("it was to be expanded");
        assert!(["pro", "business"].contains(&product.metadata["plan"].as_str()));
    }
    assert_eq!(prices.data[0].metadata["trial_days"], "14");
    let first = send(&mut ledger, &ListPrice::new().limit(3));
    assert!(first.has_more);
    let rest = send(&mut ledger, &ListPrice::new().starting_after(first.data[2].id.to_string()));
    assert_eq!((rest.data.len(), rest.has_more), (1, false));
}

#[test]
fn the_client_crate_reads_a_purchase_from_its_beginning_to_its_end() {
    let mut ledger = books();
    let customer = customer_of(&mut ledger);
    let open = checkout_of(&mut ledger, &customer, Some(14));
    assert_eq!(open.status, Some(CheckoutSessionStatus::Open));
    let url = open.url.unwrap();
    assert!(url.starts_with("http://localhost:3000/_stripe/checkout/cs_test_"), "{url}");
    pay(&mut ledger, open.id.as_str(), "4000000000000341");
    let session = send(&mut ledger, &RetrieveCheckoutSession::new(open.id));
    assert_eq!(session.status, Some(CheckoutSessionStatus::Complete));
    assert_eq!(session.payment_status, CheckoutSessionPaymentStatus::NoPaymentRequired);

    let of_customer = |ledger: &mut Ledger| {
        let list = ListSubscription::new()
            .customer(customer.as_str())
            .status(ListSubscriptionStatus::All)
            .limit(100)
            .expand(vec!["data.latest_invoice".to_owned()]);
        let mut page = send(ledger, &list);
        assert_eq!(page.data.len(), 1);
        page.data.remove(0)
    };
    let mut seen = Vec::new();
    for days in [0, 15, 3, 12] {
        ledger.advance_to(ledger.now + days * DAY);
        let subscription = of_customer(&mut ledger);
        let item = &subscription.items.data[0];
        assert!(item.current_period_start < item.current_period_end);
        assert_eq!(subscription.metadata["workspace_id"], "wsp_1");
        let invoice = subscription.latest_invoice.unwrap();
        let invoice = invoice.as_object().expect("it was to be expanded");
        let parent = invoice.parent.as_ref().unwrap().subscription_details.as_ref().unwrap();
        assert_eq!(parent.subscription.id(), &subscription.id);
        seen.push((subscription.status, invoice.status.clone(), invoice.attempt_count));
    }
    assert_eq!(
        seen,
        [
            (SubscriptionStatus::Trialing, Some(TheirInvoice::Paid), 0),
            (SubscriptionStatus::PastDue, Some(TheirInvoice::Open), 1),
            (SubscriptionStatus::PastDue, Some(TheirInvoice::Open), 2),
            (SubscriptionStatus::Canceled, Some(TheirInvoice::Open), 4),
        ]
    );

    let invoices = send(&mut ledger, &ListInvoice::new().customer(customer.as_str()).limit(12));
    assert_eq!(invoices.data.len(), 2);
    let id = invoices.data[0].id.clone().unwrap();
    let one = send(&mut ledger, &RetrieveInvoice::new(id));
    assert_eq!((one.amount_due, one.amount_paid), (1_200, 0));
    assert_eq!(
        one.lines.data[0].pricing.as_ref().unwrap().price_details.as_ref().unwrap().price.id().as_str(),
        "price_pro_month"
    );
    let open = ListInvoice::new().customer(customer.as_str()).status(stripe_shared::InvoiceStatus::Open);
    assert_eq!(send(&mut ledger, &open).data.len(), 1);

    let portal = CreateBillingPortalSession::new()
        .customer(customer.as_str())
        .return_url("http://localhost:3000/billing");
    let portal = send(&mut ledger, &portal);
    assert!(portal.url.starts_with("http://localhost:3000/_stripe/portal/bps_"), "{}", portal.url);
}

#[test]
fn the_client_crate_reads_every_webhook_and_its_object() {
    let mut ledger = books();
    let customer = customer_of(&mut ledger);
    let session = checkout_of(&mut ledger, &customer, None);
    pay(&mut ledger, session.id.as_str(), "4242424242424242");
    ledger.advance_to(ledger.now + 40 * DAY);
    let subscription = ledger.subscriptions.iter().next().unwrap().id.clone();
    let canceled = send(&mut ledger, &CancelSubscription::new(subscription.as_str()));
    assert_eq!(canceled.status, SubscriptionStatus::Canceled);
    let gone = ask_as_client(&mut ledger, &CancelSubscription::new(subscription.as_str()));
    assert_eq!(gone.status, 404);

    let mut types = Vec::new();
    let events: Vec<_> = ledger.events.iter().map(|event| objects::event(event, 1)).collect();
    for event in events {
        let read: stripe_shared::Event = parsed(&event);
        types.push(read.type_.to_string());
        let object = &event["data"]["object"];
        match object["object"].as_str().unwrap() {
            "customer" => drop(parsed::<stripe_shared::Customer>(object)),
            "payment_method" => drop(parsed::<stripe_shared::PaymentMethod>(object)),
            "invoice" => drop(parsed::<stripe_shared::Invoice>(object)),
            "subscription" => drop(parsed::<stripe_shared::Subscription>(object)),
            "checkout.session" => drop(parsed::<stripe_shared::CheckoutSession>(object)),
            other => panic!("{other} is told, and nobody reads it"),
        }
    }
    types.sort_unstable();
    types.dedup();
    assert_eq!(
        types,
        [
            "checkout.session.completed",
            "customer.created",
            "customer.subscription.created",
            "customer.subscription.deleted",
            "customer.subscription.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
            "payment_method.attached",
        ]
    );
}

#[test]
fn what_is_deleted_or_ended_is_said_as_the_client_crate_reads_it() {
    let mut ledger = books();
    let customer = customer_of(&mut ledger);
    let session = checkout_of(&mut ledger, &customer, None);
    let expired = send(&mut ledger, &ExpireCheckoutSession::new(session.id.as_str()));
    assert_eq!((expired.status, expired.url), (Some(CheckoutSessionStatus::Expired), None));
    let again = ask_as_client(&mut ledger, &ExpireCheckoutSession::new(session.id.as_str()));
    assert_eq!(again.status, 400);

    let session = checkout_of(&mut ledger, &customer, None);
    pay(&mut ledger, session.id.as_str(), "4242424242424242");
    let deleted = send(&mut ledger, &DeleteCustomer::new(customer.as_str()));
    assert_eq!(deleted.id.as_str(), customer);
    drop(send(&mut ledger, &RetrieveCustomer::new(customer.as_str())));
    let default = ListSubscription::new().customer(customer.as_str());
    assert!(send(&mut ledger, &default).data.is_empty(), "canceled ones are left out");
    let missing = ask_as_client(&mut ledger, &RetrieveSubscription::new("sub_x"));
    assert_eq!(missing.status, 404);
    let error: stripe_shared::Error = parsed(&missing.body);
    assert_eq!(error.error.code.unwrap().to_string(), "resource_missing");
    assert_eq!(error.error.message.unwrap(), "No such subscription: 'sub_x'");
}

/// I4, on the provider's side: <https://docs.stripe.com/api/idempotent_requests>.
#[test]
fn a_key_answers_as_it_did_and_refuses_another_request() {
    let mut ledger = books();
    let ask_with = |ledger: &mut Ledger, key: &str, path: &str, form: &str| {
        let params = Params::parse(form.as_bytes()).unwrap();
        let idempotency_key = Some(key.to_owned());
        handle(ledger, Request { method: Method::POST, path: path.to_owned(), params, idempotency_key })
    };
    let first = ask_with(&mut ledger, "k", "customers", "email=a%40example.com&name=A");
    let again = ask_with(&mut ledger, "k", "customers", "name=A&email=a%40example.com");
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(ledger.customers.iter().count(), 1);
    let other = ask_with(&mut ledger, "k", "customers", "email=b%40example.com");
    assert_eq!((other.status, &other.body["error"]["type"]), (400, &Value::from("idempotency_error")));
    let other = ask_with(&mut ledger, "k", "billing_portal/sessions", "email=a%40example.com&name=A");
    assert_eq!(other.body["error"]["type"], "idempotency_error");
    // What was not right in itself was not carried out, so its key is free.
    let wrong = ask_with(&mut ledger, "w", "customers", "unknown=1");
    assert_eq!(wrong.status, 400);
    assert_eq!(ask_with(&mut ledger, "w", "customers", "name=B").status, 200);
    ledger.real_ms += KEY_MS + 1;
    let later = ask_with(&mut ledger, "k", "customers", "email=c%40example.com");
    assert_eq!((later.status, later.replayed), (200, false));
    assert_eq!(ledger.answers.iter().count(), 1, "old keys are forgotten");
}

/// I4, on the provider's side: a failure is an answer like any other.
#[test]
fn a_failure_is_remembered_under_its_key_unless_that_was_answered_before() {
    let mut ledger = books();
    let request = |method: Method, key: Option<&str>| Request {
        method,
        path: "customers".to_owned(),
        params: Params::parse(b"").unwrap(),
        idempotency_key: key.map(str::to_owned),
    };
    let create = |key| request(Method::POST, Some(key));
    assert_eq!(handle(&mut ledger, create("done")).status, 200);
    for refused in [create("k"), create("done"), request(Method::POST, None), request(Method::GET, Some("g"))]
    {
        let failed = fail(&mut ledger, refused);
        assert_eq!((failed.status, failed.replayed), (500, false));
    }
    assert_eq!(ledger.customers.iter().count(), 1);
    for (key, status, replayed) in [("k", 500, true), ("done", 200, true), ("other", 200, false)] {
        let reply = handle(&mut ledger, create(key));
        assert_eq!((reply.status, reply.replayed), (status, replayed), "{key}");
    }
    let listed = handle(&mut ledger, request(Method::GET, Some("g")));
    assert_eq!((listed.status, listed.replayed), (200, false));
    ledger.real_ms += KEY_MS + 1;
    assert_eq!(handle(&mut ledger, create("k")).status, 200, "it is forgotten as well");
}

#[test]
fn a_refused_card_is_a_card_error_and_is_remembered() {
    let mut ledger = books();
    let customer = ledger.create_customer(None, None, None, BTreeMap::new());
    let typed = TypedCard { number: "4000000000000341".to_owned(), ..TypedCard::default() };
    let card = ledger.attach(&customer, typed.parse((2026, 11)).unwrap());
    let form = format!(
        "customer={customer}&default_payment_method={card}&items[0][price]=price_pro_month&payment_behavior=error_if_incomplete"
    );
    let create = |ledger: &mut Ledger| {
        let params = Params::parse(form.as_bytes()).unwrap();
        let idempotency_key = Some("k".to_owned());
        handle(
            ledger,
            Request { method: Method::POST, path: "subscriptions".to_owned(), params, idempotency_key },
        )
    };
    let refused = create(&mut ledger);
    let error: stripe_shared::Error = parsed(&refused.body);
    assert_eq!((refused.status, error.error.decline_code.as_deref()), (402, Some("generic_decline")));
    assert!(create(&mut ledger).replayed);
    assert_eq!(ledger.subscriptions.iter().count(), 0);
}

#[test]
fn what_is_archived_is_listed_as_such_and_not_sold() {
    let mut ledger = books();
    let customer = customer_of(&mut ledger);
    let [pro, business] = &mut ledger.catalog.products[..] else { panic!("two products") };
    pro.prices[0].active = false;
    business.active = false;
    for (path, all, active) in [("products", 2, 1), ("prices", 4, 3)] {
        for (filter, expected) in [("", all), ("active=true", active), ("active=false", 1)] {
            let listed = ask(&mut ledger, "GET", path, filter).body["data"].as_array().unwrap().clone();
            assert_eq!(listed.len(), expected, "{path} {filter}");
            let shown = listed.iter().filter(|it| it["active"] == true).count();
            assert_eq!(shown, if filter == "active=false" { 0 } else { active }, "{path} {filter}");
        }
    }
    let page = "mode=subscription&success_url=http://localhost:3000/&line_items[0][price]=";
    let begun = format!("customer={customer}&items[0][price]=");
    for (price, word) in
        [("price_pro_month", "inactive"), ("price_business_year", "its product is not active")]
    {
        for (path, form, param) in [
            ("checkout/sessions", page, "line_items[0][price]"),
            ("subscriptions", begun.as_str(), "items[0][price]"),
        ] {
            let refused = ask(&mut ledger, "POST", path, &format!("{form}{price}"));
            let error = &refused.body["error"];
            assert_eq!((refused.status, &error["param"]), (400, &Value::from(param)), "{path} {price}");
            assert!(error["message"].as_str().unwrap().contains(word), "{error}");
        }
    }
}

#[test]
fn a_subscription_is_changed_as_is_documented() {
    let mut ledger = books();
    let customer = customer_of(&mut ledger);
    let session = checkout_of(&mut ledger, &customer, None);
    pay(&mut ledger, session.id.as_str(), "4242424242424242");
    let id = ledger.subscriptions.iter().next().unwrap().id.clone();
    let path = format!("subscriptions/{id}");
    let canceled = ask(&mut ledger, "POST", &path, "cancel_at_period_end=true&metadata[a]=1");
    assert_eq!(canceled.body["cancel_at"], canceled.body["items"]["data"][0]["current_period_end"]);
    let resumed = ask(&mut ledger, "POST", &path, "cancel_at_period_end=false&metadata[a]=");
    assert_eq!((&resumed.body["cancel_at"], &resumed.body["metadata"]["a"]), (&Value::Null, &Value::Null));
    let item = ledger.subscriptions.get(&id).unwrap().item.clone();
    let form = format!(
        "items[0][id]={item}&items[0][price]=price_business_month&proration_behavior=always_invoice&expand[]=latest_invoice.payments"
    );
    let changed = ask(&mut ledger, "POST", &path, &form);
    assert_eq!(changed.body["latest_invoice"]["billing_reason"], "subscription_update");
    let intent = &changed.body["latest_invoice"]["payments"]["data"][0]["payment"]["payment_intent"];
    let refund = ask(&mut ledger, "POST", "refunds", &format!("payment_intent={}", intent.as_str().unwrap()));
    assert_eq!((refund.status, &refund.body["amount"]), (200, &Value::from(3_700)));
    drop(parsed::<stripe_shared::Refund>(&refund.body));
    drop(parsed::<stripe_shared::Subscription>(&changed.body));
}

#[test]
fn a_request_that_is_not_right_says_what_is_not() {
    let mut ledger = books();
    let customer = customer_of(&mut ledger);
    let session =
        "mode=subscription&success_url=http%3A%2F%2Flocalhost%2F&line_items[0][price]=price_pro_month";
    for (method, path, form, status, code) in [
        ("GET", "nothing", "", 404, ""),
        ("PUT", "customers", "", 404, ""),
        ("GET", "customers/cus_x", "", 404, "resource_missing"),
        ("GET", "prices", "limit=0", 400, "parameter_invalid_integer"),
        ("GET", "prices", "limit=101", 400, "parameter_invalid_integer"),
        ("GET", "prices", "starting_after=price_x", 400, "resource_missing"),
        ("GET", "prices", "colour=red", 400, "parameter_unknown"),
        ("GET", "prices", "expand[]=data.colour", 400, "parameter_unknown"),
        ("GET", "prices", "expand[]=a.b.c.d.e", 400, "property_depth"),
        ("GET", "subscriptions", "status=alive", 400, "parameter_unknown"),
        ("POST", "checkout/sessions", "", 400, "parameter_missing"),
        ("POST", "checkout/sessions", "mode=payment", 400, "parameter_unknown"),
        (
            "POST",
            "checkout/sessions",
            "mode=subscription&success_url=x&line_items[0][price]=y",
            400,
            "url_invalid",
        ),
        ("POST", "checkout/sessions", &format!("{session}&customer=cus_x"), 400, "resource_missing"),
        (
            "POST",
            "checkout/sessions",
            &format!("{session}&line_items[0][quantity]=0"),
            400,
            "parameter_invalid_integer",
        ),
        ("POST", "checkout/sessions", &format!("{session}&expires_at=5"), 400, "parameter_invalid_integer"),
        (
            "POST",
            "checkout/sessions",
            &format!("{session}&subscription_data[trial_period_days]=0"),
            400,
            "parameter_invalid_integer",
        ),
        ("POST", "checkout/sessions", &format!("{session}&customer={customer}&customer_email=a"), 400, ""),
        ("POST", "billing_portal/sessions", "", 400, "parameter_missing"),
        ("POST", "refunds", "", 400, ""),
        ("POST", "invoices/in_x/pay", "", 404, "resource_missing"),
    ] {
        let reply = ask(&mut ledger, method, path, form);
        let said = reply.body["error"]["code"].as_str().unwrap_or_default();
        assert_eq!((reply.status, said), (status, code), "{method} {path} {form}: {}", reply.body);
        drop(parsed::<stripe_shared::Error>(&reply.body));
    }
    assert_eq!(ledger.checkouts.iter().count(), 0);
}

#[test]
fn times_of_a_caller_move_with_the_providers_clock() {
    let mut ledger = books();
    let customer = customer_of(&mut ledger);
    let real = ledger.now;
    ledger.advance_to(real + 40 * DAY);
    ledger.change_settings(|settings| settings.ahead_seconds = 40 * DAY);
    let form = format!(
        "mode=subscription&customer={customer}&success_url=http%3A%2F%2Flocalhost%2F&line_items[0][price]=price_pro_month&expires_at={}",
        real + 2 * 60 * 60
    );
    let reply = ask(&mut ledger, "POST", "checkout/sessions", &form);
    assert_eq!(reply.body["expires_at"], ledger.now + 2 * 60 * 60, "{}", reply.body);
}

#[test]
fn only_the_key_opens() {
    let ok = |header: Option<&str>| authorize(header, "sk_test_1");
    assert!(ok(Some("Bearer sk_test_1")).is_ok());
    assert!(ok(Some("Basic c2tfdGVzdF8xOg==")).is_ok());
    for header in
        [None, Some(""), Some("Bearer"), Some("Bearer sk_test_2"), Some("Basic !!"), Some("Bearer ü")]
    {
        assert_eq!(ok(header).unwrap_err().status, 401, "{header:?}");
    }
    assert!(!ok(Some("Bearer sk_live_abcdefgh")).unwrap_err().message.contains("sk_live"));
    assert!(check_version(None).is_ok());
    assert!(check_version(Some(objects::API_VERSION)).is_ok());
    assert!(check_version(Some("2024-06-20")).is_err());
}
