use serde_json::json;
use shared::event::Event;

use super::*;

/// B1
#[tokio::test]
async fn b1_what_is_not_signed_by_the_provider_is_refused_and_writes_nothing() {
    let world = world().await;
    let (_, customer) = world.customer().await;
    let now = world.now().as_second();
    let body = json!({ "id": "evt_1", "type": "customer.subscription.updated",
        "data": { "object": { "id": "sub_1", "customer": customer.id } } })
    .to_string();
    let late = sign(SECRET, now - 302, body.as_bytes());
    let early = sign(SECRET, now + 310, body.as_bytes());
    let other = sign("whsec_other_0123456789", now, body.as_bytes());
    for signature in ["", "t=1", &late, &early, &other] {
        let answer = world.deliver(signature, body.clone()).await;
        assert_eq!(answer.status, 400, "{signature}");
        assert_eq!(answer.kind(), "/problems/invalid-signature");
    }
    let good = sign("whsec_second_0123456789", now, body.as_bytes());
    assert_eq!(world.deliver(&good, body.replace("sub_1", "sub_2")).await.status, 400, "another body");
    assert_eq!(world.deliver(&good, body.replace(':', ": ")).await.status, 400, "not the raw body");
    assert_eq!(world.items("WEBHOOK#evt_1").await, []);
    assert_eq!(world.notifications(&customer).await, []);

    assert_eq!(world.deliver(&good, body).await.status, 200);
    assert_eq!(world.items("WEBHOOK#evt_1").await.len(), 1);
    assert_eq!(world.notifications(&customer).await.len(), 1);
}

/// B2, V2: at once as well.
#[tokio::test]
async fn b2_a_webhook_is_kept_once_however_often_it_comes() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    let object = json!({ "id": "in_1", "object": "invoice", "customer": customer.id });
    let deliveries: Vec<_> = (0..8)
        .map(|_| {
            let (world, object) = (world.clone(), object.clone());
            tokio::spawn(async move { world.tell("evt_7", "invoice.paid", object).await.status })
        })
        .collect();
    for delivery in deliveries {
        assert_eq!(delivery.await.unwrap(), 200);
    }
    assert_eq!(world.tell("evt_7", "invoice.paid", object).await.status, 200);
    let told = world.notifications(&customer).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subject, person.user_id);
    assert_eq!(
        told[0].event,
        Event::BillingNotified {
            notification_id: "evt_7".to_owned(),
            notification_type: "invoice.paid".to_owned(),
            customer_id: customer.id.clone(),
            object_id: "in_1".to_owned(),
        }
    );
    let history = world.events(person.user_id).await;
    assert_eq!(history.len(), 1, "it is no part of anybody's history: {history:?}");
}

#[tokio::test]
async fn what_is_of_no_interest_is_kept_and_nothing_follows() {
    let world = world().await;
    let (_, customer) = world.customer().await;
    let object = |customer: &str| json!({ "id": "x_1", "object": "charge", "customer": customer });
    for (id, kind, object) in [
        ("evt_1", "charge.succeeded", object(&customer.id)),
        ("evt_2", "something.that.nobody.knows", object(&customer.id)),
        ("evt_3", "customer.subscription.updated", object("cus_of_somebody_else")),
        ("evt_4", "product.updated", json!({ "id": "prod_1", "object": "product" })),
        ("evt_5", "balance.available", json!({ "object": "balance", "customer": null })),
    ] {
        assert_eq!(world.tell(id, kind, object).await.status, 200, "{kind}");
        let kept = world.items(&format!("WEBHOOK#{id}")).await;
        assert_eq!(kept[0]["kind"].as_s().unwrap(), kind);
    }
    assert_eq!(world.notifications(&customer).await, []);
    // The customer is the object itself, or is told whole.
    let whole = json!({ "id": customer.id, "object": "customer" });
    world.tell("evt_6", "customer.deleted", whole.clone()).await;
    world.tell("evt_7", "invoice.paid", json!({ "id": "in_1", "customer": whole })).await;
    assert_eq!(world.notifications(&customer).await.len(), 2);
}

/// I3
#[tokio::test]
async fn i3_what_is_signed_and_no_event_is_refused() {
    let world = world().await;
    for body in ["", "[]", "{}", r#"{"id":5,"type":"x","data":{"object":{}}}"#, r#"{"id":"evt_1"}"#, "\u{0}"]
    {
        let signature = sign(SECRET, world.now().as_second(), body.as_bytes());
        let answer = world.deliver(&signature, body.to_owned()).await;
        assert_eq!((answer.status, answer.kind()), (StatusCode::BAD_REQUEST, "/problems/malformed-json"));
    }
    let long = "x".repeat((1 << 20) + 1);
    let signature = sign(SECRET, world.now().as_second(), long.as_bytes());
    assert_eq!(world.deliver(&signature, long).await.status, 413);
}

/// K2: nothing that is known of a payer is in an event, nor is what the provider says of it in an error.
#[tokio::test]
async fn k2_events_and_errors_carry_ids_and_amounts_and_nothing_else() {
    let world = world().await;
    let (person, customer) = world.customer().await;
    let mut object = json!({ "id": "in_1", "object": "invoice", "customer": customer.id });
    object["customer_email"] = "ada@example.com".into();
    object["hosted_invoice_url"] = "https://pay.example/secret".into();
    world.tell("evt_1", "invoice.paid", object).await;
    world.provider.ledger().subscribe(&customer.id, "price_pro_month", false);
    for event in world.notifications(&customer).await {
        world.sync.handle(event).await.unwrap();
    }
    let mut said = String::new();
    for pk in ["WEBHOOK#evt_1".to_owned(), format!("CUSTOMER#{}", customer.id)] {
        said.push_str(&format!("{:?}", world.items(&pk).await));
    }
    for event in world.events(person.user_id).await {
        said.push_str(&serde_json::to_string(&event).unwrap());
    }
    assert!(said.contains("invoice.paid") && said.contains("1200"), "{said}");
    // The provider refuses, in words that quote an address.
    let missing = world.sync.stripe.invoices("cus_1", Some("in_none"), 20).await.unwrap_err();
    let error = shared::error::Error::from(missing);
    said.push_str(&format!("{error:?} {}", shared::log::causes(&error)));
    assert!(said.contains("resource_missing"), "{said}");
    for secret in ["ada@", "secret", "sk_test_1", "whsec"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
}
