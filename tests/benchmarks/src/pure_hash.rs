//! The argon2 hash alone, in a process of its own, so that its CPU time is told in the same way as a function's.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::process;

/// A process that checks passwords. It is killed when this is dropped.
pub(crate) struct PureHash {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PureHash {
    pub(crate) fn start(binary: &Path) -> Result<Self> {
        let mut process = Command::new(binary).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = process.stdin.take().ok_or("no input")?;
        let answers = BufReader::new(process.stdout.take().ok_or("no output")?);
        Ok(Self { process, orders, answers })
    }

    /// Checks one password: how long it took, and how much CPU time.
    pub(crate) fn check(&mut self) -> Result<(Duration, Duration)> {
        let before = process::cpu(self.process.id())?;
        let began = Instant::now();
        self.orders.write_all(b"\n")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let took = began.elapsed();
        if answer.trim() != "true" {
            return Err("the password was not found right".into());
        }
        Ok((took, process::cpu(self.process.id())? - before))
    }
}

impl Drop for PureHash {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
