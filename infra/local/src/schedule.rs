//! EventBridge Scheduler: starts each function that the model puts on the clock, every so many minutes.
//!
//! When the next run is due is kept in the journal, so it neither starts over nor is forgotten when the platform
//! does. What was due while the platform was away runs once. The first run is one interval after the first start,
//! not at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use infra_model::{App, Function, Schedule, Trigger};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

use crate::flows::{Flows, StepKind, TraceContext, TraceId};
use crate::journal::{Error, Journal};
use crate::names::{self, ACCOUNT, REGION};
use crate::runtime::Runtime;

/// A clock that was set, or a laptop that slept, is noticed within this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long the scheduler waits after the journal failed it.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// The app's schedules. Clones share them.
#[derive(Clone)]
pub struct Schedules(Arc<Inner>);

struct Inner {
    app: &'static App,
    schedules: Vec<(&'static Function, Schedule)>,
    journal: Journal,
    runtime: Runtime,
    flows: Flows,
}

/// A schedule as the console shows it.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleReport {
    /// The function that it starts.
    pub function: &'static str,
    /// Minutes from one start to the next.
    pub every_minutes: u32,
    /// When it last started the function, by the clock or by hand; RFC 3339 with milliseconds.
    pub last_run_at: Option<String>,
    /// The trace of that run, 32 hex digits.
    pub last_trace: Option<String>,
    /// When it will, RFC 3339 with milliseconds.
    pub next_run_at: String,
}

/// What the journal knows of a schedule; times in milliseconds since 1970.
struct Kept {
    next_run_at: i64,
    last_run_at: Option<i64>,
    last_trace: Option<String>,
}

/// The event that a schedule without an input of its own sends.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Event {
    version: &'static str,
    id: String,
    detail_type: &'static str,
    source: &'static str,
    account: &'static str,
    time: String,
    region: &'static str,
    resources: [String; 1],
    detail: &'static str,
}

impl Schedules {
    /// The schedules of the app. One that is new is first due an interval from now.
    ///
    /// # Errors
    /// If the journal cannot be used.
    pub async fn open(
        app: &'static App,
        journal: Journal,
        runtime: Runtime,
        flows: Flows,
    ) -> Result<Self, Error> {
        let schedule = |function: &'static Function| match function.trigger {
            Trigger::Schedule(schedule) => Some((function, schedule)),
            Trigger::Http | Trigger::Stream(_) | Trigger::Queue(_) => None,
        };
        let schedules: Vec<_> = app.functions.iter().filter_map(schedule).collect();
        let latest: Vec<_> =
            schedules.iter().map(|(function, it)| (function.name, now() + interval(*it))).collect();
        if !latest.is_empty() {
            // Whoever shortens an interval need not wait for the end of the longer one.
            let keep = "INSERT INTO schedules (function, next_run_at) VALUES (?1, ?2)
                ON CONFLICT (function) DO UPDATE SET next_run_at = min(next_run_at, excluded.next_run_at)";
            let keep = move |transaction: &rusqlite::Transaction<'_>| {
                let mut keep = transaction.prepare_cached(keep)?;
                latest.iter().try_for_each(|(function, at)| keep.execute(params![function, at]).map(drop))
            };
            journal.write(keep).await?;
        }
        Ok(Self(Arc::new(Inner { app, schedules, journal, runtime, flows })))
    }

    /// Every schedule, in the model's order.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub async fn report(&self) -> Result<Vec<ScheduleReport>, Error> {
        let mut kept = self.kept().await?;
        let report = |(function, schedule): &(&'static Function, Schedule)| {
            let kept = kept.remove(function.name)?;
            Some(ScheduleReport {
                function: function.name,
                every_minutes: schedule.every_minutes,
                last_run_at: kept.last_run_at.map(time),
                last_trace: kept.last_trace,
                next_run_at: time(kept.next_run_at),
            })
        };
        Ok(self.0.schedules.iter().filter_map(report).collect())
    }

    /// Starts a function now, as its schedule does, which goes on as before. `None` if there is no such schedule.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub async fn run_now(&self, function: &str) -> Result<Option<TraceId>, Error> {
        match self.0.schedules.iter().find(|(scheduled, _)| scheduled.name == function) {
            Some((function, _)) => self.start(function, None).await.map(Some),
            None => Ok(None),
        }
    }

    /// Starts what is due until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        if self.0.schedules.is_empty() {
            return;
        }
        loop {
            let wait = match self.start_due().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!("{error}");
                    JOURNAL_PAUSE
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Says how long to wait before looking again.
    async fn start_due(&self) -> Result<Duration, Error> {
        let kept = self.kept().await?;
        let mut wait = LONGEST_WAIT;
        for (function, schedule) in &self.0.schedules {
            let Some(kept) = kept.get(function.name) else { continue };
            let (now, interval) = (now(), interval(*schedule));
            let mut next = kept.next_run_at;
            if next <= now {
                // The rhythm stays; what was missed is not made up for.
                next += interval * ((now - next) / interval + 1);
                self.start(function, Some(next)).await?;
            }
            wait = wait.min(Duration::from_millis(u64::try_from(next - now).unwrap_or(0)));
        }
        Ok(wait)
    }

    /// The run is on record before it begins: a platform that is killed repeats no run by itself.
    async fn start(&self, function: &'static Function, next_run_at: Option<i64>) -> Result<TraceId, Error> {
        let Inner { app, journal, runtime, flows, .. } = &*self.0;
        let context = TraceContext::new_root();
        let (at, trace, name) = (Timestamp::now(), context.trace, function.name);
        journal
            .write(move |transaction| {
                let note = "UPDATE schedules
                    SET last_run_at = ?2, last_trace = ?3, next_run_at = coalesce(?4, next_run_at)
                    WHERE function = ?1";
                let values = params![name, at.as_millisecond(), trace.to_string(), next_run_at];
                transaction.prepare_cached(note)?.execute(values)
            })
            .await?;
        flows.name(trace, &format!("Schedule {name}"));
        let mut step = flows.begin(&context, StepKind::Schedule, name);
        if next_run_at.is_none() {
            step.detail("by hand");
        }
        let event = Event {
            version: "0",
            id: Uuid::new_v4().to_string(),
            detail_type: "Scheduled Event",
            source: "aws.scheduler",
            account: ACCOUNT,
            time: format!("{at:.0}"),
            region: REGION,
            resources: [names::schedule_arn(app, name)],
            detail: "{}",
        };
        let payload = serde_json::to_vec(&event).unwrap_or_default();
        runtime.invoke_async(name, payload.into(), step.context());
        step.ok();
        Ok(trace)
    }

    async fn kept(&self) -> Result<HashMap<String, Kept>, Error> {
        let read = |connection: &Connection| {
            let all = "SELECT function, next_run_at, last_run_at, last_trace FROM schedules";
            let mut all = connection.prepare_cached(all)?;
            let rows = all.query_map([], |row| {
                let kept =
                    Kept { next_run_at: row.get(1)?, last_run_at: row.get(2)?, last_trace: row.get(3)? };
                Ok((row.get(0)?, kept))
            })?;
            rows.collect()
        };
        self.0.journal.read(read).await
    }
}

/// Milliseconds.
fn interval(schedule: Schedule) -> i64 {
    i64::from(schedule.every_minutes.max(1)) * 60_000
}

/// Milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// RFC 3339 with milliseconds.
fn time(milliseconds: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(milliseconds).unwrap_or_default())
}
