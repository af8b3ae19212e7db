//! What a workspace can pay for.

use serde::{Deserialize, Serialize};

/// What a workspace pays for. What it costs is the payment provider's to say; what it opens is said by
/// `Entitlements`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Nothing: what everybody has.
    Free,
    /// For one who works with it.
    Pro,
    /// For a company.
    Business,
}

impl Plan {
    /// The plan of the provider's product that bears this in its metadata, as `plan`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "pro" => Some(Self::Pro),
            "business" => Some(Self::Business),
            _ => None,
        }
    }

    /// Its name in JSON and in the provider's metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Business => "business",
        }
    }
}
