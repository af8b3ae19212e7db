//! Passwords: what may be one, and how it is kept.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

use crate::clock::Random;
use crate::error::{Error, Result};

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
    /// If it is too short, too long, or not expected to withstand a hundred million guesses by somebody who
    /// knows the common and the breached ones, the app's name and `about`.
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
        let known = known_words(about);
        let known: Vec<&str> = known.iter().map(String::as_str).chain(NOTORIOUS).collect();
        if password.length_without(&known) < MIN_OWN_LENGTH
            || zxcvbn(&password.unmasked(), &known).score() < Score::Three
        {
            return Err(UnfitPassword::Guessable);
        }
        Ok(password)
    }

    /// Without most of the symbols that may stand for letters, if there are many kinds of them: zxcvbn tries each way
    /// to read them, together with every other, and would take seconds.
    fn unmasked(&self) -> Cow<'_, str> {
        let kinds = MASKS.iter().filter(|(mask, _)| self.0.contains(*mask)).count();
        if kinds <= MAX_MASKS {
            return Cow::Borrowed(&self.0);
        }
        let letter = |c| MASKS.iter().find(|(mask, _)| *mask == c).map_or(c, |(_, letter)| *letter);
        Cow::Owned(self.0.chars().map(letter).collect())
    }

    /// How many letters and digits are left of it without these words.
    fn length_without(&self, known: &[&str]) -> usize {
        let rest = known.iter().fold(self.0.to_lowercase(), |rest, word| rest.replace(word, ""));
        rest.chars().filter(|c| !c.is_ascii_punctuation() && !c.is_whitespace()).count()
    }
}

/// The owner's texts and the words in them, in lower case, the longest first.
fn known_words(about: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = about
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([*text]))
        .filter(|word| word.chars().count() >= 3)
        .take(MAX_KNOWN_WORDS)
        .map(str::to_lowercase)
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

/// Symbols and the letters that they look like.
const MASKS: [(char, char); 10] = [
    ('@', 'a'),
    ('(', 'c'),
    ('{', 'c'),
    ('[', 'c'),
    ('<', 'c'),
    ('!', 'i'),
    ('|', 'i'),
    ('$', 's'),
    ('+', 't'),
    ('%', 'x'),
];

/// Kinds of symbols of which each way to read them is tried.
const MAX_MASKS: usize = 3;

/// Words of the owner's that are looked for in a password.
const MAX_KNOWN_WORDS: usize = 32;

/// Fewest characters of a password that are neither the app's name nor its owner's.
const MIN_OWN_LENGTH: usize = 8;

/// Known to all, yet not among the 30,000 that zxcvbn carries, most of which are shorter than is allowed here.
const NOTORIOUS: [&str; 6] = [
    "billion",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "correct-horse-battery-staple",
    "thisisapassword",
    "iloveyousomuch",
];

/// Shows no password: debug output ends in logs.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password as it is kept: an argon2 hash as a [PHC string](https://github.com/P-H-C/phc-string-format).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it was made with less than today's parameters.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let Ok(hash) = phc::PasswordHash::new(&self.0) else {
            return true;
        };
        let Ok(params) = Params::try_from(&hash) else {
            return true;
        };
        hash.algorithm != argon2::ARGON2ID_IDENT || params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES
    }
}

/// Shows no hash: debug output ends in logs.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Makes and checks hashes, at most as many at once as there are cores.
#[derive(Debug, Clone)]
pub struct Hasher {
    cores: Arc<Semaphore>,
    work: Arc<AtomicU64>,
    random: Random,
}

// OWASP's minimum: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What is checked when there is no hash, so that it takes the same time. No password is known to fit.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YmlsbGlvbi1kZWNveS1oYXNo$9nZ0aH8yQkq3mVYJr6w1uB5tXcLfDgSePiRoKa7bE2M";

impl Hasher {
    /// A hasher that salts from `random`.
    #[must_use]
    pub fn new(random: Random) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self { cores: Arc::new(Semaphore::new(cores)), work: Arc::default(), random }
    }

    /// The hash of a password, with a salt of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if every core hashes already.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash> {
        let password = password.clone();
        let salt = self.random.bytes::<16>();
        self.run(move || {
            let hash: phc::PasswordHash = argon2().hash_password_with_salt(password.0.as_bytes(), &salt)?;
            Ok(PasswordHash(hash.to_string()))
        })
        .await
    }

    /// Whether this is the password that was hashed. Without a hash it is not, and takes as long.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if every core hashes already, [`Error::Internal`] if the hash is not readable.
    pub async fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<bool> {
        let password = password.clone();
        let (exists, hash) = match hash {
            Some(hash) => (true, hash.0.clone()),
            None => (false, DECOY.to_owned()),
        };
        self.run(move || {
            let hash = phc::PasswordHash::new(&hash)?;
            match argon2().verify_password(password.0.as_bytes(), &hash) {
                Ok(()) => Ok(exists),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// How many hashes it has made or checked.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        hash: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
    ) -> Result<T> {
        let core = Arc::clone(&self.cores)
            .try_acquire_owned()
            .map_err(|_| Error::Busy { retry_after: Duration::from_secs(1) })?;
        self.work.fetch_add(1, Ordering::Relaxed);
        // The permit goes along: should the caller give up, the core is busy all the same.
        tokio::task::spawn_blocking(move || {
            let _core = core;
            hash()
        })
        .await
        .map_err(Error::internal)?
        .map_err(|error| Error::internal(error.to_string()))
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        ] {
            assert_eq!(Password::chosen(password, &about), Err(UnfitPassword::Guessable), "{password}");
        }
        assert!(Password::chosen(GOOD, &about).is_ok());
        assert!(Password::chosen("maria orbit velvet canyon", &about).is_ok());
    }

    /// I3: zxcvbn alone takes longer for the first of these than a function may run.
    #[test]
    fn i3_no_password_takes_long_to_judge() {
        let about = ["aab bba 4@8 1/1 199 qwe rty", "a.b@c.example"];
        for password in
            ["4@8({[</369&#!1/|0$5+7%2/", "([{<48369105721748", "aAbB", "password1", "1/1/1991", "qwerty"]
        {
            let password: String = password.chars().cycle().take(MAX_PASSWORD_LENGTH).collect();
            let started = std::time::Instant::now();
            let _ = Password::chosen(&password, &about);
            assert!(started.elapsed() < Duration::from_secs(3), "{password}");
        }
    }

    /// A3
    #[tokio::test]
    async fn a3_a_hash_is_argon2id_at_todays_parameters() {
        let hasher = Hasher::new(Random::system());
        let password = Password::presented(GOOD);
        let hash = hasher.hash(&password).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(!hash.is_outdated());
        assert_ne!(hash, hasher.hash(&password).await.unwrap());
        assert!(hasher.verify(&password, Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&Password::presented("another"), Some(&hash)).await.unwrap());
    }

    /// A3
    #[tokio::test]
    async fn a3_a_weaker_hash_still_verifies_and_is_known_to_be_outdated() {
        let weak =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8 * 1024, 1, 1, None).unwrap());
        let hash: phc::PasswordHash =
            weak.hash_password_with_salt(GOOD.as_bytes(), b"0123456789abcdef").unwrap();
        let hash = PasswordHash(hash.to_string());
        assert!(hash.is_outdated());
        let hasher = Hasher::new(Random::system());
        assert!(hasher.verify(&Password::presented(GOOD), Some(&hash)).await.unwrap());
    }

    /// A3
    #[tokio::test]
    async fn a3_there_are_no_more_hashes_at_once_than_cores() {
        let cores = thread::available_parallelism().unwrap().get();
        assert_eq!(Hasher::new(Random::system()).cores.available_permits(), cores);
        let hasher = Hasher { cores: Arc::new(Semaphore::new(1)), ..Hasher::new(Random::system()) };
        let password = Password::presented(GOOD);
        let (first, second) = tokio::join!(hasher.hash(&password), hasher.verify(&password, None));
        assert!(first.is_ok());
        assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
        assert!(hasher.hash(&password).await.is_ok());
    }

    /// E2
    #[tokio::test]
    async fn e2_a_missing_hash_costs_a_hash_with_the_same_parameters() {
        let decoy = PasswordHash(DECOY.to_owned());
        let hasher = Hasher::new(Random::system());
        let real = hasher.hash(&Password::presented(GOOD)).await.unwrap();
        let params =
            |hash: &PasswordHash| Params::try_from(&phc::PasswordHash::new(&hash.0).unwrap()).unwrap();
        assert_eq!(params(&decoy), params(&real));
        assert!(!decoy.is_outdated());
        assert!(!hasher.verify(&Password::presented(GOOD), None).await.unwrap());
        assert_eq!(hasher.work(), 2);
    }

    proptest! {
        #[test]
        fn no_input_panics(text in any::<String>(), about in any::<String>()) {
            let _ = Password::chosen(&text, &[&about]);
        }
    }
}
