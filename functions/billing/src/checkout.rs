//! Buying: a workspace has one open checkout at a time, and none when it has a subscription.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use shared::error::Error;
use shared::http::{Caller, IdempotencyKey, Json, Once, Result};
use shared::id::{UserId, WorkspaceId};
use shared::limit::BILLING_BY_USER;
use shared::store::{Answer, Intent};
use shared::subscription::{Checkout, Customer};
use shared::user::User;
use utoipa::ToSchema;

use crate::Billing;
use crate::parts::{ALREADY_SUBSCRIBED, Redirect, owned};
use crate::stripe::{Contact, LedgerSubscription, NewSession, Offer, Session, StripeError};
use crate::sync::Reason;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckoutBody {
    /// Id of one of the plans' prices.
    #[schema(example = "price_1MoBy5LkdIwHu7ixZhnattbh")]
    price: String,
}

/// How often it is tried again when the workspace's checkout is another one meanwhile.
const ATTEMPTS: usize = 5;

/// Check out
///
/// Answers where to pay. A workspace has one open checkout at a time: asked for the same price again, this answers the
/// same place; asked for another, it closes the former. Paying opens the plan when the payment provider says so.
#[utoipa::path(post, path = "/api/billing/checkout", operation_id = "check_out", tag = "billing",
    security(("access_cookie" = []), ("access_token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same answer, for a day")),
    request_body = CheckoutBody,
    responses(
        (status = 201, description = "Where to pay", body = Redirect),
        (status = 409, description = "The workspace has a subscription, or the same request is at work",
            body = shared::http::ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn checkout(
    State(billing): State<Billing>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CheckoutBody>,
) -> Result<Response> {
    let (user_id, now) = (caller.user_id, billing.sync.clock.now());
    billing.store().take(&BILLING_BY_USER, &user_id.to_string(), now).await?;
    let once = Once { user_id, operation: "checkout", request: &body.price, now };
    let work = async |intent: Option<&Intent>| buy(&billing, user_id, &body.price, intent).await;
    key.once(billing.store(), &billing.sync.random, once, work).await
}

async fn buy(billing: &Billing, user_id: UserId, price: &str, intent: Option<&Intent>) -> Result<Answer> {
    let (catalogue, found) =
        tokio::join!(billing.sync.stripe.catalogue(), billing.store().user_with_memberships(user_id),);
    let (catalogue, (user, memberships)) = (catalogue?, found?.ok_or(Error::Unauthenticated)?);
    let offer = catalogue.offer(price).ok_or_else(|| Error::field("price", "There is no such price."))?;
    let workspace = owned(&memberships)?;
    let mut customer = match billing.store().customer(workspace).await? {
        Some(customer) => customer,
        None => billing.become_customer(&user, workspace, None).await?,
    };
    for _ in 0..ATTEMPTS {
        match billing.try_to_buy(&Intended { customer: &customer, offer, intent }).await? {
            Tried::Answered(answer) => return Ok(answer),
            Tried::Overtaken => {}
            Tried::Nobody => customer = billing.become_customer(&user, workspace, Some(&customer)).await?,
        }
    }
    Err(Error::Conflict.into())
}

/// What came of trying to buy.
enum Tried {
    /// This is where to pay.
    Answered(Answer),
    /// Another checkout was begun or paid meanwhile.
    Overtaken,
    /// The provider has no such customer any more: somebody deleted it there.
    Nobody,
}

/// What is to be bought, by whom.
struct Intended<'a> {
    customer: &'a Customer,
    offer: &'a Offer,
    intent: Option<&'a Intent>,
}

impl Billing {
    /// Makes the workspace a customer, in place of a former one if there was. Whoever does it at the same time makes the
    /// same.
    async fn become_customer(
        &self,
        user: &User,
        workspace_id: WorkspaceId,
        former: Option<&Customer>,
    ) -> Result<Customer, Error> {
        let contact = Contact::of(user);
        let id = self.create_customer(workspace_id, &contact, former).await?;
        let customer = Customer { id: id.clone(), workspace_id, owner_id: user.id };
        let added = self.store().add_customer(customer, former).await;
        let is_of_nobody = match &added {
            Ok(customer) => customer.id != id,
            // The workspace was deleted meanwhile.
            Err(error) => matches!(error, Error::NotFound),
        };
        if is_of_nobody {
            self.sync.stripe.delete_customer(&id).await?;
        }
        let customer = added?;
        // Who was renamed meanwhile was no customer yet.
        self.sync.introduce(&customer, Some(contact)).await?;
        Ok(customer)
    }

    /// Makes a customer, the same for whoever does it at the same time.
    async fn create_customer(
        &self,
        workspace_id: WorkspaceId,
        contact: &Contact,
        former: Option<&Customer>,
    ) -> Result<String, StripeError> {
        let stripe = &self.sync.stripe;
        // Asked again with another address, the provider would refuse: it takes a key for one request only.
        let former_id = former.map(|former| format!("\n{}", former.id)).unwrap_or_default();
        let hash: String = Sha256::digest(format!("{}\n{}{former_id}", contact.email, contact.name))[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let key = format!("customer-{workspace_id}-{hash}");
        match stripe.create_customer(workspace_id, contact, &key).await {
            // It would say so under this key for a day. What it has made nevertheless is taken.
            Err(error) if error.is_failure() => match stripe.customer_made_of(workspace_id, contact).await? {
                Some(id) => Ok(id),
                None => {
                    stripe.create_customer(workspace_id, contact, &format!("{key}-{}", self.nonce())).await
                }
            },
            outcome => outcome,
        }
    }

    async fn try_to_buy(&self, intended: &Intended<'_>) -> Result<Tried> {
        let Intended { customer, offer, intent } = *intended;
        let begun = self.store().checkout(customer.workspace_id).await?;
        let session = match &begun {
            Some(checkout) => self.session_of(customer, checkout).await?,
            None => None,
        };
        // Looked at after the session: one that is paid has its subscription by now. It counts what the ledger says, not
        // what was told of it so far.
        let subscriptions = self.sync.stripe.subscriptions(&customer.id).await?;
        if subscriptions.iter().any(|it| it.subscription.is_live()) {
            self.sync.customer(customer, Reason::default()).await?;
            return Err(ALREADY_SUBSCRIBED);
        }
        if let (Some(checkout), Some(session)) = (&begun, session) {
            if checkout.price == offer.price.id {
                return self.settle(customer, checkout, &session, intent).await;
            }
            if !self.sync.stripe.expire_session(&session.id).await.map_err(Error::from)? {
                return Ok(Tried::Overtaken);
            }
        }
        let checkout = Checkout {
            nonce: self.nonce(),
            price: offer.price.id.clone(),
            trial_days: self.trial_days(customer, offer, &subscriptions).await?,
            begun_at: self.sync.clock.now(),
            session_id: None,
        };
        match self.store().begin_checkout(customer.workspace_id, &checkout, begun.as_ref()).await {
            Ok(()) => {}
            Err(Error::Conflict) => return Ok(Tried::Overtaken),
            Err(error) => return Err(error.into()),
        }
        let session = match self.create_session(customer, &checkout).await {
            Ok(session) => session,
            Err(error) if error.lacks_customer() => return Ok(Tried::Nobody),
            // What was chosen is not sold any more.
            Err(error) if error.is_missing() => return Err(Error::NotFound.into()),
            Err(error) => return Err(Error::from(error).into()),
        };
        self.settle(customer, &checkout, &session, intent).await
    }

    /// The session of a checkout, if it can still be paid.
    async fn session_of(&self, customer: &Customer, checkout: &Checkout) -> Result<Option<Session>, Error> {
        let id = match &checkout.session_id {
            Some(id) => id.clone(),
            // Whoever began it is about to make its session, or never came to note it: this makes the same.
            None => match self.create_session(customer, checkout).await {
                Ok(session) => session.id,
                // Its price, say, is not sold any more.
                Err(error) if error.is_refusal() => return Ok(None),
                // It would say so for a day. Nobody was told of what it has made nevertheless; now nobody can be.
                Err(error) if error.is_failure() => {
                    self.sync.stripe.expire_sessions(&customer.id, &checkout.nonce).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            },
        };
        match self.sync.stripe.session(&id).await {
            Ok(session) => Ok(Some(session).filter(|session| session.is_open)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn create_session(&self, customer: &Customer, checkout: &Checkout) -> Result<Session, StripeError> {
        let page = |outcome| format!("{}/billing/return?checkout={outcome}", self.origin.as_str());
        let new = NewSession {
            nonce: &checkout.nonce,
            customer: &customer.id,
            workspace: customer.workspace_id,
            price: &checkout.price,
            trial_days: checkout.trial_days,
            success_url: &page("success"),
            cancel_url: &page("cancelled"),
        };
        self.sync.stripe.create_session(new).await
    }

    /// Notes the session with the answer that leads to it.
    async fn settle(
        &self,
        customer: &Customer,
        checkout: &Checkout,
        session: &Session,
        intent: Option<&Intent>,
    ) -> Result<Tried> {
        let url = session.url.clone().ok_or_else(|| Error::internal("an open session is nowhere"))?;
        let answer = Redirect { url }.to_answer()?;
        let kept = intent.map(|intent| (intent, &answer));
        let noted =
            self.store().note_session(customer.workspace_id, &checkout.nonce, &session.id, kept).await;
        match noted {
            Ok(()) => Ok(Tried::Answered(answer)),
            Err(Error::Conflict) => Ok(Tried::Overtaken),
            Err(error) => Err(error.into()),
        }
    }

    /// A trial is for who has never had a subscription: else whoever cancels in time would never pay.
    async fn trial_days(
        &self,
        customer: &Customer,
        offer: &Offer,
        subscriptions: &[LedgerSubscription],
    ) -> Result<Option<u32>, Error> {
        let is_first = offer.trial_days.is_some()
            && subscriptions.is_empty()
            // As another customer, perhaps.
            && self.store().subscription(customer.workspace_id).await?.is_none();
        Ok(offer.trial_days.filter(|_| is_first))
    }
}
