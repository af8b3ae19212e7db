//! The table: on demand, with its stream, restorable to any second of the last 35 days.

use infra_model::StreamView;
use stratosphere::services::aws::dynamodb::{Table, table};

use super::TABLE;
use crate::Context;
use crate::names;
use crate::stack::{Stack, text};

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let Context { app, stage, .. } = context;
    let model = app.table;
    let key = |name: &str, role: &str| table::KeySchema! { attribute_name: name, key_type: role };
    let is_text = |name: &str| table::AttributeDefinition! { attribute_name: name, attribute_type: "S" };
    let table = stack.add(
        TABLE,
        Table! {
            table_name: text(names::table(app, &stage.name)),
            billing_mode: "PAY_PER_REQUEST",
            attribute_definitions: vec![is_text(model.partition_key), is_text(model.sort_key)],
            key_schema: vec![key(model.partition_key, "HASH"), key(model.sort_key, "RANGE")],
            stream_specification: table::StreamSpecification! { stream_view_type: view_type(model.stream) },
            time_to_live_specification: table::TimeToLiveSpecification! {
                attribute_name: model.ttl_attribute,
                enabled: true
            },
            point_in_time_recovery_specification: table::PointInTimeRecoverySpecification! {
                point_in_time_recovery_enabled: true
            },
            deletion_protection_enabled: stage.keep_data
        },
    );
    if stage.keep_data {
        stack.retain(&table);
    } else {
        stack.discard(&table);
    }
}

const fn view_type(view: StreamView) -> &'static str {
    match view {
        StreamView::NewImage => "NEW_IMAGE",
    }
}
