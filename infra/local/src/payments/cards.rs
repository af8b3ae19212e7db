//! Stripe's test cards, <https://docs.stripe.com/testing>: what each of them does.

use serde::{Deserialize, Serialize};

/// A card as somebody types it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedCard {
    /// Spaces are left out.
    pub(crate) number: String,
    /// As `12/34`; the year may have four digits. Not given, a date in the future.
    #[serde(default)]
    pub(crate) exp: Option<String>,
    #[serde(default)]
    pub(crate) cvc: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// A card whose number, date and check digits are right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// Always one of Stripe's test numbers.
    pub(crate) number: String,
    pub(crate) exp_month: u8,
    pub(crate) exp_year: i16,
    pub(crate) name: Option<String>,
    /// Its owner has confirmed it while present.
    pub(crate) authenticated: bool,
}

/// What a test card does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Succeeds,
    /// It cannot even be kept.
    Declines(Decline),
    /// It is kept, and then no charge succeeds.
    DeclinesCharges(Decline),
    /// Its owner must confirm it once; then it can be charged without them.
    Confirms,
    /// Its owner must confirm every charge.
    ConfirmsAlways,
}

/// Why a card is refused, as Stripe's error says it:
/// <https://docs.stripe.com/declines/codes>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    pub(crate) decline_code: Option<&'static str>,
    pub(crate) message: &'static str,
}

/// Whether the owner of a card is there when it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// There, and asked to confirm if need be.
    Present,
    /// There, and has confirmed just now.
    Confirmed,
    /// Not there: a renewal.
    Absent,
}

/// How a charge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    Succeeded,
    Declined(Decline),
    /// The owner must confirm it.
    RequiresAction,
}

const GENERIC: Decline = declined("generic_decline", "Your card was declined.");

/// A real number does nothing here.
const LIVE_CARD: Decline = declined(
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid \
     test cards, visit: https://stripe.com/docs/testing.",
);

/// Said when nobody is there to confirm.
pub(crate) const AUTHENTICATION_REQUIRED: Decline = Decline {
    code: "authentication_required",
    decline_code: Some("authentication_required"),
    message: "Your card was declined. This transaction requires authentication.",
};

const INSUFFICIENT: Decline = declined("insufficient_funds", "Your card has insufficient funds.");
const LOST: Decline = declined("lost_card", "Your card was declined.");
const EXPIRED: Decline =
    Decline { code: "expired_card", decline_code: None, message: "Your card has expired." };
const WRONG_CVC: Decline = Decline {
    code: "incorrect_cvc",
    decline_code: Some("incorrect_cvc"),
    message: "Your card's security code is incorrect.",
};
const PROCESSING: Decline = Decline {
    code: "processing_error",
    decline_code: Some("processing_error"),
    message: "An error occurred while processing your card. Try again in a little bit.",
};

/// The cards that are known, with their brands.
const CARDS: [(&str, &str, Behaviour); 13] = [
    ("4242424242424242", "visa", Behaviour::Succeeds),
    ("4000056655665556", "visa", Behaviour::Succeeds),
    ("5555555555554444", "mastercard", Behaviour::Succeeds),
    ("378282246310005", "amex", Behaviour::Succeeds),
    ("4000000000000002", "visa", Behaviour::Declines(GENERIC)),
    ("4000000000009995", "visa", Behaviour::Declines(INSUFFICIENT)),
    ("4000000000009987", "visa", Behaviour::Declines(LOST)),
    ("4000000000000069", "visa", Behaviour::Declines(EXPIRED)),
    ("4000000000000127", "visa", Behaviour::Declines(WRONG_CVC)),
    ("4000000000000119", "visa", Behaviour::Declines(PROCESSING)),
    ("4000000000000341", "visa", Behaviour::DeclinesCharges(GENERIC)),
    ("4000002500003155", "visa", Behaviour::Confirms),
    ("4000002760003184", "visa", Behaviour::ConfirmsAlways),
];

const fn declined(decline_code: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", decline_code: Some(decline_code), message }
}

/// Numbers that one may type, and what each does, for people.
pub(crate) fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    CARDS.iter().map(|(number, _, behaviour)| {
        let what = match behaviour {
            Behaviour::Succeeds => "succeeds",
            Behaviour::Declines(decline) => decline.decline_code.unwrap_or(decline.code),
            Behaviour::DeclinesCharges(_) => "is kept, and every charge fails",
            Behaviour::Confirms => "asks to confirm once",
            Behaviour::ConfirmsAlways => "asks to confirm every time",
        };
        (*number, what)
    })
}

impl TypedCard {
    /// The card, if it can be one.
    ///
    /// # Errors
    /// A number that fails its check, a date that is none or past on `today` (year and month), a
    /// security code that is none, or a number that is no test card's.
    pub(crate) fn parse(&self, today: (i16, u8)) -> Result<Card, Decline> {
        let wrong = |code, message| Decline { code, decline_code: None, message };
        let number: String =
            self.number.chars().filter(|letter| !matches!(letter, ' ' | '-' | '\u{a0}')).collect();
        if !passes_check(&number) {
            return Err(wrong("incorrect_number", "Your card number is incorrect."));
        }
        let (exp_year, exp_month) = match given(&self.exp) {
            None => (today.0 + 5, 12),
            Some(text) => expiry(text)
                .ok_or(wrong("invalid_expiry_month", "Your card's expiration date is invalid."))?,
        };
        if (exp_year, exp_month) < today {
            return Err(wrong("invalid_expiry_year", "Your card's expiration year is in the past."));
        }
        let digits = if number.starts_with("37") { 4 } else { 3 };
        let right = |cvc: &str| cvc.len() == digits && cvc.bytes().all(|digit| digit.is_ascii_digit());
        if given(&self.cvc).is_some_and(|cvc| !right(cvc)) {
            return Err(wrong("invalid_cvc", "Your card's security code is invalid."));
        }
        if !CARDS.iter().any(|(known, ..)| *known == number) {
            return Err(LIVE_CARD);
        }
        let name = given(&self.name).map(str::to_owned);
        Ok(Card { number, exp_month, exp_year, name, authenticated: false })
    }
}

impl Card {
    /// Whether it can be kept for later.
    pub(crate) fn keep(&self, presence: Presence) -> Charge {
        match self.behaviour() {
            Behaviour::Succeeds | Behaviour::DeclinesCharges(_) => Charge::Succeeded,
            Behaviour::Declines(decline) => Charge::Declined(decline),
            Behaviour::Confirms | Behaviour::ConfirmsAlways => match presence {
                Presence::Confirmed => Charge::Succeeded,
                Presence::Present | Presence::Absent => Charge::RequiresAction,
            },
        }
    }

    pub(crate) fn charge(&self, presence: Presence) -> Charge {
        match (self.behaviour(), presence) {
            (Behaviour::Succeeds, _) => Charge::Succeeded,
            (Behaviour::Declines(decline) | Behaviour::DeclinesCharges(decline), _) => {
                Charge::Declined(decline)
            }
            (Behaviour::Confirms, _) if self.authenticated => Charge::Succeeded,
            (Behaviour::Confirms | Behaviour::ConfirmsAlways, Presence::Confirmed) => Charge::Succeeded,
            (Behaviour::Confirms | Behaviour::ConfirmsAlways, Presence::Present | Presence::Absent) => {
                Charge::RequiresAction
            }
        }
    }

    pub(crate) fn brand(&self) -> &'static str {
        self.known().map_or("unknown", |(brand, _)| brand)
    }

    pub(crate) fn last4(&self) -> &str {
        &self.number[self.number.len() - 4..]
    }

    fn behaviour(&self) -> Behaviour {
        self.known().map_or(Behaviour::Declines(LIVE_CARD), |(_, behaviour)| behaviour)
    }

    fn known(&self) -> Option<(&'static str, Behaviour)> {
        let known = CARDS.iter().find(|(number, ..)| *number == self.number)?;
        Some((known.1, known.2))
    }
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// Year and month.
fn expiry(text: &str) -> Option<(i16, u8)> {
    let (month, year) = text.split_once('/')?;
    let (month, year) = (month.trim(), year.trim());
    let month: u8 = month.parse().ok().filter(|month| (1..=12).contains(month))?;
    let century = match year.len() {
        2 => 2000,
        4 => 0,
        _ => return None,
    };
    Some((year.parse::<i16>().ok()? + century, month))
}

/// ISO/IEC 7812's check digit.
fn passes_check(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number.chars().map(|letter| letter.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| (12..=19).contains(&digits.len())) else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match index % 2 {
            0 => *digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: (i16, u8) = (2026, 11);

    fn typed(number: &str, exp: &str, cvc: &str) -> Result<Card, &'static str> {
        let (exp, cvc) = (Some(exp.to_owned()), Some(cvc.to_owned()));
        TypedCard { number: number.to_owned(), exp, cvc, name: None }
            .parse(TODAY)
            .map_err(|decline| decline.code)
    }

    #[test]
    fn every_known_number_passes_its_check() {
        for (number, ..) in CARDS {
            assert!(passes_check(number), "{number}");
        }
    }

    #[test]
    fn what_is_typed_wrong_is_said_as_stripe_says_it() {
        assert!(typed("4242 4242 4242 4242", "12 / 34", "123").is_ok());
        assert!(typed("4242424242424242", "11/2026", "").is_ok());
        assert_eq!(typed("4242424242424241", "12/34", "123"), Err("incorrect_number"));
        assert_eq!(typed("", "12/34", "123"), Err("incorrect_number"));
        assert_eq!(typed("4242424242424242", "13/34", "123"), Err("invalid_expiry_month"));
        assert_eq!(typed("4242424242424242", "12", "123"), Err("invalid_expiry_month"));
        assert_eq!(typed("4242424242424242", "10/26", "123"), Err("invalid_expiry_year"));
        assert_eq!(typed("4242424242424242", "12/34", "12x"), Err("invalid_cvc"));
        assert_eq!(typed("378282246310005", "12/34", "123"), Err("invalid_cvc"));
        // Nobody's card, but its check digit is right.
        assert_eq!(typed("4111111111111111", "12/34", "123"), Err("card_declined"));
    }

    #[test]
    fn a_card_that_asks_once_can_be_charged_later_and_one_that_asks_always_cannot() {
        let card = |number: &str| typed(number, "12/34", "123").unwrap();
        let once = card("4000002500003155");
        assert_eq!(once.keep(Presence::Present), Charge::RequiresAction);
        assert_eq!(once.charge(Presence::Absent), Charge::RequiresAction);
        let once = Card { authenticated: true, ..once };
        assert_eq!(once.charge(Presence::Absent), Charge::Succeeded);
        let always = Card { authenticated: true, ..card("4000002760003184") };
        assert_eq!(always.charge(Presence::Absent), Charge::RequiresAction);
        assert_eq!(always.charge(Presence::Confirmed), Charge::Succeeded);
        let attaches = card("4000000000000341");
        assert_eq!(attaches.keep(Presence::Present), Charge::Succeeded);
        assert_eq!(attaches.charge(Presence::Absent), Charge::Declined(GENERIC));
    }
}
