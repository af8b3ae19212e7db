//! Stripe, as the client crate and the browser speak to it: the API, the hosted pages, signed
//! webhooks, and a clock of its own that the console can advance.
//!
//! | file | what |
//! |---|---|
//! | `ledger/` | the books: what there is, and what follows from what; no clock, network or disk |
//! | `catalog.rs`, `products.json` | what is for sale |
//! | `cards.rs` | Stripe's test cards |
//! | `api.rs`, `form.rs`, `expand.rs`, `objects.rs`, `refusal.rs` | the API as a function of the books |
//! | `service.rs` | the API over HTTP, and in the flows |
//! | `webhooks.rs` | what is told to the app, how often and in which order |
//! | `pages.rs` | checkout, portal and invoices, at `/_stripe` on the app's origin |
//! | `report.rs` | what the console shows and changes |
//! | `store.rs` | the books on disk |
//!
//! Each change of the books is on disk before anybody is answered, with the events that tell of it
//! and the webhooks that are to be sent: a killed process loses none of them.

mod api;
mod cards;
mod catalog;

mod expand;
mod form;
mod ledger;
mod objects;
mod pages;
mod refusal;
pub(crate) mod report;
mod service;
mod store;
mod webhooks;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde_json::json;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;

use crate::aws_request::callers;
use crate::events::{EventKind, Events};
use crate::faults::Faults;
use crate::flows::Flows;
use crate::gateway::Pages;
use crate::journal::{Error, Journal};
use crate::parameters;
use crate::runtime::Runtime;
use catalog::Catalog;
use ledger::{Cause, Ledger};
use webhooks::{Attempt, Outgoing, Sender, now_ms};

/// The app's own path for webhooks.
const WEBHOOK_PATH: &str = "/api/billing/webhook";

/// So many webhooks are sent at a time.
const AT_ONCE: usize = 4;

/// The longest sleep: a laptop that was suspended looks at its clock again.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The pause after the journal could not be used.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// The names of the model's parameters that hold the key and the webhooks' secrets.
const KEY_PARAMETER: &str = "billing/stripe-secret-key";
const SECRETS_PARAMETER: &str = "billing/webhook-secrets";

/// What the app and the payment provider know of each other.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The API key: `sk_test_…`.
    pub key: String,
    /// What webhooks are signed with, one or two: `whsec_…`.
    pub webhooks: Vec<String>,
}

/// The simulated provider. Clones share it.
#[derive(Clone)]
pub struct Payments(Arc<Inner>);

struct Inner {
    origin: String,
    secrets: Secrets,
    sender: Sender,
    journal: Journal,
    flows: Flows,
    events: Events,
    /// None before they are first used, and after they could not be kept: then they are read anew.
    books: Mutex<Option<Ledger>>,
    changed: Notify,
}

impl Secrets {
    /// Those of the simulator: made on the first start, and kept.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn of_simulator(data_dir: &std::path::Path) -> Result<Self, parameters::Error> {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let key = parameters::kept(data_dir, KEY_PARAMETER, |random| format!("sk_test_{}", hex(random)))?;
        let webhook =
            parameters::kept(data_dir, SECRETS_PARAMETER, |random| format!("whsec_{}", hex(random)))?;
        Ok(Self { key, webhooks: vec![webhook] })
    }

    /// As the model's parameters.
    #[must_use]
    pub fn parameters(&self) -> [(&'static str, String); 2] {
        [(KEY_PARAMETER, self.key.clone()), (SECRETS_PARAMETER, json!(self.webhooks).to_string())]
    }
}

impl Payments {
    /// The provider of the app at `origin`, with its books in this journal.
    #[must_use]
    pub fn new(origin: String, secrets: Secrets, journal: Journal, flows: Flows, events: Events) -> Self {
        let sender = Sender::new(format!("{origin}{WEBHOOK_PATH}"), secrets.webhooks.clone());
        let (books, changed) = (Mutex::new(None), Notify::new());
        Self(Arc::new(Inner { origin, secrets, sender, journal, flows, events, books, changed }))
    }

    /// The API, for functions.
    pub fn api(&self, runtime: Runtime, faults: Faults) -> Router {
        service::router(self.clone(), callers(runtime), self.0.flows.clone(), faults)
    }

    /// The hosted pages, under `/_stripe`.
    pub fn pages(&self, pages: Pages) -> Router {
        pages::router(self.clone(), pages)
    }

    /// Does what falls due by the clock, and sends webhooks, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut sending: JoinSet<Vec<String>> = JoinSet::new();
        let mut under_way: HashSet<String> = HashSet::new();
        loop {
            let known = under_way.clone();
            let due = self.act(Cause::default(), |ledger| {
                let due = ledger.due_webhooks(|event| known.contains(event));
                let next = ledger.next_webhook(|event| known.contains(event));
                (due, next, ledger.next().map(|(at, _)| (at - ledger.now) * 1_000))
            });
            let wait = match due.await {
                Ok(((webhooks, in_turn), next_webhook, next_due_ms)) => {
                    let free = AT_ONCE.saturating_sub(sending.len());
                    let batches: Vec<Vec<_>> = if in_turn {
                        (free == AT_ONCE && !webhooks.is_empty()).then_some(webhooks).into_iter().collect()
                    } else {
                        webhooks.into_iter().take(free).map(|webhook| vec![webhook]).collect()
                    };
                    for batch in batches {
                        under_way.extend(batch.iter().map(|webhook| webhook.event.clone()));
                        sending.spawn(self.clone().send_all(batch));
                    }
                    let most = if in_turn { 1 } else { AT_ONCE };
                    let next_webhook_ms = next_webhook.map(|at| at - now_ms());
                    until_next(sending.len() < most, next_webhook_ms, next_due_ms)
                }
                Err(error) => {
                    tracing::error!("the payment provider's books cannot be used: {error}");
                    AFTER_ERROR
                }
            };
            tokio::select! {
                Some(sent) = sending.join_next(), if !sending.is_empty() => {
                    for event in sent.unwrap_or_default() {
                        under_way.remove(&event);
                    }
                }
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Changes the books on this account, or only reads them, at the provider's present time.
    /// When it returns, what has changed is on disk.
    pub(crate) async fn act<T>(
        &self,
        cause: Cause,
        work: impl FnOnce(&mut Ledger) -> T + Send,
    ) -> Result<T, Error> {
        let mut books = self.0.books.lock().await;
        let mut ledger = match books.take() {
            Some(ledger) => ledger,
            None => self.load().await?,
        };
        ledger.real_ms = now_ms();
        let time = ledger.real_ms / 1_000 + ledger.settings().ahead_seconds;
        ledger.cause = Cause::default();
        ledger.advance_to(time);
        ledger.cause = cause;
        let result = work(&mut ledger);
        let rows = ledger.take_changes();
        if !rows.is_empty() {
            // If this fails, or whoever asked goes away meanwhile, the books are read anew.
            store::save(&self.0.journal, rows).await?;
            self.0.events.publish(EventKind::Payment, &json!({}));
            self.0.changed.notify_one();
        }
        *books = Some(ledger);
        Ok(result)
    }

    /// Sends an event's webhook once, now, whatever is planned for it. None if there is no such
    /// event.
    pub(crate) async fn resend(&self, event: &str) -> Result<Option<Attempt>, Error> {
        let id = event.to_owned();
        let found = self.act(Cause::default(), |ledger| ledger.outgoing(&id)).await?;
        let Some(outgoing) = found else { return Ok(None) };
        self.send(&outgoing, true).await.map(Some)
    }

    async fn send_all(self, webhooks: Vec<Outgoing>) -> Vec<String> {
        for outgoing in &webhooks {
            if let Err(error) = self.send(outgoing, false).await {
                tracing::error!("the payment provider's books cannot be used: {error}");
            }
        }
        webhooks.into_iter().map(|webhook| webhook.event).collect()
    }

    async fn send(&self, outgoing: &Outgoing, by_hand: bool) -> Result<Attempt, Error> {
        let attempt = self.0.sender.send(outgoing, &self.0.flows).await;
        let recorded = attempt.clone();
        let event = outgoing.event.clone();
        self.act(Cause::default(), |ledger| ledger.record_attempt(&event, recorded, by_hand)).await?;
        Ok(attempt)
    }

    async fn load(&self) -> Result<Ledger, Error> {
        let rows = store::load(&self.0.journal).await?;
        let seed = getrandom::u64().unwrap_or_default();
        let empty = Ledger::new(Catalog::seed(), self.0.origin.clone(), seed);
        empty.restore(&rows).map_err(|error| Error::Unreadable(error.to_string()))
    }

    fn secret_key(&self) -> &str {
        &self.0.secrets.key
    }

    fn flows(&self) -> &Flows {
        &self.0.flows
    }
}

/// How long nothing is to be done unless something happens. The next webhook is asked for only if
/// there is room for it: otherwise what is being sent ends first.
fn until_next(room: bool, webhook_ms: Option<i64>, due_ms: Option<i64>) -> Duration {
    let next = webhook_ms.filter(|_| room).into_iter().chain(due_ms).min();
    next.map_or(LONGEST_SLEEP, |ms| Duration::from_millis(ms.max(1).unsigned_abs())).min(LONGEST_SLEEP)
}

#[cfg(test)]
mod tests;
