//! Amazon SNS: what takes a text, and what its answers mean.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::types::MessageAttributeValue;
use shared::aws::{Aws, Service};
use shared::delivery::SendError;
use shared::phone_number::PhoneNumber;

/// The way out.
#[derive(Debug, Clone)]
pub struct Texter {
    client: Client,
    /// Whether Amazon's own service is what it speaks to, which bills for texts to numbers of fiction.
    is_billed: bool,
}

impl Texter {
    /// The way out of this account.
    #[must_use]
    pub fn new(aws: &Aws) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            // A text that is given up early may be on its way, and is then sent twice.
            .operation_timeout(Duration::from_secs(10))
            .build();
        let shared = aws.config(Service::Sns);
        let config = aws_sdk_sns::config::Builder::from(&shared)
            // What the SDK sent again by itself, nobody would count.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), is_billed: shared.endpoint_url().is_none() }
    }

    /// Opens the connection, so that the first text does not wait for it. The provider refuses a call without a text; that
    /// it was reached is all that matters.
    pub(crate) async fn warm(&self) {
        _ = self.client.publish().send().await;
    }

    /// Hands a text over, and gives the provider's id of it. A number of fiction is nobody's: nothing goes there.
    pub(crate) async fn send(&self, to: &PhoneNumber, words: &str) -> Result<Option<String>, SendError> {
        if self.is_billed && to.fiction().is_some() {
            tracing::info!("A text to a number of fiction is not sent");
            return Ok(None);
        }
        // Not promotional: delivered at once, at any hour, for more money.
        let kind = MessageAttributeValue::builder()
            .data_type("String")
            .string_value("Transactional")
            .build()
            .map_err(|error| SendError::Refused(error.to_string()))?;
        let published = self
            .client
            .publish()
            .phone_number(to.as_str())
            .message(words)
            .message_attributes("AWS.SNS.SMS.SMSType", kind)
            .send()
            .await
            .map_err(|error| SendError::of(&error))?;
        Ok(published.message_id)
    }
}
