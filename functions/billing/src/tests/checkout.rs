use std::collections::HashSet;

use serde_json::json;
use shared::error::Error;
use shared::plan::Plan;
use shared::subscription::Checkout;

use super::provider::Fault;
use super::*;

fn open_sessions(world: &World) -> usize {
    world.provider.ledger().sessions.iter().filter(|session| session.status == "open").count()
}

fn session_of(url: &str) -> String {
    url.rsplit('/').next().unwrap().to_owned()
}

/// B3
#[tokio::test]
async fn b3_a_price_is_one_of_the_catalogue_and_returning_grants_nothing() {
    let world = world().await;
    let person = world.person().await;
    for price in ["", "price_none", "price_other", "1200"] {
        let answer = world.check_out(&person, price, None).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["errors"][0]["field"]),
            (422, &json!("price")),
            "{price}"
        );
    }
    let sent = r#"{"price":"price_pro_month","amount":1}"#;
    assert_eq!(world.send(&person, "POST", "/api/billing/checkout", None, sent).await.status, 422);

    let url = world.check_out(&person, "price_business_month", None).await.url().to_owned();
    let told = world.provider.ledger().pay(&session_of(&url));
    for path in ["/api/billing/subscription?checkout=success", "/api/billing/subscription"] {
        let body = world.get(&person, path).await.body;
        assert_eq!((&body["plan"], &body["entitlements"]["seats"]), (&json!("free"), &json!(1)));
    }
    // The webhook does, and the amount is the ledger's.
    let customer = world.sync.store.customer(person.workspace_id).await.unwrap().unwrap();
    let (kind, id) = &told[0];
    world.tell("evt_1", kind, json!({ "id": id, "customer": customer.id, "amount_total": 1 })).await;
    for event in world.notifications(&customer).await {
        world.sync.handle(event).await.unwrap();
    }
    let body = world.get(&person, "/api/billing/subscription").await.body;
    assert_eq!((&body["plan"], &body["entitlements"]["seats"]), (&json!("business"), &json!(null)));
    assert_eq!(body["price"]["amount"], 4900);
}

/// B4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_two_tabs_and_a_double_click_buy_one_subscription() {
    let world = world().await;
    let person = world.person().await;
    let clicks: Vec<_> = (0..8)
        .map(|click| {
            let (world, person) = (world.clone(), person.clone());
            // Some with keys of their own, some without.
            let key = (click % 2 == 0).then(|| format!("click-{click}"));
            tokio::spawn(async move {
                loop {
                    let answer = world.check_out(&person, "price_pro_month", key.as_deref()).await;
                    if answer.status != 503 {
                        return answer.url().to_owned();
                    }
                }
            })
        })
        .collect();
    let mut urls = HashSet::new();
    for click in clicks {
        urls.insert(click.await.unwrap());
    }
    assert_eq!(urls.len(), 1, "{urls:?}");
    let sessions = world.provider.ledger().sessions.len();
    assert_eq!((sessions, world.provider.ledger().customers.len()), (1, 1));
    let url = urls.into_iter().next().unwrap();
    assert_eq!(world.provider.ledger().sessions[0].trial_days.as_deref(), Some("14"));

    // Paid in one tab; the other knows nothing of it, nor does the app.
    world.provider.ledger().pay(&session_of(&url));
    for price in ["price_pro_month", "price_business_month"] {
        let answer = world.check_out(&person, price, None).await;
        assert_eq!((answer.status.as_u16(), answer.kind()), (409, "/problems/already-subscribed"));
    }
    assert_eq!(world.provider.ledger().sessions.len(), 1);
    assert_eq!(world.provider.ledger().subscriptions.len(), 1);
    // Having looked, the app knows.
    let open = world.sync.store.entitlements(person.user_id, world.now()).await.unwrap();
    assert_eq!(open.plan, Plan::Pro);
}

/// B5: somebody deleted the customer at the provider, which is no reason to sell nothing to the workspace again.
#[tokio::test]
async fn b5_a_workspace_whose_customer_is_gone_at_the_provider_becomes_another() {
    let world = world().await;
    let person = world.person().await;
    let url = world.check_out(&person, "price_pro_month", None).await.url().to_owned();
    world.provider.ledger().pay(&session_of(&url));
    let former = world.sync.store.customer(person.workspace_id).await.unwrap().unwrap();
    let notify = async |customer: &Customer, id: &str| {
        let object = json!({ "id": format!("sub_{id}"), "customer": customer.id });
        world.tell(id, "customer.subscription.updated", object).await;
        for event in world.notifications(customer).await {
            world.sync.handle(event).await.unwrap();
        }
    };
    notify(&former, "evt_1").await;
    assert_eq!(world.get(&person, "/api/billing/subscription").await.body["plan"], "pro");
    world.provider.ledger().delete(&former.id);
    notify(&former, "evt_2").await;
    assert_eq!(world.get(&person, "/api/billing/subscription").await.body["plan"], "free");
    assert_eq!(world.get(&person, "/api/billing/invoices").await.body["invoices"], json!([]));
    let portal = world.send(&person, "POST", "/api/billing/portal", None, "{}").await;
    assert_eq!(portal.kind(), "/problems/not-subscribed");

    let clicks = tokio::join!(
        world.check_out(&person, "price_pro_month", None),
        world.check_out(&person, "price_pro_month", None)
    );
    let url = clicks.0.url().to_owned();
    assert_eq!(clicks.1.url(), url);
    let customer = world.sync.store.customer(person.workspace_id).await.unwrap().unwrap();
    assert_eq!(*world.provider.ledger().customers, *std::slice::from_ref(&customer.id));
    let trial = world.provider.ledger().sessions.last().unwrap().trial_days.clone();
    assert_eq!(trial, None, "it has had one");
    world.provider.ledger().pay(&session_of(&url));
    notify(&customer, "evt_3").await;
    // What is still told of the former one changes nothing.
    notify(&former, "evt_4").await;
    assert_eq!(world.get(&person, "/api/billing/subscription").await.body["plan"], "pro");
}

/// B4
#[tokio::test]
async fn b4_another_price_closes_the_former_checkout() {
    let world = world().await;
    let person = world.person().await;
    let first = world.check_out(&person, "price_pro_month", None).await.url().to_owned();
    let second = world.check_out(&person, "price_business_month", None).await.url().to_owned();
    assert_ne!(first, second);
    assert_eq!(world.check_out(&person, "price_business_month", None).await.url(), second);
    let states: Vec<_> = world.provider.ledger().sessions.iter().map(|session| session.status).collect();
    assert_eq!(states, ["expired", "open"]);
}

/// B4: tabs that want different things at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_whatever_is_asked_for_at_once_one_checkout_is_open() {
    let world = world().await;
    let person = world.person().await;
    let prices = ["price_pro_month", "price_business_month", "price_pro_year"];
    for _ in 0..3 {
        let tabs: Vec<_> = (0..6)
            .map(|tab| {
                let (world, person) = (world.clone(), person.clone());
                tokio::spawn(async move { world.check_out(&person, prices[tab % 3], None).await })
            })
            .collect();
        for tab in tabs {
            let answer = tab.await.unwrap();
            assert!([201, 409, 503].contains(&answer.status.as_u16()), "{answer:?}");
        }
        assert!(open_sessions(&world) <= 1, "{} are open", open_sessions(&world));
    }
}

/// B4, N2: the provider does what it is asked for and the answer is lost; the function is killed at any point.
#[tokio::test]
async fn b4_an_answer_that_is_lost_buys_nothing_twice() {
    for fault in [Fault::AcceptThenFail, Fault::AcceptThenBreak, Fault::Refuse] {
        // At the customer, then at the session.
        for is_customer in [false, true] {
            let world = world().await;
            let person = if is_customer { world.customer().await.0 } else { world.person().await };
            // All attempts of the first click, and one of the second. A customer of whom it was answered that they could
            // not be made is tried anew within the click.
            let attempts = if is_customer || fault == Fault::AcceptThenBreak { 4 } else { 7 };
            world.provider.ledger().faults.extend(std::iter::repeat_n(fault, attempts));
            assert_eq!(world.check_out(&person, "price_pro_month", Some("a")).await.status, 503);
            let url = world.check_out(&person, "price_pro_month", Some("a")).await.url().to_owned();
            assert_eq!(world.check_out(&person, "price_pro_month", Some("b")).await.url(), url);
            assert_eq!(world.provider.ledger().sessions.len(), 1);
            assert_eq!(world.provider.ledger().customers.len(), 1);
        }
    }
    // Killed between the note that a checkout has begun and its session, and between that and its note.
    for made in [false, true] {
        let world = world().await;
        let (person, customer) = world.customer().await;
        let url = world.check_out(&person, "price_pro_month", None).await.url().to_owned();
        let begun = world.sync.store.checkout(customer.workspace_id).await.unwrap().unwrap();
        let unnoted = Checkout { session_id: None, ..begun.clone() };
        world.sync.store.begin_checkout(customer.workspace_id, &unnoted, Some(&begun)).await.unwrap();
        if !made {
            world.provider.ledger().sessions.clear();
            world.provider.forget_keys();
        }
        let again = world.check_out(&person, "price_pro_month", None).await.url().to_owned();
        assert_eq!(again == url, made);
        assert_eq!(open_sessions(&world), 1);
        // Wanting something else, it is found and closed.
        let begun = world.sync.store.checkout(customer.workspace_id).await.unwrap();
        let unnoted = Checkout { session_id: None, ..begun.clone().unwrap() };
        world.sync.store.begin_checkout(customer.workspace_id, &unnoted, begun.as_ref()).await.unwrap();
        world.check_out(&person, "price_business_month", None).await.url();
        assert_eq!(open_sessions(&world), 1);
    }
}

/// B4: two requests that both found no checkout begin one.
#[tokio::test]
async fn b4_of_two_that_begin_a_checkout_at_once_one_does() {
    let world = world().await;
    let (_, customer) = world.customer().await;
    let checkout = |nonce: &str| Checkout {
        nonce: nonce.to_owned(),
        price: "price_pro_month".to_owned(),
        trial_days: None,
        begun_at: Timestamp::UNIX_EPOCH,
        session_id: None,
    };
    let begin = async |nonce: &str, replaces: Option<&Checkout>| {
        world.sync.store.begin_checkout(customer.workspace_id, &checkout(nonce), replaces).await
    };
    let (one, two) = (checkout("one"), checkout("two"));
    assert!(begin("one", None).await.is_ok());
    assert!(matches!(begin("two", None).await, Err(Error::Conflict)));
    assert!(begin("two", Some(&one)).await.is_ok());
    assert!(matches!(begin("three", Some(&one)).await, Err(Error::Conflict)));
    let note = world.sync.store.note_session(customer.workspace_id, "one", "cs_1", None).await;
    assert!(matches!(note, Err(Error::Conflict)), "another was begun meanwhile");
    assert_eq!(world.sync.store.checkout(customer.workspace_id).await.unwrap(), Some(checkout("two")));
    // Who found no session must not replace one that somebody was sent to meanwhile.
    world.sync.store.note_session(customer.workspace_id, "two", "cs_2", None).await.unwrap();
    assert!(matches!(begin("three", Some(&two)).await, Err(Error::Conflict)));
    let other = Checkout { session_id: Some("cs_1".to_owned()), ..two.clone() };
    assert!(matches!(begin("three", Some(&other)).await, Err(Error::Conflict)));
    assert!(begin("three", Some(&Checkout { session_id: Some("cs_2".to_owned()), ..two })).await.is_ok());
}

/// B4, N2: the provider answers that it failed, and says so again for a day to whoever asks for the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_n2_a_failure_that_the_provider_remembers_keeps_nobody_from_buying() {
    for fault in [Fault::RefuseForGood, Fault::AcceptThenFailForGood] {
        for price in ["price_pro_month", "price_business_month"] {
            let world = world().await;
            let (person, _) = world.customer().await;
            world.provider.ledger().faults.push_back(fault);
            assert_eq!(world.check_out(&person, "price_pro_month", Some("a")).await.status, 503);
            // From now on nothing fails; what was made nevertheless cannot be paid.
            let clicks: Vec<_> = (0..6)
                .map(|_| {
                    let (world, person) = (world.clone(), person.clone());
                    tokio::spawn(async move {
                        let mut answer = world.check_out(&person, price, None).await;
                        // While another click is at the same.
                        for _ in 0..9 {
                            if answer.status == 503 {
                                answer = world.check_out(&person, price, None).await;
                            }
                        }
                        answer.url().to_owned()
                    })
                })
                .collect();
            let mut urls = HashSet::new();
            for click in clicks {
                urls.insert(click.await.unwrap());
            }
            assert_eq!((urls.len(), open_sessions(&world)), (1, 1), "{fault:?} {price}: {urls:?}");
            let url = urls.into_iter().next().unwrap();
            assert_eq!(world.check_out(&person, price, Some("a")).await.url(), url);
            world.provider.ledger().pay(&session_of(&url));
            let again = world.check_out(&person, price, None).await;
            assert_eq!(again.kind(), "/problems/already-subscribed");
            assert_eq!(world.provider.ledger().subscriptions.len(), 1);
        }
        // At the customer: another is made, unless one was.
        let world = world().await;
        let person = world.person().await;
        world.provider.ledger().faults.push_back(fault);
        let url = world.check_out(&person, "price_pro_month", None).await.url().to_owned();
        assert_eq!(world.check_out(&person, "price_pro_month", None).await.url(), url);
        assert_eq!(world.provider.ledger().customers.len(), 1);
    }
}

/// B5: of several customers that were made of a workspace at once one counts, and the provider is not left with the others.
#[tokio::test]
async fn b5_a_customer_that_came_second_is_taken_back() {
    let world = world().await;
    let person = world.person().await;
    // Both learn that it failed, find that nothing was made, and make one.
    world.provider.ledger().faults.push_back(Fault::RefuseForGood);
    let (made, let_go) = world.provider.hold("GET /v1/customers");
    let first = {
        let (world, person) = (world.clone(), person.clone());
        tokio::spawn(async move { world.check_out(&person, "price_pro_month", None).await })
    };
    made.await.unwrap();
    let (made, let_second_go) = world.provider.hold("GET /v1/customers");
    let second = {
        let (world, person) = (world.clone(), person.clone());
        tokio::spawn(async move { world.check_out(&person, "price_pro_month", None).await })
    };
    made.await.unwrap();
    let_go.notify_one();
    let url = first.await.unwrap().url().to_owned();
    let_second_go.notify_one();
    assert_eq!(second.await.unwrap().url(), url);
    let known = world.sync.store.customer(person.workspace_id).await.unwrap().unwrap();
    assert_eq!(world.provider.ledger().customers, [known.id]);
}

/// V2: the provider writes to the address of now, in whichever order and how often that is told, and also when it changed
/// while the customer was being made.
#[tokio::test]
async fn v2_the_provider_is_told_who_its_customers_are() {
    let world = world().await;
    let person = world.person().await;
    let called = |world: &World| -> Vec<String> {
        let ledger = world.provider.ledger();
        ledger.customers.iter().map(|id| ledger.told_of[id]["name"].clone()).collect()
    };
    let rename = async |name: &str| {
        let event =
            Envelope::new(person.user_id, Event::UserRenamed {}, world.now(), &world.sync.random, None);
        world.sync.store.rename_user(person.user_id, &name.parse().unwrap(), &event).await.unwrap();
        event
    };
    // Nobody's customer yet.
    world.sync.handle(rename("Grace").await).await.unwrap();
    assert!(world.provider.ledger().calls.is_empty());

    let (made, let_go) = world.provider.hold("POST /v1/customers");
    let buying = {
        let (world, person) = (world.clone(), person.clone());
        tokio::spawn(async move { world.check_out(&person, "price_pro_month", None).await })
    };
    made.await.unwrap();
    world.sync.handle(rename("Hedy").await).await.unwrap();
    assert_eq!(called(&world), ["Grace"]);
    let_go.notify_one();
    buying.await.unwrap().url();
    assert_eq!(called(&world), ["Hedy"]);

    world.sync.handle(rename("Ada").await).await.unwrap();
    assert_eq!(called(&world), ["Ada"]);

    // Whoever is told late tells what is stored then, and whoever began with something older does not leave it there.
    let first = rename("Ida").await;
    let (made, let_go) = world.provider.hold("POST /v1/customers/");
    let slow = {
        let (sync, first) = (world.sync.clone(), first.clone());
        tokio::spawn(async move { sync.handle(first).await })
    };
    made.await.unwrap();
    let second = rename("Joan").await;
    let_go.notify_one();
    slow.await.unwrap().unwrap();
    assert_eq!(called(&world), ["Joan"]);
    let changed = Envelope { event: Event::EmailChanged {}, ..second.clone() };
    for event in [second, first, changed] {
        world.provider.ledger().told_of.values_mut().for_each(|told| told.clear());
        world.sync.handle(event).await.unwrap();
        assert_eq!(called(&world), ["Joan"]);
        let told = world.provider.ledger().told_of.values().next().unwrap()["email"].clone();
        assert_eq!(told, format!("{}@example.com", person.user_id));
    }

    // Somebody deleted the customer there: nobody is to be told of.
    let customer = world.sync.store.customer(person.workspace_id).await.unwrap().unwrap();
    world.provider.ledger().delete(&customer.id);
    world.sync.handle(rename("Katherine").await).await.unwrap();
    assert!(called(&world).is_empty());
}

/// B4: whoever has cancelled may come back, and gets no second trial.
#[tokio::test]
async fn b4_a_new_subscription_can_be_bought_when_the_old_one_is_over() {
    let world = world().await;
    let person = world.person().await;
    let url = world.check_out(&person, "price_pro_month", None).await.url().to_owned();
    world.provider.ledger().pay(&session_of(&url));
    for status in ["trialing", "active", "past_due", "unpaid", "paused", "incomplete"] {
        world.provider.ledger().subscriptions[0].status = status;
        let answer = world.check_out(&person, "price_pro_month", None).await;
        assert_eq!(answer.kind(), "/problems/already-subscribed", "{status}");
    }
    world.provider.ledger().subscriptions[0].status = "canceled";
    let again = world.check_out(&person, "price_pro_month", None).await.url().to_owned();
    assert_ne!(again, url);
    assert_eq!(world.provider.ledger().sessions[1].trial_days, None);
}

/// I4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_key_gets_one_answer_and_stands_for_one_request() {
    let world = world().await;
    let person = world.person().await;
    let first = world.check_out(&person, "price_pro_month", Some("k")).await;
    first.url();
    let again = world.check_out(&person, "price_pro_month", Some("k")).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    // The answer was kept with the write: the provider is not asked again, whatever has become of the session.
    world.provider.ledger().pay(&session_of(first.url()));
    let calls = world.provider.ledger().calls.len();
    assert_eq!(world.check_out(&person, "price_pro_month", Some("k")).await.body, first.body);
    assert_eq!(world.provider.ledger().calls.len(), calls);

    let other = world.check_out(&person, "price_business_month", Some("k")).await;
    assert_eq!((other.status.as_u16(), other.kind()), (422, "/problems/idempotency-key-reused"));
    let bad = world.check_out(&person, "price_pro_month", Some("a b")).await;
    assert_eq!((bad.status.as_u16(), bad.kind()), (422, "/problems/validation"));
    // A key is its user's, and its operation's.
    let stranger = world.person().await;
    assert_ne!(world.check_out(&stranger, "price_pro_month", Some("k")).await.url(), first.url());
    assert_eq!(world.send(&person, "POST", "/api/billing/portal", Some("k"), "{}").await.status, 201);

    // At once: one is at work, the others are told so, and in the end all have one answer.
    let person = world.person().await;
    let tries: Vec<_> = (0..6)
        .map(|_| {
            let (world, person) = (world.clone(), person.clone());
            tokio::spawn(async move { world.check_out(&person, "price_pro_year", Some("n")).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for it in tries {
        let answer = it.await.unwrap();
        if answer.status == 409 {
            assert_eq!(answer.kind(), "/problems/idempotency-in-flight");
        }
        statuses.push(answer.status.as_u16());
    }
    assert!(statuses.contains(&201) && statuses.contains(&409), "{statuses:?}");
    let year = world.provider.ledger().sessions.iter().filter(|it| it.price == "price_pro_year").count();
    assert_eq!(year, 1);
}

/// I4: what was refused or has failed may be tried again under its key.
#[tokio::test]
async fn i4_a_failure_uses_no_key_up() {
    let world = world().await;
    let person = world.person().await;
    assert_eq!(world.check_out(&person, "price_none", Some("k")).await.status, 422);
    world.provider.ledger().faults.extend([Fault::Refuse; 6]);
    assert_eq!(world.check_out(&person, "price_pro_month", Some("k")).await.status, 503);
    world.check_out(&person, "price_pro_month", Some("k")).await.url();
}
