//! Who is let in: <https://docs.stripe.com/api/authentication>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::payments::objects::API_VERSION;
use crate::payments::refusal::Refusal;

/// Who is let in: whoever has the key, as a bearer token or as the user of basic authentication.
pub(crate) fn authorize(header: Option<&str>, key: &str) -> Result<(), Refusal> {
    let given = header.and_then(|header| match header.split_once(' ')? {
        ("Bearer", token) => Some(token.trim().to_owned()),
        ("Basic", credentials) => {
            let decoded = STANDARD.decode(credentials.trim()).ok()?;
            let decoded = String::from_utf8(decoded).ok()?;
            Some(decoded.split(':').next().unwrap_or_default().to_owned())
        }
        _ => None,
    });
    match given {
        Some(given) if given == key => Ok(()),
        Some(given) => {
            let shown = given.len().saturating_sub(4);
            let end = given.get(shown..).unwrap_or_default();
            Err(Refusal::unauthorized(format!(
                "Invalid API Key provided: {}{end}",
                "*".repeat(shown.min(16))
            )))
        }
        None => Err(Refusal::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using \
             Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )),
    }
}

/// Any version but the one that is spoken would have other shapes.
pub(crate) fn check_version(header: Option<&str>) -> Result<(), Refusal> {
    match header {
        Some(version) if version != API_VERSION => Err(Refusal::invalid(format!(
            "Invalid Stripe API version: {version}. This simulator speaks {} only.",
            API_VERSION
        ))),
        Some(_) | None => Ok(()),
    }
}
