use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::emulator::{Emulator, REGION};
use crate::person::Person;
use crate::web;

/// Of fiction: nobody has it.
const NUMBER: &str = "+447700900123";

/// P1 P2: a code reaches a phone, which is theirs then, and what the phone answers on the number's topic is heard.
pub(crate) fn a_phone_gets_a_code_and_answers_stop(emulator: &Emulator, person: &mut Person<'_>) {
    let asked = person.send(Method::PUT, "/api/sms/phone", Some(json!({ "number": NUMBER })));
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let code = emulator.eventually("a text with a code reaches the phone", || code(emulator));
    let shown = person.send(Method::POST, "/api/sms/phone/confirm", Some(json!({ "code": code })));
    assert_eq!(shown.status, StatusCode::NO_CONTENT, "{shown:?}");
    let expected = json!({ "number": NUMBER, "verified": true, "texts": "on" });
    assert_eq!(phone(person), expected);

    let stop = json!({
        "originationNumber": NUMBER,
        "destinationNumber": "+12065550100",
        "messageKeyword": "KEYWORD_000000000000",
        "messageBody": "STOP",
        "inboundMessageId": "00000000-0000-4000-8000-000000000001",
    });
    publish(emulator, &format!("arn:aws:sns:{REGION}:000000000000:billion-emulator-sms-inbound"), &stop);
    emulator.eventually("STOP is heard", || (phone(person)["texts"] == "stopped").then_some(()));
}

fn phone(person: &mut Person<'_>) -> Value {
    person.send(Method::GET, "/api/sms/phone", None).json()["phone"].clone()
}

/// The code in the last text to the phone.
fn code(emulator: &Emulator) -> Option<String> {
    let texts = web::get(emulator.runtime(), &format!("{}/_ministack/sns/sms-messages", emulator.address));
    let texts = texts.unwrap().json()["sms_messages"][NUMBER].clone();
    let words = texts.as_array()?.last()?["Message"].as_str()?.to_owned();
    words.strip_prefix("Billion: ")?.split_whitespace().next().map(str::to_owned)
}

fn publish(emulator: &Emulator, topic: &str, message: &Value) {
    let fields = [
        ("Action", "Publish"),
        ("Version", "2010-03-31"),
        ("TopicArn", topic),
        ("Message", &message.to_string()),
    ];
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let host = format!("sns.{REGION}.amazonaws.com");
    let headers = [("host", host.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let request = web::request(Method::POST, &emulator.address, &headers, Bytes::from(body.join("&")));
    let answer = web::send(emulator.runtime(), request).unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// As a form has it: each byte but letters and digits as `%` and two digits.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
