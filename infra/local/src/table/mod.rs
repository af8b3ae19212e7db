//! DynamoDB: the app's one table, on SQLite, spoken to as the real one is.
//!
//! The database runs on threads of its own behind a lock, so that it never holds up the rest; the
//! [`proxy`](router) in front of it knows who calls, and may go wrong on purpose.

mod announcements;
mod browse;
mod call;
mod proxy;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use dynoxide::Database;
use infra_model::{App, StreamView, Trigger};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

pub(crate) use announcements::{Announcements, Origin};
pub use browse::{InvalidCursor, Item, Page};
pub use proxy::router;

use crate::names;

const FILE_NAME: &str = "table.db";

/// How often expired items are removed; DynamoDB takes up to a few days.
const TTL_SWEEP: Duration = Duration::from_secs(60);

/// The table. Clones share it.
#[derive(Clone)]
pub struct Table(Arc<Inner>);

struct Inner {
    app: &'static App,
    database: Database,
    address: SocketAddr,
    stream_arn: String,
    written: Notify,
    announcements: Announcements,
    stop: Mutex<Option<Stop>>,
}

struct Stop {
    signal: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
}

/// Why the table could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused.
    #[error("cannot use {FILE_NAME}: {0}")]
    Database(#[from] dynoxide::DynoxideError),
    /// Its server could not be started.
    #[error("cannot serve the table: {0}")]
    Serve(#[from] std::io::Error),
    /// Something of the model, or of what the database answers, does not fit it.
    #[error("cannot understand the database: {0}")]
    Json(#[from] serde_json::Error),
}

impl Table {
    /// Opens the table in `data_dir`, which must exist; creates it as the model has it if it is
    /// not there yet.
    ///
    /// # Errors
    /// If the file cannot be used, or no loopback port is free.
    pub fn open(app: &'static App, data_dir: &Path) -> Result<Self, Error> {
        let database = Database::new(&data_dir.join(FILE_NAME).to_string_lossy())?;
        // The other mode waits for the disk at each commit, which only a power failure would repay.
        database.disable_bulk_loading()?;
        let stream_arn = ensure(app, &database)?;

        let listener = bind()?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = serve(database.clone(), listener)?;
        Ok(Self(Arc::new(Inner {
            app,
            database,
            address,
            stream_arn,
            written: Notify::new(),
            announcements: Announcements::default(),
            stop: Mutex::new(Some(stop)),
        })))
    }

    /// Finishes the calls in hand and stops serving.
    pub async fn close(&self) {
        let stop = self.0.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Stop { signal, stopped }) = stop {
            // Errors say that the server has ended already.
            let _ = signal.send(());
            let _ = stopped.await;
        }
    }

    pub(crate) fn app(&self) -> &'static App {
        self.0.app
    }

    /// The stream's ARN as the database has it: it names another region than the model.
    pub(crate) fn stream_arn(&self) -> &str {
        &self.0.stream_arn
    }

    /// Notified after each write.
    pub(crate) fn written(&self) -> &Notify {
        &self.0.written
    }

    pub(crate) fn announcements(&self) -> &Announcements {
        &self.0.announcements
    }

    /// Runs `work` where it may block.
    pub(crate) async fn with_database<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let database = self.0.database.clone();
        let working = tokio::task::spawn_blocking(move || work(&database));
        working.await.map_err(std::io::Error::other)?
    }
}

/// Creates what is missing of the table, and answers its stream's ARN.
fn ensure(app: &App, database: &Database) -> Result<String, Error> {
    let name = names::table(app);
    let model = app.table;
    if database.get_table_metadata(name)?.is_none() {
        let StreamView::NewImage = model.stream;
        let key = |name: &str, role: &str| json!({ "AttributeName": name, "KeyType": role });
        let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        database.create_table(request(json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [key(model.partition_key, "HASH"), key(model.sort_key, "RANGE")],
            "AttributeDefinitions": [text(model.partition_key), text(model.sort_key)],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
        }))?)?;
    }
    let ttl = database.describe_time_to_live(request(json!({ "TableName": name }))?)?;
    if ttl.time_to_live_description.attribute_name.as_deref() != Some(model.ttl_attribute) {
        database.update_time_to_live(request(json!({
            "TableName": name,
            "TimeToLiveSpecification": { "AttributeName": model.ttl_attribute, "Enabled": true },
        }))?)?;
    }
    let table = database.describe_table(request(json!({ "TableName": name }))?)?;
    let description = serde_json::to_value(&table)?;
    Ok(description["Table"]["LatestStreamArn"].as_str().unwrap_or_default().to_owned())
}

/// A request of the database's own types, written as the API has it.
pub(crate) fn request<T: DeserializeOwned>(json: Value) -> Result<T, Error> {
    Ok(serde_json::from_value(json)?)
}

/// What the database answers, as the API has it.
pub(crate) fn answer(response: &impl Serialize) -> Result<Value, Error> {
    Ok(serde_json::to_value(response)?)
}

/// Listens where a browser's page does not find it: the database answers pages of every site, and checks no
/// signature. Linux has millions of addresses for this machine; elsewhere there is one.
fn bind() -> std::io::Result<std::net::TcpListener> {
    let [second, third, fourth, _] = getrandom::u32().map_err(std::io::Error::other)?.to_be_bytes();
    std::net::TcpListener::bind((Ipv4Addr::new(127, second, third, fourth), 0))
        .or_else(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
}

fn serve(database: Database, listener: std::net::TcpListener) -> Result<Stop, Error> {
    let (signal, stop) = oneshot::channel::<()>();
    let (ended, stopped) = oneshot::channel();
    // The database blocks the thread that it works on.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("table")
        .enable_all()
        .build()?;
    thread::Builder::new().name("table".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => return tracing::error!("The table cannot be served: {error}"),
            };
            tokio::spawn(sweep(database.clone()));
            let stop = async { _ = stop.await };
            if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, stop).await {
                tracing::error!("The table is no longer served: {error}");
            }
        });
        let _ = ended.send(());
    })?;
    Ok(Stop { signal, stopped })
}

async fn sweep(database: Database) {
    let mut tick = tokio::time::interval(TTL_SWEEP);
    loop {
        tick.tick().await;
        let database = database.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            tracing::error!("Expired items stay in the table: {error}");
        }
    }
}

/// The sort key prefixes of the items that start a function.
fn event_prefixes(app: &App) -> impl Iterator<Item = &'static str> {
    app.functions.iter().filter_map(|function| match function.trigger {
        Trigger::Stream(trigger) => Some(trigger.sort_key_prefix),
        Trigger::Http | Trigger::Queue(_) | Trigger::Schedule(_) => None,
    })
}

#[cfg(test)]
mod tests;
