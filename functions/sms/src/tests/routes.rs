//! A user's phone, by HTTP.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::{Body, to_bytes};
use http::{Request, header};
use lambda_http::request::RequestContext;
use lambda_http::{RequestExt, Service as _};
use serde_json::{Value, json};
use shared::http::edge;
use shared::id::SessionId;
use shared::limit::{CODE_BY_CLIENT, CODE_BY_USER, CODE_BY_USER_TO_RANGE, CODE_TO_NUMBER};
use shared::phone::CODE_TRIES;
use shared::token::AccessClaims;

use super::*;
use crate::routes::router;

impl World {
    pub(super) async fn call(
        &self,
        user: UserId,
        (method, path): (&str, &str),
        body: Value,
        client: &str,
    ) -> (u16, Value) {
        let session_id = SessionId::new(self.now(), &self.sms.random);
        let token = self.signer.sign(&AccessClaims { user_id: user, session_id }).await.unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/sms{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        let context = json!({
            "accountId": "1", "apiId": "1", "stage": "$default", "requestId": "1", "timeEpoch": 0,
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": client },
        });
        let context = RequestContext::ApiGatewayV2(serde_json::from_value(context).unwrap());
        let request = request.body(body).unwrap().with_request_context(context);
        let response = edge(router(self.sms.clone())).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 65_536).await.unwrap();
        (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn ask(&self, user: UserId, to: &str) -> (u16, Value) {
        self.call(user, ("PUT", "/phone"), json!({ "number": to }), "203.0.113.1").await
    }

    pub(super) async fn confirm(&self, user: UserId, code: &str) -> u16 {
        self.call(user, ("POST", "/phone/confirm"), json!({ "code": code }), "203.0.113.1").await.0
    }

    async fn phone(&self, user: UserId) -> Value {
        self.call(user, ("GET", "/phone"), Value::Null, "203.0.113.1").await.1
    }

    /// Sends the codes that were asked for since, and gives the last.
    async fn code(&self, user: UserId) -> String {
        let page = self.store().activity(user, None, 1).await.unwrap();
        self.notifier.handle(&page.events[0]).await.unwrap();
        self.sent().pop().unwrap().code()
    }

    pub(super) async fn item(&self, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws.config(shared::aws::Service::DynamoDb));
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let output = client
            .get_item()
            .table_name(test_table::NAME)
            .key("pk", key(pk))
            .key("sk", key(sk))
            .send()
            .await
            .unwrap();
        output.item
    }

    /// As the table would never let it come to be.
    pub(super) async fn put_request(&self, user: UserId, request: &PhoneRequest) {
        let client = aws_sdk_dynamodb::Client::new(&self.aws.config(shared::aws::Service::DynamoDb));
        let text = |text: String| AttributeValue::S(text);
        client
            .put_item()
            .table_name(test_table::NAME)
            .item("pk", text(format!("USER#{user}")))
            .item("sk", text("PHONE_CODE".to_owned()))
            .item("phone_number", text(request.number.to_string()))
            .item("country", text(request.country.to_string()))
            .item("event_id", text(request.event_id.to_string()))
            .item("asked_at", text(request.asked_at.to_string()))
            .item("dies_at", text(request.dies_at.to_string()))
            .item("expires_at", AttributeValue::N(request.dies_at.as_second().to_string()))
            .send()
            .await
            .unwrap();
    }

    /// Verified users, each behind an address of their own.
    async fn strangers(&self, count: usize) -> Vec<(UserId, String)> {
        let mut strangers = Vec::new();
        for _ in 0..count {
            let place = self.millis.load(Ordering::Relaxed);
            let client = format!("2001:db8:{:x}:{:x}::1", place >> 16 & 0xffff, place & 0xffff);
            strangers.push((self.user(&format!("stranger{place}")).await, client));
        }
        strangers
    }

    async fn ask_from(&self, (user, client): &(UserId, String), to: &str) -> (u16, Value) {
        self.call(*user, ("PUT", "/phone"), json!({ "number": to }), client).await
    }

    /// They ask in turn for one number of a range after the other. What they are answered.
    async fn pump(&self, pumpers: &[(UserId, String)], range: &str, count: usize) -> Vec<u16> {
        let mut answers = Vec::new();
        for (place, pumper) in pumpers.iter().cycle().take(count).enumerate() {
            answers.push(self.ask_from(pumper, &format!("{range}{place:04}")).await.0);
        }
        answers
    }

    /// What is kept of ranges and breakers whose key begins so.
    async fn watched(&self, prefix: &str) -> Vec<HashMap<String, AttributeValue>> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws.config(shared::aws::Service::DynamoDb));
        let query = client.query().table_name(test_table::NAME);
        let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
        let query = query.expression_attribute_values(":pk", AttributeValue::S("BREAKER#sms".to_owned()));
        let query = query.expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()));
        query.send().await.unwrap().items.unwrap()
    }

    /// As somebody does who has looked. It is one item.
    async fn close_breaker(&self) {
        let client = aws_sdk_dynamodb::Client::new(&self.aws.config(shared::aws::Service::DynamoDb));
        let open = self.watched("BREAKER").await;
        assert_eq!(open.len(), 1, "{open:?}");
        let delete = client.delete_item().table_name(test_table::NAME);
        delete.key("pk", open[0]["pk"].clone()).key("sk", open[0]["sk"].clone()).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_number_is_asked_for_shown_and_taken_away() {
    let world = world().await;
    let user = world.user("ada").await;
    let none = json!({ "phone": null, "pending": null, "countries": ["DE", "GB", "US"] });
    assert_eq!(world.phone(user).await, none);
    assert_eq!(world.ask(user, "+49 151 123 456 78").await.0, 202);
    let waiting = world.phone(user).await;
    assert_eq!(waiting["phone"], json!({ "number": ADA, "verified": false, "texts": "on" }));
    assert_eq!(waiting["pending"]["number"], ADA);
    let code = world.code(user).await;
    assert_eq!(world.confirm(user, &code).await, 204);
    let shown = world.phone(user).await;
    assert_eq!(shown["phone"], json!({ "number": ADA, "verified": true, "texts": "on" }));
    assert_eq!(shown["pending"], Value::Null);
    assert_eq!(world.ask(user, ADA).await.1["errors"][0]["field"], "number", "it is theirs already");
    for _ in 0..2 {
        assert_eq!(world.call(user, ("DELETE", "/phone"), Value::Null, "x").await.0, 204);
        assert_eq!(world.phone(user).await, none);
    }
    let expected = ["phone.removed", "phone.added", "phone.verification_requested"];
    assert_eq!(world.events(user).await[..3], expected);
}

/// P1
#[tokio::test]
async fn p1_only_numbers_of_phones_in_allowed_countries_are_taken() {
    let world = world().await;
    let user = world.user("ada").await;
    for typed in ["0151 12345678", "+33 6 12 34 56 78", "+49 89 1234567", "", "+49", "x"] {
        let (status, problem) = world.ask(user, typed).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("number")), "{typed}");
    }
    assert_eq!(world.events(user).await.len(), 2);
}

/// P2
#[tokio::test]
async fn p2_a_code_may_be_tried_five_times_and_no_more() {
    let world = world().await;
    let user = world.user("ada").await;
    let event = world.request(user, ADA).await;
    world.notifier.handle(&event).await.unwrap();
    let code = world.sent()[0].code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for malformed in ["", "12345", "abcdef"] {
        assert_eq!(world.confirm(user, malformed).await, 422, "no try is spent on what is no code");
    }
    for attempt in 1..=CODE_TRIES {
        let expected = if attempt == CODE_TRIES { 410 } else { 422 };
        assert_eq!(world.confirm(user, wrong).await, expected, "try {attempt}");
    }
    assert_eq!(world.confirm(user, &code).await, 410, "the right one comes too late");
    assert!(world.store().phone(user).await.unwrap().is_none());
}

/// P2: tries at once are not more than those one after the other.
#[tokio::test]
async fn p2_tries_at_once_are_counted() {
    let world = Arc::new(world().await);
    let user = world.user("ada").await;
    let event = world.request(user, ADA).await;
    world.notifier.handle(&event).await.unwrap();
    let code = world.sent()[0].code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let tries = (0..20).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.confirm(user, wrong).await })
    });
    let mut looked_at = 0;
    for attempt in tries.collect::<Vec<_>>() {
        // The fifth is told that there is no sixth.
        looked_at += u32::from(attempt.await.unwrap() == 422);
    }
    assert_eq!(looked_at, CODE_TRIES - 1);
    assert_eq!(world.confirm(user, &code).await, 410);
}

/// P2
#[tokio::test]
async fn p2_a_code_lives_five_minutes_is_spent_once_and_is_its_users_alone() {
    let world = world().await;
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let sent = async |user, to| {
        let event = world.request(user, to).await;
        world.notifier.handle(&event).await.unwrap();
        world.sent().pop().unwrap().code()
    };
    let late = sent(ada, ADA).await;
    world.pass(5 * 60);
    assert_eq!(world.confirm(ada, &late).await, 410);

    let code = sent(ada, ADA).await;
    assert_eq!(world.confirm(eve, &code).await, 410, "eve has asked for none");
    let eves = sent(eve, BOB).await;
    if eves != code {
        assert_eq!(world.confirm(eve, &code).await, 422);
    }
    assert_eq!(world.confirm(ada, &code).await, 204);
    assert_eq!(world.confirm(ada, &code).await, 410, "once");
}

/// N6: a code that is spent by several at once is spent by one.
#[tokio::test]
async fn p2_a_code_is_spent_once_under_parallelism() {
    let world = Arc::new(world().await);
    let user = world.user("ada").await;
    let event = world.request(user, ADA).await;
    world.notifier.handle(&event).await.unwrap();
    let code = world.sent()[0].code();
    let confirmations = (0..4).map(|_| {
        let (world, code) = (Arc::clone(&world), code.clone());
        tokio::spawn(async move { world.confirm(user, &code).await })
    });
    let mut done = 0;
    for confirmation in confirmations.collect::<Vec<_>>() {
        done += u32::from(confirmation.await.unwrap() == 204);
    }
    assert_eq!(done, 1);
    let added = world.events(user).await.into_iter().filter(|kind| *kind == "phone.added").count();
    assert_eq!(added, 1);
}

/// P2
#[tokio::test]
async fn p2_no_code_is_asked_for_before_the_address_is_verified() {
    let world = world().await;
    let eve = world.unverified("eve").await;
    assert_eq!(world.ask(eve, ADA).await.0, 401);
    assert_eq!(world.events(eve).await, ["user.signed_up"]);
}

/// A number is one user's: who shows last that they have it.
#[tokio::test]
async fn whoever_shows_a_number_last_has_it() {
    let world = world().await;
    let (ada, bob) = (world.with_phone("ada", ADA).await, world.with_phone("bob", BOB).await);
    world.add_phone(bob, ADA).await;
    assert!(world.store().phone(ada).await.unwrap().is_none());
    assert_eq!(world.events(ada).await[0], "phone.removed");
    assert_eq!(world.store().phone(bob).await.unwrap().unwrap().number, number(ADA));
    assert!(!world.store().has_owner(&number(BOB)).await.unwrap(), "the former number is nobody's");
}

/// P1
#[tokio::test]
async fn p1_a_number_that_answered_stop_is_asked_to_answer_start_first() {
    let world = world().await;
    let user = world.with_phone("ada", ADA).await;
    let event = |user| world.event(user, Event::TextsStopped {});
    for to in [ADA, BOB] {
        world.store().hear(&number(to), true, world.now(), event).await.unwrap();
    }
    assert_eq!(world.phone(user).await["phone"]["texts"], "stopped");
    let (status, problem) = world.ask(user, BOB).await;
    assert_eq!(status, 422);
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("START"), "{problem}");
}

/// E4: each of the limits by itself.
#[tokio::test]
async fn e4_codes_are_limited_by_number_user_client_country_and_all_together() {
    let mut world = world().await;
    let put = ("PUT", "/phone");
    // By number, whoever asks.
    for place in 0..=CODE_TO_NUMBER.max {
        let user = world.user(&format!("number{place}")).await;
        let client = format!("203.0.113.{place}");
        let status = world.call(user, put, json!({ "number": ADA }), &client).await.0;
        assert_eq!(status, if place < CODE_TO_NUMBER.max { 202 } else { 429 });
    }
    // By user, from wherever.
    let user = world.user("many").await;
    for place in 0..=CODE_BY_USER.max {
        let to = format!("+49157{place}7654321");
        let status = world.call(user, put, json!({ "number": to }), &format!("198.51.100.{place}")).await.0;
        assert_eq!(status, if place < CODE_BY_USER.max { 202 } else { 429 });
    }
    // By client, for whomever.
    for place in 0..=CODE_BY_CLIENT.max {
        let user = world.user(&format!("client{place}")).await;
        let to = format!("+49160{place:02}654321");
        let status = world.call(user, put, json!({ "number": to }), "192.0.2.1").await.0;
        assert_eq!(status, if place < CODE_BY_CLIENT.max { 202 } else { 429 });
    }
    // By country, and all together: that is no fault of who asks.
    world.pass(60 * 60);
    world.sms.codes_to_country.max = 1;
    world.sms.codes.max = 2;
    let (users, mut place) = (["a", "b", "c", "d"], 0);
    for (to, expected) in
        [("+4917012345678", 202), ("+4917022345678", 503), ("+14155552671", 202), ("+447400123456", 503)]
    {
        let user = world.user(users[place]).await;
        place += 1;
        let (status, problem) = world.ask(user, to).await;
        assert_eq!(status, expected, "{to}: {problem}");
        if status == 503 {
            assert_eq!(problem["type"], "/problems/texts-paused");
        }
    }
}

/// A double click, or a second try after a lost answer, sends one text.
#[tokio::test]
async fn who_asks_again_at_once_gets_one_text() {
    let world = world().await;
    let user = world.user("ada").await;
    for _ in 0..3 {
        assert_eq!(world.ask(user, ADA).await.0, 202);
    }
    let asked =
        |events: Vec<&str>| events.iter().filter(|kind| **kind == "phone.verification_requested").count();
    assert_eq!(asked(world.events(user).await), 1);
    world.pass(31);
    assert_eq!(world.ask(user, ADA).await.0, 202);
    assert_eq!(asked(world.events(user).await), 2);
}

/// P1
#[tokio::test]
async fn p1_numbers_of_one_range_trip_its_breaker_until_it_is_reset_or_an_hour_is_over() {
    let world = world().await;
    let pumpers = world.strangers(3).await;
    assert_eq!(world.pump(&pumpers, "+491510000", 7).await, [202; 7], "seven are no pattern");
    assert_eq!(
        world.pump(&world.strangers(2).await, "+491510001", 8).await,
        [202; 8],
        "nor eight of two accounts"
    );
    // The same number again is no other number.
    let again = world.strangers(1).await;
    assert_eq!(world.ask_from(&again[0], "+4915100000003").await.0, 202);
    world.pass(10 * 60);
    assert_eq!(world.pump(&world.strangers(3).await, "+491510000", 7).await, [202; 7], "nor within minutes");
    let eighth = &world.strangers(1).await[0];
    let (status, problem) = world.ask_from(eighth, "+4915100009999").await;
    assert_eq!((status, &problem["type"]), (503, &json!("/problems/texts-paused")));
    // It holds for the range, whoever asks, and for no other.
    let honest = &world.strangers(1).await[0];
    assert_eq!(world.ask_from(honest, "+4915100008888").await.0, 503);
    assert_eq!(world.ask_from(honest, BOB).await.0, 202);
    // Reset by whoever has looked, the range is judged anew.
    world.close_breaker().await;
    assert_eq!(world.ask_from(honest, "+4915100008888").await.0, 202);
    assert_eq!(world.pump(&world.strangers(3).await, "+491520000", 9).await[6..], [202, 503, 503]);
    world.pass(60 * 60);
    assert_eq!(world.ask_from(honest, "+4915200009999").await.0, 202, "or after an hour");
}

/// P1
#[tokio::test]
async fn p1_several_ranges_trip_the_breaker_of_all_until_it_is_reset_or_an_hour_is_over() {
    let world = world().await;
    let pump_ranges = async |ranges: std::ops::Range<u32>| {
        for range in ranges {
            let answers = world.pump(&world.strangers(3).await, &format!("+491510{range:03}"), 8).await;
            assert_eq!(answers[6..], [202, 503], "{range}");
        }
    };
    pump_ranges(10..14).await;
    let honest = &world.strangers(1).await[0];
    assert_eq!(world.ask_from(honest, BOB).await.0, 202, "four ranges, and nobody else's business");
    pump_ranges(14..15).await;
    world.pass(60);
    assert_eq!(world.ask_from(honest, "+447400123456").await.0, 503, "five are everybody's");
    // Reset by whoever has looked, all ranges are judged anew.
    world.close_breaker().await;
    assert_eq!(world.ask_from(honest, "+447400123456").await.0, 202);
    assert_eq!(world.ask_from(honest, "+4915100009999").await.0, 202);
    pump_ranges(20..24).await;
    assert_eq!(world.ask_from(honest, "+447400123457").await.0, 202);
    pump_ranges(24..25).await;
    assert_eq!(world.ask_from(honest, "+447400123458").await.0, 503);
    world.pass(60 * 60);
    assert_eq!(world.ask_from(honest, "+447400123457").await.0, 202, "or after an hour");
}

/// P1 E3: no account, and nobody behind one address, can end codes for others, however long they try.
#[tokio::test]
async fn p1_one_account_or_one_client_that_asks_for_a_range_is_refused_and_nobody_else() {
    let world = world().await;
    let one = &world.strangers(1).await[0];
    for hour in 0..3 {
        let mut answers = Vec::new();
        for place in 0..2 * CODE_BY_USER.max {
            // From wherever.
            let to = format!("+4915100001{place:03}");
            answers.push(world.ask_from(&(one.0, format!("198.51.100.{place}")), &to).await.0);
        }
        let (taken, refused) = answers.split_at(CODE_BY_USER_TO_RANGE.max as usize);
        assert!(taken.iter().all(|status| *status == 202), "{answers:?}");
        assert!(refused.iter().all(|status| *status == 429), "{answers:?}");

        // For whomever: a range is paused, and no more.
        let one_client: Vec<_> = (0..3).map(|_| "192.0.2.1".to_owned()).collect();
        for range in 0..6 {
            let accounts = world.strangers(3).await.into_iter().map(|(user, _)| user);
            let accounts: Vec<_> = accounts.zip(one_client.clone()).collect();
            world.pump(&accounts, &format!("+4915112{hour}{range}"), 8).await;
        }
        let honest = &world.strangers(1).await[0];
        for to in ["+4915100009999", BOB] {
            assert_eq!(world.ask_from(honest, to).await.0, 202, "{to} after {hour} hours");
        }
        world.pass(60 * 60);
    }
}

/// P1: a company's numbers are alike, and so is the moment in which its people give them.
#[tokio::test]
async fn p1_colleagues_with_one_block_of_numbers_pause_nothing() {
    let world = world().await;
    let colleagues = world.strangers(7).await;
    assert_eq!(world.pump(&colleagues, "+491510000", 7).await, [202; 7]);
    for number in ["+4915100009999", BOB] {
        assert!(world.store().breaker(&super::number(number), world.now()).await.unwrap().is_none());
    }
}

/// K2: what is watched names no number and no user.
#[tokio::test]
async fn k2_a_watched_range_shows_neither_the_number_nor_who_asked() {
    let world = world().await;
    let one = &world.strangers(1).await[0];
    assert_eq!(world.ask_from(one, ADA).await.0, 202);
    let items = world.watched("").await;
    assert_eq!(items.len(), 1);
    let shown = format!("{items:?}");
    let (range, _) = ADA.split_at(ADA.len() - 4);
    for secret in [&range[1..], &one.0.to_string()] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let ends = items[0]["expires_at"].as_n().unwrap().parse::<i64>().unwrap();
    assert!(ends <= (world.now() + jiff::SignedDuration::from_mins(10)).as_second(), "{shown}");
}

/// P1: what is nobody's number costs nothing, and can be tried in any number.
#[tokio::test]
async fn p1_numbers_of_fiction_trip_nothing() {
    let world = world().await;
    for place in 0..8 {
        let user = world.user(&format!("user{place}")).await;
        let to = format!("+4477009001{place:02}");
        let client = format!("203.0.113.{place}");
        assert_eq!(world.call(user, ("PUT", "/phone"), json!({ "number": to }), &client).await.0, 202);
    }
}

/// I2 I3
#[tokio::test]
async fn i3_what_is_not_asked_for_is_refused() {
    let world = world().await;
    let user = world.user("ada").await;
    for (call, body) in [
        (("PUT", "/phone"), json!({ "number": ADA, "verified": true })),
        (("PUT", "/phone"), json!({})),
        (("PUT", "/phone"), json!({ "number": 49 })),
        (("POST", "/phone/confirm"), json!({ "code": 123_456 })),
        (("POST", "/phone/confirm"), json!({ "code": "123456", "number": ADA })),
    ] {
        assert_eq!(world.call(user, call, body.clone(), "x").await.0, 422, "{body}");
    }
    assert_eq!(world.confirm(user, "123456").await, 410, "nobody has asked for one");
}
