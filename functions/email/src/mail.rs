//! The mails there are, and their words.

use std::fmt;
use std::time::Duration;

use askama::Template;
use jiff::Timestamp;
use shared::event::PasswordChange;
use shared::money::Money;
use shared::name::DisplayName;
use shared::plan::Plan;
use shared::unsubscribe::OptionalMail;

/// A mail, with all that its words depend on.
///
/// Only [`Mail::Welcome`] shows what a user chose, to an address that is theirs. Others may go to an
/// address before anybody has shown that: they must not let a stranger write in the app's name.
#[derive(Clone)]
pub(crate) enum Mail {
    /// Show that this address is yours.
    Verification { link: String, life: Life },
    /// This address was signed up again: choose a password, and the account is yours.
    FinishSigningUp { link: String, life: Life },
    /// Somebody tried to sign up with your address.
    AlreadyHaveAnAccount,
    /// Your address is verified.
    Welcome { name: DisplayName },
    /// Choose a new password.
    PasswordReset { link: String, life: Life },
    /// Your password was changed.
    PasswordChanged { by: PasswordChange, at: Moment },
    /// Show that the address that the account shall move to is yours.
    EmailChange { link: String, life: Life },
    /// Somebody tried to move an account to your address.
    EmailTaken,
    /// Your account moved to another address than this one.
    EmailChanged { at: Moment },
    /// Your account was deleted.
    AccountDeleted { at: Moment },
    /// Somebody signed in from a device that your account did not know.
    NewDevice { device: String, at: Moment },
    /// Your phone number gets texts from now on.
    PhoneAdded { at: Moment },
    /// Your account has no phone number any more.
    PhoneRemoved { at: Moment },
    /// We got your money.
    Receipt { amount: Money, number: Option<String>, at: Moment },
    /// We did not get your money.
    PaymentFailed { amount: Money, next: Option<Day> },
    /// Your subscription has begun.
    SubscriptionStarted { plan: PlanName, trial: bool },
    /// Your subscription is another one.
    SubscriptionChanged { plan: PlanName, ends: Option<Day> },
    /// Your trial ends soon.
    TrialEnding { ends: Day },
    /// Your subscription is over.
    SubscriptionEnded { at: Moment },
}

/// A mail in words.
#[derive(Clone)]
pub(crate) struct Words {
    pub(crate) subject: &'static str,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Mail {
    /// Which mail it is, as its tag at the provider and in the log.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Verification { .. } => "verification",
            Self::FinishSigningUp { .. } => "finish_signing_up",
            Self::AlreadyHaveAnAccount => "already_have_an_account",
            Self::Welcome { .. } => "welcome",
            Self::PasswordReset { .. } => "password_reset",
            Self::PasswordChanged { .. } => "password_changed",
            Self::EmailChange { .. } => "email_change",
            Self::EmailTaken => "email_taken",
            Self::EmailChanged { .. } => "email_changed",
            Self::AccountDeleted { .. } => "account_deleted",
            Self::NewDevice { .. } => "new_device",
            Self::PhoneAdded { .. } => "phone_added",
            Self::PhoneRemoved { .. } => "phone_removed",
            Self::Receipt { .. } => "receipt",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::SubscriptionStarted { .. } => "subscription_started",
            Self::SubscriptionChanged { .. } => "subscription_changed",
            Self::TrialEnding { .. } => "trial_ending",
            Self::SubscriptionEnded { .. } => "subscription_ended",
        }
    }

    /// The subject: never a word of anybody's but ours.
    const fn subject(&self) -> &'static str {
        match self {
            Self::Verification { .. } => "Verify your email address",
            Self::FinishSigningUp { .. } => "Finish signing up",
            Self::AlreadyHaveAnAccount => "You have an account already",
            Self::Welcome { .. } => "Your address is verified",
            Self::PasswordReset { .. } => "Choose a new password",
            Self::PasswordChanged { .. } => "Your password was changed",
            Self::EmailChange { .. } => "Confirm your new email address",
            Self::EmailTaken => "This address has an account already",
            Self::EmailChanged { .. } => "Your email address was changed",
            Self::AccountDeleted { .. } => "Your account was deleted",
            Self::NewDevice { .. } => "Sign-in from a new device",
            Self::PhoneAdded { .. } => "A phone number was added",
            Self::PhoneRemoved { .. } => "Your phone number was removed",
            Self::Receipt { .. } => "Your receipt",
            Self::PaymentFailed { .. } => "Your payment failed",
            Self::SubscriptionStarted { .. } => "Your subscription has started",
            Self::SubscriptionChanged { ends: None, .. } => "Your subscription was changed",
            Self::SubscriptionChanged { ends: Some(_), .. } => "Your subscription was cancelled",
            Self::TrialEnding { .. } => "Your trial ends soon",
            Self::SubscriptionEnded { .. } => "Your subscription has ended",
        }
    }

    /// The kind that its reader can end, if it is one: neither what bears on the safety of the account nor what tells of
    /// money (S2).
    pub(crate) const fn optional(&self) -> Option<OptionalMail> {
        match self {
            Self::Welcome { .. } | Self::TrialEnding { .. } => Some(OptionalMail::Product),
            Self::SubscriptionStarted { .. }
            | Self::SubscriptionChanged { .. }
            | Self::SubscriptionEnded { .. } => Some(OptionalMail::Billing),
            Self::Verification { .. }
            | Self::FinishSigningUp { .. }
            | Self::AlreadyHaveAnAccount
            | Self::PasswordReset { .. }
            | Self::PasswordChanged { .. }
            | Self::EmailChange { .. }
            | Self::EmailTaken
            | Self::EmailChanged { .. }
            | Self::AccountDeleted { .. }
            | Self::NewDevice { .. }
            | Self::PhoneAdded { .. }
            | Self::PhoneRemoved { .. }
            | Self::Receipt { .. }
            | Self::PaymentFailed { .. } => None,
        }
    }

    /// The mail in words, from an app of this name at this origin. `unsubscribe` is the page that ends its kind.
    pub(crate) fn write(
        &self,
        app: &str,
        origin: &str,
        unsubscribe: Option<&str>,
    ) -> Result<Words, askama::Error> {
        let subject = self.subject();
        Ok(Words {
            subject,
            text: Text { mail: self, subject, app, origin, unsubscribe }.render()?,
            html: Html { mail: self, subject, app, origin, unsubscribe }.render()?,
        })
    }
}

#[derive(Template)]
#[template(path = "layout.html")]
struct Html<'a> {
    mail: &'a Mail,
    subject: &'a str,
    app: &'a str,
    origin: &'a str,
    unsubscribe: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "layout.txt")]
struct Text<'a> {
    mail: &'a Mail,
    subject: &'a str,
    app: &'a str,
    origin: &'a str,
    unsubscribe: Option<&'a str>,
}

/// How long a link is good, in whole hours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life(pub(crate) Duration);

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() / 3600 {
            1 => f.write_str("1 hour"),
            hours => write!(f, "{hours} hours"),
        }
    }
}

/// When something happened, to the minute. In UTC: where the reader is, nobody asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%-d %B %Y at %H:%M UTC"))
    }
}

/// A day, in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day(pub(crate) Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%-d %B %Y"))
    }
}

/// A plan, as people call it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanName(pub(crate) Plan);

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Plan::Free => "Free",
            Plan::Pro => "Pro",
            Plan::Business => "Business",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://app.example/verify#token=abc_-9";
    const UNSUBSCRIBE: &str = "https://app.example/unsubscribe#token=abc";

    fn every_mail() -> Vec<Mail> {
        let link = || (LINK.to_owned(), Life(Duration::from_secs(24 * 60 * 60)));
        let at = Moment("2026-11-03T09:05:59Z".parse().unwrap());
        let day = Day("2026-11-06T09:05:59Z".parse().unwrap());
        let amount = Money { minor_units: 1200, currency: "usd".parse().unwrap() };
        let with_link = |mail: fn(String, Life) -> Mail| {
            let (link, life) = link();
            mail(link, life)
        };
        vec![
            with_link(|link, life| Mail::Verification { link, life }),
            with_link(|link, life| Mail::FinishSigningUp { link, life }),
            Mail::AlreadyHaveAnAccount,
            Mail::Welcome { name: "Ada".parse().unwrap() },
            with_link(|link, life| Mail::PasswordReset { link, life }),
            Mail::PasswordChanged { by: PasswordChange::Reset, at },
            Mail::PasswordChanged { by: PasswordChange::Change, at },
            with_link(|link, life| Mail::EmailChange { link, life }),
            Mail::EmailTaken,
            Mail::EmailChanged { at },
            Mail::AccountDeleted { at },
            Mail::NewDevice { device: "Firefox on Linux".to_owned(), at },
            Mail::PhoneAdded { at },
            Mail::PhoneRemoved { at },
            Mail::Receipt { amount, number: Some("BILL-0007".to_owned()), at },
            Mail::Receipt { amount, number: None, at },
            Mail::PaymentFailed { amount, next: Some(day) },
            Mail::PaymentFailed { amount, next: None },
            Mail::SubscriptionStarted { plan: PlanName(Plan::Pro), trial: true },
            Mail::SubscriptionStarted { plan: PlanName(Plan::Business), trial: false },
            Mail::SubscriptionChanged { plan: PlanName(Plan::Business), ends: None },
            Mail::SubscriptionChanged { plan: PlanName(Plan::Pro), ends: Some(day) },
            Mail::TrialEnding { ends: day },
            Mail::SubscriptionEnded { at },
        ]
    }

    fn write(mail: &Mail) -> Words {
        let page = mail.optional().map(|_| UNSUBSCRIBE);
        mail.write("Billion", "https://app.example", page).unwrap()
    }

    /// S2
    #[test]
    fn s2_what_is_neither_security_nor_money_says_how_to_end_it() {
        let mut optional = Vec::new();
        for mail in every_mail() {
            let words = write(&mail);
            let is_optional = mail.optional().is_some();
            assert_eq!(words.text.contains(UNSUBSCRIBE), is_optional, "{}", words.text);
            assert_eq!(
                words.html.contains(&format!("href=\"{UNSUBSCRIBE}\"")),
                is_optional,
                "{}",
                words.html
            );
            optional.extend(is_optional.then_some(mail.kind()));
        }
        optional.dedup();
        let expected =
            ["welcome", "subscription_started", "subscription_changed", "trial_ending", "subscription_ended"];
        assert_eq!(optional, expected);
    }

    /// S4
    #[test]
    fn s4_every_mail_can_be_read_as_text_and_as_html() {
        for mail in every_mail() {
            let Words { subject, text, html } = write(&mail);
            for part in [&text, &html] {
                assert!(part.contains(subject), "{part}");
                assert!(part.contains("Billion"), "{part}");
                // Money and subscriptions are seen to on one page, whoever changed them.
                assert!(
                    part.to_lowercase().contains("not you")
                        || part.contains("If not")
                        || part.contains("did not")
                        || part.contains("https://app.example/billing")
                );
            }
            let is_short = |line: &str| line.len() <= 76 || line.contains("https://");
            assert!(text.lines().all(is_short), "{text}");
            assert!(!text.contains("\n\n\n") && !text.contains('<'), "{text}");
        }
    }

    #[test]
    fn a_link_is_whole_in_both_parts_and_its_life_is_told() {
        for mail in every_mail() {
            let has_link = match mail {
                Mail::Verification { .. }
                | Mail::FinishSigningUp { .. }
                | Mail::PasswordReset { .. }
                | Mail::EmailChange { .. } => true,
                Mail::AlreadyHaveAnAccount
                | Mail::Welcome { .. }
                | Mail::PasswordChanged { .. }
                | Mail::EmailTaken
                | Mail::EmailChanged { .. }
                | Mail::AccountDeleted { .. }
                | Mail::NewDevice { .. }
                | Mail::PhoneAdded { .. }
                | Mail::PhoneRemoved { .. }
                | Mail::Receipt { .. }
                | Mail::PaymentFailed { .. }
                | Mail::SubscriptionStarted { .. }
                | Mail::SubscriptionChanged { .. }
                | Mail::TrialEnding { .. }
                | Mail::SubscriptionEnded { .. } => false,
            };
            let words = write(&mail);
            assert_eq!(words.text.contains(&format!("\n{LINK}\n")), has_link, "{}", words.text);
            assert_eq!(words.html.contains(&format!("href=\"{LINK}\"")), has_link, "{}", words.html);
            assert_eq!(words.text.contains("within 24 hours"), has_link);
            assert_eq!(words.html.contains("within 24 hours"), has_link);
        }
    }

    /// S4
    #[test]
    fn s4_what_a_user_chose_is_escaped() {
        let name = "<img src=x onerror=alert(1)> & \"Ada\"";
        let words = write(&Mail::Welcome { name: name.parse().unwrap() });
        assert!(!words.html.contains("<img"), "{}", words.html);
        assert!(words.html.contains("&#60;img src=x") || words.html.contains("&lt;img src=x"));
        assert!(words.text.contains(name));
        let at = Moment(Timestamp::UNIX_EPOCH);
        let words = write(&Mail::NewDevice { device: "<b>x</b>".to_owned(), at });
        assert!(!words.html.contains("<b>"));
    }

    #[test]
    fn a_moment_is_told_to_the_minute() {
        let mails = every_mail();
        let words = write(&mails[5]);
        assert!(words.text.contains("3 November 2026 at 09:05 UTC"), "{}", words.text);
        assert_eq!(Life(Duration::from_secs(3600)).to_string(), "1 hour");
    }

    /// Writes every mail to a folder, to be looked at: `MAILS=/tmp/mails cargo test -p email -- --ignored`.
    #[test]
    #[ignore = "writes files to be looked at"]
    fn write_every_mail() {
        let folder = std::path::PathBuf::from(std::env::var("MAILS").unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        for (n, mail) in every_mail().iter().enumerate() {
            let words = write(mail);
            std::fs::write(folder.join(format!("{n}-{}.html", mail.kind())), words.html).unwrap();
            std::fs::write(folder.join(format!("{n}-{}.txt", mail.kind())), words.text).unwrap();
        }
    }
}
