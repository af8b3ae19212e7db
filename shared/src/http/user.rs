//! A user, as their own browser is shown them.

use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use crate::user::User;

/// A user, as shown to themselves.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserDocument {
    /// Id.
    #[schema(example = "usr_019346f1a2b37c8d9e0f1a2b3c4d5e6f")]
    id: String,
    /// The address that mail goes to.
    #[schema(example = "ada@example.com")]
    email: String,
    /// The name to show.
    #[schema(example = "Ada Lovelace")]
    name: String,
    /// Whether the address was shown to be the user's.
    verified: bool,
    /// When the user signed up.
    created_at: Time,
}

impl From<&User> for UserDocument {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            name: user.name.to_string(),
            verified: user.is_verified(),
            created_at: user.created_at.into(),
        }
    }
}
