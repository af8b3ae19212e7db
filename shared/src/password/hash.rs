//! How passwords are kept: argon2id, as many at once as there are cores.

use std::fmt;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Password;
use crate::clock::Random;
use crate::error::{Error, Result};

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

/// How many hashes are made at once. Found out once: it takes a cold start's time to read what the system says.
#[must_use]
pub fn cores() -> usize {
    static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));
    *CORES
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
        Self { cores: Arc::new(Semaphore::new(cores())), work: Arc::default(), random }
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
    use super::*;

    const GOOD: &str = "orbit velvet canyon seven";

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
}
