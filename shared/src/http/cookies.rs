//! The cookies that a browser is known by. No script can read them, no other host can set them.
//!
//! The latter is what the prefix `__Host-` is for, and the only thing that is (RFC 6265bis, 4.1.3.2): without it
//! a page of a sibling domain could sign its visitors in to somebody else's account. The price is that each
//! goes with every path.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};

use crate::device::KnownDevice;
use crate::session::{ACCESS_TOKEN_LIFE, SESSION_LIFE};
use crate::token::Claims;

/// A cookie of ours.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    name: &'static str,
    same_site: &'static str,
    life: Duration,
}

impl Cookie {
    /// The access token. `Lax`, so that whoever follows a link to the app is signed in there.
    pub const ACCESS: Self = Self { name: "__Host-access", same_site: "Lax", life: ACCESS_TOKEN_LIFE };

    /// The refresh token: goes with requests of our own pages only, and only the auth function reads it.
    pub const REFRESH: Self = Self { name: "__Host-refresh", same_site: "Strict", life: SESSION_LIFE };

    /// The token by which a device is known again. It outlives sessions.
    pub const DEVICE: Self = Self { name: "__Host-device", same_site: "Lax", life: KnownDevice::LIFE };

    /// Its value in a request, if it is there.
    #[must_use]
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(self.name)?.strip_prefix('='))
    }

    /// The `Set-Cookie` that stores a token in it.
    ///
    /// # Panics
    ///
    /// If the value has a character that no token has.
    #[must_use]
    pub fn store(&self, token: &str) -> HeaderValue {
        self.set(token, self.life.as_secs())
    }

    /// The `Set-Cookie` that removes it.
    #[must_use]
    pub fn clear(&self) -> HeaderValue {
        self.set("", 0)
    }

    fn set(&self, value: &str, max_age: u64) -> HeaderValue {
        let Self { name, same_site, .. } = self;
        HeaderValue::try_from(format!(
            "{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite={same_site}"
        ))
        .expect("a token is URL-safe base64 and dots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T6
    #[test]
    fn t6_cookies_are_out_of_reach_of_scripts_other_sites_and_other_hosts() {
        assert_eq!(
            Cookie::ACCESS.store("a.b.c"),
            "__Host-access=a.b.c; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            Cookie::REFRESH.clear(),
            "__Host-refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
        );
        assert_eq!(
            Cookie::DEVICE.store("x"),
            "__Host-device=x; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let headers = HeaderMap::from_iter([
            (
                header::COOKIE,
                HeaderValue::from_static("x__Host-access=1; __Host-accessory=2;__Host-access=a=b; y"),
            ),
            (header::COOKIE, HeaderValue::from_static("__Host-refresh=")),
        ]);
        assert_eq!(Cookie::ACCESS.read(&headers), Some("a=b"));
        assert_eq!(Cookie::REFRESH.read(&headers), Some(""));
        assert_eq!(Cookie::DEVICE.read(&headers), None);
    }
}
