//! `expand[]`: an object instead of its id, <https://docs.stripe.com/api/expanding_objects>.

use serde_json::Value;

use super::api;
use super::ledger::Ledger;
use super::objects;
use super::refusal::Refusal;

/// Stripe expands no deeper.
const DEPTH: usize = 4;

/// Puts objects where `paths` lead.
///
/// # Errors
/// If one leads to what is no object's id.
pub(crate) fn expand(ledger: &Ledger, body: &mut Value, paths: &[String]) -> Result<(), Refusal> {
    for path in paths {
        let names: Vec<_> = path.split('.').collect();
        if names.len() > DEPTH {
            return Err(Refusal::invalid_param(
                "property_depth",
                "expand",
                format!("You cannot expand more than {DEPTH} levels of a property ({path})."),
            ));
        }
        follow(ledger, body, &names, path)?;
    }
    Ok(())
}

fn follow(ledger: &Ledger, at: &mut Value, names: &[&str], path: &str) -> Result<(), Refusal> {
    let Some((name, rest)) = names.split_first() else { return Ok(()) };
    if let Value::Array(entries) = at {
        return entries.iter_mut().try_for_each(|entry| follow(ledger, entry, names, path));
    }
    let cannot = || {
        let message = format!("This property cannot be expanded ({path}).");
        Err(Refusal::invalid_param("parameter_unknown", "expand", message))
    };
    if !at.is_object() {
        return cannot();
    }
    if at.get(*name).is_none() {
        match included(ledger, at, name) {
            Some(value) => at[*name] = value,
            None => return cannot(),
        }
    }
    let next = &mut at[*name];
    if let Some(id) = next.as_str() {
        match api::object(ledger, id) {
            Some(object) => *next = object,
            None => return cannot(),
        }
    }
    // What is not there cannot be expanded, but may be asked for.
    if next.is_null() { Ok(()) } else { follow(ledger, next, rest, path) }
}

/// What is shown only if it is asked for.
fn included(ledger: &Ledger, of: &Value, name: &str) -> Option<Value> {
    let id = of["id"].as_str()?;
    match (of["object"].as_str()?, name) {
        ("checkout.session", "line_items") => {
            ledger.checkouts.get(id).map(|checkout| objects::checkout_items(ledger, checkout))
        }
        ("invoice", "payments") => ledger.invoices.get(id).map(objects::payments),
        ("customer", "subscriptions") => {
            let live = ledger.live_subscriptions(id).rev();
            let live = live.map(|it| objects::subscription(ledger, it)).collect();
            Some(objects::list(&format!("/v1/customers/{id}/subscriptions"), live, false))
        }
        _ => None,
    }
}
