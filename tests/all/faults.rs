//! What holds when things go wrong: N1 to N6, for sign-ups, purchases, mails and texts.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tests::person::{PASSWORD, VERIFICATION};
use tests::wait::until_within;
use tests::{Client, Person, Platform, until};
use tokio::task::JoinHandle;

use crate::billing::{booked, pay, payments, price, subscription};
use crate::ledger::{Ledger, subjects};
use crate::texts::{add_phone, texts};

/// Long enough for a claim to run out twice and its message to come back.
const RECOVERY: Duration = Duration::from_secs(120);

/// Long enough for a load on a busy machine while every second request to the table fails.
const LOAD: Duration = Duration::from_secs(300);

/// What dies within this time of a load's beginning dies in the first attempt at a mail: none can be made again until
/// its claim's lease of 20 s has ended. An event whose both attempts died is left to a person.
const FIRST_ATTEMPTS: Duration = Duration::from_secs(18);

/// What became of a sign-up, as its client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Acknowledged,
    /// An error, or no answer at all.
    Unknown,
}

/// What a load and whoever disturbs it tell each other.
#[derive(Debug, Default)]
struct Pace {
    /// Answers of any kind so far.
    answers: AtomicUsize,
    /// Whether the load goes on, though enough was acknowledged.
    goes_on: AtomicBool,
}

impl Pace {
    /// Of a load that goes on until enough was disturbed.
    fn of_the_disturbed() -> Arc<Self> {
        Arc::new(Self { goes_on: AtomicBool::new(true), ..Self::default() })
    }

    fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    fn goes_on(&self) -> bool {
        self.goes_on.load(Ordering::Relaxed)
    }

    fn may_end(&self) {
        self.goes_on.store(false, Ordering::Relaxed);
    }
}

/// Sign-ups by many people at once, each tried once.
struct Load {
    seen: BTreeMap<String, Seen>,
}

impl Load {
    /// Signs people up, `at_once` at any moment, until so many sign-ups were acknowledged and `pace` lets it end.
    ///
    /// How many a given number of sign-ups would bring is chance, and no business of a test.
    async fn run(origin: &str, wanted: usize, at_once: usize, pace: Arc<Pace>) -> Self {
        let (next, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let deadline = Instant::now() + LOAD;
        let mut workers = Vec::new();
        for worker in 0..at_once {
            let (origin, next, pace) = (origin.to_owned(), Arc::clone(&next), Arc::clone(&pace));
            let acknowledged = Arc::clone(&acknowledged);
            workers.push(tokio::spawn(async move {
                let mut seen = Vec::new();
                loop {
                    let so_far = acknowledged.load(Ordering::Relaxed);
                    if so_far >= wanted && !pace.goes_on() {
                        return seen;
                    }
                    assert!(Instant::now() < deadline, "{so_far} of {wanted} were acknowledged");
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    // No client signs up so often that it is refused.
                    let network = u8::try_from(place / 10 % 250).unwrap();
                    let address = Ipv4Addr::new(127, 2, network, u8::try_from(worker).unwrap() + 1);
                    let client = Client::new(&origin, address);
                    let email = format!("user{place}@example.com");
                    let outcome = sign_up(&client, &email).await;
                    seen.push((email, outcome));
                    pace.answers.fetch_add(1, Ordering::Relaxed);
                    match outcome {
                        Seen::Acknowledged => _ = acknowledged.fetch_add(1, Ordering::Relaxed),
                        // The platform may be down; the load goes on when it is up again.
                        Seen::Unknown => listening(&client).await,
                    }
                }
            }));
        }
        let mut seen = BTreeMap::new();
        for worker in workers {
            seen.extend(worker.await.expect("a worker"));
        }
        Self { seen }
    }

    fn acknowledged(&self) -> usize {
        self.seen.values().filter(|seen| **seen == Seen::Acknowledged).count()
    }

    /// N1, N2, N3: checks the books against what the clients saw.
    async fn audit(&self, platform: &Platform) {
        let ledger = settle(platform).await;
        let mails = platform.inbox.to("").await;
        let mut sent = BTreeMap::<&str, usize>::new();
        for mail in &mails {
            assert!(mail.subject.contains(VERIFICATION), "{mail:?}");
            *sent.entry(&mail.to[0]).or_default() += 1;
        }
        let mut applied = 0;
        for (email, seen) in &self.seen {
            let Some(user) = ledger.user_of(email) else {
                assert_eq!(*seen, Seen::Unknown, "N1: the sign-up of {email} was acknowledged and is lost");
                assert_eq!(sent.get(email.as_str()), None, "{email} does not exist and was mailed");
                continue;
            };
            applied += 1;
            // N2 and N3: once, with its one event.
            assert_eq!(ledger.events_of(&user), ["user.signed_up"], "{email}");
            let pk = format!("USER#{user}");
            let of_user = |sk: &str| ledger.items(&pk, sk).len();
            assert_eq!((of_user("USER"), of_user("USER#WORKSPACE#")), (2, 1), "{email} is stored in part");
            let count = sent.get(email.as_str()).copied().unwrap_or_default();
            assert!((1..=2).contains(&count), "{email} was mailed {count} times");
        }
        let users = ledger.items("USER#", "USER").into_iter().filter(|item| item.sk == "USER").count();
        assert_eq!(users, applied, "nobody exists who did not sign up");
        assert_eq!(ledger.items("EMAIL#", "EMAIL").len(), applied);
        assert_eq!(ledger.items("WORKSPACE#", "WORKSPACE").len(), applied);
        for queue in platform.console.queues().await {
            assert_eq!((queue.visible, queue.in_flight), (0, 0), "{queue:?}");
        }
        eprintln!(
            "{} sign-ups, {} acknowledged, {applied} applied, {} mails",
            self.seen.len(),
            self.acknowledged(),
            mails.len()
        );
    }
}

/// Signs somebody up. The gateway lets only so many through in a second; whom it refuses comes again when it says.
async fn sign_up(client: &Client, email: &str) -> Seen {
    loop {
        let body = json!({ "email": email, "password": PASSWORD, "name": "User" });
        let Some(answer) = client.post("/api/auth/sign-up").json(body).try_send().await else {
            return Seen::Unknown;
        };
        match (answer.code(), answer.header("retry-after").parse()) {
            (202, _) => return Seen::Acknowledged,
            (500.., _) => return Seen::Unknown,
            (429, Ok(seconds @ 0..=5)) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            _ => panic!("{email}: {answer}"),
        }
    }
}

/// Waits until somebody answers.
async fn listening(client: &Client) {
    let deadline = Instant::now() + RECOVERY;
    while client.get("/offline").try_send().await.is_none() {
        assert!(Instant::now() < deadline, "nobody listens any more");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until all is done; what died meanwhile is redriven, as somebody who looks at it would.
async fn settle(platform: &Platform) -> Ledger {
    let deadline = Instant::now() + RECOVERY;
    loop {
        let ledger = Ledger::settled_within(platform, RECOVERY).await;
        let dead = platform.console.dead_letters().await;
        if dead.is_empty() {
            return ledger;
        }
        assert!(Instant::now() < deadline, "these die again and again: {dead:#?}");
        for letter in dead {
            platform.console.client().post(&format!("{}/redrive", letter.path())).expect(202).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A message that failed comes back soon, but not five times within the lease of a claim.
fn settings(faults: Value) -> Value {
    json!({ "visibility_timeout_ms": 6_000, "faults": faults })
}

#[tokio::test]
async fn n1_n2_n3_functions_killed_at_random_lose_nothing_and_do_nothing_twice() {
    const KILLED: [&str; 3] = ["email", "publisher", "auth"];
    let platform = Platform::start_with(settings(json!({}))).await;
    let mut chance = chance();
    let (begun, pace) = (Instant::now(), Pace::of_the_disturbed());
    let load = tokio::spawn({
        let (origin, pace) = (platform.origin().to_owned(), Arc::clone(&pace));
        async move { Load::run(&origin, 130, 6, pace).await }
    });
    let mut killed = BTreeMap::<&str, u32>::new();
    while !load.is_finished() {
        let goal = pace.answers() + chance.usize(1..6);
        some_more(&pace, goal, &load).await;
        let name = next_to_kill(&KILLED, &killed, &mut chance);
        let moment = Duration::from_millis(chance.u64(0..15));
        let is_over = || {
            let is_too_late =
                name == "email" && killed.contains_key(name) && begun.elapsed() > FIRST_ATTEMPTS;
            load.is_finished() || is_too_late
        };
        if kill_at_work(&platform, name, moment, is_over).await {
            *killed.entry(name).or_default() += 1;
        }
        if killed.len() == KILLED.len() && killed.values().sum::<u32>() >= 10 {
            pace.may_end();
        }
    }
    let load = load.await.unwrap();
    eprintln!("killed: {killed:?}");
    load.audit(&platform).await;
}

fn chance() -> fastrand::Rng {
    let seed = fastrand::u64(..);
    eprintln!("seed: {seed}");
    fastrand::Rng::with_seed(seed)
}

/// Waits for so many answers, or for the end of the load.
async fn some_more<T>(pace: &Pace, goal: usize, load: &JoinHandle<T>) {
    until_within(RECOVERY, "some more sign-ups", async || {
        (pace.answers() >= goal || load.is_finished()).then_some(())
    })
    .await;
}

/// The first that was not killed yet; once each was, any of them.
fn next_to_kill(
    all: &[&'static str],
    killed: &BTreeMap<&str, u32>,
    chance: &mut fastrand::Rng,
) -> &'static str {
    let spared = all.iter().find(|name| !killed.contains_key(*name));
    spared.or_else(|| chance.choice(all)).expect("one of them")
}

/// Kills an instance of this function, this long after it was seen at work. Says whether there was one.
async fn kill_at_work(platform: &Platform, name: &str, moment: Duration, is_over: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline && !is_over() {
        let function = platform.console.function(name).await;
        let busy = function.instances.iter().find(|instance| instance.state == "busy");
        if let Some(pid) = busy.and_then(|instance| rustix::process::Pid::from_raw(instance.pid)) {
            tokio::time::sleep(moment).await;
            return kill_process(pid, Signal::KILL).is_ok();
        }
    }
    false
}

#[tokio::test]
async fn n1_n2_n3_a_platform_killed_at_random_loses_nothing_and_does_nothing_twice() {
    const KILLS: u32 = 3;
    let mut platform = Platform::start_with(settings(json!({}))).await;
    let mut chance = chance();
    let (begun, pace) = (Instant::now(), Pace::of_the_disturbed());
    let load = tokio::spawn({
        let (origin, pace) = (platform.origin().to_owned(), Arc::clone(&pace));
        async move { Load::run(&origin, 130, 6, pace).await }
    });
    let mut kills = 0;
    loop {
        let goal = pace.answers() + chance.usize(10..40);
        some_more(&pace, goal, &load).await;
        tokio::time::sleep(Duration::from_millis(chance.u64(0..60))).await;
        // With the platform dies whoever mails.
        if kills >= KILLS && (load.is_finished() || begun.elapsed() > FIRST_ATTEMPTS) {
            break;
        }
        platform.kill_and_restart().await;
        kills += 1;
        if kills >= KILLS {
            pace.may_end();
        }
    }
    let load = load.await.unwrap();
    eprintln!("kills: {kills}");
    load.audit(&platform).await;
}

#[tokio::test]
async fn n1_n2_n3_a_table_that_fails_now_and_then_loses_nothing_and_does_nothing_twice() {
    for (seed, wanted, faults) in [
        (11, 50, json!({ "throttle": 0.08, "error": 0.05, "conflict": 0.1, "drop_reply": 0.05 })),
        (12, 50, json!({ "drop_reply": 0.3 })),
        // So often that a write is given up in the middle of a sign-up: then it must not be acknowledged.
        (13, 20, json!({ "error": 0.5 })),
    ] {
        eprintln!("seed: {seed}");
        let mut table = faults;
        table["seed"] = seed.into();
        let platform = Platform::start_with(settings(json!({ "table": table }))).await;
        let load = Load::run(platform.origin(), wanted, 4, Arc::default()).await;
        let calm = json!({ "throttle": 0.0, "error": 0.0, "conflict": 0.0, "drop_reply": 0.0 });
        platform.console.set(json!({ "faults": { "table": calm } })).await;
        load.audit(&platform).await;
    }
}

/// N2: a reply that is lost after the commit is no reason to do it again.
#[tokio::test]
async fn n2_a_reply_that_is_dropped_after_the_commit_is_not_done_twice() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let user = Ledger::settled(&platform).await.user_of(&ada.email).unwrap();
    let renames =
        |ledger: &Ledger| ledger.events_of(&user).into_iter().filter(|kind| kind == "user.renamed").count();
    platform.console.set(json!({ "faults": { "table": { "drop_reply": 0.5, "seed": 3 } } })).await;
    let deadline = Instant::now() + RECOVERY;
    let (mut asked, mut renamed, mut applied) = (0, 0, 0);
    while renamed < 8 {
        assert!(Instant::now() < deadline, "{renamed} of {asked} renames were acknowledged");
        let answer = ada.client.patch("/api/me").json(json!({ "name": format!("Ada {asked}") })).send().await;
        assert!([200, 500, 503, 504].contains(&answer.code()), "{answer}");
        asked += 1;
        renamed += usize::from(answer.code() == 200);
        let added = renames(&Ledger::read(&platform).await) - applied;
        assert!(added == 1 || added == 0 && answer.code() != 200, "applied {added} times: {answer}");
        applied += added;
    }
    let mut refreshed = 0;
    while refreshed < 6 {
        assert!(Instant::now() < deadline, "{refreshed} refreshes were acknowledged");
        let answer = ada.client.post("/api/auth/refresh").send().await;
        assert!([204, 500, 503, 504].contains(&answer.code()), "T4: a lost reply signs nobody out: {answer}");
        refreshed += usize::from(answer.code() == 204);
    }
    platform.console.set(json!({ "faults": { "table": { "drop_reply": 0.0 } } })).await;
    ada.client.post("/api/auth/refresh").expect(204).await;
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(renames(&ledger), applied, "nothing is done later");
}

#[tokio::test]
async fn n6_no_link_is_spent_twice_though_replies_are_dropped() {
    let platform = Platform::start().await;
    for seed in 0..4 {
        let ada = Person::signed_up(&platform, &format!("Ada{seed}")).await;
        let token = ada.verification_token(&platform).await;
        Ledger::settled(&platform).await;
        let faults = json!({ "drop_reply": 0.3, "conflict": 0.2, "throttle": 0.1, "seed": seed });
        platform.console.set(json!({ "faults": { "table": faults } })).await;
        let tries: Vec<_> = (0..5)
            .map(|_| {
                let client = platform.client();
                let body = json!({ "token": token });
                tokio::spawn(
                    async move { client.post("/api/auth/verification/confirm").json(body).send().await },
                )
            })
            .collect();
        let mut codes = Vec::new();
        for answer in tries {
            codes.push(answer.await.unwrap().code());
        }
        let calm = json!({ "drop_reply": 0.0, "conflict": 0.0, "throttle": 0.0 });
        platform.console.set(json!({ "faults": { "table": calm } })).await;
        eprintln!("seed {seed}: {codes:?}");
        assert!(codes.iter().filter(|code| **code == 204).count() <= 1, "{codes:?}");
        assert!(codes.iter().all(|code| [204, 410, 409, 500, 503, 504].contains(code)), "{codes:?}");
        let ledger = Ledger::settled(&platform).await;
        let events = ledger.events_of(&ledger.user_of(&ada.email).unwrap());
        let verified = events.iter().filter(|kind| *kind == "user.verified").count();
        assert!(verified <= 1, "{events:?}");
        let body = json!({ "token": token });
        let last = ada.client.post("/api/auth/verification/confirm").json(body).send().await.code();
        assert_eq!(last, if verified == 1 { 410 } else { 204 }, "{codes:?}");
    }
}

/// N4 for the provider that refuses, is busy, or says nothing: once it is well again, the mail is sent once.
#[tokio::test]
async fn n4_a_mail_that_was_certainly_not_taken_is_sent_once_in_the_end() {
    for mode in ["refuse", "throttle"] {
        let platform = Platform::start().await;
        platform.console.set(json!({ "faults": { "mail": mode }, "visibility_timeout_ms": 1_000 })).await;
        let ada = Person::signed_up(&platform, "Ada").await;
        until("an attempt", async || {
            (platform.console.function("email").await.invocations > 1).then_some(())
        })
        .await;
        assert_eq!(platform.inbox.to(&ada.email).await.len(), 0, "{mode}");
        platform.console.set(json!({ "faults": { "mail": "ok" } })).await;
        settle(&platform).await;
        assert_eq!(subjects(&platform, &ada.email).await.into_values().sum::<usize>(), 1, "{mode}");
        ada.verify(&platform).await;
    }
}

/// N4 where nobody can know: at least once, at most twice.
#[tokio::test]
async fn n4_a_mail_whose_fate_is_unknown_is_sent_at_most_once_more() {
    for (mode, least) in [("accept_then_timeout", 1), ("timeout", 0)] {
        let platform = Platform::start_with(settings(json!({ "mail": mode }))).await;
        let ada = Person::signed_up(&platform, "Ada").await;
        // The provider is ill for all of the first attempt, and well after it.
        until("the end of the first attempt", async || {
            let flows = platform.console.flows().await;
            let flow = flows.iter().find(|flow| flow.name == "POST /api/auth/sign-up")?;
            let steps = platform.console.flow(&flow.trace).await.steps;
            steps
                .iter()
                .any(|step| step.kind == "function" && step.name == "email" && step.status != "running")
                .then_some(())
        })
        .await;
        let first = platform.inbox.to(&ada.email).await.len();
        assert!(first >= least, "{mode}: {first}");
        platform.console.set(json!({ "faults": { "mail": "ok" } })).await;
        settle(&platform).await;
        let sent = subjects(&platform, &ada.email).await.into_values().sum::<usize>();
        assert!((1..=2).contains(&sent), "{mode}: sent {sent} times");
        // The newest link works, whichever arrived first.
        ada.verify(&platform).await;
    }
}

/// Asks for a checkout as a page does: again under the same key while there is no answer, and anew when
/// that key is taken by a request that nobody knows the end of.
async fn buy(person: &Person, price: &str, click: &str) -> String {
    let deadline = Instant::now() + RECOVERY;
    for place in 0.. {
        let key = format!("{click}-{place}");
        loop {
            assert!(Instant::now() < deadline, "{} cannot buy", person.email);
            let request = person.client.post("/api/billing/checkout").header("idempotency-key", &key);
            let Some(answer) = request.json(json!({ "price": price })).try_send().await else { continue };
            match answer.code() {
                201 => return answer.json()["url"].as_str().expect("a place").to_owned(),
                409 => break,
                500.. => {}
                other => panic!("{other}: {answer}"),
            }
        }
    }
    unreachable!("keys do not run out")
}

/// B4, N5: the books of the provider against what the app knows and has told of a buyer.
async fn audit_buyer(platform: &Platform, ledger: &Ledger, person: &Person, price: &str) {
    let books = payments(platform).await;
    let of = |list: &str, by: &str, is: &Value| -> Vec<Value> {
        let list = books[list].as_array().expect("a list").iter();
        list.filter(|it| it[by] == *is).cloned().collect()
    };
    let customers = of("customers", "email", &json!(person.email));
    assert_eq!(customers.len(), 1, "{customers:?}");
    let sold = of("subscriptions", "customer", &customers[0]["id"]);
    assert_eq!(sold.len(), 1, "{} bought {sold:?}", person.email);
    let known = subscription(person).await;
    assert_eq!((&sold[0]["status"], &sold[0]["price"]), (&json!("active"), &json!(price)));
    assert_eq!((&known["status"], &known["price"]["id"]), (&sold[0]["status"], &sold[0]["price"]));
    assert_eq!(known["entitlements"]["seats"], Value::Null, "{known}");
    let paid = of("invoices", "customer", &customers[0]["id"]);
    let events = ledger.events_of(&ledger.user_of(&person.email).expect("a user"));
    let told = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!((told("subscription.started"), told("invoice.paid")), (1, paid.len()), "{events:?}");
    let mails = subjects(platform, &person.email).await;
    let receipts = mails.get("Your receipt").copied().unwrap_or_default();
    assert!((paid.len()..=2 * paid.len()).contains(&receipts), "{receipts} receipts of {}", paid.len());
}

/// B4, N2, N5: whatever the provider of payments does instead of answering, whoever buys gets one subscription, and what
/// the app knows ends as the provider's ledger has it.
/// Where it refuses, it remembers for a day that it could not make the customer.
#[tokio::test]
async fn n2_n5_a_payment_provider_that_fails_sells_one_subscription() {
    // They mostly wait.
    tokio::join!(
        buy_while("refuse"),
        buy_while("throttle"),
        buy_while("timeout"),
        buy_while("accept_then_timeout")
    );
}

async fn buy_while(mode: &str) {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let business = price(&platform, "business", "month").await;
    let fail = async |mode: &str| platform.console.set(json!({ "faults": { "payments": mode } })).await;
    fail(mode).await;
    let request = ada.client.post("/api/billing/checkout").header("idempotency-key", "a");
    let answer = request.json(json!({ "price": business })).send().await;
    assert_eq!(answer.code(), 503, "{mode}: {answer}");
    assert!(!answer.header("retry-after").is_empty(), "{mode}: {answer}");
    fail("ok").await;
    let url = buy(&ada, &business, "a").await;
    // Now the provider cannot be asked what it tells of.
    fail(mode).await;
    pay(&platform, &url).await;
    until("an event that could not be handled", async || {
        let lines = platform.console.logs("billing-sync").await;
        lines.iter().any(|line| line.line.contains("was not handled")).then_some(())
    })
    .await;
    assert_eq!(subscription(&ada).await["status"], "none", "{mode}: nobody knows");
    fail("ok").await;
    let ledger = settle(&platform).await;
    audit_buyer(&platform, &ledger, &ada, &business).await;
    for kind in ["customers", "checkouts", "subscriptions"] {
        assert_eq!(booked(&platform, kind).await.len(), 1, "{mode}: {kind}");
    }
}

/// Waits until the app knows of a subscription.
async fn subscribed(person: &Person) {
    let what = format!("a subscription of {}", person.email);
    until_within(RECOVERY, &what, async || (subscription(person).await["status"] == "active").then_some(()))
        .await;
}

/// How often a buyer changes to the month and back at most: far less than is refused in an hour.
const MOST_ROUNDS: u32 = 10;

/// People who want something by the year, and who buy it at once.
struct Buyers {
    people: Vec<Arc<Person>>,
    /// What they buy in the end.
    year: String,
    purchases: Vec<JoinHandle<()>>,
}

impl Buyers {
    /// Each hesitates, and goes on with that while the pace says so.
    async fn start(platform: &Arc<Platform>, count: usize, pace: &Arc<Pace>) -> Self {
        let (month, year) =
            (price(platform, "business", "month").await, price(platform, "business", "year").await);
        let mut people = Vec::new();
        for place in 0..count {
            people.push(Arc::new(Person::signed_in(platform, &format!("Buyer{place}")).await));
        }
        let purchases = people.iter().map(|buyer| {
            let (platform, buyer) = (Arc::clone(platform), Arc::clone(buyer));
            let (month, year, pace) = (month.clone(), year.clone(), Arc::clone(pace));
            tokio::spawn(async move {
                // Each time another page, of which the last takes the money.
                let mut url = String::new();
                for round in 0..MOST_ROUNDS {
                    if round >= 2 && !pace.goes_on() {
                        break;
                    }
                    buy(&buyer, &month, &format!("month-{round}")).await;
                    url = buy(&buyer, &year, &format!("year-{round}")).await;
                }
                pay(&platform, &url).await;
            })
        });
        let purchases = purchases.collect();
        Self { people, year, purchases }
    }

    fn are_done(&self) -> bool {
        self.purchases.iter().all(JoinHandle::is_finished)
    }

    /// Each has bought one subscription, and all books say so.
    async fn audit(self, platform: &Platform) {
        for purchase in self.purchases {
            purchase.await.expect("a purchase");
        }
        for buyer in &self.people {
            subscribed(buyer).await;
        }
        let ledger = settle(platform).await;
        for buyer in &self.people {
            audit_buyer(platform, &ledger, buyer, &self.year).await;
        }
        assert_eq!(booked(platform, "subscriptions").await.len(), self.people.len());
    }
}

/// B4, N2, N5: each function of billing is killed at any point, while people buy and change their minds.
#[tokio::test]
async fn n2_n5_functions_killed_at_random_sell_each_buyer_one_subscription() {
    const KILLED: [&str; 3] = ["billing", "billing-webhook", "billing-sync"];
    let platform = Arc::new(Platform::start_with(settings(json!({}))).await);
    let mut chance = chance();
    let pace = Pace::of_the_disturbed();
    let buyers = Buyers::start(&platform, 6, &pace).await;
    let mut killed = BTreeMap::<&str, u32>::new();
    while !buyers.are_done() {
        let name = next_to_kill(&KILLED, &killed, &mut chance);
        let moment = Duration::from_millis(chance.u64(0..25));
        if kill_at_work(&platform, name, moment, || buyers.are_done()).await {
            *killed.entry(name).or_default() += 1;
        }
        if killed.len() == KILLED.len() {
            pace.may_end();
        }
    }
    assert_eq!(killed.len(), KILLED.len(), "killed: {killed:?}");
    eprintln!("killed: {killed:?}");
    buyers.audit(&platform).await;
}

/// B4, N2, N5: the table fails now and then, or answers are lost, while people buy and change their minds.
#[tokio::test]
async fn n2_n5_a_table_that_fails_now_and_then_sells_each_buyer_one_subscription() {
    for (seed, faults) in [
        (21, json!({ "throttle": 0.08, "error": 0.05, "conflict": 0.1, "drop_reply": 0.05 })),
        (22, json!({ "drop_reply": 0.3 })),
    ] {
        eprintln!("seed: {seed}");
        let mut table = faults;
        table["seed"] = seed.into();
        let platform = Arc::new(Platform::start_with(settings(json!({}))).await);
        let buyers = Buyers::start(&platform, 5, &Arc::default()).await;
        platform.console.set(json!({ "faults": { "table": table } })).await;
        until_within(RECOVERY, "purchases of which all was told once", async || {
            let webhooks = booked(&platform, "webhooks").await;
            let tried = |it: &Value| it["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty());
            (buyers.are_done() && webhooks.iter().all(tried)).then_some(())
        })
        .await;
        let calm = json!({ "throttle": 0.0, "error": 0.0, "conflict": 0.0, "drop_reply": 0.0 });
        platform.console.set(json!({ "faults": { "table": calm } })).await;
        buyers.audit(&platform).await;
    }
}

/// N4 for texts that were certainly not taken.
#[tokio::test]
async fn n4_a_text_that_was_certainly_not_taken_is_sent_once_in_the_end() {
    let platform = Platform::start_with(json!({ "visibility_timeout_ms": 1_000 })).await;
    for (place, mode) in ["refuse", "throttle"].into_iter().enumerate() {
        let (ada, number) = (Person::signed_in(&platform, mode).await, format!("+44770090010{place}"));
        add_phone(&platform, &ada, &number).await;
        let before = platform.console.logs("sms-notifier").await.len();
        platform.console.set(json!({ "faults": { "texts": mode } })).await;
        ada.elsewhere(&platform).sign_in().await;
        until("a second refusal", async || {
            let lines = platform.console.logs("sms-notifier").await;
            let refused = lines[before..].iter().filter(|line| line.line.contains("the provider refused"));
            (refused.count() >= 2).then_some(())
        })
        .await;
        assert_eq!(texts(&platform, &number).await.len(), 1, "{mode}: the code alone");
        platform.console.set(json!({ "faults": { "texts": "ok" } })).await;
        settle(&platform).await;
        assert_eq!(texts(&platform, &number).await.len(), 2, "{mode}: and one warning");
    }
}

/// N4 for texts whose fate nobody can know: at least once, at most twice.
#[tokio::test]
async fn n4_a_text_whose_fate_is_unknown_is_sent_at_most_once_more() {
    // They mostly wait.
    tokio::join!(text_while("accept_then_timeout", 1), text_while("timeout", 0), text_that_nobody_answers());
}

/// `taken` texts are taken while the provider fails.
async fn text_while(mode: &str, taken: usize) {
    const NUMBER: &str = "+447700900200";
    let platform = Platform::start_with(settings(json!({}))).await;
    let ada = Person::signed_in(&platform, "Ada").await;
    add_phone(&platform, &ada, NUMBER).await;
    platform.console.set(json!({ "faults": { "texts": mode } })).await;
    ada.elsewhere(&platform).sign_in().await;
    until("the end of the first attempt", async || {
        let lines = platform.console.logs("sms-notifier").await;
        lines.iter().any(|line| line.line.contains("answer is unknown")).then_some(())
    })
    .await;
    let warnings = async || texts(&platform, NUMBER).await.len() - 1;
    assert_eq!(warnings().await, taken, "{mode}");
    platform.console.set(json!({ "faults": { "texts": "ok" } })).await;
    settle(&platform).await;
    assert_eq!(warnings().await, taken + 1, "{mode}: nobody can know, so once more, and then no more");
}

/// The provider takes each and never says so: there are two, and then a person decides.
async fn text_that_nobody_answers() {
    const NUMBER: &str = "+447700900201";
    let platform = Platform::start_with(settings(json!({}))).await;
    let ada = Person::signed_in(&platform, "Ada").await;
    add_phone(&platform, &ada, NUMBER).await;
    platform.console.set(json!({ "faults": { "texts": "accept_then_timeout" } })).await;
    ada.elsewhere(&platform).sign_in().await;
    let refusals = async || {
        let lines = platform.console.logs("sms-notifier").await;
        lines.iter().filter(|line| line.line.contains("may have been sent, and is not sent again")).count()
    };
    let given_up = async |before: usize| {
        until_within(RECOVERY, "a text that is given up", async || {
            // What died while an attempt was under way is redriven too early, which does no harm.
            for dead in platform.console.dead_letters().await {
                platform.console.client().post(&format!("{}/redrive", dead.path())).expect(202).await;
            }
            (refusals().await > before).then_some(())
        })
        .await;
        assert_eq!(texts(&platform, NUMBER).await.len(), 3, "the code, and twice the warning");
    };
    given_up(0).await;
    platform.console.set(json!({ "faults": { "texts": "ok" } })).await;
    given_up(refusals().await).await;
}

/// N4: whoever texts is killed when they have claimed an event and the provider has not taken the text, and when it has
/// and that is not noted.
#[tokio::test]
async fn n4_a_text_whose_sender_is_killed_is_sent_once_or_once_more_where_it_was_taken() {
    // They mostly wait for a lease to end.
    tokio::join!(killed_while("timeout", 0), killed_while("accept_then_timeout", 1));
}

/// The provider keeps the sender waiting, with `taken` texts taken.
async fn killed_while(mode: &str, taken: usize) {
    const NUMBER: &str = "+447700900202";
    let platform = Platform::start_with(settings(json!({}))).await;
    let ada = Person::signed_in(&platform, "Ada").await;
    add_phone(&platform, &ada, NUMBER).await;
    Ledger::settled(&platform).await;
    platform.console.set(json!({ "faults": { "texts": mode } })).await;
    ada.elsewhere(&platform).sign_in().await;
    let warnings = async || texts(&platform, NUMBER).await.len() - 1;
    until("a text on its way", async || {
        // Each item is a claim: that of the code, and now that of the warning.
        let claims = platform.console.items("EVENT#").await;
        let claimed = claims.iter().filter(|item| item.sk == "CONSUMER#sms-notifier").count() == 2;
        (claimed && warnings().await == taken).then_some(())
    })
    .await;
    for pid in platform.pids("sms-notifier").await {
        kill_process(pid, Signal::KILL).expect("an instance");
    }
    platform.console.set(json!({ "faults": { "texts": "ok" } })).await;
    settle(&platform).await;
    assert_eq!(warnings().await, taken + 1, "{mode}");
}
