use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Why a command cannot go on: one plain sentence that says what is missing, and how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// A call that AWS did not answer as hoped; `doing` completes "… failed", as "reading the stack".
    pub(crate) fn aws<E>(doing: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if let Some(service) = error.as_service_error() {
            let message = service.message().unwrap_or("no reason was given").trim_end_matches('.');
            let Some(code) = service.code() else {
                return Self(format!("{doing} failed: {}", DisplayErrorContext(error)));
            };
            return Self(match meaning(code) {
                Some(meaning) => format!("{doing} failed: {meaning} ({message})"),
                None => format!("{doing} failed: {message} ({code})"),
            });
        }
        if matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) {
            let cause = innermost(error);
            return Self(format!("{doing} failed: AWS could not be reached ({cause})"));
        }
        Self(format!("{doing} failed: {}", DisplayErrorContext(error)))
    }

    /// A file or a program of this machine that is not as it should be.
    pub(crate) fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        Self(format!("{doing} failed: {error}"))
    }
}

/// What the codes mean that every service may answer with.
fn meaning(code: &str) -> Option<&'static str> {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            Some("your AWS credentials have expired; sign in again")
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId" => Some("AWS does not know these credentials"),
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            Some("your AWS identity may not do this")
        }
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
            Some("AWS takes no more requests just now; try again")
        }
        _ => None,
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Failure {}
