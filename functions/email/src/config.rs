use std::str::FromStr;

use shared::aws::Aws;
use shared::email_address::EmailAddress;
use shared::env;
use shared::name::DisplayName;

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// The connection to AWS.
    pub aws: Aws,
    /// The table: `TABLE_NAME`.
    pub table_name: String,
    /// Where links lead, whatever any request said: `PUBLIC_ORIGIN`, such as `https://example.com`.
    pub origin: String,
    /// Whom mail is from: `MAIL_FROM`, such as `Billion <hello@example.com>`. Somebody must read what
    /// is sent there: one of the mails asks to be answered.
    pub sender: Sender,
    /// The most mails in an hour, to all addresses together: `MAIL_BUDGET_PER_HOUR`.
    pub budget: u32,
    /// The parameter that holds the key of what ends a kind of mail by one click: `UNSUBSCRIBE_KEY_PARAMETER`.
    pub unsubscribe_key_parameter: String,
}

/// Whom mail is from.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The app's name, as the reader of a mail knows it.
    pub name: DisplayName,
    /// The address.
    pub address: EmailAddress,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// If a variable is missing or not what it must be.
    pub fn from_env() -> Result<Self, env::Error> {
        Ok(Self {
            aws: Aws::from_env()?,
            table_name: env::required("TABLE_NAME")?,
            origin: env::origin("PUBLIC_ORIGIN")?,
            sender: env::parsed("MAIL_FROM")?,
            budget: env::parsed("MAIL_BUDGET_PER_HOUR")?,
            unsubscribe_key_parameter: env::required("UNSUBSCRIBE_KEY_PARAMETER")?,
        })
    }
}

/// A text that names no sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must look like Name <name@example.com>")]
pub struct InvalidSender;

impl FromStr for Sender {
    type Err = InvalidSender;

    fn from_str(text: &str) -> Result<Self, InvalidSender> {
        let (name, address) =
            text.strip_suffix('>').and_then(|text| text.split_once('<')).ok_or(InvalidSender)?;
        Ok(Self {
            name: name.parse().map_err(|_| InvalidSender)?,
            address: address.parse().map_err(|_| InvalidSender)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_a_name_and_an_address() {
        let sender: Sender = "Billion <hello@billion.example>".parse().unwrap();
        assert_eq!(sender.name.as_str(), "Billion");
        assert_eq!(sender.address.as_str(), "hello@billion.example");
        for text in ["hello@billion.example", "<hello@billion.example>", "Billion <hello>", "Billion"] {
            assert!(text.parse::<Sender>().is_err(), "{text}");
        }
    }
}
