//! The provider's books, without a clock, a network or a disk of their own: time is told to them,
//! and whoever owns them keeps what has changed.
//!
//! Customers, cards, checkouts, subscriptions, invoices and refunds, and the events that tell of
//! them. The rules are Stripe's; each file says where they are published.

mod calendar;
mod checkouts;
mod clock;
mod invoices;
mod proration;
mod shelf;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cards::Card;
use super::catalog::{Catalog, Interval, Product};
use super::objects;
use super::refusal::Refusal;
use super::webhooks::Delivery;
pub(crate) use checkouts::{Checkout, CheckoutOrder, CheckoutStatus, Portal, Progress};
pub(crate) use invoices::{Invoice, InvoiceStatus, Line, Refund};
pub(crate) use proration::Proration;
pub(crate) use shelf::{Kept, Row, Shelf};
pub(crate) use subscriptions::{MissingCard, OnFailure, Status, Subscription, Terms};

/// The books.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) catalog: Catalog,
    /// What the catalog has and had.
    products: Shelf<Product>,
    /// The app's origin, at which the hosted pages are: `http://localhost:3000`.
    pub(crate) origin: String,
    /// The provider's time, in seconds since 1970. It never goes back.
    pub(crate) now: i64,
    /// The real time, in milliseconds since 1970: webhooks and idempotency keys live by it.
    pub(crate) real_ms: i64,
    /// On whose account the books are being changed.
    pub(crate) cause: Cause,
    pub(crate) customers: Shelf<Customer>,
    pub(crate) cards: Shelf<PaymentMethod>,
    pub(crate) checkouts: Shelf<Checkout>,
    pub(crate) portals: Shelf<Portal>,
    pub(crate) subscriptions: Shelf<Subscription>,
    pub(crate) invoices: Shelf<Invoice>,
    pub(crate) refunds: Shelf<Refund>,
    pub(crate) events: Shelf<Event>,
    pub(crate) deliveries: Shelf<Delivery>,
    pub(crate) answers: Shelf<Answer>,
    pub(crate) settings: Shelf<Settings>,
    last_number: u64,
    random: fastrand::Rng,
}

/// Why the books change: it is part of a flow, and perhaps of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cause {
    /// The W3C `traceparent` of the step that caused it.
    pub(crate) trace: String,
    /// How the flow is called if it begins here.
    pub(crate) flow: Option<String>,
    /// The id of the API request, as `req_…`, and its idempotency key.
    pub(crate) request: Option<(String, Option<String>)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// In the minor unit of its one currency; negative is a credit that the next invoice takes.
    pub(crate) balance: i64,
    /// Of its first invoice on.
    pub(crate) currency: Option<String>,
    pub(crate) default_card: Option<String>,
    pub(crate) invoice_prefix: String,
    pub(crate) next_invoice: u32,
    /// Deleted customers are still known to have been.
    pub(crate) deleted: bool,
}

/// A card that is kept for its owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) card: Card,
}

/// What webhooks tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) created: i64,
    /// As `customer.subscription.updated`.
    pub(crate) kind: String,
    /// The object as it was then.
    pub(crate) object: Value,
    pub(crate) previous: Option<Value>,
    pub(crate) cause: Cause,
}

/// The answer that the first request with an idempotency key got.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) key: String,
    /// Of the method, the path and the parameters.
    pub(crate) fingerprint: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// In real milliseconds.
    pub(crate) at: i64,
}

/// What outlives the process besides the books. There is one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// How far the provider's clock is ahead of the real one.
    pub(crate) ahead_seconds: i64,
    pub(crate) switches: super::webhooks::Switches,
}

impl Ledger {
    /// Empty books. The same seed gives the same ids.
    pub(crate) fn new(catalog: Catalog, origin: String, seed: u64) -> Self {
        let mut ledger = Self {
            catalog,
            products: Shelf::default(),
            origin,
            now: 0,
            real_ms: 0,
            cause: Cause::default(),
            customers: Shelf::default(),
            cards: Shelf::default(),
            checkouts: Shelf::default(),
            portals: Shelf::default(),
            subscriptions: Shelf::default(),
            invoices: Shelf::default(),
            refunds: Shelf::default(),
            events: Shelf::default(),
            deliveries: Shelf::default(),
            answers: Shelf::default(),
            settings: Shelf::default(),
            last_number: 0,
            random: fastrand::Rng::with_seed(seed),
        };
        let number = ledger.number();
        ledger.settings.insert(number, Settings::default());
        ledger
    }

    /// Books with these rows in them, as [`Self::take_changes`] gave them.
    pub(crate) fn restore(mut self, rows: &[Row]) -> serde_json::Result<Self> {
        for row in rows {
            self.last_number = self.last_number.max(row.number);
            match row.kind.as_str() {
                Product::KIND => self.products.restore(row)?,
                Customer::KIND => self.customers.restore(row)?,
                PaymentMethod::KIND => self.cards.restore(row)?,
                Checkout::KIND => self.checkouts.restore(row)?,
                Portal::KIND => self.portals.restore(row)?,
                Subscription::KIND => self.subscriptions.restore(row)?,
                Invoice::KIND => self.invoices.restore(row)?,
                Refund::KIND => self.refunds.restore(row)?,
                Event::KIND => self.events.restore(row)?,
                Delivery::KIND => self.deliveries.restore(row)?,
                Answer::KIND => self.answers.restore(row)?,
                Settings::KIND => self.settings.restore(row)?,
                _ => {}
            }
        }
        self.keep_catalog();
        Ok(self)
    }

    /// What was for sale once stays in the catalog, whatever the file says now.
    fn keep_catalog(&mut self) {
        self.products.iter().for_each(|known| self.catalog.archive(known));
        for product in self.catalog.products.clone() {
            if self.products.get(&product.id) == Some(&product) {
                continue;
            }
            if let Some(known) = self.products.get_mut(&product.id) {
                *known = product;
            } else {
                let number = self.number();
                self.products.insert(number, product);
            }
        }
    }

    /// What has changed since this was asked last.
    pub(crate) fn take_changes(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.products.take_changes(&mut rows);
        self.customers.take_changes(&mut rows);
        self.cards.take_changes(&mut rows);
        self.checkouts.take_changes(&mut rows);
        self.portals.take_changes(&mut rows);
        self.subscriptions.take_changes(&mut rows);
        self.invoices.take_changes(&mut rows);
        self.refunds.take_changes(&mut rows);
        self.events.take_changes(&mut rows);
        self.deliveries.take_changes(&mut rows);
        self.answers.take_changes(&mut rows);
        self.settings.take_changes(&mut rows);
        rows
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings.get(Settings::ID).cloned().unwrap_or_default()
    }

    pub(crate) fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        if let Some(settings) = self.settings.get_mut(Settings::ID) {
            change(settings);
        }
    }

    /// A customer that is not deleted; `param` says where the id came from.
    pub(crate) fn customer(&self, id: &str, param: &str) -> Result<&Customer, Refusal> {
        let found = self.customers.get(id).filter(|customer| !customer.deleted);
        found.ok_or_else(|| Refusal::missing("customer", id, param))
    }

    pub(crate) fn create_customer(
        &mut self,
        email: Option<String>,
        name: Option<String>,
        description: Option<String>,
        metadata: BTreeMap<String, String>,
    ) -> String {
        let id = self.id("cus_", 14);
        let prefix = self.letters(8).to_uppercase();
        let customer = Customer {
            id: id.clone(),
            created: self.now,
            email,
            name,
            description,
            metadata,
            balance: 0,
            currency: None,
            default_card: None,
            invoice_prefix: prefix,
            next_invoice: 1,
            deleted: false,
        };
        let number = self.number();
        self.customers.insert(number, customer);
        self.emit_customer("customer.created", &id, None);
        id
    }

    /// Changes a customer, and tells of it if it is another now.
    pub(crate) fn change_customer(&mut self, id: &str, change: impl FnOnce(&mut Customer)) {
        let Some(before) = self.customers.get(id).map(|customer| objects::customer(self, customer)) else {
            return;
        };
        if let Some(customer) = self.customers.get_mut(id) {
            change(customer);
        }
        let after = self.customers.get(id).map(|customer| objects::customer(self, customer));
        let previous = after.and_then(|after| difference(&before, &after));
        if previous.is_some() {
            self.emit_customer("customer.updated", id, previous);
        }
    }

    /// Its subscriptions end at once, as at Stripe.
    pub(crate) fn delete_customer(&mut self, id: &str) {
        let live: Vec<_> = self.live_subscriptions(id).map(|it| it.id.clone()).collect();
        for subscription in live {
            self.end_subscription(&subscription, "cancellation_requested");
        }
        let open = self.checkouts.iter().filter(|it| it.customer.as_deref() == Some(id) && it.is_open());
        let open: Vec<_> = open.map(|checkout| checkout.id.clone()).collect();
        for checkout in open {
            self.expire_checkout(&checkout);
        }
        self.emit_customer("customer.deleted", id, None);
        if let Some(customer) = self.customers.get_mut(id) {
            customer.deleted = true;
            customer.default_card = None;
        }
    }

    /// Keeps a card for its owner.
    pub(crate) fn attach(&mut self, customer: &str, card: Card) -> String {
        let id = self.id("pm_1", 23);
        let method = PaymentMethod { id: id.clone(), created: self.now, customer: customer.to_owned(), card };
        let object = objects::payment_method(&method);
        let number = self.number();
        self.cards.insert(number, method);
        self.emit("payment_method.attached", object, None);
        id
    }

    /// Makes a card the one that everything of the customer is charged to.
    pub(crate) fn use_card(&mut self, customer: &str, card: &str) {
        self.change_customer(customer, |it| it.default_card = Some(card.to_owned()));
        let live: Vec<_> = self.live_subscriptions(customer).map(|it| it.id.clone()).collect();
        for subscription in live {
            self.change_subscription(&subscription, |it| it.card = Some(card.to_owned()));
        }
    }

    /// Those that have not ended, the newest last.
    pub(crate) fn live_subscriptions<'a>(
        &'a self,
        customer: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Subscription> + 'a {
        self.subscriptions.iter().filter(move |it| it.customer == customer && !it.status.is_final())
    }

    /// Tells of a change.
    fn emit(&mut self, kind: &str, object: Value, previous: Option<Value>) {
        if self.cause.trace.is_empty() {
            self.cause.trace = self.new_trace();
        }
        let event = Event {
            id: self.id("evt_1", 23),
            created: self.now,
            kind: kind.to_owned(),
            object,
            previous,
            cause: self.cause.clone(),
        };
        let switches = self.settings().switches;
        let delivery = Delivery::new(&event.id, self.real_ms, &switches);
        let number = self.number();
        self.events.insert(number, event);
        let number = self.number();
        self.deliveries.insert(number, delivery);
    }

    fn emit_customer(&mut self, kind: &str, id: &str, previous: Option<Value>) {
        if let Some(customer) = self.customers.get(id) {
            let object = objects::customer(self, customer);
            self.emit(kind, object, previous);
        }
    }

    /// The cause of what the clock brings: a flow that goes on, or one that begins.
    fn by_clock(&mut self, trace: Option<String>, flow: &str) {
        let (trace, flow) = match trace {
            Some(trace) => (trace, None),
            None => (self.new_trace(), Some(flow.to_owned())),
        };
        self.cause = Cause { trace, flow, request: None };
    }

    /// A `traceparent` of a trace that begins.
    fn new_trace(&mut self) -> String {
        let [trace, span] = [self.random.u128(1..), self.random.u64(1..).into()];
        format!("00-{trace:032x}-{span:016x}-01")
    }

    /// A time that a caller sends, who knows the real clock only: it moves with the provider's.
    pub(crate) fn of_caller(&self, time: Option<i64>) -> Option<i64> {
        let ahead = self.settings().ahead_seconds;
        time.map(|time| time.saturating_add(ahead))
    }

    /// Keeps what was answered, for whoever asks again with its key.
    pub(crate) fn remember(&mut self, answer: Answer) {
        let number = self.number();
        self.answers.insert(number, answer);
    }

    pub(crate) fn request_id(&mut self) -> String {
        self.id("req_", 14)
    }

    fn price(&self, id: &str, param: &str) -> Result<(i64, String, Interval), Refusal> {
        let (_, price) = self.catalog.price(id).ok_or_else(|| Refusal::missing("price", id, param))?;
        Ok((price.unit_amount, price.currency.clone(), price.interval))
    }

    /// Refuses what is archived. `param` says where the id came from.
    fn for_sale(&self, id: &str, param: &str) -> Result<(), Refusal> {
        let (product, price) = self.catalog.price(id).ok_or_else(|| Refusal::missing("price", id, param))?;
        let message = match (price.active, product.active) {
            (true, true) => return Ok(()),
            (false, _) => {
                "The price specified is inactive. This field only accepts active prices.".to_owned()
            }
            (true, false) => {
                format!("Price `{id}` is not available to be purchased because its product is not active.")
            }
        };
        Err(Refusal { param: Some(param.to_owned()), ..Refusal::invalid(message) })
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn id(&mut self, prefix: &str, length: usize) -> String {
        format!("{prefix}{}", self.letters(length))
    }

    fn letters(&mut self, length: usize) -> String {
        (0..length).map(|_| self.random.alphanumeric()).collect()
    }
}

impl Settings {
    const ID: &'static str = "settings";
}

/// What `previous_attributes` say: of each attribute that is another now, what it was. Within an
/// object only what differs; lists as a whole.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return (before != after).then(|| before.clone());
    };
    let mut previous = Map::new();
    for name in after.keys().chain(before.keys().filter(|name| !after.contains_key(*name))) {
        let was = before.get(name).unwrap_or(&Value::Null);
        let is = after.get(name).unwrap_or(&Value::Null);
        if let Some(difference) = difference(was, is) {
            previous.insert(name.clone(), difference);
        }
    }
    (!previous.is_empty()).then_some(Value::Object(previous))
}

macro_rules! kept {
    ($($object:ty: $kind:literal, $id:ident;)*) => {$(
        impl Kept for $object {
            const KIND: &'static str = $kind;

            fn id(&self) -> &str {
                &self.$id
            }
        }
    )*};
}

kept! {
    Product: "product", id;
    Customer: "customer", id;
    PaymentMethod: "card", id;
    Checkout: "checkout", id;
    Portal: "portal", id;
    Subscription: "subscription", id;
    Invoice: "invoice", id;
    Refund: "refund", id;
    Event: "event", id;
    Delivery: "delivery", event;
    Answer: "answer", key;
}

impl Kept for Settings {
    const KIND: &'static str = "settings";

    fn id(&self) -> &str {
        Self::ID
    }
}
