//! The site as the CDN serves it: F1, and F2 as far as no browser is needed.

use std::collections::BTreeSet;

use infra_model::{CONTENT_SECURITY_POLICY, RESPONSE_HEADERS};
use shared::money::Currency;
use tests::platform::repository;
use tests::{Person, Platform, Response};

/// Every page of the app.
pub(crate) const PAGES: [&str; 20] = [
    "/",
    "/sign-up",
    "/check-mail",
    "/verify",
    "/sign-in",
    "/forgot",
    "/reset",
    "/confirm-email",
    "/signed-out",
    "/account-deleted",
    "/overview",
    "/activity",
    "/billing",
    "/billing/return",
    "/notifications",
    "/security",
    "/profile",
    "/pricing",
    "/unsubscribe",
    "/offline",
];

/// Every page of the console.
pub(crate) const CONSOLE_PAGES: [&str; 7] = [
    "/_local",
    "/_local/ui/inbox",
    "/_local/ui/texts",
    "/_local/ui/payments",
    "/_local/ui/functions",
    "/_local/ui/dead-letters",
    "/_local/ui/data",
];

fn assert_guarded(answer: &Response) {
    for (name, value) in RESPONSE_HEADERS {
        assert_eq!(answer.header(name), *value, "{name} of {answer}");
    }
    assert!(answer.header("server").is_empty() && answer.header("x-powered-by").is_empty(), "{answer}");
}

#[tokio::test]
async fn f1_every_response_is_guarded_by_headers() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    let client = platform.client();
    for page in PAGES {
        assert_guarded(&client.get(page).expect(200).await);
    }
    for page in CONSOLE_PAGES {
        let answer = client.get(page).expect(200).await;
        for (name, value) in RESPONSE_HEADERS {
            // The console shows mail in a frame; apart from that its policy is the same.
            let own = answer.header(name).replace("frame-src 'self'; ", "").replace("; frame-src 'self'", "");
            assert_eq!(own, *value, "{name} of {page}");
        }
    }
    for missing in
        ["/nothing", "/sign-in/", "/sign-in.html", "/index.html", "/assets/none.js", "/.env", "/_local/none"]
    {
        let answer = client.get(missing).send().await;
        assert!(answer.code() >= 300, "{answer}");
        assert_guarded(&answer);
    }
    for path in [
        "/api/health",
        "/api/me",
        "/api/nothing",
        "/api/auth/nothing",
        "/api/auth/sign-in",
        "/api/openapi.json",
    ] {
        assert_guarded(&client.get(path).send().await);
        assert_guarded(&client.post(path).body("{").send().await);
    }
    assert_guarded(&ada.client.get("/api/me").expect(200).await);
}

#[tokio::test]
async fn f1_the_policy_lets_nothing_in() {
    let directives: Vec<_> = CONTENT_SECURITY_POLICY.split(';').map(str::trim).collect();
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(directives.contains(&directive), "{directive}");
    }
    assert!(!CONTENT_SECURITY_POLICY.contains("unsafe") && !CONTENT_SECURITY_POLICY.contains('*'));
    let platform = Platform::start().await;
    let client = platform.client();
    for page in PAGES.iter().chain(&CONSOLE_PAGES) {
        let html = client.get(page).expect(200).await.text();
        // What the policy would block, no page has.
        assert!(!html.contains("<style") && !html.contains(" style=\""), "{page} has inline style");
        assert!(!html.contains("javascript:") && !html.contains("http-equiv"), "{page}");
        for script in html.split("<script").skip(1) {
            let (attributes, rest) = script.split_once('>').unwrap();
            assert!(attributes.contains("src=\"/"), "{page}: an inline script: {attributes}");
            assert!(rest.starts_with("</script>"), "{page}: {attributes}");
        }
        for handler in [" onclick=", " onload=", " onerror=", " onsubmit="] {
            assert!(!html.contains(handler), "{page}: {handler}");
        }
    }
}

#[tokio::test]
async fn f1_what_is_private_is_stored_nowhere() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    for path in ["/api/me", "/api/me/activity", "/api/auth/sessions", "/api/health", "/api/nothing"] {
        let answer = ada.client.get(path).send().await;
        assert_eq!(answer.header("cache-control"), "no-store", "{answer}");
    }
    for (path, status) in
        [("/api/auth/refresh", 204), ("/api/auth/sign-out", 204), ("/api/auth/refresh", 401)]
    {
        let answer = ada.client.post(path).expect(status).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{answer}");
    }
    assert_eq!(ada.sign_in().await.header("cache-control"), "no-store");
    for path in ["/api/config", "/api/openapi.json", "/api/auth/jwks.json"] {
        let answer = platform.client().get(path).expect(200).await;
        assert!(answer.header("cache-control").starts_with("public, max-age="), "{answer}");
        assert!(answer.cookies().is_empty(), "{answer}");
    }
}

#[tokio::test]
async fn pages_have_clean_addresses_and_the_rest_is_not_found() {
    let platform = Platform::start().await;
    let client = platform.client();
    for page in PAGES {
        let answer = client.get(page).expect(200).await;
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{page}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{page}");
        assert!(!answer.header("etag").is_empty(), "{page}");
        assert!(answer.text().contains("<title>"), "{page}");
        let head = client.request(reqwest::Method::HEAD, page).expect(200).await;
        assert!(head.body.is_empty() && head.header("etag") == answer.header("etag"), "{head}");
        let again = client.get(page).header("if-none-match", answer.header("etag")).send().await;
        assert_eq!((again.code(), again.body.len()), (304, 0), "{again}");
    }
    for path in [
        "/nothing",
        "/sign-in/x",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/Cargo.toml",
        "/assets/../Cargo.toml",
        "/assets/%00",
        "/pages/sign-in.html",
        "/Cargo.toml",
        "/%ff",
        "/shells/base.html",
    ] {
        let answer = client.get(path).send().await;
        assert_eq!(answer.code(), 404, "{answer}");
        assert!(answer.header("content-type").starts_with("text/html"), "{answer}");
        assert!(answer.text().contains("<title>"), "{answer}");
    }
    let answer = client.post("/sign-in").body("email=x").send().await;
    assert!([403, 405].contains(&answer.code()), "{answer}");
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_compressed() {
    let platform = Platform::start().await;
    let client = platform.client();
    let mut assets = BTreeSet::new();
    for page in PAGES.iter().chain(&CONSOLE_PAGES) {
        let html = client.get(page).expect(200).await.text();
        let links = html.split(['"', '\'']).filter(|part| part.starts_with("/assets/"));
        assets.extend(links.map(str::to_owned));
    }
    assert!(assets.len() > 10, "{assets:?}");
    for asset in &assets {
        let answer = client.get(asset).expect(200).await;
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable", "{asset}");
        let kind = answer.header("content-type");
        let expected = match asset.rsplit('.').next() {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            Some("svg") => "image/svg+xml",
            other => panic!("{other:?}: {asset}"),
        };
        assert!(kind.starts_with(expected), "{asset}: {kind}");
        if answer.body.len() > 2_000 {
            for coding in ["br", "gzip"] {
                let packed = client.get(asset).header("accept-encoding", coding).expect(200).await;
                assert_eq!(packed.header("content-encoding"), coding, "{asset}");
                assert!(packed.body.len() < answer.body.len(), "{asset}");
                assert!(packed.header("vary").to_lowercase().contains("accept-encoding"), "{packed:?}");
            }
        }
    }
}

/// The budget of the sign-in page: all that the browser gets for it, compressed.
#[tokio::test]
async fn the_sign_in_page_weighs_less_than_forty_kilobytes() {
    let platform = Platform::start().await;
    let client = platform.client();
    let html = client.get("/sign-in").expect(200).await.text();
    let mut paths: BTreeSet<String> = html
        .split('"')
        .filter(|part| part.starts_with("/assets/") || *part == "/favicon.svg")
        .map(str::to_owned)
        .collect();
    paths.insert("/sign-in".to_owned());
    let mut total = 0;
    for path in &paths {
        let answer = client.get(path).header("accept-encoding", "br, gzip").expect(200).await;
        total += answer.body.len();
    }
    assert!(total < 40_000, "{total} bytes in {paths:?}");
}

/// F2: a page's address never carries a token to the server, so no log of requests holds one.
#[tokio::test]
async fn f2_links_in_mails_keep_their_token_from_every_server() {
    let platform = Platform::start().await;
    let ada = Person::signed_in(&platform, "Ada").await;
    ada.reset_token(&platform).await;
    for mail in platform.inbox.all().await {
        for link in &mail.links {
            let sent_to_server = link.split('#').next().unwrap();
            assert!(!sent_to_server.contains("token") && !sent_to_server.contains('?'), "{link}");
        }
    }
}

/// Amounts come in the currency's minor unit: what that is, the pages and the functions must agree on.
#[test]
fn the_pages_know_the_minor_unit_of_each_currency() {
    let script = std::fs::read_to_string(repository().join("frontend/scripts/money.js")).unwrap();
    let listed = |name: &str| -> BTreeSet<String> {
        let list = script.split_once(&format!("const {name} = new Set(\"")).expect("a list").1;
        list.split_once('"').expect("its end").0.split(' ').map(str::to_owned).collect()
    };
    let (whole, thousandths) = (listed("WHOLE"), listed("THOUSANDTHS"));
    assert!(whole.len() > 10 && thousandths.len() > 2, "{whole:?} {thousandths:?}");
    let letters = || 'a'..='z';
    for code in
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))))
    {
        let digits = code.parse::<Currency>().unwrap().digits();
        assert_eq!(whole.contains(&code), digits == 0, "{code}");
        assert_eq!(thousandths.contains(&code), digits == 3, "{code}");
    }
}
