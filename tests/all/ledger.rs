//! The books: what the table says has happened, and whether all of it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use infra_model::APP;
use serde_json::Value;
use tests::Platform;
use tests::console::Item;
use tests::wait::SOON;

/// Everything in the table at one moment.
#[derive(Debug)]
pub(crate) struct Ledger(Vec<Item>);

impl Ledger {
    pub(crate) async fn read(platform: &Platform) -> Self {
        Self(platform.console.items("").await)
    }

    /// Waits until every event is done, or dead, for every consumer, and nothing is under way that could make another.
    pub(crate) async fn settled(platform: &Platform) -> Self {
        Self::settled_within(platform, SOON).await
    }

    /// As [`Ledger::settled`], for what takes longer.
    pub(crate) async fn settled_within(platform: &Platform, time: Duration) -> Self {
        let deadline = Instant::now() + time;
        loop {
            let before = Self::done_by(platform, deadline).await;
            platform.console.drained_within(time).await;
            // What was under way until then may have told of more.
            let after = Self::read(platform).await;
            if after.items("USER#", "EVENT#").len() == before.items("USER#", "EVENT#").len() {
                return after;
            }
        }
    }

    /// Waits until every event that there is is done, or dead, for every consumer.
    async fn done_by(platform: &Platform, deadline: Instant) -> Self {
        loop {
            let ledger = Self::read(platform).await;
            let dead = dead_events(platform).await;
            let mailed: BTreeSet<_> =
                platform.inbox.all().await.into_iter().filter_map(|mail| mail.trace).collect();
            let mut open = ledger.open_deliveries();
            // Its mail may be sent though that could not be noted.
            open.retain(|(event, trace)| !dead.contains(event) && !mailed.contains(trace));
            if open.is_empty() {
                return ledger;
            }
            if Instant::now() > deadline {
                let claims = open.iter().map(|(event, _)| ledger.items(&format!("EVENT#{event}"), ""));
                panic!(
                    "neither done nor dead: {open:?}\nclaims: {:?}\nqueues: {:?}",
                    claims.collect::<Vec<_>>(),
                    platform.console.queues().await
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The items of this kind.
    pub(crate) fn items(&self, pk_prefix: &str, sk_prefix: &str) -> Vec<&Item> {
        self.0
            .iter()
            .filter(|item| item.pk.starts_with(pk_prefix) && item.sk.starts_with(sk_prefix))
            .collect()
    }

    /// All items.
    pub(crate) fn all(&self) -> &[Item] {
        &self.0
    }

    /// The id of the user of this address.
    pub(crate) fn user_of(&self, address: &str) -> Option<String> {
        let pk = format!("EMAIL#{}", address.to_lowercase());
        let item = self.0.iter().find(|item| item.pk == pk)?;
        Some(item.attributes["user_id"].as_str()?.to_owned())
    }

    /// Types of the user's events, in their order.
    pub(crate) fn events_of(&self, user: &str) -> Vec<String> {
        let mut items = self.items(&format!("USER#{user}"), "EVENT#");
        items.sort_by(|one, other| one.sk.cmp(&other.sk));
        items.iter().map(|item| text(&item.attributes["type"])).collect()
    }

    /// Whether a consumer may be done with an event without a word, as there is nothing to do: no device
    /// is new, the address is verified already, or nobody wants a text.
    fn calls_for_nothing(&self, event: &Item, kind: &str, consumer: &str) -> bool {
        if consumer == "sms-notifier" && !self.calls_for_a_text(event, kind) {
            return true;
        }
        let user = self.0.iter().find(|item| item.pk == event.pk && item.sk == "USER");
        let has = |attribute: &str| {
            user.is_some_and(|user| user.attributes.get(attribute).is_some_and(|it| !it.is_null()))
        };
        match kind {
            // Nobody is told of what happened to whoever is gone, but that they are.
            _ if consumer == "email" && user.is_none() && self.was_deleted(event) => kind != "user.deleted",
            // Who is a customer is told of to the provider, which leaves no other trace.
            "user.renamed" | "user.email_changed" if consumer == "billing-sync" => true,
            "workspace.deleted" => self.pays_for_nothing(&text(&event.attributes["data"]["workspace_id"])),
            "session.started" => event.attributes["data"]["new_device"] == false,
            "user.signed_up" | "user.verification_requested" => {
                has("verified_at")
                    || user.is_some_and(|user| user.attributes.get("contested") == Some(&Value::Bool(true)))
            }
            _ => false,
        }
    }

    /// Whether the user of an event has deleted their account.
    fn was_deleted(&self, event: &Item) -> bool {
        self.items(&event.pk, "EVENT#").iter().any(|other| other.attributes["type"] == "user.deleted")
    }

    /// Whether a workspace has no subscription, or had one: who ends it leaves no other trace.
    fn pays_for_nothing(&self, workspace: &str) -> bool {
        let subscriptions = self.items(&format!("WORKSPACE#{workspace}"), "SUBSCRIPTION");
        subscriptions.iter().all(|it| it.attributes["subscription"]["status"] == "canceled")
    }

    /// Whether the user of an event is to be texted about it.
    fn calls_for_a_text(&self, event: &Item, kind: &str) -> bool {
        let of_user = |sk: &str| self.0.iter().find(|item| item.pk == event.pk && item.sk == sk);
        if kind == "phone.verification_requested" {
            let waiting = of_user("PHONE_CODE");
            return waiting.is_some_and(|waiting| waiting.attributes["event_id"] == event.attributes["id"]);
        }
        let Some(phone) = of_user("PHONE") else { return false };
        let number = text(&phone.attributes["phone_number"]);
        let stopped = self.0.iter().any(|item| {
            item.pk == format!("PHONE#{number}") && item.sk == "OPT_OUT" && item.attributes["stopped"] == true
        });
        let (choice, default) = match kind.starts_with("invoice.") || kind.starts_with("subscription.") {
            true => ("billing_text", false),
            false => ("security_text", true),
        };
        let chosen = of_user("PREFERENCES").map_or(default, |chosen| chosen.attributes[choice] == true);
        chosen && !stopped
    }

    /// Events that a consumer has not said yet that it is done with, and their traces.
    fn open_deliveries(&self) -> Vec<(String, String)> {
        let done: BTreeSet<_> = self
            .items("EVENT#", "CONSUMER#")
            .into_iter()
            .filter(|item| item.attributes.get("done") == Some(&Value::Bool(true)))
            .map(|item| (item.pk.clone(), item.sk.clone()))
            .collect();
        let mut open = Vec::new();
        for event in self.items("USER#", "EVENT#") {
            let kind = text(&event.attributes["type"]);
            for consumer in consumers(&kind) {
                if self.calls_for_nothing(event, &kind, consumer) {
                    continue;
                }
                if !done.contains(&(event.sk.clone(), format!("CONSUMER#{consumer}"))) {
                    let traceparent = text(&event.attributes["traceparent"]);
                    let trace = traceparent.split('-').nth(1).unwrap_or_default().to_owned();
                    open.push((text(&event.attributes["id"]), trace));
                }
            }
        }
        open
    }
}

/// Who is told of events of this type.
fn consumers(kind: &str) -> &'static [&'static str] {
    let subscription = APP.subscriptions.iter().find(|subscription| subscription.event == kind);
    subscription.unwrap_or_else(|| panic!("nobody decided who is told of {kind}")).consumers
}

/// Ids of the events in dead-letter queues.
async fn dead_events(platform: &Platform) -> BTreeSet<String> {
    let letters = platform.console.dead_letters().await;
    let mut ids = BTreeSet::new();
    for letter in letters {
        let body = letter.body.as_str().map_or_else(|| letter.body.to_string(), str::to_owned);
        let found = body.match_indices("evt_").filter_map(|(start, _)| body.get(start..start + 36));
        ids.extend(found.map(str::to_owned));
    }
    ids
}

/// How many mails of each subject went to this address.
pub(crate) async fn subjects(platform: &Platform, address: &str) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    for email in platform.inbox.to(address).await {
        *subjects.entry(email.subject).or_default() += 1;
    }
    subjects
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
