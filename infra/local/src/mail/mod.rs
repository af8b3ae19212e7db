//! SES: takes mail as the SDK sends it, and keeps every message for the inbox instead of sending
//! it anywhere.

mod form;
mod inbox;
mod message;

use std::future;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use infra_model::{App, Grant};
use uuid::Uuid;

pub use inbox::{Inbox, Summary};
pub(crate) use message::Detail;

use crate::aws_request::{Callers, caller_among, callers, context, of_trace, query_answer, query_error};
use crate::faults::{Faults, SendMode};
use crate::flows::{Flows, StepKind, TraceContext, TraceId, finish};
use crate::names::{self, ACCOUNT, REGION};
use crate::runtime::{Caller, Runtime};
use form::{Invalid, Sending};

const NAMESPACE: &str = "http://ses.amazonaws.com/doc/2010-12-01/";

/// SES takes messages of up to 40 MB, which are Base64 within a form here.
const REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// SES takes at most so many recipients of a message.
const RECIPIENTS: usize = 50;

/// The endpoint of SES.
pub fn router(app: &'static App, inbox: Inbox, runtime: Runtime, flows: Flows, faults: Faults) -> Router {
    router_for(app, inbox, callers(runtime), flows, faults)
}

fn router_for(app: &'static App, inbox: Inbox, callers: Callers, flows: Flows, faults: Faults) -> Router {
    Router::new().fallback(handle).with_state(Arc::new(Mail { app, inbox, callers, flows, faults }))
}

struct Mail {
    app: &'static App,
    inbox: Inbox,
    callers: Callers,
    flows: Flows,
    faults: Faults,
}

async fn handle(State(mail): State<Arc<Mail>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES).await else {
        return error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "InvalidParameterValue",
            "Message length is more than 40 MB.",
        );
    };
    match Sending::read(&body) {
        Ok(sending) => mail.send(&parts.headers, sending).await,
        Err(Invalid { code, message }) => error(StatusCode::BAD_REQUEST, code, &message),
    }
}

impl Mail {
    async fn send(&self, headers: &HeaderMap, sending: Sending) -> Response {
        let caller = caller_among(&self.callers, headers);
        let trace = sending.tag("trace_id").and_then(TraceId::from_hex);
        let tagged = trace.map(|trace| TraceContext { trace, parent: None });
        let context = caller.as_ref().and_then(|caller| {
            tagged.and_then(|tagged| of_trace(caller, &tagged)).or_else(|| context(headers, caller))
        });
        let mut step = context.map(|context| self.flows.begin(&context, StepKind::Mail, "ses"));

        if let Some(refusal) = caller.as_ref().and_then(|caller| self.refusal(caller, &sending)) {
            finish(step, Some(&refusal));
            return error(StatusCode::FORBIDDEN, "AccessDenied", &refusal);
        }
        let id = Uuid::now_v7();
        let recipients = sending.recipients.len();
        let mail = sending.into_mail(id, caller.as_ref().map(|caller| caller.function.name), trace);
        if let Some(step) = &mut step {
            step.detail(mail.summary.subject.clone());
        }
        if recipients == 0 || recipients > RECIPIENTS {
            let message =
                format!("A message has from 1 to {RECIPIENTS} recipients; this one has {recipients}.");
            finish(step, Some(&message));
            return error(StatusCode::BAD_REQUEST, "InvalidParameterValue", &message);
        }
        // Only functions shall suffer.
        let mode = if caller.is_some() { self.faults.mail() } else { SendMode::Ok };
        match mode {
            SendMode::Refuse => {
                finish(step, Some("refused on purpose"));
                let message = "Email address is not verified.";
                return error(StatusCode::BAD_REQUEST, "MessageRejected", message);
            }
            SendMode::Throttle => {
                finish(step, Some("throttled on purpose"));
                return error(StatusCode::BAD_REQUEST, "Throttling", "Maximum sending rate exceeded.");
            }
            SendMode::Timeout => {
                finish(step, Some("not answered on purpose"));
                return future::pending().await;
            }
            SendMode::Ok | SendMode::AcceptThenTimeout => {}
        }
        let action = mail.action;
        if let Err(failed) = self.inbox.keep(mail).await {
            finish(step, Some(&failed.to_string()));
            return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", &failed.to_string());
        }
        if let Some(step) = &mut step {
            step.email(id.to_string());
        }
        if mode == SendMode::AcceptThenTimeout {
            finish(step, Some("accepted, but not answered on purpose"));
            return future::pending().await;
        }
        finish(step, None);
        accepted(action, id)
    }

    /// Why the caller's role does not allow it, as IAM words it.
    fn refusal(&self, caller: &Caller, sending: &Sending) -> Option<String> {
        let granted = caller.function.grants.iter().any(|grant| match grant {
            Grant::SendEmail => true,
            Grant::Table(_) | Grant::PutEvents { .. } | Grant::SendText | Grant::ReadParameter(_) => false,
        });
        (!granted).then(|| {
            format!(
                "User `{}' is not authorized to perform `ses:{}' on resource \
                 `arn:aws:ses:{REGION}:{ACCOUNT}:identity/*'",
                names::role_session_arn(self.app, caller.function),
                sending.action
            )
        })
    }
}

fn accepted(action: &str, id: Uuid) -> Response {
    query_answer(NAMESPACE, action, &format!("<MessageId>{id}</MessageId>"))
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    query_error(NAMESPACE, status, code, message)
}

#[cfg(test)]
mod tests;
