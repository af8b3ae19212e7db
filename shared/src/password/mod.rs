//! Passwords: what may be one, and how it is kept.

mod guess;
mod hash;

use std::fmt;

use unicode_normalization::UnicodeNormalization;

pub use hash::{Hasher, PasswordHash, cores};

/// Fewest characters (code points) of a password that is chosen: it stands alone, without a second factor.
pub const MIN_PASSWORD_LENGTH: usize = 15;

/// Most characters (code points) of a password that is chosen. All of them count: none is cut off.
pub const MAX_PASSWORD_LENGTH: usize = 256;

/// A password in Unicode form NFKC, so that every keyboard types the same one.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// A text that may not be chosen as a password. Its message is for the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    /// Fewer than [`MIN_PASSWORD_LENGTH`] characters.
    #[error("Use at least {MIN_PASSWORD_LENGTH} characters. A few unrelated words do well.")]
    TooShort,
    /// More than [`MAX_PASSWORD_LENGTH`] characters.
    #[error("Use at most {MAX_PASSWORD_LENGTH} characters.")]
    TooLong,
    /// Common, breached, patterned, or made of what anybody knows of its owner.
    #[error("This password is easy to guess. Use a few unrelated words, without your name or address.")]
    Guessable,
}

impl Password {
    /// A password that somebody presents as theirs. Any text may have been one.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.nfkc().collect())
    }

    /// A password that somebody chooses, who may be known by the texts of `about`: their address, their name.
    ///
    /// # Errors
    ///
    /// If it is too short, too long, or easy to guess for somebody who knows the words that breached passwords
    /// are made of, the app's name and `about`.
    pub fn chosen(text: &str, about: &[&str]) -> Result<Self, UnfitPassword> {
        // Bounds the work below, whatever was sent: NFKC seldom makes one character of several, never of so many.
        if text.chars().take(4 * MAX_PASSWORD_LENGTH + 1).count() > 4 * MAX_PASSWORD_LENGTH {
            return Err(UnfitPassword::TooLong);
        }
        let password = Self::presented(text);
        match password.0.chars().count() {
            ..MIN_PASSWORD_LENGTH => return Err(UnfitPassword::TooShort),
            length if length > MAX_PASSWORD_LENGTH => return Err(UnfitPassword::TooLong),
            _ => {}
        }
        if guess::bits(&password.0, &known_words(about)) < MIN_BITS {
            return Err(UnfitPassword::Guessable);
        }
        Ok(password)
    }
}

/// The app's name, the owner's texts and the words in them, in lower case.
fn known_words(about: &[&str]) -> Vec<String> {
    let words = about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([*text]));
    let words = words.filter(|word| word.chars().count() >= 3).take(MAX_KNOWN_WORDS);
    [APP_NAME].into_iter().chain(words).map(str::to_lowercase).collect()
}

/// The first that anybody tries here.
const APP_NAME: &str = "billion";

/// Words of the owner's that are looked for in a password.
const MAX_KNOWN_WORDS: usize = 32;

/// Bits that a password must withstand, of the [cautious ones](guess::bits) that are counted here.
const MIN_BITS: f32 = 25.0;

/// Shows no password: debug output ends in logs.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Random;

    const GOOD: &str = "orbit velvet canyon seven";

    /// A1
    #[test]
    fn a1_length_is_all_that_is_asked_for() {
        assert_eq!(Password::chosen("xk7qmv2zr9wtbl", &[]), Err(UnfitPassword::TooShort));
        for password in [
            "xk7qmv2zr9wtblp",
            "orbit velvet canyon",
            "ORBITVELVETCANYON",
            "дорога капуста фонарь",
            "🦀 🚲 🌋 🪕 🦉 🍋 🪁 🧊 ok",
            &"orbit velvet canyon ".repeat(12),
        ] {
            assert!(Password::chosen(password, &[]).is_ok(), "{password}");
        }
        let longest = format!("{GOOD}{}", "é".repeat(MAX_PASSWORD_LENGTH - GOOD.len()));
        assert!(Password::chosen(&longest, &[]).is_ok());
        assert_eq!(Password::chosen(&format!("{longest}é"), &[]), Err(UnfitPassword::TooLong));
    }

    /// A1
    #[tokio::test]
    async fn a1_no_character_is_cut_off_and_every_keyboard_types_the_same() {
        let hasher = Hasher::new(Random::system());
        let longest = format!("{GOOD}{}", "é".repeat(MAX_PASSWORD_LENGTH - GOOD.len()));
        let hash = hasher.hash(&Password::chosen(&longest, &[]).unwrap()).await.unwrap();
        let decomposed = longest.replace('é', "e\u{301}");
        assert!(hasher.verify(&Password::presented(&decomposed), Some(&hash)).await.unwrap());
        let shorter = &longest[..longest.len() - 'é'.len_utf8()];
        assert!(!hasher.verify(&Password::presented(shorter), Some(&hash)).await.unwrap());
    }

    /// A2
    #[test]
    fn a2_what_anybody_would_guess_is_refused() {
        let about = ["maria.kowalska@mailbox.example", "Maria Kowalska"];
        for password in [
            "passwordpassword",
            "1234567890123456",
            "qwertyuiopasdfghjkl",
            "aaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "correcthorsebatterystaple",
            "billionbillionbillion",
            "Billion Billion 2026",
            "maria.kowalska@mailbox.example",
            "MariaKowalska2026",
            "Maria-Kowalska-1987",
            "kowalska:mailbox:xq7",
            "kowalskakowalska",
            "mailbox.example.maria",
            "P@ssw0rdP@ssw0rd",
            "iloveyouprincess12345",
            "!l0v3y0u f0r3v3r",
            "1qaz2wsx3edc4rfv",
            "1q2w3e4r5t6y7u8i9o0p",
            "qwertyuiop1234567890",
            "zyxwvutsrqponmlkjihg",
            "11223344556677889900",
            "manchesterunited",
            "Liverpool-2019-2020",
            "dragon monkey football",
            "correct horse battery staple",
            "responsibilities",
        ] {
            assert_eq!(Password::chosen(password, &about), Err(UnfitPassword::Guessable), "{password}");
        }
        assert!(Password::chosen(GOOD, &about).is_ok());
        assert!(Password::chosen("maria orbit velvet canyon", &about).is_ok());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in any::<String>(), about in any::<String>()) {
            let _ = Password::chosen(&text, &[&about]);
        }

        /// A1
        #[test]
        fn a1_whatever_a_password_manager_makes_up_is_fit(
            password in prop_oneof!["[a-z]{20,40}", "[a-zA-Z0-9]{20,40}", "[!-~]{18,40}"]
        ) {
            prop_assert!(Password::chosen(&password, &[]).is_ok(), "{}", password);
        }
    }
}
