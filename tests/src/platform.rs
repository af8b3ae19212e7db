//! The real platform, started as a developer starts it.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::console::Console;
use crate::inbox::Inbox;
use crate::port::Port;

/// A start takes 0.3 s; the rest is for a machine that is busy building.
const START: Duration = Duration::from_secs(120);

/// A running platform in a directory of its own. It ends with this value.
#[derive(Debug)]
pub struct Platform {
    directory: TempDir,
    process: Child,
    port: Port,
    about: About,
    /// Its console.
    pub console: Console,
    /// Its inbox.
    pub inbox: Inbox,
    next_address: AtomicU8,
}

/// What the platform says of itself when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct About {
    /// The origin that browsers use.
    pub origin: String,
    /// Its process.
    pub pid: i32,
    /// Where the functions' services listen.
    pub endpoints: Endpoints,
}

/// Addresses of the services that functions call.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "each is named after its service")]
pub struct Endpoints {
    pub dynamodb: String,
    pub ses: String,
    pub sns: String,
    pub eventbridge: String,
    pub ssm: String,
    pub stripe: Option<String>,
}

impl Platform {
    /// Starts one in which nothing goes wrong on purpose, and a failed message is tried again soon.
    pub async fn start() -> Self {
        Self::start_with(json!({ "visibility_timeout_ms": 2_000 })).await
    }

    /// Starts one with these settings.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_with(settings: Value) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        fs::write(directory.path().join("settings.json"), settings.to_string()).expect("settings");
        let port = Port::take();
        let (process, about) = run(directory.path(), port.number()).await;
        Self {
            directory,
            process,
            port,
            console: Console(Client::new(&about.origin, Ipv4Addr::LOCALHOST)),
            inbox: Inbox(Client::new(&about.origin, Ipv4Addr::LOCALHOST)),
            about,
            next_address: AtomicU8::new(2),
        }
    }

    /// What it says of itself.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The origin that browsers use.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.about.origin
    }

    /// Where it keeps its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// All that it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// A client with an address that no other has.
    ///
    /// # Panics
    ///
    /// After 250 of them.
    #[must_use]
    pub fn client(&self) -> Client {
        let last = self.next_address.fetch_add(1, Ordering::Relaxed);
        assert!((2..=252).contains(&last), "too many clients");
        self.client_at(Ipv4Addr::new(127, 0, 0, last))
    }

    /// A client with this address.
    #[must_use]
    pub fn client_at(&self, address: Ipv4Addr) -> Client {
        Client::new(&self.about.origin, address)
    }

    /// Ends it as `kill -9` does, and starts it again with the same data and at the same port.
    pub async fn kill_and_restart(&mut self) {
        self.kill();
        self.restart().await;
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Panics
    ///
    /// If it cannot be ended.
    pub fn kill(&mut self) {
        self.process.kill().expect("the platform is ours to kill");
        self.process.wait().expect("the platform ends");
    }

    /// Starts it again after it ended, with the same data and at the same port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn restart(&mut self) {
        let (process, about) = run(self.directory.path(), self.port.number()).await;
        self.process = process;
        self.about = about;
    }

    /// Asks it to end, as Ctrl-C does, and waits until it has.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        kill_process(Pid::from_child(&self.process), Signal::INT).expect("the platform is ours to stop");
        crate::until("the end of the platform", async || self.process.try_wait().expect("a child")).await
    }

    /// The processes of a function's instances.
    pub async fn pids(&self, function: &str) -> Vec<Pid> {
        let function = self.console.function(function).await;
        function.instances.iter().filter_map(|instance| Pid::from_raw(instance.pid)).collect()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // Its functions end with it, however it ends.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the platform's log ---\n{}", self.log());
        }
    }
}

/// The directory in which cargo put the programs.
#[must_use]
pub fn programs() -> PathBuf {
    let test = std::env::current_exe().expect("a program knows where it is");
    let programs = test.parent().and_then(Path::parent).expect("cargo puts tests into target/<profile>/deps");
    programs.to_owned()
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in a directory of it").to_owned()
}

async fn run(directory: &Path, port: u16) -> (Child, About) {
    let program = programs().join("infra-local");
    assert!(program.exists(), "{} is not built: use tests/run", program.display());
    let data = directory.join("data");
    let ready = data.join("platform.json");
    let _ = fs::remove_file(&ready);
    let log = directory.join("log");
    let output = File::options().create(true).append(true).open(&log).expect("a log");
    let mut process = Command::new(program)
        .arg("--port")
        .arg(port.to_string())
        .arg("--data-dir")
        .arg(&data)
        .arg("--functions")
        .arg(programs())
        .arg("--settings")
        .arg(directory.join("settings.json"))
        .current_dir(repository())
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a log"))
        .stderr(output)
        .spawn()
        .expect("the platform starts");
    let deadline = Instant::now() + START;
    loop {
        // It may be read while it is written.
        let text = fs::read_to_string(&ready).unwrap_or_default();
        if let Ok(about) = serde_json::from_str(&text) {
            return (process, about);
        }
        let ended = process.try_wait().expect("a child");
        if ended.is_some() || Instant::now() > deadline {
            let _ = process.kill();
            let _ = process.wait();
            let log = fs::read_to_string(&log).unwrap_or_default();
            panic!("the platform did not start ({ended:?}):\n{log}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
