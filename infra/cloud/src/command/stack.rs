//! The deployed stack: its state and its outputs.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::StackStatus;
use serde_json::Value;

use super::aws::Aws;
use super::failure::{Failure, Result};

/// A stack that is there.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) name: String,
    pub(crate) status: StackStatus,
    pub(crate) changed: Option<jiff::Timestamp>,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// What the stack says of itself under this name.
    pub(crate) fn output(&self, key: &str) -> Result<String> {
        self.outputs.get(key).cloned().ok_or_else(|| {
            Failure::new(format!(
                "the stack {} has no output {key}: its last deployment did not finish ({})",
                self.name, self.status
            ))
        })
    }

    /// Whether it is what is left of a first deployment that failed, or that was planned and never carried out. It is made
    /// anew then, and a table that it left is taken over.
    pub(crate) fn is_failed_start(&self) -> bool {
        matches!(self.status, StackStatus::RollbackComplete | StackStatus::ReviewInProgress)
    }

    /// Whether its last change failed and was not taken back.
    pub(crate) fn is_stuck(&self) -> bool {
        matches!(
            self.status,
            StackStatus::UpdateFailed | StackStatus::UpdateRollbackFailed | StackStatus::CreateFailed
        )
    }
}

/// The template that a stack was last deployed from; `null` if it never was.
pub(crate) async fn template(aws: &Aws, name: &str) -> Result<Value> {
    let found = aws.cloudformation().get_template().stack_name(name).send().await;
    let found = found.map_err(|error| Failure::aws("reading the stack's template", &error))?;
    let Some(text) = found.template_body.filter(|text| !text.is_empty()) else { return Ok(Value::Null) };
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("the template of the stack {name} is not JSON: {error}")))
}

/// The stack of that name, if there is one.
pub(crate) async fn find(aws: &Aws, name: &str) -> Result<Option<Stack>> {
    let found = aws.cloudformation().describe_stacks().stack_name(name).send().await;
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            use aws_sdk_cloudformation::error::ProvideErrorMetadata;
            let message = error.as_service_error().and_then(|error| error.message()).unwrap_or_default();
            if message.contains("does not exist") {
                return Ok(None);
            }
            return Err(Failure::aws("reading the stack", &error));
        }
    };
    let stack = found.stacks.unwrap_or_default().into_iter().next();
    Ok(stack.filter(|stack| stack.stack_status != Some(StackStatus::DeleteComplete)).map(|stack| {
        let changed = stack.last_updated_time.or(stack.creation_time);
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        Stack {
            name: name.to_owned(),
            status: stack.stack_status.unwrap_or_else(|| "UNKNOWN".into()),
            changed: changed.and_then(|time| jiff::Timestamp::from_second(time.secs()).ok()),
            outputs: outputs.filter_map(|output| Some((output.output_key?, output.output_value?))).collect(),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_deployment_that_did_not_come_to_its_end_is_begun_anew() {
        let is_failed_start = |status| {
            let stack = Stack { name: String::new(), status, changed: None, outputs: BTreeMap::new() };
            stack.is_failed_start()
        };
        assert!(is_failed_start(StackStatus::RollbackComplete));
        assert!(is_failed_start(StackStatus::ReviewInProgress), "its change set was never carried out");
        for status in
            [StackStatus::CreateComplete, StackStatus::UpdateComplete, StackStatus::UpdateRollbackComplete]
        {
            assert!(!is_failed_start(status));
        }
    }
}
