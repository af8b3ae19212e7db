//! Walks through all of the ledger and mends what was missed.
//!
//! It compares, and reads afresh only what differs. A run does as much as its time allows and notes how far it
//! came; the next goes on from there.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::de::IgnoredAny;
use shared::error::Error;
use shared::log::causes;
use shared::parameter;
use shared::store::SubscriptionRecord;
use shared::subscription::{Customer, Subscription};
use shared::trace::{self, TraceContext};
use tokio::time::Instant;

use crate::stripe::LedgerSubscription;
use crate::sync::{Reason, Sync, trial_end_to_tell};

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walk {
    /// Subscriptions of the ledger that were looked at.
    pub seen: usize,
    /// Customers that differed and were brought up to date.
    pub mended: usize,
    /// Customers that differed and could not be: the next walk tries again.
    pub failed: usize,
    /// Whether it came to the end of the ledger.
    pub complete: bool,
}

/// Whose cursor it is.
const FUNCTION: &str = "billing-reconcile";

/// How much of an invocation's time is kept: what a page takes, with all that may differ on it.
const TIME_FOR_A_PAGE: Duration = Duration::from_secs(45);

/// Runs at each invocation, for ever.
///
/// # Errors
///
/// If the Lambda runtime cannot be reached.
pub async fn run_reconcile(sync: Sync) -> Result<(), lambda_runtime::Error> {
    let sync = &sync;
    lambda_runtime::run(service_fn(|invocation: LambdaEvent<IgnoredAny>| async move {
        let left = invocation.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = Instant::now() + left.saturating_sub(TIME_FOR_A_PAGE);
        let trace = invocation.context.xray_trace_id.as_deref().and_then(TraceContext::from_xray);
        let work = Box::pin(sync.reconcile(deadline));
        let walk = match trace {
            Some(trace) => trace::scope(trace, work).await,
            None => work.await,
        };
        outcome(walk)
    }))
    .await
}

/// What an invocation that walked so far says and ends with.
fn outcome(walk: Result<Walk, Error>) -> Result<(), lambda_runtime::Error> {
    match walk {
        Ok(Walk { seen, mended, failed, complete }) => {
            tracing::info!(seen, mended, failed, complete, "The ledger was walked through");
            Ok(())
        }
        // As long as nobody has set it, nobody can have bought anything: there is nothing to mend, and nobody to wake.
        Err(error) if parameter::is_missing(&error) => {
            tracing::warn!("The ledger was not walked through: there is no key to it yet");
            Ok(())
        }
        Err(error) => {
            tracing::error!(reason = causes(&error), "The ledger could not be walked through");
            Err(lambda_runtime::Error::from("the ledger could not be walked through"))
        }
    }
}

/// What is wrong with a customer.
#[derive(Debug, Clone, Copy)]
enum Amiss {
    /// The ledger says something else than is known, or something that was not told of.
    Differs,
    /// It pays for a workspace that was deleted.
    Orphaned,
}

impl Sync {
    /// Goes on walking until the deadline; a page that is begun is done.
    ///
    /// # Errors
    ///
    /// If the provider or the table does not answer.
    pub async fn reconcile(&self, deadline: Instant) -> Result<Walk, Error> {
        let mut walk = Walk::default();
        let mut after = self.store.cursor(FUNCTION).await?;
        while !walk.complete {
            let Some(page) = self.stripe.all_subscriptions(after.as_deref()).await? else {
                tracing::warn!(
                    "The ledger has nothing any more of where the walk was to go on: it begins anew"
                );
                after = None;
                self.store.save_cursor(FUNCTION, None).await?;
                continue;
            };
            walk.seen += page.subscriptions.len();
            for (customer, amiss) in self.amiss(&page.subscriptions).await? {
                let mended = match amiss {
                    Amiss::Differs => self.customer(&customer, Reason::default()).await,
                    Amiss::Orphaned => self.close(&customer).await,
                };
                match mended {
                    Ok(()) => walk.mended += 1,
                    Err(error) => {
                        walk.failed += 1;
                        let customer = &customer.id;
                        tracing::error!(
                            customer,
                            reason = causes(&error),
                            "A customer was not brought up to date"
                        );
                    }
                }
            }
            after = page.next;
            walk.complete = after.is_none();
            self.store.save_cursor(FUNCTION, after.as_deref()).await?;
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(walk)
    }

    /// The customers of whom the ledger says something else than is known, or than may be.
    async fn amiss(&self, page: &[LedgerSubscription]) -> Result<Vec<(Customer, Amiss)>, Error> {
        let ids: HashSet<&str> = page.iter().map(|it| it.customer_id.as_str()).collect();
        let customers = self.store.customers_by_id(ids).await?;
        let workspaces = || customers.iter().map(|customer| customer.workspace_id);
        let (known, there) = tokio::try_join!(
            self.store.subscriptions(workspaces()),
            self.store.existing_workspaces(workspaces())
        )?;
        let now = self.clock.now();
        let amiss = |customer: &Customer| {
            let mut of_customer =
                page.iter().filter(|it| it.customer_id == customer.id).map(|it| &it.subscription);
            let workspace = customer.workspace_id;
            if !there.contains(&workspace) {
                // Of a customer that was deleted the ledger may say nothing by which to compare.
                let known = known.get(&workspace).and_then(|record| record.subscription.as_ref());
                let pays = of_customer.chain(known).any(Subscription::is_live);
                return pays.then_some(Amiss::Orphaned);
            }
            of_customer.any(|it| differs(it, known.get(&workspace), now)).then_some(Amiss::Differs)
        };
        let found = |customer| {
            let amiss = amiss(&customer)?;
            Some((customer, amiss))
        };
        Ok(customers.into_iter().filter_map(found).collect())
    }
}

fn differs(ledger: &Subscription, record: Option<&SubscriptionRecord>, now: Timestamp) -> bool {
    match record.and_then(|record| Some((record.subscription.as_ref()?, record.trial_told))) {
        None => true,
        Some((known, told)) if known.id == ledger.id => {
            !known.same_in_ledger(ledger) || trial_end_to_tell(ledger, told, false, now).is_some()
        }
        // Another one counts. If what is known of that is old, it differs itself.
        Some((known, _)) => ledger.precedence() > known.precedence(),
    }
}

#[cfg(test)]
mod tests {
    use shared::parameter::Unreadable;

    use super::*;
    use crate::stripe::StripeError;

    #[test]
    fn a_stage_whose_key_nobody_has_set_yet_has_nothing_to_reconcile() {
        let without = |why: Unreadable| outcome(Err(StripeError::NoKey(why.into()).into()));
        assert!(without(Unreadable::Missing(String::new())).is_ok());
        assert!(without(Unreadable::Refused(String::new())).is_err());
        assert!(without(Unreadable::Unavailable(String::new())).is_err());
        assert!(outcome(Err(Error::internal("down"))).is_err());
    }
}
