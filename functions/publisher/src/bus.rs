//! The bus, reached through the AWS SDK.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::operation::put_events::PutEventsError;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use shared::aws::{Aws, Service};
use shared::event::SOURCE;
use shared::trace;

use crate::entry::Entry;

/// For each entry the code of its refusal, if it was refused; or why all of them failed.
pub(crate) type Answer = Result<Vec<Option<String>>, String>;

/// The bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    /// The bus of that name.
    #[must_use]
    pub fn new(aws: &Aws, name: String) -> Self {
        Self { client: Client::new(&aws.config(Service::EventBridge)), name }
    }

    /// Opens the connection, so that the first batch does not wait for it. The bus refuses a call
    /// without entries; that it was reached is all that matters.
    pub async fn warm(self) {
        _ = self.client.put_events().send().await;
    }

    pub(crate) async fn put(&self, entries: &[Entry]) -> Answer {
        let call = self
            .client
            .put_events()
            .set_entries(Some(entries.iter().map(|entry| self.request(entry)).collect()))
            .send();
        // A call with events of several traces can itself be part of one only.
        let sent = match entries.first().and_then(|entry| entry.trace) {
            Some(context) => trace::scope(context, call).await,
            None => call.await,
        };
        let answer = sent.map_err(|error| reason(&error))?;
        Ok(answer.entries().iter().map(|entry| entry.error_code().map(str::to_owned)).collect())
    }

    fn request(&self, entry: &Entry) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(entry.detail_type)
            .detail(&entry.detail)
            .time(DateTime::from(entry.time))
            .set_trace_header(entry.trace.map(|trace| trace.to_xray()))
            .build()
    }
}

fn reason(error: &SdkError<PutEventsError>) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        None => DisplayErrorContext(error).to_string(),
    }
}
