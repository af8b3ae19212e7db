//! The payment provider: the only place that knows Stripe's types.

mod catalogue;
mod ledger;
mod transport;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use shared::aws::Aws;
use shared::cached::Cached;
use shared::clock::Clock;
use shared::error::Error;
use shared::id::WorkspaceId;
use shared::user::User;
use stripe_billing::billing_portal_session::CreateBillingPortalSession;
use stripe_billing::invoice::{ListInvoice, RetrieveInvoice};
use stripe_billing::subscription::{ListSubscription, ListSubscriptionStatus};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionSubscriptionData,
    ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession,
};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_core::customer::{CreateCustomer, DeleteCustomer, ListCustomer, UpdateCustomer};
use stripe_product::price::ListPrice;
use stripe_shared::{CheckoutSessionMode, CheckoutSessionStatus, InvoiceStatus};
use stripe_types::List;

pub(crate) use catalogue::{Catalogue, Offer};
pub(crate) use ledger::{LedgerInvoice, LedgerSubscription, SubscriptionPage};
pub(crate) use transport::StripeError;
use transport::{SecretKey, Transport};

/// The payment provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stripe {
    transport: Transport,
    catalogue: Cached<Catalogue>,
}

/// A checkout session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    /// Where it is paid, while it is open.
    pub(crate) url: Option<String>,
    pub(crate) is_open: bool,
}

/// What a customer is called, and where the provider writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) email: String,
    pub(crate) name: String,
}

impl Contact {
    pub(crate) fn of(user: &User) -> Self {
        Self { email: user.email.to_string(), name: user.name.to_string() }
    }
}

/// A session to be made. The same makes the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewSession<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) customer: &'a str,
    pub(crate) workspace: WorkspaceId,
    pub(crate) price: &'a str,
    pub(crate) trial_days: Option<u32>,
    pub(crate) success_url: &'a str,
    pub(crate) cancel_url: &'a str,
}

/// What metadata says of whose a customer or a subscription is, and of which checkout a session.
const WORKSPACE: &str = "workspace_id";
const CHECKOUT: &str = "checkout";

/// How long the catalogue is believed.
const CATALOGUE_AGE: SignedDuration = SignedDuration::from_mins(5);

/// Most objects on a page, by the provider's limit.
const PAGE: i64 = 100;

/// More prices than anybody sells.
const MAX_PRICE_PAGES: usize = 20;

/// How many of a customer's invoices are looked at when something happened to one of them.
const RECENT_INVOICES: i64 = 12;

impl Stripe {
    /// The provider at `base`, or where it is, with the key in this parameter.
    #[must_use]
    pub fn new(aws: &Aws, base: Option<&str>, key_parameter: &str, clock: Clock) -> Self {
        let parse = |text: &str| Ok(SecretKey::parse(text)?);
        Self::connect(base, Cached::in_parameter(aws, key_parameter, parse, clock.clone()), clock)
    }

    /// The provider at `base`, with this key.
    #[cfg(test)]
    pub(crate) fn at(base: &str, key: &str, clock: Clock) -> Self {
        Self::connect(Some(base), Cached::fixed(SecretKey::parse(key).expect("a key")), clock)
    }

    fn connect(base: Option<&str>, key: Cached<SecretKey>, clock: Clock) -> Self {
        let transport = Transport::new(base, key);
        let reader = transport.clone();
        let read = move || {
            let transport = reader.clone();
            async move { Ok(read_catalogue(&transport).await?) }
        };
        Self { transport, catalogue: Cached::new(read, CATALOGUE_AGE, clock) }
    }

    /// Reads the key beside the wait for the first request.
    pub async fn warm(&self) {
        self.transport.warm().await;
    }

    /// What is sold.
    pub(crate) async fn catalogue(&self) -> Result<std::sync::Arc<Catalogue>, Error> {
        self.catalogue.current().await
    }

    /// Makes a customer of a workspace, and answers its id. The same key makes the same.
    pub(crate) async fn create_customer(
        &self,
        workspace: WorkspaceId,
        contact: &Contact,
        key: &str,
    ) -> Result<String, StripeError> {
        let request =
            CreateCustomer::new().email(&contact.email).name(&contact.name).metadata(of_workspace(workspace));
        let customer = self.once(&request, key).await?;
        Ok(customer.id.to_string())
    }

    /// The newest customer that was made of a workspace with this address, if there is one.
    pub(crate) async fn customer_made_of(
        &self,
        workspace: WorkspaceId,
        contact: &Contact,
    ) -> Result<Option<String>, StripeError> {
        let page = self.send(&ListCustomer::new().email(&contact.email).limit(PAGE)).await?;
        let of_it = |metadata: &HashMap<String, String>| {
            metadata.get(WORKSPACE).is_some_and(|id| *id == workspace.to_string())
        };
        let made = page.data.iter().find(|customer| customer.metadata.as_ref().is_some_and(of_it));
        Ok(made.map(|customer| customer.id.to_string()))
    }

    /// Tells what a customer is called now. Of one that there is not, there is nobody to tell of.
    pub(crate) async fn update_customer(&self, customer: &str, contact: &Contact) -> Result<(), StripeError> {
        let request = UpdateCustomer::new(customer).email(&contact.email).name(&contact.name);
        match self.send(&request).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes a customer, whose subscriptions end at once, and who can buy nothing any more. Of one that there is not,
    /// nothing is left to do. <https://docs.stripe.com/api/customers/delete>
    pub(crate) async fn delete_customer(&self, customer: &str) -> Result<(), StripeError> {
        match self.send(&DeleteCustomer::new(customer)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All subscriptions that a customer has or had, of what we sell. A customer that there is not has none.
    pub(crate) async fn subscriptions(&self, customer: &str) -> Result<Vec<LedgerSubscription>, Error> {
        let request = ListSubscription::new()
            .customer(customer)
            .status(ListSubscriptionStatus::All)
            .expand(expand(&["data.latest_invoice"]))
            .limit(PAGE);
        match self.send(&request).await {
            Ok(page) => Ok(self.read_subscriptions(page).await?.subscriptions),
            Err(error) if error.is_missing() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// A page of all subscriptions that there are or were, newest first, after the one of this id; none if there is no
    /// such one any more.
    pub(crate) async fn all_subscriptions(
        &self,
        after: Option<&str>,
    ) -> Result<Option<SubscriptionPage>, Error> {
        let mut request = ListSubscription::new()
            .status(ListSubscriptionStatus::All)
            .expand(expand(&["data.latest_invoice"]))
            .limit(PAGE);
        if let Some(after) = after {
            request = request.starting_after(after);
        }
        match self.send(&request).await {
            Ok(page) => self.read_subscriptions(page).await.map(Some),
            Err(error) if after.is_some() && error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn read_subscriptions(
        &self,
        page: List<stripe_shared::Subscription>,
    ) -> Result<SubscriptionPage, Error> {
        let mut catalogue = self.catalogue.current().await?;
        if page.data.iter().any(|subscription| !ledger::is_sold(subscription, &catalogue)) {
            // Of something that is sold since the catalogue was read, or that is not ours.
            catalogue = self.catalogue.newer().await?;
        }
        Ok(SubscriptionPage::new(page, &catalogue)?)
    }

    /// Since when this subscription has an invoice that is due and was not paid.
    pub(crate) async fn due_since(&self, subscription: &str) -> Result<Option<Timestamp>, Error> {
        let request = ListInvoice::new().subscription(subscription).status(InvoiceStatus::Open).limit(PAGE);
        let page = self.send(&request).await?;
        let invoices = page.data.iter().map(LedgerInvoice::new).collect::<Result<Vec<_>, _>>()?;
        Ok(invoices.iter().filter(|invoice| invoice.attempts > 0).map(|invoice| invoice.due_at).min())
    }

    /// The newest invoices of a customer, and the one of this id, wherever it is.
    pub(crate) async fn recent_invoices(
        &self,
        customer: &str,
        concerned: Option<&str>,
    ) -> Result<Vec<LedgerInvoice>, Error> {
        let request = ListInvoice::new().customer(customer).limit(RECENT_INVOICES);
        let page = match self.send(&request).await {
            Ok(page) => page.data,
            Err(error) if error.is_missing() => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut invoices = page.iter().map(LedgerInvoice::new).collect::<Result<Vec<_>, _>>()?;
        if let Some(id) = concerned
            && !invoices.iter().any(|invoice| invoice.id == id)
        {
            match self.send(&RetrieveInvoice::new(id)).await {
                Ok(invoice) => invoices.push(LedgerInvoice::new(&invoice)?),
                // A draft that was deleted.
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(invoices)
    }

    /// A page of a customer's invoices, newest first, after the one of this id, and whether more follow.
    pub(crate) async fn invoices(
        &self,
        customer: &str,
        after: Option<&str>,
        limit: i64,
    ) -> Result<(Vec<LedgerInvoice>, bool), StripeError> {
        let mut request = ListInvoice::new().customer(customer).limit(limit);
        if let Some(after) = after {
            request = request.starting_after(after);
        }
        let page = self.send(&request).await?;
        let invoices = page.data.iter().map(LedgerInvoice::new).collect::<Result<_, _>>()?;
        Ok((invoices, page.has_more))
    }

    /// Makes a checkout session, or answers the one that was made of the same.
    pub(crate) async fn create_session(&self, new: NewSession<'_>) -> Result<Session, StripeError> {
        let item = CreateCheckoutSessionLineItems {
            price: Some(new.price.to_owned()),
            quantity: Some(1),
            ..CreateCheckoutSessionLineItems::new()
        };
        let subscription = CreateCheckoutSessionSubscriptionData {
            metadata: Some(of_workspace(new.workspace)),
            trial_period_days: new.trial_days,
            ..CreateCheckoutSessionSubscriptionData::new()
        };
        let request = CreateCheckoutSession::new()
            .mode(CheckoutSessionMode::Subscription)
            .customer(new.customer)
            .client_reference_id(new.workspace.to_string())
            .metadata(of_checkout(new.nonce))
            .line_items(vec![item])
            .subscription_data(subscription)
            .success_url(new.success_url)
            .cancel_url(new.cancel_url);
        self.once(&request, &format!("checkout-{}", new.nonce)).await.map(Session::from)
    }

    /// The session of this id, as it is now.
    pub(crate) async fn session(&self, id: &str) -> Result<Session, StripeError> {
        self.send(&RetrieveCheckoutSession::new(id)).await.map(Session::from)
    }

    /// Closes what is open of the sessions of this nonce: for whoever does not know which there are.
    pub(crate) async fn expire_sessions(&self, customer: &str, nonce: &str) -> Result<(), StripeError> {
        let request =
            ListCheckoutSession::new().customer(customer).status(CheckoutSessionStatus::Open).limit(PAGE);
        let page = match self.send(&request).await {
            Ok(page) => page.data,
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) => return Err(error),
        };
        let of_it = |metadata: &HashMap<String, String>| metadata.get(CHECKOUT).is_some_and(|it| it == nonce);
        for session in page.iter().filter(|session| session.metadata.as_ref().is_some_and(of_it)) {
            self.expire_session(session.id.as_str()).await?;
        }
        Ok(())
    }

    /// Closes an open session: from then on it cannot be paid. Answers whether it was closed; else it was not open.
    pub(crate) async fn expire_session(&self, id: &str) -> Result<bool, StripeError> {
        match self.send(&ExpireCheckoutSession::new(id)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a session of the portal, and answers where it is.
    pub(crate) async fn create_portal(
        &self,
        customer: &str,
        return_url: &str,
        nonce: &str,
    ) -> Result<String, StripeError> {
        let request = CreateBillingPortalSession::new().customer(customer).return_url(return_url);
        Ok(self.once(&request, &format!("portal-{nonce}")).await?.url)
    }

    async fn send<R: StripeRequest<Output: miniserde::Deserialize>>(
        &self,
        request: &R,
    ) -> Result<R::Output, StripeError> {
        request.customize().send(&self.transport).await
    }

    /// Sends what makes something, with a key by which the provider makes it once.
    async fn once<R: StripeRequest<Output: miniserde::Deserialize>>(
        &self,
        request: &R,
        key: &str,
    ) -> Result<R::Output, StripeError> {
        let key = IdempotencyKey::new(key).map_err(|error| StripeError::Unreadable(error.to_string()))?;
        request.customize().request_strategy(RequestStrategy::Idempotent(key)).send(&self.transport).await
    }
}

async fn read_catalogue(transport: &Transport) -> Result<Catalogue, StripeError> {
    let mut prices: Vec<stripe_shared::Price> = Vec::new();
    for _ in 0..MAX_PRICE_PAGES {
        let mut request = ListPrice::new().expand(expand(&["data.product"])).limit(PAGE);
        if let Some(last) = prices.last() {
            request = request.starting_after(last.id.as_str());
        }
        let page = request.customize().send(transport).await?;
        prices.extend(page.data);
        if !page.has_more {
            break;
        }
    }
    Ok(Catalogue::new(prices))
}

/// One entry: of several the order would differ from request to request, and what is sent again must be the same.
fn of_workspace(workspace: WorkspaceId) -> HashMap<String, String> {
    HashMap::from([(WORKSPACE.to_owned(), workspace.to_string())])
}

/// One entry, as of a workspace.
fn of_checkout(nonce: &str) -> HashMap<String, String> {
    HashMap::from([(CHECKOUT.to_owned(), nonce.to_owned())])
}

fn expand(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

impl From<stripe_shared::CheckoutSession> for Session {
    fn from(session: stripe_shared::CheckoutSession) -> Self {
        let is_open = session.status == Some(CheckoutSessionStatus::Open);
        Self { id: session.id.to_string(), url: session.url, is_open }
    }
}
