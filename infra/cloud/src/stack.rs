//! What gathers resources: stratosphere's typed template, and beside it what that has no types for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
pub(crate) use stratosphere::template::LogicalResourceName as Id;
use stratosphere::template::{
    Output, OutputKey, Parameter, ParameterKey, ParameterType, Template, ToResource,
};
use stratosphere::value::{ExpString, ToValue, get_att};

/// A template in the making.
pub(crate) struct Stack {
    template: Template<'static>,
    /// Attributes of resources beside `Type` and `Properties`, by the resource's id.
    attributes: BTreeMap<String, Map<String, Value>>,
    /// Attributes of parameters beside `Type` and `Description`.
    parameters: BTreeMap<String, Map<String, Value>>,
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self { template: Template::new(), attributes: BTreeMap::new(), parameters: BTreeMap::new() }
    }

    /// Adds a resource.
    ///
    /// # Panics
    /// If another has its id: two parts of the model have names that differ by punctuation only.
    pub(crate) fn add(&mut self, id: impl AsRef<str>, resource: impl ToResource) -> Id {
        self.template.resource(id.as_ref(), resource)
    }

    /// Says that a resource is made after others that it does not refer to.
    pub(crate) fn after(&mut self, id: &Id, others: &[Id]) {
        let mut others: Vec<_> = others.iter().map(|other| other.0.as_str()).collect();
        others.sort_unstable();
        self.attribute(id, "DependsOn", json!(others));
    }

    /// Says that what a resource stands for outlives it.
    pub(crate) fn retain(&mut self, id: &Id) {
        self.attribute(id, "DeletionPolicy", json!("Retain"));
        self.attribute(id, "UpdateReplacePolicy", json!("Retain"));
    }

    /// Says that what a resource stands for holds nothing that has to outlive it.
    pub(crate) fn discard(&mut self, id: &Id) {
        self.attribute(id, "DeletionPolicy", json!("Delete"));
        self.attribute(id, "UpdateReplacePolicy", json!("Delete"));
    }

    fn attribute(&mut self, id: &Id, name: &str, value: Value) {
        self.attributes.entry(id.0.clone()).or_default().insert(name.to_owned(), value);
    }

    /// Adds a parameter whose value is read from the Parameter Store at each deployment.
    pub(crate) fn stored_parameter(&mut self, id: &str, name: &str, description: &str) -> Id {
        let parameter = Parameter {
            description: Some(description.to_owned()),
            r#type: ParameterType::String,
            allowed_pattern: None,
        };
        self.template.parameter(ParameterKey(id.to_owned()), parameter);
        let attributes = self.parameters.entry(id.to_owned()).or_default();
        attributes.insert("Type".to_owned(), json!("AWS::SSM::Parameter::Value<String>"));
        attributes.insert("Default".to_owned(), json!(name));
        attributes.insert("NoEcho".to_owned(), json!(true));
        Id(id.to_owned())
    }

    pub(crate) fn output(&mut self, key: &str, description: &str, value: impl Into<ExpString>) {
        let (description, value) = (description.into(), value.into());
        self.template
            .output(OutputKey(key.to_owned()), Output { condition: None, description, value, export: None });
    }

    pub(crate) fn into_template(self, description: &str) -> Value {
        let mut template = serde_json::to_value(&self.template).expect("keys are text");
        template["Description"] = json!(description);
        for (section, overlay) in [("Resources", self.attributes), ("Parameters", self.parameters)] {
            for (id, attributes) in overlay {
                if let Some(Value::Object(target)) = template[section].get_mut(&id) {
                    target.extend(attributes);
                }
            }
        }
        template
    }
}

/// A logical id from a name: `POST /api/auth/sign-up` becomes `PostApiAuthSignUp`.
pub(crate) fn id(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let word = if word.bytes().any(|byte| byte.is_ascii_lowercase()) {
                word.to_owned()
            } else {
                word.to_ascii_lowercase()
            };
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect()
}

/// A text with `${…}` in it.
pub(crate) fn sub(pattern: impl Into<String>) -> ExpString {
    ExpString::Sub { pattern: pattern.into() }
}

/// A text of which no part is known to be constant.
pub(crate) fn text(text: impl AsRef<str>) -> ExpString {
    text.as_ref().into()
}

/// A resource's ARN, where JSON is wanted.
pub(crate) fn arn(id: &Id) -> Value {
    get_att(id, "Arn").to_value()
}

/// A reference to a resource or a parameter.
pub(crate) fn refer(id: &Id) -> ExpString {
    id.into()
}

/// A reference, where JSON is wanted.
pub(crate) fn reference(id: &Id) -> Value {
    refer(id).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_names() {
        assert_eq!(id("POST /api/auth/sign-up"), "PostApiAuthSignUp");
        assert_eq!(id("ANY /api/{proxy+}"), "AnyApiProxy");
        assert_eq!(id("$default"), "Default");
        assert_eq!(id("user.signed_up"), "UserSignedUp");
        assert_eq!(id("phoneNumber"), "PhoneNumber");
    }
}
