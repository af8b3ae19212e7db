//! The budget: of the whole account and month, with a warning before it is spent.

use stratosphere::services::aws::budgets::{Budget, budget};

use super::ALARM_TOPIC;
use crate::stack::{Id, Stack, refer, text};
use crate::{Context, names};

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let stage = context.stage;
    let at = |percent: f64, of: &str| {
        budget::NotificationWithSubscribers! {
            notification: Box::new(budget::Notification! {
                notification_type: of,
                comparison_operator: "GREATER_THAN",
                threshold: percent,
                threshold_type: "PERCENTAGE"
            }),
            subscribers: vec![budget::Subscriber! { subscription_type: "SNS", address: refer(&Id::from(ALARM_TOPIC)) }]
        }
    };
    stack.add(
        "Budget",
        Budget! {
            budget: budget::BudgetData! {
                budget_name: text(names::budget(context.app, &stage.name)),
                budget_type: "COST",
                time_unit: "MONTHLY",
                budget_limit: Box::new(budget::Spend! { amount: stage.budget_usd, unit: "USD" })
            },
            notifications_with_subscribers: vec![at(80.0, "ACTUAL"), at(100.0, "FORECASTED")]
        },
    );
}
