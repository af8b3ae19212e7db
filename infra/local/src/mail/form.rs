//! Requests of SES's query protocol: a form, with lists as numbered fields.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_builder::MessageBuilder;
use mail_parser::MessageParser;
use uuid::Uuid;

use super::message::{Mail, addresses};
use crate::flows::TraceId;

/// A message to be sent.
#[derive(Debug)]
pub(super) struct Sending {
    /// `SendEmail` or `SendRawEmail`.
    pub(super) action: &'static str,
    pub(super) recipients: Vec<String>,
    tags: HashMap<String, String>,
    raw: Vec<u8>,
}

/// A request that SES would refuse.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) code: &'static str,
    pub(super) message: String,
}

struct Form(HashMap<String, String>);

impl Sending {
    /// Reads the body of a request.
    pub(super) fn read(body: &[u8]) -> Result<Self, Invalid> {
        let form = Form(form_urlencoded::parse(body).into_owned().collect());
        match form.text("Action") {
            "SendRawEmail" => Self::raw(&form),
            "SendEmail" => Self::simple(&form),
            action => Err(Invalid {
                code: "InvalidAction",
                message: format!("Only SendEmail and SendRawEmail are served here, not {action:?}."),
            }),
        }
    }

    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).map(String::as_str)
    }

    pub(super) fn into_mail(self, id: Uuid, function: Option<&'static str>, trace: Option<TraceId>) -> Mail {
        Mail::new(id, self.action, self.recipients, function, trace, self.raw)
    }

    fn raw(form: &Form) -> Result<Self, Invalid> {
        let data = form.required("RawMessage.Data")?;
        let raw = STANDARD.decode(data).map_err(|_| invalid("RawMessage.Data is not Base64."))?;
        let Some(message) = MessageParser::default().parse(&raw) else {
            return Err(invalid("The message has no headers."));
        };
        if message.from().is_none() && form.text("Source").is_empty() {
            return Err(invalid("Missing required header 'From'."));
        }
        let mut recipients = form.list("Destinations");
        if recipients.is_empty() {
            let headers = [message.to(), message.cc(), message.bcc()];
            recipients = headers.into_iter().flatten().flat_map(addresses).collect();
        }
        Ok(Self { action: "SendRawEmail", recipients, tags: form.tags(), raw })
    }

    fn simple(form: &Form) -> Result<Self, Invalid> {
        let list = |kind: &str| form.list(&format!("Destination.{kind}Addresses"));
        let (to, cc, bcc) = (list("To"), list("Cc"), list("Bcc"));
        let mut message = MessageBuilder::new()
            .from(form.required("Source")?)
            .subject(form.required("Message.Subject.Data")?);
        if !to.is_empty() {
            message = message.to(to.clone());
        }
        if !cc.is_empty() {
            message = message.cc(cc.clone());
        }
        let reply_to = form.list("ReplyToAddresses");
        if !reply_to.is_empty() {
            message = message.reply_to(reply_to);
        }
        let (text, html) = (form.text("Message.Body.Text.Data"), form.text("Message.Body.Html.Data"));
        if !text.is_empty() {
            message = message.text_body(text);
        }
        if !html.is_empty() {
            message = message.html_body(html);
        }
        let raw = message.write_to_vec().map_err(|error| invalid(&error.to_string()))?;
        Ok(Self { action: "SendEmail", recipients: [to, cc, bcc].concat(), tags: form.tags(), raw })
    }
}

impl Form {
    /// Empty if it is not there.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn required(&self, name: &str) -> Result<&str, Invalid> {
        match self.text(name) {
            "" => Err(invalid(&format!("1 validation error detected: Value null at '{name}'."))),
            text => Ok(text),
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        let member = |index: u32| self.0.get(&format!("{name}.member.{index}")).cloned();
        (1..).map_while(member).collect()
    }

    fn tags(&self) -> HashMap<String, String> {
        let field = |index: u32, part: &str| self.0.get(&format!("Tags.member.{index}.{part}")).cloned();
        (1..).map_while(|index| Some((field(index, "Name")?, field(index, "Value")?))).collect()
    }
}

fn invalid(message: &str) -> Invalid {
    Invalid { code: "InvalidParameterValue", message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Vec<u8> {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
    }

    fn raw(message: &str, more: &[(&str, &str)]) -> Result<Sending, Invalid> {
        let data = STANDARD.encode(message);
        let fields = [&[("Action", "SendRawEmail"), ("RawMessage.Data", &data)], more].concat();
        Sending::read(&form(&fields))
    }

    #[test]
    fn a_raw_message_names_its_recipients_unless_the_request_does() {
        let message = "From: a@x.example\r\nTo: Ada <b@x.example>\r\nCc: c@x.example\r\nSubject: S\r\n\r\nHi";
        assert_eq!(raw(message, &[]).unwrap().recipients, ["b@x.example", "c@x.example"]);
        let named = [("Destinations.member.1", "d@x.example"), ("Destinations.member.2", "e@x.example")];
        assert_eq!(raw(message, &named).unwrap().recipients, ["d@x.example", "e@x.example"]);
    }

    #[test]
    fn tags_are_read() {
        let tags = [
            ("Tags.member.1.Name", "kind"),
            ("Tags.member.1.Value", "verification"),
            ("Tags.member.2.Name", "trace_id"),
            ("Tags.member.2.Value", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ];
        let sending = raw("From: a@x.example\r\n\r\nHi", &tags).unwrap();
        assert_eq!(sending.tag("kind"), Some("verification"));
        assert_eq!(sending.tag("trace_id"), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn a_simple_message_becomes_a_whole_one() {
        let sending = Sending::read(&form(&[
            ("Action", "SendEmail"),
            ("Source", "Billion <a@x.example>"),
            ("Destination.ToAddresses.member.1", "b@x.example"),
            ("Destination.BccAddresses.member.1", "c@x.example"),
            ("Message.Subject.Data", "Grüße"),
            ("Message.Body.Text.Data", "See https://x.example/a."),
            ("Message.Body.Html.Data", "<a href=\"https://x.example/b\">b</a>"),
        ]))
        .unwrap();
        assert_eq!(sending.recipients, ["b@x.example", "c@x.example"]);
        let mail = sending.into_mail(Uuid::nil(), None, None);
        assert_eq!(mail.summary.subject, "Grüße");
        assert_eq!(mail.summary.links, ["https://x.example/a", "https://x.example/b"]);
    }

    #[test]
    fn what_ses_would_refuse_is_refused() {
        for body in [
            form(&[]),
            form(&[("Action", "DeleteIdentity")]),
            form(&[("Action", "SendRawEmail")]),
            form(&[("Action", "SendRawEmail"), ("RawMessage.Data", "%%%")]),
            form(&[("Action", "SendRawEmail"), ("RawMessage.Data", "")]),
            form(&[("Action", "SendEmail"), ("Source", "a@x.example")]),
        ] {
            assert!(Sending::read(&body).is_err(), "{}", String::from_utf8_lossy(&body));
        }
    }
}
