//! The inbox: what the mail service took.

use serde::{Deserialize, Deserializer};

use crate::client::Client;
use crate::wait::until;

/// The inbox of a platform.
#[derive(Debug)]
pub struct Inbox(pub(crate) Client);

/// A message.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Email {
    pub id: serde_json::Value,
    pub received_at: String,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub function: Option<String>,
    pub trace: Option<String>,
    pub links: Vec<String>,
    #[serde(default)]
    pub headers: Vec<Header>,
    #[serde(default, deserialize_with = "or_empty")]
    pub text: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub html: String,
    #[serde(default)]
    pub raw_bytes: u64,
}

/// A part that a message does not have is null.
fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A header of a message.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the README documents the fields")]
pub struct Header {
    pub name: String,
    pub value: String,
}

impl Email {
    /// Its path in the console's API.
    #[must_use]
    pub fn path(&self) -> String {
        let id = self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned);
        format!("/_local/emails/{id}")
    }

    /// The token of the link to this page.
    ///
    /// # Panics
    ///
    /// If it has no such link.
    #[must_use]
    pub fn token(&self, page: &str) -> String {
        self.find_token(page)
            .unwrap_or_else(|| panic!("no link to {page} in {:?}: {:?}", self.subject, self.links))
    }

    /// The token of the link to this page, if it has one.
    #[must_use]
    pub fn find_token(&self, page: &str) -> Option<String> {
        let part = format!("{page}#token=");
        self.links.iter().find_map(|link| Some(link.split_once(&part)?.1.to_owned()))
    }
}

impl Inbox {
    /// All messages to this address, newest first.
    pub async fn to(&self, address: &str) -> Vec<Email> {
        let address = address.replace('%', "%25").replace('+', "%2B").replace('@', "%40");
        self.list(&format!("/_local/emails?limit=1000&to={address}")).await
    }

    /// All messages, newest first.
    pub async fn all(&self) -> Vec<Email> {
        self.list("/_local/emails?limit=1000").await
    }

    async fn list(&self, path: &str) -> Vec<Email> {
        let json = self.0.get(path).expect(200).await.json();
        serde_json::from_value(json["emails"].clone()).unwrap_or_else(|error| panic!("{error} in {json}"))
    }

    /// The whole message.
    pub async fn open(&self, email: &Email) -> Email {
        self.0.get(&email.path()).expect(200).await.parse()
    }

    /// The newest message to this address whose subject holds this, whole, once there is one.
    pub async fn wait_for(&self, address: &str, subject: &str) -> Email {
        self.wait_for_nth(address, subject, 1).await
    }

    /// The newest such message, whole, once there are `count` of them.
    ///
    /// # Panics
    ///
    /// If there are not as many soon; the subjects that were found are shown.
    pub async fn wait_for_nth(&self, address: &str, subject: &str, count: usize) -> Email {
        let mut seen = Vec::new();
        let found = until(&format!("{count} mails to {address} about {subject:?}"), async || {
            let emails = self.to(address).await;
            let subjects: Vec<_> = emails.iter().map(|email| email.subject.clone()).collect();
            if subjects != seen {
                seen = subjects;
                eprintln!("inbox of {address}: {seen:?}");
            }
            let mut matching = emails.into_iter().filter(|email| email.subject.contains(subject));
            let newest = matching.next()?;
            (1 + matching.count() >= count).then_some(newest)
        })
        .await;
        self.open(&found).await
    }
}
