//! Ties the functions' lives to the platform's, even when it is killed with `kill -9`.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Ends the whole process group once its input is closed, which the kernel does for whoever held
/// the other end, however that ended.
const HOLD: &str = "read -r _; kill -KILL 0";

/// A process group for the functions, ended with this value or with the platform.
///
/// A group of its own also keeps the terminal's Ctrl-C from the functions, so that they finish
/// what they do.
#[derive(Debug)]
pub(super) struct Leash {
    holder: Child,
    hold: Option<ChildStdin>,
}

impl Leash {
    pub(super) fn new() -> io::Result<Self> {
        let mut holder = Command::new("/bin/sh")
            .args(["-c", HOLD])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let hold = holder.stdin.take();
        Ok(Self { holder, hold })
    }

    /// The group that a function's process must join.
    pub(super) fn group(&self) -> i32 {
        i32::try_from(self.holder.id()).expect("a process id is a positive i32")
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.hold.take());
        // It ends at once, and this collects it.
        let _ = self.holder.wait();
    }
}
