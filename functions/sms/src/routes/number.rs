//! What somebody typed, read as a phone number by the numbering plans of Google's libphonenumber.

use std::collections::BTreeSet;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};
use shared::phone_number::{Country, PhoneNumber};

/// The countries whose numbers are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countries(BTreeSet<Country>);

/// A text that lists no countries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must look like DE,US")]
pub struct InvalidCountries;

/// Why what was typed is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidNumber {
    #[error("Enter the number with its country code, like +49 1512 3456789.")]
    NotANumber,
    #[error("We cannot send texts to this country yet.")]
    OtherCountry,
    #[error("Enter the number of a mobile phone: this one cannot get texts.")]
    NotMobile,
}

/// Longer than any number with all its spaces and brackets.
const MAX_LENGTH: usize = 40;

impl Countries {
    /// Their codes, in the order of the alphabet.
    pub(crate) fn codes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }

    /// Whether texts go there.
    pub(crate) fn contains(&self, country: Country) -> bool {
        self.0.contains(&country)
    }

    /// The number that somebody typed, and its country, if texts can be sent there.
    pub(crate) fn read(&self, typed: &str) -> Result<(PhoneNumber, Country), InvalidNumber> {
        if typed.len() > MAX_LENGTH {
            return Err(InvalidNumber::NotANumber);
        }
        let typed = typed.trim();
        // As it is dialled from most of the world.
        let international = match typed.strip_prefix("00") {
            Some(rest) => format!("+{rest}"),
            None => typed.to_owned(),
        };
        let parsed = PHONE_NUMBER_UTIL.parse(&international, None).map_err(|_| InvalidNumber::NotANumber)?;
        if parsed.extension.is_some() {
            return Err(InvalidNumber::NotANumber);
        }
        let number: PhoneNumber = PHONE_NUMBER_UTIL
            .format(&parsed, PhoneNumberFormat::E164)
            .parse()
            .map_err(|_| InvalidNumber::NotANumber)?;
        if let Some(country) = number.fiction() {
            // No plan has them: that is what they are for.
            return self.allowed(number, country);
        }
        let region = PHONE_NUMBER_UTIL.get_region_for_number(&parsed);
        let country = region
            .and_then(|region| region.as_region_str().as_str().parse().ok())
            .ok_or(InvalidNumber::NotANumber)?;
        match PHONE_NUMBER_UTIL.get_number_type(&parsed) {
            PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile => self.allowed(number, country),
            PhoneNumberType::Unknown => Err(InvalidNumber::NotANumber),
            // Among them those that pay whoever they belong to.
            PhoneNumberType::FixedLine
            | PhoneNumberType::TollFree
            | PhoneNumberType::PremiumRate
            | PhoneNumberType::SharedCost
            | PhoneNumberType::VoIP
            | PhoneNumberType::PersonalNumber
            | PhoneNumberType::Pager
            | PhoneNumberType::UAN
            | PhoneNumberType::VoiceMail => Err(InvalidNumber::NotMobile),
        }
    }

    fn allowed(
        &self,
        number: PhoneNumber,
        country: Country,
    ) -> Result<(PhoneNumber, Country), InvalidNumber> {
        if self.contains(country) { Ok((number, country)) } else { Err(InvalidNumber::OtherCountry) }
    }
}

impl FromStr for Countries {
    type Err = InvalidCountries;

    fn from_str(text: &str) -> Result<Self, InvalidCountries> {
        let countries = text.split(',').map(|code| code.trim().parse().map_err(|_| InvalidCountries));
        countries.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn countries() -> Countries {
        "DE, GB,US".parse().unwrap()
    }

    /// P1
    #[test]
    fn p1_a_number_is_brought_to_e164_however_it_is_typed() {
        for (typed, number, country) in [
            ("+4915112345678", "+4915112345678", "DE"),
            (" +49 (0)151 / 1234-5678 ", "+4915112345678", "DE"),
            ("0049 151 12345678", "+4915112345678", "DE"),
            ("+1 (415) 555-2671", "+14155552671", "US"),
            ("+44 7400 123456", "+447400123456", "GB"),
            // Of fiction.
            ("+44 7700 900123", "+447700900123", "GB"),
            ("+1 212 555 0123", "+12125550123", "US"),
        ] {
            let (read, of) = countries().read(typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
            assert_eq!((read.as_str(), of.code()), (number, country), "{typed}");
        }
    }

    /// P1
    #[test]
    fn p1_what_cannot_get_a_text_or_is_elsewhere_is_refused() {
        for (typed, error) in [
            ("", InvalidNumber::NotANumber),
            ("0151 12345678", InvalidNumber::NotANumber),
            ("+49", InvalidNumber::NotANumber),
            ("+49 151 123", InvalidNumber::NotANumber),
            ("+999 1234567890", InvalidNumber::NotANumber),
            ("ada@example.com", InvalidNumber::NotANumber),
            ("+4915112345678;ext=5", InvalidNumber::NotANumber),
            ("+49 89 1234567", InvalidNumber::NotMobile),
            ("+49 900 1234567", InvalidNumber::NotMobile),
            ("+1 800 234 5678", InvalidNumber::NotMobile),
            ("+44 9091 234567", InvalidNumber::NotMobile),
            // Canada has the country code of the United States.
            ("+1 416 555 2671", InvalidNumber::OtherCountry),
            ("+33 6 12 34 56 78", InvalidNumber::OtherCountry),
            ("+33 6 39 98 12 34", InvalidNumber::OtherCountry),
            ("+882 16 12345678", InvalidNumber::OtherCountry),
        ] {
            let read = countries().read(typed);
            if typed.starts_with("+882") {
                // A network of no country: refused, whatever for.
                assert!(read.is_err());
            } else {
                assert_eq!(read.unwrap_err(), error, "{typed}");
            }
        }
        assert!(countries().read(&format!("+{}", "1".repeat(60_000))).is_err());
    }

    #[test]
    fn a_list_of_countries_is_one() {
        assert_eq!(countries().codes().collect::<Vec<_>>(), ["DE", "GB", "US"]);
        for text in ["", "DE,", "DE US", "Germany"] {
            assert!(text.parse::<Countries>().is_err(), "{text}");
        }
    }

    proptest! {
        /// P1: whatever is typed, what comes out is a number of an allowed country, and is read again as itself.
        #[test]
        fn p1_nothing_else_comes_out(typed in "\\+?[0-9 ()./;ext=#*-]{0,30}|\\PC{0,30}|\\+(49|1|44)[0-9]{5,12}") {
            if let Ok((number, country)) = countries().read(&typed) {
                prop_assert!(countries().contains(country));
                prop_assert_eq!(countries().read(number.as_str()), Ok((number.clone(), country)));
            }
        }
    }
}
