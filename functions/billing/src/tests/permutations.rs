//! Whatever is told in whichever order, as often as it may be, late or never: what is known ends as the ledger has it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::json;
use shared::entitlement::Entitlements;
use shared::plan::Plan;
use shared::subscription::{Subscription, SubscriptionStatus};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::provider::{Ledger, Told, amount};
use super::*;
use crate::sync::Reason;

/// Something that happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    /// The ledger changes, and a webhook is made of it.
    Change(usize),
    /// A webhook that waits is delivered: any of them.
    Deliver(usize),
    /// One that was delivered is delivered again.
    DeliverAgain(usize),
    /// The queue hands out an event: any there ever was.
    Handle(usize),
    /// Two at once.
    HandleBoth(usize, usize),
    /// The queue hands out an event, and what the provider answers to that is not let through yet.
    Stall(usize),
    /// The longest that was not let through is.
    LetGo,
}

/// How it ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// All that waits is delivered and handled, then all that stalled is let go.
    Delivered,
    /// As before, the other way round.
    LetGoFirst,
    /// What waits is lost, and so are all events that were not handled. Then the ledger is walked through.
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..1000_usize;
    prop_oneof![
        6 => any.clone().prop_map(Step::Change),
        5 => any.clone().prop_map(Step::Deliver),
        1 => any.clone().prop_map(Step::DeliverAgain),
        4 => any.clone().prop_map(Step::Handle),
        1 => (any.clone(), any.clone()).prop_map(|(one, other)| Step::HandleBoth(one, other)),
        2 => any.prop_map(Step::Stall),
        1 => Just(Step::LetGo),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Delivered), Just(End::LetGoFirst), Just(End::Lost)]
}

/// How many orders are tried, the same each time, unless `PROPTEST_CASES` asks for so many others.
const CASES: u32 = 48;

/// B2, B5, N5, V2
#[test]
fn b2_b5_in_any_order_any_number_of_times_late_or_lost_it_ends_as_the_ledger_has_it() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(world());
    let given = Config::default();
    let are_others = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if are_others { given.cases } else { CASES };
    let rng_seed = match given.rng_seed {
        RngSeed::Random => {
            RngSeed::Fixed(if are_others { u64::from_le_bytes(Random::system().bytes()) } else { 0 })
        }
        seed @ RngSeed::Fixed(_) => seed,
    };
    eprintln!("PROPTEST_RNG_SEED={rng_seed}");
    let mut runner = TestRunner::new(Config { cases, rng_seed, failure_persistence: None, ..given });
    let strategy = (proptest::collection::vec(step(), 1..40), end());
    let outcome = runner.run(&strategy, |(steps, end)| {
        runtime.block_on(async {
            let mut case = Case::new(&world).await;
            for step in steps {
                case.take(step).await;
            }
            case.end(end).await;
            case.check(end).await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// A customer whose ledger changes, and all that is under way.
struct Case<'a> {
    world: &'a World,
    person: Person,
    customer: Customer,
    waiting: Vec<(String, Told)>,
    delivered: Vec<(String, Told)>,
    handled: HashSet<String>,
    stalled: Vec<(JoinHandle<()>, Arc<Notify>)>,
    told: usize,
}

impl<'a> Case<'a> {
    async fn new(world: &'a World) -> Self {
        let (person, customer) = world.customer().await;
        Self {
            world,
            person,
            customer,
            waiting: Vec::new(),
            delivered: Vec::new(),
            handled: HashSet::new(),
            stalled: Vec::new(),
            told: 0,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Change(which) => {
                let told = {
                    let mut ledger = self.world.provider.ledger();
                    ledger.now += 86_400;
                    change(&mut ledger, &self.customer.id, which)
                };
                for told in told {
                    self.told += 1;
                    self.waiting.push((format!("evt_{}_{}", self.customer.id, self.told), told));
                }
            }
            Step::Deliver(which) => {
                if !self.waiting.is_empty() {
                    let webhook = self.waiting.remove(which % self.waiting.len());
                    self.deliver(&webhook).await;
                    self.delivered.push(webhook);
                }
            }
            Step::DeliverAgain(which) => {
                if let Some(webhook) = pick(&self.delivered, which) {
                    self.deliver(&webhook).await;
                }
            }
            Step::Handle(which) => {
                if let Some(event) = pick(&self.events().await, which) {
                    self.handled.insert(event.id.to_string());
                    self.world.sync.handle(event).await.unwrap();
                }
            }
            Step::HandleBoth(one, other) => {
                let events = self.events().await;
                if let (Some(one), Some(other)) = (pick(&events, one), pick(&events, other)) {
                    self.handled.extend([one.id.to_string(), other.id.to_string()]);
                    let both = tokio::join!(self.world.sync.handle(one), self.world.sync.handle(other));
                    both.0.and(both.1).unwrap();
                }
            }
            Step::Stall(which) => {
                if let Some(event) = pick(&self.events().await, which) {
                    self.handled.insert(event.id.to_string());
                    let (made, let_go) = self.world.provider.hold("GET /v1/subscriptions?customer=");
                    let sync = self.world.sync.clone();
                    let handling = tokio::spawn(async move { sync.handle(event).await.unwrap() });
                    made.await.unwrap();
                    self.stalled.push((handling, let_go));
                }
            }
            Step::LetGo => {
                if !self.stalled.is_empty() {
                    let (handling, let_go) = self.stalled.remove(0);
                    let_go.notify_one();
                    handling.await.unwrap();
                }
            }
        }
    }

    async fn deliver(&self, (id, (kind, object)): &(String, Told)) {
        let object = json!({ "id": object, "customer": self.customer.id });
        assert_eq!(self.world.tell(id, kind, object).await.status, 200);
    }

    async fn events(&self) -> Vec<Envelope> {
        self.world.notifications(&self.customer).await
    }

    async fn end(&mut self, end: End) {
        match end {
            End::Delivered => {
                self.deliver_all().await;
                self.let_all_go().await;
            }
            End::LetGoFirst => {
                self.let_all_go().await;
                self.deliver_all().await;
            }
            End::Lost => {
                self.let_all_go().await;
                let walk = async || {
                    let deadline = Instant::now() + std::time::Duration::from_secs(60);
                    let walk = self.world.sync.reconcile(deadline).await.unwrap();
                    assert!(walk.complete && walk.failed == 0, "{walk:?}");
                    walk
                };
                walk().await;
                let again = walk().await;
                assert_eq!(again.mended, 0, "{again:?}");
            }
        }
    }

    /// The last first, and of events only those that were never handled.
    async fn deliver_all(&mut self) {
        while let Some(webhook) = self.waiting.pop() {
            self.deliver(&webhook).await;
        }
        for event in self.events().await.into_iter().rev() {
            if self.handled.insert(event.id.to_string()) {
                self.world.sync.handle(event).await.unwrap();
            }
        }
    }

    async fn let_all_go(&mut self) {
        while let Some((handling, let_go)) = self.stalled.pop() {
            let_go.notify_one();
            handling.await.unwrap();
        }
    }

    async fn check(&self, end: End) {
        let known = self.world.sync.store.subscription(self.person.workspace_id).await.unwrap();
        let expected = expected(&self.world.provider.ledger(), &self.customer.id);
        let compared = known.clone().map(|known| Subscription { latest_invoice: None, ..known });
        assert_eq!(compared, expected);
        let now = self.world.now();
        let open = self.world.sync.store.entitlements(self.person.user_id, now).await.unwrap();
        assert_eq!(open, Entitlements::of(expected.as_ref(), now));
        self.check_events(end, expected.as_ref()).await;
    }

    /// What was told of it: each beginning and each end once, in turn, and each payment once.
    async fn check_events(&self, end: End, expected: Option<&Subscription>) {
        let events = self.world.events(self.person.user_id).await;
        let mut running = false;
        let (mut paid, mut failed) = (HashMap::<String, u64>::new(), HashMap::<String, u64>::new());
        for event in &events {
            let count = |of: &mut HashMap<String, u64>| {
                let invoice = serde_json::to_value(event).unwrap()["data"]["invoice_id"].take();
                *of.entry(invoice.as_str().unwrap().to_owned()).or_default() += 1;
            };
            match event.kind() {
                "subscription.started" => {
                    assert!(!running, "{events:?}");
                    running = true;
                }
                "subscription.ended" => {
                    assert!(running, "{events:?}");
                    running = false;
                }
                "subscription.changed" | "subscription.trial_ending" => assert!(running, "{events:?}"),
                "invoice.paid" => count(&mut paid),
                "invoice.payment_failed" => count(&mut failed),
                other => assert_eq!(other, "user.signed_up"),
            }
        }
        assert_eq!(running, expected.is_some_and(Subscription::is_live), "{events:?}");
        for invoice in self.world.provider.ledger().invoices.iter() {
            if invoice.customer != self.customer.id {
                continue;
            }
            let told = paid.get(&invoice.id).copied().unwrap_or_default();
            let is_paid = u64::from(invoice.status == "paid" && invoice.amount > 0);
            match end {
                End::Delivered | End::LetGoFirst => assert_eq!(told, is_paid, "{}", invoice.id),
                End::Lost => assert!(told <= is_paid, "{}", invoice.id),
            }
            assert!(
                failed.get(&invoice.id).copied().unwrap_or_default() <= invoice.attempts,
                "{}",
                invoice.id
            );
        }
    }
}

fn pick<T: Clone>(from: &[T], which: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[which % from.len()].clone())
}

/// Something happens to the customer's subscription.
fn change(ledger: &mut Ledger, customer: &str, which: usize) -> Vec<Told> {
    const MONTH: i64 = 30 * 24 * 3600;
    let now = ledger.now;
    let current = ledger.subscriptions.iter().rev().find(|it| it.customer == customer).cloned();
    let Some(current) = current.filter(|it| it.status != "canceled") else {
        let (price, trial) =
            [("price_pro_month", false), ("price_pro_month", true), ("price_business_month", false)]
                [which % 3];
        return ledger.subscribe(customer, price, trial);
    };
    let id = current.id.clone();
    let mut told = vec![("customer.subscription.updated", id.clone())];
    match which % 12 {
        0 => {
            let other = if current.price == "price_pro_month" { "price_pro_year" } else { "price_pro_month" };
            ledger.subscription(&id).price = other;
        }
        1 => ledger.subscription(&id).cancel_at_period_end ^= true,
        2 | 3 => {
            let subscription = ledger.subscription(&id);
            subscription.period_end += MONTH;
            if subscription.status == "trialing" {
                subscription.status = "active";
            }
            told.extend(ledger.invoice(&id, amount(current.price), true));
        }
        4 | 5 => {
            let subscription = ledger.subscription(&id);
            subscription.period_end += MONTH;
            subscription.status = "past_due";
            told.extend(ledger.invoice(&id, amount(current.price), false));
        }
        6 => {
            for invoice in ledger.invoices.iter_mut() {
                if invoice.subscription == id && invoice.status == "open" {
                    invoice.attempts += 1;
                    told.push(("invoice.payment_failed", invoice.id.clone()));
                }
            }
        }
        7 => {
            for invoice in ledger.invoices.iter_mut() {
                if invoice.subscription == id && invoice.status == "open" {
                    invoice.status = "paid";
                    told.push(("invoice.paid", invoice.id.clone()));
                }
            }
            ledger.subscription(&id).status = "active";
        }
        8 => {
            for invoice in ledger.invoices.iter_mut() {
                if invoice.subscription == id && invoice.status == "open" {
                    invoice.status = "void";
                    told.push(("invoice.voided", invoice.id.clone()));
                }
            }
            let subscription = ledger.subscription(&id);
            subscription.status = "canceled";
            subscription.ended_at = Some(now);
            told[0].0 = "customer.subscription.deleted";
        }
        9 if current.status == "past_due" => ledger.subscription(&id).status = "unpaid",
        10 => {
            let subscription = ledger.subscription(&id);
            subscription.pause = if subscription.pause.is_some() { None } else { Some("void") };
        }
        11 if current.status == "trialing" => told[0].0 = "customer.subscription.trial_will_end",
        _ => ledger.subscription(&id).quantity += 1,
    }
    told
}

/// What is to be known of a customer, said by the ledger itself and not by what reads it.
fn expected(ledger: &Ledger, customer: &str) -> Option<Subscription> {
    let time = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let last = ledger.subscriptions.iter().rev().find(|it| it.customer == customer)?;
    let due = ledger.invoices.iter().find(|it| it.subscription == last.id && it.status == "open");
    let status = match (last.status, last.pause) {
        ("trialing" | "active" | "past_due", Some(_)) => SubscriptionStatus::Paused,
        ("trialing", None) => SubscriptionStatus::Trialing,
        ("active", None) => SubscriptionStatus::Active,
        ("past_due", None) => SubscriptionStatus::PastDue,
        ("unpaid", _) => SubscriptionStatus::Unpaid,
        ("canceled", _) => SubscriptionStatus::Canceled,
        other => panic!("{other:?}"),
    };
    let (plan, interval) = match last.price {
        "price_pro_month" => (Plan::Pro, "month"),
        "price_pro_year" => (Plan::Pro, "year"),
        "price_business_month" => (Plan::Business, "month"),
        other => panic!("{other}"),
    };
    let price = json!({ "id": last.price, "interval": interval,
        "amount": { "minor_units": amount(last.price), "currency": "usd" } });
    Some(Subscription {
        id: last.id.clone(),
        status,
        plan,
        price: serde_json::from_value(price).unwrap(),
        seats: u32::try_from(last.quantity).unwrap(),
        created_at: time(last.created),
        current_period_end: time(last.period_end),
        trial_end: last.trial_end.map(time),
        cancel_at: last.cancel_at_period_end.then(|| time(last.period_end)),
        ended_at: last.ended_at.map(time),
        past_due_since: (status == SubscriptionStatus::PastDue)
            .then(|| time(due.map_or(last.created, |invoice| invoice.created + 3600))),
        latest_invoice: None,
    })
}

/// B2: the answer to an older question comes after that to a newer one.
#[tokio::test]
async fn b2_what_was_read_earlier_never_replaces_what_was_read_later() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", false);
    let id = world.provider.ledger().subscriptions[0].id.clone();
    let (made, let_go) = world.provider.hold("GET /v1/subscriptions?customer=");
    let slow = {
        let (sync, customer) = (world.sync.clone(), customer.clone());
        tokio::spawn(async move { sync.customer(&customer, Reason::default()).await })
    };
    made.await.unwrap();
    world.provider.ledger().subscription(&id).status = "canceled";
    world.sync.customer(&customer, Reason::default()).await.unwrap();
    let_go.notify_one();
    slow.await.unwrap().unwrap();
    let known = world.sync.store.subscription(person.workspace_id).await.unwrap().unwrap();
    assert_eq!(known.status, SubscriptionStatus::Canceled);
}

/// V2: an event that is handled again and again has one effect.
#[tokio::test]
async fn v2_an_event_has_one_effect_however_often_it_is_handled() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    let told = world.provider.ledger().subscribe(&customer.id, "price_pro_month", false);
    for (n, (kind, id)) in told.into_iter().enumerate() {
        world.tell(&format!("evt_{n}"), kind, json!({ "id": id, "customer": customer.id })).await;
    }
    let told = world.notifications(&customer).await;
    assert_eq!(told.len(), 2);
    let all = told.iter().cycle().take(12).cloned();
    let all = all.map(|event| {
        let sync = world.sync.clone();
        tokio::spawn(async move { sync.handle(event).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    let kinds: Vec<_> = world.events(person.user_id).await.iter().map(Event::kind).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert!(kinds.contains(&"subscription.started") && kinds.contains(&"invoice.paid"), "{kinds:?}");
}

/// B5, N5: a walk goes on where the one before ended, and mends a ledger that nobody told of.
#[tokio::test]
async fn b5_what_was_never_told_is_found_by_the_walk_page_by_page() {
    let world = world().await;
    let mut people = Vec::new();
    for _ in 0..3 {
        let (person, customer) = world.customer().await;
        world.provider.ledger().subscribe(&customer.id, "price_business_month", false);
        people.push(person);
    }
    // Others, of whom nothing is known, on pages before and after.
    for _ in 0..230 {
        let mut ledger = world.provider.ledger();
        let stranger = ledger.customer();
        ledger.subscribe(&stranger, "price_pro_month", false);
    }
    let mut walks = Vec::new();
    loop {
        let walk = world.sync.reconcile(Instant::now()).await.unwrap();
        walks.push(walk.seen);
        assert!(walks.len() <= 3, "a walk begins anew: {walks:?}");
        if walk.complete {
            assert_eq!(walk.mended, 3);
            break;
        }
    }
    assert_eq!(walks, [100, 100, 33], "a run that has no time left does one page");
    for person in people {
        let open = world.sync.store.entitlements(person.user_id, world.now()).await.unwrap();
        assert_eq!(open.plan, Plan::Business);
    }
    let again = world.sync.reconcile(Instant::now() + std::time::Duration::from_secs(60)).await.unwrap();
    assert_eq!((again.seen, again.mended, again.complete), (233, 0, true));
}

/// B5, N5: where the walk was to go on there is nothing any more, as when the ledger was emptied.
#[tokio::test]
async fn b5_a_walk_that_cannot_go_on_begins_anew() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_business_month", false);
    world.sync.store.save_cursor("billing-reconcile", Some("sub_gone")).await.unwrap();
    let walk = world.sync.reconcile(Instant::now()).await.unwrap();
    assert_eq!((walk.seen, walk.mended, walk.complete), (1, 1, true));
    assert_eq!(world.sync.store.cursor("billing-reconcile").await.unwrap(), None);
    let open = world.sync.store.entitlements(person.user_id, world.now()).await.unwrap();
    assert_eq!(open.plan, Plan::Business);
}

/// B5: a customer that is no more has nothing.
#[tokio::test]
async fn b5_a_customer_that_was_deleted_has_no_plan() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", false);
    world.sync.customer(&customer, Reason::default()).await.unwrap();
    {
        let mut ledger = world.provider.ledger();
        ledger.customers.clear();
        ledger.subscriptions.clear();
    }
    world.sync.customer(&customer, Reason::default()).await.unwrap();
    let known = world.sync.store.subscription(person.workspace_id).await.unwrap().unwrap();
    assert_eq!(known.status, SubscriptionStatus::Canceled);
    assert_eq!(world.events(person.user_id).await.last().unwrap().kind(), "subscription.ended");
}

/// A trial is told of once before it ends: when the provider says so, or when the walk sees it.
#[tokio::test]
async fn a_trial_is_told_of_once_before_it_ends() {
    let world = world().await;
    let told = async |person: &Person| {
        let events = world.events(person.user_id).await;
        events.iter().filter(|event| matches!(event, Event::TrialEnding { .. })).count()
    };
    let ending = Reason { trial_ending: true, ..Reason::default() };
    let (person, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", true);
    world.sync.customer(&customer, Reason::default()).await.unwrap();
    assert_eq!(told(&person).await, 0);
    for _ in 0..3 {
        world.sync.customer(&customer, ending).await.unwrap();
        assert_eq!(told(&person).await, 1);
    }
    // What the provider says of it is lost: nothing that is compared has changed since the beginning.
    let (other, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", true);
    world.sync.customer(&customer, Reason::default()).await.unwrap();
    let walk = async || {
        let walk = world.sync.reconcile(Instant::now() + std::time::Duration::from_secs(60)).await.unwrap();
        (walk.mended, walk.failed)
    };
    assert_eq!((walk().await, told(&other).await), ((0, 0), 0));
    world.pass(11 * 24 * 3600);
    assert_eq!((walk().await, told(&other).await), ((1, 0), 1));
    assert_eq!((walk().await, told(&other).await), ((0, 0), 1));
    assert_eq!(told(&person).await, 1);
    // Told of both at once, it began before it was to end, in every history.
    for _ in 0..8 {
        let (late, customer) = world.customer().await;
        world.provider.ledger().subscribe(&customer.id, "price_pro_month", true);
        world.sync.customer(&customer, ending).await.unwrap();
        let kinds: Vec<_> = world.events(late.user_id).await.iter().map(Event::kind).collect();
        assert_eq!(kinds, ["user.signed_up", "subscription.started", "subscription.trial_ending"]);
    }
    // Whoever has cancelled is not told of a payment that will not be.
    let (third, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", true);
    world.provider.ledger().subscriptions.last_mut().unwrap().cancel_at_period_end = true;
    world.sync.customer(&customer, ending).await.unwrap();
    assert_eq!(told(&third).await, 0);
}
