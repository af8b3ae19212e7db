//! SNS topics, to which providers publish: each message goes, in SNS's envelope, into the queue of
//! each consumer that the model names.

use infra_model::{App, Topic};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::flows::{Flows, StepKind, TraceContext};
use crate::journal;
use crate::names::{self, REGION};
use crate::queue::{NewMessage, Queues};

/// The app's topics. Clones share them.
#[derive(Clone)]
pub struct Topics {
    app: &'static App,
    queues: Queues,
    flows: Flows,
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model has no such topic.
    #[error("the app has no topic of this name")]
    Unknown,
    /// The queues cannot be written.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// What SNS puts around a message, unless delivery is raw.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Notification<'a> {
    r#type: &'static str,
    message_id: &'a str,
    topic_arn: String,
    message: &'a str,
    timestamp: String,
    signature_version: &'static str,
    /// A queue's messages are told to be SNS's by the queue's policy; nobody checks this.
    signature: &'static str,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
    #[serde(rename = "UnsubscribeURL")]
    unsubscribe_url: String,
}

impl Topics {
    /// The topics of the model.
    #[must_use]
    pub const fn new(app: &'static App, queues: Queues, flows: Flows) -> Self {
        Self { app, queues, flows }
    }

    /// Publishes a message; it is in the queues when this returns. Answers the message's id.
    ///
    /// # Errors
    /// If there is no such topic, or the queues cannot be written.
    pub async fn publish(&self, topic: &str, message: &str, context: &TraceContext) -> Result<String, Error> {
        let topic = self.topic(topic).ok_or(Error::Unknown)?;
        let mut step = self.flows.begin(context, StepKind::Topic, topic.name);
        step.detail(match topic.consumers {
            [] => "no consumer".to_owned(),
            consumers => format!("to {}", consumers.join(", ")),
        });
        let message_id = Uuid::new_v4().to_string();
        let body = serde_json::to_string(&self.notification(topic, &message_id, message)).unwrap_or_default();
        let to_queue = |queue: &&'static str| NewMessage {
            queue,
            body: body.clone(),
            event_type: None,
            context: step.context(),
        };
        match self.queues.send(topic.consumers.iter().map(to_queue).collect()).await {
            Ok(()) => step.ok(),
            Err(error) => {
                step.error(error.to_string());
                return Err(error.into());
            }
        }
        Ok(message_id)
    }

    /// The name of the topic with this ARN.
    pub(crate) fn name_of(&self, arn: &str) -> Option<&'static str> {
        let mut names = self.app.topics.iter().map(|topic| topic.name);
        names.find(|name| names::topic_arn(self.app, name) == arn)
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&'static Topic> {
        self.app.topics.iter().find(|topic| topic.name == name)
    }

    fn notification<'a>(&self, topic: &Topic, message_id: &'a str, message: &'a str) -> Notification<'a> {
        let topic_arn = names::topic_arn(self.app, topic.name);
        let host = format!("https://sns.{REGION}.amazonaws.com");
        Notification {
            r#type: "Notification",
            message_id,
            message,
            timestamp: format!("{:.3}", Timestamp::now()),
            signature_version: "1",
            signature: "local",
            signing_cert_url: format!("{host}/SimpleNotificationService-local.pem"),
            unsubscribe_url: format!("{host}/?Action=Unsubscribe&SubscriptionArn={topic_arn}:local"),
            topic_arn,
        }
    }
}
