use jiff::Timestamp;

use super::failure::{Failure, Result};
use super::keys::{SigningKeys, Step, time_of_day};
use super::parameters::{PUBLIC_KEYS, Parameters, SIGNING_KEYS};
use super::target::{MODEL, Target, listed};
use super::terminal::{self, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set a value, which is read from standard input so that no shell remembers it
    Set {
        /// The parameter's name, as the model has it
        name: String,
    },
    /// Replace the keys that sign tokens, in two steps: the first makes a new one, the second, ten minutes later, lets it sign
    Rotate {
        /// The parameter's name: auth/signing-keys
        name: String,
    },
    /// Show which there are and which are missing, never their values
    List,
}

/// The most that a parameter of the standard tier holds.
const MOST_BYTES: usize = 4_096;

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    match &arguments.verb {
        Verb::Set { name } => set(target, name).await,
        Verb::Rotate { name } => rotate(target, name).await,
        Verb::List => list(target).await,
    }
}

async fn set(target: &Target, name: &str) -> Result<()> {
    let known = MODEL.parameters.iter().find(|parameter| parameter.name == name);
    let Some(parameter) = known else {
        let names: Vec<_> = MODEL.parameters.iter().map(|parameter| parameter.name).collect();
        return Err(Failure::new(format!("the app has no parameter \"{name}\"; it has {}", listed(&names))));
    };
    if parameter.name == PUBLIC_KEYS {
        return Err(Failure::new(format!("{PUBLIC_KEYS} follows from {SIGNING_KEYS}; set that one")));
    }
    let place = target.connect().await?;
    let value = terminal::standard_input("the value")?;
    if value.is_empty() {
        return Err(Failure::new(format!(
            "there is no value on standard input; try: cargo cloud secrets set {name} < FILE"
        )));
    }
    check_length(&value)?;
    let parameters = Parameters::of(&place);
    if parameter.name == SIGNING_KEYS {
        parameters.put_signing_keys(&SigningKeys::from_json(&value)?).await?;
    } else {
        parameters.put(name, &value, parameter.secret).await?;
    }
    say!("{name} is set for stage {}.", place.stage.name);
    terminal::note("functions that have read another value believe it for ten minutes at most");
    Ok(())
}

fn check_length(value: &str) -> Result<()> {
    if value.len() > MOST_BYTES {
        return Err(Failure::new(format!(
            "a parameter holds at most {MOST_BYTES} bytes; these are {}",
            value.len()
        )));
    }
    Ok(())
}

/// The keys never leave the parameter but to be written back: what is said here holds nothing of them.
async fn rotate(target: &Target, name: &str) -> Result<()> {
    if name != SIGNING_KEYS {
        return Err(Failure::new(format!(
            "only {SIGNING_KEYS} is rotated; any other parameter is set: cargo cloud secrets set {name} < FILE"
        )));
    }
    let place = target.connect().await?;
    let parameters = Parameters::of(&place);
    let mut keys = parameters.signing_keys().await?;
    let step = keys.rotate(Timestamp::now().as_second())?;
    check_length(&keys.to_json())?;
    parameters.put_signing_keys(&keys).await?;
    let stage = &place.stage.name;
    match step {
        Step::Appended { until } => say!(
            "Stage {stage} has a new key, which every function will know by {}. It signs nothing until you run the \
             same command again then.",
            time_of_day(until)
        ),
        Step::Promoted => say!(
            "The new key of stage {stage} signs from now on. The old one still verifies what it signed; the first \
             rotation after thirty days drops it."
        ),
    }
    Ok(())
}

async fn list(target: &Target) -> Result<()> {
    let place = target.connect().await?;
    let missing = Parameters::of(&place).missing().await?;
    let rows: Vec<_> = MODEL
        .parameters
        .iter()
        .map(|parameter| {
            let state = if missing.contains(&parameter.name) { "missing" } else { "set" };
            let kind = if parameter.secret { "secret" } else { "plain" };
            vec![parameter.name.to_owned(), state.to_owned(), kind.to_owned(), parameter.purpose.to_owned()]
        })
        .collect();
    terminal::table(&["parameter", "state", "kind", "what it holds"], &rows);
    Ok(())
}
