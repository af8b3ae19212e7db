//! Phone numbers as texts are sent to them, and the countries they are of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A phone number in the international form of [E.164](https://www.itu.int/rec/T-REC-E.164): a plus sign and 8 to 15 digits,
/// of which the first, a country code's, is no zero.
///
/// Whether anybody has it is another matter: what somebody typed is read by the one function that knows
/// the numbering plans.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

/// A country: two letters of [ISO 3166-1](https://www.iso.org/iso-3166-country-codes.html), in upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// A text that is no phone number in the form of E.164.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a phone number has a plus sign and 8 to 15 digits")]
pub struct InvalidPhoneNumber;

/// A text that names no country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a country has two letters")]
pub struct InvalidCountry;

/// How many digits tell the numbers of one range apart.
const RANGE_DIGITS: usize = 4;

impl PhoneNumber {
    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The range that it is of, all but its last four digits, and these.
    #[must_use]
    pub fn range(&self) -> (&str, &str) {
        self.0.split_at(self.0.len() - RANGE_DIGITS)
    }

    /// The country of a number that is set aside for fiction: in films and in tests it is nobody's.
    ///
    /// Of the North American plan 555-0100 to 555-0199 in any area ([NANPA](https://www.nanpa.com/)), shown as the
    /// United States'; of the British one 07700 900000 to 900999 ([Ofcom](https://www.ofcom.org.uk/)); of the French
    /// one 06 39 98 00 00 to 99 99 ([ARCEP](https://www.arcep.fr/)).
    #[must_use]
    pub fn fiction(&self) -> Option<Country> {
        let number = self.0.as_str();
        let is = |start: &str, length: usize| number.starts_with(start) && number.len() == length;
        let north_american = number.strip_prefix("+1").is_some_and(|own| {
            own.len() == 10 && matches!(own.as_bytes()[0], b'2'..=b'9') && own[3..].starts_with("55501")
        });
        match () {
            () if north_american => Some(Country(*b"US")),
            () if is("+447700900", 13) => Some(Country(*b"GB")),
            () if is("+3363998", 12) => Some(Country(*b"FR")),
            () => None,
        }
    }
}

impl Country {
    /// Its two letters, in upper case.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for PhoneNumber {
    type Err = InvalidPhoneNumber;

    fn from_str(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhoneNumber)?;
        let is_one = (8..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        is_one.then(|| Self(text.to_owned())).ok_or(InvalidPhoneNumber)
    }
}

impl FromStr for Country {
    type Err = InvalidCountry;

    fn from_str(text: &str) -> Result<Self, InvalidCountry> {
        let code: [u8; 2] = text.as_bytes().try_into().map_err(|_| InvalidCountry)?;
        if !code.iter().all(u8::is_ascii_alphabetic) {
            return Err(InvalidCountry);
        }
        Ok(Self(code.map(|letter| letter.to_ascii_uppercase())))
    }
}

impl TryFrom<String> for Country {
    type Error = InvalidCountry;

    fn try_from(text: String) -> Result<Self, InvalidCountry> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.code().to_owned()
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shows no number: debug output ends in logs.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(…)")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1
    #[test]
    fn p1_a_number_is_e164_or_none() {
        assert_eq!("+4915112345678".parse::<PhoneNumber>().unwrap().as_str(), "+4915112345678");
        for text in [
            "",
            "+",
            "4915112345678",
            "+0915112345678",
            "+49 151 12345678",
            "+1234567",
            "+1234567890123456",
            "+49151123456a8",
            "+４９15112345678",
            "++4915112345678",
            "+4915112345678\n",
        ] {
            assert!(text.parse::<PhoneNumber>().is_err(), "{text:?}");
        }
    }

    /// K2
    #[test]
    fn k2_debug_output_shows_no_number() {
        let number: PhoneNumber = "+4915112345678".parse().unwrap();
        assert!(!format!("{number:?}").contains("49"));
    }

    #[test]
    fn numbers_of_fiction_are_nobodys() {
        let fiction = |text: &str| text.parse::<PhoneNumber>().unwrap().fiction();
        let country = |code: &str| Some(code.parse::<Country>().unwrap());
        assert_eq!(fiction("+12125550100"), country("US"));
        assert_eq!(fiction("+14165550199"), country("US"));
        assert_eq!(fiction("+447700900123"), country("GB"));
        assert_eq!(fiction("+33639981234"), country("FR"));
        for text in
            ["+12125550200", "+11235550100", "+121255501000", "+447700901000", "+44770090012", "+33639991234"]
        {
            assert_eq!(fiction(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_is_all_but_the_last_four_digits() {
        let number: PhoneNumber = "+4915112345678".parse().unwrap();
        assert_eq!(number.range(), ("+4915112345"[..10].into(), "5678"));
        assert_eq!("de".parse::<Country>().unwrap().code(), "DE");
        for text in ["", "D", "DEU", "D1", "é"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
    }
}
