//! The environment, read once by each function's `config.rs` and nowhere else.

use std::{env, fmt::Display, str::FromStr};

/// A variable that is not there or not readable. Its value is never shown: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The variable is not set, or set to nothing.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The variable is set to something else than what it must hold.
    #[error("the environment variable {name} is not valid: {reason}")]
    Invalid {
        /// The variable's name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// The value of a variable that must be set.
///
/// # Errors
/// If it is not set, empty, or not Unicode.
pub fn required(name: &'static str) -> Result<String, Error> {
    optional(name)?.ok_or(Error::Missing(name))
}

/// The value of a variable that may be set. Empty counts as not set.
///
/// # Errors
/// If it is not Unicode.
pub fn optional(name: &'static str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Error::Invalid { name, reason: "it is not Unicode".to_owned() })
        }
    }
}

/// The value of a variable that must be set, read as a `T`.
///
/// # Errors
/// If it is not set or is no `T`.
pub fn parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<T, Error> {
    required(name)?.parse().map_err(|reason: T::Err| Error::Invalid { name, reason: reason.to_string() })
}

/// An origin as `https://example.com`: no path, no query, no trailing slash.
///
/// # Errors
/// If the variable is not set or holds no origin.
pub fn origin(name: &'static str) -> Result<String, Error> {
    let value = required(name)?;
    let invalid = |reason: &str| Error::Invalid { name, reason: reason.to_owned() };
    let uri: http::Uri = value.parse().map_err(|_| invalid("it is no URL"))?;
    let authority = uri.authority().ok_or_else(|| invalid("it names no host"))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || value != format!("{scheme}://{authority}") {
        return Err(invalid("it must look like https://example.com"));
    }
    Ok(value)
}
