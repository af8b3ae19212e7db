//! `Idempotency-Key`: a request that creates something is done once, however often it is sent.
//!
//! As the IETF's [draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) has it: the same key
//! gets the same answer for a day; with another request 422; while the first is at work 409. A request that was
//! refused or has failed did nothing that is kept, and may be tried again under its key.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Problem, Result};
use crate::clock::Random;
use crate::error::Error;
use crate::id::UserId;
use crate::store::{Answer, Begun, Intent, Store};

/// The key of a request, if it bears one: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Option<String>);

/// What a request with a key asks for.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// Who asks.
    pub user_id: UserId,
    /// For what, in a word: a key is one for each operation.
    pub operation: &'static str,
    /// What tells the request from any other of this operation: its fields.
    pub request: &'a str,
    /// When.
    pub now: Timestamp,
}

const MAX_LENGTH: usize = 255;

/// For how long a request is taken to be at work: longer than any function runs.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

const IN_FLIGHT: Problem = Problem::new(
    StatusCode::CONFLICT,
    "idempotency-in-flight",
    "A request with this idempotency key is at work. Ask again in a moment.",
);

const REUSED: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency-key-reused",
    "This idempotency key was used for another request. Take a new one.",
);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(key), None) if is_key(key) => Ok(Self(key.to_str().ok().map(str::to_owned))),
            _ => Err(Error::field(
                "Idempotency-Key",
                "Send one idempotency key of 1 to 255 visible ASCII characters.",
            )
            .into()),
        }
    }
}

fn is_key(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

impl IdempotencyKey {
    /// Does the work, or answers what it answered before. `work` keeps its answer in the transaction that writes what it
    /// does, or by [`Store::keep_answer`] if it writes nothing, whenever it is given an intent.
    ///
    /// # Errors
    ///
    /// 409, 422, and those of `work`.
    pub async fn once(
        &self,
        store: &Store,
        random: &Random,
        once: Once<'_>,
        work: impl AsyncFnOnce(Option<&Intent>) -> Result<Answer>,
    ) -> Result<Response> {
        let Some(key) = &self.0 else {
            return Ok(respond(work(None).await?));
        };
        let fingerprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(once.request));
        let operation = (once.operation, key.as_str());
        let lease = (once.now, once.now + LEASE);
        let intent = match store.begin_intent(once.user_id, operation, &fingerprint, lease, random).await? {
            Begun::New(intent) => intent,
            Begun::Done(answer) => return Ok(respond(answer)),
            Begun::InFlight => return Err(IN_FLIGHT),
            Begun::Reused => return Err(REUSED),
        };
        match work(Some(&intent)).await {
            Ok(answer) => Ok(respond(answer)),
            Err(problem) => {
                // If this fails as well, the lease ends by itself.
                if let Err(error) = store.give_up_intent(&intent).await {
                    tracing::warn!(%error, "an intent was not given up");
                }
                Err(problem)
            }
        }
    }
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn key(values: &[&'static [u8]]) -> Result<IdempotencyKey> {
        let mut request = http::Request::new(());
        for value in values {
            request.headers_mut().append("idempotency-key", HeaderValue::from_bytes(value).unwrap());
        }
        IdempotencyKey::from_request_parts(&mut request.into_parts().0, &()).await
    }

    /// I4
    #[tokio::test]
    async fn i4_a_key_is_visible_ascii_and_there_is_one() {
        assert_eq!(key(&[]).await.unwrap(), IdempotencyKey(None));
        assert_eq!(key(&[b"a"]).await.unwrap(), IdempotencyKey(Some("a".to_owned())));
        assert!(key(&[&[b'x'; 255]]).await.is_ok());
        for bad in [&[b"".as_slice()][..], &[&[b'x'; 256]], &[b"a b"], &[b"\xe9"], &[b"a", b"a"]] {
            assert!(key(bad).await.is_err(), "{bad:?}");
        }
    }
}
