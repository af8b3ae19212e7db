//! The whole platform: every part, started in order and stopped in the reverse.

mod address;

use std::path::{Path, PathBuf};
use std::time::Duration;

use infra_model::{App, Trigger};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bus;
use crate::console;
use crate::data_dir::{self, DataDir};
use crate::events::Events;
use crate::faults::{Faults, InvalidSetting};
use crate::flows::Flows;
use crate::functions;
use crate::gateway::{Gateway, Pages};
use crate::invoke;
use crate::journal::{self, Journal};
use crate::mail::{self, Inbox};
use crate::parameters::{self, Parameters};
use crate::payments::{self, Payments};
use crate::queue::{self, DeadLetter, Origin, Queues};
use crate::runtime::{Endpoints, Environment, FailedInvocation, Options, Runtime, display_name};
use crate::schedule::Schedules;
use crate::settings::Settings;
use crate::stream;
use crate::table::{self, Table};
use crate::texts::{self, Phones};
use crate::topic::Topics;
use address::{Front, Service};

pub use address::Error as AddressError;

/// Tells programs where a running platform is.
const ABOUT_FILE: &str = "platform.json";

/// How long connections may take after that to be told their answers.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A running platform.
pub struct Platform {
    about: About,
    drain: Duration,
    data_dir: DataDir,
    runtime: Runtime,
    table: Table,
    /// Becomes true when no new work is to be begun.
    stop: watch::Sender<bool>,
    front: JoinSet<()>,
    sources: JoinSet<()>,
    services: JoinSet<()>,
}

/// What `platform.json` says.
#[derive(Debug, Clone, Serialize)]
struct About {
    origin: String,
    pid: u32,
    endpoints: Endpoints,
}

/// Why the platform cannot start. Each is one plain sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is the matter with the functions' binaries.
    #[error(transparent)]
    Functions(#[from] functions::Error),
    /// Something is the matter with the data folder.
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    /// No address to listen on.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The journal cannot be used.
    #[error("the data folder {} cannot be used: {source}", path.display())]
    Journal {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: journal::Error,
    },
    /// The table cannot be used.
    #[error("the data folder {} cannot be used: {source}", path.display())]
    Table {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: table::Error,
    },
    /// Something is the matter with the keys.
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    /// A setting makes no sense.
    #[error("the settings are not right: {0}")]
    Settings(#[from] InvalidSetting),
    /// No process can be started.
    #[error("the functions cannot be run: {0}")]
    Runtime(#[source] std::io::Error),
}

impl Platform {
    /// Starts everything. It is ready when this returns.
    ///
    /// # Errors
    /// As [`Error`] says; nothing is left running then.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let app = settings.app;
        functions::check(app, &settings.functions)?;
        let faults = Faults::new(settings.changeable.clone())?;
        let front = Front::bind(settings.port).await?;
        let data_dir = DataDir::take(&settings.data_dir, settings.fresh)?;
        allow_many_files();

        let path = data_dir.path();
        let unusable = |source| Error::Journal { path: path.to_owned(), source };
        let journal = Journal::open(path).map_err(unusable)?;
        let events = Events::new();
        let flows = Flows::new(events.clone());
        let queues = Queues::open(app, journal.clone(), flows.clone(), events.clone());
        let queues = queues.await.map_err(unusable)?;
        let table =
            Table::open(app, path).map_err(|source| Error::Table { path: path.to_owned(), source })?;
        let secrets = settings.stripe.clone().map_or_else(|| payments::Secrets::of_simulator(path), Ok)?;
        let brought = secrets.parameters();
        let parameters = Parameters::open(app, path, &brought)?;

        let [dynamodb, ses, sns, eventbridge, ssm, stripe] = Service::bind_all().await?;
        let endpoints = Endpoints {
            dynamodb: dynamodb.url(),
            ses: ses.url(),
            sns: sns.url(),
            eventbridge: eventbridge.url(),
            ssm: ssm.url(),
            stripe: settings.stripe.is_none().then(|| stripe.url()),
        };
        let environment = Environment {
            app,
            public_origin: front.origin(),
            task_root: settings.functions,
            endpoints: endpoints.clone(),
        };
        let options = Options {
            environment,
            idle_timeout: settings.idle_timeout,
            retry_waits: settings.async_retry_waits,
        };
        let letters = queues.clone();
        let on_failure = move |failed| bury(letters.clone(), failed);
        let runtime = Runtime::new(options, flows.clone(), &events, on_failure).map_err(Error::Runtime)?;

        let mut services = JoinSet::new();
        let inbox = Inbox::new(journal.clone(), events.clone());
        dynamodb.serve(
            &mut services,
            table::router(table.clone(), runtime.clone(), flows.clone(), faults.clone()),
        );
        ses.serve(
            &mut services,
            mail::router(app, inbox.clone(), runtime.clone(), flows.clone(), faults.clone()),
        );
        let texts = texts::Inbox::new(journal.clone(), events.clone());
        let topics = Topics::new(app, queues.clone(), flows.clone());
        let (calls, mode) = (runtime.clone(), faults.clone());
        sns.serve(
            &mut services,
            texts::router(app, texts.clone(), topics.clone(), calls, flows.clone(), mode),
        );
        eventbridge.serve(&mut services, bus::router(app, queues.clone(), runtime.clone(), flows.clone()));
        ssm.serve(&mut services, parameters.router(runtime.clone()));
        let payments = settings
            .stripe
            .is_none()
            .then(|| Payments::new(front.origin(), secrets, journal.clone(), flows.clone(), events.clone()));

        let schedules = Schedules::open(app, journal.clone(), runtime.clone(), flows.clone());
        let schedules = schedules.await.map_err(unusable)?;
        let stop = watch::Sender::new(false);
        let mut sources = JoinSet::new();
        sources.spawn(stream::run(
            table.clone(),
            runtime.clone(),
            queues.clone(),
            journal,
            flows.clone(),
            stop.subscribe(),
        ));
        sources.spawn(queue::run(app, queues.clone(), runtime.clone(), faults.clone(), stop.subscribe()));

        sources.spawn(schedules.clone().run(stop.subscribe()));
        if let Some(payments) = &payments {
            stripe.serve(&mut services, payments.api(runtime.clone(), faults.clone()));
            sources.spawn(payments.clone().run(stop.subscribe()));
        }

        let pages = Pages::new(display_name(app.name));
        let console = console::router(console::Parts {
            app,
            flows: flows.clone(),
            events,
            runtime: runtime.clone(),
            queues,
            inbox,
            phones: Phones::new(texts.clone(), topics, flows.clone()),
            texts,
            schedules,
            payments: payments.clone(),
            table: table.clone(),
            faults,
            pages: pages.clone(),
        });
        let others = console.merge(invoke::router(app, runtime.clone(), flows.clone()));
        let others = match payments {
            Some(payments) => others.merge(payments.pages(pages.clone())),
            None => others,
        };
        let gateway = Gateway::new(app, runtime.clone(), flows, pages);
        let about = About { origin: front.origin(), pid: std::process::id(), endpoints };
        let front = front.serve(gateway.router(others), &stop);

        let json = serde_json::to_vec_pretty(&about).unwrap_or_default();
        data_dir.write(ABOUT_FILE, &json)?;
        let drain = drain(app);
        Ok(Self { about, drain, data_dir, runtime, table, stop, front, sources, services })
    }

    /// Where browsers find the app: `http://localhost:3000`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.about.origin
    }

    /// Where the services listen that functions call.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.about.endpoints
    }

    /// The folder that holds the data, from the root.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// Takes no more requests, lets what is running finish, and stops. Bounded: what takes too long
    /// is ended.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let finished = async {
            self.runtime.drain(self.drain).await;
            while self.sources.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(self.drain, finished).await;
        // Streams to the console never end by themselves.
        let _ =
            tokio::time::timeout(LAST_WORDS, async { while self.front.join_next().await.is_some() {} }).await;
        self.front.shutdown().await;
        self.runtime.stop().await;
        self.services.shutdown().await;
        self.table.close().await;
        self.data_dir.remove(ABOUT_FILE);
    }
}

/// How long running invocations may go on when the platform is to stop: as long as any may take.
/// Only what the clock starts may take longer, and goes on where it was at its next run.
fn drain(app: &App) -> Duration {
    let awaited = app.functions.iter().filter(|function| !matches!(function.trigger, Trigger::Schedule(_)));
    let longest = awaited.map(|function| function.timeout_seconds).max().unwrap_or_default();
    Duration::from_secs(longest.into())
}

/// Keeps an asynchronous invocation that has failed for good.
fn bury(queues: Queues, failed: FailedInvocation) {
    let letter = DeadLetter {
        queue: failed.function.name.to_owned(),
        origin: Origin::Invocation,
        reason: failed.reason,
        receive_count: failed.attempts,
        first_received_at: failed.queued_at,
        event_type: None,
        trace: failed.trace,
        body: failed.record,
        payload: String::from_utf8_lossy(&failed.payload).into_owned(),
    };
    tokio::spawn(async move {
        if let Err(error) = queues.dead_letter(letter).await {
            tracing::error!("a dead letter could not be kept: {error}");
        }
    });
}

/// An instance takes a handful of files, and there may be a thousand instances. Without more, the
/// platform does what it can.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_somebody_waits_for_may_end_before_the_platform_does() {
        let app = &infra_model::APP;
        for function in app.functions {
            let takes = Duration::from_secs(function.timeout_seconds.into());
            let by_clock = matches!(function.trigger, Trigger::Schedule(_));
            assert!(by_clock || drain(app) >= takes, "{}", function.name);
        }
        assert!(drain(app) <= Duration::from_secs(30), "nobody waits longer for it to stop");
    }
}
