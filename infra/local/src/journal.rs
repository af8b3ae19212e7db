//! The platform's own SQLite file: what is in flight and must survive a crash.
//!
//! Queue messages, dead letters, mail, texts, stream checkpoints and when a schedule ran. One thread owns the connection and
//! runs one transaction after the other; whoever has an answer has it committed. With a
//! write-ahead log and `synchronous = NORMAL`, a killed process loses nothing, only a power
//! failure may take the last transactions.

use std::path::Path;
use std::thread;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

const FILE_NAME: &str = "platform.db";

/// Each entry brings the file from the version of its index to the next one.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL UNIQUE,
        queue TEXT NOT NULL,
        body TEXT NOT NULL,
        event_type TEXT,
        traceparent TEXT NOT NULL,
        sent_at INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        receive_count INTEGER NOT NULL DEFAULT 0,
        first_received_at INTEGER,
        last_error TEXT
    ) STRICT;
    CREATE INDEX messages_by_visibility ON messages (queue, visible_at, id);

    CREATE TABLE dead_letters (
        id TEXT PRIMARY KEY,
        queue TEXT NOT NULL,
        origin TEXT NOT NULL,
        reason TEXT NOT NULL,
        receive_count INTEGER NOT NULL,
        first_received_at INTEGER NOT NULL,
        dead_at INTEGER NOT NULL,
        event_type TEXT,
        traceparent TEXT NOT NULL,
        body TEXT NOT NULL,
        payload TEXT NOT NULL
    ) STRICT;

    CREATE TABLE emails (
        id TEXT PRIMARY KEY,
        summary TEXT NOT NULL,
        raw BLOB NOT NULL
    ) STRICT;
    CREATE TABLE email_recipients (
        address TEXT NOT NULL,
        email TEXT NOT NULL REFERENCES emails,
        PRIMARY KEY (address, email)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE checkpoints (
        consumer TEXT PRIMARY KEY,
        stream_arn TEXT NOT NULL,
        sequence_number TEXT
    ) STRICT;
",
    "
    CREATE TABLE texts (
        id TEXT PRIMARY KEY,
        number TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX texts_by_number ON texts (number, id);

    CREATE TABLE schedules (
        function TEXT PRIMARY KEY,
        next_run_at INTEGER NOT NULL,
        last_run_at INTEGER,
        last_trace TEXT
    ) STRICT;
",
    "
    CREATE TABLE payments (
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
",
];

/// The open file. Clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    jobs: mpsc::UnboundedSender<Job>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Why the journal could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("cannot use {FILE_NAME}: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was written by a later version of this program.
    #[error("{FILE_NAME} was written by a later version of this program (its version is {0})")]
    TooNew(i64),
    /// It holds what this program cannot read.
    #[error("{FILE_NAME} holds something else than it should: {0}")]
    Unreadable(String),
    /// The thread that owns the file could not be started, or has ended.
    #[error("{FILE_NAME} is closed")]
    Closed,
}

impl Journal {
    /// Opens the file in `data_dir`, which must exist; creates or upgrades it as needed.
    ///
    /// # Errors
    /// If it cannot be opened, is not a SQLite file, or comes from a later version.
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        let mut connection = Connection::open(data_dir.join(FILE_NAME))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        migrate(&mut connection)?;

        let (jobs, mut queued) = mpsc::unbounded_channel::<Job>();
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                while let Some(job) = queued.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|_| Error::Closed)?;
        Ok(Self { jobs })
    }

    /// Runs `work` in one transaction, which is committed when this returns `Ok`, and rolled
    /// back when `work` fails.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
        .await
    }

    /// Runs `work`, which only reads.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(|connection| work(connection)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have gone; the work is done all the same.
            let _ = answer.send(work(connection));
        });
        self.jobs.send(job).map_err(|_| Error::Closed)?;
        Ok(answered.await.map_err(|_| Error::Closed)??)
    }
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).ok().filter(|done| *done <= MIGRATIONS.len());
    for migration in &MIGRATIONS[done.ok_or(Error::TooNew(version))?..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_is_rolled_back_and_the_journal_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path()).unwrap();
        let failed = journal
            .write(|transaction| {
                transaction.execute("INSERT INTO checkpoints VALUES ('a', 'arn', NULL)", [])?;
                transaction.execute("INSERT INTO nowhere VALUES (1)", [])
            })
            .await;
        assert!(matches!(failed, Err(Error::Sqlite(_))));
        let rows = |c: &Connection| c.query_row("SELECT count(*) FROM checkpoints", [], |r| r.get(0));
        assert_eq!(journal.read::<i64>(rows).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_file_of_a_later_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(Journal::open(directory.path()).unwrap());
        let file = Connection::open(directory.path().join(FILE_NAME)).unwrap();
        file.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Journal::open(directory.path()), Err(Error::TooNew(99))));
    }
}
