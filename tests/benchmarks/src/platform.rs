//! The platform, as `cargo local` runs it, and what its console tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Result;
use crate::binaries::Workspace;
use crate::http::{Connection, Response};
use crate::process;

/// A running platform. It is stopped when this is dropped.
pub(crate) struct Platform {
    process: Child,
    pub(crate) port: u16,
    pub(crate) origin: String,
}

const PATIENCE: Duration = Duration::from_secs(30);

/// A first start may build the functions.
const PATIENCE_WITH_CARGO: Duration = Duration::from_secs(20 * 60);

/// How often something is looked at that cannot be waited for otherwise.
const GLANCE: Duration = Duration::from_millis(1);

impl Platform {
    /// Starts one on empty data, with the functions that are measured and that it never ends for being idle.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let data_dir = workspace.scratch.join("data/platform");
        fs::create_dir_all(&data_dir)?;
        let mut command = Command::new(&workspace.platform);
        command
            .args(["--port", "0", "--idle-minutes", "600", "--data-dir"])
            .arg(&data_dir)
            .arg("--functions")
            .arg(&workspace.functions)
            .current_dir(&workspace.root);
        let log = fs::File::create(workspace.scratch.join("logs/platform.log"))?;
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut platform = Self { process, port: 0, origin: String::new() };
        let told = platform.wait_until_ready(&data_dir.join("platform.json"))?;
        platform.origin = told["origin"].as_str().unwrap_or_default().to_owned();
        platform.port = platform.origin.rsplit(':').next().unwrap_or_default().parse()?;
        Ok(platform)
    }

    fn wait_until_ready(&mut self, told: &Path) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready = fs::read(told).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
            if let Some(ready) = ready.filter(|ready| ready["pid"] == self.process.id()) {
                return Ok(ready);
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("the platform ended: {status}").into());
            }
            if Instant::now() > deadline {
                return Err("the platform does not get ready".into());
            }
            thread::sleep(GLANCE);
        }
    }

    pub(crate) fn connect(&self) -> Result<Connection> {
        Ok(Connection::open(self.port)?)
    }

    /// What the console says at this path.
    pub(crate) fn console(&self, path: &str) -> Result<Value> {
        let response = self.connect()?.send("GET", path, &[], b"")?;
        if response.status != 200 {
            return Err(format!("GET {path}: {} {}", response.status, response.text()).into());
        }
        Ok(serde_json::from_slice(&response.body)?)
    }

    /// Asks the console until it says what is wanted.
    pub(crate) fn console_until<T>(&self, path: &str, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = wanted(&self.console(path)?) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(format!("GET {path} does not say what is waited for").into());
            }
            thread::sleep(10 * GLANCE);
        }
    }

    /// The environment that it gives to the instances of a function. One is started by an event of no kind, whatever
    /// the function makes of that.
    pub(crate) fn environment_of(&self, function: &str) -> Result<Vec<(String, String)>> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        self.connect()?.send("POST", &path, &[("content-type", "application/json")], b"{}")?.expect(200)?;
        let pid = self.console_until("/_local/functions", |functions| {
            let functions = functions["functions"].as_array()?;
            let function = functions.iter().find(|known| known["name"] == function)?;
            function["instances"][0]["pid"].as_u64()
        })?;
        Ok(process::environment(u32::try_from(pid)?)?)
    }

    /// Resident memory, in MiB: now, and the most there was. Without the functions.
    pub(crate) fn memory_mib(&self) -> Result<(f64, f64)> {
        Ok(process::memory_mib(self.process.id())?)
    }

    /// Waits until it and its functions have nothing left to do, so that they do not run beside what is measured: each
    /// session that is started is an event, which is published, queued and consumed.
    pub(crate) fn settle(&self) -> Result<()> {
        const STRETCH: Duration = Duration::from_millis(10);
        const IDLE: Duration = Duration::from_micros(500);
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut before = self.cpu()?;
        while Instant::now() < deadline {
            thread::sleep(STRETCH);
            let now = self.cpu()?;
            if now.saturating_sub(before) < IDLE {
                break;
            }
            before = now;
        }
        Ok(())
    }

    fn cpu(&self) -> Result<Duration> {
        let functions = process::children(self.process.id());
        let functions = functions.iter().filter_map(|pid| process::cpu(*pid).ok());
        Ok(process::cpu(self.process.id())? + functions.sum())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// Starts a platform by this command on this port, and says how long it took until it answered its first request.
pub(crate) fn time_start(mut command: Command, port: u16, log: &PathBuf) -> Result<Duration> {
    let log = fs::File::create(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let began = Instant::now();
    let mut process = command.spawn()?;
    let took = loop {
        if is_healthy(port) {
            break Ok(began.elapsed());
        }
        if let Some(status) = process.try_wait()? {
            return Err(format!("{command:?} ended: {status}").into());
        }
        if began.elapsed() > PATIENCE_WITH_CARGO {
            break Err(format!("{command:?} does not answer").into());
        }
        thread::sleep(GLANCE);
    };
    stop(&mut process);
    took
}

fn is_healthy(port: u16) -> bool {
    let health = |mut connection: Connection| -> Result<Response> {
        connection.send("GET", "/api/health", &[("connection", "close")], b"")
    };
    Connection::open(port).is_ok_and(|connection| health(connection).is_ok_and(|answer| answer.status == 200))
}

/// As Ctrl-C does.
fn stop(process: &mut Child) {
    if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::INT);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && matches!(process.try_wait(), Ok(None)) {
        thread::sleep(10 * GLANCE);
    }
    let _ = process.kill();
    let _ = process.wait();
}
