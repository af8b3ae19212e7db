//! The store against an embedded DynamoDB, through the SDK and over the wire.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use test_table::TestTable;

use super::*;
use crate::clock::Random;
use crate::email_address::EmailAddress;
use crate::error::Error;
use crate::event::{Envelope, Event, PasswordChange};
use crate::id::{SessionId, UserId, WorkspaceId};
use crate::limit::Limit;
use crate::link::{Link, LinkPurpose, LinkToken};
use crate::password::PasswordHash;
use crate::phone::{CODE_LIFE, PhoneCode, PhoneRequest};
use crate::phone_number::PhoneNumber;
use crate::session::{Refreshed, SESSION_LIFE, Session, SessionEnd};
use crate::subscription::Customer;
use crate::user::User;
use crate::workspace::{Membership, Role, Workspace};

/// A table of its own for each test, and people in it.
struct World {
    store: Store,
    random: Random,
    now: Timestamp,
}

async fn world() -> World {
    let now = "2026-11-23T10:00:00.123Z".parse().unwrap();
    let table = TestTable::new().await;
    World { store: Store::new(table.client, test_table::NAME), random: Random::system(), now }
}

fn hash(text: &str) -> PasswordHash {
    serde_json::from_value(text.into()).unwrap()
}

fn address(text: &str) -> EmailAddress {
    text.parse().unwrap()
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now + SignedDuration::from_secs(seconds)
}

impl World {
    fn event(&self, subject: UserId, event: Event) -> Envelope {
        Envelope::new(subject, event, self.now, &self.random, None)
    }

    fn sign_up_of(&self, email: &str) -> SignUp {
        let user_id = UserId::new(self.now, &self.random);
        let workspace_id = WorkspaceId::new(self.now, &self.random);
        let name = "Ada".parse().unwrap();
        let workspace = Workspace { id: workspace_id, name, created_at: self.now };
        SignUp {
            user: User {
                id: user_id,
                email: address(email),
                name: "Ada".parse().unwrap(),
                password_hash: hash("first"),
                password_changes: 0,
                verified_at: None,
                contested: false,
                first_signed_in_at: None,
                created_at: self.now,
                version: 0,
            },
            membership: Membership {
                user_id,
                workspace_id,
                workspace_name: workspace.name.clone(),
                role: Role::Owner,
                created_at: self.now,
            },
            workspace,
            event: self.event(user_id, Event::UserSignedUp { workspace_id }),
        }
    }

    /// A link as the mailer mints it.
    async fn link(&self, user: UserId, purpose: LinkPurpose, email: &str) -> LinkToken {
        let token = LinkToken::new(user, &self.random);
        let dies_at = self.now + purpose.life();
        let password_changes = self.store.user(user).await.unwrap().map_or(0, |user| user.password_changes);
        let link = Link {
            user_id: user,
            purpose,
            hash: token.hash(purpose),
            email: address(email),
            password_changes,
            dies_at,
        };
        let event = self.event(user, Event::VerificationRequested {});
        let lease = (self.now, after(self.now, 10));
        let claim =
            self.store.claim("email", event.id, lease, 2, Minted::Link(&link), &self.random).await.unwrap();
        assert!(matches!(claim, Claim::Won { .. }));
        token
    }

    async fn verified(&self, email: &str) -> User {
        let sign_up = self.sign_up_of(email);
        let id = sign_up.user.id;
        self.store.sign_up(&sign_up).await.unwrap();
        let token = self.link(id, LinkPurpose::Verification, email).await;
        self.store.verify_user(&token, self.now, &self.event(id, Event::UserVerified {})).await.unwrap();
        self.store.user(id).await.unwrap().unwrap()
    }

    fn session_of(&self, user: &User) -> (Session, Envelope) {
        let id = SessionId::new(self.now, &self.random);
        let device = "Firefox on Linux".to_owned();
        let session = Session {
            id,
            user_id: user.id,
            device: device.clone(),
            generation: 0,
            refreshed_at: self.now,
            created_at: self.now,
        };
        (session, self.event(user.id, Event::SessionStarted { session_id: id, device, new_device: false }))
    }

    async fn signed_in(&self, user: &User) -> Session {
        let (session, event) = self.session_of(user);
        self.store.start_session(user, &session, None, &event).await.unwrap();
        session
    }

    async fn refresh(&self, session: &Session, generation: u64, now: Timestamp) -> Refreshed {
        let event = self.replayed(session);
        self.store.refresh_session(session.user_id, session.id, generation, now, &event).await.unwrap()
    }

    fn replayed(&self, session: &Session) -> Envelope {
        self.event(
            session.user_id,
            Event::SessionEnded { session_id: session.id, reason: SessionEnd::Replayed },
        )
    }

    async fn history(&self, user: UserId) -> Vec<&'static str> {
        let activity = self.store.activity(user, None, 100).await.unwrap();
        let mut kinds: Vec<_> = activity.events.iter().map(|event| event.event.kind()).collect();
        kinds.sort_unstable();
        kinds
    }
}

/// V1
#[tokio::test]
async fn v1_a_sign_up_is_stored_with_its_event_or_not_at_all() {
    let world = world().await;
    let first = world.sign_up_of("ada@example.com");
    let second = world.sign_up_of("ADA@example.com");
    world.store.sign_up(&first).await.unwrap();
    assert!(matches!(world.store.sign_up(&second).await, Err(Error::Conflict)));

    assert_eq!(world.history(first.user.id).await, ["user.signed_up"]);
    assert!(world.store.user(second.user.id).await.unwrap().is_none());
    assert!(world.history(second.user.id).await.is_empty());
    let (user, memberships) = world.store.user_with_memberships(first.user.id).await.unwrap().unwrap();
    assert_eq!((user.id, memberships.len(), memberships[0].role), (first.user.id, 1, Role::Owner));
}

/// A9
#[tokio::test]
async fn a9_of_many_sign_ups_at_once_with_one_address_one_wins() {
    let world = world().await;
    let sign_ups: Vec<_> = ["ada@example.com", "Ada@example.com", "ADA@EXAMPLE.COM", "aDa@example.com"]
        .iter()
        .cycle()
        .take(16)
        .map(|email| world.sign_up_of(email))
        .collect();
    let tasks: Vec<_> = sign_ups
        .into_iter()
        .map(|sign_up| {
            let store = world.store.clone();
            tokio::spawn(async move { store.sign_up(&sign_up).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(matches!(error, Error::Conflict), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
}

/// A4, N6
#[tokio::test]
async fn n6_a_link_is_spent_once_however_many_try_at_once() {
    let world = world().await;
    let sign_up = world.sign_up_of("ada@example.com");
    let id = sign_up.user.id;
    world.store.sign_up(&sign_up).await.unwrap();
    let token = world.link(id, LinkPurpose::Verification, "ada@example.com").await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (store, token) = (world.store.clone(), token.clone());
            let (now, event) = (world.now, world.event(id, Event::UserVerified {}));
            tokio::spawn(async move { store.verify_user(&token, now, &event).await })
        })
        .collect();
    let mut spent = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => spent += 1,
            Err(error) => assert!(matches!(error, Error::InvalidLink), "{error:?}"),
        }
    }
    assert_eq!(spent, 1);
    assert_eq!(world.history(id).await, ["user.signed_up", "user.verified"]);
}

/// A4
#[tokio::test]
async fn a4_a_link_dies_with_time_with_a_newer_one_and_for_any_other_purpose() {
    let world = world().await;
    let sign_up = world.sign_up_of("ada@example.com");
    let id = sign_up.user.id;
    world.store.sign_up(&sign_up).await.unwrap();
    let older = world.link(id, LinkPurpose::Verification, "ada@example.com").await;
    let newer = world.link(id, LinkPurpose::Verification, "ada@example.com").await;
    let verify = async |token: &LinkToken, now| {
        world.store.verify_user(token, now, &world.event(id, Event::UserVerified {})).await
    };
    assert!(matches!(verify(&older, world.now).await, Err(Error::InvalidLink)));
    let a_day_later = world.now + LinkPurpose::Verification.life();
    assert!(matches!(verify(&newer, a_day_later).await, Err(Error::InvalidLink)));
    let reset = world.store.reset_password(&newer, &hash("new"), world.now, |_| Vec::new()).await;
    assert!(matches!(reset, Err(Error::InvalidLink)));
    verify(&newer, world.now).await.unwrap();

    let nobody = LinkToken::new(UserId::new(world.now, &world.random), &world.random);
    assert!(matches!(verify(&nobody, world.now).await, Err(Error::InvalidLink)));
    assert!(world.store.user(nobody.user_id()).await.unwrap().is_none());
}

/// A6
#[tokio::test]
async fn a6_a_contested_sign_up_is_settled_by_the_inbox_alone() {
    let world = world().await;
    let sign_up = world.sign_up_of("ada@example.com");
    let id = sign_up.user.id;
    world.store.sign_up(&sign_up).await.unwrap();
    let squatters = world.link(id, LinkPurpose::Verification, "ada@example.com").await;
    world.store.contest_sign_up(id, &world.event(id, Event::SignUpRepeated {})).await.unwrap();
    let verified =
        world.store.verify_user(&squatters, world.now, &world.event(id, Event::UserVerified {})).await;
    assert!(matches!(verified, Err(Error::InvalidLink)));

    let owners = world.link(id, LinkPurpose::PasswordReset, "ada@example.com").await;
    world
        .store
        .reset_password(&owners, &hash("owners"), world.now, |before| {
            assert!(before.contested);
            vec![world.event(id, Event::PasswordChanged { by: PasswordChange::Reset })]
        })
        .await
        .unwrap();
    let user = world.store.user(id).await.unwrap().unwrap();
    assert!(user.is_verified() && !user.contested && user.password_hash == hash("owners"));
    assert!(world.store.is_taken(&user.email.key()).await.unwrap());
}

/// A6
#[tokio::test]
async fn a6_a_new_password_ends_every_other_session() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let mine = world.signed_in(&user).await;
    let mut others = Vec::new();
    for _ in 0..100 {
        others.push(world.signed_in(&user).await);
    }
    let event = world.event(user.id, Event::PasswordChanged { by: PasswordChange::Change });
    world.store.change_password(&user, mine.id, &hash("second"), world.now, &event).await.unwrap();
    let left = world.store.sessions(user.id, world.now).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [mine.id]);

    let token = world.link(user.id, LinkPurpose::PasswordReset, "ada@example.com").await;
    world.store.reset_password(&token, &hash("third"), world.now, |_| Vec::new()).await.unwrap();
    assert!(world.store.sessions(user.id, world.now).await.unwrap().is_empty());
    assert!(matches!(world.refresh(&mine, 0, world.now).await, Refreshed::Ended));
}

/// A6: a sign-in that checked the old password does not outlive it.
#[tokio::test]
async fn a6_a_sign_in_that_races_a_new_password_loses() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let token = world.link(user.id, LinkPurpose::PasswordReset, "ada@example.com").await;
    world.store.reset_password(&token, &hash("new"), world.now, |_| Vec::new()).await.unwrap();
    let (session, event) = world.session_of(&user);
    let started = world.store.start_session(&user, &session, None, &event).await;
    assert!(matches!(started, Err(Error::Conflict)));
    assert!(world.store.sessions(user.id, world.now).await.unwrap().is_empty());
}

/// T3
#[tokio::test]
async fn t3_a_replayed_old_refresh_token_ends_its_session() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let session = world.signed_in(&user).await;
    assert!(
        matches!(world.refresh(&session, 0, world.now).await, Refreshed::Current(s) if s.generation == 1)
    );
    let late = after(world.now, 11);
    assert!(matches!(world.refresh(&session, 0, late).await, Refreshed::Replayed));
    assert!(matches!(world.refresh(&session, 1, late).await, Refreshed::Ended));
    assert!(world.history(user.id).await.contains(&"session.ended"));
}

/// T4
#[tokio::test]
async fn t4_refreshing_at_once_or_again_within_the_grace_goes_on() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let session = world.signed_in(&user).await;
    for now in [world.now, world.now, after(world.now, 9)] {
        assert!(matches!(world.refresh(&session, 0, now).await, Refreshed::Current(s) if s.generation == 1));
    }
    assert!(
        matches!(world.refresh(&session, 1, after(world.now, 12)).await, Refreshed::Current(s) if s.generation == 2)
    );
    // Two generations back is theft even within the grace.
    assert!(matches!(world.refresh(&session, 0, after(world.now, 12)).await, Refreshed::Replayed));
}

/// T5
#[tokio::test]
async fn t5_an_ended_or_expired_session_refreshes_no_more() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let session = world.signed_in(&user).await;
    let expired = world.now + SESSION_LIFE;
    assert!(matches!(world.refresh(&session, 0, expired).await, Refreshed::Ended));
    world.store.end_session(user.id, session.id, &world.replayed(&session)).await.unwrap();
    assert!(matches!(world.refresh(&session, 0, world.now).await, Refreshed::Ended));
    let again = world.store.end_session(user.id, session.id, &world.replayed(&session)).await;
    assert!(matches!(again, Err(Error::NotFound)));
}

/// T5: as many sessions as no transaction holds, one of which began after the user was looked at.
#[tokio::test]
async fn t5_a_deleted_user_leaves_no_session_and_no_workspace_to_pay_for() {
    let world = world().await;
    let sign_up = world.sign_up_of("ada@example.com");
    world.store.sign_up(&sign_up).await.unwrap();
    let id = sign_up.user.id;
    let token = world.link(id, LinkPurpose::Verification, "ada@example.com").await;
    world.store.verify_user(&token, world.now, &world.event(id, Event::UserVerified {})).await.unwrap();
    let mut user = world.store.user(id).await.unwrap().unwrap();
    for _ in 0..120 {
        world.signed_in(&user).await;
        user = world.store.user(id).await.unwrap().unwrap();
    }
    let late = world.signed_in(&user).await;
    let deleted = world.event(id, Event::UserDeleted {});
    let of_workspace = |workspace_id| world.event(id, Event::WorkspaceDeleted { workspace_id });
    world.store.delete_user(&user, &deleted, of_workspace).await.unwrap();
    assert!(world.store.sessions(id, world.now).await.unwrap().is_empty());
    assert!(matches!(world.refresh(&late, 0, world.now).await, Refreshed::Ended));
    assert!(world.store.user_with_memberships(id).await.unwrap().is_none());
    assert_eq!(world.store.event_address(&deleted).await.unwrap(), Some(address("ada@example.com")));

    // A sign-in, a code and a customer that were under way come to nothing.
    let (session, event) = world.session_of(&user);
    let started = world.store.start_session(&user, &session, None, &event).await;
    assert!(matches!(started, Err(Error::Conflict)));
    let customer = Customer { id: "cus_1".to_owned(), workspace_id: sign_up.workspace.id, owner_id: id };
    assert!(matches!(world.store.add_customer(customer, None).await, Err(Error::NotFound)));
    assert!(world.store.customer_by_id("cus_1").await.unwrap().is_none());
    let again = world.store.delete_user(&user, &deleted, of_workspace).await;
    assert!(matches!(again, Err(Error::Unauthenticated)));
}

/// T5: whoever signs in while the account is deleted is not signed in when it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_no_session_outlives_its_user_whenever_it_began() {
    let world = world().await;
    for round in 0..20 {
        let user = world.verified(&format!("ada{round}@example.com")).await;
        let deleted = world.event(user.id, Event::UserDeleted {});
        let sign_ins = {
            let (store, user) = (world.store.clone(), user.clone());
            let sessions: Vec<_> = (0..12).map(|_| world.session_of(&user)).collect();
            tokio::spawn(async move {
                for (session, event) in sessions {
                    if store.start_session(&user, &session, None, &event).await.is_err() {
                        break;
                    }
                }
            })
        };
        let of_workspace = |workspace_id| world.event(user.id, Event::WorkspaceDeleted { workspace_id });
        // It gives up when it meets one sign-in after the other, and is asked for again.
        loop {
            match world.store.delete_user(&user, &deleted, of_workspace).await {
                Ok(()) => break,
                Err(error) => assert!(matches!(error, Error::Conflict), "{error:?}"),
            }
        }
        sign_ins.await.unwrap();
        assert!(world.store.sessions(user.id, world.now).await.unwrap().is_empty());
    }
}

/// T5: nor does a number that is shown to be theirs while the account is deleted, or after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_no_number_outlives_its_user_whenever_it_was_confirmed() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let event = world.event(user.id, Event::PhoneVerificationRequested {});
    let key = crate::secret_key::parse("a key that is long enough for any").unwrap();
    let number: PhoneNumber = "+4915112345678".parse().unwrap();
    let hash = PhoneCode::new(&world.random).hash(&key, user.id, &number);
    let request = PhoneRequest {
        number: number.clone(),
        country: "DE".parse().unwrap(),
        event_id: event.id,
        asked_at: world.now,
        dies_at: world.now + CODE_LIFE,
        code_hash: Some(hash.clone()),
        tries: 0,
    };
    world.store.request_phone(&request, &event).await.unwrap();
    let confirm = async || {
        let added = world.event(user.id, Event::PhoneAdded {});
        let removed = |owner| world.event(owner, Event::PhoneRemoved {});
        world.store.confirm_phone(user.id, (&request, &hash), world.now, &added, removed).await
    };
    let (deleted, tries) = (world.event(user.id, Event::UserDeleted {}), AtomicU32::new(0));
    // It is asked for when the phone has been looked up.
    let of_workspace = |workspace_id| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| runtime.block_on(confirm())).unwrap();
        }
        world.event(user.id, Event::WorkspaceDeleted { workspace_id })
    };
    world.store.delete_user(&user, &deleted, of_workspace).await.unwrap();
    assert_eq!(tries.into_inner(), 2, "it was looked up again");
    assert!(world.store.phone(user.id).await.unwrap().is_none());
    assert!(!world.store.has_owner(&number).await.unwrap());

    assert!(matches!(confirm().await, Err(Error::InvalidCode)));
    assert!(matches!(world.store.request_phone(&request, &event).await, Err(Error::Conflict)));
    assert!(!world.store.has_owner(&number).await.unwrap());
}

/// A6: a password that was changed after it was checked deletes nothing.
#[tokio::test]
async fn a6_a_password_of_before_deletes_no_account() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let token = world.link(user.id, LinkPurpose::PasswordReset, "ada@example.com").await;
    world.store.reset_password(&token, &hash("new"), world.now, |_| Vec::new()).await.unwrap();
    let deleted = world.event(user.id, Event::UserDeleted {});
    let of_workspace = |workspace_id| world.event(user.id, Event::WorkspaceDeleted { workspace_id });
    let refused = world.store.delete_user(&user, &deleted, of_workspace).await;
    assert!(matches!(refused, Err(Error::Conflict)));
    assert!(world.store.user(user.id).await.unwrap().is_some());
}

/// I1
#[tokio::test]
async fn i1_a_session_is_ended_only_by_its_user() {
    let world = world().await;
    let ada = world.verified("ada@example.com").await;
    let eve = world.verified("eve@example.com").await;
    let session = world.signed_in(&ada).await;
    let ended = world.store.end_session(eve.id, session.id, &world.replayed(&session)).await;
    assert!(matches!(ended, Err(Error::NotFound)));
    assert_eq!(world.store.sessions(ada.id, world.now).await.unwrap().len(), 1);
}

/// A8
#[tokio::test]
async fn a8_an_address_moves_when_the_new_one_is_confirmed() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let asked = world.event(user.id, Event::EmailChangeRequested { password_changes: 0 });
    world.store.request_email_change(&address("ada@new.example"), &asked).await.unwrap();
    assert_eq!(world.store.event_address(&asked).await.unwrap(), Some(address("ada@new.example")));

    let reset = world.link(user.id, LinkPurpose::PasswordReset, "ada@example.com").await;
    let token = world.link(user.id, LinkPurpose::EmailChange, "ada@new.example").await;
    let changed = world.event(user.id, Event::EmailChanged {});
    world.store.change_email(&token, world.now, &changed).await.unwrap();
    assert_eq!(world.store.event_address(&changed).await.unwrap(), Some(address("ada@example.com")));
    let found = world.store.user_by_email(&address("Ada@NEW.example").key()).await.unwrap().unwrap();
    assert_eq!(found.id, user.id);
    assert!(world.store.user_by_email(&user.email.key()).await.unwrap().is_none());
    let reset = world.store.reset_password(&reset, &hash("x"), world.now, |_| Vec::new()).await;
    assert!(matches!(reset, Err(Error::InvalidLink)), "what was mailed to the old address is worth nothing");
}

/// A6: minted late, or spent while the password was set.
#[tokio::test]
async fn a6_a_link_that_was_asked_for_under_a_former_password_is_worth_nothing() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let mint = async |purpose, email| world.link(user.id, purpose, email).await;
    // As they were planned: before the password was set anew.
    let (change, reset) = (
        mint(LinkPurpose::EmailChange, "thief@example.com").await,
        mint(LinkPurpose::PasswordReset, "ada@example.com").await,
    );
    let planned = world.store.query(&keys::user(user.id), "LINK#").await.unwrap();
    assert_eq!(planned.len(), 2);
    let event = world.event(user.id, Event::PasswordChanged { by: PasswordChange::Change });
    let keep = SessionId::new(world.now, &world.random);
    let owner = world.store.change_password(&user, keep, &hash("new"), world.now, &event).await.unwrap();
    assert_eq!(owner.password_changes, 1);
    for link in planned {
        world.store.transact(vec![world.store.put(link)]).await.unwrap();
    }
    let event = world.event(user.id, Event::EmailChanged {});
    assert!(matches!(world.store.change_email(&change, world.now, &event).await, Err(Error::InvalidLink)));
    let reset = world.store.reset_password(&reset, &hash("x"), world.now, |_| Vec::new()).await;
    assert!(matches!(reset, Err(Error::InvalidLink)));
    let owner = world.store.user(user.id).await.unwrap().unwrap();
    assert_eq!((owner.email.as_str(), owner.password_hash), ("ada@example.com", hash("new")));
    // One that is asked for now is good.
    let change = mint(LinkPurpose::EmailChange, "ada@new.example").await;
    world.store.change_email(&change, world.now, &event).await.unwrap();
}

#[tokio::test]
async fn an_address_that_another_has_verified_cannot_be_moved_to_but_a_squatted_one_can() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    world.verified("bob@example.com").await;
    let squatter = world.sign_up_of("ada@new.example");
    world.store.sign_up(&squatter).await.unwrap();
    let squatters = world.link(squatter.user.id, LinkPurpose::Verification, "ada@new.example").await;

    let token = world.link(user.id, LinkPurpose::EmailChange, "bob@example.com").await;
    let event = world.event(user.id, Event::EmailChanged {});
    assert!(matches!(world.store.change_email(&token, world.now, &event).await, Err(Error::InvalidLink)));

    let token = world.link(user.id, LinkPurpose::EmailChange, "ada@new.example").await;
    world.store.change_email(&token, world.now, &event).await.unwrap();
    let event = world.event(squatter.user.id, Event::UserVerified {});
    assert!(matches!(world.store.verify_user(&squatters, world.now, &event).await, Err(Error::InvalidLink)));
}

/// V2
#[tokio::test]
async fn v2_an_event_is_claimed_once_and_again_only_when_its_lease_has_ended() {
    let world = world().await;
    let event = world.event(UserId::new(world.now, &world.random), Event::UserVerified {}).id;
    let lease = |from: i64| (after(world.now, from), after(world.now, from + 10));
    let claim = async |from| {
        world.store.claim("email", event, lease(from), 2, Minted::Nothing, &world.random).await.unwrap()
    };
    let Claim::Won { nonce } = claim(0).await else { panic!("the first wins") };
    assert_eq!(claim(9).await, Claim::Held);
    world.store.release("email", event, &nonce).await.unwrap();
    world.store.release("email", event, &nonce).await.unwrap();
    assert!(matches!(claim(1).await, Claim::Won { .. }), "a claim given back counts for nothing");
    assert!(matches!(claim(11).await, Claim::Won { .. }), "the lease has ended");
    assert_eq!(claim(30).await, Claim::Exhausted);
    let other = world.store.claim("sms", event, lease(0), 2, Minted::Nothing, &world.random).await.unwrap();
    assert!(matches!(other, Claim::Won { .. }), "each consumer has its own");
    world.store.finish("sms", event).await.unwrap();
    let other = world.store.claim("sms", event, lease(60), 2, Minted::Nothing, &world.random).await.unwrap();
    assert_eq!(other, Claim::Done);
}

/// E3
#[tokio::test]
async fn e3_a_limit_holds_for_requests_at_once_and_ends_with_its_window() {
    const LIMIT: Limit = Limit { name: "test", max: 5, window: Duration::from_secs(60) };
    let world = world().await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (store, now) = (world.store.clone(), world.now);
            tokio::spawn(async move { store.take(&LIMIT, "ada", now).await })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => taken += 1,
            Err(Error::TooManyRequests { retry_after }) => {
                assert_eq!(retry_after, Duration::from_secs(60))
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(taken, 5);
    world.store.take(&LIMIT, "bob", world.now).await.unwrap();
    world.store.take(&LIMIT, "ada", after(world.now, 60)).await.unwrap();
}

/// E3
#[tokio::test]
async fn e3_what_is_given_back_can_be_taken_again() {
    const LIMIT: Limit = Limit { name: "test", max: 1, window: Duration::from_secs(60) };
    let world = world().await;
    for _ in 0..3 {
        world.store.take(&LIMIT, "ada", world.now).await.unwrap();
        world.store.give_back(&LIMIT, "ada", world.now).await.unwrap();
    }
}

#[tokio::test]
async fn history_is_read_page_by_page_newest_first() {
    let world = world().await;
    let user = UserId::new(world.now, &world.random);
    let mut written = Vec::new();
    for second in 0..25 {
        let event = Envelope::new(user, Event::UserRenamed {}, after(world.now, second), &world.random, None);
        world.store.record(&event).await.unwrap();
        written.push(event.id);
    }
    written.reverse();
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let page = world.store.activity(user, before, 10).await.unwrap();
        assert!(page.events.len() <= 10);
        read.extend(page.events.iter().map(|event| event.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(read, written);
}

/// K2: no item but those that must know it holds an address.
#[tokio::test]
async fn k2_an_event_holds_no_address() {
    let world = world().await;
    let user = world.verified("ada@example.com").await;
    let asked = world.event(user.id, Event::EmailChangeRequested { password_changes: 0 });
    world.store.request_email_change(&address("ada@new.example"), &asked).await.unwrap();
    let items = world.store.query(&keys::user(user.id), keys::EVENT_PREFIX).await.unwrap();
    assert_eq!(items.len(), 3);
    let held: HashSet<String> = items
        .iter()
        .flat_map(|item| item.values())
        .filter_map(|value: &AttributeValue| value.as_s().ok().cloned())
        .collect();
    assert!(held.iter().all(|text| !text.contains('@')), "{held:?}");
}

/// I4: whoever's beginning was applied and its answer lost begins no second time when the SDK sends it again.
#[tokio::test]
async fn i4_a_request_is_not_in_its_own_way() {
    let world = world().await;
    let user = UserId::new(world.now, &world.random);
    let lease = (world.now, after(world.now, 30));
    let begin = async |nonce: u8, fingerprint: &str| {
        let random = Random::from_fn(move |buffer| buffer.fill(nonce));
        world.store.begin_intent(user, ("workspaces", "key"), fingerprint, lease, &random).await.unwrap()
    };
    let Begun::New(intent) = begin(1, "one").await else { panic!("it is new") };
    assert_eq!(begin(1, "one").await, Begun::New(intent.clone()), "sent again");
    assert_eq!(begin(2, "one").await, Begun::InFlight);
    assert_eq!(begin(2, "another").await, Begun::Reused);
    let answer = Answer { status: 201, body: "{}".to_owned() };
    world.store.keep_answer(&intent, &answer).await.unwrap();
    assert_eq!(begin(2, "one").await, Begun::Done(answer));
}
