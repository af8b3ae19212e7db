//! Whether the app may send mail, and what is missing until it may.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata;
use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityOutput;
use infra_cloud::stage::MailIdentity;
use infra_cloud::{names, outputs};

use super::failure::{Failure, Result};
use super::stack::Stack;
use super::target::{MODEL, Place};
use super::terminal::{self, say};

/// What SES says of the sender and of the account.
pub(crate) struct Mail {
    identity: String,
    verified: bool,
    /// The configuration set that its mail is sent with.
    configuration_set: Option<String>,
    in_sandbox: bool,
    suspended: bool,
    a_day: f64,
    records: Vec<[String; 2]>,
}

/// Asks SES.
pub(crate) async fn read(place: &Place, stack: &Stack) -> Result<Mail> {
    let ses = Client::new(&place.aws.config);
    let identity = stack.output(outputs::MAIL_IDENTITY)?;
    let found = find(&ses, &identity).await?;
    let account = ses.get_account().send().await;
    let account = account.map_err(|error| Failure::aws("reading the limits of mail", &error))?;
    let records = outputs::DKIM_NAMES.iter().zip(outputs::DKIM_VALUES);
    Ok(Mail {
        identity,
        verified: found.as_ref().is_some_and(|found| found.verified_for_sending_status),
        configuration_set: found.and_then(|found| found.configuration_set_name),
        in_sandbox: !account.production_access_enabled,
        suspended: !account.sending_enabled,
        a_day: account.send_quota.map(|quota| quota.max24_hour_send).unwrap_or_default(),
        records: records
            .filter_map(|(name, value)| Some([stack.output(name).ok()?, stack.output(value).ok()?]))
            .collect(),
    })
}

async fn find(ses: &Client, identity: &str) -> Result<Option<GetEmailIdentityOutput>> {
    match ses.get_email_identity().email_identity(identity).send().await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Some("NotFoundException") => Ok(None),
        Err(error) => Err(Failure::aws("reading the mail identity", &error)),
    }
}

/// A stack can only make an identity that there is not: better said before than after.
pub(crate) async fn check_identity(place: &Place, is_first: bool) -> Result<()> {
    let (stage, aws) = (&place.stage, &place.aws);
    let existing = stage.mail_identity == MailIdentity::Existing;
    let Some(sender) = stage.mail_sender().filter(|_| is_first || existing) else { return Ok(()) };
    let is_there = find(&Client::new(&aws.config), sender).await?.is_some();
    let of_account = format!("of SES in account {}, {}", aws.account, aws.region);
    match stage.mail_identity {
        MailIdentity::Existing if !is_there => Err(Failure::new(format!(
            "{sender} is no identity {of_account}, and mail_identity = \"existing\" in the stage's file says that it is: \
             write \"domain\" to have it made"
        ))),
        MailIdentity::Domain if is_there => Err(Failure::new(format!(
            "{sender} is an identity {of_account} already, and no stack can take it over: write mail_identity = \
             \"existing\" into the stage's file to use it as it is, or remove it there"
        ))),
        MailIdentity::Address if is_there => Err(Failure::new(format!(
            "{sender} is an identity {of_account} already, and no stack can take it over: remove it there"
        ))),
        MailIdentity::Domain | MailIdentity::Address | MailIdentity::Existing => Ok(()),
    }
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
                MailIdentity::Domain if place.stage.mail_zone().is_none() => {
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
                MailIdentity::Existing => terminal::note(&format!(
                    "{} is not verified; the SES console says what it waits for",
                    self.identity
                )),
            }
        }
        let own = names::configuration_set(MODEL, &place.stage.name);
        if place.stage.mail_identity == MailIdentity::Existing
            && self.configuration_set.as_ref() != Some(&own)
        {
            terminal::note(&format!(
                "the mail of {identity} is sent with {}, so that nobody is told of bounces, or none may be sent: aws sesv2 \
                 put-email-identity-configuration-set-attributes --email-identity {identity} \
                 --configuration-set-name {own} --region {}",
                self.configuration_set.as_deref().unwrap_or("no configuration set"),
                place.aws.region,
                identity = self.identity,
            ));
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
