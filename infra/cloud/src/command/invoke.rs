use std::fs;
use std::path::PathBuf;

use aws_sdk_lambda::types::LogType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::failure::{Failure, Result};
use super::target::{self, Target};
use super::terminal::{self, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function's name, as the model has it
    name: String,
    /// The event as JSON: a file, or - for standard input; else an empty object
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
}

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let function = target::function(&arguments.name)?;
    let event = event(arguments)?;
    let place = target.connect().await?;
    place.stack().await?;
    let name = place.function(function);
    let invoked = place.aws.lambda().invoke().function_name(&name).log_type(LogType::Tail);
    let invoked = invoked.payload(event.into_bytes().into()).send().await;
    let invoked = invoked.map_err(|error| Failure::aws(&format!("invoking {name}"), &error))?;
    let log = invoked.log_result.and_then(|log| STANDARD.decode(log).ok()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    if !log.trim().is_empty() {
        eprintln!("{}", log.trim_end());
    }
    let payload = invoked.payload.map(aws_sdk_lambda::primitives::Blob::into_inner).unwrap_or_default();
    say!("{}", String::from_utf8_lossy(&payload));
    match invoked.function_error {
        Some(_) => Err(Failure::new(format!("{} failed; its answer above says why", arguments.name))),
        None => Ok(()),
    }
}

fn event(arguments: &Arguments) -> Result<String> {
    let text = match &arguments.event {
        None => "{}".to_owned(),
        Some(path) if path.as_os_str() == "-" => terminal::standard_input("the event")?,
        Some(path) => fs::read_to_string(path)
            .map_err(|error| Failure::io(format!("reading {}", path.display()), &error))?,
    };
    serde_json::from_str::<serde_json::Value>(&text)
        .map_err(|error| Failure::new(format!("the event is not JSON: {error}")))?;
    Ok(text)
}
