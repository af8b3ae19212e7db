//! One instance of a function, run as Lambda runs it: the [Runtime API] on loopback, one invocation at a time.
//!
//! One thread serves it and only while it is waited for, so nothing else runs while the clock does.
//!
//! [Runtime API]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use crate::Result;
use crate::http::{Connection, Request};
use crate::process;

/// How a function is started.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) command: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
    /// Where the output of its instances goes.
    pub(crate) log: PathBuf,
}

/// A running instance. It is killed when this is dropped.
pub(crate) struct Instance {
    name: &'static str,
    log: PathBuf,
    process: Child,
    listener: TcpListener,
    connections: Vec<Connection>,
    /// Which connection asked for the next invocation.
    waiting: Option<usize>,
    started: Instant,
    init: Duration,
    invocations: u64,
}

/// The answer to an invocation of a function behind HTTP.
pub(crate) struct Answer {
    /// From the invocation's delivery until the whole answer was here.
    pub(crate) took: Duration,
    /// When it was here, since the process was started.
    pub(crate) since_start: Duration,
    pub(crate) status: u64,
    pub(crate) body: String,
    /// The cookies that it sets, as a `Cookie` header gives them back.
    pub(crate) cookies: Vec<String>,
}

const PATIENCE: Duration = Duration::from_secs(30);

impl Instance {
    /// Starts one and waits until it asks for its first invocation.
    pub(crate) fn start(function: &Function) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let log = File::options().create(true).append(true).open(&function.log)?;
        let mut command = Command::new(&function.command[0]);
        command
            .args(&function.command[1..])
            .env_clear()
            .envs(function.environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .current_dir(function.log.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let started = Instant::now();
        let process = command.spawn()?;
        let mut instance = Self {
            name: function.name,
            log: function.log.clone(),
            process,
            listener,
            connections: Vec::new(),
            waiting: None,
            started,
            init: Duration::ZERO,
            invocations: 0,
        };
        instance.wait_for_next()?;
        instance.init = started.elapsed();
        Ok(instance)
    }

    /// From the start of the process until it asked for its first invocation.
    pub(crate) fn init(&self) -> Duration {
        self.init
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The CPU time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(process::cpu(self.pid())?)
    }

    /// Hands it an HTTP request, and waits for its answer and until it asks for the next.
    pub(crate) fn request(&mut self, event: &Value) -> Result<Answer> {
        self.invocations += 1;
        let request_id = format!("00000000-0000-4000-8000-{:012}", self.invocations);
        let payload = serde_json::to_vec(event)?;
        let delivery = delivery(&request_id, &payload)?;
        let waiting = self.waiting.take().ok_or("the instance does not wait for an invocation")?;

        let began = Instant::now();
        self.connections[waiting].write(&delivery)?;
        let (connection, call) = self.next_call()?;
        let ended = Instant::now();

        if !call.path.ends_with(&format!("/invocation/{request_id}/response")) {
            return Err(self.unexpected(&call));
        }
        self.connections[connection].write(ACCEPTED)?;
        self.wait_for_next()?;
        let answer: Value = serde_json::from_slice(&call.body)?;
        let cookies = answer["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Answer {
            took: ended - began,
            since_start: ended - self.started,
            status: answer["statusCode"].as_u64().unwrap_or_default(),
            body: answer["body"].as_str().unwrap_or_default().to_owned(),
            cookies: cookies.filter_map(|cookie| cookie.split(';').next()).map(str::to_owned).collect(),
        })
    }

    fn wait_for_next(&mut self) -> Result<()> {
        let (connection, call) = self.next_call()?;
        if call.method != "GET" || !call.path.ends_with("/runtime/invocation/next") {
            return Err(self.unexpected(&call));
        }
        self.waiting = Some(connection);
        Ok(())
    }

    /// What the process says next, and on which connection.
    fn next_call(&mut self) -> Result<(usize, Request)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sockets =
                self.connections.iter().map(|connection| PollFd::new(connection.socket(), PollFlags::IN));
            let mut ready: Vec<_> = sockets.chain([PollFd::new(&self.listener, PollFlags::IN)]).collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if poll(&mut ready, Some(&Timespec::try_from(left)?))? == 0 {
                return Err(self.silent());
            }
            let first = ready.iter().position(|socket| !socket.revents().is_empty());
            let first = first.ok_or("a socket is ready, but none is")?;
            if first == self.connections.len() {
                let (stream, _) = self.listener.accept()?;
                self.connections.push(Connection::of(stream)?);
            } else if let Some(call) = self.connections[first].read_request()? {
                return Ok((first, call));
            } else {
                self.connections.remove(first);
                if self.connections.is_empty() && self.process.try_wait()?.is_some() {
                    return Err(self.silent());
                }
            }
        }
    }

    fn unexpected(&self, call: &Request) -> crate::Error {
        let body = String::from_utf8_lossy(&call.body);
        format!("{} said {} {}: {body} (see {})", self.name, call.method, call.path, self.log.display())
            .into()
    }

    fn silent(&self) -> crate::Error {
        format!("{} ended or says nothing; see {}", self.name, self.log.display()).into()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is collected.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"status\":\"OK\"}";

/// Each invocation is a trace of its own, as when each is another request.
fn delivery(request_id: &str, payload: &[u8]) -> Result<Vec<u8>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let deadline = (now + PATIENCE).as_millis();
    let head = format!(
        "HTTP/1.1 200 OK\r\n\
         content-type: application/json\r\n\
         lambda-runtime-aws-request-id: {request_id}\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:benchmark\r\n\
         lambda-runtime-trace-id: Root=1-{:08x}-{:024x};Parent=0000000000000001;Sampled=1\r\n\
         content-length: {}\r\n\r\n",
        now.as_secs(),
        now.as_nanos(),
        payload.len(),
    );
    Ok([head.as_bytes(), payload].concat())
}
