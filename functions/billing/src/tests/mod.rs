//! The functions against an embedded DynamoDB and a payment provider's ledger, in one process.

mod checkout;
mod deletion;
mod permutations;
mod provider;
mod routes;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use lambda_http::Service;
use serde_json::Value;
use shared::cached::Cached;
use shared::clock::{Clock, Random};
use shared::event::{Envelope, Event};
use shared::http::{Origin, edge};
use shared::id::{SessionId, UserId, WorkspaceId};
use shared::keys::{KeySet, Keys};
use shared::password::PasswordHash;
use shared::store::{SignUp, Store};
use shared::subscription::Customer;
use shared::token::{AccessClaims, Signer};
use shared::user::User;
use shared::workspace::{Membership, Role, Workspace};
use test_table::TestTable;

use crate::signature::tests::{SECRETS, sign};
use crate::{Billing, Stripe, Sync, WebhookSecrets, Webhooks, router, webhook_router};
use provider::Provider;

const ORIGIN: &str = "https://billion.example";
const SECRET: &str = "whsec_first_0123456789";

/// The key of RFC 8037, appendix A.
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"first",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// The functions, with a table and a provider of their own, and a clock that can be set.
#[derive(Clone)]
struct World {
    sync: Sync,
    routes: Router,
    webhook: Router,
    signer: Signer,
    provider: Provider,
    table: DynamoDb,
    millis: Arc<AtomicI64>,
}

/// Somebody who is signed in, and the workspace that is theirs.
#[derive(Clone)]
struct Person {
    user_id: UserId,
    workspace_id: WorkspaceId,
    token: String,
}

/// What a route answered.
#[derive(Debug, Clone, PartialEq)]
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn world() -> World {
    let table = TestTable::new().await.client;
    // It takes a millisecond to look at the clock, so that events have an order.
    let millis = Arc::new(AtomicI64::new(1_800_000_000_000));
    let clock = {
        let millis = Arc::clone(&millis);
        Clock::from_fn(move || Timestamp::from_millisecond(millis.fetch_add(1, Ordering::Relaxed)).unwrap())
    };
    let (provider, base) = Provider::start(1_800_000_000).await;
    let sync = Sync {
        store: Store::new(table.clone(), test_table::NAME),
        stripe: Stripe::at(&base, "sk_test_1", clock.clone()),
        clock: clock.clone(),
        random: Random::system(),
    };
    let keys = Keys::fixed(KeySet::parse(KEYS).unwrap());
    let signer = Signer::new(keys.clone(), ORIGIN, clock.clone());
    let billing = Billing {
        sync: sync.clone(),
        keys,
        verifier: signer.verifier().clone(),
        origin: Origin::new(ORIGIN),
    };
    let webhooks = Webhooks {
        store: sync.store.clone(),
        secrets: Cached::fixed(WebhookSecrets::parse(SECRETS).unwrap()),
        clock,
        random: Random::system(),
    };
    World {
        sync,
        routes: edge(router(billing)),
        webhook: edge(webhook_router(webhooks)),
        signer,
        provider,
        table,
        millis,
    }
}

impl World {
    fn now(&self) -> Timestamp {
        self.sync.clock.now()
    }

    fn pass(&self, seconds: i64) {
        self.millis.fetch_add(1000 * seconds, Ordering::Relaxed);
    }

    /// Somebody signs up and in.
    async fn person(&self) -> Person {
        let (now, random) = (self.now(), &self.sync.random);
        let user_id = UserId::new(now, random);
        let workspace_id = WorkspaceId::new(now, random);
        let name: shared::name::DisplayName = "Ada".parse().unwrap();
        let event = Event::UserSignedUp { workspace_id };
        let sign_up = SignUp {
            user: User {
                id: user_id,
                email: format!("{user_id}@example.com").parse().unwrap(),
                name: name.clone(),
                password_hash: serde_json::from_value::<PasswordHash>("x".into()).unwrap(),
                password_changes: 0,
                verified_at: Some(now),
                contested: false,
                first_signed_in_at: None,
                created_at: now,
                version: 0,
            },
            workspace: Workspace { id: workspace_id, name: name.clone(), created_at: now },
            membership: Membership {
                user_id,
                workspace_id,
                workspace_name: name,
                role: Role::Owner,
                created_at: now,
            },
            event: Envelope::new(user_id, event, now, random, None),
        };
        self.sync.store.sign_up(&sign_up).await.unwrap();
        let person = Person { user_id, workspace_id, token: String::new() };
        Person { token: self.token(&person).await, ..person }
    }

    /// A token of about now.
    async fn token(&self, person: &Person) -> String {
        let session_id = SessionId::new(self.now(), &self.sync.random);
        self.signer.sign(&AccessClaims { user_id: person.user_id, session_id }).await.unwrap()
    }

    /// A person whose workspace is a customer.
    async fn customer(&self) -> (Person, Customer) {
        let person = self.person().await;
        let id = self.provider.ledger().customer();
        let customer = Customer { id, workspace_id: person.workspace_id, owner_id: person.user_id };
        (person, self.sync.store.add_customer(customer, None).await.unwrap())
    }

    async fn send(
        &self,
        person: &Person,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Answered {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", person.token))
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        answered(&self.routes, request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn get(&self, person: &Person, path: &str) -> Answered {
        self.send(person, "GET", path, None, "").await
    }

    async fn check_out(&self, person: &Person, price: &str, key: Option<&str>) -> Answered {
        let body = serde_json::json!({ "price": price }).to_string();
        self.send(person, "POST", "/api/billing/checkout", key, &body).await
    }

    /// The provider tells, properly signed.
    async fn tell(&self, id: &str, kind: &str, object: Value) -> Answered {
        let event = serde_json::json!({ "id": id, "type": kind, "data": { "object": object } });
        let body = event.to_string();
        let signature = sign(SECRET, self.now().as_second(), body.as_bytes());
        self.deliver(&signature, body).await
    }

    async fn deliver(&self, signature: &str, body: String) -> Answered {
        let request = Request::builder()
            .method("POST")
            .uri("/api/billing/webhook")
            .header("stripe-signature", signature)
            .body(Body::from(body))
            .unwrap();
        answered(&self.webhook, request).await
    }

    /// The items of a partition.
    async fn items(&self, pk: &str) -> Vec<std::collections::HashMap<String, AttributeValue>> {
        let query = self.table.query().table_name(test_table::NAME).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        query.send().await.unwrap().items.unwrap_or_default()
    }

    /// What the provider told of a customer, as it is put on the bus.
    async fn notifications(&self, customer: &Customer) -> Vec<Envelope> {
        let items = self.items(&format!("CUSTOMER#{}", customer.id)).await.into_iter();
        let events = items.filter(|item| item["sk"].as_s().unwrap().starts_with("EVENT#"));
        events.map(|item| serde_dynamo::from_item(item).unwrap()).collect()
    }

    /// A user's events, oldest first.
    async fn events(&self, user: UserId) -> Vec<Event> {
        let mut events = Vec::new();
        let mut before = None;
        loop {
            let page = self.sync.store.activity(user, before, 100).await.unwrap();
            events.extend(page.events.into_iter().map(|event| event.event));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        events.reverse();
        events
    }
}

async fn answered(router: &Router, request: Request<Body>) -> Answered {
    let response = router.clone().call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Answered { status: parts.status, headers: parts.headers, body }
}

impl Answered {
    fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    fn url(&self) -> &str {
        assert_eq!(self.status, 201, "{self:?}");
        self.body["url"].as_str().unwrap()
    }
}
