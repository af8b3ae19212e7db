//! The three functions against an embedded DynamoDB and a provider that does as it is told.

mod inbound;
mod notifier;
mod provider;
mod routes;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_credential_types::Credentials;
use jiff::Timestamp;
use shared::aws::{Aws, Endpoints, Service};
use shared::cached::Cached;
use shared::clock::{Clock, Random};
use shared::delivery::{Delivery, Failure, overall};
use shared::event::{Envelope, Event};
use shared::http::Origin;
use shared::id::{UserId, WorkspaceId};
use shared::keys::{KeySet, Keys};
use shared::limit::TEXT_SENT_TO_NUMBER;
use shared::link::{Link, LinkPurpose, LinkToken};
use shared::phone::{CODE_LIFE, PhoneRequest};
use shared::phone_number::PhoneNumber;
use shared::secret_key;
use shared::store::{Minted, SignUp, Store};
use shared::token::Signer;
use shared::user::User;
use shared::workspace::{Membership, Role, Workspace};
use test_table::TestTable;
use tokio::net::TcpListener;

use self::provider::{Provider, Sent};
use crate::Texter;
use crate::inbound::Inbound;
use crate::notifier::Notifier;
use crate::routes::Sms;

const ORIGIN: &str = "https://app.example";
const ADA: &str = "+4915112345678";
const BOB: &str = "+4915787654321";

/// The key of RFC 8037, appendix A.
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"first",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

struct World {
    sms: Sms,
    notifier: Notifier,
    inbound: Inbound,
    signer: Signer,
    provider: Provider,
    millis: Arc<AtomicI64>,
    aws: Aws,
}

async fn world() -> World {
    let table = TestTable::new().await;
    let texts = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let texts_url = format!("http://{}", texts.local_addr().unwrap());
    let services = vec![(Service::DynamoDb, table.url), (Service::Sns, texts_url)];
    let credentials = Credentials::from_keys("test", "test", None);
    let aws = Aws::new("us-east-1".to_owned(), credentials, Endpoints { services, all: None });
    let provider = Provider::default();
    tokio::spawn(provider.clone().serve(texts));

    // It takes a millisecond to look at the clock, so that events have an order.
    let millis = Arc::new(AtomicI64::new(1_800_000_000_000));
    let clock = {
        let millis = Arc::clone(&millis);
        Clock::from_fn(move || Timestamp::from_millisecond(millis.fetch_add(1, Ordering::Relaxed)).unwrap())
    };
    let (store, random) = (Store::connect(&aws, test_table::NAME), Random::system());
    let keys = Keys::fixed(KeySet::parse(KEYS).unwrap());
    let signer = Signer::new(keys.clone(), ORIGIN, clock.clone());
    let code_key = Cached::fixed(secret_key::parse("a key that is long enough for any").unwrap());
    let delivery = |consumer| Delivery {
        store: store.clone(),
        consumer,
        per_recipient: TEXT_SENT_TO_NUMBER,
        overall: overall("text_sent.all", 1000),
        random: random.clone(),
    };
    World {
        sms: Sms {
            store: store.clone(),
            keys,
            verifier: signer.verifier().clone(),
            code_key: code_key.clone(),
            origin: Origin::new(ORIGIN),
            countries: "DE,GB,US".parse().unwrap(),
            codes: overall("code.all", 300),
            codes_to_country: overall("code.country", 100),
            clock: clock.clone(),
            random: random.clone(),
        },
        notifier: Notifier {
            delivery: delivery("sms-notifier"),
            texter: Texter::new(&aws),
            code_key,
            app: "Billion".to_owned(),
            origin: ORIGIN.to_owned(),
            countries: "DE,GB,US".parse().unwrap(),
            clock: clock.clone(),
            random: random.clone(),
        },
        inbound: Inbound {
            delivery: delivery("sms-inbound"),
            texter: Texter::new(&aws),
            app: "Billion".to_owned(),
            origin: ORIGIN.to_owned(),
            clock,
            random: random.clone(),
        },
        signer,
        provider,
        millis,
        aws,
    }
}

fn number(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

impl World {
    fn now(&self) -> Timestamp {
        self.sms.clock.now()
    }

    fn pass(&self, seconds: i64) {
        self.millis.fetch_add(1000 * seconds, Ordering::Relaxed);
    }

    fn store(&self) -> &Store {
        &self.sms.store
    }

    fn event(&self, subject: UserId, event: Event) -> Envelope {
        Envelope::new(subject, event, self.now(), &self.sms.random, None)
    }

    async fn tell(&self, subject: UserId, event: Event) -> Result<(), Failure> {
        self.notifier.handle(&self.event(subject, event)).await
    }

    fn sent(&self) -> Vec<Sent> {
        self.provider.sent()
    }

    /// Somebody who has signed up, and not verified their address.
    async fn unverified(&self, name: &str) -> UserId {
        let (now, random) = (self.now(), &self.sms.random);
        let (user_id, workspace_id) = (UserId::new(now, random), WorkspaceId::new(now, random));
        let display: shared::name::DisplayName = name.parse().unwrap();
        let sign_up = SignUp {
            user: User {
                id: user_id,
                email: format!("{name}@example.com").parse().unwrap(),
                name: display.clone(),
                password_hash: serde_json::from_value("hash".into()).unwrap(),
                password_changes: 0,
                verified_at: None,
                contested: false,
                first_signed_in_at: None,
                created_at: now,
                version: 0,
            },
            workspace: Workspace { id: workspace_id, name: display.clone(), created_at: now },
            membership: Membership {
                user_id,
                workspace_id,
                workspace_name: display,
                role: Role::Owner,
                created_at: now,
            },
            event: self.event(user_id, Event::UserSignedUp { workspace_id }),
        };
        self.store().sign_up(&sign_up).await.unwrap();
        user_id
    }

    /// Somebody whose address is verified.
    async fn user(&self, name: &str) -> UserId {
        let user_id = self.unverified(name).await;
        let token = LinkToken::new(user_id, &self.sms.random);
        let purpose = LinkPurpose::Verification;
        let link = Link {
            user_id,
            purpose,
            hash: token.hash(purpose),
            email: format!("{name}@example.com").parse().unwrap(),
            password_changes: 0,
            dies_at: self.now() + purpose.life(),
        };
        let event = self.event(user_id, Event::VerificationRequested {});
        let lease = (self.now(), self.now());
        let minted = Minted::Link(&link);
        self.store().claim("email", event.id, lease, 1, minted, &self.sms.random).await.unwrap();
        let verified = self.event(user_id, Event::UserVerified {});
        self.store().verify_user(&token, self.now(), &verified).await.unwrap();
        user_id
    }

    /// Asks for a code past the limits of the HTTP function, and gives the event that asks for it.
    async fn request(&self, user: UserId, to: &str) -> Envelope {
        let event = self.event(user, Event::PhoneVerificationRequested {});
        let request = PhoneRequest {
            number: number(to),
            country: "DE".parse().unwrap(),
            event_id: event.id,
            asked_at: event.time,
            dies_at: event.time + CODE_LIFE,
            code_hash: None,
            tries: 0,
        };
        self.store().request_phone(&request, &event).await.unwrap();
        event
    }

    /// Somebody who has shown that this number is theirs.
    async fn with_phone(&self, name: &str, to: &str) -> UserId {
        let user = self.user(name).await;
        self.add_phone(user, to).await;
        user
    }

    async fn add_phone(&self, user: UserId, to: &str) {
        let event = self.request(user, to).await;
        self.notifier.handle(&event).await.unwrap();
        let code = self.sent().pop().unwrap().code();
        assert_eq!(self.confirm(user, &code).await, 204);
        self.provider.forget();
    }

    /// The types of a user's events, newest first.
    async fn events(&self, user: UserId) -> Vec<&'static str> {
        let page = self.store().activity(user, None, 100).await.unwrap();
        page.events.iter().map(|event| event.event.kind()).collect()
    }
}
