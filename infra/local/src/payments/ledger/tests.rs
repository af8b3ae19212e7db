//! The rules that a subscription and its money follow, each as one story, and then any stories at
//! all against what must always hold.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::calendar::{DAY, HOUR, MINUTE};
use super::invoices::Reason;
use super::*;
use crate::payments::cards::{Presence, TypedCard};
use crate::payments::catalog::AfterRetries;

const START: i64 = 1_795_000_000; // 2026-11-18

fn books() -> Ledger {
    books_of(Catalog::seed(), &[])
}

/// The books that these rows make, and what is for sale now.
fn books_of(catalog: Catalog, rows: &[Row]) -> Ledger {
    let empty = Ledger::new(catalog, "http://localhost:3000".to_owned(), 7);
    let mut ledger = empty.restore(rows).unwrap();
    ledger.advance_to(START);
    ledger
}

fn card(number: &str) -> Card {
    TypedCard { number: number.to_owned(), ..TypedCard::default() }.parse((2026, 11)).unwrap()
}

fn order(price: &str, trial_days: Option<i64>) -> CheckoutOrder {
    CheckoutOrder {
        customer_email: Some("ada@example.com".to_owned()),
        price: price.to_owned(),
        quantity: 1,
        success_url: "http://localhost:3000/billing/return?checkout=success".to_owned(),
        trial_days,
        ..CheckoutOrder::default()
    }
}

/// Buys, and answers the subscription's id.
fn buy(ledger: &mut Ledger, price: &str, trial_days: Option<i64>, number: &str) -> String {
    let session = ledger.create_checkout(order(price, trial_days)).unwrap();
    let progress = ledger.pay_checkout(&session, Some(card(number)), Presence::Present).unwrap();
    assert_eq!(progress, Progress::Done);
    ledger.checkouts.get(&session).unwrap().subscription.clone().unwrap()
}

fn status(ledger: &Ledger, id: &str) -> Status {
    ledger.subscriptions.get(id).unwrap().status
}

fn latest<'a>(ledger: &'a Ledger, id: &str) -> &'a Invoice {
    let subscription = ledger.subscriptions.get(id).unwrap();
    ledger.invoices.get(subscription.latest_invoice.as_ref().unwrap()).unwrap()
}

fn pass(ledger: &mut Ledger, seconds: i64) {
    ledger.advance_to(ledger.now + seconds);
}

/// The types of the events since there were so many.
fn kinds(ledger: &Ledger, since: usize) -> Vec<String> {
    ledger.events.iter().skip(since).map(|event| event.kind.clone()).collect()
}

fn happened(ledger: &Ledger, kind: &str) -> usize {
    ledger.events.iter().filter(|event| event.kind == kind).count()
}

#[test]
fn a_checkout_that_is_paid_begins_a_subscription_and_tells_of_each_step() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_business_month", None, "4242424242424242");
    assert_eq!(status(&ledger, &id), Status::Active);
    let invoice = latest(&ledger, &id);
    assert_eq!((invoice.status, invoice.amount_paid()), (InvoiceStatus::Paid, 4_900));
    assert_eq!(
        kinds(&ledger, 0),
        [
            "customer.created",
            "payment_method.attached",
            "invoice.created",
            "customer.subscription.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
            "checkout.session.completed",
        ]
    );
    // It began incomplete, and says so.
    let updated = ledger.events.iter().find(|event| event.kind == "customer.subscription.updated").unwrap();
    assert_eq!(updated.previous.as_ref().unwrap(), &serde_json::json!({ "status": "incomplete" }));
}

#[test]
fn a_card_that_is_refused_leaves_the_checkout_open_and_nothing_else() {
    for (number, code) in [
        ("4000000000000002", "generic_decline"),
        ("4000000000009995", "insufficient_funds"),
        ("4000000000000341", "generic_decline"),
    ] {
        let mut ledger = books();
        let session = ledger.create_checkout(order("price_pro_month", None)).unwrap();
        let refusal = ledger.pay_checkout(&session, Some(card(number)), Presence::Present).unwrap_err();
        assert_eq!((refusal.status, refusal.decline_code), (402, Some(code)), "{number}");
        assert!(ledger.checkouts.get(&session).unwrap().is_open());
        assert_eq!(ledger.events.iter().count(), 0, "{number}");
        // Another card does.
        let done = ledger.pay_checkout(&session, Some(card("4242424242424242")), Presence::Present);
        assert_eq!(done.unwrap(), Progress::Done);
    }
}

/// B4: a second click on "Pay" buys nothing more.
#[test]
fn a_checkout_is_paid_once() {
    let mut ledger = books();
    let session = ledger.create_checkout(order("price_pro_month", None)).unwrap();
    for _ in 0..2 {
        let done = ledger.pay_checkout(&session, Some(card("4242424242424242")), Presence::Present);
        assert_eq!(done.unwrap(), Progress::Done);
    }
    assert_eq!((ledger.subscriptions.iter().count(), ledger.invoices.iter().count()), (1, 1));
}

#[test]
fn a_card_that_asks_is_charged_once_its_owner_has_confirmed() {
    let mut ledger = books();
    let session = ledger.create_checkout(order("price_pro_month", None)).unwrap();
    let asked = ledger.pay_checkout(&session, Some(card("4000002500003155")), Presence::Present);
    assert_eq!(asked.unwrap(), Progress::RequiresAction);
    assert_eq!(ledger.events.iter().count(), 0);
    let refused = ledger.confirm_checkout(&session, false).unwrap_err();
    assert_eq!(refused.code, Some("payment_intent_authentication_failure"));
    assert!(ledger.confirm_checkout(&session, true).is_err(), "nothing waits any more");
    ledger.pay_checkout(&session, Some(card("4000002500003155")), Presence::Present).unwrap();
    assert_eq!(ledger.confirm_checkout(&session, true).unwrap(), Progress::Done);
    let id = ledger.checkouts.get(&session).unwrap().subscription.clone().unwrap();
    // Without its owner it can be charged now.
    pass(&mut ledger, 32 * DAY);
    assert_eq!(status(&ledger, &id), Status::Active);
    assert_eq!(latest(&ledger, &id).status, InvoiceStatus::Paid);
}

#[test]
fn an_open_checkout_expires_and_cannot_be_paid_then() {
    let mut ledger = books();
    let session = ledger.create_checkout(order("price_pro_month", None)).unwrap();
    pass(&mut ledger, DAY - 1);
    assert!(ledger.checkouts.get(&session).unwrap().is_open());
    pass(&mut ledger, 1);
    assert_eq!(kinds(&ledger, 0), ["checkout.session.expired"]);
    let late = ledger.pay_checkout(&session, Some(card("4242424242424242")), Presence::Present);
    assert_eq!(late.unwrap_err().status, 409);
    let mut early = order("price_pro_month", None);
    early.expires_at = Some(ledger.now + 29 * MINUTE);
    assert!(ledger.create_checkout(early).is_err());
}

#[test]
fn a_trial_is_announced_three_days_before_it_ends_and_then_costs() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", Some(14), "4242424242424242");
    assert_eq!(status(&ledger, &id), Status::Trialing);
    assert_eq!((latest(&ledger, &id).status, latest(&ledger, &id).total()), (InvoiceStatus::Paid, 0));
    pass(&mut ledger, 11 * DAY - 1);
    assert_eq!(happened(&ledger, "customer.subscription.trial_will_end"), 0);
    pass(&mut ledger, 1);
    assert_eq!(happened(&ledger, "customer.subscription.trial_will_end"), 1);
    pass(&mut ledger, 3 * DAY);
    assert_eq!(status(&ledger, &id), Status::Active);
    assert_eq!(latest(&ledger, &id).status, InvoiceStatus::Draft);
    pass(&mut ledger, HOUR);
    let invoice = latest(&ledger, &id);
    assert_eq!((invoice.status, invoice.amount_paid()), (InvoiceStatus::Paid, 1_200));
    assert_eq!(happened(&ledger, "customer.subscription.trial_will_end"), 1);
    // A trial that is shorter than the notice is announced when it begins.
    let mut ledger = books();
    buy(&mut ledger, "price_pro_month", Some(2), "4242424242424242");
    pass(&mut ledger, 1);
    assert_eq!(happened(&ledger, "customer.subscription.trial_will_end"), 1);
}

#[test]
fn a_renewal_that_fails_is_tried_again_after_3_5_and_7_days_and_then_the_subscription_is_canceled() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", Some(14), "4000000000000341");
    pass(&mut ledger, 14 * DAY + HOUR);
    assert_eq!(status(&ledger, &id), Status::PastDue);
    let first = ledger.now;
    let mut attempts = vec![0];
    while status(&ledger, &id) == Status::PastDue {
        let next = latest(&ledger, &id).next_attempt.unwrap();
        ledger.advance_to(next);
        attempts.push((ledger.now - first) / DAY);
    }
    assert_eq!(attempts, [0, 3, 8, 15]);
    assert_eq!(status(&ledger, &id), Status::Canceled);
    assert_eq!(ledger.subscriptions.get(&id).unwrap().cancel_reason.as_deref(), Some("payment_failed"));
    let invoice = latest(&ledger, &id);
    assert_eq!((invoice.status, invoice.attempts, invoice.next_attempt), (InvoiceStatus::Open, 4, None));
    assert_eq!(happened(&ledger, "invoice.payment_failed"), 4);
    assert_eq!(happened(&ledger, "customer.subscription.deleted"), 1);
    let events = ledger.events.iter().count();
    pass(&mut ledger, 400 * DAY);
    assert_eq!(ledger.events.iter().count(), events, "nothing follows");
}

#[test]
fn where_the_account_says_so_it_stays_unpaid_and_is_asked_for_nothing_more() {
    let mut ledger = books();
    ledger.catalog.dunning.then = AfterRetries::Unpaid;
    let id = buy(&mut ledger, "price_pro_month", Some(14), "4000000000000341");
    pass(&mut ledger, 30 * DAY);
    assert_eq!(status(&ledger, &id), Status::Unpaid);
    let failed = happened(&ledger, "invoice.payment_failed");
    pass(&mut ledger, 60 * DAY);
    assert_eq!(latest(&ledger, &id).status, InvoiceStatus::Draft, "later invoices stay drafts");
    assert_eq!(happened(&ledger, "invoice.payment_failed"), failed);
    // Paying the latest one brings it back.
    let invoice = latest(&ledger, &id).id.clone();
    ledger.pay_invoice(&invoice, None, Presence::Present).unwrap_err();
    ledger.pay_invoice_with(&invoice, card("4242424242424242"), Presence::Present).unwrap();
    assert_eq!(status(&ledger, &id), Status::Active);
}

#[test]
fn another_card_makes_a_failed_renewal_good() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", Some(14), "4000000000000341");
    pass(&mut ledger, 14 * DAY + HOUR);
    let invoice = latest(&ledger, &id).id.clone();
    let customer = ledger.subscriptions.get(&id).unwrap().customer.clone();
    let portal = ledger.create_portal(&customer, None).unwrap();
    ledger.change_card(&portal, card("5555555555554444"), Presence::Present).unwrap();
    assert_eq!(status(&ledger, &id), Status::PastDue, "the next attempt has not come yet");
    pass(&mut ledger, 3 * DAY);
    assert_eq!(status(&ledger, &id), Status::Active);
    assert_eq!(ledger.invoices.get(&invoice).unwrap().attempts, 2);
    // The same, paid by hand.
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", Some(14), "4000000000000341");
    pass(&mut ledger, 14 * DAY + HOUR);
    let invoice = latest(&ledger, &id).id.clone();
    ledger.pay_invoice(&invoice, None, Presence::Present).unwrap_err();
    let planned = ledger.invoices.get(&invoice).unwrap().next_attempt;
    assert!(planned.is_some(), "a failure by hand takes no retry away");
    ledger.pay_invoice_with(&invoice, card("4242424242424242"), Presence::Present).unwrap();
    assert_eq!(status(&ledger, &id), Status::Active);
    pass(&mut ledger, 40 * DAY);
    assert_eq!(status(&ledger, &id), Status::Active, "the new card is the one that is used");
}

#[test]
fn a_charge_that_needs_its_owner_waits_for_them() {
    let mut ledger = books();
    let session = ledger.create_checkout(order("price_pro_month", None)).unwrap();
    ledger.pay_checkout(&session, Some(card("4000002760003184")), Presence::Present).unwrap();
    ledger.confirm_checkout(&session, true).unwrap();
    let id = ledger.checkouts.get(&session).unwrap().subscription.clone().unwrap();
    pass(&mut ledger, 32 * DAY);
    assert_eq!(status(&ledger, &id), Status::PastDue);
    assert_eq!(happened(&ledger, "invoice.payment_action_required"), 1);
    let invoice = latest(&ledger, &id).id.clone();
    ledger.confirm_invoice(&invoice, true).unwrap();
    assert_eq!(status(&ledger, &id), Status::Active);
}

#[test]
fn a_subscription_that_is_canceled_lasts_until_the_end_of_its_period_unless_it_is_resumed() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let end = ledger.subscriptions.get(&id).unwrap().period_end;
    ledger.cancel_at_period_end(&id, true);
    let events = ledger.events.iter().count();
    ledger.cancel_at_period_end(&id, true);
    assert_eq!(ledger.events.iter().count(), events, "what changes nothing is not told");
    ledger.cancel_at_period_end(&id, false);
    ledger.advance_to(end);
    assert_eq!(status(&ledger, &id), Status::Active);
    ledger.cancel_at_period_end(&id, true);
    let end = ledger.subscriptions.get(&id).unwrap().period_end;
    ledger.advance_to(end - 1);
    assert_eq!(status(&ledger, &id), Status::Active);
    ledger.advance_to(end);
    let it = ledger.subscriptions.get(&id).unwrap();
    assert_eq!((it.status, it.ended_at), (Status::Canceled, Some(end)));
    ledger.cancel_at_period_end(&id, false);
    assert_eq!(status(&ledger, &id), Status::Canceled, "what has ended stays so");
}

/// The prices are 12 and 49 dollars a month: at half of it, 18.50 are due.
#[test]
fn a_change_within_a_period_is_charged_or_credited_to_the_second() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let (start, end) = {
        let it = ledger.subscriptions.get(&id).unwrap();
        (it.period_start, it.period_end)
    };
    ledger.advance_to(start + (end - start) / 2);
    ledger.change_plan(&id, "price_business_month", 1, Proration::Now, Presence::Absent, true).unwrap();
    let invoice = latest(&ledger, &id);
    assert_eq!(
        (invoice.reason, invoice.status, invoice.amount_paid()),
        (Reason::Update, InvoiceStatus::Paid, 1_850)
    );
    assert_eq!(ledger.subscriptions.get(&id).unwrap().period_end, end, "the period stays");
    // Back again: the difference is a credit, which the next invoices use up.
    ledger.change_plan(&id, "price_pro_month", 1, Proration::Now, Presence::Absent, true).unwrap();
    let customer = ledger.subscriptions.get(&id).unwrap().customer.clone();
    assert_eq!(ledger.customers.get(&customer).unwrap().balance, -1_850);
    ledger.advance_to(end + HOUR);
    assert_eq!(latest(&ledger, &id).amount_due(), 0);
    assert_eq!(ledger.customers.get(&customer).unwrap().balance, -650);
    pass(&mut ledger, 32 * DAY);
    assert_eq!(
        (latest(&ledger, &id).amount_paid(), ledger.customers.get(&customer).unwrap().balance),
        (550, 0)
    );
}

#[test]
fn prorations_may_wait_for_the_next_invoice() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let (start, end) = {
        let it = ledger.subscriptions.get(&id).unwrap();
        (it.period_start, it.period_end)
    };
    ledger.advance_to(start + (end - start) / 2);
    let proration = Proration::NextInvoice;
    ledger.change_plan(&id, "price_business_month", 1, proration, Presence::Absent, false).unwrap();
    assert_eq!(ledger.invoices.iter().count(), 1);
    ledger.advance_to(end + HOUR);
    assert_eq!(latest(&ledger, &id).amount_paid(), 4_900 + 1_850);
}

#[test]
fn another_interval_begins_a_period_at_once() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let (start, end) = {
        let it = ledger.subscriptions.get(&id).unwrap();
        (it.period_start, it.period_end)
    };
    ledger.advance_to(start + (end - start) / 2);
    ledger.change_plan(&id, "price_pro_year", 1, Proration::NextInvoice, Presence::Absent, true).unwrap();
    let it = ledger.subscriptions.get(&id).unwrap();
    assert_eq!((it.period_start, it.anchor), (ledger.now, ledger.now));
    assert!(it.period_end - it.period_start >= 365 * DAY);
    assert_eq!(latest(&ledger, &id).amount_paid(), 12_000 - 600);
}

#[test]
fn a_change_that_cannot_be_paid_changes_nothing() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let customer = ledger.subscriptions.get(&id).unwrap().customer.clone();
    let portal = ledger.create_portal(&customer, None).unwrap();
    ledger.change_card(&portal, card("4000000000000341"), Presence::Present).unwrap();
    let events = ledger.events.iter().count();
    let change = |ledger: &mut Ledger, refuse| {
        ledger.change_plan(&id, "price_business_month", 1, Proration::Now, Presence::Absent, refuse)
    };
    assert_eq!(change(&mut ledger, true).unwrap_err().status, 402);
    assert_eq!(ledger.events.iter().count(), events);
    assert_eq!(ledger.subscriptions.get(&id).unwrap().price, "price_pro_month");
    // Allowed to be behind, it is.
    change(&mut ledger, false).unwrap();
    assert_eq!(status(&ledger, &id), Status::PastDue);
}

/// What is for sale without one price of Pro, and without Business.
fn smaller_catalog() -> Catalog {
    let mut catalog = Catalog::seed();
    catalog.products.retain(|product| product.id == "prod_pro");
    catalog.products[0].prices.retain(|price| price.id == "price_pro_year");
    catalog
}

#[test]
fn what_is_no_longer_for_sale_is_archived_and_renews_as_before() {
    let mut ledger = books();
    let pro = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let business = buy(&mut ledger, "price_business_month", None, "4242424242424242");
    let yearly = buy(&mut ledger, "price_pro_year", None, "4242424242424242");
    let open = ledger.create_checkout(order("price_pro_month", None)).unwrap();
    let before = ledger.take_changes();
    let mut ledger = books_of(smaller_catalog(), &before);
    // What the books know of it is on disk: it stays known however often they are opened.
    let after = ledger.take_changes();
    assert_eq!(after.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["prod_pro", "prod_business"]);
    let kept = before.into_iter().chain(after).map(|row| (row.number, row));
    let kept: Vec<_> = kept.collect::<BTreeMap<_, _>>().into_values().collect();
    let mut ledger = books_of(smaller_catalog(), &kept);
    assert!(ledger.take_changes().is_empty());

    let customers = ledger.customers.iter().count();
    assert!(ledger.pay_checkout(&open, Some(card("4242424242424242")), Presence::Present).is_err());
    assert_eq!(ledger.customers.iter().count(), customers, "nothing has happened");
    pass(&mut ledger, 31 * DAY);
    for (id, price, product_sold) in
        [(&pro, "price_pro_month", true), (&business, "price_business_month", false)]
    {
        assert_eq!(
            (status(&ledger, id), latest(&ledger, id).status),
            (Status::Active, InvoiceStatus::Paid),
            "{price}"
        );
        assert_eq!(latest(&ledger, id).reason, Reason::Cycle);
        let (product, archived) = ledger.catalog.price(price).unwrap();
        assert_eq!((product.active, archived.active), (product_sold, false));
        let refused = ledger.create_checkout(order(price, None)).unwrap_err();
        assert_eq!(
            refused.message,
            "The price specified is inactive. This field only accepts active prices."
        );
        let refused = ledger.change_plan(&yearly, price, 1, Proration::Now, Presence::Absent, true);
        assert!(refused.is_err());
    }
    // It may be sold again.
    let mut ledger = books_of(Catalog::seed(), &kept);
    ledger.create_checkout(order("price_pro_month", None)).unwrap();
}

/// Nobody knows what it costs, and time does not stand still over it.
#[test]
fn what_books_without_a_catalog_do_not_know_the_price_of_ends_with_its_period() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let mut rows = ledger.take_changes();
    rows.retain(|row| row.kind != "product");
    let mut ledger = books_of(smaller_catalog(), &rows);
    pass(&mut ledger, 31 * DAY);
    assert_eq!(status(&ledger, &id), Status::Canceled);
    assert_eq!(happened(&ledger, "customer.subscription.deleted"), 1);
}

#[test]
fn a_first_payment_that_does_not_come_in_23_hours_is_too_late() {
    let mut ledger = books();
    let customer = ledger.create_customer(None, None, None, BTreeMap::new());
    let kept = ledger.attach(&customer, card("4000002500003155"));
    let terms = Terms {
        customer,
        price: "price_pro_month".to_owned(),
        quantity: 1,
        card: Some(kept),
        trial_end: None,
        missing_card: MissingCard::default(),
        metadata: BTreeMap::new(),
        description: None,
        presence: Presence::Present,
        on_failure: OnFailure::Incomplete,
    };
    let late = ledger.start_subscription(terms.clone()).unwrap();
    let paid = ledger.start_subscription(terms).unwrap();
    assert_eq!((status(&ledger, &late), status(&ledger, &paid)), (Status::Incomplete, Status::Incomplete));
    let invoice = latest(&ledger, &paid).id.clone();
    ledger.confirm_invoice(&invoice, true).unwrap();
    pass(&mut ledger, 23 * HOUR - 1);
    assert_eq!(status(&ledger, &late), Status::Incomplete);
    pass(&mut ledger, 1);
    assert_eq!((status(&ledger, &late), status(&ledger, &paid)), (Status::IncompleteExpired, Status::Active));
    assert_eq!(latest(&ledger, &late).status, InvoiceStatus::Void);
}

#[test]
fn a_trial_without_a_card_ends_as_was_agreed() {
    for (missing_card, expected) in [
        (MissingCard::CreateInvoice, Status::PastDue),
        (MissingCard::Pause, Status::Paused),
        (MissingCard::Cancel, Status::Canceled),
    ] {
        let mut ledger = books();
        let mut without = order("price_pro_month", Some(14));
        (without.card_if_required, without.missing_card) = (true, missing_card);
        let session = ledger.create_checkout(without).unwrap();
        ledger.pay_checkout(&session, None, Presence::Present).unwrap();
        let id = ledger.checkouts.get(&session).unwrap().subscription.clone().unwrap();
        pass(&mut ledger, 14 * DAY + HOUR);
        assert_eq!(status(&ledger, &id), expected);
        if expected == Status::Paused {
            assert!(ledger.resume_paused(&id).is_err(), "there is still no card");
            let customer = ledger.subscriptions.get(&id).unwrap().customer.clone();
            let kept = ledger.attach(&customer, card("4242424242424242"));
            ledger.use_card(&customer, &kept);
            ledger.resume_paused(&id).unwrap();
            assert_eq!((status(&ledger, &id), latest(&ledger, &id).amount_paid()), (Status::Active, 1_200));
        }
    }
}

#[test]
fn money_is_given_back_once() {
    let mut ledger = books();
    let id = buy(&mut ledger, "price_pro_month", None, "4242424242424242");
    let invoice = latest(&ledger, &id).id.clone();
    let refund =
        |ledger: &mut Ledger, amount| ledger.refund(&invoice, amount, None, BTreeMap::new()).map(drop);
    refund(&mut ledger, Some(200)).unwrap();
    assert!(refund(&mut ledger, Some(1_001)).is_err());
    assert!(refund(&mut ledger, Some(0)).is_err());
    refund(&mut ledger, None).unwrap();
    assert_eq!(ledger.invoices.get(&invoice).unwrap().refunded, 1_200);
    assert_eq!(refund(&mut ledger, None).unwrap_err().code, Some("charge_already_refunded"));
    assert_eq!(happened(&ledger, "refund.created"), 2);
}

#[test]
fn what_the_clock_brings_belongs_to_a_flow_and_retries_to_that_of_their_renewal() {
    let mut ledger = books();
    ledger.cause.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let id = buy(&mut ledger, "price_pro_month", Some(14), "4000000000000341");
    let all = |ledger: &Ledger, of: &str| -> Vec<String> {
        let of_kind = ledger.events.iter().filter(|event| event.kind == of);
        of_kind.map(|event| event.cause.trace[3..35].to_owned()).collect()
    };
    let begun = &all(&ledger, "customer.subscription.created")[0];
    assert_eq!(begun, "0af7651916cd43dd8448eb211c80319c");
    pass(&mut ledger, 30 * DAY);
    let failed = all(&ledger, "invoice.payment_failed");
    assert_eq!(failed.len(), 4);
    assert!(failed.iter().all(|trace| *trace == failed[0] && trace != begun));
    assert_eq!(status(&ledger, &id), Status::Canceled);
}

/// What people do, and time.
#[derive(Debug, Clone)]
enum Deed {
    Buy { price: usize, card: usize, trial: bool },
    Wait { hours: i64 },
    Cancel(bool),
    EndNow,
    Change { price: usize, proration: usize },
    OtherCard(usize),
    PayOpen,
    VoidOpen,
    Refund,
}

const PRICES: [&str; 4] =
    ["price_pro_month", "price_pro_year", "price_business_month", "price_business_year"];
const NUMBERS: [&str; 4] = ["4242424242424242", "4000000000000341", "4000000000000002", "4000002760003184"];

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        2 => (0..4_usize, 0..4_usize, any::<bool>())
            .prop_map(|(price, card, trial)| Deed::Buy { price, card, trial }),
        4 => (1..24 * 45_i64).prop_map(|hours| Deed::Wait { hours }),
        1 => any::<bool>().prop_map(Deed::Cancel),
        1 => Just(Deed::EndNow),
        2 => (0..4_usize, 0..3_usize).prop_map(|(price, proration)| Deed::Change { price, proration }),
        2 => (0..4_usize).prop_map(Deed::OtherCard),
        2 => Just(Deed::PayOpen),
        1 => Just(Deed::VoidOpen),
        1 => Just(Deed::Refund),
    ];
    prop::collection::vec(deed, 1..25)
}

/// Does it to the newest subscription or invoice that it can be done to. A refusal is fine.
fn act(ledger: &mut Ledger, deed: &Deed) {
    let live = ledger.subscriptions.iter().rev().find(|it| !it.status.is_final());
    let live = live.map(|it| (it.id.clone(), it.customer.clone()));
    let open = ledger.invoices.iter().rev().find(|it| it.is_open()).map(|it| it.id.clone());
    match (deed, live, open) {
        (Deed::Buy { price, card: number, trial }, ..) => {
            let trial_days = trial.then_some(14);
            let session = ledger.create_checkout(order(PRICES[*price], trial_days)).unwrap();
            let paid = ledger.pay_checkout(&session, Some(card(NUMBERS[*number])), Presence::Present);
            if paid == Ok(Progress::RequiresAction) {
                let _ = ledger.confirm_checkout(&session, true);
            }
        }
        (Deed::Wait { hours }, ..) => pass(ledger, hours * HOUR),
        (Deed::Cancel(cancel), Some((id, _)), _) => ledger.cancel_at_period_end(&id, *cancel),
        (Deed::EndNow, Some((id, _)), _) => ledger.end_subscription(&id, "cancellation_requested"),
        (Deed::Change { price, proration }, Some((id, _)), _) => {
            let proration = [Proration::Now, Proration::NextInvoice, Proration::None][*proration];
            let _ = ledger.change_plan(&id, PRICES[*price], 1, proration, Presence::Absent, price % 2 == 0);
        }
        (Deed::OtherCard(number), Some((_, customer)), _) => {
            let portal = ledger.create_portal(&customer, None).unwrap();
            let changed = ledger.change_card(&portal, card(NUMBERS[*number]), Presence::Present);
            if changed == Ok(Progress::RequiresAction) {
                let _ = ledger.confirm_card(&portal, true);
            }
        }
        (Deed::PayOpen, _, Some(invoice)) => {
            let _ = ledger.pay_invoice(&invoice, None, Presence::Present);
        }
        (Deed::VoidOpen, _, Some(invoice)) => ledger.void_invoice(&invoice),
        (Deed::Refund, ..) => {
            let paid = ledger.invoices.iter().rev().find(|it| it.payment.is_some());
            if let Some(invoice) = paid.map(|it| it.id.clone()) {
                let _ = ledger.refund(&invoice, None, None, BTreeMap::new());
            }
        }
        (
            Deed::Cancel(_)
            | Deed::EndNow
            | Deed::Change { .. }
            | Deed::OtherCard(_)
            | Deed::PayOpen
            | Deed::VoidOpen,
            ..,
        ) => {}
    }
}

/// What must hold whatever was done.
fn check(ledger: &Ledger) -> Result<(), TestCaseError> {
    for subscription in ledger.subscriptions.iter() {
        let shown = objects::subscription(ledger, subscription);
        let told = ledger.events.iter().rev().find(|event| event.object["id"] == shown["id"]);
        prop_assert_eq!(&told.unwrap().object, &shown, "the last event tells how it is");
        prop_assert!(subscription.period_start < subscription.period_end);
        prop_assert!(subscription.status.is_final() == subscription.ended_at.is_some());
        let latest = latest(ledger, &subscription.id);
        let owed = latest.is_open();
        match subscription.status {
            Status::Active => {
                prop_assert!(!owed, "who is active owes nothing that is due");
                prop_assert!(subscription.period_end > ledger.now);
            }
            Status::PastDue => {
                prop_assert!(!matches!(latest.status, InvoiceStatus::Paid | InvoiceStatus::Void))
            }
            Status::Trialing => prop_assert!(subscription.trial_end > Some(ledger.now)),
            Status::Canceled | Status::IncompleteExpired => {
                let asked = ledger.invoices.iter().filter(|it| it.subscription == subscription.id);
                let asked = asked.filter(|it| it.next_attempt.is_some() || it.finalizes_at.is_some());
                prop_assert_eq!(asked.count(), 0, "who has left is asked for nothing");
            }
            Status::Incomplete | Status::Unpaid | Status::Paused => {}
        }
    }
    for customer in ledger.customers.iter() {
        let finalized =
            ledger.invoices.iter().filter(|it| it.customer == customer.id && it.finalized_at.is_some());
        let billed: i64 = finalized.clone().map(Invoice::total).sum();
        let due: i64 = finalized.clone().map(Invoice::amount_due).sum();
        prop_assert_eq!(billed - due, customer.balance, "no money appears or vanishes");
        prop_assert!(customer.balance <= 0);
        prop_assert!(finalized.clone().all(|it| it.refunded <= it.amount_paid()));
        let mut numbers: Vec<_> = finalized.clone().map(|it| it.number.clone().unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        prop_assert_eq!(numbers.len(), finalized.count(), "each invoice has a number of its own");
    }
    let times: Vec<_> = ledger.events.iter().map(|event| event.created).collect();
    prop_assert!(times.is_sorted());
    let told: Vec<_> = ledger.events.iter().map(|event| event.id.as_str()).collect();
    let sent: Vec<_> = ledger.deliveries.iter().map(|delivery| delivery.event.as_str()).collect();
    prop_assert_eq!(told, sent, "each event has one webhook");
    prop_assert!(ledger.next().is_none_or(|(at, _)| at > ledger.now), "nothing is overdue");
    Ok(())
}

fn shown(ledger: &Ledger) -> Vec<Value> {
    let subscriptions = ledger.subscriptions.iter().map(|it| objects::subscription(ledger, it));
    let invoices = ledger.invoices.iter().map(|it| objects::invoice(ledger, it));
    let customers = ledger.customers.iter().map(|it| objects::customer(ledger, it));
    let checkouts = ledger.checkouts.iter().map(|it| objects::checkout(ledger, it));
    subscriptions.chain(invoices).chain(customers).chain(checkouts).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_the_books_agree_with_themselves(deeds in deeds()) {
        let mut ledger = books();
        for deed in &deeds {
            act(&mut ledger, deed);
            check(&ledger)?;
        }
    }

    /// Waiting in many small steps ends as waiting once does.
    #[test]
    fn time_passes_the_same_however_it_is_cut(deeds in deeds(), hours in 1..24 * 90_i64, cuts in 2..40_i64) {
        let (mut once, mut often) = (books(), books());
        for deed in &deeds {
            act(&mut once, deed);
            act(&mut often, deed);
        }
        let target = once.now + hours * HOUR;
        once.advance_to(target);
        for cut in 1..=cuts {
            often.advance_to(often.now.max(target - (cuts - cut) * (hours * HOUR / cuts)));
        }
        prop_assert_eq!(shown(&once), shown(&often));
    }

    /// What was kept is what there was, wherever the process was killed.
    #[test]
    fn the_books_come_back_as_they_were(deeds in deeds()) {
        let mut ledger = books();
        let mut kept: BTreeMap<u64, Row> = BTreeMap::new();
        for deed in &deeds {
            act(&mut ledger, deed);
            for row in ledger.take_changes() {
                kept.insert(row.number, row);
            }
        }
        let rows: Vec<_> = kept.into_values().collect();
        let empty = Ledger::new(Catalog::seed(), "http://localhost:3000".to_owned(), 8);
        let mut restored = empty.restore(&rows).unwrap();
        restored.advance_to(ledger.now);
        prop_assert!(restored.take_changes().is_empty());
        prop_assert_eq!(shown(&restored), shown(&ledger));
        prop_assert_eq!(restored.next(), ledger.next());
        prop_assert_eq!(restored.number(), ledger.number());
    }
}
