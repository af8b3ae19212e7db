use super::failure::{Failure, Result};
use super::keys::SigningKeys;
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
    /// Show which there are and which are missing, never their values
    List,
}

/// The most that a parameter of the standard tier holds.
const MOST_BYTES: usize = 4_096;

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    match &arguments.verb {
        Verb::Set { name } => set(target, name).await,
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
    if value.len() > MOST_BYTES {
        return Err(Failure::new(format!(
            "a parameter holds at most {MOST_BYTES} bytes; these are {}",
            value.len()
        )));
    }
    let parameters = Parameters::of(&place);
    if parameter.name == SIGNING_KEYS {
        parameters.put_signing_keys(&SigningKeys::from_json(&value)?).await?;
    } else {
        parameters.put(name, &value, parameter.secret).await?;
    }
    say!("{name} is set for stage {}.", place.stage.name);
    terminal::note(
        "functions read it when an instance starts; cargo cloud deploy function NAME replaces the running ones",
    );
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
