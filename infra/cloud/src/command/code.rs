//! What functions run, and what the stack says they run. `deploy function` makes the two differ, and CloudFormation, which
//! compares only what it was told, would leave it so.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::client::Waiters;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::failure::{Failure, Result};
use super::target::{MODEL, Place};
use super::terminal;

/// How long new code may take to be there.
const READY: Duration = Duration::from_secs(120);

/// Gives every function the code that the template names, if it runs another.
pub(crate) async fn as_in(place: &Place, template: &Value, asset_bucket: &str) -> Result<()> {
    let lambda = place.aws.lambda();
    for function in MODEL.functions {
        let name = place.function(function);
        let Some(key) = key(template, &name) else { continue };
        let found = lambda.get_function_configuration().function_name(&name).send().await;
        let found = found.map_err(|error| Failure::aws(&format!("reading the function {name}"), &error))?;
        if found.code_sha256 == hash(&key) {
            continue;
        }
        terminal::step(&format!("{name} ran other code than the stack says; it gets the stack's"));
        let update = lambda.update_function_code().function_name(&name).s3_bucket(asset_bucket).s3_key(&key);
        update.send().await.map_err(|error| Failure::aws(&format!("deploying {name}"), &error))?;
        until_ready(&lambda, &name).await?;
    }
    Ok(())
}

/// Waits until a function's new code is what runs.
pub(crate) async fn until_ready(lambda: &Client, name: &str) -> Result<()> {
    let ready = lambda.wait_until_function_updated_v2().function_name(name).wait(READY).await;
    ready.map_err(|error| Failure::new(format!("{name} did not become ready: {error}")))?;
    Ok(())
}

/// The object that the template has a function's code in: `<SHA-256 in hex>.zip`.
fn key(template: &Value, name: &str) -> Option<String> {
    let resources = template["Resources"].as_object()?;
    let mut all = resources.values().map(|resource| &resource["Properties"]);
    let found = all.find(|properties| properties["FunctionName"] == name)?;
    found["Code"]["S3Key"].as_str().map(str::to_owned)
}

/// The hash in a key, as Lambda writes it.
fn hash(key: &str) -> Option<String> {
    let hex = key.strip_suffix(".zip")?;
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    bytes.collect::<Option<Vec<_>>>().map(|bytes| STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_code_of_a_function_is_found_and_hashed_as_lambda_does() {
        let digest = Sha256::digest(b"a zip");
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let template = json!({ "Resources": {
            "A": { "Properties": { "FunctionName": "billion-dev-api", "Code": { "S3Key": format!("{hex}.zip") } } },
        }});
        let key = key(&template, "billion-dev-api").unwrap();
        assert_eq!(hash(&key), Some(STANDARD.encode(digest)));
        assert_eq!(super::key(&template, "billion-dev-auth"), None);
        assert_eq!(hash("api.zip"), None);
    }
}
