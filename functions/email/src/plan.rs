//! Which mail an event calls for, to whom.

use jiff::Timestamp;
use shared::email_address::EmailAddress;
use shared::error::Result;
use shared::event::{Envelope, Event};
use shared::id::WorkspaceId;
use shared::link::{Link, LinkPurpose, LinkToken};
use shared::unsubscribe::OptionalMail;
use shared::user::User;

use crate::Email;
use crate::mail::{Day, Life, Mail, Moment, PlanName};

/// A mail to send.
pub(crate) struct Plan {
    pub(crate) to: EmailAddress,
    pub(crate) mail: Mail,
    /// The link in it, to be stored before it is sent.
    pub(crate) link: Option<Link>,
}

impl Email {
    /// The mail that an event calls for, as things are now: an event may be days late, and who has
    /// verified, moved or gone meanwhile is not asked to.
    ///
    /// Mail goes to the address that is stored, never to one that a request brought.
    pub(crate) async fn plan(&self, event: &Envelope, now: Timestamp) -> Result<Option<Plan>> {
        let at = Moment(event.time);
        let plan = match &event.event {
            Event::UserSignedUp { .. } | Event::VerificationRequested {} => {
                // Of a contested sign-up the mail of `user.sign_up_repeated` takes care.
                let user = self.user(event).await?.filter(|user| !user.is_verified() && !user.contested);
                user.map(|user| {
                    let to = user.email.clone();
                    self.with_link(&user, to, LinkPurpose::Verification, now, |link, life| {
                        Mail::Verification { link, life }
                    })
                })
            }
            Event::SignUpRepeated {} => self.user(event).await?.map(|user| {
                if user.is_verified() {
                    return without_link(user.email, Mail::AlreadyHaveAnAccount);
                }
                let to = user.email.clone();
                self.with_link(&user, to, LinkPurpose::PasswordReset, now, |link, life| {
                    Mail::FinishSigningUp { link, life }
                })
            }),
            Event::UserVerified {} => {
                let user = self.user(event).await?.filter(User::is_verified);
                match user {
                    Some(user) => {
                        let mail = Mail::Welcome { name: user.name.clone() };
                        self.plan_notice(event, mail).await?
                    }
                    None => None,
                }
            }
            Event::PasswordResetRequested { password_changes } => {
                let user = self.user(event).await?.filter(|user| user.password_changes == *password_changes);
                user.map(|user| {
                    let to = user.email.clone();
                    self.with_link(&user, to, LinkPurpose::PasswordReset, now, |link, life| {
                        Mail::PasswordReset { link, life }
                    })
                })
            }
            Event::PasswordChanged { by } => {
                let user = self.user(event).await?;
                user.map(|user| without_link(user.email, Mail::PasswordChanged { by: *by, at }))
            }
            Event::EmailChangeRequested { password_changes } => {
                self.plan_email_change(event, *password_changes, now).await?
            }
            Event::EmailChanged {} => {
                let old = self.store().event_address(event).await?;
                old.map(|old| without_link(old, Mail::EmailChanged { at }))
            }
            Event::UserDeleted {} => {
                let former = self.store().event_address(event).await?;
                former.map(|former| without_link(former, Mail::AccountDeleted { at }))
            }
            Event::SessionStarted { device, new_device: true, .. } => {
                let user = self.user(event).await?;
                user.map(|user| without_link(user.email, Mail::NewDevice { device: device.clone(), at }))
            }
            Event::PhoneAdded {} => self.plan_notice(event, Mail::PhoneAdded { at }).await?,
            Event::PhoneRemoved {} => self.plan_notice(event, Mail::PhoneRemoved { at }).await?,
            // Of a trial's first invoice nothing is to be paid.
            Event::InvoicePaid { amount, .. } if amount.minor_units == 0 => None,
            Event::InvoicePaid { workspace_id, invoice_id, amount } => {
                let number = self.invoice_number(*workspace_id, invoice_id).await?;
                self.plan_notice(event, Mail::Receipt { amount: *amount, number, at }).await?
            }
            Event::PaymentFailed { amount, next_attempt_at, .. } => {
                let next = next_attempt_at.map(Day);
                self.plan_notice(event, Mail::PaymentFailed { amount: *amount, next }).await?
            }
            Event::SubscriptionStarted { plan, trial, .. } => {
                let mail = Mail::SubscriptionStarted { plan: PlanName(*plan), trial: *trial };
                self.plan_notice(event, mail).await?
            }
            Event::SubscriptionChanged { plan, ends_at, .. } => {
                let mail = Mail::SubscriptionChanged { plan: PlanName(*plan), ends: ends_at.map(Day) };
                self.plan_notice(event, mail).await?
            }
            Event::TrialEnding { ends_at, .. } => {
                self.plan_notice(event, Mail::TrialEnding { ends: Day(*ends_at) }).await?
            }
            Event::SubscriptionEnded { .. } => {
                self.plan_notice(event, Mail::SubscriptionEnded { at }).await?
            }
            Event::SessionStarted { new_device: false, .. }
            | Event::SessionEnded { .. }
            | Event::UserRenamed {}
            | Event::WorkspaceDeleted { .. }
            | Event::BillingNotified { .. }
            | Event::PhoneVerificationRequested {}
            | Event::TextsStopped {}
            | Event::TextsStarted {}
            | Event::PreferencesChanged {} => None,
        };
        Ok(plan)
    }

    /// To the new address, whatever becomes of it. That it has an account is told there and nowhere else.
    async fn plan_email_change(
        &self,
        event: &Envelope,
        password_changes: u32,
        now: Timestamp,
    ) -> Result<Option<Plan>> {
        let (Some(user), Some(new)) = (self.user(event).await?, self.store().event_address(event).await?)
        else {
            return Ok(None);
        };
        if user.email == new || user.password_changes != password_changes {
            return Ok(None);
        }
        if user.email.key() != new.key() && self.store().is_taken(&new.key()).await? {
            return Ok(Some(without_link(new, Mail::EmailTaken)));
        }
        let plan = self.with_link(&user, new, LinkPurpose::EmailChange, now, |link, life| {
            Mail::EmailChange { link, life }
        });
        Ok(Some(plan))
    }

    /// What the user is told of, unless it is a kind of mail that they ended.
    async fn plan_notice(&self, event: &Envelope, mail: Mail) -> Result<Option<Plan>> {
        let is_wanted = match mail.optional() {
            None => true,
            Some(OptionalMail::Billing) => self.store().preferences(event.subject).await?.billing_mail,
            Some(OptionalMail::Product) => self.store().preferences(event.subject).await?.product_mail,
        };
        if !is_wanted {
            return Ok(None);
        }
        Ok(self.user(event).await?.map(|user| without_link(user.email, mail)))
    }

    /// The number that stands on an invoice, which is the provider's.
    async fn invoice_number(&self, workspace: WorkspaceId, invoice: &str) -> Result<Option<String>> {
        let invoice = self.store().invoice(workspace, invoice).await?;
        Ok(invoice.and_then(|invoice| invoice.number))
    }

    async fn user(&self, event: &Envelope) -> Result<Option<User>> {
        self.store().user(event.subject).await
    }

    /// A mail with a new link, to the configured origin and no other.
    fn with_link(
        &self,
        user: &User,
        to: EmailAddress,
        purpose: LinkPurpose,
        now: Timestamp,
        mail: impl FnOnce(String, Life) -> Mail,
    ) -> Plan {
        let token = LinkToken::new(user.id, &self.random);
        let url = format!("{}{}#token={token}", self.origin, purpose.page());
        let link = Link {
            user_id: user.id,
            purpose,
            hash: token.hash(purpose),
            email: to.clone(),
            password_changes: user.password_changes,
            dies_at: now + purpose.life(),
        };
        Plan { to, mail: mail(url, Life(purpose.life())), link: Some(link) }
    }
}

fn without_link(to: EmailAddress, mail: Mail) -> Plan {
    Plan { to, mail, link: None }
}
