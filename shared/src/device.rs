//! The devices that people sign in from: what to call one, and which accounts it is known to.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Random;
use crate::email_address::EmailKey;

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
    accounts: Vec<AccountKey>,
}

/// Stands for an account without telling its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AccountKey(String);

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

    /// Whether it has signed in to the account of this address.
    #[must_use]
    pub fn knows(&self, email: &EmailKey) -> bool {
        self.accounts.contains(&AccountKey::new(email))
    }

    /// The device after it has signed in to the account of this address. The account it has not
    /// signed in to for the longest is forgotten.
    #[must_use]
    pub fn having_signed_in_to(mut self, email: &EmailKey) -> Self {
        let account = AccountKey::new(email);
        self.accounts.retain(|known| *known != account);
        self.accounts.push(account);
        let surplus = self.accounts.len().saturating_sub(MAX_ACCOUNTS);
        self.accounts.drain(..surplus);
        self
    }
}

impl AccountKey {
    fn new(email: &EmailKey) -> Self {
        let digest = Sha256::new_with_prefix(b"account:").chain_update(email.as_str()).finalize();
        Self(hex(&digest[..16]))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email_address::EmailAddress;

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

    #[test]
    fn a_device_knows_the_five_accounts_it_signed_in_to_last() {
        let key = |name: &str| format!("{name}@example.com").parse::<EmailAddress>().unwrap().key();
        let mut device = KnownDevice::new(&Random::system());
        assert!(!device.knows(&key("a")));
        for name in ["a", "b", "c", "d", "e", "a", "f"] {
            device = device.having_signed_in_to(&key(name));
        }
        let known: Vec<_> =
            ["a", "b", "c", "d", "e", "f"].into_iter().filter(|name| device.knows(&key(name))).collect();
        assert_eq!(known, ["a", "c", "d", "e", "f"]);
    }

    #[test]
    fn a_device_tells_no_address() {
        let key = "ada@example.com".parse::<EmailAddress>().unwrap().key();
        let device = KnownDevice::new(&Random::system()).having_signed_in_to(&key);
        assert!(!serde_json::to_string(&device).unwrap().contains("ada"));
    }
}
