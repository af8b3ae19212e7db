//! Lambda: skeleton, being filled in.
use bytes::Bytes;
use infra_model::Function;
use serde::Serialize;

use crate::flows::TraceContext;

/// Lambda on a laptop. Clones share it.
#[derive(Debug, Clone)]
pub struct Runtime;

impl Runtime {
    /// Runs one invocation and waits for its answer.
    ///
    /// # Errors
    /// As [`InvokeError`] says.
    pub async fn invoke(
        &self,
        _function: &str,
        _payload: Bytes,
        _traces: &[TraceContext],
    ) -> Result<Bytes, InvokeError> {
        Err(InvokeError::UnknownFunction)
    }
    /// Queues an asynchronous invocation.
    pub fn invoke_async(&self, _function: &str, _payload: Bytes, _trace: TraceContext) {}
    /// Who makes a call that is signed with this access key.
    #[must_use]
    pub fn caller(&self, _access_key_id: &str) -> Option<Caller> {
        None
    }
    /// Every function as the console shows it.
    #[must_use]
    pub fn report(&self) -> Vec<FunctionReport> {
        Vec::new()
    }
    /// The newest lines of a function's log, oldest first; `None` if there is no such function.
    #[must_use]
    pub fn logs(&self, _function: &str, _request_id: Option<&str>, _limit: usize) -> Option<Vec<LogLine>> {
        None
    }
}

/// Who makes a signed call.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The function.
    pub function: &'static Function,
    /// The instance's id.
    pub instance: String,
    /// The traces of the invocation that it runs, each with the invocation's step as parent.
    pub running: Vec<TraceContext>,
}

/// Why an invocation has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeError {
    /// No function has this name.
    #[error("there is no such function")]
    UnknownFunction,
    /// As many instances are busy as may be.
    #[error("as many instances are busy as may be")]
    Throttled,
    /// The request is too large.
    #[error("the payload is larger than an invocation takes")]
    PayloadTooLarge,
    /// The function took longer than it may; its instance was ended.
    #[error("timed out after {seconds} seconds")]
    TimedOut {
        /// The function's timeout.
        seconds: u32,
    },
    /// The instance ended while it ran the invocation.
    #[error("{detail}")]
    Crashed {
        /// What is known of why.
        detail: String,
    },
    /// No instance could be started.
    #[error("{detail}")]
    InitFailed {
        /// What is known of why.
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

/// A function as the console shows it.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionReport {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// `http`, `stream` or `queue`.
    pub trigger: &'static str,
    /// Its memory setting, MiB.
    pub memory_mib: u32,
    /// Its timeout, seconds.
    pub timeout_seconds: u32,
    /// The most invocations that may run at once.
    pub concurrency_limit: u32,
    /// Invocations since the start, without throttled ones.
    pub invocations: u64,
    /// Those that failed.
    pub errors: u64,
    /// Invocations that were refused, as too many were running.
    pub throttles: u64,
    /// Invocations that had to start an instance.
    pub cold_starts: u64,
    /// Median run time of the last thousand, milliseconds; `None` before the first.
    pub p50_ms: Option<f64>,
    /// 95th percentile of the same.
    pub p95_ms: Option<f64>,
    /// All billed milliseconds.
    pub billed_ms: u64,
    /// Its instances, oldest first.
    pub instances: Vec<InstanceReport>,
}

/// An instance as the console shows it.
#[derive(Debug, Clone, Serialize)]
pub struct InstanceReport {
    /// Its id.
    pub id: String,
    /// Its process.
    pub pid: u32,
    /// What it does.
    pub state: InstanceState,
    /// When it was started.
    pub started_at: String,
    /// Invocations that it has run.
    pub invocations: u64,
    /// The most memory that it has held, MiB.
    pub memory_mib: u32,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It initialises.
    Starting,
    /// It runs an invocation.
    Busy,
    /// It is stopped until the next.
    Frozen,
}

/// A line that a function wrote.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// When it was read, RFC 3339.
    pub at: String,
    /// The invocation that ran; `None` during initialisation.
    pub request_id: Option<String>,
    /// The instance's id.
    pub instance: String,
    /// Where it was written.
    pub stream: LogStream,
    /// The line, without its end.
    pub line: String,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
