//! A provider of texts that does as it is told.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the provider does with a text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Accept,
    /// Status and code.
    Refuse(u16, &'static str),
    /// Accepts it, and the answer is lost.
    AcceptAndHangUp,
}

/// A text that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) to: String,
    pub(super) body: String,
    pub(super) kind: String,
    pub(super) message_id: String,
}

#[derive(Clone, Default)]
pub(super) struct Provider {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    accepted: Arc<AtomicU32>,
}

impl Sent {
    /// The code in it.
    pub(super) fn code(&self) -> String {
        let (_, rest) = self.body.split_once("Billion: ").unwrap();
        rest[..6].to_owned()
    }

    fn read(body: &str, message_id: String) -> Self {
        let form: HashMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        assert_eq!(form["Action"], "Publish");
        assert_eq!(form["MessageAttributes.entry.1.Name"], "AWS.SNS.SMS.SMSType");
        Self {
            to: form["PhoneNumber"].clone(),
            body: form["Message"].clone(),
            kind: form["MessageAttributes.entry.1.Value.StringValue"].clone(),
            message_id,
        }
    }
}

impl Provider {
    pub(super) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub(super) fn forget(&self) {
        self.sent.lock().unwrap().clear();
    }

    pub(super) async fn serve(self, listener: TcpListener) {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let provider = self.clone();
            tokio::spawn(async move { provider.talk(connection).await });
        }
    }

    async fn talk(&self, mut connection: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some(body) = read_request(&mut connection, &mut buffer).await else { return };
            let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Accept);
            let (status, xml) = match answer {
                Answer::Accept | Answer::AcceptAndHangUp => {
                    let place = self.accepted.fetch_add(1, Ordering::Relaxed);
                    let message_id = format!("00000000-0000-4000-8000-{place:012}");
                    self.sent.lock().unwrap().push(Sent::read(&body, message_id.clone()));
                    let xml = format!(
                        "<PublishResponse><PublishResult><MessageId>{message_id}</MessageId></PublishResult></PublishResponse>"
                    );
                    (200, xml)
                }
                Answer::Refuse(status, code) => {
                    let xml = format!(
                        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                         <Message>Not +4915112345678</Message></Error></ErrorResponse>"
                    );
                    (status, xml)
                }
            };
            if matches!(answer, Answer::AcceptAndHangUp) {
                return;
            }
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
                xml.len()
            );
            connection.write_all((head + &xml).as_bytes()).await.unwrap();
        }
    }
}

async fn read_request(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or_default() {
                buffer.clear();
                return Some(body.to_owned());
            }
        }
        if connection.read_buf(buffer).await.unwrap_or_default() == 0 {
            return None;
        }
    }
}
