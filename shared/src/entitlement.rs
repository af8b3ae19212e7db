//! What a workspace may do: a function of what it pays for and the time, of nothing else.

use jiff::{SignedDuration, Timestamp};

use crate::plan::Plan;
use crate::subscription::{Subscription, SubscriptionStatus};

/// For how long a plan stays open when a payment has failed.
pub const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is open to a workspace. None: without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entitlements {
    /// The plan that opens it.
    pub plan: Plan,
    /// How far back the history of activity is shown, in days.
    pub activity_history_days: Option<u32>,
    /// How many may work in it.
    pub seats: Option<u32>,
}

impl Entitlements {
    /// What this plan opens: the one table of what is sold.
    #[must_use]
    pub const fn of_plan(plan: Plan) -> Self {
        let (activity_history_days, seats) = match plan {
            Plan::Free => (Some(7), Some(1)),
            Plan::Pro => (Some(365), Some(5)),
            Plan::Business => (None, None),
        };
        Self { plan, activity_history_days, seats }
    }

    /// What is open to a workspace with this subscription, now.
    #[must_use]
    pub fn of(subscription: Option<&Subscription>, now: Timestamp) -> Self {
        Self::of_plan(subscription.map_or(Plan::Free, |subscription| open_plan(subscription, now)))
    }

    /// What came before this time is closed. None: nothing is.
    #[must_use]
    pub fn history_since(&self, now: Timestamp) -> Option<Timestamp> {
        let days = self.activity_history_days?;
        Some(now - SignedDuration::from_hours(24 * i64::from(days)))
    }

    /// The more generous of two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let generosity = |entitlements: &Self| entitlements.activity_history_days.unwrap_or(u32::MAX);
        std::cmp::max_by_key(self, other, generosity)
    }
}

/// Until when the plan stays open though a payment has failed.
#[must_use]
pub fn grace_until(subscription: &Subscription) -> Option<Timestamp> {
    match subscription.status {
        SubscriptionStatus::PastDue => subscription.past_due_since.map(|since| since + GRACE),
        SubscriptionStatus::Trialing
        | SubscriptionStatus::Active
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Incomplete
        | SubscriptionStatus::Canceled => None,
    }
}

fn open_plan(subscription: &Subscription, now: Timestamp) -> Plan {
    let cancelled = subscription.cancel_at.is_some_and(|at| at <= now);
    let in_grace = grace_until(subscription).is_none_or(|until| now < until);
    if cancelled || !in_grace { Plan::Free } else { subscription.paid_plan() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;
    use crate::subscription::{Interval, Price};

    const NOW: &str = "2026-11-23T10:00:00Z";

    fn subscription(status: SubscriptionStatus) -> Subscription {
        let now: Timestamp = NOW.parse().unwrap();
        let amount = Money { minor_units: 1200, currency: "usd".parse().unwrap() };
        Subscription {
            id: "sub_1".to_owned(),
            status,
            plan: Plan::Pro,
            price: Price { id: "price_1".to_owned(), amount, interval: Interval::Month },
            seats: 1,
            created_at: now,
            current_period_end: now + SignedDuration::from_hours(30 * 24),
            trial_end: None,
            cancel_at: None,
            ended_at: None,
            past_due_since: (status == SubscriptionStatus::PastDue).then_some(now),
            latest_invoice: None,
        }
    }

    fn plan(subscription: &Subscription, seconds: i64) -> Plan {
        let now = NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds);
        Entitlements::of(Some(subscription), now).plan
    }

    /// B5
    #[test]
    fn b5_a_state_opens_what_is_paid_for_and_no_more() {
        assert_eq!(Entitlements::of(None, NOW.parse().unwrap()), Entitlements::of_plan(Plan::Free));
        for (status, opens) in [
            (SubscriptionStatus::Trialing, Plan::Pro),
            (SubscriptionStatus::Active, Plan::Pro),
            (SubscriptionStatus::PastDue, Plan::Pro),
            (SubscriptionStatus::Paused, Plan::Free),
            (SubscriptionStatus::Unpaid, Plan::Free),
            (SubscriptionStatus::Incomplete, Plan::Free),
            (SubscriptionStatus::Canceled, Plan::Free),
        ] {
            assert_eq!(plan(&subscription(status), 0), opens, "{status:?}");
        }
    }

    /// B5
    #[test]
    fn b5_past_due_stays_open_for_a_week_after_the_first_failure() {
        let past_due = subscription(SubscriptionStatus::PastDue);
        let week = 7 * 24 * 3600;
        assert_eq!(plan(&past_due, week - 1), Plan::Pro);
        assert_eq!(plan(&past_due, week), Plan::Free);
        // No grace is given to what nobody knows the beginning of, nor taken: the next reading says.
        assert_eq!(plan(&Subscription { past_due_since: None, ..past_due }, week), Plan::Pro);
        // A paid one needs no grace, however long its period has been over: the provider is late, not the payer.
        assert_eq!(plan(&subscription(SubscriptionStatus::Active), 90 * 24 * 3600), Plan::Pro);
    }

    /// B5
    #[test]
    fn b5_what_is_cancelled_ahead_stays_open_until_then() {
        let at = NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(60);
        let cancelled = Subscription { cancel_at: Some(at), ..subscription(SubscriptionStatus::Active) };
        assert_eq!(plan(&cancelled, 59), Plan::Pro);
        assert_eq!(plan(&cancelled, 60), Plan::Free);
    }

    #[test]
    fn the_more_generous_of_two_counts() {
        let [free, pro, business] = [Plan::Free, Plan::Pro, Plan::Business].map(Entitlements::of_plan);
        assert_eq!(free.or(pro), pro);
        assert_eq!(business.or(pro), business);
        assert_eq!(business.history_since(NOW.parse().unwrap()), None);
    }
}
