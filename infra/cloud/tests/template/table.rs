use infra_cloud::Stage;
use infra_model::APP;
use serde_json::json;

use crate::{Template, small};

#[test]
fn the_table_is_on_demand_streamed_expiring_and_restorable() {
    let template = Template::small();
    let table = template.properties("Table");
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["StreamSpecification"], json!({ "StreamViewType": "NEW_IMAGE" }));
    assert_eq!(table["TimeToLiveSpecification"], json!({ "AttributeName": "expires_at", "Enabled": true }));
    assert_eq!(table["PointInTimeRecoverySpecification"], json!({ "PointInTimeRecoveryEnabled": true }));
    assert_eq!(
        table["KeySchema"],
        json!([
            { "AttributeName": APP.table.partition_key, "KeyType": "HASH" },
            { "AttributeName": APP.table.sort_key, "KeyType": "RANGE" },
        ])
    );
}

#[test]
fn the_data_outlives_the_stack_unless_the_stage_says_otherwise() {
    for (keep_data, policy) in [(true, "Retain"), (false, "Delete")] {
        let template = Template::of(&APP, &Stage { keep_data, ..small() });
        let table = template.resource("Table");
        assert_eq!(table["DeletionPolicy"], policy);
        assert_eq!(table["UpdateReplacePolicy"], policy);
        assert_eq!(table["Properties"]["DeletionProtectionEnabled"], keep_data);
    }
}
