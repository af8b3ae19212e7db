//! Amazon SES: what takes a message, and what its answers mean.

use std::time::Duration;

use aws_sdk_ses::Client;
use aws_sdk_ses::config::retry::RetryConfig;
use aws_sdk_ses::config::timeout::TimeoutConfig;
use aws_sdk_ses::error::BuildError;
use aws_sdk_ses::primitives::Blob;
use aws_sdk_ses::types::{MessageTag, RawMessage};
use shared::aws::{Aws, Service};
use shared::delivery::SendError;
use shared::email_address::EmailAddress;
use shared::trace;

use crate::config::Sender;

/// The way out.
#[derive(Debug, Clone)]
pub struct Mailer {
    client: Client,
    from: EmailAddress,
}

impl Mailer {
    /// A way out for mail from this sender.
    #[must_use]
    pub fn new(aws: &Aws, sender: &Sender) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            // A message that is given up early may be on its way, and is then sent twice.
            .operation_timeout(Duration::from_secs(10))
            .build();
        let config = aws_sdk_ses::config::Builder::from(&aws.config(Service::Ses))
            // What the SDK sent again by itself, nobody would count.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), from: sender.address.clone() }
    }

    /// Opens the connection, so that the first message does not wait for it. The provider refuses a
    /// call without a message; that it was reached is all that matters.
    pub(crate) async fn warm(&self) {
        _ = self.client.send_raw_email().send().await;
    }

    /// Hands a message over, for this recipient whatever its headers say.
    pub(crate) async fn send(
        &self,
        message: Vec<u8>,
        to: &EmailAddress,
        kind: &str,
    ) -> Result<(), SendError> {
        let unfit = |error: BuildError| SendError::Refused(error.to_string());
        let mut tags = vec![tag("kind", kind).map_err(unfit)?];
        if let Some(context) = trace::current() {
            tags.push(tag("trace_id", &context.trace_id()).map_err(unfit)?);
        }
        self.client
            .send_raw_email()
            .source(self.from.as_str())
            .destinations(to.as_str())
            .raw_message(RawMessage::builder().data(Blob::new(message)).build().map_err(unfit)?)
            .set_tags(Some(tags))
            .send()
            .await
            .map_err(|error| SendError::of(&error))?;
        Ok(())
    }
}

fn tag(name: &str, value: &str) -> Result<MessageTag, BuildError> {
    MessageTag::builder().name(name).value(value).build()
}
