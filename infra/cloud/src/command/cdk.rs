//! The stock CDK CLI, which does what is done to a stack: diff, deploy, roll back, destroy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::aws::Aws;
use super::failure::{Failure, Result};
use super::terminal;
use super::workspace;

/// The version that the assemblies are made for. 3.0.0 on npm was published by accident and reads none.
const VERSION: &str = "2.1148.1";

/// The CLI, installed and ready to run.
pub(crate) struct Cdk {
    program: PathBuf,
}

impl Cdk {
    /// The pinned CLI, which is fetched from npm the first time.
    pub(crate) fn ready() -> Result<Self> {
        let home = workspace::target().join("cdk");
        let program = home.join("node_modules/.bin/cdk");
        if !is_installed(&home) {
            if !workspace::answers("npm", &["--version"]) {
                return Err(Failure::new(format!(
                    "npm is missing: install Node.js 20 or later, which the stock CDK CLI ({VERSION}) runs on"
                )));
            }
            terminal::step(&format!("Fetching the CDK CLI {VERSION} from npm"));
            let status = Command::new("npm")
                .args(["install", "--loglevel=error", "--no-save", "--no-audit", "--no-fund", "--prefix"])
                .arg(&home)
                .arg(format!("aws-cdk@{VERSION}"))
                .stdin(Stdio::null())
                .status()
                .map_err(|error| Failure::io("running npm", &error))?;
            if !status.success() || !is_installed(&home) {
                return Err(Failure::new(format!(
                    "npm could not fetch aws-cdk@{VERSION}; see what it says above"
                )));
            }
        }
        if !workspace::answers("node", &["--version"]) {
            return Err(Failure::new(
                "node is missing: install Node.js 20 or later, which the CDK CLI runs on",
            ));
        }
        Ok(Self { program })
    }

    /// Runs a command of the CLI in this account and region. It says itself what went wrong.
    pub(crate) fn run(&self, aws: &Aws, arguments: &[&str], assembly: Option<&Path>) -> Result<()> {
        let status = self.command(aws, arguments, assembly).status();
        let status = status.map_err(|error| Failure::io("running the CDK CLI", &error))?;
        if status.success() {
            return Ok(());
        }
        let command = arguments.first().copied().unwrap_or_default();
        Err(Failure::new(format!("the CDK CLI could not {command}; it says above what is wrong")))
    }

    /// Whether anything differs, without a word.
    pub(crate) fn differs(&self, aws: &Aws, stack: &str, assembly: &Path) -> Result<bool> {
        let mut command = self.command(aws, &["diff", "--fail", stack], Some(assembly));
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().map_err(|error| Failure::io("running the CDK CLI", &error))?;
        Ok(!status.success())
    }

    fn command(&self, aws: &Aws, arguments: &[&str], assembly: Option<&Path>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--no-notices");
        if let Some(assembly) = assembly {
            command.arg("--app").arg(assembly);
        }
        // What the CLI writes while it works belongs there and not into the project.
        command
            .current_dir(workspace::target())
            .env("AWS_REGION", &aws.region)
            .env("CDK_DISABLE_CLI_TELEMETRY", "true")
            // Its AWS SDK says at each run which Node.js it will want next year.
            .env("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true");
        command
    }
}

fn is_installed(home: &Path) -> bool {
    let description = std::fs::read(home.join("node_modules/aws-cdk/package.json")).unwrap_or_default();
    let description: serde_json::Value = serde_json::from_slice(&description).unwrap_or_default();
    description["version"] == VERSION
}
