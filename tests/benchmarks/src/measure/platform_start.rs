//! From the start of `cargo local` until it answers its first request, which starts a function.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::Result;
use crate::binaries::{Workspace, cargo_command};
use crate::platform::time_start;
use crate::report::{Section, Unit};
use crate::samples::Samples;

const LIMIT_MS: f64 = 300.0;

pub(crate) fn measure(workspace: &Workspace, rounds: u32, section: &mut Section) -> Result<()> {
    let data_dir = workspace.scratch.join("data/start");
    let log = workspace.scratch.join("logs/platform-start.log");
    let start = |mut command: Command| {
        let port = free_port()?;
        command.args(["--port", &port.to_string(), "--data-dir"]).arg(&data_dir);
        time_start(command, port, &log)
    };
    let as_typed = || {
        let mut command = cargo_command(&workspace.root);
        command.arg("local");
        command
    };
    let alone = || {
        let mut command = Command::new(&workspace.platform);
        command.current_dir(&workspace.root);
        command
    };

    // The first one makes the data folder.
    start(as_typed())?;
    let (mut typed, mut binary) = (Samples::default(), Samples::default());
    for _ in 0..rounds.div_ceil(4) {
        typed.push_time(start(as_typed())?);
        binary.push_time(start(alone())?);
    }
    let what = "start → first 200 of `/api/health`";
    section.samples(format!("{what}, as typed"), Unit::Milliseconds, &typed, Some(LIMIT_MS));
    section.samples(format!("{what}, the platform's binary alone"), Unit::Milliseconds, &binary, None);
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
