//! Requests of SNS's query protocol: a form, with attributes as numbered fields.

use std::collections::HashMap;

use jiff::Timestamp;

use super::inbox::{Direction, Text};
use super::{new_id, segments};
use crate::flows::TraceId;

/// The most that one call may send to a phone, in bytes; SNS cuts it into several texts.
const TEXT_BYTES: usize = 1_600;

/// The most that a message to a topic may have, in bytes.
const MESSAGE_BYTES: usize = 256 * 1024;

/// A request to publish.
#[derive(Debug)]
pub(super) enum Publish {
    /// To a phone.
    Text(Sending),
    /// To a topic.
    Topic { arn: String, message: String },
}

/// A text to be sent.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) message: String,
    number: String,
    sender_id: Option<String>,
    kind: &'static str,
}

/// A request that SNS would refuse.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) code: &'static str,
    pub(super) message: String,
}

struct Form(HashMap<String, String>);

impl Publish {
    /// Reads the body of a request.
    pub(super) fn read(body: &[u8]) -> Result<Self, Invalid> {
        let form = Form::read(body);
        let action = form.text("Action");
        if action != "Publish" {
            return Err(Invalid {
                code: "InvalidAction",
                message: format!("Only Publish is served here, not {action:?}."),
            });
        }
        let message = form.text("Message");
        if message.is_empty() {
            return Err(invalid("Empty message"));
        }
        let number = form.text("PhoneNumber");
        match (number, form.topic()) {
            ("", "") => Err(invalid("TopicArn or TargetArn Reason: no value for required parameter")),
            ("", arn) if message.len() <= MESSAGE_BYTES => {
                Ok(Self::Topic { arn: arn.to_owned(), message: message.to_owned() })
            }
            (number, "") if message.len() <= TEXT_BYTES => Ok(Self::Text(form.sending(number, message)?)),
            (_, "") | ("", _) => Err(invalid("Message too long")),
            (_, _) => {
                Err(invalid("Only one of TopicArn, TargetArn and PhoneNumber can be given in one request"))
            }
        }
    }

    /// Whether a request, right or not, is about a topic.
    pub(super) fn is_to_topic(body: &[u8]) -> bool {
        !Form::read(body).topic().is_empty()
    }
}

impl Sending {
    /// Promotional, unless the sender says that it is needed.
    pub(super) const fn kind_name(&self) -> &'static str {
        self.kind
    }

    pub(super) fn into_text(self, function: Option<&'static str>, trace: Option<TraceId>) -> Text {
        Text {
            id: new_id(),
            at: format!("{:.3}", Timestamp::now()),
            direction: Direction::Sent,
            parts: segments::count(&self.message),
            number: self.number,
            body: self.message,
            sender_id: self.sender_id,
            r#type: Some(self.kind.to_owned()),
            function: function.map(str::to_owned),
            trace: trace.map(|trace| trace.to_string()),
            receipt: None,
            in_reply_to: None,
        }
    }
}

impl Form {
    fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Empty if it is not there.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn topic(&self) -> &str {
        match self.text("TopicArn") {
            "" => self.text("TargetArn"),
            arn => arn,
        }
    }

    fn sending(&self, number: &str, message: &str) -> Result<Sending, Invalid> {
        if !is_e164(number) {
            return Err(invalid(&format!("PhoneNumber Reason: {number} is not valid to publish to")));
        }
        let (mut sender_id, mut kind) = (None, "promotional");
        for (name, data_type, value) in self.attributes() {
            match name {
                "AWS.SNS.SMS.SenderID" if is_sender_id(value) => sender_id = Some(value.to_owned()),
                "AWS.SNS.SMS.SMSType" if value.eq_ignore_ascii_case("transactional") => {
                    kind = "transactional"
                }
                "AWS.SNS.SMS.SMSType" if value.eq_ignore_ascii_case("promotional") => kind = "promotional",
                "AWS.SNS.SMS.MaxPrice" if data_type == "Number" && value.parse::<f64>().is_ok() => {}
                "AWS.MM.SMS.OriginationNumber" if is_e164(value) => {}
                "AWS.SNS.SMS.SenderID"
                | "AWS.SNS.SMS.SMSType"
                | "AWS.SNS.SMS.MaxPrice"
                | "AWS.MM.SMS.OriginationNumber" => {
                    return Err(Invalid {
                        code: "ParameterValueInvalid",
                        message: format!("Invalid parameter: MessageAttributes Reason: {name} is not valid"),
                    });
                }
                // Others mean nothing to a phone.
                _ => {}
            }
        }
        Ok(Sending { number: number.to_owned(), message: message.to_owned(), sender_id, kind })
    }

    /// Each with its name, its data type and its value.
    fn attributes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let field = |index: u32, part: &str| self.text_at(&format!("MessageAttributes.entry.{index}.{part}"));
        (1..).map_while(move |index| {
            let name = field(index, "Name")?;
            let data_type = field(index, "Value.DataType").unwrap_or_default();
            Some((name, data_type, field(index, "Value.StringValue").unwrap_or_default()))
        })
    }

    fn text_at(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// `+`, a country that does not begin with 0, and 15 digits at most (ITU-T E.164).
fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|it| it.is_ascii_digit())
    })
}

/// Up to eleven letters and digits, a letter among them.
fn is_sender_id(name: &str) -> bool {
    (1..=11).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
        && name.bytes().any(|it| it.is_ascii_alphabetic())
}

fn invalid(reason: &str) -> Invalid {
    Invalid { code: "InvalidParameter", message: format!("Invalid parameter: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Publish, Invalid> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "Publish");
        Publish::read(form.extend_pairs(fields).finish().as_bytes())
    }

    const TO: (&str, &str) = ("PhoneNumber", "+4915112345678");

    #[test]
    fn what_sns_would_refuse_is_refused() {
        let long = "x".repeat(TEXT_BYTES + 1);
        let attribute = |name: &'static str, value: &'static str| {
            [
                TO,
                ("Message", "Hi"),
                ("MessageAttributes.entry.1.Name", name),
                ("MessageAttributes.entry.1.Value.DataType", "String"),
                ("MessageAttributes.entry.1.Value.StringValue", value),
            ]
        };
        let refused: &[(&[(&str, &str)], &str)] = &[
            (&[("Message", "Hi")], "InvalidParameter"),
            (&[TO], "InvalidParameter"),
            (&[TO, ("Message", "")], "InvalidParameter"),
            (&[TO, ("Message", long.as_str())], "InvalidParameter"),
            (&[TO, ("Message", "Hi"), ("TopicArn", "arn")], "InvalidParameter"),
            (&[("PhoneNumber", "015112345678"), ("Message", "Hi")], "InvalidParameter"),
            (&[("PhoneNumber", "+0151123456"), ("Message", "Hi")], "InvalidParameter"),
            (&[("PhoneNumber", "+49 151 1234"), ("Message", "Hi")], "InvalidParameter"),
            (&[("PhoneNumber", "+1234567890123456"), ("Message", "Hi")], "InvalidParameter"),
            (&attribute("AWS.SNS.SMS.SenderID", "12345"), "ParameterValueInvalid"),
            (&attribute("AWS.SNS.SMS.SenderID", "MuchTooLongAName"), "ParameterValueInvalid"),
            (&attribute("AWS.SNS.SMS.SMSType", "Urgent"), "ParameterValueInvalid"),
            (&attribute("AWS.SNS.SMS.MaxPrice", "1.0"), "ParameterValueInvalid"),
        ];
        for (fields, code) in refused {
            assert_eq!(read(fields).err().map(|it| it.code), Some(*code), "{fields:?}");
        }
        let other = Publish::read(b"Action=CreateTopic");
        assert_eq!(other.err().map(|it| it.code), Some("InvalidAction"));
    }

    #[test]
    fn attributes_that_mean_nothing_to_a_phone_are_left_out() {
        let sending = read(&[
            TO,
            ("Message", "Hi"),
            ("MessageAttributes.entry.1.Name", "event_id"),
            ("MessageAttributes.entry.1.Value.StringValue", "evt_1"),
            ("MessageAttributes.entry.2.Name", "AWS.SNS.SMS.SMSType"),
            ("MessageAttributes.entry.2.Value.StringValue", "Transactional"),
        ]);
        let Ok(Publish::Text(sending)) = sending else { panic!("{sending:?}") };
        assert_eq!((sending.kind, sending.sender_id), ("transactional", None));
    }
}
