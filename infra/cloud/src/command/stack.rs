//! The deployed stack: its state and its outputs.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::StackStatus;

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

    /// Whether it is what is left of a first deployment that failed. It is made anew then, and a table that it left is
    /// taken over.
    pub(crate) fn is_failed_start(&self) -> bool {
        self.status == StackStatus::RollbackComplete
    }

    /// Whether its last change failed and was not taken back.
    pub(crate) fn is_stuck(&self) -> bool {
        matches!(
            self.status,
            StackStatus::UpdateFailed | StackStatus::UpdateRollbackFailed | StackStatus::CreateFailed
        )
    }
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
