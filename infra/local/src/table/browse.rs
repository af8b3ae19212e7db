//! The table as a person reads it: pages of items with plain values.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Number, Value, json};
use std::time::{Duration, Instant};

use super::{Error, Table, answer, request};
use crate::names;

/// How long a page may take to fill; a scan of much that does not match ends with fewer items.
const PATIENCE: Duration = Duration::from_millis(500);

/// A part of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// Its items.
    pub items: Vec<Item>,
    /// Where the next part begins; none at the end. There may be more though this part is empty.
    pub next_cursor: Option<String>,
}

/// An item.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
    /// Its other attributes as plain JSON: sets are lists, binary values are Base64.
    pub attributes: Map<String, Value>,
}

/// A cursor that this table did not give.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the cursor is not one that this table gave")]
pub struct InvalidCursor;

impl Table {
    /// Up to `limit` items whose partition key begins with `prefix`.
    ///
    /// # Errors
    /// If the database fails; the inner one if the cursor is not of this table.
    pub async fn browse(
        &self,
        prefix: String,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Result<Page, InvalidCursor>, Error> {
        let table = self.0.app.table;
        let (pk, sk) = (table.partition_key, table.sort_key);
        let mut start = match cursor.map(|cursor| decode(cursor, pk, sk)) {
            Some(None) => return Ok(Err(InvalidCursor)),
            Some(start) => start,
            None => None,
        };
        let name = names::table(self.0.app);
        self.with_database(move |database| {
            let begun = Instant::now();
            let mut items = Vec::new();
            loop {
                let mut scan = json!({ "TableName": name, "Limit": limit });
                if !prefix.is_empty() {
                    scan["FilterExpression"] = json!("begins_with(#pk, :prefix)");
                    scan["ExpressionAttributeNames"] = json!({ "#pk": pk });
                    scan["ExpressionAttributeValues"] = json!({ ":prefix": { "S": prefix } });
                    // What does not match counts, too.
                    scan["Limit"] = json!(1_000);
                }
                if let Some(start) = &start {
                    scan["ExclusiveStartKey"] = start.clone();
                }
                let mut page = answer(&database.scan(request(scan)?)?)?;
                let found = page["Items"].as_array_mut().map(std::mem::take).unwrap_or_default();
                start = page.get("LastEvaluatedKey").filter(|key| key.is_object()).cloned();
                for item in found {
                    if items.len() == limit {
                        // There are more on this page: the next one begins after the last shown.
                        start = items.last().map(|last| key(last, pk, sk));
                        break;
                    }
                    items.push(plain_item(item, pk, sk));
                }
                if start.is_none() || items.len() >= limit || begun.elapsed() > PATIENCE {
                    let next_cursor = start.map(|start| URL_SAFE_NO_PAD.encode(start.to_string()));
                    return Ok(Ok(Page { items, next_cursor }));
                }
            }
        })
        .await
    }
}

fn decode(cursor: &str, pk: &str, sk: &str) -> Option<Value> {
    let key: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let complete = key.as_object()?.len() == 2 && key[pk]["S"].is_string() && key[sk]["S"].is_string();
    complete.then_some(key)
}

fn key(item: &Item, pk: &str, sk: &str) -> Value {
    json!({ pk: { "S": item.pk }, sk: { "S": item.sk } })
}

fn plain_item(item: Value, pk: &str, sk: &str) -> Item {
    let Value::Object(item) = item else {
        return Item { pk: String::new(), sk: String::new(), attributes: Map::new() };
    };
    let mut attributes: Map<_, _> = item.into_iter().map(|(name, value)| (name, plain(value))).collect();
    let mut text = |name| match attributes.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let (pk, sk) = (text(pk), text(sk));
    Item { pk, sk, attributes }
}

/// A typed value of DynamoDB as plain JSON.
fn plain(value: Value) -> Value {
    let Value::Object(tagged) = value else { return Value::Null };
    let Some((tag, value)) = tagged.into_iter().next() else { return Value::Null };
    match (tag.as_str(), value) {
        ("N", Value::String(number)) => plain_number(number),
        ("NULL", _) => Value::Null,
        ("M", Value::Object(map)) => map.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        ("L", Value::Array(list)) => list.into_iter().map(plain).collect(),
        ("NS", Value::Array(set)) => {
            let number = |it| if let Value::String(number) = it { plain_number(number) } else { it };
            set.into_iter().map(number).collect()
        }
        (_, value) => value,
    }
}

/// A number that JSON's readers would not keep exactly stays text.
fn plain_number(number: String) -> Value {
    let exact = number.parse::<i64>().map(Number::from).ok();
    let exact = exact.or_else(|| {
        let float = number.parse::<f64>().ok().filter(|it| it.to_string() == number)?;
        Number::from_f64(float)
    });
    exact.map_or(Value::String(number), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_plain() {
        let typed = json!({ "M": {
            "text": { "S": "a" }, "number": { "N": "12" }, "half": { "N": "0.5" },
            "large": { "N": "12345678901234567890123456789" }, "yes": { "BOOL": true },
            "nothing": { "NULL": true }, "list": { "L": [{ "N": "1" }, { "S": "b" }] },
            "set": { "NS": ["1", "2"] }, "words": { "SS": ["x", "y"] },
        } });
        let expected = json!({
            "text": "a", "number": 12, "half": 0.5, "large": "12345678901234567890123456789",
            "yes": true, "nothing": null, "list": [1, "b"], "set": [1, 2], "words": ["x", "y"],
        });
        assert_eq!(plain(typed), expected);
    }
}
