//! What can be asked of the provider: each of Stripe's paths that the simulator has, as a function
//! of the books. <https://docs.stripe.com/api>

mod access;
mod catalog;
mod checkouts;
mod customers;
mod invoices;
mod metadata;
mod subscriptions;

use http::Method;
use serde_json::Value;

use super::expand::expand;
use super::form::Params;
use super::ledger::{Answer, Kept, Ledger, Shelf};
use super::objects;
use super::refusal::Refusal;
pub(crate) use access::{authorize, check_version};

/// How long an idempotency key is known: Stripe removes them "after they're at least 24 hours old",
/// <https://docs.stripe.com/api/idempotent_requests>.
const KEY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A request, as far as it matters to the books.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// After `/v1/`.
    pub(crate) path: String,
    pub(crate) params: Params,
    pub(crate) idempotency_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// Whether it is the answer that an earlier request got.
    pub(crate) replayed: bool,
}

type Outcome = Result<Value, Refusal>;

/// Carries a request out, or answers as its key was answered before.
pub(crate) fn handle(ledger: &mut Ledger, request: Request) -> Reply {
    let (key, fingerprint) = (request.key(), request.fingerprint());
    if let Some(key) = &key {
        forget_old(ledger);
        if let Some(answer) = ledger.answers.get(key) {
            return replay(answer, &fingerprint);
        }
    }
    let outcome = carry_out(ledger, &request.method, &request.path, request.params);
    let (status, body) = match &outcome {
        Ok(body) => (200, body.clone()),
        Err(refusal) => (refusal.status, refusal.body()),
    };
    // Nothing was carried out of what is not right in itself, so there is nothing to remember.
    let carried_out = outcome.as_ref().map_or_else(|refusal| refusal.status == 402, |_| true);
    if let Some(key) = key.filter(|_| carried_out) {
        let answer = Answer { key, fingerprint, status, body: body.clone(), at: ledger.real_ms };
        ledger.remember(answer);
    }
    Reply { status, body, replayed: false }
}

/// Fails, on purpose, and carries nothing out. What is answered under a key is kept "regardless of whether it succeeds
/// or fails", <https://docs.stripe.com/api/idempotent_requests>: who asks again with it hears the same when nothing
/// fails any more.
pub(crate) fn fail(ledger: &mut Ledger, request: Request) -> Reply {
    let refusal = Refusal::internal("An unknown error occurred.");
    let (status, body) = (refusal.status, refusal.body());
    if let Some(key) = request.key() {
        forget_old(ledger);
        if ledger.answers.get(&key).is_none() {
            let fingerprint = request.fingerprint();
            ledger.remember(Answer { key, fingerprint, status, body: body.clone(), at: ledger.real_ms });
        }
    }
    Reply { status, body, replayed: false }
}

impl Request {
    /// What its answer is kept under.
    fn key(&self) -> Option<String> {
        self.idempotency_key.clone().filter(|_| self.method == Method::POST)
    }

    fn fingerprint(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.params.fingerprint())
    }
}

fn replay(answer: &Answer, fingerprint: &str) -> Reply {
    if answer.fingerprint == fingerprint {
        return Reply { status: answer.status, body: answer.body.clone(), replayed: true };
    }
    let refusal = Refusal::idempotency(format!(
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
         using a key other than '{}' if you meant to execute a different request.",
        answer.key
    ));
    Reply { status: refusal.status, body: refusal.body(), replayed: false }
}

fn forget_old(ledger: &mut Ledger) {
    let oldest = ledger.real_ms - KEY_MS;
    let old: Vec<_> =
        ledger.answers.iter().take_while(|answer| answer.at < oldest).map(|it| it.key.clone()).collect();
    old.iter().for_each(|key| ledger.answers.remove(key));
}

fn carry_out(ledger: &mut Ledger, method: &Method, path: &str, mut params: Params) -> Outcome {
    let paths = params.list("expand");
    let segments: Vec<&str> = path.split('/').collect();
    let get = method == Method::GET;
    let mut body = match (method.as_str(), segments.as_slice()) {
        ("GET", ["products"]) => catalog::products(ledger, &mut params),
        ("GET", ["products", id]) => catalog::product(ledger, id),
        ("GET", ["prices"]) => catalog::prices(ledger, &mut params),
        ("GET", ["prices", id]) => catalog::price(ledger, id),
        ("GET", ["customers"]) => customers::list(ledger, &mut params),
        ("POST", ["customers"]) => return customers::create(ledger, params, &paths),
        ("GET", ["customers", id]) => customers::get(ledger, id),
        ("POST", ["customers", id]) => return customers::change(ledger, id, params, &paths),
        ("DELETE", ["customers", id]) => {
            params.finish()?;
            ledger.customer(id, "id")?;
            ledger.delete_customer(id);
            return Ok(objects::deleted_customer(id));
        }
        ("GET", ["customers", id, "payment_methods"]) => customers::cards(ledger, id, &mut params),
        ("GET", ["payment_methods", id]) => customers::card(ledger, id),
        ("GET", ["checkout", "sessions"]) => checkouts::list(ledger, &mut params),
        ("POST", ["checkout", "sessions"]) => return checkouts::create(ledger, params, &paths),
        ("GET", ["checkout", "sessions", id]) => checkouts::get(ledger, id),
        ("POST", ["checkout", "sessions", id, "expire"]) => {
            let id = (*id).to_owned();
            return then(ledger, params, &paths, |ledger| checkouts::expire(ledger, &id));
        }
        ("GET", ["checkout", "sessions", id, "line_items"]) => {
            let found = ledger.checkouts.get(id);
            let found = found.ok_or_else(|| Refusal::missing("checkout.session", id, "id"))?;
            params.integer("limit")?;
            Ok(objects::checkout_items(ledger, found))
        }
        ("POST", ["billing_portal", "sessions"]) => return checkouts::create_portal(ledger, params),
        ("GET", ["subscriptions"]) => subscriptions::list(ledger, &mut params),
        ("POST", ["subscriptions"]) => return subscriptions::create(ledger, params, &paths),
        ("GET", ["subscriptions", id]) => subscriptions::get(ledger, id),
        ("POST", ["subscriptions", id]) => {
            return subscriptions::change(ledger, id, params, &paths);
        }
        ("DELETE", ["subscriptions", id]) => {
            return subscriptions::cancel(ledger, id, params, &paths);
        }
        ("POST", ["subscriptions", id, "resume"]) => {
            let id = (*id).to_owned();
            params.only("billing_cycle_anchor", "now")?;
            return then(ledger, params, &paths, |ledger| {
                subscriptions::get(ledger, &id)?;
                ledger.resume_paused(&id)?;
                subscriptions::get(ledger, &id)
            });
        }
        ("GET", ["invoices"]) => invoices::list(ledger, &mut params),
        ("GET", ["invoices", id]) => invoices::get(ledger, id),
        ("POST", ["invoices", id, action @ ("pay" | "void" | "mark_uncollectible" | "finalize")]) => {
            return invoices::act(ledger, id, action, params, &paths);
        }
        ("GET", ["refunds"]) => invoices::refunds(ledger, &mut params),
        ("POST", ["refunds"]) => return invoices::create_refund(ledger, params),
        ("GET", ["refunds", id]) => {
            let found = ledger.refunds.get(id).ok_or_else(|| Refusal::missing("refund", id, "id"))?;
            Ok(objects::refund(found))
        }
        ("GET", ["events"]) => events(ledger, &mut params),
        ("GET", ["events", id]) => {
            let found = ledger.events.get(id).ok_or_else(|| Refusal::missing("event", id, "id"))?;
            Ok(objects::event(found, ledger.pending_webhooks(id)))
        }
        _ => Err(Refusal::unknown_path(method, &format!("/v1/{path}"))),
    }?;
    debug_assert!(get, "whatever changes something has returned");
    params.finish()?;
    expand(ledger, &mut body, &paths)?;
    Ok(body)
}

/// Refuses what is left over before anything happens.
fn then(
    ledger: &mut Ledger,
    params: Params,
    paths: &[String],
    act: impl FnOnce(&mut Ledger) -> Outcome,
) -> Outcome {
    params.finish()?;
    let mut body = act(ledger)?;
    expand(ledger, &mut body, paths)?;
    Ok(body)
}

fn events(ledger: &Ledger, params: &mut Params) -> Outcome {
    let kind = params.text("type")?;
    let kinds = params.list("types");
    let all = ledger.events.iter().rev().filter(|it| {
        kind.as_ref().is_none_or(|kind| *kind == it.kind) && (kinds.is_empty() || kinds.contains(&it.kind))
    });
    page("/v1/events", all.map(|it| objects::event(it, ledger.pending_webhooks(&it.id))).collect(), params)
}

/// The part of a list that is asked for: <https://docs.stripe.com/api/pagination>.
fn page(url: &str, all: Vec<Value>, params: &mut Params) -> Outcome {
    let limit = params.integer("limit")?.unwrap_or(10);
    if !(1..=100).contains(&limit) {
        let message = format!("Invalid integer: {limit}; limit must be from 1 to 100");
        return Err(Refusal::invalid_param("parameter_invalid_integer", "limit", message));
    }
    let limit = usize::try_from(limit).unwrap_or(10);
    let position = |id: &str, name: &str| {
        let at = all.iter().position(|object| object["id"] == id);
        at.ok_or_else(|| Refusal::missing("object", id, name))
    };
    let (after, before) = (params.text("starting_after")?, params.text("ending_before")?);
    let (from, until, has_more) = match (after, before) {
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid("Only one of starting_after and ending_before may be given."));
        }
        (None, Some(before)) => {
            let until = position(&before, "ending_before")?;
            let from = until.saturating_sub(limit);
            (from, until, from > 0)
        }
        (after, None) => {
            let after = after.map(|after| position(&after, "starting_after")).transpose()?;
            let from = after.map_or(0, |at| at + 1);
            let until = all.len().min(from + limit);
            (from, until, until < all.len())
        }
    };
    Ok(objects::list(url, all[from..until].to_vec(), has_more))
}

/// Any object by its id, whose beginning says what it is.
pub(crate) fn object(ledger: &Ledger, id: &str) -> Option<Value> {
    fn found<T: Kept>(shelf: &Shelf<T>, id: &str, show: impl FnOnce(&T) -> Value) -> Option<Value> {
        shelf.get(id).map(show)
    }
    match id.split_once('_')?.0 {
        "cus" => customers::get(ledger, id).ok(),
        "prod" => catalog::product(ledger, id).ok(),
        "price" => catalog::price(ledger, id).ok(),
        "pm" => found(&ledger.cards, id, objects::payment_method),
        "sub" => found(&ledger.subscriptions, id, |it| objects::subscription(ledger, it)),
        "in" => found(&ledger.invoices, id, |it| objects::invoice(ledger, it)),
        "cs" => found(&ledger.checkouts, id, |it| objects::checkout(ledger, it)),
        _ => None,
    }
}

/// For tests and the console: a request without a key of its own.
#[cfg(test)]
pub(crate) fn ask(ledger: &mut Ledger, method: &str, path: &str, form: &str) -> Reply {
    let params = Params::parse(form.as_bytes()).unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    handle(ledger, Request { method, path: path.to_owned(), params, idempotency_key: None })
}

#[cfg(test)]
mod tests;
