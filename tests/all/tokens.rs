//! Tokens, sessions and cookies: T1–T6.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tests::client::Response;
use tests::person::{OTHER_PASSWORD, PASSWORD};
use tests::{Person, Platform};

use crate::aws::{Table, moment};
use crate::forge::{Forger, read, sign_hs256, unsigned};
use crate::ledger::Ledger;

const ACCESS: &str = "__Host-access";
const REFRESH: &str = "__Host-refresh";
const DEVICE: &str = "__Host-device";

/// One route of each function that wants to know who is asking.
const WHO_IS_ASKING: [&str; 2] = ["/api/me", "/api/auth/sessions"];

/// A signed-in user whose tokens can be forged.
struct Target {
    platform: Platform,
    ada: Person,
    forger: Forger,
    header: Value,
    claims: Value,
}

impl Target {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let ada = Person::signed_in(&platform, "Ada").await;
        let forger = Forger::with_key_of(&platform);
        let (header, claims) = read(&ada.cookie(ACCESS));
        Self { platform, ada, forger, header, claims }
    }

    /// How both functions answer to an access token, in the header and in the cookie: all alike.
    async fn status(&self, token: &str) -> u16 {
        let mut codes = Vec::new();
        for path in WHO_IS_ASKING {
            codes.push(self.ada.client.get(path).bearer(token).send().await.code());
            let cookie = format!("{ACCESS}={token}");
            codes.push(
                self.ada.client.get(path).without_cookies().header("cookie", &cookie).send().await.code(),
            );
        }
        assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?} to {token}");
        codes[0]
    }

    async fn refused(&self, what: &str, token: &str) {
        assert_eq!(self.status(token).await, 401, "{what}: {token}");
    }

    /// The header with some of its members changed; null takes one out.
    fn header_with(&self, changes: Value) -> Value {
        with(&self.header, changes)
    }

    fn claims_with(&self, changes: Value) -> Value {
        with(&self.claims, changes)
    }
}

fn with(object: &Value, changes: Value) -> Value {
    let mut object = object.clone();
    for (name, value) in changes.as_object().expect("an object") {
        let members = object.as_object_mut().expect("an object");
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    object
}

#[tokio::test]
async fn t1_the_algorithm_is_ours_whatever_a_header_says() {
    let target = Target::new().await;
    let Target { forger, header, claims, .. } = &target;
    // What is refused below differs from this in one point.
    assert_eq!(target.status(&forger.sign(header, claims)).await, 200);

    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let token = unsigned(&target.header_with(json!({ "alg": algorithm })), &claims.to_string());
        let signature = forger.sign(header, claims);
        let signature = signature.rsplit('.').next().unwrap();
        for token in
            [format!("{token}."), token.clone(), format!("{token}.{signature}"), format!("{token}.e30")]
        {
            target.refused(&format!("alg {algorithm:?}"), &token).await;
        }
    }
    let jwk = forger.jwk.to_string();
    let x = forger.jwk["x"].as_str().unwrap();
    let hs256 = target.header_with(json!({ "alg": "HS256" }));
    for secret in [forger.public_bytes().as_slice(), x.as_bytes(), jwk.as_bytes(), b""] {
        target.refused("HS256 under the public key", &sign_hs256(secret, &hs256, claims)).await;
        target.refused("HMAC that claims to be EdDSA", &sign_hs256(secret, header, claims)).await;
    }
    for algorithm in ["ES256", "RS256", "PS256", "HS256", "Ed25519", "eddsa", "EdDSA "] {
        let token = forger.sign(&target.header_with(json!({ "alg": algorithm })), claims);
        target.refused(&format!("signed as it should be, but said to be {algorithm}"), &token).await;
    }
    for alg in [json!(null), json!(1), json!(["EdDSA"]), json!({})] {
        let mut header = target.header_with(json!({ "alg": null }));
        if !alg.is_null() {
            header["alg"] = alg;
        }
        target.refused("no alg, or one that is no text", &forger.sign(&header, claims)).await;
    }
}

#[tokio::test]
async fn t1_the_key_is_ours_whatever_a_header_says() {
    let target = Target::new().await;
    let Target { forger, header, claims, .. } = &target;
    let other = Forger::with_other_key();
    target.refused("another key under our kid", &other.sign(header, claims)).await;
    let own_kid = json!({ "kid": other.jwk["kid"] });
    target.refused("another key under its kid", &other.sign(&target.header_with(own_kid), claims)).await;
    let jwks = format!("data:application/json,{}", json!({ "keys": [other.jwk] }));
    for hint in [
        json!({ "jwk": other.jwk }),
        json!({ "jwk": other.jwk, "kid": other.jwk["kid"] }),
        json!({ "jwk": other.jwk, "kid": null }),
        json!({ "jku": jwks, "kid": other.jwk["kid"] }),
        json!({ "jku": "https://evil.example/jwks.json", "kid": other.jwk["kid"] }),
        json!({ "x5u": "https://evil.example/key.pem" }),
        json!({ "x5c": [other.jwk["x"]] }),
    ] {
        let header = target.header_with(hint.clone());
        target.refused(&format!("another key, told of by {hint}"), &other.sign(&header, claims)).await;
    }
    for kid in
        [json!("unknown"), json!(""), json!("../signing-keys"), json!("' OR 1=1 --"), json!(0), json!(["x"])]
    {
        let token = forger.sign(&target.header_with(json!({ "kid": kid })), claims);
        target.refused(&format!("kid {kid}"), &token).await;
    }
    target.refused("no kid", &forger.sign(&target.header_with(json!({ "kid": null })), claims)).await;
    let critical = target.header_with(json!({ "crit": ["exp"], "exp": 0 }));
    target.refused("an extension that must be understood", &forger.sign(&critical, claims)).await;
    // Ours, with a word about another key: that word counts for nothing.
    let token = forger.sign(&target.header_with(json!({ "jwk": other.jwk })), claims);
    assert_eq!(target.status(&token).await, 200);
}

#[tokio::test]
async fn t1_a_token_that_was_touched_is_worth_nothing() {
    let target = Target::new().await;
    let token = target.ada.cookie(ACCESS);
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { panic!("three parts: {token}") };
    let promoted =
        BASE64_URL_SAFE_NO_PAD.encode(target.claims_with(json!({ "exp": 4_102_444_800_i64 })).to_string());
    let mut turned = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    turned[0] ^= 1;
    let turned = BASE64_URL_SAFE_NO_PAD.encode(turned);
    for touched in [
        format!("{header}.{promoted}.{signature}"),
        format!("{header}.{claims}.{turned}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}.{}", "A".repeat(86)),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{claims}.{header}.{signature}"),
        format!("{header}.{claims}.{signature}x"),
        format!("{token}="),
        "..".to_owned(),
        "a".to_owned(),
        "a".repeat(6_000),
    ] {
        target.refused("touched", &touched).await;
    }
}

#[tokio::test]
async fn t2_what_a_token_must_say_it_must_say_and_in_the_right_type() {
    let target = Target::new().await;
    let now = jiff::Timestamp::now().as_second();
    let Target { forger, header, claims, .. } = &target;
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        600,
        "an access token is good for ten minutes"
    );
    for claim in ["iss", "aud", "iat", "exp", "sub", "sid"] {
        let missing = target.claims_with(json!({ claim: null }));
        assert!(missing.get(claim).is_none());
        target.refused(&format!("without {claim}"), &forger.sign(header, &missing)).await;
        let null = with(&Value::Object(serde_json::Map::new()), json!({}));
        let mut null_claims = claims.clone();
        null_claims[claim] = null;
        target.refused(&format!("{claim} an object"), &forger.sign(header, &null_claims)).await;
        null_claims[claim] = Value::Null;
        target.refused(&format!("{claim} null"), &forger.sign(header, &null_claims)).await;
        null_claims[claim] = json!([claims[claim]]);
        target.refused(&format!("{claim} a list"), &forger.sign(header, &null_claims)).await;
        null_claims[claim] = json!(true);
        target.refused(&format!("{claim} true"), &forger.sign(header, &null_claims)).await;
    }
    let origin = claims["iss"].as_str().unwrap();
    let audience = claims["aud"].as_str().unwrap();
    for wrong in [
        json!({ "exp": now - 1 }),
        json!({ "exp": 0 }),
        json!({ "exp": -1 }),
        json!({ "exp": (now + 600).to_string() }),
        json!({ "exp": "9999999999999999999999" }),
        json!({ "exp": 1e300 }),
        json!({ "exp": now as f64 + 600.5 }),
        json!({ "iat": now + 3_600, "exp": now + 7_200 }),
        json!({ "iat": now.to_string() }),
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": format!("{origin}/") }),
        json!({ "iss": "" }),
        json!({ "aud": origin }),
        json!({ "aud": format!("{audience}/") }),
        json!({ "aud": "https://evil.example/api" }),
        json!({ "aud": [audience, "https://evil.example/api"] }),
        json!({ "sub": "" }),
        json!({ "sub": "*" }),
        json!({ "sub": 7 }),
        json!({ "sub": claims["sid"] }),
        json!({ "sub": claims["sub"].as_str().unwrap().to_uppercase() }),
        json!({ "sid": claims["sub"] }),
    ] {
        target.refused(&wrong.to_string(), &forger.sign(header, &target.claims_with(wrong))).await;
    }
    for typ in [
        json!("JWT"),
        json!("rt+jwt"),
        json!("device+jwt"),
        json!("AT+JWT"),
        json!("application/at+jwt"),
        json!(""),
        json!(1),
    ] {
        let token = forger.sign(&target.header_with(json!({ "typ": typ })), claims);
        target.refused(&format!("typ {typ}"), &token).await;
    }
    target.refused("no typ", &forger.sign(&target.header_with(json!({ "typ": null })), claims)).await;
    // The same claim twice: whichever is believed, two readers could differ.
    let twice = claims.to_string().replacen('{', &format!("{{\"exp\":{},", now - 5), 1);
    target.refused("exp twice", &forger.sign_text(header, &twice)).await;
    target.refused("claims that are no JSON", &forger.sign_text(header, "exp=1")).await;
    target.refused("claims that are a list", &forger.sign_text(header, "[]")).await;
}

#[tokio::test]
async fn t2_a_token_of_one_kind_is_never_taken_for_another() {
    let target = Target::new().await;
    let Target { platform, ada, forger, .. } = &target;
    let kinds = [ada.cookie(ACCESS), ada.cookie(REFRESH), ada.cookie(DEVICE)];
    for token in &kinds[1..] {
        target.refused("as an access token", token).await;
    }
    for token in [&kinds[0], &kinds[2]] {
        let thief = platform.client();
        thief.set_cookie(REFRESH, token);
        thief.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    }
    // Every claim of an access token with the type of a refresh token, and the other way round.
    let (refresh_header, refresh_claims) = read(&kinds[1]);
    target.refused("refresh claims", &forger.sign(&target.header, &refresh_claims)).await;
    let both = with(&refresh_claims, json!({ "aud": target.claims["aud"] }));
    target.refused("a refresh token for the API", &forger.sign(&refresh_header, &both)).await;
    for claims in [
        &target.claims,
        &with(&target.claims, json!({ "gen": 0 })),
        &with(&refresh_claims, json!({ "gen": null })),
    ] {
        let thief = platform.client();
        thief.set_cookie(REFRESH, &forger.sign(&refresh_header, claims));
        thief.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    }
    // None of this has ended the session.
    ada.client.post("/api/auth/refresh").expect(204).await;
}

#[tokio::test]
async fn t1_published_keys_verify_our_tokens_and_show_no_private_half() {
    let target = Target::new().await;
    let answer = target.platform.client().get("/api/auth/jwks.json").expect(200).await;
    let keys = answer.json();
    assert_eq!(keys["keys"][0]["kid"], target.header["kid"]);
    assert_eq!(keys["keys"][0]["x"], target.forger.jwk["x"]);
    for key in keys["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none() && key["kty"] == "OKP" && key["crv"] == "Ed25519", "{key}");
    }
    for file in std::fs::read_dir(target.platform.data().join("keys")).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let path = file.unwrap().path();
        if std::fs::read_to_string(&path).unwrap().contains("\"d\"") {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn t3_a_replayed_old_refresh_token_ends_its_session() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let other = ada.elsewhere(&platform);
    other.sign_in().await;
    let stolen = ada.cookie(REFRESH);
    ada.client.post("/api/auth/refresh").expect(204).await;
    ada.client.post("/api/auth/refresh").expect(204).await;
    let thief = platform.client();
    thief.set_cookie(REFRESH, &stolen);
    let answer = thief.post("/api/auth/refresh").expect(401).await;
    for cookie in [ACCESS, REFRESH] {
        assert!(answer.cookie(cookie).is_cleared(), "{answer}");
    }
    ada.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    other.client.post("/api/auth/refresh").expect(204).await;
    ends(&platform, &ada.email, &["replayed"]).await;
}

#[tokio::test]
async fn t3_the_previous_refresh_token_is_stolen_goods_after_ten_seconds() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let (_, claims) = read(&ada.cookie(REFRESH));
    let previous = ada.cookie(REFRESH);
    ada.client.post("/api/auth/refresh").expect(204).await;
    let (pk, sk) = (format!("USER#{}", text(&claims["sub"])), format!("SESSION#{}", text(&claims["sid"])));
    Table::of(&platform).set((&pk, &sk), "refreshed_at", moment(-11)).await;
    let thief = platform.client();
    thief.set_cookie(REFRESH, &previous);
    thief.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    ada.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    ends(&platform, &ada.email, &["replayed"]).await;
}

#[tokio::test]
async fn t4_tabs_that_refresh_at_once_stay_signed_in() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let first = ada.cookie(REFRESH);
    for round in 0..3 {
        let token = ada.cookie(REFRESH);
        let tabs: Vec<_> = (0..6)
            .map(|_| {
                let tab = platform.client();
                tab.set_cookie(REFRESH, &token);
                tokio::spawn(async move {
                    let answer = tab.post("/api/auth/refresh").send().await;
                    (answer, tab)
                })
            })
            .collect();
        let mut last = None;
        for tab in tabs {
            let (answer, tab) = tab.await.unwrap();
            assert_eq!(answer.code(), 204, "round {round}: {answer}");
            let access = tab.cookie(ACCESS).unwrap();
            tab.get("/api/me").bearer(&access).expect(200).await;
            last = tab.cookie(REFRESH);
        }
        ada.client.set_cookie(REFRESH, &last.unwrap());
    }
    assert_ne!(first, ada.cookie(REFRESH));
    ada.client.post("/api/auth/refresh").expect(204).await;
    ends(&platform, &ada.email, &[]).await;
}

#[tokio::test]
async fn t4_a_reply_that_got_lost_signs_nobody_out() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    for _ in 0..3 {
        let before = ada.cookie(REFRESH);
        ada.client.post("/api/auth/refresh").expect(204).await;
        // The browser has never seen that answer, and asks again with what it has.
        ada.client.set_cookie(REFRESH, &before);
        ada.client.post("/api/auth/refresh").expect(204).await;
    }
    ada.me().await;
    ends(&platform, &ada.email, &[]).await;
}

#[tokio::test]
async fn t5_signing_out_ends_the_session_at_once() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let (access, refresh) = (ada.cookie(ACCESS), ada.cookie(REFRESH));
    let answer = ada.client.post("/api/auth/sign-out").expect(204).await;
    for cookie in [ACCESS, REFRESH] {
        assert!(answer.cookie(cookie).is_cleared(), "{answer}");
    }
    assert_eq!((ada.client.cookie(ACCESS), ada.client.cookie(REFRESH)), (None, None));
    let thief = platform.client();
    thief.set_cookie(REFRESH, &refresh);
    thief.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    // Access ends within the life of an access token: that is what it is bounded by.
    let (_, claims) = read(&access);
    let left = claims["exp"].as_i64().unwrap() - jiff::Timestamp::now().as_second();
    assert!(left <= 600, "{left} s");
    ends(&platform, &ada.email, &["signed_out"]).await;
}

#[tokio::test]
async fn t5_signing_out_needs_no_fresh_access_token() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let refresh = ada.cookie(REFRESH);
    // The browser dropped it: its ten minutes are over.
    ada.client.forget_cookie(ACCESS);
    ada.client.post("/api/auth/sign-out").expect(204).await;
    ada.client.set_cookie(REFRESH, &refresh);
    ada.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    // Whoever is signed out already may say so again.
    platform.client().post("/api/auth/sign-out").expect(204).await;
}

#[tokio::test]
async fn t5_a_revoked_session_can_be_refreshed_no_more() {
    let platform = Platform::start().await;
    let laptop = Person::signed_in(&platform, "Ada").await;
    let phone = laptop.elsewhere(&platform);
    phone.sign_in().await;
    let sessions = laptop.client.get("/api/auth/sessions").expect(200).await.json();
    let sessions = sessions["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        assert_eq!(session["device"], "Firefox on Linux");
        assert!(session["created_at"].is_string() && session["last_seen_at"].is_string(), "{session}");
    }
    let others: Vec<_> = sessions.iter().filter(|session| session["current"] == false).collect();
    let [other] = others.as_slice() else { panic!("one of two is this one: {sessions:?}") };
    let path = format!("/api/auth/sessions/{}", text(&other["id"]));
    laptop.client.delete(&path).expect(204).await;
    phone.client.post("/api/auth/refresh").expect_problem(401, "unauthenticated").await;
    laptop.client.post("/api/auth/refresh").expect(204).await;
    laptop.client.delete(&path).expect_problem(404, "not-found").await;
    ends(&platform, &laptop.email, &["revoked"]).await;
}

#[tokio::test]
async fn t6_cookies_are_out_of_reach_of_scripts_other_sites_and_other_hosts() {
    let platform = Platform::start().await;
    let ada = Person::verified(&platform, "Ada").await;
    let check = |answer: &Response| {
        for (name, same_site, max_age) in
            [(ACCESS, "Lax", "600"), (REFRESH, "Strict", "2592000"), (DEVICE, "Lax", "34560000")]
        {
            let Some(cookie) = answer.cookies().into_iter().find(|cookie| cookie.name == name) else {
                assert_eq!(name, DEVICE, "{answer}");
                continue;
            };
            assert!(
                cookie.attribute("httponly").is_some() && cookie.attribute("secure").is_some(),
                "{cookie:?}"
            );
            assert_eq!(cookie.attribute("samesite"), Some(same_site));
            // The prefix by which browsers let no other host set it, and what they ask of it.
            assert!(name.starts_with("__Host-"), "{name}");
            assert_eq!(cookie.attribute("path"), Some("/"));
            assert_eq!(cookie.attribute("max-age"), Some(max_age));
            assert_eq!(cookie.attribute("domain"), None, "no other host is sent it");
        }
    };
    let answer = ada.sign_in().await;
    check(&answer);
    assert_eq!(answer.cookie(DEVICE).name, DEVICE);
    check(&ada.client.post("/api/auth/refresh").expect(204).await);
    // Nor does any token come in a body, where a script would read it.
    assert!(!answer.text().contains("eyJ"), "{answer}");
}

#[tokio::test]
async fn t6_a_write_that_another_site_sends_is_refused() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let phone = ada.elsewhere(&platform);
    phone.sign_in().await;
    let sessions = ada.client.get("/api/auth/sessions").expect(200).await.json();
    let other = sessions["sessions"].as_array().unwrap().iter().find(|session| session["current"] == false);
    let session = format!("/api/auth/sessions/{}", text(&other.unwrap()["id"]));
    let origin = platform.origin();
    let own_site = origin.replace("localhost", "evil.localhost");
    let senders: [&[(&str, &str)]; 9] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "cross-site"), ("origin", origin)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", &own_site)],
        &[("referer", origin)],
    ];
    for headers in senders {
        for (method, path, body) in [
            ("PATCH", "/api/me", json!({ "name": "Eve" })),
            (
                "PUT",
                "/api/auth/password",
                json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD }),
            ),
            ("PUT", "/api/auth/email", json!({ "email": "eve@example.com", "password": PASSWORD })),
            ("POST", "/api/auth/refresh", Value::Null),
            ("POST", "/api/auth/sign-out", Value::Null),
            ("DELETE", session.as_str(), Value::Null),
        ] {
            let mut request =
                ada.client.request(method.parse().unwrap(), path).without_header("sec-fetch-site");
            if !body.is_null() {
                request = request.json(body);
            }
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let answer = request.send().await;
            assert_eq!(answer.code(), 403, "{headers:?}: {answer}");
            assert_eq!(answer.problem()["type"], "/problems/cross-site");
            assert!(answer.cookies().is_empty(), "{answer}");
        }
    }
    // Nothing of it was done, and the app's own page may.
    assert_eq!(ada.me().await["user"]["name"], "Ada");
    phone.client.post("/api/auth/refresh").expect(204).await;
    ada.client
        .patch("/api/me")
        .without_header("sec-fetch-site")
        .header("origin", origin)
        .json(json!({ "name": "Countess" }))
        .expect(200)
        .await;
    ada.elsewhere(&platform).sign_in().await;
}

#[tokio::test]
async fn t6_a_form_of_another_site_cannot_speak_our_json() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/json",
        "application/json-patch+json",
        "",
    ] {
        let body = json!({ "name": "Eve" }).to_string();
        let request = ada.client.patch("/api/me").body(body).header("content-type", kind);
        request.expect_problem(415, "unsupported-media-type").await;
        // Signing a stranger in, or up, is not for other sites either.
        let body = json!({ "email": ada.email, "password": PASSWORD }).to_string();
        let request = ada.client.post("/api/auth/sign-in").body(body).header("content-type", kind);
        request.expect_problem(415, "unsupported-media-type").await;
    }
    // And a browser that asks first whether it may is not told that it may.
    for path in ["/api/me", "/api/auth/sign-in", "/api/auth/refresh"] {
        let asked = platform
            .client()
            .request(reqwest::Method::OPTIONS, path)
            .without_header("sec-fetch-site")
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
            .await;
        assert!(asked.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{asked}");
    }
    assert_eq!(ada.me().await["user"]["name"], "Ada");
}

/// Why the user's sessions ended, in their order.
async fn ends(platform: &Platform, address: &str, reasons: &[&str]) {
    let ledger = Ledger::read(platform).await;
    let user = format!("USER#{}", ledger.user_of(address).unwrap());
    let mut ends: Vec<_> = ledger
        .items(&user, "EVENT#")
        .into_iter()
        .filter(|event| event.attributes["type"] == "session.ended")
        .map(|event| (event.sk.clone(), text(&event.attributes["data"]["reason"])))
        .collect();
    ends.sort();
    let ends: Vec<_> = ends.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(ends, reasons);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
