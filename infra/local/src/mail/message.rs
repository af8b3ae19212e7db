//! A message as the inbox shows it.

use jiff::Timestamp;
use mail_parser::{Address, MessageParser, MimeHeaders};
use serde::Serialize;
use uuid::Uuid;

use super::inbox::Summary;
use crate::flows::TraceId;

/// A message that was accepted.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) action: &'static str,
    pub(super) summary: Summary,
    pub(super) raw: Vec<u8>,
}

/// A message as the reader shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Detail {
    #[serde(flatten)]
    summary: Summary,
    headers: Vec<Header>,
    text: Option<String>,
    /// The HTML part.
    pub(crate) html: Option<String>,
    /// The size of the whole message.
    raw_bytes: usize,
}

#[derive(Debug, Serialize)]
struct Header {
    name: String,
    value: String,
}

impl Mail {
    pub(super) fn new(
        id: Uuid,
        action: &'static str,
        recipients: Vec<String>,
        function: Option<&'static str>,
        trace: Option<TraceId>,
        raw: Vec<u8>,
    ) -> Self {
        let message = MessageParser::default().parse(&raw).unwrap_or_default();
        let from = message.from().and_then(|from| addresses(from).next());
        let (text, html) = (part(&message, false), part(&message, true));
        let summary = Summary {
            id: id.to_string(),
            received_at: format!("{:.3}", Timestamp::now()),
            from: from.unwrap_or_default(),
            to: recipients,
            subject: message.subject().unwrap_or_default().to_owned(),
            function: function.map(str::to_owned),
            trace: trace.map(|trace| trace.to_string()),
            links: links(&text.unwrap_or_default(), &html.unwrap_or_default()),
        };
        Self { action, summary, raw }
    }
}

impl Detail {
    pub(super) fn new(summary: Summary, raw: &[u8]) -> Self {
        let message = MessageParser::default().parse(raw).unwrap_or_default();
        let header = |(name, value): (&str, &str)| {
            // A folded header is one line.
            let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            Header { name: name.to_owned(), value }
        };
        Self {
            summary,
            headers: message.headers_raw().map(header).collect(),
            text: part(&message, false),
            html: part(&message, true),
            raw_bytes: raw.len(),
        }
    }
}

/// The mail addresses of a header, without names.
pub(super) fn addresses(header: &Address<'_>) -> impl Iterator<Item = String> {
    header.iter().filter_map(|address| address.address().map(str::to_owned))
}

/// The first part that is really HTML, or really text; the parser would make one of the other.
fn part(message: &mail_parser::Message<'_>, html: bool) -> Option<String> {
    let subtype = if html { "html" } else { "plain" };
    let is_wanted = |part: &&mail_parser::MessagePart<'_>| match part.content_type() {
        Some(kind) => kind.ctype() == "text" && kind.subtype() == Some(subtype),
        None => !html,
    };
    let part = message.parts.iter().filter(|part| part.is_text()).find(is_wanted)?;
    part.text_contents().map(str::to_owned)
}

/// The addresses that the text names and the HTML links to, each once.
fn links(text: &str, html: &str) -> Vec<String> {
    let mut links = Vec::new();
    for link in links_of_text(text).chain(links_of_html(html)) {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

fn links_of_text(text: &str) -> impl Iterator<Item = String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"');
    text.split(ends).filter_map(|word| {
        let start = word.find("https://").into_iter().chain(word.find("http://")).min()?;
        let link = word[start..].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'']);
        Some(link.to_owned())
    })
}

fn links_of_html(html: &str) -> impl Iterator<Item = String> {
    html.split("href=").skip(1).filter_map(|after| {
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let link = unescaped(after[1..].split(quote).next()?.trim());
        (link.starts_with("https://") || link.starts_with("http://")).then_some(link)
    })
}

/// Resolves the character references that may occur in an address.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let reference = part.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        match reference {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => {
                plain.push('&');
                plain.push_str(part);
            }
        }
    }
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_both_parts_are_found_once() {
        let text = "Open https://x.example/verify#token=a_b-c, or (http://y.example).\nNot ftp://z.example.";
        let html = r#"<a class="b" href="https://x.example/verify#token=a_b-c">go</a>
            <a href='https://x.example/q?a=1&amp;b=2&#38;c=&#x33;'>q</a> <a href="mailto:a@x.example">m</a>"#;
        let expected =
            ["https://x.example/verify#token=a_b-c", "http://y.example", "https://x.example/q?a=1&b=2&c=3"];
        assert_eq!(links(text, html), expected);
    }

    #[test]
    fn both_parts_of_a_message_are_shown() {
        let raw = "From: Billion <a@x.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
            Content-Type: multipart/alternative;\r\n boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hi\r\n--b--\r\n";
        let mail =
            Mail::new(Uuid::nil(), "SendRawEmail", vec!["b@x.example".to_owned()], None, None, raw.into());
        assert_eq!((mail.summary.subject.as_str(), mail.summary.from.as_str()), ("Grüße", "a@x.example"));
        let detail = Detail::new(mail.summary, raw.as_bytes());
        assert_eq!(detail.text.as_deref().map(str::trim), Some("Hi"));
        assert_eq!(detail.html.as_deref().map(str::trim), Some("<p>Hi"));
        let content_type = detail.headers.iter().find(|header| header.name == "Content-Type");
        assert_eq!(content_type.map(|it| it.value.as_str()), Some("multipart/alternative; boundary=b"));
    }

    #[test]
    fn a_message_without_html_shows_none() {
        let raw = "From: a@x.example\r\nSubject: S\r\n\r\nHi";
        let detail = Detail::new(
            Mail::new(Uuid::nil(), "SendRawEmail", Vec::new(), None, None, raw.into()).summary,
            raw.as_bytes(),
        );
        assert_eq!((detail.text.as_deref(), detail.html), (Some("Hi"), None));
    }
}
