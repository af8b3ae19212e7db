//! Whether the app may send mail, and what is missing until it may.

use aws_sdk_sesv2::error::ProvideErrorMetadata;
use infra_cloud::outputs;
use infra_cloud::stage::MailIdentity;

use super::failure::{Failure, Result};
use super::stack::Stack;
use super::target::Place;
use super::terminal::{self, say};

/// What SES says of the sender and of the account.
pub(crate) struct Mail {
    identity: String,
    verified: bool,
    in_sandbox: bool,
    suspended: bool,
    a_day: f64,
    records: Vec<[String; 2]>,
}

/// Asks SES.
pub(crate) async fn read(place: &Place, stack: &Stack) -> Result<Mail> {
    let ses = aws_sdk_sesv2::Client::new(&place.aws.config);
    let identity = stack.output(outputs::MAIL_IDENTITY)?;
    let verified = match ses.get_email_identity().email_identity(&identity).send().await {
        Ok(found) => found.verified_for_sending_status,
        Err(error) if error.code() == Some("NotFoundException") => false,
        Err(error) => return Err(Failure::aws("reading the mail identity", &error)),
    };
    let account = ses.get_account().send().await;
    let account = account.map_err(|error| Failure::aws("reading the limits of mail", &error))?;
    let records = outputs::DKIM_NAMES.iter().zip(outputs::DKIM_VALUES);
    Ok(Mail {
        identity,
        verified,
        in_sandbox: !account.production_access_enabled,
        suspended: !account.sending_enabled,
        a_day: account.send_quota.map(|quota| quota.max24_hour_send).unwrap_or_default(),
        records: records
            .filter_map(|(name, value)| Some([stack.output(name).ok()?, stack.output(value).ok()?]))
            .collect(),
    })
}

impl Mail {
    /// One line on how it stands.
    pub(crate) fn state(&self) -> String {
        let verified = if self.verified { "verified" } else { "NOT verified: no mail can be sent" };
        format!("{} ({verified}; at most {:.0} mails a day)", self.identity, self.a_day)
    }

    /// Says what somebody must do before mail arrives.
    pub(crate) fn print_missing(&self, place: &Place) {
        if !self.verified {
            match place.stage.mail_identity {
                MailIdentity::Domain if place.stage.hosted_zone.is_none() => {
                    say!(
                        "\nMail needs these DNS records of {}; SES finds them within minutes, at times hours:\n",
                        self.identity
                    );
                    self.print_records(place);
                }
                MailIdentity::Domain => {
                    terminal::note(
                        "the DNS records of mail are in the hosted zone; SES finds them within minutes",
                    );
                }
                MailIdentity::Address => terminal::note(&format!(
                    "AWS has mailed a link to {}; mail can be sent once somebody there has followed it",
                    self.identity
                )),
            }
        }
        if self.in_sandbox {
            terminal::note(
                "SES is in its sandbox: until AWS grants production access, mail reaches only addresses that you have \
                 verified there and named in the stage's sandbox_recipients, 200 a day (infra/README.md says how to ask)",
            );
        }
        if self.suspended {
            terminal::note("AWS has stopped this account's mail; see the SES console");
        }
    }

    fn print_records(&self, place: &Place) {
        let mut rows: Vec<_> = self
            .records
            .iter()
            .map(|[name, value]| vec![name.clone(), "CNAME".to_owned(), value.clone()])
            .collect();
        if let Some(domain) = place.stage.mail_domain() {
            rows.push(vec![format!("_dmarc.{domain}"), "TXT".to_owned(), "\"v=DMARC1; p=none\"".to_owned()]);
        }
        terminal::table(&["name", "type", "value"], &rows);
    }
}
