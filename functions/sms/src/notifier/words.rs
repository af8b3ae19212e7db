//! The texts there are, and their words: of the GSM 7-bit alphabet, and short, for each 160 characters are paid for.

use std::fmt;

use jiff::Timestamp;
use shared::money::Money;
use shared::phone::PhoneCode;

/// A text, with all that its words depend on. Nothing in it is what a stranger chose.
#[derive(Debug, Clone)]
pub(super) enum Text {
    /// Show that this phone is yours.
    Code(PhoneCode),
    /// Somebody signed in from a device that your account did not know.
    NewDevice { device: String, at: Moment },
    /// Your password was changed.
    PasswordChanged { at: Moment },
    /// Your account moved to another address.
    EmailChanged { at: Moment },
    /// A payment failed.
    PaymentFailed { amount: Money },
    /// Your subscription is over.
    SubscriptionEnded,
}

/// When something happened, to the minute. In UTC: where the reader is, nobody asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl Text {
    /// Which text it is, in the log and in counters.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Code(_) => "code",
            Self::NewDevice { .. } => "new_device",
            Self::PasswordChanged { .. } => "password_changed",
            Self::EmailChanged { .. } => "email_changed",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::SubscriptionEnded => "subscription_ended",
        }
    }

    /// The text in words, from an app of this name at this origin.
    pub(super) fn write(&self, app: &str, origin: &str) -> String {
        match self {
            // The last line lets browsers fill the code in on the app's own pages, and on no other (the
            // origin-bound one-time codes of the WICG).
            Self::Code(code) => {
                let (host, code) = (host(origin), code.digits());
                format!(
                    "{app}: {code} is your code. It works for 5 minutes. Give it to nobody.\n\n@{host} #{code}"
                )
            }
            Self::NewDevice { device, at } => {
                format!(
                    "{app}: sign-in from a new device, {device}, {at}. Not you? {origin}/forgot STOP ends texts"
                )
            }
            Self::PasswordChanged { at } => {
                format!("{app}: your password was changed, {at}. Not you? {origin}/forgot STOP ends texts")
            }
            Self::EmailChanged { at } => {
                format!(
                    "{app}: your account moved to another email address, {at}. Not you? Answer the mail at your old one. STOP ends texts"
                )
            }
            Self::PaymentFailed { amount } => {
                format!("{app}: a payment of {amount} failed. See to it at {origin}/billing STOP ends texts")
            }
            Self::SubscriptionEnded => {
                format!("{app}: your subscription has ended. See {origin}/billing STOP ends texts")
            }
        }
    }
}

fn host(origin: &str) -> &str {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    authority.split(':').next().unwrap_or_default()
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%-d %b %H:%M UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://app.billion.example";

    fn every_text() -> Vec<Text> {
        let at = Moment("2026-11-23T09:05:59Z".parse().unwrap());
        vec![
            Text::Code("042137".parse().unwrap()),
            Text::NewDevice { device: "Samsung Internet on Android".to_owned(), at },
            Text::PasswordChanged { at },
            Text::EmailChanged { at },
            Text::PaymentFailed {
                amount: Money { minor_units: 123_456_789, currency: "usd".parse().unwrap() },
            },
            Text::SubscriptionEnded,
        ]
    }

    #[test]
    fn every_text_is_one_part_and_says_how_to_end_them() {
        for text in every_text() {
            let words = text.write("Billion", ORIGIN);
            assert!(words.starts_with("Billion: "), "{words}");
            assert!(words.len() <= 160, "{} characters: {words}", words.len());
            // Of printable ASCII these alone are not in the alphabet, or count twice.
            let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && !b"`^{}[]~\\|".contains(&byte);
            assert!(words.bytes().all(|byte| byte == b'\n' || is_plain(byte)), "{words}");
            assert_eq!(words.contains("STOP"), text.kind() != "code", "{words}");
        }
    }

    #[test]
    fn a_code_is_bound_to_the_apps_own_pages() {
        let text = Text::Code("042137".parse().unwrap());
        assert!(text.write("Billion", ORIGIN).ends_with("\n\n@app.billion.example #042137"));
        assert!(text.write("Billion", "http://localhost:3000").ends_with("\n\n@localhost #042137"));
        assert!(text.write("Billion", ORIGIN).starts_with("Billion: 042137 is your code."));
    }
}
