//! What one may choose when starting the platform: the command line and the settings file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use infra_model::{APP, App};

use crate::faults;
use crate::payments::Secrets;

/// The whole app on this laptop: frontend, functions, table, events and mail. Nothing else is
/// needed, and nothing leaves this machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", disable_help_subcommand = true)]
pub struct Arguments {
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// Where the table, the queues, the mail and the keys are kept
    #[arg(long, value_name = "FOLDER", default_value = ".local")]
    pub data_dir: PathBuf,
    /// Start with no data: empties the data folder
    #[arg(long)]
    pub fresh: bool,
    /// Open the app in the browser
    #[arg(long)]
    pub open: bool,
    /// Faults to inject and timeouts to change, as JSON: what GET /_local/settings shows
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Where the functions' binaries lie, if they are not to be built
    #[arg(long, value_name = "FOLDER")]
    pub functions: Option<PathBuf>,
    /// Minutes until an instance that waits for work is ended
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0, value_parser = minutes)]
    pub idle_minutes: f64,
}

/// What the platform is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is run.
    pub app: &'static App,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// Where everything is kept that must outlive the platform.
    pub data_dir: PathBuf,
    /// Whether to empty it first.
    pub fresh: bool,
    /// Where the functions' binaries lie.
    pub functions: PathBuf,
    /// How long an instance may wait for work until it is ended.
    pub idle_timeout: Duration,
    /// How long a failed asynchronous invocation waits before its second and third try. Lambda
    /// waits one minute and two.
    pub async_retry_waits: [Duration; 2],
    /// What can be changed while it runs.
    pub changeable: faults::Settings,
    /// How the real Stripe knows the app, if it is to be used instead of the simulated one.
    pub stripe: Option<Secrets>,
}

/// Why the settings are no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the settings file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the settings file {} is not right: {reason}", path.display())]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The real Stripe is asked for, but not with its test mode.
    #[error("STRIPE_SECRET_KEY is no test key (sk_test_… or rk_test_…), and a laptop gets no other")]
    NoTestKey,
    /// Nobody could tell its webhooks from a stranger's.
    #[error(
        "STRIPE_SECRET_KEY is set, so STRIPE_WEBHOOK_SECRET must be, too: what `stripe listen --print-secret` prints"
    )]
    NoWebhookSecret,
}

impl Settings {
    /// The app as it is if nothing else is said, with the functions' binaries in this folder.
    #[must_use]
    pub fn new(data_dir: PathBuf, functions: PathBuf) -> Self {
        Self {
            app: &APP,
            port: 0,
            data_dir,
            fresh: false,
            functions,
            idle_timeout: Duration::from_secs(5 * 60),
            async_retry_waits: [Duration::from_secs(1), Duration::from_secs(2)],
            changeable: faults::Settings::default(),
            stripe: None,
        }
    }

    /// As the command line says, with the functions' binaries in this folder.
    ///
    /// # Errors
    /// If the settings file cannot be read, or is not right.
    pub fn from_arguments(arguments: &Arguments, functions: PathBuf) -> Result<Self, Error> {
        Ok(Self {
            port: arguments.port,
            fresh: arguments.fresh,
            idle_timeout: Duration::from_secs_f64(arguments.idle_minutes * 60.0),
            changeable: arguments.settings.as_deref().map(read).transpose()?.unwrap_or_default(),
            stripe: real_stripe(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?,
            ..Self::new(arguments.data_dir.clone(), functions)
        })
    }
}

fn read(path: &Path) -> Result<faults::Settings, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Wrong { path: path.to_owned(), reason: error.to_string() })
}

/// What the environment says of the real Stripe, if anything.
fn real_stripe(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Secrets>, Error> {
    let Some(key) = variable("STRIPE_SECRET_KEY") else { return Ok(None) };
    if !key.starts_with("sk_test_") && !key.starts_with("rk_test_") {
        return Err(Error::NoTestKey);
    }
    let webhook = variable("STRIPE_WEBHOOK_SECRET").ok_or(Error::NoWebhookSecret)?;
    Ok(Some(Secrets { key, webhooks: vec![webhook] }))
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    let sensible = minutes > 0.0 && minutes <= 24.0 * 60.0;
    sensible.then_some(minutes).ok_or_else(|| "it must be above 0 and at most 1440".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_real_stripe_is_used_in_test_mode_and_with_its_webhooks_secret_only() {
        let with = |variables: &[(&str, &str)]| {
            let variables: std::collections::HashMap<String, String> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            real_stripe(|name| variables.get(name).cloned())
        };
        assert!(with(&[]).unwrap().is_none());
        assert!(matches!(with(&[("STRIPE_SECRET_KEY", "sk_live_1")]), Err(Error::NoTestKey)));
        let key = ("STRIPE_SECRET_KEY", "sk_test_1");
        assert!(matches!(with(&[key]), Err(Error::NoWebhookSecret)));
        let secrets = with(&[key, ("STRIPE_WEBHOOK_SECRET", "whsec_1")]).unwrap().unwrap();
        assert_eq!(secrets.parameters()[1].1, r#"["whsec_1"]"#);
    }

    #[test]
    fn a_settings_file_is_read_and_a_wrong_one_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.json");
        fs::write(&path, r#"{"faults":{"table":{"throttle":0.5}}}"#).unwrap();
        let path_text = path.to_str().unwrap();
        let arguments = Arguments::try_parse_from(["cargo local", "--settings", path_text]).unwrap();
        let settings = Settings::from_arguments(&arguments, PathBuf::new()).unwrap();
        assert!((settings.changeable.faults.table.throttle - 0.5).abs() < f64::EPSILON);
        fs::write(&path, r#"{"fault":{}}"#).unwrap();
        let error = Settings::from_arguments(&arguments, PathBuf::new()).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
}
