//! What a user wants to be told of, and how.

use serde::{Deserialize, Serialize};

/// What a user wants to be told of, and how. What bears on the safety of the account is always mailed, and so are
/// receipts and failed payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// What bears on the safety of the account, by text.
    pub security_text: bool,
    /// What becomes of a subscription, by mail.
    pub billing_mail: bool,
    /// Failed payments and the end of a subscription, by text.
    pub billing_text: bool,
    /// What helps to get on with the app, by mail.
    pub product_mail: bool,
}

/// What holds until a user chooses: who adds a phone wants to be warned by it.
impl Default for Preferences {
    fn default() -> Self {
        Self { security_text: true, billing_mail: true, billing_text: false, product_mail: true }
    }
}
