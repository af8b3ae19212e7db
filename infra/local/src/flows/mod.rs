//! Flows: what one request set in motion, step by step, as it happens.
//!
//! Kept in memory, the last `KEPT_FLOWS` of them; what must survive a crash is in the table and
//! the journal.

mod context;
mod record;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use context::{SpanId, TraceContext, TraceId};
pub use record::{FlowDetail, FlowReport, FunctionRun, Status, StepKind, StepReport};

use crate::events::{EventKind, Events};
use record::{Flow, StepRecord};

/// Older flows are forgotten.
const KEPT_FLOWS: usize = 500;

/// All flows. Clones share them.
#[derive(Clone)]
pub struct Flows {
    kept: Arc<Mutex<Kept>>,
    events: Events,
}

#[derive(Default)]
struct Kept {
    flows: HashMap<TraceId, Flow>,
    oldest_first: VecDeque<TraceId>,
}

impl Flows {
    /// No flows yet; each change is told to `events`.
    #[must_use]
    pub fn new(events: Events) -> Self {
        Self { kept: Arc::default(), events }
    }

    /// Names the flow for people, as `POST /api/auth/sign-up`. The first name stays.
    pub fn name(&self, trace: TraceId, name: &str) {
        let mut kept = self.lock();
        kept.flow(trace).name.get_or_insert_with(|| name.to_owned());
        self.tell(&kept, trace, None);
    }

    /// Begins a step, which runs until it is finished or dropped.
    #[must_use]
    pub fn begin(&self, context: &TraceContext, kind: StepKind, name: &str) -> Step {
        let id = SpanId::random();
        let mut kept = self.lock();
        kept.flow(context.trace).begin(StepRecord::new(id, context.parent, kind, name));
        self.tell(&kept, context.trace, Some(id));
        drop(kept);
        Step { flows: self.clone(), origin: *context, id, finished: false }
    }

    /// The newest flows, newest first.
    #[must_use]
    pub fn recent(&self, limit: usize) -> Vec<FlowReport> {
        let kept = self.lock();
        let newest_first = kept.oldest_first.iter().rev();
        newest_first.filter_map(|trace| Some(kept.flows.get(trace)?.report(*trace))).take(limit).collect()
    }

    /// One flow with its steps in the order in which they began.
    #[must_use]
    pub fn get(&self, trace: TraceId) -> Option<FlowDetail> {
        Some(self.lock().flows.get(&trace)?.detail(trace))
    }

    /// How long the kept flows' HTTP requests took, in milliseconds, ascending.
    #[must_use]
    pub fn http_durations(&self) -> Vec<f64> {
        let kept = self.lock();
        let mut durations: Vec<f64> = kept.flows.values().flat_map(Flow::http_durations).collect();
        durations.sort_by(f64::total_cmp);
        durations
    }

    fn change(&self, trace: TraceId, id: SpanId, change: impl FnOnce(&mut Flow, usize)) {
        let mut kept = self.lock();
        // The flow may have been forgotten while the step ran.
        let Some(flow) = kept.flows.get_mut(&trace) else { return };
        let Some(index) = flow.index_of(id) else { return };
        change(flow, index);
        self.tell(&kept, trace, Some(id));
    }

    fn tell(&self, kept: &Kept, trace: TraceId, step: Option<SpanId>) {
        if !self.events.has_listeners() {
            return;
        }
        let Some(flow) = kept.flows.get(&trace) else { return };
        if let Some(step) = step.and_then(|id| flow.step_event(trace, id)) {
            self.events.publish(EventKind::Step, &step);
        }
        self.events.publish(EventKind::Flow, &flow.report(trace));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave a flow half changed in a way that matters here.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn flow(&mut self, trace: TraceId) -> &mut Flow {
        if !self.flows.contains_key(&trace) {
            if self.oldest_first.len() >= KEPT_FLOWS
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.flows.remove(&oldest);
            }
            self.oldest_first.push_back(trace);
        }
        self.flows.entry(trace).or_insert_with(Flow::new)
    }
}

/// A running step. Finish it with [`Step::ok`] or [`Step::error`]; dropped otherwise, it counts
/// as an error, "interrupted".
pub struct Step {
    flows: Flows,
    origin: TraceContext,
    id: SpanId,
    finished: bool,
}

impl Step {
    /// The step's own id.
    #[must_use]
    pub fn id(&self) -> SpanId {
        self.id
    }

    /// The flow's trace with this step as the parent of what follows.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.origin.child(self.id)
    }

    /// Where it began: the step that caused it is the parent.
    #[must_use]
    pub fn origin(&self) -> TraceContext {
        self.origin
    }

    /// What it does, for people: `TransactWriteItems · 5 items`.
    pub fn detail(&mut self, detail: impl Into<String>) {
        let detail = detail.into();
        self.change(|step| step.detail = Some(detail));
    }

    /// How the function ran.
    pub fn function(&mut self, run: FunctionRun) {
        self.change(|step| step.function = Some(run));
    }

    /// Which attempt this is; the first is 1.
    pub fn attempt(&mut self, attempt: u32) {
        self.change(|step| step.attempt = attempt);
    }

    /// The type of the domain event that it carries, as `user.signed_up`.
    pub fn event_type(&mut self, event_type: &str) {
        self.change(|step| step.event = Some(event_type.to_owned()));
    }

    /// Read or write capacity units that DynamoDB would bill.
    pub fn capacity_units(&mut self, units: f64) {
        self.change(|step| step.capacity_units = Some(units));
    }

    /// The mail that it sent, by its id in the inbox.
    pub fn email(&mut self, id: impl Into<String>) {
        let id = id.into();
        self.change(|step| step.email = Some(id));
    }

    /// The text that it sent or brought, by its id among the texts.
    pub fn text(&mut self, id: impl Into<String>) {
        let id = id.into();
        self.change(|step| step.text = Some(id));
    }

    /// The status of the HTTP response.
    pub fn http_status(&mut self, status: u16) {
        self.change(|step| step.http_status = Some(status));
    }

    /// It went well.
    pub fn ok(mut self) {
        self.finish(None);
    }

    /// It failed, for this reason.
    pub fn error(mut self, reason: impl Into<String>) {
        self.finish(Some(reason.into()));
    }

    fn change(&self, change: impl FnOnce(&mut StepRecord)) {
        self.flows.change(self.origin.trace, self.id, |flow, index| change(&mut flow.steps[index]));
    }

    fn finish(&mut self, error: Option<String>) {
        self.finished = true;
        self.flows.change(self.origin.trace, self.id, |flow, index| flow.finish(index, error));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.finish(Some("interrupted".to_owned()));
        }
    }
}

/// Finishes a step that may not have begun, for a failure if there was one.
pub(crate) fn finish(step: Option<Step>, failure: Option<&str>) {
    match (step, failure) {
        (Some(step), None) => step.ok(),
        (Some(step), Some(reason)) => step.error(reason),
        (None, _) => {}
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    let exact = to.saturating_duration_since(from).as_secs_f64() * 1_000.0;
    (exact * 1_000.0).round() / 1_000.0
}
