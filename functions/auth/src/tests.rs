//! The routes against an embedded DynamoDB, in one process. Mail is what the events say would be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use lambda_http::request::RequestContext;
use lambda_http::{RequestExt, Service};
use serde_json::{Value, json};
use shared::clock::{Clock, Random};
use shared::email_address::EmailAddress;
use shared::event::Event;
use shared::http::{Origin, edge};
use shared::id::{EventId, UserId};
use shared::keys::{KeySet, Keys};
use shared::link::{Link, LinkPurpose, LinkToken};
use shared::password::Hasher;
use shared::store::{Minted, Store};
use shared::token::Signer;
use test_table::TestTable;

use crate::{Auth, router};

const ORIGIN: &str = "https://billion.example";
const ADA: &str = "ada@example.com";
const PASSWORD: &str = "orbit velvet canyon seven";
const OTHER_PASSWORD: &str = "lantern gravel mustard owl";

/// The key of RFC 8037, appendix A.
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"first",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// The function, with a table of its own and a clock that can be set.
struct World {
    auth: Auth,
    router: Router,
    millis: Arc<AtomicI64>,
}

async fn world() -> World {
    // It takes a millisecond to look at the clock, so that events have an order.
    let millis = Arc::new(AtomicI64::new(1_800_000_000_000));
    let clock = {
        let millis = Arc::clone(&millis);
        Clock::from_fn(move || Timestamp::from_millisecond(millis.fetch_add(1, Ordering::Relaxed)).unwrap())
    };
    let keys = Keys::fixed(KeySet::parse(KEYS).unwrap());
    let auth = Auth {
        store: Store::new(TestTable::new().await.client, test_table::NAME),
        signer: Signer::new(keys.clone(), ORIGIN, clock.clone()),
        keys,
        hasher: Hasher::new(Random::system()),
        origin: Origin::new(ORIGIN),
        clock,
        random: Random::system(),
    };
    World { router: edge(router(auth.clone())), auth, millis }
}

impl World {
    fn browser(&self, address: &str) -> Browser {
        Browser {
            router: self.router.clone(),
            address: address.to_owned(),
            cookies: Vec::new(),
            headers: vec![("sec-fetch-site", "same-origin".to_owned())],
        }
    }

    fn pass(&self, seconds: i64) {
        self.millis.fetch_add(1000 * seconds, Ordering::Relaxed);
    }

    async fn user_id(&self, email: &str) -> UserId {
        let key = email.parse::<EmailAddress>().unwrap().key();
        self.auth.store.user_by_email(&key).await.unwrap().expect("a user").id
    }

    /// The types of a user's events, newest first.
    async fn events(&self, user: UserId) -> Vec<&'static str> {
        let page = self.auth.store.activity(user, None, 100).await.unwrap();
        page.events.iter().map(|event| event.event.kind()).collect()
    }

    async fn last_sign_in_was_on_a_new_device(&self, email: &str) -> bool {
        let page = self.auth.store.activity(self.user_id(email).await, None, 1).await.unwrap();
        let Event::SessionStarted { new_device, .. } = page.events[0].event else { panic!("{page:?}") };
        new_device
    }

    /// A link as the mailer mints it.
    async fn link(&self, user_id: UserId, purpose: LinkPurpose, email: &str) -> String {
        let (now, random) = (self.auth.clock.now(), &self.auth.random);
        let token = LinkToken::new(user_id, random);
        let user = self.auth.store.user(user_id).await.unwrap().expect("a user");
        let link = Link {
            user_id,
            purpose,
            hash: token.hash(purpose),
            email: email.parse().unwrap(),
            password_changes: user.password_changes,
            dies_at: now + SignedDuration::try_from(purpose.life()).unwrap(),
        };
        let lease = (now, now + SignedDuration::from_secs(60));
        let event = EventId::new(now, random);
        self.auth.store.claim("email", event, lease, 2, Minted::Link(&link), random).await.unwrap();
        token.to_string()
    }

    /// A browser whose user has signed up, verified and signed in.
    async fn signed_in(&self, email: &str) -> Browser {
        let mut browser = self.browser("203.0.113.1");
        self.verified(email).await;
        assert_eq!(browser.sign_in(email, PASSWORD).await.status, 200);
        browser
    }

    async fn verified(&self, email: &str) -> UserId {
        let mut browser = self.browser("203.0.113.1");
        assert_eq!(browser.sign_up(email, PASSWORD).await.status, 202);
        let id = self.user_id(email).await;
        let token = self.link(id, LinkPurpose::Verification, email).await;
        let confirmed = browser.post("/verification/confirm", json!({ "token": token })).await;
        assert_eq!(confirmed.status, 204, "{}", confirmed.body);
        id
    }
}

/// Somebody at an address, with cookies.
#[derive(Clone)]
struct Browser {
    router: Router,
    address: String,
    cookies: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// All that a stranger can tell answers apart by.
    fn seen(mut self) -> (StatusCode, Vec<String>, Value) {
        if let Some(problem) = self.body.as_object_mut() {
            problem.remove("request_id");
        }
        (self.status, self.headers.keys().map(ToString::to_string).collect(), self.body)
    }
}

impl Browser {
    async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/auth{path}"));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header(header::COOKIE, cookies.join("; "));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request =
            request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap();
        self.exchange(request).await
    }

    async fn exchange(&mut self, request: Request<Body>) -> Answer {
        let context = json!({ "http": { "method": "GET", "sourceIp": self.address } });
        let context = RequestContext::ApiGatewayV2(serde_json::from_value(context).unwrap());
        let (parts, body) =
            self.router.call(request.with_request_context(context)).await.unwrap().into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !cookie.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn put(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    async fn sign_up(&mut self, email: &str, password: &str) -> Answer {
        self.post("/sign-up", json!({ "email": email, "password": password, "name": "Ada" })).await
    }

    async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.post("/sign-in", json!({ "email": email, "password": password })).await
    }

    async fn refresh(&mut self) -> StatusCode {
        self.send(Method::POST, "/refresh", None).await.status
    }

    async fn sessions(&mut self) -> Answer {
        self.send(Method::GET, "/sessions", None).await
    }

    fn has(&self, cookie: &str) -> bool {
        self.cookies.iter().any(|(name, _)| name == cookie)
    }

    fn forget(&mut self, cookie: &str) {
        self.cookies.retain(|(name, _)| name != cookie);
    }
}

#[tokio::test]
async fn whoever_signs_up_and_verifies_can_sign_in() {
    let world = world().await;
    let mut browser = world.browser("203.0.113.1");
    assert_eq!(browser.sign_up("Ada@Example.com", PASSWORD).await.status, 202);
    let id = world.user_id(ADA).await;
    let token = world.link(id, LinkPurpose::Verification, "Ada@example.com").await;
    assert_eq!(browser.post("/verification/confirm", json!({ "token": token })).await.status, 204);
    let signed_in = browser.sign_in("ADA@example.com", PASSWORD).await;
    assert_eq!(signed_in.status, 200);
    assert_eq!(signed_in.headers[header::CACHE_CONTROL], "no-store");
    let mut user = signed_in.body["user"].clone();
    let created_at = user["created_at"].take();
    assert!(created_at.as_str().unwrap().starts_with("2027-01-15T08:00:00.0"), "{created_at}");
    assert_eq!(
        user,
        json!({ "id": id, "email": "Ada@example.com", "name": "Ada", "verified": true, "created_at": null })
    );
    let sessions = browser.sessions().await.body;
    assert_eq!(sessions["sessions"][0]["current"], true);
    assert_eq!(world.events(id).await, ["session.started", "user.verified", "user.signed_up"]);
}

/// E1, E2: whatever is known of an address, signing up answers the same and costs one hash.
#[tokio::test]
async fn e1_sign_up_tells_a_stranger_nothing() {
    let world = world().await;
    let verified = world.verified("verified@example.com").await;
    let mut stranger = world.browser("198.51.100.1");
    let mut seen = Vec::new();
    for (email, password) in [
        ("new@example.com", PASSWORD),
        ("new@example.com", PASSWORD),
        ("new@example.com", OTHER_PASSWORD),
        ("new@example.com", PASSWORD),
        ("verified@example.com", PASSWORD),
        ("verified@example.com", OTHER_PASSWORD),
    ] {
        let before = world.auth.hasher.work();
        seen.push(stranger.sign_up(email, password).await.seen());
        assert_eq!(world.auth.hasher.work() - before, 1, "{email} {password}");
    }
    assert_eq!(seen[0].0, 202);
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
    let events = world.events(world.user_id("new@example.com").await).await;
    assert_eq!(
        events,
        ["user.sign_up_repeated", "user.sign_up_repeated", "user.verification_requested", "user.signed_up"]
    );
    assert_eq!(world.events(verified).await[..2], ["user.sign_up_repeated", "user.sign_up_repeated"]);
}

/// E1, E2
#[tokio::test]
async fn e1_sign_in_refuses_every_stranger_alike() {
    let world = world().await;
    world.verified("verified@example.com").await;
    world.browser("198.51.100.1").sign_up("unverified@example.com", PASSWORD).await;
    let mut seen = Vec::new();
    for (email, password) in [
        ("verified@example.com", OTHER_PASSWORD),
        ("unverified@example.com", PASSWORD),
        ("unverified@example.com", OTHER_PASSWORD),
        ("unknown@example.com", PASSWORD),
        ("verified@example.com", ""),
        ("unknown@example.com", ""),
    ] {
        let before = world.auth.hasher.work();
        seen.push(world.browser("198.51.100.2").sign_in(email, password).await.seen());
        assert_eq!(world.auth.hasher.work() - before, 1, "{email} {password}");
    }
    assert_eq!(seen[0].0, 401);
    assert_eq!(seen[0].2["type"], "/problems/invalid-credentials");
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
}

/// E1
#[tokio::test]
async fn e1_asking_for_a_mail_tells_a_stranger_nothing() {
    let world = world().await;
    let verified = world.verified("verified@example.com").await;
    let mut stranger = world.browser("198.51.100.1");
    stranger.sign_up("unverified@example.com", PASSWORD).await;
    let unverified = world.user_id("unverified@example.com").await;
    for path in ["/verification", "/password/forgot"] {
        let mut seen = Vec::new();
        for email in ["verified@example.com", "unverified@example.com", "unknown@example.com"] {
            seen.push(stranger.post(path, json!({ "email": email })).await.seen());
        }
        assert_eq!(seen[0].0, 202);
        assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
    }
    assert_eq!(world.events(verified).await[0], "user.password_reset_requested");
    assert_eq!(
        world.events(unverified).await[..2],
        ["user.password_reset_requested", "user.verification_requested"]
    );
    let unknown = "unknown@example.com".parse::<EmailAddress>().unwrap();
    assert!(world.auth.store.user_by_email(&unknown.key()).await.unwrap().is_none());
}

/// A6: who signs up with somebody else's address gets nothing when its owner comes.
#[tokio::test]
async fn a6_a_squatter_gets_nothing() {
    let world = world().await;
    let (mut squatter, mut owner) = (world.browser("198.51.100.1"), world.browser("203.0.113.1"));
    squatter.sign_up(ADA, OTHER_PASSWORD).await;
    let id = world.user_id(ADA).await;
    let first_link = world.link(id, LinkPurpose::Verification, ADA).await;
    owner.sign_up(ADA, PASSWORD).await;
    // The mail that the squatter's sign-up caused: the owner clicks it all the same.
    assert_eq!(owner.post("/verification/confirm", json!({ "token": first_link })).await.status, 410);
    owner.post("/verification", json!({ "email": ADA })).await;
    assert_eq!(world.events(id).await[0], "user.sign_up_repeated");
    let link = world.link(id, LinkPurpose::PasswordReset, ADA).await;
    let reset = owner.post("/password/reset", json!({ "token": link, "password": PASSWORD })).await;
    assert_eq!(reset.status, 204, "{}", reset.body);
    assert_eq!(squatter.sign_in(ADA, OTHER_PASSWORD).await.status, 401);
    assert_eq!(owner.sign_in(ADA, PASSWORD).await.status, 200);
}

/// A4, A6, N6
#[tokio::test]
async fn a4_a_reset_link_is_spent_once_and_ends_every_session() {
    let world = world().await;
    let mut browser = world.signed_in(ADA).await;
    let id = world.user_id(ADA).await;
    let link = world.link(id, LinkPurpose::PasswordReset, ADA).await;
    let mut other = world.browser("203.0.113.2");
    let reset = |password: &str| json!({ "token": link, "password": password });
    let refused = other.post("/password/reset", reset("short")).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["errors"][0]["field"], "password");
    let (mut one, mut two) = (other.clone(), other.clone());
    let (first, second) = tokio::join!(
        one.post("/password/reset", reset(OTHER_PASSWORD)),
        two.post("/password/reset", reset("marble thunder acorn six")),
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses == [204, 410] || statuses == [204, 503], "{statuses:?}");
    assert_eq!(other.post("/password/reset", reset(PASSWORD)).await.status, 410);
    assert_eq!(browser.refresh().await, 401);
    assert!(!browser.has("__Host-refresh"));
}

/// A7
#[tokio::test]
async fn a7_a_mail_scanner_spends_no_link() {
    let world = world().await;
    let mut browser = world.browser("203.0.113.1");
    browser.sign_up(ADA, PASSWORD).await;
    let link = world.link(world.user_id(ADA).await, LinkPurpose::Verification, ADA).await;
    for path in ["/verification/confirm", "/password/reset", "/email/confirm"] {
        for method in [Method::GET, Method::HEAD] {
            let answer = browser.send(method, &format!("{path}?token={link}"), None).await;
            assert_eq!(answer.status, 405);
            assert_eq!(answer.headers[header::ALLOW], "POST");
        }
    }
    assert_eq!(browser.post("/verification/confirm", json!({ "token": link })).await.status, 204);
}

/// A8
#[tokio::test]
async fn a8_moving_to_another_address_needs_the_password_and_the_new_inbox() {
    let world = world().await;
    let mut browser = world.signed_in(ADA).await;
    let id = world.user_id(ADA).await;
    let ask = |email: &str, password: &str| json!({ "email": email, "password": password });
    let refused = browser.put("/email", ask("ada@example.org", OTHER_PASSWORD)).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["errors"][0]["field"], "password");
    assert_eq!(browser.put("/email", ask("ada@example.org", PASSWORD)).await.status, 202);
    assert_eq!(world.user_id(ADA).await, id);
    let link = world.link(id, LinkPurpose::EmailChange, "ada@example.org").await;
    assert_eq!(browser.post("/email/confirm", json!({ "token": link })).await.status, 204);
    assert_eq!(world.user_id("ada@example.org").await, id);
    assert_eq!(world.events(id).await[..2], ["user.email_changed", "user.email_change_requested"]);
    // The device is known under the new address: no mail says that it is a new one.
    assert_eq!(browser.sign_in("ada@example.org", PASSWORD).await.status, 200);
    assert!(!world.last_sign_in_was_on_a_new_device("ada@example.org").await);
    assert_eq!(browser.sign_in(ADA, PASSWORD).await.status, 401);
}

/// A6
#[tokio::test]
async fn a6_a_changed_password_ends_every_other_session() {
    let world = world().await;
    let mut here = world.signed_in(ADA).await;
    let mut there = world.browser("203.0.113.2");
    there.sign_in(ADA, PASSWORD).await;
    let change = |current: &str| json!({ "current_password": current, "new_password": OTHER_PASSWORD });
    let refused = here.put("/password", change("not mine at all, is it")).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["errors"][0]["field"], "current_password");
    assert_eq!(here.put("/password", change(PASSWORD)).await.status, 204);
    assert_eq!(here.refresh().await, 204);
    assert_eq!(there.refresh().await, 401);
    assert_eq!(there.sign_in(ADA, PASSWORD).await.status, 401);
    assert_eq!(there.sign_in(ADA, OTHER_PASSWORD).await.status, 200);
    // The owner is warned of every device but the one that changed it.
    assert!(world.last_sign_in_was_on_a_new_device(ADA).await);
    assert_eq!(here.sign_in(ADA, OTHER_PASSWORD).await.status, 200);
    assert!(!world.last_sign_in_was_on_a_new_device(ADA).await);
}

/// A6: whoever signed in with the former password is not taken for its owner later.
#[tokio::test]
async fn a6_a_device_is_a_new_one_once_the_password_was_reset() {
    let world = world().await;
    let mut thief = world.signed_in(ADA).await;
    let link = world.link(world.user_id(ADA).await, LinkPurpose::PasswordReset, ADA).await;
    let mut owner = world.browser("203.0.113.2");
    let reset = json!({ "token": link, "password": OTHER_PASSWORD });
    assert_eq!(owner.post("/password/reset", reset).await.status, 204);
    assert_eq!(owner.sign_in(ADA, OTHER_PASSWORD).await.status, 200);
    assert!(!world.last_sign_in_was_on_a_new_device(ADA).await);
    assert_eq!(thief.sign_in(ADA, OTHER_PASSWORD).await.status, 200);
    assert!(world.last_sign_in_was_on_a_new_device(ADA).await);
}

/// T3
#[tokio::test]
async fn t3_a_replayed_old_refresh_token_ends_the_session() {
    let world = world().await;
    let mut owner = world.signed_in(ADA).await;
    let mut thief = owner.clone();
    assert_eq!(owner.refresh().await, 204);
    world.pass(60);
    assert_eq!(thief.refresh().await, 401);
    assert!(!thief.has("__Host-access") && !thief.has("__Host-refresh"));
    assert_eq!(owner.refresh().await, 401);
    assert_eq!(world.events(world.user_id(ADA).await).await[0], "session.ended");
}

/// T4
#[tokio::test]
async fn t4_tabs_that_refresh_at_once_stay_signed_in() {
    let world = world().await;
    let mut browser = world.signed_in(ADA).await;
    let (mut one, mut two, mut lost) = (browser.clone(), browser.clone(), browser.clone());
    let (first, second) = tokio::join!(one.refresh(), two.refresh());
    assert_eq!((first, second), (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT));
    world.pass(9);
    // The reply to this one never came: the browser asks again with what it has.
    assert_eq!(lost.refresh().await, 204);
    for tab in [&mut one, &mut two, &mut lost] {
        browser.cookies.clone_from(&tab.cookies);
        assert_eq!(browser.refresh().await, 204);
    }
}

/// T5
#[tokio::test]
async fn t5_signing_out_works_without_an_access_token_and_ends_the_session() {
    let world = world().await;
    let mut browser = world.signed_in(ADA).await;
    let mut copy = browser.clone();
    browser.forget("__Host-access");
    assert_eq!(browser.send(Method::POST, "/sign-out", None).await.status, 204);
    assert!(!browser.has("__Host-refresh"));
    assert!(browser.has("__Host-device"));
    assert_eq!(copy.refresh().await, 401);
    assert_eq!(browser.send(Method::POST, "/sign-out", None).await.status, 204);
}

/// T5, I1
#[tokio::test]
async fn t5_a_session_is_revoked_by_its_user_only() {
    let world = world().await;
    let mut ada = world.signed_in(ADA).await;
    let mut there = world.browser("203.0.113.2");
    there.sign_in(ADA, PASSWORD).await;
    let mut eve = world.signed_in("eve@example.com").await;
    let sessions = ada.sessions().await.body;
    let sessions = sessions["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(eve.send(Method::DELETE, &path, None).await.status, 404);
    assert_eq!(there.refresh().await, 204);
    assert_eq!(ada.send(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(ada.send(Method::DELETE, &path, None).await.status, 404);
    assert_eq!(there.refresh().await, 401);
    assert_eq!(ada.send(Method::DELETE, "/sessions/ses_x", None).await.status, 404);
    world.pass(601);
    assert_eq!(there.sessions().await.status, 401);
}

/// T5, A9, E1
#[tokio::test]
async fn t5_a_deleted_account_is_gone_with_its_sessions_and_links() {
    let world = world().await;
    let mut here = world.signed_in(ADA).await;
    let mut there = world.browser("203.0.113.2");
    assert_eq!(there.sign_in(ADA, PASSWORD).await.status, 200);
    let (mut copy, id) = (here.clone(), world.user_id(ADA).await);
    let mut links = Vec::new();
    for purpose in [LinkPurpose::PasswordReset, LinkPurpose::EmailChange] {
        links.push(world.link(id, purpose, ADA).await);
    }

    let refused = here.post("/account/delete", json!({ "password": OTHER_PASSWORD })).await;
    assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["field"]), (422, &json!("password")));
    assert_eq!(there.refresh().await, 204, "nothing has ended");
    let mut stranger = world.browser("203.0.113.3");
    assert_eq!(stranger.post("/account/delete", json!({ "password": PASSWORD })).await.status, 401);

    assert_eq!(here.post("/account/delete", json!({ "password": PASSWORD })).await.status, 204);
    assert!(!here.has("__Host-access") && !here.has("__Host-refresh"));
    let mut told = world.events(id).await;
    told.truncate(2);
    told.sort_unstable();
    assert_eq!(told, ["user.deleted", "workspace.deleted"]);
    assert_eq!(there.refresh().await, 401);
    // With an access token that has not expired nothing more can be done.
    assert_eq!(copy.sessions().await.body["sessions"], json!([]));
    let again = copy.post("/account/delete", json!({ "password": PASSWORD })).await;
    assert_eq!(again.status, 401);
    assert_eq!(copy.refresh().await, 401);
    let reset = json!({ "token": links[0], "password": OTHER_PASSWORD });
    assert_eq!(copy.post("/password/reset", reset).await.status, 410);
    assert_eq!(copy.post("/email/confirm", json!({ "token": links[1] })).await.status, 410);
    let gone = there.sign_in(ADA, PASSWORD).await;
    let mut unknown = there.sign_in("nobody@example.com", PASSWORD).await;
    unknown.body["request_id"] = gone.body["request_id"].clone();
    assert_eq!((gone.status, gone.body), (unknown.status, unknown.body));

    // Whoever has the address may begin anew, with nothing of the former account.
    let mut anew = world.signed_in(ADA).await;
    assert_ne!(world.user_id(ADA).await, id);
    assert_eq!(anew.sessions().await.body["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(there.refresh().await, 401);
}

/// T6
#[tokio::test]
async fn t6_no_other_site_can_use_the_cookies() {
    let world = world().await;
    let mut browser = world.signed_in(ADA).await;
    for headers in [
        vec![],
        vec![("sec-fetch-site", "cross-site".to_owned())],
        vec![("origin", "https://evil.example".to_owned())],
    ] {
        browser.headers = headers;
        for (method, path) in [
            (Method::POST, "/refresh"),
            (Method::POST, "/sign-out"),
            (Method::DELETE, "/sessions/ses_00000000000000000000000000000000"),
        ] {
            let answer = browser.send(method, path, None).await;
            assert_eq!(answer.status, 403, "{path} {:?}", browser.headers);
            assert_eq!(answer.body["type"], "/problems/cross-site");
        }
        let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
        assert_eq!(browser.put("/password", change).await.status, 403);
    }
    browser.headers = vec![("origin", ORIGIN.to_owned())];
    assert_eq!(browser.refresh().await, 204);
}

/// E3: an attacker is stopped, whatever they write into headers; their victim's own device is not.
#[tokio::test]
async fn e3_failures_are_limited_by_account_and_client_and_lock_no_owner_out() {
    let world = world().await;
    let mut owner = world.signed_in(ADA).await;
    let mut attacker = world.browser("198.51.100.1");
    for number in 0..10 {
        attacker.headers = vec![("x-forwarded-for", format!("203.0.113.{number}"))];
        assert_eq!(attacker.sign_in(ADA, OTHER_PASSWORD).await.status, 401);
    }
    let work = world.auth.hasher.work();
    let refused = attacker.sign_in(ADA, PASSWORD).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(world.auth.hasher.work(), work);
    // The rest of a hundred, from clients all over the world.
    for number in 0..90 {
        let mut bot = world.browser(&format!("192.0.2.{number}"));
        assert_eq!(bot.sign_in(ADA, OTHER_PASSWORD).await.status, 401);
    }
    assert_eq!(world.browser("192.0.2.200").sign_in(ADA, PASSWORD).await.status, 429);
    assert_eq!(owner.sign_in(ADA, PASSWORD).await.status, 200);
    // From a device that is not known, a link from the inbox helps.
    let mut elsewhere = world.browser("203.0.113.77");
    assert_eq!(elsewhere.sign_in(ADA, PASSWORD).await.status, 429);
    let link = world.link(world.user_id(ADA).await, LinkPurpose::PasswordReset, ADA).await;
    elsewhere.post("/password/reset", json!({ "token": link, "password": OTHER_PASSWORD })).await;
    assert_eq!(elsewhere.sign_in(ADA, OTHER_PASSWORD).await.status, 200);
}

/// E3: whoever is at the same address as others is refused for what they do themselves.
#[tokio::test]
async fn e3_nobody_uses_up_what_others_at_the_same_address_may_try() {
    let world = world().await;
    let mut owner = world.signed_in(ADA).await;
    let mut colleague = world.browser("203.0.113.1");
    world.verified("bob@example.com").await;
    // A script with a password that is no longer right.
    let mut script = world.browser("203.0.113.1");
    for attempt in 0..110 {
        let expected = if attempt < 10 { 401 } else { 429 };
        assert_eq!(script.sign_in(ADA, OTHER_PASSWORD).await.status, expected);
    }
    assert_eq!(colleague.sign_in("bob@example.com", PASSWORD).await.status, 200);
    // And one with a list of addresses, which is more than the whole office may try.
    for place in 0..90 {
        assert_eq!(script.sign_in(&format!("user{place}@example.com"), PASSWORD).await.status, 401);
    }
    colleague.cookies.clear();
    assert_eq!(colleague.sign_in("bob@example.com", PASSWORD).await.status, 429);
    assert_eq!(owner.sign_in(ADA, PASSWORD).await.status, 200);
}

/// E1, E3: an address without an account is locked like one with an account.
#[tokio::test]
async fn e1_a_limit_tells_no_account_from_none() {
    let world = world().await;
    world.verified(ADA).await;
    let mut seen = Vec::new();
    for email in [ADA, "unknown@example.com"] {
        let mut attacker = world.browser("198.51.100.1");
        for _ in 0..10 {
            assert_eq!(attacker.sign_in(email, OTHER_PASSWORD).await.status, 401);
        }
        seen.push(attacker.sign_in(email, PASSWORD).await.seen());
    }
    assert_eq!(seen[0].0, 429);
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn signing_in_rightly_again_and_again_meets_no_limit() {
    let world = world().await;
    let mut browser = world.signed_in(ADA).await;
    for _ in 0..15 {
        browser.cookies.clear();
        assert_eq!(browser.sign_in(ADA, PASSWORD).await.status, 200);
    }
}

/// E4
#[tokio::test]
async fn e4_an_address_gets_five_mails_an_hour_whoever_asks() {
    let world = world().await;
    world.verified(ADA).await;
    for email in ["unknown@example.com", ADA] {
        let mut statuses = Vec::new();
        for number in 0..6 {
            let mut stranger = world.browser(&format!("198.51.100.{number}"));
            statuses.push(stranger.post("/password/forgot", json!({ "email": email })).await.status.as_u16());
        }
        // The sign-up took one of the five.
        let last = if email == ADA { 429 } else { 202 };
        assert_eq!(statuses, [202, 202, 202, 202, last, 429], "{email}");
    }
    world.pass(3600);
    assert_eq!(
        world.browser("198.51.100.1").post("/password/forgot", json!({ "email": ADA })).await.status,
        202
    );
}

/// I2, I3
#[tokio::test]
async fn i3_whatever_is_sent_the_answer_is_a_problem_document() {
    let world = world().await;
    let signed_in = world.signed_in(ADA).await;
    let routes = [
        (Method::POST, "/sign-up"),
        (Method::POST, "/verification"),
        (Method::POST, "/verification/confirm"),
        (Method::POST, "/sign-in"),
        (Method::POST, "/password/forgot"),
        (Method::POST, "/password/reset"),
        (Method::PUT, "/password"),
        (Method::PUT, "/email"),
        (Method::POST, "/email/confirm"),
    ];
    let long = format!("{{\"email\":\"{}\"}}", "é".repeat(40_000));
    let bodies: &[(&str, &[u8], u16)] = &[
        ("application/json", b"", 400),
        ("application/json", b"{", 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", b"[]", 422),
        ("application/json", b"null", 422),
        ("application/json", b"{}", 422),
        ("application/json", br#"{"email":1,"token":1,"current_password":1}"#, 422),
        ("application/json", br#"{"admin":true}"#, 422),
        ("application/json", long.as_bytes(), 413),
        ("text/plain", b"{}", 415),
        ("application/x-www-form-urlencoded", b"email=a", 415),
    ];
    for (method, path) in routes {
        for (content_type, body, status) in bodies {
            let request = Request::builder()
                .method(method.clone())
                .uri(format!("/api/auth{path}"))
                .header(header::CONTENT_TYPE, *content_type)
                .header("sec-fetch-site", "same-origin")
                .header(header::COOKIE, format!("__Host-access={}", signed_in.cookies[0].1))
                .body(Body::from(body.to_vec()))
                .unwrap();
            let answer = signed_in.clone().exchange(request).await;
            assert_eq!(answer.status, *status, "{method} {path} {body:?}: {}", answer.body);
            assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(answer.body["status"], *status);
        }
    }
    let mut anyone = signed_in.clone();
    for (path, body) in [
        ("/verification/confirm", json!({ "token": "x" })),
        ("/verification/confirm", json!({ "token": "A".repeat(64) })),
        ("/password/reset", json!({ "token": "\u{0}", "password": PASSWORD })),
        ("/email/confirm", json!({ "token": "" })),
    ] {
        assert_eq!(anyone.post(path, body).await.status, 410, "{path}");
    }
    for cookie in ["", "x", "a.b.c", &"A".repeat(9000)] {
        let mut anyone = world.browser("203.0.113.9");
        anyone.cookies = ["__Host-access", "__Host-refresh", "__Host-device"]
            .map(|name| (name.to_owned(), cookie.to_owned()))
            .to_vec();
        assert_eq!(anyone.refresh().await, 401);
        assert_eq!(anyone.sessions().await.status, 401);
        assert_eq!(anyone.sign_in(ADA, PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn public_keys_are_published_for_a_while() {
    let world = world().await;
    let answer = world.browser("203.0.113.1").send(Method::GET, "/jwks.json", None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=300");
    assert_eq!(answer.body["keys"][0]["kid"], "first");
    assert_eq!(answer.body["keys"][0]["d"], Value::Null);
}
