//! `cargo benchmark`: measures the functions, the platform and the site in one run, side by side with a function that
//! does nothing and with a Node.js function that does the same, and says what is over its limit.
//!
//! It stands in for Lambda itself, by the Runtime API, so that nothing of the platform is in the functions' figures.

mod account;
mod binaries;
mod event;
mod functions;
mod http;
mod instance;
mod machine;
mod measure;
mod platform;
mod process;
mod pure_hash;
mod report;
mod samples;

use std::process::ExitCode;

use clap::Parser;

use account::Account;
use binaries::{Profile, Workspace};
use functions::Functions;
use platform::Platform;
use report::Report;

/// Whatever ends the run: it is told and nothing else is done about it.
type Error = Box<dyn std::error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

/// Measures Billion: cold starts, sign-in, the platform, sizes. Takes minutes; leave the machine alone meanwhile.
#[derive(Parser)]
#[command(bin_name = "cargo benchmark")]
struct Arguments {
    /// How often each thing is measured
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Try it all with development builds, whose figures say nothing
    #[arg(long)]
    dev: bool,
}

fn main() -> ExitCode {
    let report = match measure(&Arguments::parse()) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{report}");
    let broken = report.broken();
    for what in &broken {
        eprintln!("over its limit: {what}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(arguments: &Arguments) -> Result<Report> {
    let rounds = arguments.rounds;
    let workspace = Workspace::build(if arguments.dev { Profile::Dev } else { Profile::Release })?;
    println!("{}", machine::describe(&workspace));
    let mut report = Report::default();
    measure::size::measure(&workspace, report.section("Size of what is deployed"))?;
    measure::platform_start::measure(&workspace, rounds, report.section("`cargo local`, already built"))?;

    let platform = Platform::start(&workspace)?;
    let account = Account::sign_up(&platform)?;
    let functions = Functions::of(&workspace, &platform)?;
    measure::cold_start::measure(&platform, &functions, &account, rounds, &mut report)?;
    measure::sign_in::measure(&workspace, &platform, &functions, &account, rounds, &mut report)?;
    measure::request::measure(&platform, &functions, &account, rounds, report.section("A warm request"))?;
    measure::round_trips::measure(&platform, &account, report.section("Round trips to the database"))?;
    measure::page::measure(&workspace, &platform, report.section("What a browser gets for /sign-in"))?;
    Ok(report)
}
