//! Which mail an event calls for, to whom.

use jiff::Timestamp;
use shared::email_address::EmailAddress;
use shared::error::Result;
use shared::event::{Envelope, Event};
use shared::link::{Link, LinkPurpose, LinkToken};
use shared::user::User;

use crate::Email;
use crate::mail::{Life, Mail, Moment};

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
                user.map(|user| without_link(user.email, Mail::Welcome { name: user.name }))
            }
            Event::PasswordResetRequested {} => self.user(event).await?.map(|user| {
                let to = user.email.clone();
                self.with_link(&user, to, LinkPurpose::PasswordReset, now, |link, life| Mail::PasswordReset {
                    link,
                    life,
                })
            }),
            Event::PasswordChanged { by } => {
                let user = self.user(event).await?;
                user.map(|user| without_link(user.email, Mail::PasswordChanged { by: *by, at }))
            }
            Event::EmailChangeRequested {} => self.plan_email_change(event, now).await?,
            Event::EmailChanged {} => {
                let old = self.store.event_address(event).await?;
                old.map(|old| without_link(old, Mail::EmailChanged { at }))
            }
            Event::SessionStarted { device, new_device: true, .. } => {
                let user = self.user(event).await?;
                user.map(|user| without_link(user.email, Mail::NewDevice { device: device.clone(), at }))
            }
            Event::SessionStarted { new_device: false, .. }
            | Event::SessionEnded { .. }
            | Event::UserRenamed {}
            | Event::BillingNotified { .. }
            | Event::SubscriptionStarted { .. }
            | Event::SubscriptionChanged { .. }
            | Event::TrialEnding { .. }
            | Event::SubscriptionEnded { .. }
            | Event::InvoicePaid { .. }
            | Event::PaymentFailed { .. }
            | Event::PhoneVerificationRequested {}
            | Event::PhoneAdded {}
            | Event::PhoneRemoved {}
            | Event::TextsStopped {}
            | Event::TextsStarted {}
            | Event::PreferencesChanged {} => None,
        };
        Ok(plan)
    }

    /// To the new address, whatever becomes of it. That it has an account is told there and nowhere else.
    async fn plan_email_change(&self, event: &Envelope, now: Timestamp) -> Result<Option<Plan>> {
        let (Some(user), Some(new)) = (self.user(event).await?, self.store.event_address(event).await?)
        else {
            return Ok(None);
        };
        if user.email == new {
            return Ok(None);
        }
        if user.email.key() != new.key() && self.store.is_taken(&new.key()).await? {
            return Ok(Some(without_link(new, Mail::EmailTaken)));
        }
        let plan = self.with_link(&user, new, LinkPurpose::EmailChange, now, |link, life| {
            Mail::EmailChange { link, life }
        });
        Ok(Some(plan))
    }

    async fn user(&self, event: &Envelope) -> Result<Option<User>> {
        self.store.user(event.subject).await
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
            dies_at: now + purpose.life(),
        };
        Plan { to, mail: mail(url, Life(purpose.life())), link: Some(link) }
    }
}

fn without_link(to: EmailAddress, mail: Mail) -> Plan {
    Plan { to, mail, link: None }
}
