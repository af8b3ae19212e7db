//! Somebody who uses the app.

use serde_json::{Value, json};

use crate::client::{Client, Response};
use crate::platform::Platform;

/// A password that is good enough.
pub const PASSWORD: &str = "violet harbour canoe 93 lanterns";

/// Another one.
pub const OTHER_PASSWORD: &str = "granite teapot orbit 41 marshland";

/// Part of the subject of the mail that asks to verify an address.
pub const VERIFICATION: &str = "Verify";

/// Somebody who uses the app with a browser of their own.
#[derive(Debug)]
pub struct Person {
    /// Their browser.
    pub client: Client,
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
    /// Their name.
    pub name: String,
}

impl Person {
    /// Somebody who has not signed up.
    #[must_use]
    pub fn new(platform: &Platform, name: &str) -> Self {
        Self {
            client: platform.client(),
            email: format!("{}@example.com", name.to_lowercase()),
            password: PASSWORD.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Somebody who has signed up and has not read the mail.
    pub async fn signed_up(platform: &Platform, name: &str) -> Self {
        let person = Self::new(platform, name);
        person.sign_up().await;
        person
    }

    /// Somebody whose address is verified.
    pub async fn verified(platform: &Platform, name: &str) -> Self {
        let person = Self::signed_up(platform, name).await;
        person.verify(platform).await;
        person
    }

    /// Somebody who is signed in.
    pub async fn signed_in(platform: &Platform, name: &str) -> Self {
        let person = Self::verified(platform, name).await;
        person.sign_in().await;
        person
    }

    /// The same person at another device.
    #[must_use]
    pub fn elsewhere(&self, platform: &Platform) -> Self {
        Self {
            client: platform.client(),
            email: self.email.clone(),
            password: self.password.clone(),
            name: self.name.clone(),
        }
    }

    /// Signs up.
    pub async fn sign_up(&self) -> Response {
        let Self { email, password, name, .. } = self;
        let body = json!({ "email": email, "password": password, "name": name });
        self.client.post_json("/api/auth/sign-up", body, 202).await
    }

    /// The token of the link in the newest verification mail.
    pub async fn verification_token(&self, platform: &Platform) -> String {
        platform.inbox.wait_for(&self.email, VERIFICATION).await.token("/verify")
    }

    /// Follows the link in the verification mail.
    pub async fn verify(&self, platform: &Platform) {
        let token = self.verification_token(platform).await;
        self.client.post_json("/api/auth/verification/confirm", json!({ "token": token }), 204).await;
    }

    /// Tries to sign in.
    pub async fn try_sign_in(&self) -> Response {
        let body = json!({ "email": self.email, "password": self.password });
        self.client.post("/api/auth/sign-in").json(body).send().await
    }

    /// Signs in.
    pub async fn sign_in(&self) -> Response {
        let response = self.try_sign_in().await;
        assert_eq!(response.code(), 200, "{response}");
        response
    }

    /// What the app says of them.
    pub async fn me(&self) -> Value {
        self.client.get("/api/me").expect(200).await.json()
    }

    /// Their id.
    ///
    /// # Panics
    ///
    /// If they are not signed in.
    pub async fn id(&self) -> String {
        self.me().await["user"]["id"].as_str().expect("an id").to_owned()
    }

    /// Asks for a reset link and gives its token.
    pub async fn reset_token(&self, platform: &Platform) -> String {
        let before = self.reset_mails(platform).await.len();
        self.client.post_json("/api/auth/password/forgot", json!({ "email": self.email }), 202).await;
        crate::until("a mail with a reset link", async || {
            let mails = self.reset_mails(platform).await;
            (mails.len() > before).then(|| mails[0].clone())
        })
        .await
    }

    /// Tokens of all reset links in their inbox, newest first.
    pub async fn reset_mails(&self, platform: &Platform) -> Vec<String> {
        platform.inbox.to(&self.email).await.iter().filter_map(|email| email.find_token("/reset")).collect()
    }

    /// The value of a cookie in their browser.
    ///
    /// # Panics
    ///
    /// If it is not there.
    #[must_use]
    pub fn cookie(&self, name: &str) -> String {
        self.client.cookie(name).unwrap_or_else(|| panic!("no cookie {name}"))
    }
}
