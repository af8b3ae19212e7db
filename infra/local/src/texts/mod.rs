//! SNS as functions send texts with it, and the phones at the other end: every text is kept instead of being sent
//! anywhere, and can be answered and acknowledged as a phone and its carrier would.

mod inbox;
mod phone;
mod publish;
mod segments;

use std::future;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use infra_model::{App, Grant};
use uuid::Uuid;

pub use inbox::{Direction, Inbox, Receipt, Text};
pub use phone::Phones;
pub(crate) use phone::{Answered, Refusal};

use crate::aws_request::{Callers, caller_among, callers, context, query_answer, query_error};
use crate::faults::{Faults, SendMode};
use crate::flows::{Flows, StepKind, TraceContext, finish};
use crate::names::{self, ACCOUNT, REGION};
use crate::runtime::{Caller, Runtime};
use crate::topic::{self, Topics};
use publish::{Invalid, Publish, Sending};

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// SNS takes messages of up to 256 KB, which a form may spell in three times as many bytes.
const REQUEST_BYTES: usize = 1024 * 1024;

/// The endpoint of SNS.
pub fn router(
    app: &'static App,
    inbox: Inbox,
    topics: Topics,
    runtime: Runtime,
    flows: Flows,
    faults: Faults,
) -> Router {
    router_for(Sns { app, inbox, topics, callers: callers(runtime), flows, faults })
}

fn router_for(sns: Sns) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(sns))
}

struct Sns {
    app: &'static App,
    inbox: Inbox,
    topics: Topics,
    callers: Callers,
    flows: Flows,
    faults: Faults,
}

async fn handle(State(sns): State<Arc<Sns>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES).await else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "InvalidParameter",
            "Invalid parameter: Message too long",
        );
    };
    let caller = caller_among(&sns.callers, &parts.headers);
    // A caller that may not publish at all learns nothing of its parameters.
    if let Some(refusal) = caller.as_ref().and_then(|caller| sns.refusal(caller, &body)) {
        let context = caller.as_ref().and_then(|caller| context(&parts.headers, caller));
        let step = context.map(|context| sns.flows.begin(&context, StepKind::Text, "sns"));
        finish(step, Some(&refusal));
        return error(StatusCode::FORBIDDEN, "AuthorizationError", &refusal);
    }
    match Publish::read(&body) {
        Ok(Publish::Text(sending)) => sns.send(&parts.headers, caller.as_ref(), sending).await,
        Ok(Publish::Topic { arn, message }) => sns.publish(&arn, &message).await,
        Err(Invalid { code, message }) => {
            let context = caller.as_ref().and_then(|caller| context(&parts.headers, caller));
            let step = context.map(|context| sns.flows.begin(&context, StepKind::Text, "sns"));
            finish(step, Some(&message));
            error(StatusCode::BAD_REQUEST, code, &message)
        }
    }
}

impl Sns {
    async fn send(&self, headers: &HeaderMap, caller: Option<&Caller>, sending: Sending) -> Response {
        let context = caller.and_then(|caller| context(headers, caller));
        let mut step = context.map(|context| self.flows.begin(&context, StepKind::Text, "sns"));
        if let Some(step) = &mut step {
            // Neither what it says, which may be a code, nor to whom: the inbox shows both.
            step.detail(format!("{} · {}", sending.kind_name(), segments::describe(&sending.message)));
        }
        // Only functions shall suffer.
        let mode = if caller.is_some() { self.faults.texts() } else { SendMode::Ok };
        match mode {
            SendMode::Refuse => {
                finish(step, Some("refused on purpose"));
                let message = "Invalid parameter: PhoneNumber Reason: it is not valid to publish to";
                return error(StatusCode::BAD_REQUEST, "InvalidParameter", message);
            }
            SendMode::Throttle => {
                finish(step, Some("throttled on purpose"));
                return error(StatusCode::TOO_MANY_REQUESTS, "Throttled", "Rate exceeded");
            }
            SendMode::Timeout => {
                finish(step, Some("not answered on purpose"));
                return future::pending().await;
            }
            SendMode::Ok | SendMode::AcceptThenTimeout => {}
        }
        let trace = context.map(|context| context.trace);
        let text = sending.into_text(caller.map(|caller| caller.function.name), trace);
        let id = text.id.clone();
        if let Err(failed) = self.inbox.keep(text).await {
            finish(step, Some(&failed.to_string()));
            return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &failed.to_string());
        }
        if let Some(step) = &mut step {
            step.text(&id);
        }
        if mode == SendMode::AcceptThenTimeout {
            finish(step, Some("accepted, but not answered on purpose"));
            return future::pending().await;
        }
        finish(step, None);
        published(&id)
    }

    /// What a provider does; here it is a developer or a test.
    async fn publish(&self, arn: &str, message: &str) -> Response {
        let Some(name) = self.topics.name_of(arn) else {
            return error(StatusCode::NOT_FOUND, "NotFound", "Topic does not exist");
        };
        let context = TraceContext::new_root();
        self.flows.name(context.trace, &format!("Publish to {name}"));
        match self.topics.publish(name, message, &context).await {
            Ok(id) => published(&id),
            Err(topic::Error::Unknown) => error(StatusCode::NOT_FOUND, "NotFound", "Topic does not exist"),
            Err(topic::Error::Journal(failed)) => {
                error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &failed.to_string())
            }
        }
    }

    /// Why the caller's role does not allow it, as IAM words it.
    fn refusal(&self, caller: &Caller, body: &[u8]) -> Option<String> {
        let to_topic = Publish::is_to_topic(body);
        let granted = !to_topic
            && caller.function.grants.iter().any(|grant| match grant {
                Grant::SendText => true,
                Grant::Table(_) | Grant::PutEvents { .. } | Grant::SendEmail | Grant::ReadParameter(_) => {
                    false
                }
            });
        (!granted).then(|| {
            let resource = if to_topic { "*" } else { "phone-number" };
            format!(
                "User: {} is not authorized to perform: SNS:Publish on resource: \
                 arn:aws:sns:{REGION}:{ACCOUNT}:{resource} because no identity-based policy allows the \
                 SNS:Publish action",
                names::role_session_arn(self.app, caller.function)
            )
        })
    }
}

fn published(id: &str) -> Response {
    query_answer(NAMESPACE, "Publish", &format!("<MessageId>{id}</MessageId>"))
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    query_error(NAMESPACE, status, code, message)
}

/// Ids sort by time, so that the newest are found without another index.
fn new_id() -> String {
    Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests;
