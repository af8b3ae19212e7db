//! A mail as it goes over the wire.

use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use shared::email_address::EmailAddress;
use shared::unsubscribe::UnsubscribeToken;

use crate::config::Sender;
use crate::mail::Words;

/// Where a kind of mail is ended.
#[derive(Debug, Clone)]
pub(crate) struct Unsubscribe {
    /// For mail programs, by one POST ([RFC 8058](https://www.rfc-editor.org/rfc/rfc8058)).
    one_click: String,
    /// For people: the page that asks for a click. Its token is where no server sees it.
    pub(crate) page: String,
}

impl Unsubscribe {
    pub(crate) fn new(origin: &str, token: &UnsubscribeToken) -> Self {
        Self {
            one_click: format!("{origin}/api/unsubscribe?token={token}"),
            page: format!("{origin}/unsubscribe#token={token}"),
        }
    }
}

/// The words as a MIME message of one sender to one recipient, text and HTML as alternatives.
///
/// `id` must be another for each message: a mail client shows one of those that share it, and that
/// one's link may be worth nothing any more.
pub(crate) fn compose(
    words: &Words,
    sender: &Sender,
    to: &EmailAddress,
    unsubscribe: Option<&Unsubscribe>,
    (id, now): (&str, Timestamp),
) -> Vec<u8> {
    let host = sender.address.domain();
    let mut message = MessageBuilder::new();
    if let Some(Unsubscribe { one_click, .. }) = unsubscribe {
        message = message
            .header("List-Unsubscribe", Raw::new(format!("<{one_click}>")))
            .header("List-Unsubscribe-Post", Raw::new("List-Unsubscribe=One-Click"));
    }
    message
        .from(Address::new_address(Some(sender.name.as_str()), sender.address.as_str()))
        .to(Address::new_address(None::<&str>, to.as_str()))
        .subject(words.subject)
        .date(now.as_second())
        .message_id(format!("{id}@{host}"))
        // Asks other machines to send nothing back: no notes of absence, no receipts.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("X-Auto-Response-Suppress", Raw::new("All"))
        .text_body(words.text.as_str())
        .html_body(words.html.as_str())
        .write_to_vec()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mail_parser::{MessageParser, MimeHeaders};
    use proptest::prelude::*;
    use shared::name::DisplayName;

    use super::*;
    use crate::mail::Mail;

    fn sender() -> Sender {
        "Billion <hello@billion.example>".parse().unwrap()
    }

    fn unsubscribe() -> Unsubscribe {
        let key = shared::secret_key::parse("a key that is long enough for any").unwrap();
        let user = shared::id::UserId::new(Timestamp::UNIX_EPOCH, &shared::clock::Random::system());
        let token = UnsubscribeToken::new(&key, user, shared::unsubscribe::OptionalMail::Product);
        Unsubscribe::new("https://app.example", &token)
    }

    fn welcome(name: DisplayName, to: &EmailAddress) -> Vec<u8> {
        let words = Mail::Welcome { name }.write("Billion", "https://app.example", None).unwrap();
        compose(
            &words,
            &sender(),
            to,
            Some(&unsubscribe()),
            ("evt_1.0f", "2026-11-23T10:00:00Z".parse().unwrap()),
        )
    }

    /// What a message to `to` must be, whatever `to` and the words are.
    fn check(message: &[u8], to: &EmailAddress) {
        let parsed = MessageParser::default().parse(message).unwrap();
        let names: BTreeSet<String> =
            parsed.headers().iter().map(|header| header.name().to_ascii_lowercase()).collect();
        let expected = [
            "auto-submitted",
            "content-type",
            "date",
            "from",
            "list-unsubscribe",
            "list-unsubscribe-post",
            "message-id",
            "mime-version",
            "subject",
            "to",
            "x-auto-response-suppress",
        ];
        assert_eq!(names, expected.into_iter().map(str::to_owned).collect());
        assert_eq!(parsed.headers().len(), expected.len());
        let recipients: Vec<_> = parsed.to().unwrap().iter().collect();
        assert_eq!(recipients.len(), 1);
        assert_eq!(recipients[0].address(), Some(to.as_str()));
        assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("hello@billion.example"));
    }

    /// S4
    #[test]
    fn s4_a_message_has_a_text_and_an_html_part() {
        let to = "ada@example.com".parse().unwrap();
        let message = welcome("Ada".parse().unwrap(), &to);
        check(&message, &to);
        let parsed = MessageParser::default().parse(&message).unwrap();
        assert!(parsed.content_type().is_some_and(|kind| kind.subtype() == Some("alternative")));
        assert!(parsed.body_text(0).unwrap().contains("Hello Ada,"));
        assert!(parsed.body_html(0).unwrap().contains("Hello Ada,"));
        assert_eq!(parsed.message_id(), Some("evt_1.0f@billion.example"));
        assert_eq!(parsed.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    }

    /// What a person may type into a form, with a taste for what means something in a header.
    fn typed() -> impl Strategy<Value = String> {
        let hostile = prop_oneof![
            Just("\r\nBcc: eve@example.com".to_owned()),
            Just("\n\n<script>".to_owned()),
            Just(", eve@example.com".to_owned()),
            Just("=?utf-8?q?=0ABcc:eve?=".to_owned()),
            Just("\u{2028}To: eve@example.com".to_owned()),
            ".{0,12}",
            "[a-z!#$%&'*+/=?^_`{|}~.@,;:<>\\\\\" -]{0,12}",
        ];
        prop::collection::vec(hostile, 1..4).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// S3
        #[test]
        fn s3_no_name_and_no_address_adds_a_header_or_a_recipient(name in typed(), local in typed()) {
            let to = format!("{local}@example.com").parse().unwrap_or("ada@example.com".parse().unwrap());
            let name = name.parse().unwrap_or("Ada".parse().unwrap());
            check(&welcome(name, &to), &to);
        }

        /// S3: every address that is one, to the last odd character.
        #[test]
        fn s3_every_address_is_the_one_recipient(
            local in "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,64}".prop_filter("encoded words", |local| !local.contains("=?")),
            label in "[a-z0-9]{1,62}[a-z]",
        ) {
            let to: EmailAddress = format!("{local}@{label}.example").parse().unwrap();
            check(&welcome("Ada".parse().unwrap(), &to), &to);
        }
    }
}
