//! Which text an event calls for, to which number.

use jiff::Timestamp;
use shared::error::Result;
use shared::event::{Envelope, Event};
use shared::phone::{CODE_LIFE, PhoneCode, PhoneRequest};
use shared::phone_number::PhoneNumber;
use shared::preference::Preferences;
use shared::user::User;

use super::Notifier;
use super::words::{Moment, Text};

/// A text to send.
pub(super) struct Plan {
    pub(super) to: PhoneNumber,
    pub(super) text: Text,
    /// What the code in it has to match, to be stored before it is sent.
    pub(super) request: Option<PhoneRequest>,
}

impl Notifier {
    /// The text that an event calls for, as things are now: an event may be late, and who has changed their mind,
    /// their number or answered STOP meanwhile is not texted.
    pub(super) async fn plan(&self, event: &Envelope, now: Timestamp) -> Result<Option<Plan>> {
        let at = Moment(event.time);
        let security = |preferences: &Preferences| preferences.security_text;
        let billing = |preferences: &Preferences| preferences.billing_text;
        match &event.event {
            Event::PhoneVerificationRequested {} => self.plan_code(event, now).await,
            Event::SessionStarted { device, new_device: true, .. } => {
                self.plan_notice(event, security, Text::NewDevice { device: device.clone(), at }).await
            }
            Event::PasswordChanged { .. } => {
                self.plan_notice(event, security, Text::PasswordChanged { at }).await
            }
            Event::EmailChanged {} => self.plan_notice(event, security, Text::EmailChanged { at }).await,
            Event::PaymentFailed { amount, .. } => {
                self.plan_notice(event, billing, Text::PaymentFailed { amount: *amount }).await
            }
            Event::SubscriptionEnded { .. } => {
                self.plan_notice(event, billing, Text::SubscriptionEnded).await
            }
            Event::SessionStarted { new_device: false, .. }
            | Event::UserSignedUp { .. }
            | Event::SignUpRepeated {}
            | Event::VerificationRequested {}
            | Event::UserVerified {}
            | Event::UserRenamed {}
            | Event::PasswordResetRequested { .. }
            | Event::EmailChangeRequested { .. }
            | Event::UserDeleted {}
            | Event::WorkspaceDeleted { .. }
            | Event::SessionEnded { .. }
            | Event::BillingNotified { .. }
            | Event::SubscriptionStarted { .. }
            | Event::SubscriptionChanged { .. }
            | Event::TrialEnding { .. }
            | Event::InvoicePaid { .. }
            | Event::PhoneAdded {}
            | Event::PhoneRemoved {}
            | Event::TextsStopped {}
            | Event::TextsStarted {}
            | Event::PreferencesChanged {} => Ok(None),
        }
    }

    /// A text that the user asked for, to the number that is theirs.
    async fn plan_notice(
        &self,
        event: &Envelope,
        is_wanted: impl Fn(&Preferences) -> bool,
        text: Text,
    ) -> Result<Option<Plan>> {
        // Most users have none: one read says so.
        let Some(phone) = self.store().phone(event.subject).await? else { return Ok(None) };
        let (preferences, stopped) =
            tokio::join!(self.store().preferences(event.subject), self.store().is_stopped(&phone.number));
        let goes = is_wanted(&preferences?) && !stopped? && self.countries.contains(phone.country);
        Ok(goes.then_some(Plan { to: phone.number, text, request: None }))
    }

    /// The code for the number that waits for it, if that still does, and its user's address is verified.
    async fn plan_code(&self, event: &Envelope, now: Timestamp) -> Result<Option<Plan>> {
        let (user_id, store) = (event.subject, self.store());
        let request = store.phone_request(user_id, now).await?.filter(|request| request.event_id == event.id);
        let Some(request) = request.filter(|request| self.countries.contains(request.country)) else {
            return Ok(None);
        };
        let (user, stopped, breaker) = tokio::join!(
            store.user(user_id),
            store.is_stopped(&request.number),
            store.breaker(&request.number, now)
        );
        if user?.filter(User::is_verified).is_none() || stopped? {
            return Ok(None);
        }
        if breaker?.is_some() {
            tracing::warn!(event_id = %event.id, "Codes to phones are paused; one that was asked for before is not sent");
            return Ok(None);
        }
        let code = PhoneCode::new(&self.random);
        let key = self.code_key.current().await?;
        let request = PhoneRequest {
            code_hash: Some(code.hash(&key, user_id, &request.number)),
            dies_at: now + CODE_LIFE,
            ..request
        };
        Ok(Some(Plan { to: request.number.clone(), text: Text::Code(code), request: Some(request) }))
    }
}
