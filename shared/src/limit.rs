//! How much of what anyone may ask for, and how long a refusal lasts.
//!
//! A limit counts in fixed windows. What costs an attacker little and the app or a bystander much is
//! limited by whoever asks for it (the client) and by whom it hits (the account, the address). No
//! limit on an account can lock its owner out: a device that has signed in before has a bucket of its
//! own, and a reset link opened from the owner's inbox makes any device one of those.

use std::time::Duration;

/// A limit: so many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Name, part of the counter's key.
    pub name: &'static str,
    /// The most in one window.
    pub max: u32,
    /// Length of the window.
    pub window: Duration,
}

const MINUTES: u64 = 60;
const HOUR: Duration = Duration::from_secs(60 * MINUTES);

/// Failed sign-ins by one client. Room for an office behind one address, none for a dictionary.
pub const SIGN_IN_BY_CLIENT: Limit = limit("sign_in.client", 100, Duration::from_secs(15 * MINUTES));

/// Failed sign-ins to one account by one client, or by one known device.
pub const SIGN_IN_TO_ACCOUNT: Limit = limit("sign_in.account", 10, Duration::from_secs(15 * MINUTES));

/// Failed sign-ins to one account by all clients that it does not know: what a botnet gets.
pub const SIGN_IN_BY_STRANGERS: Limit = limit("sign_in.strangers", 100, HOUR);

/// Sign-ups by one client.
pub const SIGN_UP_BY_CLIENT: Limit = limit("sign_up.client", 20, HOUR);

/// Mails asked for to one address, by whomever.
pub const MAIL_TO_ADDRESS: Limit = limit("mail.address", 5, HOUR);

/// Mails asked for by one client.
pub const MAIL_BY_CLIENT: Limit = limit("mail.client", 30, HOUR);

/// Password checks by one signed-in user: somebody at an unlocked screen guesses no faster.
pub const PASSWORD_CHECK: Limit = limit("password_check", 10, Duration::from_secs(15 * MINUTES));

/// Mails of one kind sent to one address, whatever asked for them. Each kind has its own, so that nobody
/// can use up what warns an owner by asking for something else.
pub const MAIL_SENT_TO_ADDRESS: Limit = limit("mail_sent.address", 10, HOUR);

/// Codes to phones asked for by one client.
pub const CODE_BY_CLIENT: Limit = limit("code.client", 10, HOUR);

/// Codes to phones asked for by one user.
pub const CODE_BY_USER: Limit = limit("code.user", 6, HOUR);

/// Codes to the phones of one range asked for by one user: room for a number mistyped and for codes that did not arrive. Whoever
/// has numbers by the range is refused before anybody else is.
pub const CODE_BY_USER_TO_RANGE: Limit = limit("code.user_range", 4, HOUR);

/// Codes asked for to one phone, by whomever: whoever has it reads no more than these.
pub const CODE_TO_NUMBER: Limit = limit("code.number", 3, HOUR);

/// Texts of one kind sent to one number, whatever asked for them, as [`MAIL_SENT_TO_ADDRESS`].
pub const TEXT_SENT_TO_NUMBER: Limit = limit("text_sent.number", 5, HOUR);

/// Checkouts and portals asked for by one user: each costs calls to the payment provider.
pub const BILLING_BY_USER: Limit = limit("billing.user", 60, HOUR);

/// Pages of invoices asked for by one user, who may leaf through years of them: each costs a call to the payment
/// provider.
pub const INVOICES_BY_USER: Limit = limit("invoices.user", 60, Duration::from_secs(5 * MINUTES));

const fn limit(name: &'static str, max: u32, window: Duration) -> Limit {
    Limit { name, max, window }
}
