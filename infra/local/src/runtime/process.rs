//! One process of a function: how it is started, stopped, continued and watched.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use bytes::BytesMut;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::log::LogStream;

/// A longer line is cut, as CloudWatch does.
const LONGEST_LINE_BYTES: usize = 256 * 1024;

/// What the system says of a process is about 1,400 bytes long.
const STATUS_BYTES: usize = 4_096;

/// What a process needs to start.
pub(super) struct Launch<'a> {
    pub(super) binary: &'a Path,
    pub(super) task_root: &'a Path,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) group: i32,
}

/// A running process. It is killed when this is dropped.
pub(super) struct Process {
    pid: Pid,
    /// `/proc/<pid>/status`, where there is such a thing.
    status: Option<File>,
    pub(super) end: End,
    pub(super) output: Output,
}

/// The end of a process, to be waited for.
pub(super) struct End(Child);

/// What a process writes.
pub(super) struct Output {
    stdout: Lines<ChildStdout>,
    stderr: Lines<ChildStderr>,
}

impl Process {
    pub(super) fn start(launch: Launch<'_>) -> io::Result<Self> {
        let Launch { binary, task_root, environment, group } = launch;
        let mut child = Command::new(binary)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, OsStr::new(value))))
            .current_dir(task_root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(group)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (Some(pid), Some(stdout), Some(stderr)) = (pid, child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("the process ended as it started"));
        };
        let output = Output { stdout: Lines::new(stdout), stderr: Lines::new(stderr) };
        let status = File::open(format!("/proc/{}/status", pid.as_raw_nonzero())).ok();
        Ok(Self { pid, status, end: End(child), output })
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Stops it between invocations, as Lambda freezes an instance.
    pub(super) fn freeze(&self) {
        // It may have ended; whoever waits for it learns that.
        let _ = kill_process(self.pid, Signal::STOP);
    }

    /// Continues it.
    pub(super) fn thaw(&self) {
        let _ = kill_process(self.pid, Signal::CONT);
    }

    /// Ends it and collects it.
    pub(super) async fn kill(&mut self) {
        let _ = self.end.0.kill().await;
    }

    /// Memory in use now, and the most that was, in MiB. `None` where there is no `/proc`.
    ///
    /// It is watched rather than limited by `setrlimit`: a limit on the address space would count
    /// the mapped binary, and Lambda ends a function by what is resident.
    pub(super) fn memory(&self) -> Option<Memory> {
        // It is asked for with every answer that a caller waits for: one call of the system, and no more is read of
        // it than must be.
        let mut status = [0; STATUS_BYTES];
        let length = self.status.as_ref()?.read_at(&mut status, 0).ok()?;
        let status = str::from_utf8(&status[..length]).ok()?;
        let mib = |name: &str| {
            let kib = status[status.find(name)? + name.len()..].trim_start();
            let kib: u32 = kib[..kib.find(' ')?].parse().ok()?;
            Some(kib.div_ceil(1_024))
        };
        Some(Memory { now_mib: mib("\nVmRSS:")?, peak_mib: mib("\nVmHWM:")? })
    }
}

impl End {
    /// Waits for it, and says how it came in the words of Lambda's own log. May be cancelled.
    pub(super) async fn come(&mut self) -> String {
        match self.0.wait().await {
            Ok(status) => describe(status),
            Err(error) => error.to_string(),
        }
    }
}

impl Output {
    /// The next line; never, after the output has ended. May be cancelled.
    pub(super) async fn line(&mut self) -> (LogStream, String) {
        tokio::select! {
            line = self.stdout.next() => (LogStream::Stdout, line),
            line = self.stderr.next() => (LogStream::Stderr, line),
        }
    }
}

/// Resident memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) now_mib: u32,
    pub(super) peak_mib: u32,
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "signal: killed".to_owned(),
        (None, Some(signal)) => format!("signal: {signal}"),
        (None, None) => status.to_string(),
    }
}

/// A stream cut into lines, with a bound on their length.
struct Lines<R> {
    source: R,
    buffer: BytesMut,
    searched: usize,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(source: R) -> Self {
        Self { source, buffer: BytesMut::new(), searched: 0, ended: false }
    }

    async fn next(&mut self) -> String {
        loop {
            if let Some(line) = self.take_line() {
                return line;
            }
            if self.ended {
                std::future::pending::<()>().await;
            }
            let read = self.source.read_buf(&mut self.buffer).await;
            self.ended = !matches!(read, Ok(1..));
        }
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let line = match end {
            Some(end) => self.buffer.split_to(self.searched + end + 1),
            None if self.buffer.len() >= LONGEST_LINE_BYTES => self.buffer.split_to(LONGEST_LINE_BYTES),
            None if self.ended && !self.buffer.is_empty() => self.buffer.split(),
            None => {
                self.searched = self.buffer.len();
                return None;
            }
        };
        self.searched = 0;
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8], count: usize) -> Vec<String> {
        let mut lines = Lines::new(text);
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(lines.next().await);
        }
        taken
    }

    #[tokio::test]
    async fn output_is_cut_into_lines_and_the_last_needs_no_end() {
        assert_eq!(lines(b"one\r\n\ntwo\nthree", 4).await, ["one", "", "two", "three"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let text = vec![b'x'; LONGEST_LINE_BYTES + 1];
        let taken = lines(&text, 2).await;
        assert_eq!([taken[0].len(), taken[1].len()], [LONGEST_LINE_BYTES, 1]);
    }
}
