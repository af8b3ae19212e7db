//! One instance of a function, from its start to its end.
//!
//! A task of its own owns the process and everything said to it, so the life of an instance reads
//! from top to bottom in [`Instance::live`].

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use infra_model::Function;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::InvokeError;
use super::api::{Api, Call, Delivery, Reply};
use super::environment::Environment;
use super::log::Log;
use super::process::{Launch, Process};
use super::report::{InstanceReport, InstanceState};
use crate::flows::TraceContext;
use crate::names;

/// Lambda gives an on-demand function this long to ask for its first invocation.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the memory of a busy instance is looked at.
const MEMORY_WATCH: Duration = Duration::from_millis(100);

/// An invocation for an instance.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) trace_header: String,
    /// Dropped if the instance ended before it was given the invocation, which may then be given
    /// to another.
    pub(super) reply: oneshot::Sender<Run>,
}

/// How an invocation ran.
#[derive(Debug)]
pub(super) struct Run {
    /// How long the instance took to start, if it was started for this.
    pub(super) init: Option<Duration>,
    pub(super) duration: Duration,
    pub(super) max_memory_mib: u32,
    pub(super) result: Result<Bytes, InvokeError>,
    /// Whether the instance takes another invocation.
    pub(super) reusable: bool,
}

/// What all instances of a function need.
pub(super) struct Blueprint {
    pub(super) function: &'static Function,
    pub(super) binary: PathBuf,
    pub(super) environment: Environment,
    pub(super) process_group: i32,
    pub(super) payload_bytes: usize,
    pub(super) idle_timeout: Duration,
    pub(super) log: Arc<Log>,
    /// Becomes true when all must end.
    pub(super) stop: watch::Sender<bool>,
}

/// What everyone may know of an instance.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) id: String,
    started_at: Timestamp,
    pid: AtomicU32,
    state: AtomicU8,
    invocations: AtomicU64,
    memory_mib: AtomicU32,
    running: Mutex<Vec<TraceContext>>,
}

/// Where the instance asks whether it may end, and tells that it has.
pub(super) trait Home: Send + Sync + 'static {
    /// Takes an instance that waits for an invocation out of service. False if it has just been
    /// given one.
    fn retire(&self, id: &str) -> bool;
    /// The instance's state changed.
    fn changed(&self);
    /// The instance has ended.
    fn forget(&self, id: &str);
}

/// Starts an instance, which lives until it ends by itself or is told to.
pub(super) fn start(
    blueprint: Arc<Blueprint>,
    home: Arc<dyn Home>,
) -> (Arc<Card>, mpsc::UnboundedSender<Job>) {
    let card = Arc::new(Card::new());
    let (sender, jobs) = mpsc::unbounded_channel();
    let life = live(blueprint, Arc::clone(&home), Arc::clone(&card), jobs);
    let id = card.id.clone();
    tokio::spawn(async move {
        life.await;
        home.forget(&id);
    });
    (card, sender)
}

async fn live(
    blueprint: Arc<Blueprint>,
    home: Arc<dyn Home>,
    card: Arc<Card>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) {
    let began = Instant::now();
    let mut instance = match Instance::spawn(blueprint, home, card).await {
        Ok(instance) => instance,
        Err(error) => return fail_next(&mut jobs, began, error).await,
    };
    if let Err(error) = instance.initialise(began + INIT_TIMEOUT).await {
        instance.process.kill().await;
        return fail_next(&mut jobs, began, error).await;
    }
    let mut init = Some(began.elapsed());
    while let Some(job) = instance.next_job(&mut jobs).await {
        if !instance.run(job, init.take()).await {
            break;
        }
    }
    instance.process.kill().await;
}

/// The invocation that an instance was started for fails with it.
async fn fail_next(jobs: &mut mpsc::UnboundedReceiver<Job>, began: Instant, error: InvokeError) {
    let init = Some(began.elapsed());
    jobs.close();
    while let Some(job) = jobs.recv().await {
        let run = Run {
            init,
            duration: Duration::ZERO,
            max_memory_mib: 0,
            result: Err(error.clone()),
            reusable: false,
        };
        let _ = job.reply.send(run);
    }
}

struct Instance {
    blueprint: Arc<Blueprint>,
    home: Arc<dyn Home>,
    card: Arc<Card>,
    process: Process,
    api: Api,
    stop: watch::Receiver<bool>,
    /// The process waits for this.
    waiting: Option<oneshot::Sender<Delivery>>,
    /// What its output belongs to.
    request_id: Option<String>,
    memory_watch: Interval,
}

/// What can happen to an instance.
enum Event {
    Call(Call),
    Job(Job),
    Exited(String),
    Late,
    OutOfMemory { used_mib: u32 },
    Stop,
}

impl Instance {
    async fn spawn(
        blueprint: Arc<Blueprint>,
        home: Arc<dyn Home>,
        card: Arc<Card>,
    ) -> Result<Self, InvokeError> {
        let function = blueprint.function;
        let failed = |error: std::io::Error| InvokeError::InitFailed {
            detail: format!("the function \"{}\" cannot be started: {error}", function.name),
        };
        let api = Api::serve(blueprint.payload_bytes).await.map_err(failed)?;
        let process = Process::start(Launch {
            binary: &blueprint.binary,
            task_root: &blueprint.environment.task_root,
            environment: blueprint.environment.of_instance(function, &card.id, api.address),
            group: blueprint.process_group,
        })
        .map_err(failed)?;
        card.pid.store(process.id(), Ordering::Relaxed);
        home.changed();
        let stop = blueprint.stop.subscribe();
        let mut memory_watch = interval(MEMORY_WATCH);
        memory_watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { blueprint, home, card, process, api, stop, waiting: None, request_id: None, memory_watch })
    }

    /// Waits until the process asks for its first invocation.
    async fn initialise(&mut self, deadline: Instant) -> Result<(), InvokeError> {
        let detail = loop {
            match self.happens(Some(deadline), None).await {
                Event::Call(Call::Next(waiting)) => {
                    self.waiting = Some(waiting);
                    return Ok(());
                }
                Event::Call(Call::InitError(reply)) => {
                    let _ = reply.accepted.send(true);
                    let error = FunctionError::read(reply.payload.unwrap_or_default());
                    break format!("{}: {}", error.error_type, error.message);
                }
                Event::Call(Call::Response(reply) | Call::Error(reply)) => refuse(reply),
                Event::Exited(status) => {
                    break format!("Runtime exited with error: {status}");
                }
                Event::Late => {
                    break format!("Init timed out after {:.2} seconds", INIT_TIMEOUT.as_secs_f64());
                }
                Event::OutOfMemory { used_mib } => break self.out_of_memory(used_mib),
                Event::Stop => break "The platform is stopping".to_owned(),
                Event::Job(_) => unreachable!("no job is asked for"),
            }
        };
        Err(InvokeError::InitFailed { detail })
    }

    /// Waits, frozen, for an invocation. `None` if the instance is to end.
    async fn next_job(&mut self, jobs: &mut mpsc::UnboundedReceiver<Job>) -> Option<Job> {
        // A process that has answered but never asks again is of no use.
        let mut deadline = Some(Instant::now() + self.timeout());
        if self.waiting.is_some() {
            if let Ok(job) = jobs.try_recv() {
                return Some(job);
            }
            deadline = Some(self.freeze());
        }
        loop {
            let takes_jobs = self.waiting.is_some();
            match self.happens(deadline, takes_jobs.then_some(&mut *jobs)).await {
                Event::Job(job) => return Some(job),
                Event::Call(Call::Next(waiting)) => {
                    self.waiting = Some(waiting);
                    if let Ok(job) = jobs.try_recv() {
                        return Some(job);
                    }
                    deadline = Some(self.freeze());
                }
                Event::Call(Call::Response(reply) | Call::Error(reply) | Call::InitError(reply)) => {
                    refuse(reply);
                }
                Event::Late if takes_jobs && !self.home.retire(&self.card.id) => {
                    // An invocation is on its way.
                    deadline = None;
                }
                Event::Late | Event::Exited(_) | Event::Stop | Event::OutOfMemory { .. } => {
                    return None;
                }
            }
        }
    }

    /// Runs an invocation. False if the instance did not survive it.
    async fn run(&mut self, job: Job, init: Option<Duration>) -> bool {
        let Job { request_id, payload, trace_header, reply } = job;
        self.card.set_state(InstanceState::Busy);
        self.process.thaw();
        let delivery = Delivery {
            request_id: request_id.clone(),
            function_arn: names::function_arn(self.blueprint.environment.app, self.blueprint.function.name),
            trace_header,
            timeout: self.timeout(),
            payload,
        };
        let began = Instant::now();
        let delivered = self.waiting.take().is_some_and(|next| next.send(delivery).is_ok());
        if !delivered {
            return false;
        }
        self.request_id = Some(request_id);
        self.home.changed();

        let (result, reusable) = self.answer(began + self.timeout()).await;
        let duration = began.elapsed();
        let max_memory_mib = self.note_memory();
        self.card.invocations.fetch_add(1, Ordering::Relaxed);
        if !reusable {
            // The caller is told when it is over, not before.
            self.process.kill().await;
        }
        let _ = reply.send(Run { init, duration, max_memory_mib, result, reusable });
        reusable
    }

    /// The answer to the invocation that the process was given, and whether the process can go on.
    async fn answer(&mut self, deadline: Instant) -> (Result<Bytes, InvokeError>, bool) {
        let detail = loop {
            match self.happens(Some(deadline), None).await {
                Event::Call(Call::Response(reply)) if self.expects(&reply) => {
                    let _ = reply.accepted.send(true);
                    let result = reply.payload.ok_or_else(|| self.response_too_large());
                    return (result, true);
                }
                Event::Call(Call::Error(reply)) if self.expects(&reply) => {
                    let _ = reply.accepted.send(true);
                    let error = match reply.payload {
                        Some(payload) => FunctionError::read(payload).into(),
                        None => self.response_too_large(),
                    };
                    return (Err(error), true);
                }
                Event::Call(Call::Response(reply) | Call::Error(reply) | Call::InitError(reply)) => {
                    refuse(reply);
                }
                Event::Call(Call::Next(_)) => {
                    break "Runtime asked for the next invocation before it answered".to_owned();
                }
                Event::Exited(status) => {
                    break format!("Runtime exited with error: {status}");
                }
                Event::Late => {
                    let seconds = self.blueprint.function.timeout_seconds;
                    return (Err(InvokeError::TimedOut { seconds }), false);
                }
                Event::OutOfMemory { used_mib } => break self.out_of_memory(used_mib),
                Event::Stop => break "The platform is stopping".to_owned(),
                Event::Job(_) => unreachable!("no job is asked for"),
            }
        };
        (Err(InvokeError::Crashed { detail }), false)
    }

    /// What happens next. What the process wrote is logged before what it said later is seen.
    async fn happens(
        &mut self,
        deadline: Option<Instant>,
        mut jobs: Option<&mut mpsc::UnboundedReceiver<Job>>,
    ) -> Event {
        let frozen = jobs.is_some();
        loop {
            tokio::select! {
                biased;
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Event::Late;
                }
                () = told_to(&mut self.stop) => return Event::Stop,
                line = self.process.output.line() => {
                    self.blueprint.log.add(&self.card.id, self.request_id.as_deref(), line);
                }
                Some(call) = self.api.calls.recv() => return Event::Call(call),
                status = self.process.end.come() => {
                    self.drain_output().await;
                    return Event::Exited(status);
                }
                job = receive(&mut jobs) => match job {
                    Some(job) => return Event::Job(job),
                    // Nobody can send another one.
                    None => return Event::Stop,
                },
                _ = self.memory_watch.tick(), if !frozen => {
                    let Some(memory) = self.process.memory() else { continue };
                    self.card.memory_mib.fetch_max(memory.peak_mib, Ordering::Relaxed);
                    if memory.now_mib > self.blueprint.function.memory_mib {
                        return Event::OutOfMemory { used_mib: memory.now_mib };
                    }
                }
            }
        }
    }

    /// Logs what a process wrote before it ended. A child of its own may hold the output open, so
    /// this waits for no more than what is there.
    async fn drain_output(&mut self) {
        let patience = Duration::from_millis(20);
        while let Ok(line) = tokio::time::timeout(patience, self.process.output.line()).await {
            self.blueprint.log.add(&self.card.id, self.request_id.as_deref(), line);
        }
    }

    /// Stops the process and says until when it may wait.
    fn freeze(&self) -> Instant {
        self.process.freeze();
        self.card.set_state(InstanceState::Frozen);
        self.home.changed();
        Instant::now() + self.blueprint.idle_timeout
    }

    fn expects(&self, reply: &Reply) -> bool {
        self.request_id.as_deref() == Some(&*reply.request_id)
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.blueprint.function.timeout_seconds.into())
    }

    fn note_memory(&self) -> u32 {
        let peak = self.process.memory().map_or(0, |memory| memory.peak_mib);
        self.card.memory_mib.fetch_max(peak, Ordering::Relaxed).max(peak)
    }

    fn out_of_memory(&self, used_mib: u32) -> String {
        let allowed = self.blueprint.function.memory_mib;
        format!("Runtime exited with error: signal: killed (out of memory: {used_mib} MB of {allowed} MB)")
    }

    fn response_too_large(&self) -> InvokeError {
        let limit = self.blueprint.payload_bytes;
        FunctionError {
            error_type: "Function.ResponseSizeTooLarge".to_owned(),
            message: format!("Response payload size exceeded maximum allowed payload size ({limit} bytes)."),
            payload: None,
        }
        .into()
    }
}

async fn told_to(stop: &mut watch::Receiver<bool>) {
    // An error says that the platform has gone, which is no different.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn receive(jobs: &mut Option<&mut mpsc::UnboundedReceiver<Job>>) -> Option<Job> {
    match jobs {
        Some(jobs) => jobs.recv().await,
        None => std::future::pending().await,
    }
}

fn refuse(reply: Reply) {
    let _ = reply.accepted.send(false);
}

/// An error as the Runtime API carries it.
struct FunctionError {
    error_type: String,
    message: String,
    payload: Option<Bytes>,
}

impl FunctionError {
    fn read(payload: Bytes) -> Self {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Body {
            error_type: Option<String>,
            error_message: Option<String>,
        }
        let body: Body = serde_json::from_slice(&payload).unwrap_or_default();
        Self {
            error_type: body.error_type.unwrap_or_else(|| "Unknown".to_owned()),
            message: body.error_message.unwrap_or_default(),
            payload: Some(payload).filter(|payload| !payload.is_empty()),
        }
    }
}

impl From<FunctionError> for InvokeError {
    fn from(error: FunctionError) -> Self {
        let FunctionError { error_type, message, payload } = error;
        let payload = payload.unwrap_or_else(|| super::error_payload(&error_type, &message));
        Self::Function { error_type, message, payload }
    }
}

impl Card {
    pub(super) fn new() -> Self {
        Self {
            id: instance_id(),
            started_at: Timestamp::now(),
            pid: AtomicU32::new(0),
            state: AtomicU8::new(InstanceState::Starting as u8),
            invocations: AtomicU64::new(0),
            memory_mib: AtomicU32::new(0),
            running: Mutex::default(),
        }
    }

    /// Notes for which traces it works; none after an invocation.
    pub(super) fn runs(&self, traces: &[TraceContext]) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.clear();
        running.extend_from_slice(traces);
    }

    pub(super) fn running(&self) -> Vec<TraceContext> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn report(&self) -> InstanceReport {
        InstanceReport {
            id: self.id.clone(),
            pid: self.pid.load(Ordering::Relaxed),
            state: self.state(),
            started_at: format!("{:.3}", self.started_at),
            invocations: self.invocations.load(Ordering::Relaxed),
            memory_mib: self.memory_mib.load(Ordering::Relaxed),
        }
    }

    fn state(&self) -> InstanceState {
        let state = self.state.load(Ordering::Relaxed);
        [InstanceState::Busy, InstanceState::Frozen]
            .into_iter()
            .find(|known| *known as u8 == state)
            .unwrap_or(InstanceState::Starting)
    }

    fn set_state(&self, state: InstanceState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

/// Sixteen letters and digits, so that an access key made of it looks like one of AWS.
fn instance_id() -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}
