//! The published OpenAPI document: whether it is what the code says, and whether an answer is what it says.

use std::fs;

use serde_json::{Map, Value};
use tests::platform::repository;
use tests::{Platform, Response};

/// The document in the repository is the one that the functions' code makes. `UPDATE=1` writes it.
#[test]
fn the_published_document_is_what_the_code_says() {
    let path = repository().join("functions/api/openapi.json");
    let made = api::merged_openapi([api::openapi(), auth::openapi(), billing::openapi(), sms::openapi()]);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).expect("the document is written");
    }
    let kept = fs::read_to_string(&path).expect("the document");
    assert!(
        kept == made,
        "functions/api/openapi.json is stale: UPDATE=1 cargo test -p tests published_document"
    );
}

/// The document, to check answers against.
pub(crate) struct Document(Value);

/// An operation of the document.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// In upper case.
    pub(crate) method: String,
    /// With `{parameters}`.
    pub(crate) path: String,
    responses: Map<String, Value>,
    /// The fields of its body, if it takes one.
    pub(crate) fields: Vec<String>,
}

impl Document {
    pub(crate) async fn read(platform: &Platform) -> Self {
        Self(platform.client().get("/api/openapi.json").expect(200).await.json())
    }

    /// All operations.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("an object").iter();
            methods.filter(|(name, _)| METHODS.contains(&name.as_str())).map(move |(method, operation)| {
                Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    responses: operation["responses"].as_object().expect("responses").clone(),
                    fields: self.fields(operation),
                }
            })
        });
        operations.collect()
    }

    fn fields(&self, operation: &Value) -> Vec<String> {
        let schema = self.resolve(&operation["requestBody"]["content"]["application/json"]["schema"]);
        schema["properties"].as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    }

    /// The operation that a request is one of.
    pub(crate) fn find<'a>(
        &self,
        operations: &'a [Operation],
        method: &str,
        path: &str,
    ) -> Option<&'a Operation> {
        let path = path.split('?').next().unwrap_or_default();
        operations.iter().find(|operation| operation.method == method && matches(&operation.path, path))
    }

    /// What is wrong with an answer to this operation, if anything.
    pub(crate) fn fault(&self, operation: Option<&Operation>, answer: &Response) -> Option<String> {
        let status = answer.code().to_string();
        let documented = operation.map(|operation| {
            operation.responses.get(&status).or_else(|| {
                // Refusals are documented for all statuses alike.
                operation.responses.get("default").filter(|_| answer.code() >= 400)
            })
        });
        let content = match documented {
            Some(None) => return Some(format!("the status {status} is not documented")),
            Some(Some(response)) => response["content"].clone(),
            None if answer.code() >= 400 => serde_json::json!({
                "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } }
            }),
            None => return Some(format!("{status} where nothing is documented")),
        };
        let kind = answer.header("content-type");
        if content.as_object().is_none_or(Map::is_empty) {
            return (!answer.body.is_empty()).then(|| format!("a body that is not documented ({kind})"));
        }
        let Some(schema) = content.get(kind).map(|media| &media["schema"]) else {
            return Some(format!("the content type {kind:?} is not documented"));
        };
        match serde_json::from_slice(&answer.body) {
            Ok(body) => self.mismatch(schema, &body, "body"),
            Err(error) => Some(format!("no JSON: {error}")),
        }
    }

    /// Where a value is not what a schema says.
    fn mismatch(&self, schema: &Value, value: &Value, place: &str) -> Option<String> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            let fits = choices.iter().any(|choice| self.mismatch(choice, value, place).is_none());
            return (!fits).then(|| format!("{place} fits no choice: {value}"));
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return self.mismatch(&self.merged(parts), value, place);
        }
        let kind = &schema["type"];
        let types: Vec<&str> = match kind.as_array() {
            Some(several) => several.iter().filter_map(Value::as_str).collect(),
            None => kind.as_str().into_iter().collect(),
        };
        if types.is_empty() {
            return None;
        }
        if !types.iter().any(|kind| is_a(value, kind)) {
            return Some(format!("{place} is {value}, no {types:?}"));
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            return Some(format!("{place} is {value}, none of {allowed:?}"));
        }
        if let Value::Array(items) = value {
            let mut places = items.iter().enumerate();
            return places
                .find_map(|(at, item)| self.mismatch(&schema["items"], item, &format!("{place}[{at}]")));
        }
        let (Value::Object(members), Some(properties)) = (value, schema["properties"].as_object()) else {
            return None;
        };
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(missing) = required.into_iter().find(|name| !members.contains_key(*name)) {
            return Some(format!("{place} has no {missing}"));
        }
        members.iter().find_map(|(name, member)| match properties.get(name) {
            Some(schema) => self.mismatch(schema, member, &format!("{place}.{name}")),
            None => Some(format!("{place}.{name} is not documented")),
        })
    }

    /// Of several objects, one with the members of all: each alone would say of the others' that they are not documented.
    fn merged(&self, parts: &[Value]) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for part in parts.iter().map(|part| self.resolve(part)) {
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
            required.extend(part["required"].as_array().cloned().unwrap_or_default());
        }
        serde_json::json!({ "type": "object", "properties": properties, "required": required })
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.0.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}")),
            None => schema,
        }
    }
}

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "options", "head"];

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type {other}"),
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/').collect::<Vec<_>>(), path.split('/').collect::<Vec<_>>());
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(part, own)| part.starts_with('{') && !own.is_empty() || part == own)
}
