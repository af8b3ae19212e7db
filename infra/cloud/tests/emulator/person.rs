use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::web::{self, Answer};

pub(crate) const PASSWORD: &str = "lantern gravel otter quilt 93";

/// Somebody with a browser. The emulator's CDN leads to no API, so this one speaks to the API itself.
pub(crate) struct Person<'a> {
    emulator: &'a Emulator,
    /// The API's host name, which the emulator knows it by.
    api: String,
    pub(crate) address: String,
    cookies: Vec<(String, String)>,
}

impl<'a> Person<'a> {
    pub(crate) fn new(emulator: &'a Emulator, api_url: &str, name: &str) -> Self {
        let address = format!("{name}@example.org");
        let mut person = Self { emulator, api: String::new(), address, cookies: Vec::new() };
        person.moved_to(api_url);
        person
    }

    /// The API is here now.
    pub(crate) fn moved_to(&mut self, api_url: &str) {
        self.api = api_url.split("://").nth(1).unwrap().to_owned();
    }

    pub(crate) fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![
            ("host", self.api.as_str()),
            ("origin", "https://app.example.com"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let url = format!("{}{path}", self.emulator.address);
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let answer = web::send(self.emulator.runtime(), web::request(method, &url, &headers, body)).unwrap();
        for cookie in answer.headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer
    }

    pub(crate) fn sign_up(&mut self) -> Answer {
        let body = json!({ "email": self.address, "password": PASSWORD, "name": "Ann" });
        self.send(Method::POST, "/api/auth/sign-up", Some(body))
    }

    pub(crate) fn sign_in(&mut self) -> Answer {
        let body = json!({ "email": self.address, "password": PASSWORD });
        self.send(Method::POST, "/api/auth/sign-in", Some(body))
    }

    /// Signs up, waits for the mail and follows its link.
    pub(crate) fn become_a_user(&mut self) {
        let answer = self.sign_up();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        let token = self.token();
        let verified =
            self.send(Method::POST, "/api/auth/verification/confirm", Some(json!({ "token": token })));
        assert!(verified.status.is_success(), "{verified:?}");
    }

    /// The token in the newest mail with a link.
    pub(crate) fn token(&self) -> String {
        self.emulator.eventually(&format!("a mail with a link reaches {}", self.address), || {
            let mails = self.emulator.mails(&self.address);
            let (_, text) = mails.iter().rev().find(|(_, text)| text.contains("#token="))?;
            text.split("#token=").nth(1)?.split_whitespace().next().map(str::to_owned)
        })
    }
}
