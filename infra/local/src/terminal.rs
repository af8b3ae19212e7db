//! What is said on the terminal, and what is heard from there.

use std::error::Error;
use std::io::{self, IsTerminal};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use clap::error::ErrorKind;
use infra_local::platform::Platform;
use infra_local::settings::Arguments;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The command line, or with which code to end.
pub(crate) fn arguments() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        eprintln!("{}; see cargo local --help", first.trim_end_matches('.'));
        ExitCode::from(2)
    })
}

/// Says in one sentence why it cannot go on.
pub(crate) fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// Says where everything is.
pub(crate) fn ready(platform: &Platform) {
    let origin = platform.origin();
    let [bold, dim, plain] =
        if io::stdout().is_terminal() { ["\x1b[1m", "\x1b[2m", "\x1b[0m"] } else { [""; 3] };
    let payments = match platform.endpoints().stripe {
        Some(_) => format!("{origin}/_local/ui/payments"),
        None => format!("Stripe in test mode: stripe listen --forward-to {origin}/api/billing/webhook"),
    };
    println!(
        "
  {bold}Billion runs on this laptop.{plain}

  App       {bold}{origin}{plain}
  Console   {origin}/_local
  Inbox     {origin}/_local/ui/inbox
  Payments  {payments}
  Data      {}

  {dim}Ctrl-C stops it.{plain}
",
        platform.data_dir().display()
    );
}

pub(crate) fn stopping() {
    println!("Stopping, once what is running has finished. Ctrl-C again stops at once.");
}

/// Opens a page in the browser.
pub(crate) fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if opened.is_err() {
        eprintln!("No browser could be opened; go to {url}");
    }
}

/// Ctrl-C, or the system's request to end.
pub(crate) struct Interrupted {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupted {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
