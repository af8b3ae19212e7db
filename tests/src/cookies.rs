//! Cookies as a browser keeps them, with their attributes in sight.

use std::collections::BTreeMap;

/// A cookie that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its attributes, names in lower case; those without a value have an empty one.
    pub attributes: BTreeMap<String, String>,
}

impl Cookie {
    /// Reads a `Set-Cookie` header.
    ///
    /// # Panics
    ///
    /// If it is not one.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let mut parts = header.split(';');
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie has a name");
        let attributes = parts.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.trim().to_ascii_lowercase(), value.trim().to_owned())
        });
        Self { name: name.trim().to_owned(), value: value.to_owned(), attributes: attributes.collect() }
    }

    /// An attribute's value, if the cookie has it.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether it tells the browser to forget it.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        self.attribute("max-age") == Some("0")
    }
}

/// The cookies of one browser for one origin.
#[derive(Debug, Clone, Default)]
pub struct Jar(BTreeMap<String, Cookie>);

impl Jar {
    /// Keeps what a response set.
    pub fn keep(&mut self, cookie: Cookie) {
        if cookie.is_cleared() {
            self.0.remove(&cookie.name);
        } else {
            self.0.insert(cookie.name.clone(), cookie);
        }
    }

    /// The value of the cookie of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|cookie| cookie.value.clone())
    }

    /// Puts a value in the place of a cookie's own, or makes one for every path.
    pub fn set(&mut self, name: &str, value: &str) {
        let attributes = self.0.get(name).map(|cookie| cookie.attributes.clone()).unwrap_or_default();
        let cookie = Cookie { name: name.to_owned(), value: value.to_owned(), attributes };
        self.0.insert(name.to_owned(), cookie);
    }

    /// Forgets a cookie.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The `Cookie` header for a request of this path; `None` if no cookie goes with it.
    #[must_use]
    pub fn header(&self, path: &str) -> Option<String> {
        let pairs: Vec<_> = self
            .0
            .values()
            .filter(|cookie| matches_path(path, cookie.attribute("path").unwrap_or("/")))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// RFC 6265, section 5.1.4
fn matches_path(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with(['/', '?']))
}
