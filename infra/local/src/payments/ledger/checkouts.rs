//! Checkout sessions and portal sessions: <https://docs.stripe.com/api/checkout/sessions>,
//! <https://docs.stripe.com/api/customer_portal/sessions>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, MINUTE};
use super::subscriptions::{MissingCard, OnFailure, Terms};
use super::{Ledger, Subscription};
use crate::payments::cards::{Card, Charge, Presence};
use crate::payments::objects;
use crate::payments::refusal::Refusal;

/// A session is open for 24 hours if nothing else is said.
const OPEN: i64 = DAY;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checkout {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) status: CheckoutStatus,
    pub(crate) order: CheckoutOrder,
    pub(crate) customer: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) subscription: Option<String>,
    pub(crate) invoice: Option<String>,
    /// A card whose owner is asked to confirm.
    pub(crate) confirming: Option<Card>,
    /// The flow in which it was made: what follows belongs to it.
    pub(crate) trace: String,
}

/// What whoever makes a session asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CheckoutOrder {
    pub(crate) customer: Option<String>,
    pub(crate) customer_email: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) success_url: String,
    pub(crate) cancel_url: Option<String>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) subscription_metadata: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    pub(crate) trial_days: Option<i64>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) missing_card: MissingCard,
    /// Whether a card is asked for only if something is to be paid now.
    pub(crate) card_if_required: bool,
    pub(crate) allow_promotion_codes: Option<bool>,
    pub(crate) locale: Option<String>,
    pub(crate) billing_address_collection: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckoutStatus {
    Open,
    Complete,
    Expired,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Portal {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) return_url: Option<String>,
    pub(crate) confirming: Option<Card>,
    pub(crate) trace: String,
}

/// How far a payment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    /// The owner of the card is asked to confirm.
    RequiresAction,
}

impl CheckoutStatus {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }
}

impl Checkout {
    pub(crate) fn is_open(&self) -> bool {
        self.status == CheckoutStatus::Open
    }

    /// Where the browser goes once it is paid.
    pub(crate) fn success_url(&self) -> String {
        self.order.success_url.replace("{CHECKOUT_SESSION_ID}", &self.id)
    }
}

impl Ledger {
    pub(crate) fn create_checkout(&mut self, order: CheckoutOrder) -> Result<String, Refusal> {
        self.for_sale(&order.price, "line_items[0][price]")?;
        if let Some(customer) = &order.customer {
            self.customer(customer, "customer")?;
        }
        let expires_at = order.expires_at.unwrap_or(self.now + OPEN);
        if !(self.now + 30 * MINUTE..=self.now + OPEN).contains(&expires_at) {
            return Err(Refusal::invalid_param(
                "parameter_invalid_integer",
                "expires_at",
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
            ));
        }
        let id = self.id("cs_test_a1", 56);
        let checkout = Checkout {
            id: id.clone(),
            created: self.now,
            status: CheckoutStatus::Open,
            customer: order.customer.clone(),
            order,
            expires_at,
            subscription: None,
            invoice: None,
            confirming: None,
            trace: self.cause.trace.clone(),
        };
        let number = self.number();
        self.checkouts.insert(number, checkout);
        Ok(id)
    }

    pub(crate) fn expire_checkout(&mut self, id: &str) {
        if let Some(checkout) = self.checkouts.get_mut(id) {
            checkout.status = CheckoutStatus::Expired;
            checkout.confirming = None;
        }
        self.emit_checkout("checkout.session.expired", id);
    }

    /// When the trial of what is bought ends, if there is one.
    pub(crate) fn trial_end(&self, checkout: &Checkout) -> Option<i64> {
        let days = checkout.order.trial_days.map(|days| self.now + days * DAY);
        checkout.order.trial_end.or(days).filter(|end| *end > self.now)
    }

    /// Somebody pays on the session's page; without a card only where none is asked for. A
    /// session that is complete stays as it is.
    pub(crate) fn pay_checkout(
        &mut self,
        id: &str,
        card: Option<Card>,
        presence: Presence,
    ) -> Result<Progress, Refusal> {
        let checkout =
            self.checkouts.get(id).ok_or_else(|| Refusal::missing("checkout.session", id, "id"))?;
        match checkout.status {
            CheckoutStatus::Complete => return Ok(Progress::Done),
            CheckoutStatus::Expired => return Err(Refusal::gone("This checkout has expired.")),
            CheckoutStatus::Open => {}
        }
        // Before the card is: nothing has happened then.
        self.for_sale(&checkout.order.price, "line_items[0][price]")?;
        let trial_end = self.trial_end(checkout);
        if card.is_none() && !(checkout.order.card_if_required && trial_end.is_some()) {
            return Err(Refusal::invalid_param("parameter_missing", "number", "A card is needed."));
        }
        if let Some(card) = &card {
            match card.keep(presence) {
                Charge::Succeeded => {}
                Charge::Declined(decline) => return Err(Refusal::card(decline)),
                Charge::RequiresAction => {
                    if let Some(checkout) = self.checkouts.get_mut(id) {
                        checkout.confirming = Some(card.clone());
                    }
                    return Ok(Progress::RequiresAction);
                }
            }
            if trial_end.is_none()
                && let Charge::Declined(decline) = card.charge(presence)
            {
                return Err(Refusal::card(decline));
            }
        }
        self.complete_checkout(id, card, trial_end, presence)?;
        Ok(Progress::Done)
    }

    /// The owner of the card that a session waits for has confirmed, or not.
    pub(crate) fn confirm_checkout(&mut self, id: &str, confirmed: bool) -> Result<Progress, Refusal> {
        let checkout =
            self.checkouts.get_mut(id).ok_or_else(|| Refusal::missing("checkout.session", id, "id"))?;
        if checkout.status == CheckoutStatus::Complete {
            return Ok(Progress::Done);
        }
        let card = checkout.confirming.take();
        let Some(card) = card else { return Err(Refusal::gone("Nothing waits to be confirmed.")) };
        if !confirmed {
            return Err(Refusal::not_authenticated());
        }
        self.pay_checkout(id, Some(Card { authenticated: true, ..card }), Presence::Confirmed)
    }

    fn complete_checkout(
        &mut self,
        id: &str,
        card: Option<Card>,
        trial_end: Option<i64>,
        presence: Presence,
    ) -> Result<(), Refusal> {
        let Some(checkout) = self.checkouts.get(id) else { return Ok(()) };
        let order = checkout.order.clone();
        let customer = match &checkout.customer {
            Some(customer) => self.customer(customer, "customer")?.id.clone(),
            None => {
                let name = card.as_ref().and_then(|card| card.name.clone());
                self.create_customer(order.customer_email.clone(), name, None, BTreeMap::new())
            }
        };
        let card = card.map(|card| self.attach(&customer, card));
        let subscription = self.start_subscription(Terms {
            customer: customer.clone(),
            price: order.price,
            quantity: order.quantity,
            card,
            trial_end,
            missing_card: order.missing_card,
            metadata: order.subscription_metadata,
            description: order.description,
            presence,
            on_failure: OnFailure::Refuse,
        })?;
        let invoice = self.subscriptions.get(&subscription).and_then(|it| it.latest_invoice.clone());
        if let Some(checkout) = self.checkouts.get_mut(id) {
            checkout.status = CheckoutStatus::Complete;
            checkout.customer = Some(customer);
            checkout.subscription = Some(subscription);
            checkout.invoice = invoice;
            checkout.confirming = None;
        }
        self.emit_checkout("checkout.session.completed", id);
        Ok(())
    }

    pub(crate) fn create_portal(
        &mut self,
        customer: &str,
        return_url: Option<String>,
    ) -> Result<String, Refusal> {
        self.customer(customer, "customer")?;
        let id = self.id("bps_1", 23);
        let portal = Portal {
            id: id.clone(),
            created: self.now,
            customer: customer.to_owned(),
            return_url,
            confirming: None,
            trace: self.cause.trace.clone(),
        };
        let number = self.number();
        self.portals.insert(number, portal);
        Ok(id)
    }

    /// What the portal is about: the newest subscription that has not ended.
    pub(crate) fn portal_subscription<'a>(&'a self, portal: &'a Portal) -> Option<&'a Subscription> {
        self.live_subscriptions(&portal.customer).next_back()
    }

    /// The customer gives another card.
    pub(crate) fn change_card(
        &mut self,
        portal: &str,
        card: Card,
        presence: Presence,
    ) -> Result<Progress, Refusal> {
        let customer = self.portals.get(portal).map(|it| it.customer.clone()).unwrap_or_default();
        self.customer(&customer, "customer")?;
        match card.keep(presence) {
            Charge::Declined(decline) => Err(Refusal::card(decline)),
            Charge::RequiresAction => {
                if let Some(portal) = self.portals.get_mut(portal) {
                    portal.confirming = Some(card);
                }
                Ok(Progress::RequiresAction)
            }
            Charge::Succeeded => {
                let card = self.attach(&customer, card);
                self.use_card(&customer, &card);
                Ok(Progress::Done)
            }
        }
    }

    /// The owner of the new card has confirmed, or not.
    pub(crate) fn confirm_card(&mut self, portal: &str, confirmed: bool) -> Result<Progress, Refusal> {
        let card = self.portals.get_mut(portal).and_then(|portal| portal.confirming.take());
        let Some(card) = card else { return Err(Refusal::gone("Nothing waits to be confirmed.")) };
        if !confirmed {
            return Err(Refusal::not_authenticated());
        }
        self.change_card(portal, Card { authenticated: true, ..card }, Presence::Confirmed)
    }

    fn emit_checkout(&mut self, kind: &str, id: &str) {
        if let Some(checkout) = self.checkouts.get(id) {
            let object = objects::checkout(self, checkout);
            self.emit(kind, object, None);
        }
    }
}
