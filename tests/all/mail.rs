//! What a mail may hold: S3, S4.

use mail_parser::MessageParser;
use serde_json::json;
use tests::inbox::Email;
use tests::person::{PASSWORD, VERIFICATION};
use tests::{Person, Platform};

use crate::ledger::Ledger;

#[tokio::test]
async fn s3_no_address_adds_a_header_or_a_recipient() {
    let platform = Platform::start().await;
    for address in [
        "ada@example.com\r\nBcc: eve@evil.example",
        "ada@example.com\nBcc: eve@evil.example",
        "ada@example.com%0d%0aBcc: eve@evil.example",
        "ada@example.com\u{2028}Bcc: eve@evil.example",
        "ada\r\n@example.com",
        "\"ada\r\nBcc: eve@evil.example\"@example.com",
        "ada@example.com,eve@evil.example",
        "ada@example.com;eve@evil.example",
        "ada@example.com, eve@evil.example",
        "ada@example.com eve@evil.example",
        "Ada <ada@example.com>",
        "<ada@example.com>, <eve@evil.example>",
        "\"ada@example.com, eve\"@evil.example",
        "ada@example.com>,<eve@evil.example",
        "=?utf-8?q?ada=40example.com=2Ceve?=@evil.example,x@example.com",
        "ada@example.com\u{0}",
        "ada@[127.0.0.1]",
        "ada@localhost",
    ] {
        let body = json!({ "email": address, "password": PASSWORD, "name": "Ada" });
        let client = platform.client();
        let answer = client.post("/api/auth/sign-up").json(body).expect_problem(422, "validation").await;
        assert_eq!(answer["errors"][0]["field"], "email", "{address:?}: {answer}");
        let answer = client.post("/api/auth/password/forgot").json(json!({ "email": address }));
        answer.expect_problem(422, "validation").await;
    }
    // These are addresses, if odd ones: each is one recipient, as it stands.
    for address in ["o'brien+tag=x@example.com", "{a|b}&c@example.com"] {
        let mut person = Person::new(&platform, "Odd");
        address.clone_into(&mut person.email);
        person.sign_up().await;
        let mail = platform.inbox.wait_for(address, VERIFICATION).await;
        assert_one_recipient(&mail, address);
    }
    Ledger::settled(&platform).await;
    assert_eq!(platform.inbox.all().await.len(), 2);
}

#[tokio::test]
async fn s3_no_name_adds_a_header_or_a_recipient() {
    let platform = Platform::start().await;
    for name in
        ["Ada\r\nBcc: eve@evil.example", "Ada\nX: y", "Ada\u{2028}x", "Ada\u{0}", "\u{202e}adA", "", "   "]
    {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": name });
        let answer =
            platform.client().post("/api/auth/sign-up").json(body).expect_problem(422, "validation").await;
        assert_eq!(answer["errors"][0]["field"], "name", "{name:?}: {answer}");
    }
    for (place, name) in [
        "Eve\" <eve@evil.example>, \"Ada",
        "=?utf-8?q?=0D=0ABcc:_eve=40evil.example?=",
        "eve@evil.example, ",
        "%0d%0aBcc: eve@evil.example",
        "\\r\\nBcc: eve@evil.example",
    ]
    .into_iter()
    .enumerate()
    {
        let mut person = Person::new(&platform, &format!("user{place}"));
        name.clone_into(&mut person.name);
        person.sign_up().await;
        person.verify(&platform).await;
        let welcome = platform.inbox.wait_for(&person.email, "Your address is verified").await;
        for mail in platform.inbox.to(&person.email).await {
            assert_one_recipient(&platform.inbox.open(&mail).await, &person.email);
        }
        assert!(welcome.text.contains(name.trim()), "{}", welcome.text);
    }
}

#[tokio::test]
async fn s4_every_mail_can_be_read_in_text_and_in_html_and_shows_input_as_it_was_typed() {
    let platform = Platform::start().await;
    let name = "<img src=x onerror=alert(1)> & \"Ada\" {{ 1234*4321 }} </p>";
    let mut ada = Person::new(&platform, "Ada");
    name.clone_into(&mut ada.name);
    ada.sign_up().await;
    ada.verify(&platform).await;
    ada.sign_in().await;
    ada.elsewhere(&platform).sign_in().await;
    ada.reset_token(&platform).await;
    ada.sign_up().await;
    let change = json!({ "current_password": PASSWORD, "new_password": tests::person::OTHER_PASSWORD });
    ada.client.put("/api/auth/password").json(change).expect(204).await;
    let email = json!({ "email": "countess@example.com", "password": tests::person::OTHER_PASSWORD });
    ada.client.put("/api/auth/email").json(email).expect(202).await;
    let token = platform.inbox.wait_for("countess@example.com", "Confirm").await.token("/confirm-email");
    ada.client.post_json("/api/auth/email/confirm", json!({ "token": token }), 204).await;
    platform.inbox.wait_for(&ada.email, "Your email address was changed").await;
    Ledger::settled(&platform).await;

    let mails = platform.inbox.all().await;
    let mut subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        [
            "Choose a new password",
            "Confirm your new email address",
            "Sign-in from a new device",
            "Verify your email address",
            "You have an account already",
            "Your address is verified",
            "Your email address was changed",
            "Your password was changed",
        ]
    );
    for mail in &mails {
        let mail = platform.inbox.open(mail).await;
        let Email { subject, text, html, links, .. } = &mail;
        assert!(text.trim().len() > 80 && html.len() > 200, "{subject}: {text}\n{html}");
        let own_words = text.replace(name, "");
        assert!(
            !own_words.contains("</") && !own_words.contains("&amp;"),
            "{subject} is no plain text: {text}"
        );
        for line in text.lines().filter(|line| !line.contains("http")) {
            assert!(line.chars().count() <= 100, "{subject}: a long line: {line}");
        }
        assert!(
            !html.contains("<img") && !html.contains("<script") && !html.contains("onerror=alert(1)>"),
            "{subject}: {html}"
        );
        // Nothing is loaded when it is opened: no picture tells that it was.
        for remote in ["src=", "@import", "url(", "<link", "<iframe", "<form"] {
            let own_words = html.replace("&#60;img src=x", "").replace("&lt;img src=x", "");
            assert!(!own_words.contains(remote), "{subject} loads {remote}: {html}");
        }
        for link in links {
            assert!(
                text.contains(link.as_str()) || !link.contains("token"),
                "{subject}: {link} is not in the text"
            );
            assert!(link.starts_with(platform.origin()), "{subject}: {link}");
        }
        if subject == "Your address is verified" {
            assert!(text.contains(name), "{text}");
            let body = html.split("<body").nth(1).unwrap_or(html);
            assert!(body.contains("&#60;img src=x") || body.contains("&lt;img src=x"), "{html}");
        } else {
            assert!(
                !text.contains("onerror"),
                "{subject} shows a name to an address that nobody has verified"
            );
        }
        // What the name would be if a template took it for its own. Any digits may be in a token.
        let plain: String = text.lines().filter(|line| !line.contains("http")).collect();
        assert!(!plain.contains("5332114"), "{text}");
        assert!(
            mail.headers.iter().any(|header| header.name.eq_ignore_ascii_case("auto-submitted")),
            "{subject}"
        );
    }
}

fn assert_one_recipient(mail: &Email, address: &str) {
    assert_eq!(mail.to, [address]);
    let headers: Vec<_> = mail.headers.iter().map(|header| header.name.to_ascii_lowercase()).collect();
    for name in ["to", "from", "subject", "date", "message-id"] {
        assert_eq!(headers.iter().filter(|header| *header == name).count(), 1, "{name} in {headers:?}");
    }
    assert!(
        !headers.iter().any(|header| ["cc", "bcc", "x", "reply-to", "sender"].contains(&header.as_str())),
        "{headers:?}"
    );
    let to = mail.headers.iter().find(|header| header.name.eq_ignore_ascii_case("to")).expect("To");
    let header = format!("To: {}\r\n\r\n", to.value);
    let parsed = MessageParser::default().parse(header.as_bytes()).expect("a header");
    let recipients: Vec<_> =
        parsed.to().into_iter().flat_map(|to| to.iter()).filter_map(|to| to.address()).collect();
    assert_eq!(recipients, [address]);
}
