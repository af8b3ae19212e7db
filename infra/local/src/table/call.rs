//! What a call of the table is about: which actions it needs, what it touches, which events it
//! writes.

use infra_model::{Function, Grant, Table, TableAction};
use serde_json::Value;

/// A call as its target header and its body have it.
pub(super) struct Call {
    pub(super) operation: String,
    body: Value,
}

/// The parts of a transaction that writes, and the actions they need.
const TRANSACTION_PARTS: [(&str, &str); 4] = [
    ("Put", "PutItem"),
    ("Update", "UpdateItem"),
    ("Delete", "DeleteItem"),
    ("ConditionCheck", "ConditionCheckItem"),
];

impl Call {
    /// Reads a call. A body that is not JSON is left to the database to refuse.
    pub(super) fn new(target: &str, body: &[u8]) -> Self {
        let operation = target.split_once('.').map_or(target, |(_, operation)| operation).to_owned();
        Self { operation, body: serde_json::from_slice(body).unwrap_or_default() }
    }

    /// The first action that the function's role does not allow.
    pub(super) fn refused_action(&self, function: &Function) -> Option<&str> {
        let allowed = |action: &str| {
            function.grants.iter().any(|grant| match grant {
                Grant::Table(actions) => {
                    actions.iter().copied().map(TableAction::name).any(|it| it == action)
                }
                Grant::PutEvents { .. } | Grant::SendEmail | Grant::SendText | Grant::ReadParameter(_) => {
                    false
                }
            })
        };
        self.actions().into_iter().find(|action| !allowed(action))
    }

    /// The first partition key of those it names that the function's role does not reach: in the cloud a condition on
    /// `dynamodb:LeadingKeys`.
    pub(super) fn refused_key(&self, table: &Table, function: &Function) -> Option<&str> {
        let reaches = |key: &str| {
            let own =
                table.partitions.iter().filter(|partition| partition.functions.contains(&function.name));
            own.into_iter().any(|partition| key.starts_with(partition.prefix))
        };
        self.partition_keys(table.partition_key).into_iter().find(|key| !reaches(key))
    }

    /// The table that it names, by its name or ARN. None if it names several or none.
    pub(super) fn table(&self) -> Option<&str> {
        let mut names = self.tables();
        let first = names.next()?;
        names.all(|name| name == first).then_some(first)
    }

    pub(super) fn is_write(&self) -> bool {
        matches!(
            self.operation.as_str(),
            "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems"
        )
    }

    pub(super) fn is_transaction(&self) -> bool {
        matches!(self.operation.as_str(), "TransactWriteItems" | "TransactGetItems")
    }

    /// Whether a running transaction on the same items could refuse it.
    pub(super) fn can_conflict(&self) -> bool {
        self.is_write() || self.is_transaction()
    }

    pub(super) fn asks_for_capacity(&self) -> bool {
        self.body.get("ReturnConsumedCapacity").is_some()
    }

    /// How many items it names.
    pub(super) fn items(&self) -> usize {
        match self.operation.as_str() {
            "TransactWriteItems" | "TransactGetItems" => self.parts().len(),
            "BatchGetItem" => self.requests().map(|request| array(&request["Keys"]).len()).sum(),
            "BatchWriteItem" => self.requests().map(|request| array(request).len()).sum(),
            _ => usize::from(self.body.get("Key").or_else(|| self.body.get("Item")).is_some()),
        }
    }

    /// The sort keys of the items it puts that start with one of the prefixes.
    pub(super) fn events(&self, sort_key: &str, prefixes: &[&str]) -> Vec<String> {
        let item: Vec<&Value> = match self.operation.as_str() {
            "PutItem" => vec![&self.body["Item"]],
            "TransactWriteItems" => self.parts().iter().map(|part| &part["Put"]["Item"]).collect(),
            "BatchWriteItem" => self.requests().flat_map(array).map(|it| &it["PutRequest"]["Item"]).collect(),
            _ => Vec::new(),
        };
        let keys = item.into_iter().filter_map(|item| item[sort_key]["S"].as_str());
        keys.filter(|key| prefixes.iter().any(|prefix| key.starts_with(prefix))).map(str::to_owned).collect()
    }

    fn partition_keys(&self, name: &str) -> Vec<&str> {
        let keys: Vec<&Value> = match self.operation.as_str() {
            "TransactWriteItems" | "TransactGetItems" => {
                let parts = self.parts().iter().filter_map(Value::as_object).flat_map(|part| part.values());
                parts.flat_map(|part| [&part["Key"], &part["Item"]]).collect()
            }
            "BatchGetItem" => self.requests().flat_map(|request| array(&request["Keys"])).collect(),
            "BatchWriteItem" => {
                let writes = self.requests().flat_map(array);
                writes.flat_map(|it| [&it["PutRequest"]["Item"], &it["DeleteRequest"]["Key"]]).collect()
            }
            "Query" => return self.queried_key(name).into_iter().collect(),
            _ => vec![&self.body["Key"], &self.body["Item"]],
        };
        keys.into_iter().filter_map(|key| key[name]["S"].as_str()).collect()
    }

    /// What a query's condition says that the partition key is.
    fn queried_key(&self, name: &str) -> Option<&str> {
        let condition = self.body["KeyConditionExpression"].as_str()?.replace('=', " = ");
        let words: Vec<_> = condition.split(|c: char| c.is_whitespace() || "()".contains(c)).collect();
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let names = &self.body["ExpressionAttributeNames"];
        let means = |word: &str| word == name || names[word].as_str() == Some(name);
        let place = words.windows(3).find_map(|words| match words {
            [one, "=", other] if means(one) => Some(*other),
            [one, "=", other] if means(other) => Some(*one),
            _ => None,
        })?;
        self.body["ExpressionAttributeValues"][place]["S"].as_str()
    }

    fn actions(&self) -> Vec<&str> {
        match self.operation.as_str() {
            "TransactWriteItems" => {
                let needs = |part: &Value| {
                    TRANSACTION_PARTS.into_iter().find(|(name, _)| part.get(name).is_some()).map(|(_, it)| it)
                };
                self.parts().iter().filter_map(needs).collect()
            }
            "TransactGetItems" => vec!["GetItem"],
            operation => vec![operation],
        }
    }

    fn tables(&self) -> impl Iterator<Item = &str> {
        let own = self.body["TableName"].as_str();
        let of_parts = self.parts().iter().filter_map(Value::as_object).flat_map(|part| part.values());
        let batch = self.body["RequestItems"].as_object();
        let of_batch = batch.into_iter().flat_map(|items| items.keys());
        let named = own.into_iter().chain(of_parts.filter_map(|part| part["TableName"].as_str()));
        named.chain(of_batch.map(String::as_str))
    }

    fn parts(&self) -> &[Value] {
        array(&self.body["TransactItems"])
    }

    fn requests(&self) -> impl Iterator<Item = &Value> {
        self.body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values())
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use infra_model::Partition;
    use serde_json::json;

    use super::*;

    fn call(operation: &str, body: &Value) -> Call {
        Call::new(&format!("DynamoDB_20120810.{operation}"), body.to_string().as_bytes())
    }

    fn function(grants: &'static [Grant]) -> Function {
        Function { grants, ..infra_model::APP.functions[0] }
    }

    #[test]
    fn a_transaction_needs_the_actions_of_its_parts() {
        let put = json!({ "Put": { "TableName": "billion", "Item": {} } });
        let check = json!({ "ConditionCheck": { "TableName": "billion", "Key": {} } });
        let transaction = call("TransactWriteItems", &json!({ "TransactItems": [put, check] }));
        let may_put = function(&[Grant::Table(&[TableAction::PutItem])]);
        assert_eq!(transaction.refused_action(&may_put), Some("ConditionCheckItem"));
        let may_both = function(&[Grant::Table(&[TableAction::PutItem, TableAction::ConditionCheckItem])]);
        assert_eq!(transaction.refused_action(&may_both), None);
        assert_eq!((transaction.items(), transaction.table()), (2, Some("billion")));
    }

    #[test]
    fn what_is_not_granted_is_refused() {
        let may_query = function(&[Grant::SendEmail, Grant::Table(&[TableAction::Query])]);
        let about = |operation| call(operation, &json!({ "TableName": "billion" }));
        assert_eq!(about("Query").refused_action(&may_query), None);
        for operation in ["Scan", "GetItem", "DeleteTable", "ExecuteStatement", "BatchWriteItem"] {
            assert_eq!(about(operation).refused_action(&may_query), Some(operation));
        }
    }

    /// K1 in spirit
    #[test]
    fn keys_of_partitions_that_are_not_its_own_are_refused() {
        const PARTITIONS: &[Partition] = &[
            Partition { prefix: "USER#", functions: &["api", "auth"] },
            Partition { prefix: "EMAIL#", functions: &["auth"] },
        ];
        let table = Table { partitions: PARTITIONS, ..infra_model::APP.table };
        let api = Function { name: "api", ..infra_model::APP.functions[0] };
        let key = |pk: &str| json!({ "pk": { "S": pk }, "sk": { "S": "USER" } });
        let query = |condition: &str| {
            json!({
                "KeyConditionExpression": condition,
                "ExpressionAttributeNames": { "#p": "pk" },
                "ExpressionAttributeValues": { ":p": { "S": "EMAIL#a" }, ":s": { "S": "USER#" } },
            })
        };
        for (operation, body) in [
            ("GetItem", json!({ "Key": key("EMAIL#a") })),
            ("DeleteItem", json!({ "Key": key("") })),
            ("PutItem", json!({ "Item": key("EMAIL#a") })),
            ("BatchGetItem", json!({ "RequestItems": { "t": { "Keys": [key("USER#1"), key("EMAIL#a")] } } })),
            (
                "BatchWriteItem",
                json!({ "RequestItems": { "t": [{ "DeleteRequest": { "Key": key("EMAIL#a") } }] } }),
            ),
            (
                "BatchWriteItem",
                json!({ "RequestItems": { "t": [{ "PutRequest": { "Item": key("EMAIL#a") } }] } }),
            ),
            (
                "TransactWriteItems",
                json!({ "TransactItems": [{ "ConditionCheck": { "Key": key("EMAIL#a") } }] }),
            ),
            ("TransactGetItems", json!({ "TransactItems": [{ "Get": { "Key": key("EMAIL#a") } }] })),
            ("Query", query("pk = :p AND begins_with(sk, :s)")),
            ("Query", query("(begins_with(sk,:s)) AND (#p=:p)")),
            ("Query", query(":p = pk")),
        ] {
            let call = call(operation, &body);
            assert!(call.refused_key(&table, &api).is_some(), "{operation} {body}");
            let auth = Function { name: "auth", ..api };
            assert_eq!(call.refused_key(&table, &auth), (operation == "DeleteItem").then_some(""));
        }
        let own =
            call("TransactWriteItems", &json!({ "TransactItems": [{ "Put": { "Item": key("USER#1") } }] }));
        assert_eq!(own.refused_key(&table, &api), None);
    }

    #[test]
    fn a_call_of_several_tables_is_of_none() {
        let body = json!({ "RequestItems": { "billion": { "Keys": [] }, "other": { "Keys": [] } } });
        assert_eq!(call("BatchGetItem", &body).table(), None);
    }

    #[test]
    fn its_events_are_known_by_their_sort_keys() {
        let put = |sk: &str| json!({ "Put": { "Item": { "pk": { "S": "USER#1" }, "sk": { "S": sk } } } });
        let body = json!({ "TransactItems": [put("USER"), put("EVENT#evt_1"), { "Update": {} }] });
        assert_eq!(call("TransactWriteItems", &body).events("sk", &["EVENT#"]), ["EVENT#evt_1"]);
    }

    #[test]
    fn no_body_makes_it_panic() {
        for body in [json!(null), json!([]), json!({ "TransactItems": 7, "RequestItems": "x", "Item": 1 })] {
            for operation in ["TransactWriteItems", "BatchWriteItem", "BatchGetItem", "PutItem", ""] {
                let call = call(operation, &body);
                let _ = (call.items(), call.table(), call.events("sk", &[""]), call.asks_for_capacity());
            }
        }
    }
}
