//! Nobody pays for a workspace that there is not.

use shared::error::Error;
use shared::subscription::SubscriptionStatus;

use super::*;

impl World {
    /// Somebody deletes their account. Answers what tells of their workspace.
    async fn delete(&self, person: &Person) -> Envelope {
        let (store, now) = (&self.sync.store, self.now());
        let user = store.user(person.user_id).await.unwrap().expect("a user");
        let event = |event| Envelope::new(person.user_id, event, now, &self.sync.random, None);
        let of_workspace = event(Event::WorkspaceDeleted { workspace_id: person.workspace_id });
        store.delete_user(&user, &event(Event::UserDeleted {}), |_| of_workspace.clone()).await.unwrap();
        of_workspace
    }

    /// That nothing is paid for or can be.
    fn assert_nothing_is_sold(&self) {
        let ledger = self.provider.ledger();
        assert_eq!(ledger.customers, Vec::<String>::new());
        assert!(ledger.subscriptions.iter().all(|it| it.status == "canceled"));
        assert!(ledger.sessions.iter().all(|it| it.status != "open"));
    }
}

/// B5, V2: the subscription of a deleted workspace ends at the provider, and is told of once.
#[tokio::test]
async fn b5_v2_a_deleted_workspace_pays_no_more_however_often_that_is_told() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_business_month", false);
    world.sync.reconcile(tokio::time::Instant::now() + std::time::Duration::from_secs(60)).await.unwrap();
    let known = world.sync.store.subscription(person.workspace_id).await.unwrap().unwrap();
    assert_eq!(known.status, SubscriptionStatus::Active);

    let deleted = world.delete(&person).await;
    for _ in 0..3 {
        world.sync.handle(deleted.clone()).await.unwrap();
    }
    world.assert_nothing_is_sold();
    let known = world.sync.store.subscription(person.workspace_id).await.unwrap().unwrap();
    assert_eq!(known.status, SubscriptionStatus::Canceled);
    let events = world.events(person.user_id).await;
    let ended = Event::SubscriptionEnded { workspace_id: person.workspace_id };
    assert_eq!(events.iter().filter(|event| **event == ended).count(), 1);
    for path in ["/api/billing/subscription", "/api/billing/invoices"] {
        assert_eq!(world.get(&person, path).await.status, 404, "{path}");
    }
}

/// B5: what tells of the deletion is lost, as when its message died; the reconcile finds who pays for nothing.
#[tokio::test]
async fn b5_the_reconcile_ends_what_a_deleted_workspace_still_pays_for() {
    let world = world().await;
    let (gone, customer) = world.customer().await;
    let (_, other) = world.customer().await;
    for customer in [&customer, &other] {
        world.provider.ledger().subscribe(&customer.id, "price_pro_month", false);
    }
    let reconcile = async || {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        world.sync.reconcile(deadline).await.unwrap()
    };
    assert_eq!((reconcile().await.mended, reconcile().await.mended), (2, 0));
    world.delete(&gone).await;
    assert_eq!((reconcile().await.mended, reconcile().await.mended), (1, 0));
    assert_eq!(world.provider.ledger().customers, [other.id]);
    let known = world.sync.store.subscription(gone.workspace_id).await.unwrap().unwrap();
    assert_eq!(known.status, SubscriptionStatus::Canceled);
}

/// B5: a workspace that never bought anything is nobody's customer.
#[tokio::test]
async fn b5_a_deleted_workspace_that_bought_nothing_is_no_business_of_the_provider() {
    let world = world().await;
    let person = world.person().await;
    let deleted = world.delete(&person).await;
    world.sync.handle(deleted).await.unwrap();
    assert!(world.provider.ledger().calls.is_empty());
}

/// B5: wherever a checkout is when the workspace is deleted, nothing can be bought when both are done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b5_a_checkout_that_was_under_way_sells_nothing_to_a_deleted_workspace() {
    let steps = ["POST /v1/customers", "GET /v1/subscriptions?customer=", "POST /v1/checkout/sessions"];
    for step in steps {
        let world = world().await;
        let person = world.person().await;
        let (made, let_go) = world.provider.hold(step);
        let checkout = {
            let (world, person) = (world.clone(), person.clone());
            tokio::spawn(async move { world.check_out(&person, "price_pro_month", None).await })
        };
        made.await.unwrap();
        let deleted = world.delete(&person).await;
        world.sync.handle(deleted).await.unwrap();
        let_go.notify_one();
        let answer = checkout.await.unwrap();
        assert!(answer.status.is_success() || answer.status.is_client_error(), "{step}: {answer:?}");
        world.assert_nothing_is_sold();
    }
}

/// B5: a provider that does not answer is asked again.
#[tokio::test]
async fn b5_a_deletion_that_the_provider_did_not_take_is_tried_again() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", false);
    let deleted = world.delete(&person).await;
    world.provider.ledger().is_down = true;
    assert!(matches!(world.sync.handle(deleted.clone()).await, Err(Error::Unavailable(_))));
    world.provider.ledger().is_down = false;
    world.sync.handle(deleted).await.unwrap();
    world.assert_nothing_is_sold();
}
