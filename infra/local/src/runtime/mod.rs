//! Lambda: runs the functions' own binaries under Lambda's rules.
//!
//! An instance is one process and runs one invocation at a time. It is started when none is free
//! (a cold start), is stopped by SIGSTOP between invocations as Lambda freezes one, and ends when
//! it has been idle for long, when it crashes, takes too long or takes too much memory. What it
//! may not do here it may not do in the cloud either: its environment holds what the model says
//! and what Lambda sets, and nothing else.

mod api;
mod environment;
mod instance;
mod leash;
mod log;
mod pool;
mod process;
mod report;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infra_model::{App, Function};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

pub use environment::{Endpoints, Environment};
pub(crate) use environment::{display_name, parameter_name};
pub use log::{LogLine, LogStream};
pub use report::{FunctionReport, InstanceReport, InstanceState};

use crate::events::Events;
use crate::flows::{Flows, FunctionRun, StepKind, TraceContext};
use crate::names;
use instance::Blueprint;
use leash::Leash;
use log::Log;
use pool::{Invocation, Pool, Ran};

/// How long an asynchronous invocation that was throttled waits at most before the next try.
const LONGEST_THROTTLE_WAIT: Duration = Duration::from_secs(60);

/// Lambda tries an asynchronous invocation that it has to throttle for six hours.
const OLDEST_ASYNC_EVENT: SignedDuration = SignedDuration::from_hours(6);

/// Lambda on a laptop. Clones share it.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    app: &'static App,
    pools: Vec<(Arc<Pool>, Arc<Log>)>,
    flows: Flows,
    payload_bytes: usize,
    retry_waits: [Duration; 2],
    on_failure: Box<dyn Fn(FailedInvocation) + Send + Sync>,
    running: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    _leash: Leash,
}

/// What the runtime needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The app, its binaries and the services that they call.
    pub environment: Environment,
    /// How long an instance may wait for its next invocation.
    pub idle_timeout: Duration,
    /// How long a failed asynchronous invocation waits before its second and its third try. Lambda
    /// waits one minute and two.
    pub retry_waits: [Duration; 2],
}

/// An asynchronous invocation that has failed for good.
#[derive(Debug, Clone)]
pub struct FailedInvocation {
    /// The function.
    pub function: &'static Function,
    /// In one sentence.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// The event, as it was sent.
    pub payload: Bytes,
    /// What Lambda sends to the function's failure destination, JSON.
    pub record: String,
    /// The trace that it belongs to.
    pub trace: TraceContext,
}

/// Who makes a signed call.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The function.
    pub function: &'static Function,
    /// The instance's id.
    pub instance: String,
    /// The traces that it works for, each with the running invocation's step as the parent.
    pub running: Vec<TraceContext>,
}

/// Why an invocation has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeError {
    /// No function has this name.
    #[error("there is no function of this name")]
    UnknownFunction,
    /// As many invocations are running as may run at once.
    #[error("as many invocations are running as may run at once")]
    Throttled,
    /// The request is larger than a payload may be.
    #[error("the payload is larger than an invocation takes")]
    PayloadTooLarge,
    /// The function took longer than it may; its instance was ended.
    #[error("Task timed out after {seconds}.00 seconds")]
    TimedOut {
        /// The function's timeout.
        seconds: u32,
    },
    /// The instance ended while it ran the invocation.
    #[error("{detail}")]
    Crashed {
        /// How it ended.
        detail: String,
    },
    /// The instance could not be started.
    #[error("{detail}")]
    InitFailed {
        /// What went wrong.
        detail: String,
    },
    /// The function answered with an error.
    #[error("{error_type}: {message}")]
    Function {
        /// The error's type.
        error_type: String,
        /// The error's message.
        message: String,
        /// The error as the function sent it, JSON.
        payload: Bytes,
    },
}

/// An invocation that is over.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) request_id: String,
    /// `None` if nothing ran.
    pub(crate) run: Option<FunctionRun>,
    pub(crate) result: Result<Bytes, InvokeError>,
}

impl Runtime {
    /// Ready to run the app's functions; no instance is started before there is work. A failed
    /// asynchronous invocation is handed to `on_failure`.
    ///
    /// # Errors
    /// If the system cannot start a process.
    pub fn new(
        options: Options,
        flows: Flows,
        events: &Events,
        on_failure: impl Fn(FailedInvocation) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let Options { environment, idle_timeout, retry_waits } = options;
        let app = environment.app;
        let leash = Leash::new()?;
        let stop = watch::Sender::new(false);
        let reserved: u32 = app.functions.iter().filter_map(|it| it.reserved_concurrency).sum();
        let permits = |count: u32| Arc::new(Semaphore::new(count as usize));
        let unreserved = permits(app.limits.account_concurrency.saturating_sub(reserved));
        let pool = |function: &'static Function| {
            let log = Arc::new(Log::default());
            let blueprint = Arc::new(Blueprint {
                function,
                binary: environment.task_root.join(function.name),
                environment: environment.clone(),
                process_group: leash.group(),
                payload_bytes: app.limits.payload_bytes,
                idle_timeout,
                log: Arc::clone(&log),
                stop: stop.clone(),
            });
            let start = Box::new(move |home| instance::start(Arc::clone(&blueprint), home));
            let concurrency = function.reserved_concurrency.map_or_else(|| Arc::clone(&unreserved), permits);
            (Pool::new(function, start, concurrency, events.clone()), log)
        };
        Ok(Self(Arc::new(Inner {
            app,
            pools: app.functions.iter().map(pool).collect(),
            flows,
            payload_bytes: app.limits.payload_bytes,
            retry_waits,
            on_failure: Box::new(on_failure),
            running: watch::Sender::new(0),
            stop,
            _leash: leash,
        })))
    }

    /// Runs one invocation and waits for its answer. It runs to its end even if nobody waits any
    /// longer. A step is recorded in each of `traces`; the first goes into the trace header.
    ///
    /// # Errors
    /// As [`InvokeError`] says.
    pub async fn invoke(
        &self,
        function: &str,
        payload: Bytes,
        traces: &[TraceContext],
    ) -> Result<Bytes, InvokeError> {
        self.run(function, payload, traces).await.result
    }

    /// Queues an asynchronous invocation, which is tried three times. An unknown function is
    /// ignored.
    pub fn invoke_async(&self, function: &str, payload: Bytes, trace: TraceContext) {
        self.queue(function, payload, trace);
    }

    /// As [`Runtime::invoke_async`], and tells the request id.
    pub(crate) fn queue(&self, function: &str, payload: Bytes, trace: TraceContext) -> String {
        let request_id = request_id();
        if let Some((pool, _)) = self.pool(function) {
            let (runtime, pool, request_id) = (self.clone(), Arc::clone(pool), request_id.clone());
            tokio::spawn(async move { runtime.retry(&pool, request_id, payload, trace).await });
        }
        request_id
    }

    /// Who makes a call that is signed with this access key.
    #[must_use]
    pub fn caller(&self, access_key_id: &str) -> Option<Caller> {
        let instance = access_key_id.strip_prefix(environment::ACCESS_KEY_PREFIX)?;
        self.0.pools.iter().find_map(|(pool, _)| {
            let card = pool.card(instance)?;
            Some(Caller { function: pool.function, instance: instance.to_owned(), running: card.running() })
        })
    }

    /// Every function with its instances, in the model's order.
    #[must_use]
    pub fn report(&self) -> Vec<FunctionReport> {
        self.0.pools.iter().map(|(pool, _)| pool.report()).collect()
    }

    /// The newest lines of a function's log, the oldest of them first. `None` if there is no such
    /// function.
    #[must_use]
    pub fn logs(&self, function: &str, request_id: Option<&str>, limit: usize) -> Option<Vec<LogLine>> {
        self.pool(function).map(|(_, log)| log.newest(request_id, limit))
    }

    /// Waits until no invocation is running, at most this long. Says whether none is.
    pub async fn drain(&self, patience: Duration) -> bool {
        let mut running = self.0.running.subscribe();
        tokio::time::timeout(patience, running.wait_for(|running| *running == 0)).await.is_ok()
    }

    /// Ends all instances.
    pub async fn stop(&self) {
        self.0.stop.send_replace(true);
        // Every instance's task holds a receiver for as long as it has a process.
        self.0.stop.closed().await;
    }

    /// As [`Runtime::invoke`], and tells how it ran.
    pub(crate) async fn run(&self, function: &str, payload: Bytes, traces: &[TraceContext]) -> Outcome {
        let request_id = request_id();
        let refused = |error| Outcome { request_id: request_id.clone(), run: None, result: Err(error) };
        let Some((pool, _)) = self.pool(function) else {
            return refused(InvokeError::UnknownFunction);
        };
        if payload.len() > self.0.payload_bytes {
            return refused(InvokeError::PayloadTooLarge);
        }
        let (runtime, pool, traces) = (self.clone(), Arc::clone(pool), traces.to_vec());
        let id = request_id.clone();
        // On its own, as the caller may go away while the function goes on.
        let run = tokio::spawn(async move { runtime.attempt(&pool, id, payload, &traces, 1).await });
        match run.await {
            Ok(outcome) => outcome,
            Err(error) => refused(InvokeError::Crashed { detail: error.to_string() }),
        }
    }

    /// Runs one attempt of an invocation and records it.
    async fn attempt(
        &self,
        pool: &Pool,
        request_id: String,
        payload: Bytes,
        traces: &[TraceContext],
        attempt: u32,
    ) -> Outcome {
        let _running = Running::of(&self.0.running);
        let name = pool.function.name;
        let mut steps: Vec<_> =
            traces.iter().map(|trace| self.0.flows.begin(trace, StepKind::Function, name)).collect();
        if attempt > 1 {
            steps.iter_mut().for_each(|step| step.attempt(attempt));
        }
        let traces: Vec<_> = steps.iter().map(crate::flows::Step::context).collect();
        let first = traces.first().copied().unwrap_or_else(TraceContext::new_root);
        let ran = pool
            .run(Invocation {
                request_id: &request_id,
                payload,
                trace_header: first.to_xray(),
                traces: &traces,
            })
            .await;
        let (run, result) = match ran {
            Ok(ran) => {
                let run = function_run(pool.function, &request_id, &ran);
                if let Some((_, log)) = self.pool(name) {
                    log.add(&run.instance, Some(&request_id), (LogStream::Stdout, report_line(&run)));
                }
                (Some(run), ran.run.result)
            }
            Err(error) => (None, Err(error)),
        };
        for mut step in steps {
            if let Some(run) = &run {
                step.function(run.clone());
            }
            match &result {
                Ok(_) => step.ok(),
                Err(error) => step.error(error.to_string()),
            }
        }
        if let Err(error @ (InvokeError::Crashed { .. } | InvokeError::InitFailed { .. })) = &result {
            tracing::warn!(function = name, request_id, "{error}");
        }
        Outcome { request_id, run, result }
    }

    /// Runs an asynchronous invocation until it succeeds, or hands it on as failed.
    async fn retry(&self, pool: &Pool, request_id: String, payload: Bytes, trace: TraceContext) {
        let queued_at = Timestamp::now();
        let mut throttle_wait = Duration::from_secs(1);
        let mut attempts = 0;
        let error = loop {
            let outcome =
                self.attempt(pool, request_id.clone(), payload.clone(), &[trace], attempts + 1).await;
            match outcome.result {
                Ok(_) => return,
                Err(InvokeError::Throttled)
                    if Timestamp::now().duration_since(queued_at) < OLDEST_ASYNC_EVENT =>
                {
                    tokio::time::sleep(throttle_wait).await;
                    throttle_wait = (throttle_wait * 2).min(LONGEST_THROTTLE_WAIT);
                }
                Err(error) => {
                    attempts += 1;
                    let Some(wait) = self.0.retry_waits.get(attempts as usize - 1) else {
                        break error;
                    };
                    tokio::time::sleep(*wait).await;
                }
            }
        };
        (self.0.on_failure)(FailedInvocation {
            function: pool.function,
            reason: error.to_string(),
            attempts,
            queued_at,
            payload: payload.clone(),
            record: failure_record(
                names::function_arn(self.0.app, pool.function.name),
                &request_id,
                attempts,
                &payload,
                &error,
            ),
            trace,
        });
    }

    fn pool(&self, function: &str) -> Option<&(Arc<Pool>, Arc<Log>)> {
        self.0.pools.iter().find(|(pool, _)| pool.function.name == function)
    }
}

impl InvokeError {
    /// The error as Lambda puts it into the answer's payload, JSON.
    pub(crate) fn payload(&self, request_id: &str) -> Bytes {
        let error_type = match self {
            Self::Function { payload, .. } => return payload.clone(),
            Self::TimedOut { .. } => "Sandbox.Timedout",
            Self::Crashed { .. } => "Runtime.ExitError",
            Self::InitFailed { .. } => "Runtime.InitError",
            Self::UnknownFunction => "ResourceNotFoundException",
            Self::Throttled => "TooManyRequestsException",
            Self::PayloadTooLarge => "RequestTooLargeException",
        };
        error_payload(error_type, &format!("RequestId: {request_id} Error: {self}"))
    }
}

pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}

fn error_payload(error_type: &str, error_message: &str) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Error<'a> {
        error_type: &'a str,
        error_message: &'a str,
    }
    serde_json::to_vec(&Error { error_type, error_message }).unwrap_or_default().into()
}

fn function_run(function: &Function, request_id: &str, ran: &Ran) -> FunctionRun {
    let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    FunctionRun {
        request_id: request_id.to_owned(),
        instance: ran.instance.clone(),
        cold: ran.run.init.is_some(),
        init_ms: ran.run.init.map(milliseconds),
        run_ms: milliseconds(ran.run.duration),
        billed_ms: ran.billed_ms,
        memory_mib: function.memory_mib,
        max_memory_mib: ran.run.max_memory_mib,
    }
}

/// What Lambda itself writes to a function's log when an invocation has ended.
pub(crate) fn report_line(run: &FunctionRun) -> String {
    let FunctionRun { request_id, run_ms, billed_ms, memory_mib, max_memory_mib, .. } = run;
    let init = run.init_ms.map(|init_ms| format!("\tInit Duration: {init_ms:.2} ms")).unwrap_or_default();
    format!(
        "REPORT RequestId: {request_id}\tDuration: {run_ms:.2} ms\tBilled Duration: {billed_ms} ms\t\
         Memory Size: {memory_mib} MB\tMax Memory Used: {max_memory_mib} MB{init}"
    )
}

/// What Lambda sends to a failure destination.
fn failure_record(
    function_arn: String,
    request_id: &str,
    attempts: u32,
    payload: &[u8],
    error: &InvokeError,
) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Record<'a> {
        version: &'static str,
        timestamp: String,
        request_context: RequestContext<'a>,
        request_payload: Option<&'a RawValue>,
        response_context: ResponseContext,
        response_payload: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct RequestContext<'a> {
        request_id: &'a str,
        function_arn: String,
        condition: &'static str,
        approximate_invoke_count: u32,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ResponseContext {
        status_code: u16,
        executed_version: &'static str,
        function_error: &'static str,
    }
    let response = error.payload(request_id);
    let record = Record {
        version: "1.0",
        timestamp: format!("{:.3}", Timestamp::now()),
        request_context: RequestContext {
            request_id,
            function_arn: format!("{function_arn}:$LATEST"),
            condition: "RetriesExhausted",
            approximate_invoke_count: attempts,
        },
        request_payload: serde_json::from_slice(payload).ok(),
        response_context: ResponseContext {
            status_code: 200,
            executed_version: "$LATEST",
            function_error: "Unhandled",
        },
        response_payload: serde_json::from_slice(&response).ok(),
    };
    serde_json::to_string(&record).unwrap_or_default()
}

/// Counts as a running invocation while it lives.
struct Running<'a>(&'a watch::Sender<usize>);

impl<'a> Running<'a> {
    fn of(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
