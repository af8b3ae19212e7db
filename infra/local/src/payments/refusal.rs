//! Stripe's errors: <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

use super::cards::Decline;

/// Why something is not done, as Stripe says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Of the HTTP answer.
    pub(crate) status: u16,
    /// Stripe's `type`.
    pub(crate) kind: &'static str,
    pub(crate) code: Option<&'static str>,
    pub(crate) decline_code: Option<&'static str>,
    pub(crate) param: Option<String>,
    pub(crate) message: String,
}

/// What the owner of a card is asked to confirm.
const REQUIRES_ACTION: &str = "invoice_payment_intent_requires_action";

impl Refusal {
    /// A request that makes no sense, or not now.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            decline_code: None,
            param: None,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_param(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        Self { code: Some(code), param: Some(param.to_owned()), ..Self::invalid(message) }
    }

    /// There is no `object` of this id; `param` says where the id came from.
    pub(crate) fn missing(object: &str, id: &str, param: &str) -> Self {
        let refusal = Self::invalid_param("resource_missing", param, format!("No such {object}: '{id}'"));
        // An id in the path is not there; one in a parameter makes the request wrong.
        Self { status: if param == "id" { 404 } else { 400 }, ..refusal }
    }

    pub(crate) fn card(decline: Decline) -> Self {
        Self {
            status: 402,
            kind: "card_error",
            code: Some(decline.code),
            decline_code: decline.decline_code,
            ..Self::invalid(decline.message)
        }
    }

    /// The owner of the card must confirm first.
    pub(crate) fn requires_action() -> Self {
        let message = "This payment requires additional user action before it can be completed successfully.";
        Self { status: 402, kind: "card_error", code: Some(REQUIRES_ACTION), ..Self::invalid(message) }
    }

    /// Whether it is [`Self::requires_action`].
    pub(crate) fn is_to_be_confirmed(&self) -> bool {
        self.code == Some(REQUIRES_ACTION)
    }

    /// The owner of the card did not confirm.
    pub(crate) fn not_authenticated() -> Self {
        let message = "We are unable to authenticate your payment method. Please choose a different payment \
                       method and try again.";
        let code = Some("payment_intent_authentication_failure");
        Self { status: 402, kind: "card_error", code, ..Self::invalid(message) }
    }

    /// It was possible once.
    pub(crate) fn gone(message: &str) -> Self {
        Self { status: 409, ..Self::invalid(message) }
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self { status: 401, ..Self::invalid(message) }
    }

    pub(crate) fn unknown_path(method: &http::Method, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). This is a simulator: it may lack what Stripe has."
        );
        Self { status: 404, ..Self::invalid(message) }
    }

    pub(crate) fn rate_limit() -> Self {
        let message = "Too many requests hit the API too quickly. We recommend an exponential backoff.";
        Self { status: 429, code: Some("rate_limit"), ..Self::invalid(message) }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, kind: "api_error", ..Self::invalid(message) }
    }

    pub(crate) fn idempotency(message: impl Into<String>) -> Self {
        Self { kind: "idempotency_error", ..Self::invalid(message) }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut error = Map::new();
        let mut put = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                error.insert(name.to_owned(), Value::from(value));
            }
        };
        put("type", Some(self.kind));
        put("code", self.code);
        put("decline_code", self.decline_code);
        put("param", self.param.as_deref());
        put("message", Some(&self.message));
        put(
            "doc_url",
            self.code
                .map(|code| format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")))
                .as_deref(),
        );
        json!({ "error": error })
    }
}
