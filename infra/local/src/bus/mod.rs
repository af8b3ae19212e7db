//! EventBridge: takes events and puts one message into the queue of each function that the model
//! subscribes to their type. All messages of a call are committed before it is answered.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use infra_model::{App, Grant};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::aws_request::{Callers, caller_among, callers, context, json_error, json_response, of_trace};
use crate::flows::{Flows, Step, StepKind, TraceContext};
use crate::names::{self, ACCOUNT, REGION};
use crate::queue::{NewMessage, Queues};
use crate::runtime::{Caller, Runtime};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// EventBridge takes at most so many entries in a call,
const ENTRIES: usize = 10;

/// and at most so many bytes of them.
const ENTRIES_BYTES: usize = 1024 * 1024;

/// Entries are text within JSON, which may escape each byte.
const REQUEST_BYTES: usize = 8 * ENTRIES_BYTES;

/// The endpoint of EventBridge.
pub fn router(app: &'static App, queues: Queues, runtime: Runtime, flows: Flows) -> Router {
    router_for(app, queues, callers(runtime), flows)
}

fn router_for(app: &'static App, queues: Queues, callers: Callers, flows: Flows) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(Bus { app, queues, callers, flows }))
}

struct Bus {
    app: &'static App,
    queues: Queues,
    callers: Callers,
    flows: Flows,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    /// Seconds since 1970.
    time: Option<f64>,
    trace_header: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    failed_entry_count: usize,
    entries: Vec<AnswerEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// An event as its consumers get it.
#[derive(Serialize)]
struct Event<'a> {
    version: &'static str,
    id: &'a str,
    #[serde(rename = "detail-type")]
    detail_type: &'a str,
    source: &'a str,
    account: &'static str,
    time: String,
    region: &'static str,
    resources: &'a [String],
    detail: &'a RawValue,
}

/// An entry that was accepted.
struct Accepted {
    step: Step,
    consumers: &'static [&'static str],
    messages: Vec<NewMessage>,
}

async fn handle(State(bus): State<Arc<Bus>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    if target != Some("AWSEvents.PutEvents") {
        return refuse("UnknownOperationException", "Only PutEvents is served here.");
    }
    let Ok(body) = to_bytes(body, REQUEST_BYTES).await else {
        let message = "The request is too large.";
        return json_error(StatusCode::PAYLOAD_TOO_LARGE, CONTENT_TYPE, "RequestEntityTooLarge", message);
    };
    match serde_json::from_slice::<PutEvents>(&body) {
        Ok(PutEvents { entries }) => bus.put_events(&parts.headers, &entries).await,
        Err(error) => refuse("SerializationException", &error.to_string()),
    }
}

impl Bus {
    async fn put_events(&self, headers: &HeaderMap, entries: &[Entry]) -> Response {
        if entries.is_empty() || entries.len() > ENTRIES {
            let message = format!(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: \
                 Member must have length between 1 and {ENTRIES}"
            );
            return refuse("ValidationException", &message);
        }
        if entries.iter().map(Entry::size).sum::<usize>() > ENTRIES_BYTES {
            return refuse(
                "ValidationException",
                "Total size of the entries in the request is over the limit.",
            );
        }
        let caller = caller_among(&self.callers, headers);
        if let Some(refusal) = caller.as_ref().and_then(|caller| self.refusal(caller, entries)) {
            let context = caller.as_ref().and_then(|caller| context(headers, caller));
            if let Some(context) = context {
                let step = self.flows.begin(&context, StepKind::Bus, names::bus(self.app));
                step.error(refusal.clone());
            }
            return refuse("AccessDeniedException", &refusal);
        }

        let mut answers = Vec::with_capacity(entries.len());
        let mut all_accepted = Vec::new();
        for entry in entries {
            match self.accept(entry, headers, caller.as_ref()) {
                Ok((event_id, accepted)) => {
                    answers.push(AnswerEntry {
                        event_id: Some(event_id),
                        error_code: None,
                        error_message: None,
                    });
                    all_accepted.push(accepted);
                }
                Err((code, message)) => answers.push(AnswerEntry {
                    event_id: None,
                    error_code: Some(code),
                    error_message: Some(message),
                }),
            }
        }
        let messages: Vec<_> = all_accepted.iter().flat_map(|accepted| accepted.messages.clone()).collect();
        if let Err(error) = self.queues.send(messages).await {
            all_accepted.into_iter().for_each(|accepted| accepted.step.error(error.to_string()));
            let (status, kind) = (StatusCode::INTERNAL_SERVER_ERROR, "InternalException");
            return json_error(status, CONTENT_TYPE, kind, &error.to_string());
        }
        for Accepted { mut step, consumers, .. } in all_accepted {
            step.detail(match consumers {
                [] => "no target".to_owned(),
                consumers => format!("to {}", consumers.join(", ")),
            });
            step.ok();
        }
        let failed_entry_count = answers.iter().filter(|answer| answer.error_code.is_some()).count();
        let answer = Answer { failed_entry_count, entries: answers };
        json_response(StatusCode::OK, CONTENT_TYPE, serde_json::to_string(&answer).unwrap_or_default())
    }

    /// Why the caller's role does not allow these entries, as IAM words it.
    fn refusal(&self, caller: &Caller, entries: &[Entry]) -> Option<String> {
        let granted = |source: &str| {
            caller.function.grants.iter().any(|grant| match grant {
                Grant::PutEvents { source: granted } => *granted == source,
                Grant::Table(_) | Grant::SendEmail | Grant::SendText | Grant::ReadParameter(_) => false,
            })
        };
        let may = entries.iter().all(|entry| granted(entry.source.as_deref().unwrap_or_default()));
        (!may).then(|| {
            format!(
                "User: {} is not authorized to perform: events:PutEvents on resource: {} because no \
                 identity-based policy allows the events:PutEvents action",
                names::role_session_arn(self.app, caller.function),
                names::bus_arn(self.app)
            )
        })
    }

    fn accept(
        &self,
        entry: &Entry,
        headers: &HeaderMap,
        caller: Option<&Caller>,
    ) -> Result<(String, Accepted), (&'static str, String)> {
        let (source, detail_type, detail) = entry.check(self.app)?;
        let event_id = Uuid::new_v4().to_string();
        let context = entry.context(detail, headers, caller);
        let mut step = self.flows.begin(&context, StepKind::Bus, names::bus(self.app));
        step.event_type(detail_type);
        let subscription =
            self.app.subscriptions.iter().find(|subscription| subscription.event == detail_type);
        let consumers = match subscription {
            Some(subscription) if source == self.app.name => subscription.consumers,
            Some(_) | None => &[],
        };
        let event = Event {
            version: "0",
            id: &event_id,
            detail_type,
            source,
            account: ACCOUNT,
            time: entry.time(),
            region: REGION,
            resources: &entry.resources,
            detail,
        };
        let body = serde_json::to_string(&event).unwrap_or_default();
        let message = |queue: &&'static str| NewMessage {
            queue,
            body: body.clone(),
            event_type: Some(detail_type.to_owned()),
            context: step.context(),
        };
        let messages = consumers.iter().map(message).collect();
        Ok((event_id, Accepted { step, consumers, messages }))
    }
}

impl Entry {
    /// As EventBridge counts it.
    fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let resources: usize = self.resources.iter().map(String::len).sum();
        let time = if self.time.is_some() { 14 } else { 0 };
        text(&self.source) + text(&self.detail_type) + text(&self.detail) + resources + time
    }

    /// Its source, detail type and detail, or the code and the text of the error.
    fn check(&self, app: &App) -> Result<(&str, &str, &RawValue), (&'static str, String)> {
        let given = |name: &str, value: &Option<String>| match value.as_deref() {
            Some("") | None => Err((
                "InvalidArgument",
                format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
            )),
            Some(_) => Ok(()),
        };
        given("Source", &self.source)?;
        given("DetailType", &self.detail_type)?;
        given("Detail", &self.detail)?;
        let bus = self.event_bus_name.as_deref().unwrap_or("default");
        if bus != names::bus(app) && bus != names::bus_arn(app) {
            return Err(("InvalidArgument", format!("Event bus {bus} does not exist.")));
        }
        let detail = self.detail.as_deref().unwrap_or_default();
        match serde_json::from_str::<&RawValue>(detail) {
            Ok(object) if object.get().starts_with('{') => Ok((
                self.source.as_deref().unwrap_or_default(),
                self.detail_type.as_deref().unwrap_or_default(),
                object,
            )),
            Ok(_) | Err(_) => Err(("MalformedDetail", "Detail is malformed.".to_owned())),
        }
    }

    /// The event's own trace, below the invocation that puts it if that works for the trace.
    fn context(&self, detail: &RawValue, headers: &HeaderMap, caller: Option<&Caller>) -> TraceContext {
        let detail: Value = serde_json::from_str(detail.get()).unwrap_or_default();
        let named = detail["traceparent"].as_str().and_then(TraceContext::from_traceparent);
        let named = named.or_else(|| self.trace_header.as_deref().and_then(TraceContext::from_xray));
        let running = caller.and_then(|caller| match &named {
            Some(named) => of_trace(caller, named),
            None => context(headers, caller),
        });
        running.or(named).unwrap_or_else(TraceContext::new_root)
    }

    fn time(&self) -> String {
        let given = self.time.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
        format!("{:.0}", given.unwrap_or_else(Timestamp::now))
    }
}

fn refuse(error_type: &str, message: &str) -> Response {
    json_error(StatusCode::BAD_REQUEST, CONTENT_TYPE, error_type, message)
}

#[cfg(test)]
mod tests;
