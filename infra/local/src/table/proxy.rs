//! The endpoint that functions call: checks what they may do, goes wrong when told to, and shows
//! each call as a step of its flow. A developer's own calls pass as they are.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::{Value, json};

use super::call::Call;
use super::{Table, event_prefixes};
use crate::aws_request::{Callers, caller_among, callers, context, json_error, json_response};
use crate::faults::{Faults, TableFault};
use crate::flows::{Flows, Step, StepKind, TraceContext};
use crate::names;
use crate::runtime::{Caller, Runtime};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// DynamoDB takes requests of up to 16 MB.
const REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// The endpoint of DynamoDB and its streams.
pub fn router(table: Table, runtime: Runtime, flows: Flows, faults: Faults) -> Router {
    router_for(table, callers(runtime), flows, faults)
}

pub(super) fn router_for(table: Table, callers: Callers, flows: Flows, faults: Faults) -> Router {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let consumers = |function: &infra_model::Function| match function.trigger {
        infra_model::Trigger::Stream(_) => Some(function.name),
        infra_model::Trigger::Http | infra_model::Trigger::Queue(_) | infra_model::Trigger::Schedule(_) => {
            None
        }
    };
    let consumer = table.app().functions.iter().find_map(consumers).unwrap_or_default();
    let prefixes = event_prefixes(table.app()).collect();
    let proxy = Proxy { table, callers, flows, faults, client, consumer, prefixes };
    Router::new().fallback(handle).with_state(Arc::new(proxy))
}

struct Proxy {
    table: Table,
    callers: Callers,
    flows: Flows,
    faults: Faults,
    client: Client<HttpConnector, Full<Bytes>>,
    /// The function that the stream triggers.
    consumer: &'static str,
    prefixes: Vec<&'static str>,
}

/// What the database answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES).await else {
        let message = "The request is larger than 16 MB.";
        return json_error(StatusCode::PAYLOAD_TOO_LARGE, CONTENT_TYPE, "RequestTooLarge", message);
    };
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let call = Call::new(target.unwrap_or_default(), &body);
    match caller_among(&proxy.callers, &parts.headers) {
        None => match proxy.forward(parts, body, &call).await {
            Ok(answer) => answer.into_response(),
            Err(error) => internal_error(&error.to_string()),
        },
        Some(caller) => proxy.serve(&caller, &call, parts, body).await,
    }
}

impl Proxy {
    async fn serve(&self, caller: &Caller, call: &Call, parts: Parts, body: Bytes) -> Response {
        let name = names::table(self.table.app());
        let context = context(&parts.headers, caller);
        let mut step = context.map(|context| self.flows.begin(&context, StepKind::Table, name));
        let items = call.items();
        describe(&mut step, call, items, "");

        if let Some(refusal) = self.refusal(caller, call) {
            finish(step, Err(refusal.clone()));
            let (status, error) = (StatusCode::BAD_REQUEST, "AccessDeniedException");
            return json_error(status, CONTENT_TYPE, &coral(error), &refusal);
        }
        let fault = self.faults.table(call.can_conflict());
        if let Some(response) = fault.and_then(|fault| refuse(fault, call)) {
            finish(step, Err(format!("{} on purpose", fault_name(fault))));
            return response;
        }

        let asked = call.asks_for_capacity();
        let body = if asked { body } else { ask_for_capacity(&body) };
        let events = self.announce(call, step.as_ref().map(Step::context));
        let answer = self.forward(parts, body, call).await;
        self.note_events(&events, answer.as_ref().is_ok_and(|answer| answer.status.is_success()));
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                finish(step, Err(error.to_string()));
                return internal_error(&error.to_string());
            }
        };
        let outcome = answer.outcome(call, asked, &mut step, items);
        if fault == Some(TableFault::DropReply) {
            finish(step, Err("the reply was dropped on purpose".to_owned()));
            return no_reply();
        }
        finish(step, outcome);
        answer.into_response()
    }

    /// Why the caller's role does not allow the call, as IAM words it.
    fn refusal(&self, caller: &Caller, call: &Call) -> Option<String> {
        let app = self.table.app();
        let arn = names::table_arn(app);
        let named = call.table();
        let own = named.is_none_or(|named| named == names::table(app) || named == arn);
        let refused_key = call.refused_key(&app.table, caller.function);
        let action = match call.refused_action(caller.function) {
            Some(action) => action,
            None if own && named.is_some() && refused_key.is_none() => return None,
            None => &call.operation,
        };
        let who = names::role_session_arn(app, caller.function);
        let resource = if own { arn } else { named.unwrap_or("*").to_owned() };
        let mut refusal = format!(
            "User: {who} is not authorized to perform: dynamodb:{action} on resource: {resource} \
             because no identity-based policy allows the dynamodb:{action} action"
        );
        if let Some(key) = refused_key {
            // What IAM does not tell, and whoever has forgotten a partition in the model wants to know.
            let kind = key.split('#').next().unwrap_or_default();
            refusal.push_str(&format!(" on partition keys of the kind {kind}"));
        }
        Some(refusal)
    }

    async fn forward(&self, parts: Parts, body: Bytes, call: &Call) -> io::Result<Answer> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("http://{}{path}", self.table.0.address).parse().map_err(io::Error::other)?;
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = parts.headers;
        // They are of this hop only; and the database would let the page of any origin read its answer.
        for header in [
            header::HOST,
            header::ORIGIN,
            header::CONTENT_LENGTH,
            header::CONNECTION,
            header::TRANSFER_ENCODING,
        ] {
            request.headers_mut().remove(header);
        }
        let response = self.client.request(request).await.map_err(io::Error::other)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if call.is_write() && parts.status.is_success() {
            self.table.written().notify_one();
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    fn announce(&self, call: &Call, context: Option<TraceContext>) -> Vec<String> {
        let Some(context) = context else { return Vec::new() };
        let events = call.events(self.table.app().table.sort_key, &self.prefixes);
        events.iter().for_each(|event| self.table.announcements().writing(event, context));
        events
    }

    fn note_events(&self, events: &[String], committed: bool) {
        let announcements = self.table.announcements();
        for event in events {
            if committed {
                let begin = |context: &_| self.flows.begin(context, StepKind::Stream, self.consumer);
                announcements.committed(event, begin);
            } else {
                announcements.withdrawn(event);
            }
        }
    }
}

impl Answer {
    /// How the call went, for its step; takes out again what was asked for in addition.
    fn outcome(
        &mut self,
        call: &Call,
        asked: bool,
        step: &mut Option<Step>,
        items: usize,
    ) -> Result<(), String> {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(&self.body) else {
            return if self.status.is_success() { Ok(()) } else { Err(self.status.to_string()) };
        };
        if self.status.is_success() {
            if let (Some(step), Some(units)) = (step.as_mut(), body.get("ConsumedCapacity").and_then(units)) {
                step.capacity_units(units);
            }
            if let Some(count) = body.get("Count").and_then(Value::as_u64) {
                describe(step, call, usize::try_from(count).unwrap_or(usize::MAX), "");
            }
            if !asked && body.remove("ConsumedCapacity").is_some() {
                self.headers.remove("x-amz-crc32");
                self.headers.remove(header::CONTENT_LENGTH);
                self.body = Value::Object(body).to_string().into();
            }
            return Ok(());
        }
        let kind = body.get("__type").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.rsplit('#').next().unwrap_or_default();
        // That is an answer, not a failure.
        if kind == "ConditionalCheckFailedException" || only_conditions_failed(kind, &body) {
            describe(step, call, items, " · condition not met");
            return Ok(());
        }
        let message = body.get("message").or_else(|| body.get("Message")).and_then(Value::as_str);
        Err(format!("{kind}: {}", message.unwrap_or_default()))
    }

    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        for header in [header::CONNECTION, header::TRANSFER_ENCODING] {
            response.headers_mut().remove(header);
        }
        response
    }
}

fn describe(step: &mut Option<Step>, call: &Call, items: usize, remark: &str) {
    let Some(step) = step else { return };
    let plural = if items == 1 { "" } else { "s" };
    step.detail(format!("{} · {items} item{plural}{remark}", call.operation));
}

fn finish(step: Option<Step>, outcome: Result<(), String>) {
    match (step, outcome) {
        (Some(step), Ok(())) => step.ok(),
        (Some(step), Err(reason)) => step.error(reason),
        (None, _) => {}
    }
}

/// Adds the wish to a request that has none, without writing it anew.
fn ask_for_capacity(body: &Bytes) -> Bytes {
    const WISH: &[u8] = br#"{"ReturnConsumedCapacity":"TOTAL""#;
    let Some(rest) = body.trim_ascii_start().strip_prefix(b"{") else { return body.clone() };
    let comma: &[u8] = if rest.trim_ascii_start().starts_with(b"}") { b"" } else { b"," };
    [WISH, comma, rest].concat().into()
}

/// All of the capacity units: of one table, or of each that a batch or a transaction touched.
fn units(consumed: &Value) -> Option<f64> {
    match consumed.as_array() {
        Some(tables) => Some(tables.iter().filter_map(units).sum()),
        None => consumed.get("CapacityUnits")?.as_f64(),
    }
}

fn only_conditions_failed(kind: &str, body: &serde_json::Map<String, Value>) -> bool {
    let reasons = body.get("CancellationReasons").and_then(Value::as_array);
    kind == "TransactionCanceledException"
        && reasons.is_some_and(|reasons| {
            let codes = || reasons.iter().map(|reason| reason["Code"].as_str().unwrap_or_default());
            codes().all(|code| matches!(code, "None" | "ConditionalCheckFailed"))
        })
}

/// The answer of a call that goes wrong before it is carried out.
fn refuse(fault: TableFault, call: &Call) -> Option<Response> {
    let bad_request = |kind, message| json_error(StatusCode::BAD_REQUEST, CONTENT_TYPE, kind, message);
    match fault {
        TableFault::Throttle => Some(bad_request(
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        )),
        TableFault::Error => Some(internal_error("Internal server error")),
        TableFault::Conflict if call.is_transaction() => {
            let reason = |index| if index == 0 { "TransactionConflict" } else { "None" };
            let codes: Vec<_> = (0..call.items().max(1)).map(reason).collect();
            let message = format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                codes.join(", ")
            );
            let reasons: Vec<_> = codes.iter().map(|code| json!({ "Code": code })).collect();
            let body = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": message,
                "CancellationReasons": reasons,
            });
            Some(json_response(StatusCode::BAD_REQUEST, CONTENT_TYPE, body.to_string()))
        }
        TableFault::Conflict => Some(bad_request(
            "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            "Transaction is ongoing for the item",
        )),
        TableFault::DropReply => None,
    }
}

fn fault_name(fault: Option<TableFault>) -> &'static str {
    match fault {
        Some(TableFault::Throttle) => "throttled",
        Some(TableFault::Error) => "an internal error",
        Some(TableFault::Conflict) => "a conflict",
        Some(TableFault::DropReply) | None => "dropped",
    }
}

/// A body that fails at once: the connection is closed before a byte of the answer is sent.
fn no_reply() -> Response {
    let dropped = io::Error::new(io::ErrorKind::ConnectionAborted, "dropped on purpose");
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(dropped)])))
}

fn internal_error(message: &str) -> Response {
    let (status, kind) = (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
    json_error(status, CONTENT_TYPE, &format!("com.amazonaws.dynamodb.v20120810#{kind}"), message)
}

fn coral(error: &str) -> String {
    format!("com.amazon.coral.service#{error}")
}
