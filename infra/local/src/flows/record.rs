use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::{SpanId, TraceId, milliseconds};

/// Bounds the memory of a flow that never ends, as one trace id used for every request.
const KEPT_STEPS: usize = 1_000;

/// What a step is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A request at the gateway.
    Http,
    /// An invocation of a function.
    Function,
    /// A call of the table.
    Table,
    /// A record of the table's stream, from its commit until its function has done with it.
    Stream,
    /// An event on the bus.
    Bus,
    /// A message in a queue, from its arrival until its function has done with it.
    Queue,
    /// A mail.
    Mail,
    /// A text, to a phone or from one.
    Text,
    /// A message published to a topic.
    Topic,
    /// A start by the clock.
    Schedule,
    /// A call of the payment provider, or one that it makes.
    Payment,
}

/// How a step or a flow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not finished.
    Running,
    /// Finished well.
    Ok,
    /// Failed.
    Error,
}

/// How a function ran.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionRun {
    /// The invocation's request id.
    pub request_id: String,
    /// The instance's id.
    pub instance: String,
    /// Whether the instance was started for it.
    pub cold: bool,
    /// How long it took to start, in milliseconds, if it was.
    pub init_ms: Option<f64>,
    /// How long the handler ran, in milliseconds.
    pub run_ms: f64,
    /// What Lambda would bill, in whole milliseconds.
    pub billed_ms: u64,
    /// The memory that the function has, in MiB.
    pub memory_mib: u32,
    /// The most that its instance has used, in MiB.
    pub max_memory_mib: u32,
}

/// A flow in the list of flows.
#[derive(Debug, Clone, Serialize)]
pub struct FlowReport {
    /// The trace that all its steps bear.
    pub trace: TraceId,
    /// What started it, for people.
    pub name: String,
    /// RFC 3339 with milliseconds.
    pub started_at: String,
    /// Until its last step ended, or until now while one runs.
    pub duration_ms: f64,
    /// Running while a step runs; an error if a step failed and nothing made it good since.
    pub status: Status,
    /// The response's status, if it began with a request that has been answered.
    pub http_status: Option<u16>,
    /// How many invocations it took.
    pub functions: usize,
    /// How many of them started an instance.
    pub cold_starts: usize,
    /// What Lambda would bill for all of them, in milliseconds.
    pub billed_ms: u64,
    /// How many steps failed.
    pub errors: usize,
    /// How many steps were another attempt.
    pub retries: usize,
}

/// A flow with its steps.
#[derive(Debug, Clone, Serialize)]
pub struct FlowDetail {
    /// The flow as in the list.
    #[serde(flatten)]
    pub flow: FlowReport,
    /// Its steps in the order in which they began.
    pub steps: Vec<StepReport>,
}

/// A step of a flow.
#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    /// Its id.
    pub id: SpanId,
    /// The step that caused it.
    pub parent: Option<SpanId>,
    /// What it is part of.
    pub kind: StepKind,
    /// Of which function, queue, …
    pub name: String,
    /// What it did, for people.
    pub detail: Option<String>,
    /// When it began, in milliseconds since the flow did.
    pub started_ms: f64,
    /// How long it took, in milliseconds; none while it runs.
    pub duration_ms: Option<f64>,
    /// How it stands.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// Which attempt it is; the first is 1.
    pub attempt: u32,
    /// How the function ran.
    pub function: Option<FunctionRun>,
    /// Capacity units that DynamoDB would bill.
    pub capacity_units: Option<f64>,
    /// The mail that it sent.
    pub email: Option<String>,
    /// The text that it sent or brought.
    pub text: Option<String>,
    /// The type of the event that it carries.
    pub event: Option<String>,
}

pub(super) struct Flow {
    pub(super) name: Option<String>,
    pub(super) steps: Vec<StepRecord>,
    started: Instant,
    started_at: Timestamp,
}

pub(super) struct StepRecord {
    pub(super) detail: Option<String>,
    pub(super) attempt: u32,
    pub(super) function: Option<FunctionRun>,
    pub(super) capacity_units: Option<f64>,
    pub(super) email: Option<String>,
    pub(super) text: Option<String>,
    pub(super) event: Option<String>,
    pub(super) http_status: Option<u16>,
    id: SpanId,
    parent: Option<SpanId>,
    kind: StepKind,
    name: String,
    started: Instant,
    ended: Option<Instant>,
    error: Option<String>,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self { name: None, steps: Vec::new(), started: Instant::now(), started_at: Timestamp::now() }
    }

    pub(super) fn begin(&mut self, step: StepRecord) {
        if self.steps.len() >= KEPT_STEPS {
            let finished = self.steps.iter().position(|step| step.ended.is_some());
            self.steps.remove(finished.unwrap_or(0));
        }
        self.steps.push(step);
    }

    pub(super) fn finish(&mut self, index: usize, error: Option<String>) {
        let step = &mut self.steps[index];
        step.ended = Some(Instant::now());
        step.error = error;
    }

    pub(super) fn index_of(&self, id: SpanId) -> Option<usize> {
        // A step that changes is mostly one of the latest.
        self.steps.iter().rposition(|step| step.id == id)
    }

    pub(super) fn http_durations(&self) -> impl Iterator<Item = f64> {
        let requests = self.steps.iter().filter(|step| step.kind == StepKind::Http);
        requests.filter_map(StepRecord::duration_ms)
    }

    pub(super) fn report(&self, trace: TraceId) -> FlowReport {
        let status = self.status();
        let ended = match status {
            Status::Running => Some(Instant::now()),
            Status::Ok | Status::Error => self.steps.iter().filter_map(|step| step.ended).max(),
        };
        let runs = || self.steps.iter().filter_map(|step| step.function.as_ref());
        FlowReport {
            trace,
            name: self.shown_name(),
            started_at: format!("{:.3}", self.started_at),
            duration_ms: milliseconds(self.started, ended.unwrap_or(self.started)),
            status,
            http_status: self.steps.iter().find_map(|step| step.http_status),
            functions: self.steps.iter().filter(|step| step.kind == StepKind::Function).count(),
            cold_starts: runs().filter(|run| run.cold).count(),
            billed_ms: runs().map(|run| run.billed_ms).sum(),
            errors: self.steps.iter().filter(|step| step.error.is_some()).count(),
            retries: self.steps.iter().filter(|step| step.attempt > 1).count(),
        }
    }

    pub(super) fn detail(&self, trace: TraceId) -> FlowDetail {
        let steps = self.steps.iter().map(|step| step.report(self.started)).collect();
        FlowDetail { flow: self.report(trace), steps }
    }

    pub(super) fn step_event(&self, trace: TraceId, id: SpanId) -> Option<impl Serialize> {
        #[derive(Serialize)]
        struct StepEvent {
            trace: TraceId,
            step: StepReport,
        }
        let step = self.steps[self.index_of(id)?].report(self.started);
        Some(StepEvent { trace, step })
    }

    fn shown_name(&self) -> String {
        let first = || {
            let step = self.steps.first()?;
            Some(step.event.as_ref().unwrap_or(&step.name).clone())
        };
        self.name.clone().or_else(first).unwrap_or_default()
    }

    fn status(&self) -> Status {
        if self.steps.iter().any(|step| step.ended.is_none()) {
            return Status::Running;
        }
        // From the last step to the first, so that each knows what came after it.
        let mut succeeded: Vec<(StepKind, &str)> = Vec::new();
        for step in self.steps.iter().rev() {
            let what = (step.kind, step.name.as_str());
            if step.error.is_none() {
                succeeded.push(what);
            } else if !succeeded.contains(&what) {
                return Status::Error;
            }
        }
        Status::Ok
    }
}

impl StepRecord {
    pub(super) fn new(id: SpanId, parent: Option<SpanId>, kind: StepKind, name: &str) -> Self {
        Self {
            id,
            parent,
            kind,
            name: name.to_owned(),
            started: Instant::now(),
            ended: None,
            error: None,
            detail: None,
            attempt: 1,
            function: None,
            capacity_units: None,
            email: None,
            text: None,
            event: None,
            http_status: None,
        }
    }

    fn duration_ms(&self) -> Option<f64> {
        Some(milliseconds(self.started, self.ended?))
    }

    fn report(&self, flow_started: Instant) -> StepReport {
        let status = match (self.ended, &self.error) {
            (None, _) => Status::Running,
            (Some(_), None) => Status::Ok,
            (Some(_), Some(_)) => Status::Error,
        };
        StepReport {
            id: self.id,
            parent: self.parent,
            kind: self.kind,
            name: self.name.clone(),
            detail: self.detail.clone(),
            started_ms: milliseconds(flow_started, self.started),
            duration_ms: self.duration_ms(),
            status,
            error: self.error.clone(),
            attempt: self.attempt,
            function: self.function.clone(),
            capacity_units: self.capacity_units,
            email: self.email.clone(),
            text: self.text.clone(),
            event: self.event.clone(),
        }
    }
}
