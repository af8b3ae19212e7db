//! The environment of a function's process: what the model gives it and what Lambda itself sets.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use infra_model::{App, Function, Value};
use jiff::Timestamp;

use crate::names::{self, REGION};

/// What comes before an instance's id in its access key; AWS marks temporary keys so.
pub(super) const ACCESS_KEY_PREFIX: &str = "ASIA";

/// Where the functions find what they use.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The app whose names its resources bear.
    pub app: &'static App,
    /// The origin that browsers use, as `http://localhost:3000`.
    pub public_origin: String,
    /// Where the functions' binaries lie.
    pub task_root: PathBuf,
    /// Where the services listen.
    pub endpoints: Endpoints,
}

/// Addresses of the services that functions call, as `http://127.0.0.1:40001`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Endpoints {
    /// DynamoDB and its streams.
    pub dynamodb: String,
    /// SES.
    pub ses: String,
    /// SNS.
    pub sns: String,
    /// EventBridge.
    pub eventbridge: String,
    /// SSM Parameter Store.
    pub ssm: String,
    /// The payment provider; none if the real one is used.
    pub stripe: Option<String>,
}

impl Environment {
    pub(super) fn of_instance(
        &self,
        function: &Function,
        instance: &str,
        runtime_api: SocketAddr,
    ) -> Vec<(&'static str, String)> {
        let today = Timestamp::now().strftime("%Y/%m/%d");
        let name = format!("{}-{}", self.app.name, function.name);
        let endpoints = &self.endpoints;
        let mut environment = vec![
            ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mib.to_string()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", format!("{today}/[$LATEST]{}", hex(instance))),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", format!("{ACCESS_KEY_PREFIX}{instance}")),
            // Nothing here checks signatures: the access key alone says who calls.
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_SESSION_TOKEN", "local".to_owned()),
            ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
            ("LAMBDA_TASK_ROOT", self.task_root.display().to_string()),
            ("_HANDLER", "bootstrap".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoints.dynamodb.clone()),
            ("AWS_ENDPOINT_URL_SES", endpoints.ses.clone()),
            ("AWS_ENDPOINT_URL_SNS", endpoints.sns.clone()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", endpoints.eventbridge.clone()),
            ("AWS_ENDPOINT_URL_SSM", endpoints.ssm.clone()),
        ];
        // Nothing else tells the payment provider who calls.
        let base = |stripe: &String| format!("{stripe}/{ACCESS_KEY_PREFIX}{instance}/");
        environment.extend(endpoints.stripe.as_ref().map(|stripe| ("STRIPE_API_BASE", base(stripe))));
        environment.extend(function.environment.iter().map(|(name, value)| (*name, self.value(*value))));
        environment
    }

    fn value(&self, value: Value) -> String {
        match value {
            Value::Text(text) => text.to_owned(),
            Value::TableName => names::table(self.app).to_owned(),
            Value::BusName => names::bus(self.app).to_owned(),
            Value::PublicOrigin => self.public_origin.clone(),
            Value::MailFrom => mail_from(self.app.name),
            Value::ParameterName(name) => parameter_name(self.app, name),
        }
    }
}

/// A parameter's full name: `/billion/local/auth/signing-keys`.
pub(crate) fn parameter_name(app: &App, name: &str) -> String {
    format!("/{}/local/{name}", app.name)
}

/// `Billion <hello@billion.example>`
fn mail_from(app: &str) -> String {
    format!("{} <hello@{app}.example>", display_name(app))
}

/// The app's name as people write it.
pub(crate) fn display_name(app: &str) -> String {
    let mut letters = app.chars();
    letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect()
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_gets_what_the_model_and_lambda_give_it() {
        let environment = Environment {
            app: &infra_model::APP,
            public_origin: "http://localhost:3000".to_owned(),
            task_root: "/app".into(),
            endpoints: Endpoints {
                dynamodb: "http://127.0.0.1:1".to_owned(),
                ses: "http://127.0.0.1:2".to_owned(),
                eventbridge: "http://127.0.0.1:3".to_owned(),
                ssm: "http://127.0.0.1:4".to_owned(),
                stripe: Some("http://127.0.0.1:6".to_owned()),
                sns: "http://127.0.0.1:5".to_owned(),
            },
        };
        let email = infra_model::APP.function("email").unwrap();
        let variables = environment.of_instance(email, "ABCDEFGHIJKLMNOP", ([127, 0, 0, 1], 9).into());
        let get = |name: &str| {
            let mut found = variables.iter().filter(|(known, _)| *known == name);
            let value = found.next().map(|(_, value)| value.as_str());
            assert!(found.next().is_none(), "{name} is set twice");
            value
        };
        assert_eq!(get("TABLE_NAME"), Some("billion"));
        assert_eq!(get("MAIL_FROM"), Some("Billion <hello@billion.example>"));
        assert_eq!(get("AWS_ACCESS_KEY_ID"), Some("ASIAABCDEFGHIJKLMNOP"));
        assert_eq!(get("AWS_LAMBDA_RUNTIME_API"), Some("127.0.0.1:9"));
        assert_eq!(get("STRIPE_API_BASE"), Some("http://127.0.0.1:6/ASIAABCDEFGHIJKLMNOP/"));
        assert_eq!(get("SIGNING_KEYS_PARAMETER"), None);
        assert_eq!(get("HOME"), None);
    }
}
