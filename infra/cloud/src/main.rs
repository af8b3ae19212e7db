//! `cargo cloud`: the app in an AWS account.

mod command;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use command::{Arguments, Failure};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misunderstood(&error),
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("this program cannot start: {error}")))?;
    runtime.block_on(command::run(arguments))
}

fn misunderstood(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        command::terminal::print(format_args!("{error}"));
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{error}");
    } else {
        eprintln!("{}", one_line(&error.to_string()));
    }
    ExitCode::from(2)
}

/// The first paragraph of what clap says, and where to read on.
fn one_line(text: &str) -> String {
    let paragraph: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or("cargo cloud");
    let is_of_command = |word: &&str| !word.starts_with(['[', '<', '-']);
    let command: Vec<_> = usage.split_whitespace().take_while(is_of_command).collect();
    format!("{}; see {} --help", paragraph.join(" ").trim_end_matches('.'), command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_command_line_is_one_line() {
        let said =
            |arguments: &[&str]| one_line(&Arguments::try_parse_from(arguments).unwrap_err().to_string());
        assert_eq!(
            said(&["cloud", "logs"]),
            "error: the following required arguments were not provided: <NAME>; see cargo cloud logs --help"
        );
        assert_eq!(
            said(&["cloud", "deplyo"]),
            "error: unrecognized subcommand 'deplyo'; see cargo cloud --help"
        );
        let wrong = said(&["cloud", "logs", "email", "--since", "5"]);
        assert!(wrong.ends_with("it must look like 30m, 2h or 7d; see cargo cloud --help"), "{wrong}");
    }
}
