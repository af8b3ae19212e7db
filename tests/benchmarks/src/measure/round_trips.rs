//! How often a request asks the table, as the platform's flows tell it.

use serde_json::{Value, json};

use crate::Result;
use crate::account::{Account, post};
use crate::http::{Connection, Response};
use crate::platform::Platform;
use crate::report::{Section, Unit};

struct Probe<'a> {
    platform: &'a Platform,
    connection: Connection,
    cookies: String,
    traces: u32,
}

pub(crate) fn measure(platform: &Platform, account: &Account, section: &mut Section) -> Result<()> {
    let mut probe = Probe { platform, connection: platform.connect()?, cookies: String::new(), traces: 0 };
    let credentials = account.credentials();
    // The first request to a new instance also waits for what the instance itself reads.
    probe.send("POST", "/api/auth/sign-in", Some(&credentials), 200)?;
    probe.send("GET", "/api/me", None, 200)?;

    let stranger =
        Probe { connection: platform.connect()?, cookies: String::new(), traces: 1 << 16, platform }
            .send("GET", "/api/me", None, 401)?;
    let unfit = json!({ "name": "" });
    section.value("who is asking? nobody: `GET /api/me`, 401", Unit::Number, stranger, Some(0.0));
    let what = "who is asking? somebody: `PATCH /api/me` without a name, 422";
    section.value(what, Unit::Number, probe.send("PATCH", "/api/me", Some(&unfit), 422)?, Some(0.0));
    section.value("`GET /api/me`", Unit::Number, probe.send("GET", "/api/me", None, 200)?, Some(1.0));

    let name = json!({ "name": "Ada" });
    let email = json!({ "email": account.email });
    let price = json!({ "price": "price_pro_month" });
    let number = json!({ "number": "+1 202 555 0142" });
    for (method, path, body, status) in [
        ("PATCH", "/api/me", Some(&name), 200),
        ("GET", "/api/me/activity", None, 200),
        ("GET", "/api/me/preferences", None, 200),
        ("GET", "/api/billing/plans", None, 200),
        ("GET", "/api/billing/subscription", None, 200),
        ("GET", "/api/billing/invoices", None, 200),
        ("POST", "/api/billing/checkout", Some(&price), 201),
        ("GET", "/api/sms/phone", None, 200),
        ("PUT", "/api/sms/phone", Some(&number), 202),
        ("GET", "/api/auth/sessions", None, 200),
        ("POST", "/api/auth/sign-in", Some(&credentials), 200),
        ("POST", "/api/auth/refresh", None, 204),
        ("POST", "/api/auth/password/forgot", Some(&email), 202),
        ("POST", "/api/auth/sign-out", None, 204),
    ] {
        section.value(
            format!("`{method} {path}`"),
            Unit::Number,
            probe.send(method, path, body, status)?,
            None,
        );
    }
    Ok(())
}

impl Probe<'_> {
    /// Sends a request in a trace of its own, and counts how often the function that answered it asked the table.
    fn send(&mut self, method: &str, path: &str, body: Option<&Value>, status: u16) -> Result<f64> {
        self.traces += 1;
        let trace = format!("b111105{:025x}", self.traces);
        let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
        // No two of them are one intent.
        let headers =
            [("traceparent", traceparent.as_str()), ("cookie", &self.cookies), ("idempotency-key", &trace)];
        let Self { platform, connection, .. } = self;
        let response = match (method, body) {
            ("POST", _) => post(platform, connection, path, &headers, body)?,
            (_, None) => connection.send(method, path, &headers, b"")?,
            (_, Some(body)) => {
                let own = [("origin", platform.origin.as_str()), ("content-type", "application/json")];
                connection.send(method, path, &[&own[..], &headers].concat(), body.to_string().as_bytes())?
            }
        };
        self.keep_cookies(&response.expect(status)?);
        self.platform.console_until(&format!("/_local/flows/{trace}"), |flow| {
            let steps = flow["steps"].as_array()?;
            let request = steps.iter().find(|step| step["kind"] == "http")?;
            let function =
                steps.iter().find(|step| step["kind"] == "function" && step["parent"] == request["id"])?;
            if function["status"] == "running" {
                return None;
            }
            let asks = |step: &&Value| step["kind"] == "table" && step["parent"] == function["id"];
            Some(steps.iter().filter(asks).count() as f64)
        })
    }

    fn keep_cookies(&mut self, response: &Response) {
        for cookie in response.headers.all("set-cookie").filter_map(|cookie| cookie.split(';').next()) {
            let name = cookie.split('=').next().unwrap_or_default();
            let mut kept: Vec<_> = self.cookies.split("; ").filter(|known| !known.is_empty()).collect();
            kept.retain(|known| known.split('=').next() != Some(name));
            kept.push(cookie);
            self.cookies = kept.join("; ");
        }
    }
}
