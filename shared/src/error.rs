//! What can go wrong in the domain. The HTTP edge maps each to a status, the queue edge to a retry.

use std::error::Error as StdError;
use std::time::Duration;

/// The result of an operation of the domain.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation of the domain was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Input that breaks a rule, with each field that does.
    #[error("the input breaks a rule")]
    Invalid(Vec<FieldError>),
    /// Nobody is signed in, or the proof of it is not good.
    #[error("not signed in")]
    Unauthenticated,
    /// Wrong password, unknown address or unverified address: alike to whoever asks.
    #[error("the credentials are not good")]
    InvalidCredentials,
    /// A one-time link that is unknown, spent, expired or superseded.
    #[error("the link is not good")]
    InvalidLink,
    /// A code that is unknown, spent, expired or superseded, or was tried too often.
    #[error("the code is not good")]
    InvalidCode,
    /// What was asked for does not exist, or is not the caller's.
    #[error("not found")]
    NotFound,
    /// The state has changed under the operation; it was not applied.
    #[error("the state has changed meanwhile")]
    Conflict,
    /// A limit is reached.
    #[error("too many requests")]
    TooManyRequests {
        /// When to try again.
        retry_after: Duration,
    },
    /// All of a scarce resource is in use.
    #[error("too busy")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// Something that the operation needs does not answer, or not well; it may be applied or not. Its cause is for
    /// the log, never for the caller.
    #[error("something needed does not answer")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// Anything else: its cause is for the log, never for the caller.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// An error whose cause is for the log only.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// One field that breaks a rule.
    #[must_use]
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }
}

/// A field of the input that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field in the request.
    pub field: String,
    /// What to do about it: one plain sentence.
    pub message: String,
}

impl FieldError {
    /// An error of this field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}
