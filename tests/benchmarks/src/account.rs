//! A person who has signed up, through the front door, and has verified their address by the mail that came.

use serde_json::{Value, json};

use crate::Result;
use crate::http::{Connection, Response};
use crate::platform::Platform;

/// A verified account.
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) password: &'static str,
}

impl Account {
    pub(crate) fn sign_up(platform: &Platform) -> Result<Self> {
        let account =
            Self { email: "ada.benchmark@mailbox.example".to_owned(), password: "orbit velvet canyon seven" };
        let mut connection = platform.connect()?;
        let body = json!({ "email": account.email, "password": account.password, "name": "Ada" });
        post(platform, &mut connection, "/api/auth/sign-up", &[], Some(&body))?.expect(202)?;
        let token = platform.console_until(&format!("/_local/emails?to={}", account.email), |emails| {
            let links = emails["emails"][0]["links"].as_array()?;
            links.iter().find_map(|link| Some(link.as_str()?.split_once("/verify#token=")?.1.to_owned()))
        })?;
        let body = json!({ "token": token });
        post(platform, &mut connection, "/api/auth/verification/confirm", &[], Some(&body))?.expect(204)?;
        Ok(account)
    }

    pub(crate) fn credentials(&self) -> Value {
        json!({ "email": self.email, "password": self.password })
    }
}

/// Sends a request as the app's own pages do.
pub(crate) fn post(
    platform: &Platform,
    connection: &mut Connection,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Response> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let own: [(&str, &str); 3] = [
        ("origin", &platform.origin),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json"),
    ];
    connection.send("POST", path, &[&own, headers].concat(), body.as_bytes())
}

impl Response {
    /// This response, if it has the status that it must have.
    pub(crate) fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("{status} was expected, but it is {}: {}", self.status, self.text()).into())
    }
}
