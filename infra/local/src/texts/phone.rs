//! What a phone and its carrier do with a text: answer it, and tell what became of it. Both come to the app on a
//! topic, as AWS End User Messaging publishes them.

use jiff::Timestamp;
use serde::Serialize;

use super::inbox::{Direction, Inbox, Receipt, Text};
use super::{new_id, segments};
use crate::flows::{Flows, Step, StepKind, TraceContext, TraceId, finish};
use crate::journal;
use crate::names::ACCOUNT;
use crate::topic::{self, Topics};

/// The topic that the numbers' incoming texts and the receipts are published to.
const TOPIC: &str = "sms-inbound";

/// The app's own number, of a range that belongs to nobody.
const OWN_NUMBER: &str = "+12065550100";

/// The longest text that a phone sends here, in bytes.
const LONGEST_BODY: usize = 1_600;

/// What carriers say of a text, whether it is their last word, and what it means.
const STATUSES: &[(&str, bool, &str)] = &[
    ("QUEUED", false, "Message is queued for delivery"),
    ("SENT", false, "Message has been sent to the phone carrier"),
    ("PENDING", false, "Message is in progress"),
    ("SUCCESSFUL", true, "Message has been accepted by phone carrier"),
    ("DELIVERED", true, "Message has been accepted by phone"),
    ("BLOCKED", true, "Phone has blocked SMS"),
    ("CARRIER_BLOCKED", true, "Phone carrier has blocked this message"),
    ("CARRIER_UNREACHABLE", true, "Phone carrier is currently unreachable/unavailable"),
    ("INVALID", true, "Phone number is invalid"),
    ("INVALID_MESSAGE", true, "The message body is invalid"),
    ("PROTECT_BLOCKED", true, "Message is blocked by a protect configuration"),
    ("SPAM", true, "Phone carrier has marked this message as spam"),
    ("TTL_EXPIRED", true, "Message was not delivered within its time to live"),
    ("UNKNOWN", true, "Unknown error attempting to reach phone"),
    ("UNREACHABLE", true, "Phone is currently unreachable/unavailable"),
];

/// The phones of everybody who got a text. Clones share them.
#[derive(Clone)]
pub struct Phones {
    inbox: Inbox,
    topics: Topics,
    flows: Flows,
}

/// Why a phone does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("There is no such text.")]
    UnknownText,
    #[error("The app has no topic \"{TOPIC}\", so nobody would learn of it.")]
    NoTopic,
    #[error("Only a text that the app sent has a receipt.")]
    NotSent,
    #[error("A text says something, in at most {LONGEST_BODY} bytes.")]
    Body,
    #[error("\"status\" must be one of {}.", statuses())]
    Status,
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    /// The text that the phone sent.
    pub(crate) id: String,
    /// The trace of all that follows.
    pub(crate) trace: TraceId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Incoming<'a> {
    origination_number: &'a str,
    destination_number: &'static str,
    message_keyword: String,
    message_body: &'a str,
    inbound_message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_published_message_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    event_type: String,
    event_version: &'static str,
    event_timestamp: i64,
    is_final: bool,
    origination_phone_number: &'static str,
    destination_phone_number: &'a str,
    message_id: &'a str,
    message_request_timestamp: i64,
    message_encoding: &'static str,
    message_type: String,
    message_status: &'a str,
    message_status_description: &'a str,
    total_message_parts: u32,
    total_message_price: f64,
    total_carrier_fee: f64,
}

impl Phones {
    /// The phones at the other end of these texts.
    #[must_use]
    pub const fn new(inbox: Inbox, topics: Topics, flows: Flows) -> Self {
        Self { inbox, topics, flows }
    }

    /// The phone that got a text, or sent one, sends this.
    pub(crate) async fn reply(&self, id: String, body: &str) -> Result<Answered, Refusal> {
        if body.trim().is_empty() || body.len() > LONGEST_BODY {
            return Err(Refusal::Body);
        }
        let answered = self.find(id).await?;
        let context = TraceContext::new_root();
        self.flows.name(context.trace, "Text from a phone");
        let mut step = self.flows.begin(&context, StepKind::Text, "phone");
        step.detail(segments::describe(body));
        let text = Text {
            id: new_id(),
            at: format!("{:.3}", Timestamp::now()),
            direction: Direction::Received,
            number: answered.number,
            body: body.to_owned(),
            sender_id: None,
            r#type: None,
            parts: segments::count(body),
            function: None,
            trace: Some(context.trace.to_string()),
            receipt: None,
            in_reply_to: Some(answered.id),
        };
        let message = json(&Incoming {
            origination_number: &text.number,
            destination_number: OWN_NUMBER,
            message_keyword: format!("KEYWORD_{ACCOUNT}"),
            message_body: body,
            inbound_message_id: &text.id,
            // Only what the app published has an id that it knows.
            previous_published_message_id: text
                .in_reply_to
                .as_deref()
                .filter(|_| answered.direction == Direction::Sent),
        });
        step.text(&text.id);
        let id = text.id.clone();
        self.tell(step, text, &message).await?;
        Ok(Answered { id, trace: context.trace })
    }

    /// The carrier tells what became of a text.
    pub(crate) async fn receipt(&self, id: String, status: &str) -> Result<Answered, Refusal> {
        let known = STATUSES.iter().find(|(known, ..)| *known == status);
        let &(status, is_final, description) = known.ok_or(Refusal::Status)?;
        let mut text = self.find(id).await?;
        if text.direction != Direction::Sent {
            return Err(Refusal::NotSent);
        }
        let context = TraceContext::new_root();
        self.flows.name(context.trace, &format!("Receipt {status}"));
        let mut step = self.flows.begin(&context, StepKind::Text, "carrier");
        step.detail(status);
        step.text(&text.id);
        let requested = text.at.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
        let message = json(&Delivery {
            event_type: format!("TEXT_{status}"),
            event_version: "1.0",
            event_timestamp: Timestamp::now().as_millisecond(),
            is_final,
            origination_phone_number: OWN_NUMBER,
            destination_phone_number: &text.number,
            message_id: &text.id,
            message_request_timestamp: requested,
            message_encoding: segments::encoding(&text.body).name(),
            message_type: text.r#type.as_deref().unwrap_or_default().to_uppercase(),
            message_status: status,
            message_status_description: description,
            total_message_parts: text.parts,
            total_message_price: 0.0,
            total_carrier_fee: 0.0,
        });
        text.receipt = Some(Receipt::now(status));
        let id = text.id.clone();
        self.tell(step, text, &message).await?;
        Ok(Answered { id, trace: context.trace })
    }

    async fn find(&self, id: String) -> Result<Text, Refusal> {
        let text = self.inbox.get(id).await?.ok_or(Refusal::UnknownText)?;
        self.topics.topic(TOPIC).map(|_| text).ok_or(Refusal::NoTopic)
    }

    /// Keeps the text as it is now and publishes the message about it.
    async fn tell(&self, step: Step, text: Text, message: &str) -> Result<(), Refusal> {
        let told = async {
            self.inbox.keep(text).await?;
            match self.topics.publish(TOPIC, message, &step.context()).await {
                Ok(_) => Ok(()),
                Err(topic::Error::Unknown) => Err(Refusal::NoTopic),
                Err(topic::Error::Journal(error)) => Err(error.into()),
            }
        };
        let told = told.await;
        finish(Some(step), told.as_ref().err().map(ToString::to_string).as_deref());
        told
    }
}

fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

fn statuses() -> String {
    STATUSES.iter().map(|(status, ..)| *status).collect::<Vec<_>>().join(", ")
}
