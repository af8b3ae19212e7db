use axum::extract::State;
use http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use shared::error::Error;
use shared::event::Event;
use shared::http::{Caller, Client, Json, Result, Time};
use shared::phone::{CODE_LIFE, CODE_TRIES, PhoneCode, PhoneRequest};
use shared::user::User;
use utoipa::ToSchema;

use super::Sms;

/// The user's phone.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhonePage {
    /// The number that is the user's, else the one that waits for its code, else null.
    phone: Option<PhoneDocument>,
    /// The number that waits for its code, if one does.
    pending: Option<PendingDocument>,
    /// The countries whose numbers are taken, as two letters of ISO 3166-1.
    #[schema(example = json!(["DE", "US"]))]
    countries: Vec<String>,
}

/// A phone.
#[derive(Serialize, ToSchema)]
#[schema(as = Phone)]
struct PhoneDocument {
    /// The number, in the form of E.164.
    #[schema(example = "+4915112345678")]
    number: String,
    /// Whether it was shown to be the user's.
    verified: bool,
    /// Whether it gets texts, or has answered STOP.
    texts: Texts,
}

/// A number that waits for its code.
#[derive(Serialize, ToSchema)]
#[schema(as = PendingPhone)]
struct PendingDocument {
    /// The number, in the form of E.164.
    #[schema(example = "+4915112345678")]
    number: String,
    /// From when on the code is worth nothing.
    expires_at: Time,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Texts {
    On,
    Stopped,
}

/// The user's phone
#[utoipa::path(get, path = "/api/sms/phone", operation_id = "phone", tag = "sms",
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 200, description = "The phone, if there is one", body = PhonePage)),
)]
pub(crate) async fn show(State(sms): State<Sms>, caller: Caller) -> Result<Json<PhonePage>> {
    let now = sms.clock.now();
    let (phone, waiting) =
        tokio::join!(sms.store.phone(caller.user_id), sms.store.phone_request(caller.user_id, now));
    let (phone, waiting) = (phone?, waiting?);
    let shown = phone.map(|phone| (phone.number, true));
    let shown = shown.or_else(|| waiting.as_ref().map(|waiting| (waiting.number.clone(), false)));
    let phone = match shown {
        None => None,
        Some((number, verified)) => {
            let texts = if sms.store.is_stopped(&number).await? { Texts::Stopped } else { Texts::On };
            Some(PhoneDocument { number: number.to_string(), verified, texts })
        }
    };
    let pending = waiting.map(|waiting| PendingDocument {
        number: waiting.number.to_string(),
        expires_at: waiting.dies_at.into(),
    });
    Ok(Json(PhonePage { phone, pending, countries: sms.countries.codes().collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhoneBody {
    /// The number with its country code; spaces, hyphens and brackets are of no matter.
    #[schema(example = "+49 1512 3456789")]
    number: String,
}

/// What was accepted and is done by text.
#[derive(Serialize, ToSchema)]
#[schema(as = TextAccepted)]
pub(crate) struct Accepted {
    /// One sentence for people.
    #[schema(example = "We sent a code to this number. Enter it within five minutes.")]
    detail: &'static str,
}

const ACCEPTED: Accepted =
    Accepted { detail: "We sent a code to this number. Enter it within five minutes." };

/// Whoever asks again so soon, by a double click or since an answer got lost, has a text on its way.
const ASKED_JUST_NOW: SignedDuration = SignedDuration::from_secs(30);

/// Give a phone number
///
/// Sends a code to it. The number is the user's once they have entered that.
#[utoipa::path(put, path = "/api/sms/phone", operation_id = "request_phone", tag = "sms", request_body = PhoneBody,
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 202, description = "A code is on its way", body = Accepted)),
)]
pub(crate) async fn ask(
    State(sms): State<Sms>,
    client: Client,
    caller: Caller,
    Json(body): Json<PhoneBody>,
) -> Result<(StatusCode, Json<Accepted>)> {
    let (number, country) =
        sms.countries.read(&body.number).map_err(|error| Error::field("number", error.to_string()))?;
    let (now, user_id) = (sms.clock.now(), caller.user_id);
    let user = sms.store.user(user_id).await?.filter(User::is_verified);
    user.ok_or(Error::Unauthenticated)?;
    let (phone, waiting) = tokio::join!(sms.store.phone(user_id), sms.store.phone_request(user_id, now));
    if phone?.is_some_and(|phone| phone.number == number) {
        return Err(Error::field("number", "This is your number already.").into());
    }
    let is_on_its_way = |waiting: PhoneRequest| {
        waiting.number == number && now.duration_since(waiting.asked_at) < ASKED_JUST_NOW
    };
    if waiting?.is_some_and(is_on_its_way) {
        return Ok((StatusCode::ACCEPTED, Json(ACCEPTED)));
    }
    sms.take_asking(&client, user_id, now).await?;
    if sms.store.is_stopped(&number).await? {
        let message = "This number has answered STOP. Send START from it, then try again.";
        return Err(Error::field("number", message).into());
    }
    sms.take_code(user_id, &number, country, now).await?;
    let event = sms.event(user_id, Event::PhoneVerificationRequested {}, now);
    let request = PhoneRequest {
        number,
        country,
        event_id: event.id,
        asked_at: now,
        dies_at: now + CODE_LIFE,
        code_hash: None,
        tries: 0,
    };
    sms.store.request_phone(&request, &event).await?;
    Ok((StatusCode::ACCEPTED, Json(ACCEPTED)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    /// The six digits of the text.
    #[schema(example = "042137")]
    code: String,
}

/// Show that a phone number is the user's
///
/// Spends the code. It may be tried five times.
#[utoipa::path(post, path = "/api/sms/phone/confirm", operation_id = "confirm_phone", tag = "sms", request_body = CodeBody,
    security(("access_cookie" = []), ("access_token" = [])),
    responses(
        (status = 204, description = "The number is the user’s"),
        (status = 410, description = "The code has expired, was used, was tried too often, or a newer one was sent",
            body = shared::http::ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn confirm(
    State(sms): State<Sms>,
    caller: Caller,
    Json(body): Json<CodeBody>,
) -> Result<StatusCode> {
    let code: PhoneCode = body.code.parse().map_err(|error| Error::field("code", format!("{error}")))?;
    let (now, user_id) = (sms.clock.now(), caller.user_id);
    let key = sms.code_key.current().await?;
    let request = sms.store.try_code(user_id, now).await?;
    let hash = request.code_hash.as_ref().ok_or(Error::InvalidCode)?;
    if !code.matches(hash, &key, user_id, &request.number) {
        let is_last = request.tries >= CODE_TRIES;
        let wrong = if is_last { Error::InvalidCode } else { Error::field("code", "This is not the code.") };
        return Err(wrong.into());
    }
    let added = sms.event(user_id, Event::PhoneAdded {}, now);
    let removed = |owner| sms.event(owner, Event::PhoneRemoved {}, now);
    sms.store.confirm_phone(user_id, (&request, hash), now, &added, removed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take the phone number away
///
/// Also one that waits for its code. Texts end at once.
#[utoipa::path(delete, path = "/api/sms/phone", operation_id = "remove_phone", tag = "sms",
    security(("access_cookie" = []), ("access_token" = [])),
    responses((status = 204, description = "The user has no number")),
)]
pub(crate) async fn remove(State(sms): State<Sms>, caller: Caller) -> Result<StatusCode> {
    let event = sms.event(caller.user_id, Event::PhoneRemoved {}, sms.clock.now());
    sms.store.remove_phone(caller.user_id, &event).await?;
    Ok(StatusCode::NO_CONTENT)
}
