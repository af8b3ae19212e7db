//! The whole function, against an embedded DynamoDB and a mail provider that does as it is told.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use mail_parser::MessageParser;
use shared::aws::{Aws, Endpoints, Service};
use shared::delivery::Failure::{BudgetSpent, GivenUp, Held, Unsent};
use shared::delivery::SendError;
use shared::email_address::EmailAddress;
use shared::event::{Event, PasswordChange};
use shared::id::{SessionId, UserId, WorkspaceId};
use shared::link::{LinkPurpose, LinkToken};
use shared::money::Money;
use shared::preference::Preferences;
use shared::store::SignUp;
use shared::trace::{self, TraceContext};
use shared::user::User;
use shared::workspace::{Membership, Role, Workspace};
use test_table::TestTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Failure::Undelivered;
use super::*;

const ORIGIN: &str = "https://app.example";
/// No token looks like it.
const NAME: &str = "Ada <b>";
const UNSUBSCRIBE_KEY: &str = "a key that is long enough for any";
const TRACEPARENT: &str = "00-6a5b4c3d0af7651916cd43dd8448eb21-00f067aa0ba902b7-01";

/// What the provider does with a message.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Accept,
    /// Status and code.
    Refuse(u16, &'static str),
    /// Accepts it, and the answer is lost.
    AcceptAndHangUp,
}

/// A call that reached the provider and was accepted.
#[derive(Debug, Clone)]
struct Sent {
    destinations: Vec<String>,
    tags: HashMap<String, String>,
    text: String,
    subject: String,
    /// `List-Unsubscribe` and `List-Unsubscribe-Post`.
    unsubscribe: [Option<String>; 2],
}

#[derive(Clone, Default)]
struct Provider {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Provider {
    async fn serve(self, listener: TcpListener) {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let provider = self.clone();
            tokio::spawn(async move { provider.talk(connection).await });
        }
    }

    async fn talk(&self, mut connection: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some(body) = read_request(&mut connection, &mut buffer).await else { return };
            let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Accept);
            let (status, xml) = match answer {
                Answer::Accept | Answer::AcceptAndHangUp => {
                    self.sent.lock().unwrap().push(Sent::read(&body));
                    let xml = "<SendRawEmailResponse><SendRawEmailResult><MessageId>1</MessageId>\
                        </SendRawEmailResult></SendRawEmailResponse>";
                    (200, xml.to_owned())
                }
                Answer::Refuse(status, code) => {
                    let xml = format!(
                        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                         <Message>Not ada@example.com</Message></Error></ErrorResponse>"
                    );
                    (status, xml)
                }
            };
            if matches!(answer, Answer::AcceptAndHangUp) {
                return;
            }
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
                xml.len()
            );
            connection.write_all((head + &xml).as_bytes()).await.unwrap();
        }
    }
}

async fn read_request(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or_default() {
                buffer.clear();
                return Some(body.to_owned());
            }
        }
        if connection.read_buf(buffer).await.unwrap_or_default() == 0 {
            return None;
        }
    }
}

impl Sent {
    fn read(body: &str) -> Self {
        let form: HashMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let members =
            |prefix: &str| (1..).map_while(|n| form.get(&format!("{prefix}.member.{n}")).cloned()).collect();
        let tags = (1..).map_while(|n| {
            let name = form.get(&format!("Tags.member.{n}.Name"))?;
            Some((name.clone(), form[&format!("Tags.member.{n}.Value")].clone()))
        });
        let raw = BASE64_STANDARD.decode(&form["RawMessage.Data"]).unwrap();
        let message = MessageParser::default().parse(&raw).unwrap();
        Self {
            destinations: members("Destinations"),
            tags: tags.collect(),
            text: message.body_text(0).unwrap().into_owned(),
            subject: message.subject().unwrap().to_owned(),
            unsubscribe: ["List-Unsubscribe", "List-Unsubscribe-Post"].map(|name| {
                message.header_raw(name).map(|value| value.split_whitespace().collect::<String>())
            }),
        }
    }

    /// The token of the link in the text.
    fn token(&self) -> LinkToken {
        let (_, rest) = self.text.split_once("#token=").unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }
}

struct World {
    email: Email,
    provider: Provider,
    seconds: Arc<AtomicI64>,
}

async fn world() -> World {
    let table = TestTable::new().await;
    let mail = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mail_url = format!("http://{}", mail.local_addr().unwrap());
    let services = vec![(Service::DynamoDb, table.url), (Service::Ses, mail_url)];
    let aws = Aws::new(
        "us-east-1".to_owned(),
        Credentials::from_keys("test", "test", None),
        Endpoints { services, all: None },
    );
    let provider = Provider::default();
    tokio::spawn(provider.clone().serve(mail));
    let seconds = Arc::new(AtomicI64::new(1_800_000_000));
    let clock = Arc::clone(&seconds);
    let sender: Sender = "Billion <hello@billion.example>".parse().unwrap();
    let email = Email {
        delivery: delivery(Store::connect(&aws, test_table::NAME), 1000, Random::system()),
        mailer: Mailer::new(&aws, &sender),
        sender,
        origin: ORIGIN.to_owned(),
        unsubscribe_key: Cached::fixed(secret_key::parse(UNSUBSCRIBE_KEY).unwrap()),
        clock: Clock::from_fn(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap()),
        random: Random::system(),
    };
    World { email, provider, seconds }
}

fn address(text: &str) -> EmailAddress {
    text.parse().unwrap()
}

impl World {
    fn now(&self) -> Timestamp {
        self.email.clock.now()
    }

    fn wait(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn event(&self, subject: UserId, event: Event) -> Envelope {
        Envelope::new(subject, event, self.now(), &self.email.random, Some(TRACEPARENT.to_owned()))
    }

    /// Somebody who signed up, and the event of it.
    async fn sign_up(&self, email: &str) -> Envelope {
        let (now, random) = (self.now(), &self.email.random);
        let (user_id, workspace_id) = (UserId::new(now, random), WorkspaceId::new(now, random));
        let name: shared::name::DisplayName = NAME.parse().unwrap();
        let event = self.event(user_id, Event::UserSignedUp { workspace_id });
        let sign_up = SignUp {
            user: User {
                id: user_id,
                email: address(email),
                name: name.clone(),
                password_hash: serde_json::from_value("hash".into()).unwrap(),
                password_changes: 0,
                verified_at: None,
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
            event: event.clone(),
        };
        self.email.store().sign_up(&sign_up).await.unwrap();
        event
    }

    /// Somebody whose address is verified.
    async fn verified(&self, email: &str) -> UserId {
        let event = self.sign_up(email).await;
        self.email.handle(&event).await.unwrap();
        let token = self.last().token();
        let verified = self.event(event.subject, Event::UserVerified {});
        self.email.store().verify_user(&token, self.now(), &verified).await.unwrap();
        self.provider.sent.lock().unwrap().clear();
        event.subject
    }

    async fn tell(&self, subject: UserId, event: Event) -> Result<(), Failure> {
        self.email.handle(&self.event(subject, event)).await
    }

    fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.provider.answers.lock().unwrap().extend(answers);
    }

    fn sent(&self) -> Vec<Sent> {
        self.provider.sent.lock().unwrap().clone()
    }

    fn last(&self) -> Sent {
        self.sent().pop().expect("a mail")
    }
}

fn session_started(world: &World, new_device: bool) -> Event {
    let session_id = SessionId::new(world.now(), &world.email.random);
    Event::SessionStarted { session_id, device: "Firefox on Linux".to_owned(), new_device }
}

/// A4 A5
#[tokio::test]
async fn a5_a_sign_up_gets_a_link_to_the_configured_origin_that_verifies() {
    let world = world().await;
    let event = world.sign_up("Ada@Example.com").await;
    let context = TraceContext::from_traceparent(TRACEPARENT).unwrap();
    trace::scope(context, world.email.handle(&event)).await.unwrap();
    let sent = world.last();
    assert_eq!(sent.destinations, ["Ada@example.com"]);
    assert_eq!(sent.subject, "Verify your email address");
    assert!(sent.text.contains(&format!("{ORIGIN}/verify#token=")), "{}", sent.text);
    assert!(
        !sent.text.contains(NAME),
        "no word of whoever signed up goes to an address that may be another's"
    );
    assert_eq!(sent.tags["kind"], "verification");
    assert_eq!(sent.tags["trace_id"], "6a5b4c3d0af7651916cd43dd8448eb21");
    let verified = world.event(event.subject, Event::UserVerified {});
    world.email.store().verify_user(&sent.token(), world.now(), &verified).await.unwrap();
}

/// A4
#[tokio::test]
async fn a4_a_newer_link_replaces_the_older() {
    let world = world().await;
    let event = world.sign_up("ada@example.com").await;
    world.email.handle(&event).await.unwrap();
    let older = world.last().token();
    world.tell(event.subject, Event::VerificationRequested {}).await.unwrap();
    let (newer, purpose, now) = (world.last().token(), LinkPurpose::Verification, world.now());
    assert!(world.email.store().open_link(&older, purpose, now).await.is_err());
    assert!(world.email.store().open_link(&newer, purpose, now).await.is_ok());
}

/// V2
#[tokio::test]
async fn v2_an_event_that_is_delivered_again_sends_nothing() {
    let world = world().await;
    let event = world.sign_up("ada@example.com").await;
    for _ in 0..3 {
        world.email.handle(&event).await.unwrap();
        world.wait(60);
    }
    assert_eq!(world.sent().len(), 1);
    let token = world.last().token();
    let link = world.email.store().open_link(&token, LinkPurpose::Verification, world.now()).await;
    assert!(link.is_ok(), "the link that was sent is still the one that counts");
}

/// V2
#[tokio::test]
async fn v2_of_deliveries_at_once_one_sends() {
    let world = world().await;
    let event = world.sign_up("ada@example.com").await;
    let deliveries = (0..8).map(|_| {
        let (email, event) = (world.email.clone(), event.clone());
        tokio::spawn(async move { email.handle(&event).await })
    });
    for delivery in deliveries.collect::<Vec<_>>() {
        let outcome = delivery.await.unwrap();
        assert!(matches!(outcome, Ok(()) | Err(Undelivered(Held))), "{outcome:?}");
    }
    assert_eq!(world.sent().len(), 1);
}

/// A10 N4
#[tokio::test]
async fn n4_what_was_certainly_refused_is_sent_however_often_it_takes() {
    let world = world().await;
    let event = world.sign_up("ada@example.com").await;
    let refusals = [Answer::Refuse(400, "Throttling"), Answer::Refuse(400, "MessageRejected")];
    world.will(refusals.into_iter().cycle().take(6));
    for _ in 0..6 {
        let failure = world.email.handle(&event).await.unwrap_err();
        assert!(matches!(failure, Undelivered(Unsent(SendError::Refused(_)))), "{failure}");
        assert!(!failure.to_string().contains('@'), "the provider's words name the address: {failure}");
    }
    world.email.handle(&event).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

/// N4
#[tokio::test]
async fn n4_what_may_have_been_sent_is_sent_once_more_at_most() {
    let world = world().await;
    let event = world.sign_up("ada@example.com").await;
    world.will([Answer::AcceptAndHangUp, Answer::AcceptAndHangUp]);
    let failure = world.email.handle(&event).await.unwrap_err();
    assert!(matches!(failure, Undelivered(Unsent(SendError::Unknown(_)))), "{failure}");
    assert!(
        matches!(world.email.handle(&event).await, Err(Undelivered(Held))),
        "the first may still be at it"
    );
    world.wait(30);
    assert!(matches!(world.email.handle(&event).await, Err(Undelivered(Unsent(SendError::Unknown(_))))));
    for _ in 0..3 {
        world.wait(30);
        assert!(matches!(world.email.handle(&event).await, Err(Undelivered(GivenUp))));
    }
    assert_eq!(world.sent().len(), 2);
}

#[tokio::test]
async fn an_answer_of_5xx_says_nothing_and_one_of_4xx_says_no() {
    let world = world().await;
    let event = world.sign_up("ada@example.com").await;
    world.will([Answer::Refuse(500, "InternalFailure"), Answer::Refuse(403, "AccessDenied")]);
    assert!(matches!(world.email.handle(&event).await, Err(Undelivered(Unsent(SendError::Unknown(_))))));
    world.wait(30);
    assert!(matches!(world.email.handle(&event).await, Err(Undelivered(Unsent(SendError::Refused(_))))));
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_has_certainly_taken_nothing() {
    let mut world = world().await;
    let event = world.sign_up("ada@example.com").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let services = vec![(Service::Ses, format!("http://{closed}"))];
    let endpoints = Endpoints { services, all: None };
    let aws = Aws::new("us-east-1".to_owned(), Credentials::from_keys("test", "test", None), endpoints);
    let reachable = std::mem::replace(&mut world.email.mailer, Mailer::new(&aws, &world.email.sender));
    let failure = world.email.handle(&event).await.unwrap_err();
    assert!(matches!(failure, Undelivered(Unsent(SendError::Refused(_)))), "{failure}");
    world.email.mailer = reachable;
    world.email.handle(&event).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn who_verified_meanwhile_is_not_asked_to() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    world.tell(user, Event::VerificationRequested {}).await.unwrap();
    assert!(world.sent().is_empty());
    let nobody = UserId::new(world.now(), &world.email.random);
    world.tell(nobody, Event::PasswordResetRequested { password_changes: 0 }).await.unwrap();
    assert!(world.sent().is_empty());
}

/// A6
#[tokio::test]
async fn a6_a_sign_up_that_is_repeated_before_it_was_verified_ends_with_a_new_password() {
    let world = world().await;
    let event = world.sign_up("ada@example.com").await;
    let repeated = world.event(event.subject, Event::SignUpRepeated {});
    world.email.store().contest_sign_up(event.subject, &repeated).await.unwrap();
    // Late, the mail of the first sign-up has nothing more to say.
    world.email.handle(&event).await.unwrap();
    assert!(world.sent().is_empty());
    world.email.handle(&repeated).await.unwrap();
    let sent = world.last();
    assert_eq!(sent.tags["kind"], "finish_signing_up");
    assert!(sent.text.contains(&format!("{ORIGIN}/reset#token=")));
    let link = world.email.store().open_link(&sent.token(), LinkPurpose::PasswordReset, world.now()).await;
    assert!(link.is_ok());
}

#[tokio::test]
async fn a_sign_up_with_an_address_that_has_an_account_gets_no_link_that_does_anything() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    world.tell(user, Event::SignUpRepeated {}).await.unwrap();
    assert_eq!(world.last().tags["kind"], "already_have_an_account");
    assert!(!world.last().text.contains("token"));
}

/// A8
#[tokio::test]
async fn a8_a_new_address_is_asked_and_the_old_one_is_told() {
    let world = world().await;
    let user = world.verified("old@example.com").await;
    let asked = world.event(user, Event::EmailChangeRequested { password_changes: 0 });
    world.email.store().request_email_change(&address("new@example.com"), &asked).await.unwrap();
    world.email.handle(&asked).await.unwrap();
    let sent = world.last();
    assert_eq!(sent.destinations, ["new@example.com"]);
    assert!(sent.text.contains(&format!("{ORIGIN}/confirm-email#token=")));
    assert!(!sent.text.contains(NAME) && !sent.text.contains("old@"));
    let changed = world.event(user, Event::EmailChanged {});
    world.email.store().change_email(&sent.token(), world.now(), &changed).await.unwrap();
    world.email.handle(&changed).await.unwrap();
    assert_eq!(world.last().destinations, ["old@example.com"]);
    assert_eq!(world.last().tags["kind"], "email_changed");
    // Late, the question has nobody to ask.
    let count = world.sent().len();
    world.tell(user, Event::EmailChangeRequested { password_changes: 0 }).await.unwrap();
    assert_eq!(world.sent().len(), count);
}

/// A6: however late the mailer is.
#[tokio::test]
async fn a6_what_was_asked_for_under_a_former_password_is_not_mailed() {
    let world = world().await;
    let id = world.verified("ada@example.com").await;
    let store = world.email.store();
    let user = store.user(id).await.unwrap().unwrap();
    let moves = world.event(id, Event::EmailChangeRequested { password_changes: 0 });
    store.request_email_change(&address("thief@example.com"), &moves).await.unwrap();
    let resets = world.event(id, Event::PasswordResetRequested { password_changes: 0 });
    let changed = world.event(id, Event::PasswordChanged { by: PasswordChange::Change });
    let (now, keep) = (world.now(), SessionId::new(world.now(), &world.email.random));
    let hash = serde_json::from_value("another".into()).unwrap();
    store.change_password(&user, keep, &hash, now, &changed).await.unwrap();
    for event in [&moves, &resets] {
        world.email.handle(event).await.unwrap();
    }
    assert_eq!(world.sent().len(), 0);
    world.tell(id, Event::PasswordResetRequested { password_changes: 1 }).await.unwrap();
    assert_eq!(world.last().tags["kind"], "password_reset");
}

/// A9: the account's address, which is nobody's any more; and nothing else is sent to whoever is gone.
#[tokio::test]
async fn a9_the_last_mail_goes_to_the_address_of_the_deleted_account() {
    let world = world().await;
    let id = world.verified("ada@example.com").await;
    let user = world.email.store().user(id).await.unwrap().unwrap();
    let deleted = world.event(id, Event::UserDeleted {});
    let of_workspace = |workspace_id| world.event(id, Event::WorkspaceDeleted { workspace_id });
    world.email.store().delete_user(&user, &deleted, of_workspace).await.unwrap();
    let count = world.sent().len();
    for _ in 0..2 {
        world.email.handle(&deleted).await.unwrap();
    }
    let workspace_id = WorkspaceId::new(world.now(), &Random::system());
    world.tell(id, Event::SubscriptionEnded { workspace_id }).await.unwrap();
    world.tell(id, Event::PasswordResetRequested { password_changes: 0 }).await.unwrap();
    assert_eq!(world.sent().len(), count + 1);
    assert_eq!(world.last().destinations, ["ada@example.com"]);
    assert_eq!(world.last().tags["kind"], "account_deleted");
    assert!(!world.last().text.contains(NAME));
}

/// E1
#[tokio::test]
async fn e1_that_a_new_address_is_taken_is_told_to_that_address_only() {
    let world = world().await;
    world.verified("taken@example.com").await;
    let user = world.verified("ada@example.com").await;
    let asked = world.event(user, Event::EmailChangeRequested { password_changes: 0 });
    world.email.store().request_email_change(&address("Taken@example.com"), &asked).await.unwrap();
    world.email.handle(&asked).await.unwrap();
    let sent = world.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].destinations, ["Taken@example.com"]);
    assert_eq!(sent[0].tags["kind"], "email_taken");
    assert!(!sent[0].text.contains("token"));
}

#[tokio::test]
async fn what_has_happened_to_an_account_is_told_to_its_owner() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    for (event, kind) in [
        (Event::UserVerified {}, "welcome"),
        (Event::PasswordChanged { by: PasswordChange::Change }, "password_changed"),
        (Event::PasswordResetRequested { password_changes: 0 }, "password_reset"),
        (session_started(&world, true), "new_device"),
    ] {
        world.tell(user, event).await.unwrap();
        assert_eq!(world.last().tags["kind"], kind);
        assert_eq!(world.last().destinations, ["ada@example.com"]);
    }
    assert_eq!(world.sent().len(), 4);
    for event in [session_started(&world, false), Event::UserRenamed {}] {
        world.tell(user, event).await.unwrap();
    }
    assert_eq!(world.sent().len(), 4);
}

/// E4
#[tokio::test]
async fn e4_an_address_gets_so_many_of_a_mail_in_an_hour_and_no_kind_uses_up_another() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    for _ in 0..MAIL_SENT_TO_ADDRESS.max + 5 {
        world.tell(user, session_started(&world, true)).await.unwrap();
    }
    assert_eq!(world.sent().len(), MAIL_SENT_TO_ADDRESS.max as usize);
    world.tell(user, Event::PasswordChanged { by: PasswordChange::Change }).await.unwrap();
    assert_eq!(world.last().tags["kind"], "password_changed");
    world.wait(60 * 60);
    world.tell(user, session_started(&world, true)).await.unwrap();
    assert_eq!(world.last().tags["kind"], "new_device");
}

/// E4
#[tokio::test]
async fn e4_past_the_overall_budget_mail_waits_in_the_queue() {
    let mut world = world().await;
    let users = [world.verified("ada@example.com").await, world.verified("bob@example.com").await];
    world.wait(60 * 60);
    world.email.delivery.overall.max = 3;
    for _ in 0..3 {
        world.tell(users[0], session_started(&world, true)).await.unwrap();
    }
    let event = world.event(users[1], session_started(&world, true));
    for _ in 0..3 {
        assert!(matches!(world.email.handle(&event).await, Err(Undelivered(BudgetSpent))));
    }
    assert_eq!(world.sent().len(), 3);
    world.wait(60 * 60);
    world.email.handle(&event).await.unwrap();
    assert_eq!(world.last().destinations, ["bob@example.com"]);
}

/// E4
#[tokio::test]
async fn e4_what_was_not_sent_uses_up_no_budget() {
    let mut world = world().await;
    let user = world.verified("ada@example.com").await;
    world.wait(60 * 60);
    world.email.delivery.overall.max = 1;
    let event = world.event(user, session_started(&world, true));
    world.will([Answer::Refuse(400, "Throttling"); 3]);
    for _ in 0..3 {
        assert!(matches!(world.email.handle(&event).await, Err(Undelivered(Unsent(_)))));
    }
    world.email.handle(&event).await.unwrap();
    // Done, it needs no budget to be delivered again.
    world.email.handle(&event).await.unwrap();
    assert_eq!(world.sent().len(), 1);
}

/// What became of money is told whatever the user chose; what became of a subscription and of the app, unless they ended it.
#[tokio::test]
async fn s2_receipts_failed_payments_and_warnings_are_always_mailed_and_the_rest_by_preference() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let workspace_id = WorkspaceId::new(world.now(), &world.email.random);
    let amount = Money { minor_units: 1200, currency: "usd".parse().unwrap() };
    let invoice_id = "in_1".to_owned();
    let at = world.now();
    let always = || {
        [
            (Event::InvoicePaid { workspace_id, invoice_id: invoice_id.clone(), amount }, "receipt"),
            (
                Event::PaymentFailed {
                    workspace_id,
                    invoice_id: invoice_id.clone(),
                    amount,
                    next_attempt_at: Some(at),
                },
                "payment_failed",
            ),
            (Event::PhoneAdded {}, "phone_added"),
            (Event::PhoneRemoved {}, "phone_removed"),
        ]
    };
    let plan = shared::plan::Plan::Pro;
    let optional = || {
        [
            (Event::SubscriptionStarted { workspace_id, plan, trial: true }, "subscription_started"),
            (Event::SubscriptionChanged { workspace_id, plan, ends_at: None }, "subscription_changed"),
            (Event::SubscriptionEnded { workspace_id }, "subscription_ended"),
            (Event::TrialEnding { workspace_id, ends_at: at }, "trial_ending"),
            (Event::UserVerified {}, "welcome"),
        ]
    };
    for (event, kind) in always() {
        world.tell(user, event).await.unwrap();
        assert_eq!(world.last().tags["kind"], kind);
        assert_eq!(world.last().unsubscribe, [None, None], "{kind}");
    }
    for (event, kind) in optional() {
        world.tell(user, event).await.unwrap();
        let sent = world.last();
        assert_eq!(sent.tags["kind"], kind);
        let [Some(list), Some(post)] = sent.unsubscribe else { panic!("{kind} has no one-click") };
        assert_eq!(post, "List-Unsubscribe=One-Click");
        let token = list.strip_prefix(&format!("<{ORIGIN}/api/unsubscribe?token=")).unwrap();
        let token: UnsubscribeToken = token.strip_suffix('>').unwrap().parse().unwrap();
        let (whose, _) = token.verify(&secret_key::parse(UNSUBSCRIBE_KEY).unwrap()).unwrap();
        assert_eq!(whose, user);
        assert!(sent.text.contains(&format!("{ORIGIN}/unsubscribe#token={token}")), "{}", sent.text);
    }
    assert_eq!(world.sent().len(), 9);
    let none = Preferences { billing_mail: false, product_mail: false, ..Preferences::default() };
    let chosen = world.event(user, Event::PreferencesChanged {});
    world.email.store().set_preferences(none, &chosen).await.unwrap();
    for (event, _) in optional() {
        world.tell(user, event).await.unwrap();
    }
    assert_eq!(world.sent().len(), 9);
    for (event, _) in always() {
        world.tell(user, event).await.unwrap();
    }
    assert_eq!(world.sent().len(), 13);
    // A trial begins with an invoice of nothing.
    let nothing = Money { minor_units: 0, ..amount };
    world.tell(user, Event::InvoicePaid { workspace_id, invoice_id, amount: nothing }).await.unwrap();
    assert_eq!(world.sent().len(), 13);
}

/// The events of money and of phones, each with the mail it calls for.
fn of_money_and_phones(world: &World) -> Vec<(Event, &'static str)> {
    let (at, plan) = (world.now(), shared::plan::Plan::Pro);
    let workspace_id = WorkspaceId::new(at, &world.email.random);
    let amount = Money { minor_units: 1200, currency: "usd".parse().unwrap() };
    let invoice_id = "in_1".to_owned();
    let next_attempt_at = Some(at);
    vec![
        (Event::InvoicePaid { workspace_id, invoice_id: invoice_id.clone(), amount }, "receipt"),
        (Event::PaymentFailed { workspace_id, invoice_id, amount, next_attempt_at }, "payment_failed"),
        (Event::SubscriptionStarted { workspace_id, plan, trial: false }, "subscription_started"),
        (Event::SubscriptionChanged { workspace_id, plan, ends_at: Some(at) }, "subscription_changed"),
        (Event::TrialEnding { workspace_id, ends_at: at }, "trial_ending"),
        (Event::SubscriptionEnded { workspace_id }, "subscription_ended"),
        (Event::PhoneAdded {}, "phone_added"),
        (Event::PhoneRemoved {}, "phone_removed"),
    ]
}

/// V2: each of them, at once and again, in any order.
#[tokio::test]
async fn v2_what_is_told_of_money_and_phones_is_mailed_once_however_it_is_delivered() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let (events, kinds): (Vec<_>, Vec<_>) =
        of_money_and_phones(&world).into_iter().map(|(event, kind)| (world.event(user, event), kind)).unzip();
    let at_once = events.iter().rev().chain(&events).chain(&events).map(|event| {
        let (email, event) = (world.email.clone(), event.clone());
        tokio::spawn(async move { email.handle(&event).await })
    });
    for delivery in at_once.collect::<Vec<_>>() {
        let outcome = delivery.await.unwrap();
        assert!(matches!(outcome, Ok(()) | Err(Undelivered(Held))), "{outcome:?}");
    }
    world.wait(60);
    for event in events.iter().rev() {
        world.email.handle(event).await.unwrap();
    }
    let sent: Vec<_> = world.sent().into_iter().map(|sent| sent.tags["kind"].clone()).collect();
    for kind in &kinds {
        assert_eq!(sent.iter().filter(|sent| sent == kind).count(), 1, "{kind} in {sent:?}");
    }
    assert_eq!(sent.len(), kinds.len(), "{sent:?}");
}

/// N4: each of them, when the answer is lost.
#[tokio::test]
async fn n4_what_is_told_of_money_and_phones_is_mailed_once_more_at_most() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    for (event, kind) in of_money_and_phones(&world) {
        let event = world.event(user, event);
        world.will([Answer::AcceptAndHangUp]);
        let failure = world.email.handle(&event).await.unwrap_err();
        assert!(matches!(failure, Undelivered(Unsent(SendError::Unknown(_)))), "{kind}: {failure}");
        world.wait(30);
        for _ in 0..3 {
            world.email.handle(&event).await.unwrap();
        }
        let sent = world.sent().into_iter().filter(|sent| sent.tags["kind"] == kind);
        assert_eq!(sent.count(), 2, "{kind}");
    }
}
