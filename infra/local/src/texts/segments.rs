//! How many texts a message takes: 160 characters of the GSM alphabet, or 70 of UCS-2, and a few less each when
//! there are several (3GPP TS 23.038 and 23.040).

/// The basic alphabet; each takes one septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension; each takes two.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// How a message is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Gsm,
    Ucs2,
}

impl Encoding {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gsm => "GSM",
            Self::Ucs2 => "UCS-2",
        }
    }
}

pub(super) fn encoding(message: &str) -> Encoding {
    match septets(message) {
        Some(_) => Encoding::Gsm,
        None => Encoding::Ucs2,
    }
}

pub(super) fn count(message: &str) -> u32 {
    let (length, alone, each) = match septets(message) {
        Some(septets) => (septets, 160, 153),
        None => (message.encode_utf16().count(), 70, 67),
    };
    if length <= alone { 1 } else { u32::try_from(length.div_ceil(each)).unwrap_or(u32::MAX) }
}

/// `2 parts, UCS-2`
pub(super) fn describe(message: &str) -> String {
    let parts = count(message);
    format!("{parts} {}, {}", if parts == 1 { "part" } else { "parts" }, encoding(message).name())
}

fn septets(message: &str) -> Option<usize> {
    message
        .chars()
        .map(|it| match it {
            it if BASIC.contains(it) => Some(1),
            it if EXTENSION.contains(it) => Some(2),
            _ => None,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_as_many_texts_as_its_alphabet_asks() {
        for (message, parts) in [
            ("x".repeat(160), 1),
            ("x".repeat(161), 2),
            ("x".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("–".repeat(70), 1),
            ("–".repeat(71), 2),
            // Two of UTF-16 each.
            ("🙂".repeat(35), 1),
            ("🙂".repeat(36), 2),
        ] {
            assert_eq!(count(&message), parts, "{message}");
        }
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(describe("Grüße"), "1 part, GSM");
        assert_eq!(describe("Zażółć"), "1 part, UCS-2");
    }
}
