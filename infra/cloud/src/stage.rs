//! A stage: one deployment of the app, with what differs from one to the next.
//!
//! A stage is described by a TOML file of its name, such as `stages/dev.toml`:
//!
//! ```toml
//! mail_from = "Billion <hello@example.com>" # the one thing without a default
//! ```
//!
//! `stages/example.toml` has every setting.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One deployment of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name, such as `dev`: part of every resource's name.
    pub name: String,
    /// The region of all but what CloudFront has everywhere.
    pub region: String,
    /// The account it belongs to; none: that of the credentials.
    pub account: Option<String>,
    /// What the functions' binaries were built for.
    pub architecture: Architecture,
    /// The domain that browsers use; none: the distribution's own.
    pub domain: Option<Domain>,
    /// Where DNS records are made; none: whoever deploys makes them.
    pub hosted_zone: Option<HostedZone>,
    /// Whom mail is from, as `Billion <hello@example.com>`.
    pub mail_from: String,
    /// What is proved to be ours, so that mail may be sent as it.
    pub mail_identity: MailIdentity,
    /// Whom mail may be sent to while AWS keeps the account in its sandbox: addresses that are verified as the sender's is.
    /// There, AWS asks for permission to use the recipient's identity too.
    pub sandbox_recipients: Vec<String>,
    /// Who is told of alarms; none: whoever subscribes to the topic.
    pub alarm_email: Option<String>,
    /// US dollars a month from which on the budget warns.
    pub budget_usd: u32,
    /// Whether the table outlives the stack, and cannot be deleted by accident.
    pub keep_data: bool,
    /// Whether functions get the concurrency that the model reserves for them. A new account has too little for that.
    pub reserve_concurrency: bool,
    /// Days that logs are kept for.
    pub log_retention_days: u32,
    /// What functions take for the origin that browsers use, in place of the domain's: for emulators, which have no
    /// address of the distribution's name.
    pub public_origin: Option<String>,
}

/// What a function's binary was built for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Architecture {
    /// Graviton: a fifth cheaper.
    #[default]
    #[serde(rename = "arm64")]
    Arm64,
    /// As most laptops and emulators.
    #[serde(rename = "x86-64")]
    X86_64,
}

impl Architecture {
    /// As Lambda names it.
    #[must_use]
    pub const fn lambda_name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// As Rust names it.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }
}

/// The domain that browsers use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// As `app.example.com`.
    pub name: String,
    /// The ARN of its certificate, which must lie in us-east-1, where CloudFront looks. None: one is made, which needs a
    /// hosted zone, and the stage in us-east-1.
    pub certificate: Option<String>,
}

/// A hosted zone of Route 53.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostedZone {
    /// As `Z0123456789ABCDEFGHIJ`.
    pub id: String,
    /// The domain that it is of, as `example.com`.
    pub name: String,
}

impl HostedZone {
    /// Whether a domain's records belong into it.
    #[must_use]
    pub fn holds(&self, domain: &str) -> bool {
        domain == self.name || domain.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.'))
    }
}

/// What is proved to be ours, so that mail may be sent as it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailIdentity {
    /// The domain of the sender's address, by DNS records.
    #[default]
    Domain,
    /// The sender's address alone, by a link that AWS mails to it. Mail is not signed as the domain's then.
    Address,
    /// The domain of the sender's address, which is an identity of the account already: the stack neither makes nor removes
    /// nor changes it.
    Existing,
}

/// Why a stage is no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error(
        "there is no stage \"{name}\"; describe it in {}, which needs one line: mail_from = \"Name <name@example.com>\"",
        path.display()
    )]
    Missing {
        /// Its name.
        name: String,
        /// The file that would describe it.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{} is not right: {reason}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A setting has a value that cannot be.
    #[error("the stage's {setting} is not right: {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What it must be.
        reason: &'static str,
    },
}

/// The file's contents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    region: Option<String>,
    account: Option<String>,
    #[serde(default)]
    architecture: Architecture,
    domain: Option<Domain>,
    hosted_zone: Option<HostedZone>,
    mail_from: String,
    #[serde(default)]
    mail_identity: MailIdentity,
    #[serde(default)]
    sandbox_recipients: Vec<String>,
    alarm_email: Option<String>,
    budget_usd: Option<u32>,
    keep_data: Option<bool>,
    reserve_concurrency: Option<bool>,
    log_retention_days: Option<u32>,
    public_origin: Option<String>,
}

/// What a name must be.
const NAMES: &str = "it takes 1 to 16 lower-case letters, digits and hyphens, a letter first";

impl Stage {
    /// A stage with nothing but defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, mail_from: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            region: CLOUDFRONT_REGION.to_owned(),
            account: None,
            architecture: Architecture::default(),
            domain: None,
            hosted_zone: None,
            mail_from: mail_from.into(),
            mail_identity: MailIdentity::default(),
            sandbox_recipients: Vec::new(),
            alarm_email: None,
            budget_usd: 10,
            keep_data: true,
            reserve_concurrency: true,
            log_retention_days: 30,
            public_origin: None,
        }
    }

    /// Reads the stage of this name, which a file in the folder describes. It has been checked.
    ///
    /// # Errors
    /// As [`Self::read`], and for what is no name of a stage.
    pub fn find(name: &str, folder: &Path) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::Setting { setting: "name", reason: NAMES });
        }
        Self::read(&folder.join(format!("{name}.toml")))
    }

    /// Reads the stage that a file describes; the file's name is the stage's. It has been checked.
    ///
    /// # Errors
    /// If the file is not there or not right; the error says what to do.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                Error::Missing { name: name.clone(), path: path.to_owned() }
            } else {
                Error::Unreadable { path: path.to_owned(), source }
            }
        })?;
        let file: File = toml::from_str(&text)
            .map_err(|error| Error::Syntax { path: path.to_owned(), reason: one_line(&error, &text) })?;
        let defaults = Self::new(name, file.mail_from);
        let stage = Self {
            region: file.region.unwrap_or(defaults.region),
            account: file.account,
            architecture: file.architecture,
            domain: file.domain,
            hosted_zone: file.hosted_zone,
            mail_identity: file.mail_identity,
            sandbox_recipients: file.sandbox_recipients,
            alarm_email: file.alarm_email,
            budget_usd: file.budget_usd.unwrap_or(defaults.budget_usd),
            keep_data: file.keep_data.unwrap_or(defaults.keep_data),
            reserve_concurrency: file.reserve_concurrency.unwrap_or(defaults.reserve_concurrency),
            log_retention_days: file.log_retention_days.unwrap_or(defaults.log_retention_days),
            public_origin: file.public_origin,
            name: defaults.name,
            mail_from: defaults.mail_from,
        };
        stage.check()?;
        Ok(stage)
    }

    /// Whether every setting is one that can be deployed.
    ///
    /// # Errors
    /// For the first that is not.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |setting, reason| Err(Error::Setting { setting, reason });
        if !is_name(&self.name) {
            return wrong("name", NAMES);
        }
        if self.name == "local" {
            return wrong("name", "\"local\" is the laptop");
        }
        if !is_region(&self.region) {
            return wrong("region", "it must look like us-east-1");
        }
        if self.account.as_ref().is_some_and(|account| account.len() != 12 || !is_digits(account)) {
            return wrong("account", "it has twelve digits");
        }
        if self.mail_address().is_none() {
            return wrong("mail_from", "it must look like Name <name@example.com>");
        }
        if !self.sandbox_recipients.iter().all(|address| is_address(address)) {
            return wrong("sandbox_recipients", "they must look like name@example.com");
        }
        if self.alarm_email.as_deref().is_some_and(|address| !is_address(address)) {
            return wrong("alarm_email", "it must look like name@example.com");
        }
        if self.budget_usd == 0 {
            return wrong("budget_usd", "it must be at least 1");
        }
        if !LOG_RETENTION_DAYS.contains(&self.log_retention_days) {
            return wrong(
                "log_retention_days",
                "CloudWatch has 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180 or 365",
            );
        }
        if self.public_origin.as_deref().is_some_and(|origin| !is_origin(origin)) {
            return wrong(
                "public_origin",
                "it must look like https://example.com, without a slash at the end",
            );
        }
        if self.hosted_zone.as_ref().is_some_and(|zone| !is_domain(&zone.name)) {
            return wrong("hosted_zone.name", "it must look like example.com");
        }
        self.check_domain()
    }

    fn check_domain(&self) -> Result<(), Error> {
        let wrong = |setting, reason| Err(Error::Setting { setting, reason });
        let Some(domain) = &self.domain else { return Ok(()) };
        if !is_domain(&domain.name) {
            return wrong("domain.name", "it must look like app.example.com");
        }
        let in_zone = self.hosted_zone.as_ref().is_some_and(|zone| zone.holds(&domain.name));
        match &domain.certificate {
            Some(certificate) if certificate.split(':').nth(3) != Some(CLOUDFRONT_REGION) => wrong(
                "domain.certificate",
                "it must be the ARN of a certificate in us-east-1, where CloudFront looks",
            ),
            None if !in_zone => wrong(
                "domain.certificate",
                "without a hosted zone that holds the domain, a certificate must be given",
            ),
            None if self.region != CLOUDFRONT_REGION => {
                wrong("domain.certificate", "outside us-east-1, a certificate must be given, of us-east-1")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The address that mail comes from, as `hello@example.com`.
    #[must_use]
    pub fn mail_address(&self) -> Option<&str> {
        let (name, address) = self.mail_from.strip_suffix('>')?.split_once('<')?;
        (!name.trim().is_empty() && is_address(address)).then_some(address)
    }

    /// The hosted zone that the records which prove the mail domain are made in; none: whoever deploys makes them.
    #[must_use]
    pub fn mail_zone(&self) -> Option<&HostedZone> {
        let domain = self.mail_domain().filter(|_| self.mail_identity == MailIdentity::Domain)?;
        self.hosted_zone.as_ref().filter(|zone| zone.holds(domain))
    }

    /// What mail is sent as: a domain, or an address.
    #[must_use]
    pub fn mail_sender(&self) -> Option<&str> {
        match self.mail_identity {
            MailIdentity::Domain | MailIdentity::Existing => self.mail_domain(),
            MailIdentity::Address => self.mail_address(),
        }
    }

    /// The domain that mail comes from, as `example.com`.
    #[must_use]
    pub fn mail_domain(&self) -> Option<&str> {
        self.mail_address()?.rsplit_once('@').map(|(_, domain)| domain)
    }
}

/// Where CloudFront's certificates and metrics are.
const CLOUDFRONT_REGION: &str = "us-east-1";

/// Those that CloudWatch takes, up to a year.
const LOG_RETENTION_DAYS: &[u32] = &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365];

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 16
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    !middle.is_empty() && middle.iter().chain([first]).all(is_word) && is_digits(last)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".!#%&'+-/=_~".contains(&byte);
    !local.is_empty() && local.bytes().all(is_plain) && is_domain(domain)
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    })
}

/// What is wrong with a file, and in which line of it.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let reason = error.message().trim().replace('\n', ", ");
    match error.span() {
        Some(span) => {
            let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
            format!("{reason} (line {line})")
        }
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        Stage::new("dev", "Billion <hello@example.com>")
    }

    fn refused(change: impl FnOnce(&mut Stage)) -> &'static str {
        let mut stage = stage();
        change(&mut stage);
        match stage.check() {
            Err(Error::Setting { setting, .. }) => setting,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_of_one_line_is_a_stage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.toml");
        let missing = Stage::read(&path).unwrap_err().to_string();
        assert!(missing.contains("there is no stage \"dev\"") && missing.contains("mail_from"), "{missing}");
        fs::write(&path, "mail_from = \"Billion <hello@example.com>\"\n").unwrap();
        assert_eq!(Stage::read(&path).unwrap(), stage());
        assert_eq!(stage().mail_domain(), Some("example.com"));
    }

    #[test]
    fn a_wrong_file_is_refused_in_one_line_that_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.toml");
        for (text, line) in [
            ("mail_from = \"A <a@b.cd>\"\nbudget = 3\n", "(line 2)"),
            ("mail_from = 3\n", "(line 1)"),
            ("mail_from = \"A <a@b.cd>\"\n\n[domain]\nnme = \"a.b\"\n", "(line 4)"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Stage::read(&path).unwrap_err().to_string();
            assert!(error.contains(line) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_example_has_every_setting_and_is_right() {
        let example =
            Stage::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/example.toml")).unwrap();
        let Stage { account, domain, hosted_zone, alarm_email, public_origin, sandbox_recipients, .. } =
            &example;
        assert!(account.is_some() && domain.is_some() && hosted_zone.is_some() && alarm_email.is_some());
        assert!(!sandbox_recipients.is_empty());
        assert!(public_origin.is_none(), "it is for emulators");
    }

    #[test]
    fn settings_that_cannot_be_deployed_are_refused() {
        assert!(stage().check().is_ok());
        for name in ["", "Dev", "1st", "a-stage-that-is-too-long", "dev_1", "local"] {
            assert_eq!(refused(|stage| stage.name = name.to_owned()), "name", "{name}");
        }
        for region in ["", "us", "us-east", "us-east-one", "US-EAST-1"] {
            assert_eq!(refused(|stage| stage.region = region.to_owned()), "region", "{region}");
        }
        for from in ["hello@example.com", "Billion", "<a@b.cd>", "Billion <hello>", "Billion <a b@c.de>"] {
            assert_eq!(refused(|stage| stage.mail_from = from.to_owned()), "mail_from", "{from}");
        }
        assert_eq!(refused(|stage| stage.sandbox_recipients = vec!["*".to_owned()]), "sandbox_recipients");
        assert_eq!(refused(|stage| stage.account = Some("123".to_owned())), "account");
        assert_eq!(refused(|stage| stage.log_retention_days = 31), "log_retention_days");
        assert_eq!(refused(|stage| stage.budget_usd = 0), "budget_usd");
        for origin in ["example.com", "https://", "https://example.com/", "ftp://example.com"] {
            assert_eq!(refused(|stage| stage.public_origin = Some(origin.to_owned())), "public_origin");
        }
    }

    #[test]
    fn the_records_of_mail_are_made_only_in_a_zone_that_holds_its_domain() {
        let made = |name: &str| {
            let zone = HostedZone { id: "Z1".to_owned(), name: name.to_owned() };
            Stage { hosted_zone: Some(zone), ..stage() }.mail_zone().is_some()
        };
        assert!(made("example.com") && !made("app.example.com") && !made("example.org"));
        assert!(stage().mail_zone().is_none());
    }

    #[test]
    fn a_domain_needs_a_certificate_that_cloudfront_can_use() {
        let domain = |certificate: Option<&str>| {
            Some(Domain { name: "app.example.com".to_owned(), certificate: certificate.map(str::to_owned) })
        };
        let zone = |name: &str| Some(HostedZone { id: "Z1".to_owned(), name: name.to_owned() });
        assert_eq!(refused(|stage| stage.domain = domain(None)), "domain.certificate");
        let elsewhere = "arn:aws:acm:eu-west-1:123456789012:certificate/1";
        assert_eq!(refused(|stage| stage.domain = domain(Some(elsewhere))), "domain.certificate");
        let other_zone = |stage: &mut Stage| {
            stage.domain = domain(None);
            stage.hosted_zone = zone("notexample.com");
        };
        assert_eq!(refused(other_zone), "domain.certificate");
        let other_region = |stage: &mut Stage| {
            stage.domain = domain(None);
            stage.hosted_zone = zone("example.com");
            stage.region = "eu-west-1".to_owned();
        };
        assert_eq!(refused(other_region), "domain.certificate");
        let right = Stage { domain: domain(None), hosted_zone: zone("example.com"), ..stage() };
        right.check().unwrap();
        assert!(!zone("example.com").unwrap().holds("notexample.com"));
    }
}
