//! The whole app on this laptop. `cargo local` builds this program and the functions, and becomes it.

mod terminal;

use std::process::ExitCode;

use infra_local::functions;
use infra_local::platform::Platform;
use infra_local::settings::{Arguments, Settings};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = match terminal::arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn,dynoxide=error".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => terminal::failed(&*error),
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::from_arguments(arguments, binaries(arguments)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(settings, arguments.open))
}

/// The folder of the functions' binaries: the one given, or the one that this program lies in.
fn binaries(arguments: &Arguments) -> Result<std::path::PathBuf, functions::Error> {
    match &arguments.functions {
        Some(folder) => std::path::absolute(folder).map_err(|_| functions::Error::UnknownFolder),
        None => functions::default_folder(),
    }
}

async fn serve(settings: Settings, open: bool) -> Result<(), Box<dyn std::error::Error>> {
    let mut interrupted = terminal::Interrupted::listen()?;
    let platform = Platform::start(settings).await?;
    terminal::ready(&platform);
    if open {
        terminal::open(platform.origin());
    }
    interrupted.wait().await;
    terminal::stopping();
    tokio::select! {
        () = platform.shutdown() => Ok(()),
        // Asked twice, it ends at once; the functions end with it.
        () = interrupted.wait() => Ok(()),
    }
}
