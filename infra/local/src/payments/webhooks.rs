//! Webhooks: which are to be sent when, how they are signed, and what goes wrong on purpose.
//!
//! <https://docs.stripe.com/webhooks>: any order, more than once, and again for a while if the app
//! does not answer with 2xx. Stripe waits hours between attempts; nobody at a laptop does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::{Event, Ledger};
use super::objects;
use crate::flows::{Flows, StepKind, TraceContext};

/// After so many seconds an attempt that failed is followed by the next one.
const BACKOFF_SECONDS: [i64; 6] = [1, 5, 30, 2 * 60, 10 * 60, 60 * 60];

/// Whoever does not answer within it has not taken the webhook.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long webhooks wait for one another when they are to go out in another order.
pub(super) const GATHERING_MS: i64 = 300;

/// The longest delay that can be set.
pub(crate) const LONGEST_DELAY_MS: u64 = 10 * 60 * 1_000;

/// What goes wrong on purpose, for events from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Switches {
    /// Each webhook is sent twice.
    pub(crate) duplicate: bool,
    /// Those that wait together go out newest first, one after the other.
    pub(crate) reorder: bool,
    /// Each webhook waits so long.
    pub(crate) delay_ms: u64,
    /// None is sent, until somebody sends it by hand.
    pub(crate) drop: bool,
}

/// How an event's webhook stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) event: String,
    pub(crate) status: DeliveryStatus,
    /// When it is sent next, in real milliseconds since 1970.
    pub(crate) due_ms: Option<i64>,
    /// How often it is to be sent although it has arrived.
    extra: u32,
    failures: u32,
    pub(crate) attempts: Vec<Attempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryStatus {
    Waiting,
    Delivered,
    /// Every attempt has failed.
    Failed,
    Dropped,
}

/// One time that a webhook was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// In real milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) duration_ms: f64,
    /// Of the app's answer, if there was one.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
}

/// A webhook that is to be sent now.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) event: String,
    kind: String,
    body: String,
    trace: TraceContext,
    flow: Option<String>,
    attempt: u32,
}

impl Delivery {
    pub(crate) fn new(event: &str, now_ms: i64, switches: &Switches) -> Self {
        let delay = i64::try_from(switches.delay_ms).unwrap_or(i64::MAX);
        let gathering = if switches.reorder { GATHERING_MS } else { 0 };
        Self {
            event: event.to_owned(),
            status: if switches.drop { DeliveryStatus::Dropped } else { DeliveryStatus::Waiting },
            due_ms: (!switches.drop).then(|| now_ms.saturating_add(delay + gathering)),
            extra: u32::from(switches.duplicate),
            failures: 0,
            attempts: Vec::new(),
        }
    }

    /// What follows from an attempt. One by hand changes no plan but that it has arrived.
    fn record(&mut self, attempt: Attempt, by_hand: bool) {
        let arrived = attempt.arrived();
        let ended_ms = attempt.at_ms + attempt.duration_ms as i64;
        self.attempts.push(attempt);
        if arrived {
            self.status = DeliveryStatus::Delivered;
            let again = !by_hand && self.extra > 0;
            self.extra -= u32::from(again);
            self.due_ms = again.then_some(ended_ms);
        } else if !by_hand {
            let wait = BACKOFF_SECONDS.get(self.failures as usize);
            self.failures += 1;
            self.due_ms = wait.map(|seconds| ended_ms + seconds * 1_000);
            if self.due_ms.is_none() && self.status == DeliveryStatus::Waiting {
                self.status = DeliveryStatus::Failed;
            }
        }
    }
}

impl Attempt {
    pub(crate) fn arrived(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl Ledger {
    /// The webhooks that are due, in the order in which they are to be sent, and whether one waits
    /// for the other. Those in `under_way` are left out.
    pub(crate) fn due_webhooks(&self, under_way: impl Fn(&str) -> bool) -> (Vec<Outgoing>, bool) {
        let reorder = self.settings().switches.reorder;
        let waiting = self.deliveries.iter().filter(|it| !under_way(&it.event));
        let due = |it: &&Delivery| it.due_ms.is_some_and(|due| due <= self.real_ms);
        if !reorder {
            return (waiting.filter(due).filter_map(|it| self.outgoing(&it.event)).collect(), false);
        }
        // Once the first is due, those that were to come after it go before it.
        let soon = |it: &&Delivery| it.due_ms.is_some_and(|due| due <= self.real_ms + GATHERING_MS);
        let any = waiting.clone().any(|it| due(&it));
        let all = waiting.filter(soon).filter(|_| any).filter_map(|it| self.outgoing(&it.event));
        let mut all: Vec<_> = all.collect();
        all.reverse();
        (all, true)
    }

    /// When the next webhook is due, in real milliseconds since 1970.
    pub(crate) fn next_webhook(&self, under_way: impl Fn(&str) -> bool) -> Option<i64> {
        self.deliveries.iter().filter(|it| !under_way(&it.event)).filter_map(|it| it.due_ms).min()
    }

    pub(crate) fn outgoing(&self, event: &str) -> Option<Outgoing> {
        let found = self.events.get(event)?;
        let made = self.deliveries.get(event).map_or(0, |delivery| delivery.attempts.len());
        Some(Outgoing {
            event: event.to_owned(),
            kind: found.kind.clone(),
            body: body(found),
            trace: TraceContext::from_traceparent(&found.cause.trace).unwrap_or_else(TraceContext::new_root),
            flow: found.cause.flow.clone(),
            attempt: u32::try_from(made).unwrap_or(u32::MAX).saturating_add(1),
        })
    }

    pub(crate) fn record_attempt(&mut self, event: &str, attempt: Attempt, by_hand: bool) {
        if let Some(delivery) = self.deliveries.get_mut(event) {
            delivery.record(attempt, by_hand);
        }
    }

    /// How many webhooks of an event have not arrived.
    pub(crate) fn pending_webhooks(&self, event: &str) -> u32 {
        let delivery = self.deliveries.get(event);
        u32::from(delivery.is_some_and(|it| it.status != DeliveryStatus::Delivered))
    }
}

/// Sends webhooks to the app.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    /// Each of them signs, as at Stripe while one secret replaces another.
    secrets: Vec<String>,
}

impl Sender {
    pub(crate) fn new(url: String, secrets: Vec<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { client, url, secrets }
    }

    /// Sends a webhook once, as a step of its flow.
    pub(crate) async fn send(&self, outgoing: &Outgoing, flows: &Flows) -> Attempt {
        if let Some(name) = &outgoing.flow {
            flows.name(outgoing.trace.trace, name);
        }
        let mut step = flows.begin(&outgoing.trace, StepKind::Payment, &outgoing.kind);
        step.detail("webhook");
        if outgoing.attempt > 1 {
            step.attempt(outgoing.attempt);
        }
        let (at_ms, started) = (now_ms(), Instant::now());
        let sent = tokio::time::timeout(PATIENCE, self.post(outgoing, &step.context(), at_ms)).await;
        let (status, error) = match sent {
            Ok(Ok(status)) => (Some(status), None),
            Ok(Err(error)) => (None, Some(error)),
            Err(_) => (None, Some(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        };
        let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
        let attempt = Attempt { at_ms, duration_ms, status, error };
        match (&attempt.error, attempt.arrived()) {
            (None, true) => step.ok(),
            (Some(error), _) => step.error(error),
            (None, false) => step.error(format!("answered {}", attempt.status.unwrap_or_default())),
        }
        attempt
    }

    async fn post(&self, outgoing: &Outgoing, context: &TraceContext, now_ms: i64) -> Result<u16, String> {
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header(header::USER_AGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header("stripe-signature", signature(&self.secrets, now_ms / 1_000, &outgoing.body))
            // Stripe sends none: it makes what follows a part of the flow.
            .header("traceparent", context.to_traceparent())
            .body(Full::new(Bytes::from(outgoing.body.clone())))
            .map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            cause.unwrap_or_else(|| error.to_string())
        })?;
        let status = response.status().as_u16();
        // Read to its end, so that the connection can be used again.
        let _ = response.into_body().collect().await;
        Ok(status)
    }
}

/// `t=<seconds since 1970>,v1=<hex>` with one `v1` for each secret: HMAC-SHA256 over `<t>.<body>`.
///
/// <https://docs.stripe.com/webhooks#verify-manually>
fn signature(secrets: &[String], seconds: i64, body: &str) -> String {
    let signed = format!("{seconds}.{body}");
    let of = |secret: &String| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, signed.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!(",v1={hex}")
    };
    format!("t={seconds}{}", secrets.iter().map(of).collect::<String>())
}

/// Written for people, as Stripe's are: whoever verifies something else than these very bytes fails.
fn body(event: &Event) -> String {
    let value: Value = objects::event(event, 1);
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

/// Real milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: Option<u16>) -> Attempt {
        Attempt { at_ms: 1_000, duration_ms: 0.0, status, error: None }
    }

    #[test]
    fn a_signature_covers_the_time_and_the_body_under_each_secret() {
        let one = signature(&["whsec_1".to_owned()], 1_700_000_000, "{}");
        let two = signature(&["whsec_1".to_owned(), "whsec_2".to_owned()], 1_700_000_000, "{}");
        assert!(two.starts_with(&one));
        assert_eq!(two.matches(",v1=").count(), 2);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"whsec_1");
        let tag = one.split_once(",v1=").unwrap().1;
        let bytes: Vec<u8> =
            (0..32).map(|index| u8::from_str_radix(&tag[2 * index..2 * index + 2], 16).unwrap()).collect();
        hmac::verify(&key, b"1700000000.{}", &bytes).unwrap();
        assert_ne!(one, signature(&["whsec_1".to_owned()], 1_700_000_001, "{}"));
        assert_ne!(one, signature(&["whsec_1".to_owned()], 1_700_000_000, "{ }"));
    }

    #[test]
    fn a_webhook_is_sent_seven_times_and_then_has_failed() {
        let mut delivery = Delivery::new("evt_1", 0, &Switches::default());
        let mut waits = Vec::new();
        for _ in 0..7 {
            assert_eq!(delivery.status, DeliveryStatus::Waiting);
            delivery.record(attempt(Some(500)), false);
            waits.extend(delivery.due_ms.map(|due| (due - 1_000) / 1_000));
        }
        assert_eq!(waits, BACKOFF_SECONDS);
        assert_eq!((delivery.status, delivery.due_ms), (DeliveryStatus::Failed, None));
        delivery.record(attempt(Some(200)), true);
        assert_eq!(delivery.status, DeliveryStatus::Delivered);
    }

    #[test]
    fn switches_drop_delay_and_double() {
        let dropped = Delivery::new("evt_1", 0, &Switches { drop: true, ..Switches::default() });
        assert_eq!((dropped.status, dropped.due_ms), (DeliveryStatus::Dropped, None));
        let late = Delivery::new("evt_1", 5, &Switches { delay_ms: 7_000, ..Switches::default() });
        assert_eq!(late.due_ms, Some(7_005));
        let mut twice = Delivery::new("evt_1", 0, &Switches { duplicate: true, ..Switches::default() });
        twice.record(attempt(Some(200)), false);
        assert_eq!(twice.due_ms, Some(1_000));
        twice.record(attempt(Some(200)), false);
        assert_eq!(twice.due_ms, None);
    }
}
