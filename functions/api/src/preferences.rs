use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::event::{Envelope, Event};
use shared::http::{Caller, Fields, Json, Result};
use shared::preference::Preferences;
use shared::trace;
use utoipa::ToSchema;

use crate::Api;

/// What the user wants to be told of, and how.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Preferences)]
pub(crate) struct PreferencesDocument {
    security: SecurityPreferences,
    billing: BillingPreferences,
    product: ProductPreferences,
}

/// What bears on the safety of the account.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecurityPreferences {
    /// By mail: always.
    #[schema(example = true)]
    mail: bool,
    /// By text, if the user has a number.
    #[schema(example = true)]
    text: bool,
}

/// Failed payments, and what becomes of a subscription.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BillingPreferences {
    /// By mail. Receipts and failed payments are mailed in any case.
    #[schema(example = true)]
    mail: bool,
    /// By text, if the user has a number: failed payments and the end of a subscription.
    #[schema(example = false)]
    text: bool,
}

/// What helps to get on with the app.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProductPreferences {
    /// By mail.
    #[schema(example = true)]
    mail: bool,
}

/// What the user wants to be told of
#[utoipa::path(get, path = "/api/me/preferences", operation_id = "preferences", tag = "api",
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The preferences", body = PreferencesDocument)),
)]
pub(crate) async fn show(State(api): State<Api>, caller: Caller) -> Result<Json<PreferencesDocument>> {
    Ok(Json(api.store.preferences(caller.user_id).await?.into()))
}

/// Choose what to be told of
#[utoipa::path(put, path = "/api/me/preferences", operation_id = "set_preferences", tag = "api",
    request_body = PreferencesDocument,
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The preferences as they are now", body = PreferencesDocument)),
)]
pub(crate) async fn choose(
    State(api): State<Api>,
    caller: Caller,
    Json(body): Json<PreferencesDocument>,
) -> Result<Json<PreferencesDocument>> {
    let chosen = body.parse()?;
    let traceparent = trace::current().map(|trace| trace.to_traceparent());
    let event = Event::PreferencesChanged {};
    let event = Envelope::new(caller.user_id, event, api.clock.now(), &api.random, traceparent);
    api.store.set_preferences(chosen, &event).await?;
    Ok(Json(chosen.into()))
}

impl PreferencesDocument {
    fn parse(&self) -> Result<Preferences> {
        let mut fields = Fields::default();
        let always = "What bears on the safety of your account is always mailed.";
        match fields.check("security.mail", self.security.mail.then_some(()).ok_or(always)) {
            None => Err(fields.into()),
            Some(()) => Ok(Preferences {
                security_text: self.security.text,
                billing_mail: self.billing.mail,
                billing_text: self.billing.text,
                product_mail: self.product.mail,
            }),
        }
    }
}

impl From<Preferences> for PreferencesDocument {
    fn from(preferences: Preferences) -> Self {
        let Preferences { security_text, billing_mail, billing_text, product_mail } = preferences;
        Self {
            security: SecurityPreferences { mail: true, text: security_text },
            billing: BillingPreferences { mail: billing_mail, text: billing_text },
            product: ProductPreferences { mail: product_mail },
        }
    }
}
