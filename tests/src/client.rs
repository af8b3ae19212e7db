//! A browser's network side: cookies, an address of its own, and the headers that a page cannot choose.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cookies::{Cookie, Jar};

/// Longer than any function may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// One client of the app, with its own cookies and its own network address.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    origin: String,
    jar: Mutex<Jar>,
}

impl Client {
    /// A client of the app at `origin` whose requests come from this address.
    ///
    /// # Panics
    ///
    /// If the system refuses the address.
    #[must_use]
    pub fn new(origin: &str, address: Ipv4Addr) -> Self {
        let port =
            origin.rsplit(':').next().and_then(|port| port.parse().ok()).expect("an origin with a port");
        let http = reqwest::Client::builder()
            .local_address(std::net::IpAddr::V4(address))
            .resolve("localhost", (Ipv4Addr::LOCALHOST, port).into())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0")
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Self { http, origin: origin.to_owned(), jar: Mutex::default() }
    }

    /// The origin that it speaks to.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The value of its cookie of this name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name)
    }

    /// Puts a value in the place of a cookie's own, or makes one for every path.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar().set(name, value);
    }

    /// Forgets a cookie.
    pub fn forget_cookie(&self, name: &str) {
        self.jar().forget(name);
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request by one of the app's own pages.
    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        Request { client: self, method, path: path.to_owned(), headers, body: None, cookies: true }
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// A PUT.
    pub fn put(&self, path: &str) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    /// A PATCH.
    pub fn patch(&self, path: &str) -> Request<'_> {
        self.request(Method::PATCH, path)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    /// POSTs JSON and expects this status.
    ///
    /// # Panics
    ///
    /// If it is another.
    pub async fn post_json(&self, path: &str, body: Value, status: u16) -> Response {
        self.post(path).json(body).expect(status).await
    }
}

/// A request that is being made.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    cookies: bool,
}

impl Request<'_> {
    /// With this JSON as its body.
    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With this header, instead of any other of its name.
    ///
    /// # Panics
    ///
    /// If it cannot be one.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
        self
    }

    /// Without this header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// With an access token in the header, and no cookie.
    pub fn bearer(self, token: &str) -> Self {
        self.without_cookies()
            .without_header("sec-fetch-site")
            .header("authorization", &format!("Bearer {token}"))
    }

    /// As part of this trace, so that its flow can be found.
    pub fn traced(self, trace: &str) -> Self {
        self.header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
    }

    /// Without the client's cookies.
    pub fn without_cookies(mut self) -> Self {
        self.cookies = false;
        self
    }

    /// Sends it. `None` if the connection broke.
    pub async fn try_send(self) -> Option<Response> {
        let Self { client, method, path, mut headers, body, cookies } = self;
        if cookies && let Some(cookie) = client.jar().header(&path) {
            headers.insert("cookie", HeaderValue::from_str(&cookie).expect("cookies are ASCII"));
        }
        let request = format!("{method} {path}");
        let sent = client.http.request(method, format!("{}{path}", client.origin)).headers(headers);
        let sent = match body {
            Some(body) => sent.body(body),
            None => sent,
        };
        let response = sent.send().await.ok()?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.ok()?.to_vec();
        let response = Response { request, status, headers, body };
        if cookies {
            let mut jar = client.jar();
            response.cookies().into_iter().for_each(|cookie| jar.keep(cookie));
        }
        Some(response)
    }

    /// Sends it.
    ///
    /// # Panics
    ///
    /// If there is no response.
    pub async fn send(self) -> Response {
        let request = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|| panic!("{request}: no response"))
    }

    /// Sends it and expects this status.
    ///
    /// # Panics
    ///
    /// If it is another.
    pub async fn expect(self, status: u16) -> Response {
        let response = self.send().await;
        assert_eq!(response.status.as_u16(), status, "{response}");
        response
    }

    /// Sends it and expects a problem document of this status and this kind.
    ///
    /// # Panics
    ///
    /// If it is something else.
    pub async fn expect_problem(self, status: u16, slug: &str) -> Value {
        let response = self.expect(status).await;
        let problem = response.problem();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{response}");
        problem
    }
}

/// The id of a trace that nobody has used: 32 hex digits.
#[must_use]
pub fn new_trace() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    request: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Response {
    /// The status as a number.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.status.as_u16()
    }

    /// The first header of this name, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        self.parse()
    }

    /// The body as what it should be.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[must_use]
    pub fn parse<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// The cookies that it sets.
    #[must_use]
    pub fn cookies(&self) -> Vec<Cookie> {
        let values = self.headers.get_all("set-cookie").iter();
        values.filter_map(|value| value.to_str().ok()).map(Cookie::parse).collect()
    }

    /// The cookie of this name that it sets.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Cookie {
        let cookie = self.cookies().into_iter().find(|cookie| cookie.name == name);
        cookie.unwrap_or_else(|| panic!("no cookie {name} in {self}"))
    }

    /// The body as a problem document, whose form is checked.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        let problem = self.json();
        let is_text = |name: &str| problem[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_text("type") && is_text("title") && is_text("detail") && is_text("request_id"), "{self}");
        assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")), "{self}");
        assert_eq!(problem["status"], self.code(), "{self}");
        problem
    }

    /// The body with what differs between any two requests taken out: ids of requests.
    #[must_use]
    pub fn comparable(&self) -> (u16, Vec<(String, String)>, String) {
        let headers = self.headers.iter().filter(|(name, _)| !VARYING_HEADERS.contains(&name.as_str()));
        let headers = headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let text = self.text();
        let id = serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|json| Some(json.get("request_id")?.as_str()?.to_owned()));
        let text = id.map_or_else(|| text.clone(), |id| text.replace(&id, "…"));
        (self.code(), headers.collect(), text)
    }
}

/// Headers that say something of the moment, not of the answer.
const VARYING_HEADERS: [&str; 6] =
    ["date", "apigw-requestid", "x-amzn-trace-id", "x-amzn-requestid", "traceparent", "server-timing"];

/// Headers that matter when something is wrong.
const TOLD_HEADERS: [&str; 8] = [
    "content-type",
    "content-encoding",
    "cache-control",
    "set-cookie",
    "allow",
    "retry-after",
    "location",
    "etag",
];

impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Those that all responses have are left out.
        let told: Vec<_> =
            self.headers.iter().filter(|(name, _)| TOLD_HEADERS.contains(&name.as_str())).collect();
        write!(f, "{} → {}\n{told:?}\n{:.2000}", self.request, self.status, self.text())
    }
}
