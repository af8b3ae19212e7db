//! The devices that people sign in from: what to call one, and which accounts it is known to.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Random;
use crate::email_address::EmailKey;
use crate::user::User;

/// A short description of the device behind a `User-Agent`, such as `Firefox on Linux`.
///
/// Made of our own words only, so it is safe to show and to mail, whatever the header holds.
#[must_use]
pub fn describe(user_agent: &str) -> String {
    let name_in = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
    };
    match (name_in(PROGRAMS), name_in(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        (None, Some(system)) => format!("Unknown program on {system}"),
        (None, None) => "Unknown device".to_owned(),
    }
}

/// Browsers imitate each other: whoever imitates comes before whom it imitates.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("okhttp/", "An app"),
    ("CFNetwork/", "An app"),
    ("python-requests/", "Python"),
    ("reqwest/", "Rust"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

/// A device that has signed in before, and the accounts that it has signed in to.
///
/// It is kept in a signed cookie. Somebody who attacks an account from elsewhere never spends what
/// this device may try, so cannot lock its owner out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDevice {
    /// Tells it from others: 32 hex digits.
    #[serde(rename = "did")]
    id: String,
    /// The accounts, the latest last.
    accounts: Vec<Account>,
}

/// An account that a device has signed in to, without telling whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    /// Stands for its address.
    #[serde(rename = "a")]
    address: String,
    /// Stands for its owner and the password that they had.
    #[serde(rename = "o")]
    owner: String,
}

/// People who share a browser are fewer than that; more would make the cookie long.
const MAX_ACCOUNTS: usize = 5;

impl KnownDevice {
    /// A device that has signed in to nothing yet.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        Self { id: hex(&random.bytes::<16>()), accounts: Vec::new() }
    }

    /// Its id, of use only to tell it from others.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it has signed in to an account of this address.
    #[must_use]
    pub fn knows(&self, email: &EmailKey) -> bool {
        let address = stand_in("account:", email.as_str());
        self.accounts.iter().any(|known| known.address == address)
    }

    /// Whether this user has signed in on it with the password that they have now. Whoever had the one before
    /// may be why there is a new one.
    #[must_use]
    pub fn is_of(&self, user: &User) -> bool {
        self.accounts.contains(&Account::of(user))
    }

    /// The device after this user has signed in on it, or shown otherwise to own the account. The account
    /// that it has not signed in to for the longest is forgotten.
    #[must_use]
    pub fn having_signed_in(mut self, user: &User) -> Self {
        let account = Account::of(user);
        self.accounts.retain(|known| known.address != account.address);
        self.accounts.push(account);
        let surplus = self.accounts.len().saturating_sub(MAX_ACCOUNTS);
        self.accounts.drain(..surplus);
        self
    }
}

impl Account {
    fn of(user: &User) -> Self {
        Self {
            address: stand_in("account:", user.email.key().as_str()),
            owner: stand_in("owner:", &format!("{} {}", user.id, user.password_changes)),
        }
    }
}

fn stand_in(kind: &str, text: &str) -> String {
    let digest = Sha256::new_with_prefix(kind).chain_update(text).finalize();
    hex(&digest[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::id::UserId;

    #[test]
    fn a_device_is_named_by_its_program_and_its_system() {
        for (user_agent, description) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("curl/8.14.1", "curl"),
            ("<script>alert(1)</script>\u{202e}", "Unknown device"),
            ("", "Unknown device"),
        ] {
            assert_eq!(describe(user_agent), description, "{user_agent}");
        }
    }

    fn user(name: &str) -> User {
        User {
            id: UserId::new(Timestamp::UNIX_EPOCH, &Random::system()),
            email: format!("{name}@example.com").parse().unwrap(),
            name: name.parse().unwrap(),
            password_hash: serde_json::from_value("$argon2id$".into()).unwrap(),
            password_changes: 0,
            verified_at: None,
            contested: false,
            first_signed_in_at: None,
            created_at: Timestamp::UNIX_EPOCH,
            version: 0,
        }
    }

    #[test]
    fn a_device_knows_the_five_accounts_it_signed_in_to_last() {
        let users = ["a", "b", "c", "d", "e", "f"].map(user);
        let mut device = KnownDevice::new(&Random::system());
        assert!(!device.knows(&users[0].email.key()));
        for place in [0, 1, 2, 3, 4, 0, 5] {
            device = device.having_signed_in(&users[place]);
        }
        let known = users.iter().filter(|user| device.knows(&user.email.key()));
        assert_eq!(known.map(|user| user.name.as_str()).collect::<Vec<_>>(), ["a", "c", "d", "e", "f"]);
        assert!(device.is_of(&users[0]) && !device.is_of(&users[1]));
    }

    #[test]
    fn a_device_is_not_that_of_whoever_has_another_password_or_got_the_address_later() {
        let ada = user("ada");
        let device = KnownDevice::new(&Random::system()).having_signed_in(&ada);
        assert!(device.is_of(&User { version: 9, ..ada.clone() }));
        for other in [User { password_changes: 1, ..ada.clone() }, user("ada")] {
            assert!(device.knows(&other.email.key()) && !device.is_of(&other));
            assert_eq!(device.clone().having_signed_in(&other).accounts.len(), 1);
        }
    }

    #[test]
    fn a_device_tells_nobody() {
        let ada = user("ada");
        let device =
            serde_json::to_string(&KnownDevice::new(&Random::system()).having_signed_in(&ada)).unwrap();
        assert!(!device.contains("ada") && !device.contains(&ada.id.to_string()));
    }
}
