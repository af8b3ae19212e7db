//! Requests as API Gateway hands them to a function: payload format 2.0.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// A request that a function is handed.
pub(crate) struct Event<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// The app's own origin, as a browser says it.
    pub(crate) origin: &'a str,
    /// From where.
    pub(crate) client: Ipv4Addr,
    /// As `name=value`.
    pub(crate) cookies: &'a [String],
    pub(crate) body: Option<Value>,
}

impl Event<'_> {
    pub(crate) fn to_json(&self) -> Value {
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": "",
            "headers": {
                "accept": "application/json",
                "content-type": "application/json",
                "host": "localhost",
                "origin": self.origin,
                "sec-fetch-site": "same-origin",
                "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            },
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "benchmark",
                "domainName": "localhost",
                "domainPrefix": "localhost",
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": self.client,
                    "userAgent": "benchmark",
                },
                "requestId": "benchmark-request",
                "routeKey": "$default",
                "stage": "$default",
                "time": "23/Nov/2026:10:00:00 +0000",
                "timeEpoch": 1_795_428_000_000_u64,
            },
            "isBase64Encoded": false,
        });
        if !self.cookies.is_empty() {
            event["cookies"] = json!(self.cookies);
            event["headers"]["cookie"] = json!(self.cookies.join("; "));
        }
        if let Some(body) = &self.body {
            event["body"] = json!(body.to_string());
        }
        event
    }
}
