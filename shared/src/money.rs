//! Money: an amount in the currency's minor unit, never a fraction of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// In the currency's minor unit: cents of a dollar, whole yen. Negative if it is owed back.
    pub minor_units: i64,
    /// Of what.
    pub currency: Currency,
}

/// A currency: three letters of [ISO 4217](https://www.iso.org/iso-4217-currency-codes.html), in lower case as payment
/// providers write them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text that is no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency has three letters")]
pub struct InvalidCurrency;

impl Currency {
    /// Its code, in lower case.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Digits of its minor unit: 2 for most, 0 for those that have none, 3 for some dinars.
    #[must_use]
    pub fn digits(&self) -> u32 {
        match &self.0 {
            b"bif" | b"clp" | b"djf" | b"gnf" | b"jpy" | b"kmf" | b"krw" | b"mga" | b"pyg" | b"rwf"
            | b"ugx" | b"vnd" | b"vuv" | b"xaf" | b"xof" | b"xpf" => 0,
            b"bhd" | b"jod" | b"kwd" | b"omr" | b"tnd" => 3,
            _ => 2,
        }
    }
}

impl std::str::FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if !code.iter().all(u8::is_ascii_alphabetic) {
            return Err(InvalidCurrency);
        }
        Ok(Self(code.map(|letter| letter.to_ascii_lowercase())))
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, InvalidCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// As `12.00 USD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.currency.code().to_ascii_uppercase();
        let digits = self.currency.digits();
        let sign = if self.minor_units < 0 { "-" } else { "" };
        let amount = self.minor_units.unsigned_abs();
        let unit = 10_u64.pow(digits);
        match digits {
            0 => write!(f, "{sign}{amount} {code}"),
            _ => {
                let width = digits as usize;
                write!(f, "{sign}{}.{:0width$} {code}", amount / unit, amount % unit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_with_the_digits_of_its_currency() {
        let money = |minor_units, currency: &str| {
            Money { minor_units, currency: currency.parse().unwrap() }.to_string()
        };
        assert_eq!(money(1200, "usd"), "12.00 USD");
        assert_eq!(money(-5, "EUR"), "-0.05 EUR");
        assert_eq!(money(1200, "jpy"), "1200 JPY");
        assert_eq!(money(1, "kwd"), "0.001 KWD");
        assert!("us".parse::<Currency>().is_err());
        assert!("u$d".parse::<Currency>().is_err());
    }
}
