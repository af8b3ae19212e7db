//! What may be asked for, by whom, and what is answered: I1–I3.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tests::person::{OTHER_PASSWORD, PASSWORD};
use tests::{Person, Platform};

use crate::ledger::Ledger;
use crate::openapi::{Document, Operation};

#[tokio::test]
async fn i1_no_route_gives_one_user_anothers_data() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let bob = Person::signed_in(&platform, "Bob").await;
    let sessions = async |person: &Person| {
        let json = person.client.get("/api/auth/sessions").expect(200).await.json();
        let ids = json["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| session["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let (adas, bobs) = (sessions(&ada).await, sessions(&bob).await);
    assert!(adas.len() == 1 && bobs.len() == 1 && adas != bobs);

    // Bob ends Ada's session: to him there is none. An id that nobody has is refused alike.
    let nobody = format!("ses_{}", "0".repeat(32));
    let mut refusals = Vec::new();
    for id in [&adas[0], &nobody] {
        refusals.push(bob.client.delete(&format!("/api/auth/sessions/{id}")).expect(404).await.comparable());
    }
    assert_eq!(refusals[0], refusals[1]);
    ada.client.post("/api/auth/refresh").expect(204).await;

    // Ada's place in her history gets Bob a page of his own, if anything.
    for _ in 0..3 {
        ada.client.patch("/api/me").json(json!({ "name": "Countess" })).expect(200).await;
    }
    let page = ada.client.get("/api/me/activity?limit=2").expect(200).await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let ledger = Ledger::settled(&platform).await;
    let (adas_id, bobs_id) = (ada.id().await, bob.id().await);
    let bobs_events = ledger.items(&format!("USER#{bobs_id}"), "EVENT#").len();
    for cursor in
        [cursor.to_owned(), format!("USER#{adas_id}"), format!("{cursor}%00"), format!("..%2f{cursor}")]
    {
        let answer = bob.client.get(&format!("/api/me/activity?limit=100&cursor={cursor}")).send().await;
        if answer.code() == 200 {
            let json = answer.json();
            let events = json["events"].as_array().unwrap();
            assert!(
                events.len() <= bobs_events && events.iter().all(|event| event["type"] != "user.renamed"),
                "{answer}"
            );
        } else {
            assert_eq!(answer.code(), 422, "{answer}");
        }
        assert!(!answer.text().contains(&adas_id), "{answer}");
    }
    // No header or parameter says who is asking, but the token.
    let ids = [("x-user-id", &adas_id), ("x-amzn-oidc-identity", &adas_id), ("x-forwarded-user", &ada.email)];
    let mut request = bob.client.get(&format!("/api/me?user_id={adas_id}&id={adas_id}&email={}", ada.email));
    for (name, value) in ids {
        request = request.header(name, value);
    }
    assert_eq!(request.expect(200).await.json()["user"]["id"], bobs_id.as_str());
    for path in [format!("/api/me/{adas_id}"), format!("/api/users/{adas_id}"), "/api/me/sessions".to_owned()]
    {
        bob.client.get(&path).expect_problem(404, "not-found").await;
    }
}

#[tokio::test]
async fn i1_whoever_is_not_signed_in_sees_nobodys_data() {
    let platform = Platform::start().await;
    Person::signed_in(&platform, "Ada").await;
    let stranger = platform.client();
    for (method, path, body) in [
        ("GET", "/api/me", Value::Null),
        ("PATCH", "/api/me", json!({ "name": "Eve" })),
        ("GET", "/api/me/activity", Value::Null),
        ("GET", "/api/auth/sessions", Value::Null),
        ("DELETE", "/api/auth/sessions/ses_019346f1a2b37c8d9e0f1a2b3c4d5e6f", Value::Null),
        (
            "PUT",
            "/api/auth/password",
            json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD }),
        ),
        ("PUT", "/api/auth/email", json!({ "email": "eve@example.com", "password": PASSWORD })),
    ] {
        let request = stranger.request(method.parse().unwrap(), path);
        let request = if body.is_null() { request } else { request.json(body) };
        request.expect_problem(401, "unauthenticated").await;
    }
}

#[tokio::test]
async fn i2_only_the_fields_that_a_caller_may_set_can_be_set() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let before = ada.me().await;
    let extra = |body: Value| {
        [
            json!({ "verified": true }),
            json!({ "verified_at": "2026-01-01T00:00:00Z" }),
            json!({ "id": "usr_00000000000000000000000000000000" }),
            json!({ "role": "owner" }),
            json!({ "workspaces": [] }),
            json!({ "password_hash": "$argon2id$" }),
            json!({ "contested": false }),
            json!({ "created_at": "2020-01-01T00:00:00Z" }),
            json!({ "user_id": "usr_00000000000000000000000000000000" }),
            json!({ "pk": "USER#x", "sk": "USER" }),
            json!({ "__proto__": { "admin": true } }),
        ]
        .map(|extra| {
            let mut body = body.clone();
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            body
        })
    };
    let sign_up = json!({ "email": "eve@example.com", "password": PASSWORD, "name": "Eve" });
    for (method, path, body) in [
        ("POST", "/api/auth/sign-up", sign_up),
        ("POST", "/api/auth/sign-in", json!({ "email": ada.email, "password": PASSWORD })),
        ("POST", "/api/auth/verification", json!({ "email": ada.email })),
        ("POST", "/api/auth/password/forgot", json!({ "email": ada.email })),
        (
            "PUT",
            "/api/auth/password",
            json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD }),
        ),
        ("PUT", "/api/auth/email", json!({ "email": "eve@example.com", "password": PASSWORD })),
        ("PATCH", "/api/me", json!({ "name": "Eve" })),
    ] {
        for body in extra(body) {
            let answer = ada.client.request(method.parse().unwrap(), path).json(body.clone()).send().await;
            assert_eq!(answer.code(), 422, "{body}: {answer}");
            let problem = answer.problem();
            let field = problem["errors"][0]["field"].as_str().unwrap_or_default();
            assert!(body.get(field).is_some(), "{body}: the unknown field is named: {answer}");
        }
    }
    for body in [
        r#"{"name":"Eve","name":"Mallory"}"#,
        r#"["Eve"]"#,
        r#""Eve""#,
        "null",
        "1",
        r#"{"name":["Eve"]}"#,
        r#"{"name":{"$gt":""}}"#,
    ] {
        let request = ada.client.patch("/api/me").body(body).header("content-type", "application/json");
        request.expect_problem(422, "validation").await;
    }
    for body in [
        "",
        "{",
        r#"{"name":"Eve"} {"name":"Mallory"}"#,
        "\u{feff}{\"name\":\"Eve\"}",
        r#"{"name":"\ud800"}"#,
        "{'name':'Eve'}",
    ] {
        let request = ada.client.patch("/api/me").body(body).header("content-type", "application/json");
        request.expect_problem(400, "malformed-json").await;
    }
    assert_eq!(ada.me().await, before);
    let ledger = Ledger::settled(&platform).await;
    assert_eq!(ledger.user_of("eve@example.com"), None);
}

#[tokio::test]
async fn what_matches_no_route_is_told_so() {
    let platform = Platform::start().await;
    let client = platform.client();
    for path in [
        "/api/",
        "/api/nothing",
        "/api/me/",
        "/api/auth",
        "/api/auth/nothing",
        "/api/auth/sign-in/x",
        "/api//me",
        "/api/ME",
    ] {
        let answer = client.get(path).send().await;
        assert_eq!(answer.code(), 404, "{answer}");
        answer.problem();
    }
    for (method, path, allow) in [
        ("DELETE", "/api/me", "GET,HEAD,PATCH"),
        ("POST", "/api/health", "GET,HEAD"),
        ("GET", "/api/auth/sign-in", "POST"),
        ("PUT", "/api/auth/sessions", "GET,HEAD"),
        ("GET", "/api/auth/password", "PUT"),
        ("GET", "/api/auth/sessions/ses_019346f1a2b37c8d9e0f1a2b3c4d5e6f", "DELETE"),
    ] {
        let answer = client.request(method.parse().unwrap(), path).send().await;
        assert_eq!(answer.code(), 405, "{answer}");
        answer.problem();
        let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{answer}");
    }
    // A HEAD is a GET without its body.
    let head = client.request(reqwest::Method::HEAD, "/api/health").expect(200).await;
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused() {
    let platform = Platform::start().await;
    let client = platform.client();
    let name = |length: usize| json!({ "email": "a".repeat(length) }).to_string();
    for (length, status) in [(60_000, 422), (70_000, 413), (1_000_000, 413)] {
        let request = client.post("/api/auth/password/forgot").body(name(length));
        let answer = request.header("content-type", "application/json").send().await;
        assert_eq!(answer.code(), status, "{length} bytes: {answer}");
        answer.problem();
    }
}

#[tokio::test]
async fn activity_comes_in_pages_newest_first() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    for place in 0..7 {
        ada.client.patch("/api/me").json(json!({ "name": format!("Ada {place}") })).expect(200).await;
    }
    let all = ada.client.get("/api/me/activity?limit=100").expect(200).await.json();
    assert_eq!((all["events"].as_array().unwrap().len(), &all["next_cursor"]), (10, &Value::Null));
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ada.client.get(&format!("/api/me/activity?limit=3{cursor}")).expect(200).await.json();
        let events = page["events"].as_array().unwrap().clone();
        assert!(events.len() <= 3);
        paged.extend(events);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(&paged, all["events"].as_array().unwrap());
    let times: Vec<_> = paged.iter().map(|event| event["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one >= other), "{times:?}");
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1e3",
        "cursor=x",
        "cursor=",
        "limit=18446744073709551616",
    ] {
        ada.client.get(&format!("/api/me/activity?{query}")).expect_problem(422, "validation").await;
    }
}

/// The seed of the requests below: the same seed asks the same.
const SEED: [u8; 32] = *b"whatever is sent, it is answered";
const REQUESTS: usize = 600;

/// A request of whatever kind.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    path: String,
    body: Option<Vec<u8>>,
    headers: Vec<(&'static str, String)>,
    client: u8,
}

#[tokio::test]
async fn i3_whatever_is_sent_the_answer_is_documented_and_no_failure() {
    let platform = Platform::start().await;
    let document = Document::read(&platform).await;
    let operations = document.operations();
    assert!(operations.len() >= 18, "{operations:?}");
    eprintln!("seed: {}", String::from_utf8_lossy(&SEED));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let requests = sent(operations.clone());
    let mut ada = Person::signed_in(&platform, "Ada").await;
    let mut access = ada.cookie("__Host-access");
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for place in 0..REQUESTS {
        let sent = requests.new_tree(&mut runner).expect("a request").current();
        // No client asks so often that it is only ever refused for that.
        let client =
            platform.client_at(Ipv4Addr::new(127, 1, sent.client, u8::try_from(place % 250).unwrap() + 1));
        let mut request = client.request(sent.method.parse().unwrap(), &sent.path);
        for (name, value) in &sent.headers {
            request = request.header(name, &value.replace("{access}", &access));
        }
        if let Some(body) = &sent.body {
            request = request.body(body.clone());
        }
        let answer = request.send().await;
        *statuses.entry(answer.code()).or_default() += 1;
        assert!(answer.code() < 500, "request {place}, {sent:?}: {answer}");
        if answer.code() >= 400 && sent.method != "HEAD" {
            answer.problem();
        }
        let operation = document.find(&operations, &sent.method, &sent.path);
        let is_told_by_get = sent.method == "HEAD";
        if !is_told_by_get && let Some(fault) = document.fault(operation, &answer) {
            panic!("request {place}, {sent:?}: {fault}\n{answer}");
        }
        let is_deletion = operation.is_some_and(|operation| operation.path == "/api/auth/account/delete");
        if is_deletion && answer.code() == 204 {
            // That was a good request.
            ada = Person::signed_in(&platform, &format!("Ada{place}")).await;
            access = ada.cookie("__Host-access");
        }
    }
    // It was no fuzz if all were refused for one reason.
    eprintln!("statuses: {statuses:?}");
    for status in [200, 202, 400, 401, 404, 405, 415, 422] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
    // And nobody was harmed.
    ada.me().await;
}

/// Every answer to a good request is what the document says, too.
#[tokio::test]
async fn i3_good_requests_are_answered_as_documented() {
    let platform = Platform::start().await;
    let document = Document::read(&platform).await;
    let operations = document.operations();
    let ada = Person::signed_in(&platform, "Ada").await;
    let phone = ada.elsewhere(&platform);
    phone.sign_in().await;
    let sessions = ada.client.get("/api/auth/sessions").expect(200).await.json();
    let other =
        sessions["sessions"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let revoke = format!("/api/auth/sessions/{}", other["id"].as_str().unwrap());
    for (method, path, body) in [
        ("GET", "/api/health", Value::Null),
        ("GET", "/api/config", Value::Null),
        ("GET", "/api/openapi.json", Value::Null),
        ("GET", "/api/auth/jwks.json", Value::Null),
        ("GET", "/api/me", Value::Null),
        ("GET", "/api/me/activity", Value::Null),
        ("GET", "/api/me/activity?limit=1", Value::Null),
        ("PATCH", "/api/me", json!({ "name": "Countess" })),
        ("GET", "/api/me/preferences", Value::Null),
        (
            "PUT",
            "/api/me/preferences",
            json!({
                "security": { "mail": true, "text": true },
                "billing": { "mail": true, "text": true },
                "product": { "mail": false },
            }),
        ),
        ("PUT", "/api/sms/phone", json!({ "number": "+44 7700 900123" })),
        ("GET", "/api/sms/phone", Value::Null),
        ("DELETE", "/api/sms/phone", Value::Null),
        ("GET", "/api/auth/sessions", Value::Null),
        ("DELETE", &revoke, Value::Null),
        ("POST", "/api/auth/refresh", Value::Null),
        ("POST", "/api/auth/password/forgot", json!({ "email": ada.email })),
        ("POST", "/api/auth/verification", json!({ "email": ada.email })),
        ("PUT", "/api/auth/email", json!({ "email": "new@example.com", "password": PASSWORD })),
        (
            "PUT",
            "/api/auth/password",
            json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD }),
        ),
        (
            "POST",
            "/api/auth/sign-up",
            json!({ "email": "bob@example.com", "password": PASSWORD, "name": "Bob" }),
        ),
        ("POST", "/api/auth/sign-in", json!({ "email": ada.email, "password": OTHER_PASSWORD })),
        ("POST", "/api/auth/account/delete", json!({ "password": OTHER_PASSWORD })),
        ("POST", "/api/auth/sign-out", Value::Null),
    ] {
        let request = ada.client.request(method.parse().unwrap(), path);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await;
        assert!(answer.status.is_success(), "{answer}");
        let operation = document.find(&operations, method, path).unwrap_or_else(|| panic!("{method} {path}"));
        assert_eq!(document.fault(Some(operation), &answer), None, "{answer}");
    }
}

/// Requests near and far from what the operations take.
fn sent(operations: Vec<Operation>) -> impl Strategy<Value = Sent> {
    let method = prop_oneof![
        6 => Just(None),
        1 => prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]).prop_map(Some),
    ];
    let place = 0..operations.len();
    (place, method, segment(), prop::bool::weighted(0.15), query(), any::<u64>(), headers(), 0..=250_u8)
        .prop_flat_map(move |(place, method, segment, astray, query, _, headers, client)| {
            let operation = &operations[place];
            let method = method.unwrap_or(&operation.method).to_owned();
            let mut path = operation
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { segment.as_str() } else { part })
                .collect::<Vec<_>>()
                .join("/");
            if astray {
                path.push('/');
                path.push_str(&segment);
            }
            path.push_str(&query);
            body(operation.fields.clone()).prop_map(move |body| Sent {
                method: method.clone(),
                path: path.clone(),
                // A GET or HEAD with a body is the client library's business, not ours.
                body: body.filter(|_| !matches!(method.as_str(), "GET" | "HEAD")),
                headers: headers.clone(),
                client,
            })
        })
}

/// Part of a path, percent-encoded as need be.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("ses_019346f1a2b37c8d9e0f1a2b3c4d5e6f".to_owned()),
        1 => "ses_[0-9a-f]{30,34}",
        1 => "[a-zA-Z0-9._~!$&'()*+,;=:@-]{1,40}",
        1 => prop::collection::vec(any::<u8>(), 1..12).prop_map(|bytes| bytes.iter().map(|byte| format!("%{byte:02x}")).collect()),
        1 => prop::sample::select(vec!["%2e%2e", "%00", "%ff%fe", "%c3%a9", "..%2f..", "%25", "{proxy+}", "null", "%f0%9f%a6%86"]).prop_map(str::to_owned),
    ]
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => Just(String::new()),
        1 => "\\?(limit|cursor|x)=[a-z0-9%_-]{0,20}".prop_map(|query| query.replace('%', "%25")),
        1 => Just("?limit=1&limit=2&cursor=&cursor=%00".to_owned()),
        1 => Just("?limit=5".to_owned()),
        1 => Just("?&&==%26&a[]=1".to_owned()),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let json = || ("content-type", "application/json".to_owned());
    let one = prop_oneof![
        8 => Just(json()),
        1 => prop::sample::select(vec!["application/json; charset=utf-8", "text/plain", "APPLICATION/JSON", "application/json;;", "x", "application/xml"])
            .prop_map(|kind| ("content-type", kind.to_owned())),
        3 => Just(("authorization", "Bearer {access}".to_owned())),
        2 => Just(("cookie", "__Host-access={access}".to_owned())),
        1 => "[ -~]{0,80}".prop_map(|value| ("authorization", value.trim().to_owned())),
        1 => "[!-:<-~]{0,60}".prop_map(|value| ("cookie", format!("__Host-access={value}; __Host-refresh={value}; __Host-device={value}"))),
        1 => prop::sample::select(vec!["same-origin", "cross-site", "none", "", "x"]).prop_map(|value| ("sec-fetch-site", value.to_owned())),
        1 => "[ -~]{0,40}".prop_map(|value| ("origin", value.trim().to_owned())),
        1 => "[ -~]{0,200}".prop_map(|value| ("user-agent", value.trim().to_owned())),
        1 => "[!-~]{0,40}".prop_map(|value| ("accept", value)),
        1 => "[!-~]{0,70}".prop_map(|value| ("traceparent", value)),
        1 => "[!-~]{0,70}".prop_map(|value| ("x-forwarded-for", value)),
        1 => "[ -~éß\u{80}-\u{ff}]{0,30}".prop_map(|value| ("x-anything", value.trim().to_owned())),
    ];
    prop::collection::vec(one, 0..5).prop_map(move |mut headers| {
        // Most requests get past the check of their type.
        if !headers.iter().any(|(name, _)| *name == "content-type") && headers.len() % 4 != 3 {
            headers.push(json());
        }
        headers
    })
}

/// A body with more or less of these fields, or something else altogether.
fn body(fields: Vec<String>) -> impl Strategy<Value = Option<Vec<u8>>> {
    let value = prop_oneof![
        4 => text().prop_map(Value::String),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop::collection::vec(text().prop_map(Value::String), 0..4).prop_map(Value::from),
        1 => text().prop_map(|key| json!({ key: {} })),
    ];
    let good = |field: &str| match field {
        "email" => "[a-z]{3,10}@example\\.com".prop_map(Value::String).boxed(),
        "password" | "new_password" => Just(Value::String(PASSWORD.to_owned())).boxed(),
        _ => "[a-zA-Z ]{1,30}".prop_map(Value::String).boxed(),
    };
    let members: Vec<_> = fields
        .iter()
        .map(|field| {
            let field = field.clone();
            let value = prop_oneof![5 => good(&field), 1 => value.clone()];
            prop::option::weighted(0.95, value.prop_map(move |value| (field.clone(), value)))
        })
        .collect();
    let extra = prop::option::weighted(0.1, (text(), value));
    let object = (members, extra)
        .prop_map(|(members, extra)| {
            let members: serde_json::Map<_, _> = members.into_iter().flatten().chain(extra).collect();
            Value::Object(members).to_string().into_bytes()
        })
        .boxed();
    prop_oneof![
        8 => object.clone().prop_map(Some),
        1 => Just(None),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Some),
        1 => (object, any::<prop::sample::Index>()).prop_map(|(mut bytes, cut)| { bytes.truncate(cut.index(bytes.len() + 1)); Some(bytes) }),
        1 => prop::sample::select(vec!["null", "[]", "{}", "\"\"", "0", "[[[[[[[[", "{\"a\":{\"a\":{\"a\":{}}}}", "\u{0}", "1e999"])
            .prop_map(|text| Some(text.as_bytes().to_vec())),
        1 => (1..200_usize).prop_map(|depth| Some("[".repeat(depth * 10).into_bytes())),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[ -~]{0,30}",
        2 => any::<String>(),
        1 => prop::sample::select(vec!["", "\u{0}", "'; DROP TABLE users; --", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", "\u{202e}", "NaN", "true", "\r\nSet-Cookie: a=b"])
            .prop_map(str::to_owned),
        1 => (1_000..3_000_usize).prop_map(|length| "a".repeat(length)),
        1 => (100..400_usize).prop_map(|length| "🦆".repeat(length)),
    ]
}
