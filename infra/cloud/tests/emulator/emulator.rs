use std::env;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use infra_model::APP;
use serde_json::Value;

use crate::web;

pub(crate) const REGION: &str = "us-east-1";

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// An emulator of AWS with nothing in it, for one test. It ends with its value.
pub(crate) struct Emulator {
    process: Child,
    pub(crate) address: String,
    /// The stage that is deployed to it. Each emulator has its own, since a stage's assembly has one place.
    pub(crate) stage: &'static str,
    /// For what a test writes.
    pub(crate) folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Emulator {
    /// Starts one; with `enforcing`, every call needs a grant, as in AWS.
    pub(crate) fn start(enforcing: bool) -> Self {
        let python = target().join("emulator/bin/python");
        assert!(python.exists(), "{} is missing: run infra/cloud/test, which installs it", python.display());
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}");
        let log = File::create(folder.path().join("emulator.log")).unwrap();
        let process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/emulator.py"))
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"))
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("LAMBDA_EXECUTOR", "local")
            // Else its functions would call the real AWS.
            .env("AWS_ENDPOINT_URL", &address)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("TMPDIR", folder.path())
            .env("AUTH", enforcing.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stage = if enforcing { "enforcing" } else { "emulator" };
        let emulator = Self { process, address, stage, folder, runtime };
        let health = format!("{}/_ministack/health", emulator.address);
        emulator.eventually("the emulator is ready", || web::get(&emulator.runtime, &health).ok());
        emulator
    }

    /// Waits until something is so that happens by itself.
    pub(crate) fn eventually<T>(&self, what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = is_so() {
                return found;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it did not happen that {what}; the emulator says:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Does what is asynchronous.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// For clients of the SDKs.
    pub(crate) fn config(&self) -> SdkConfig {
        let client = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .region(Region::new(REGION))
            .endpoint_url(&self.address)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        self.block_on(loader.load())
    }

    /// The subjects and texts of the mails that were sent to this address, the oldest first.
    pub(crate) fn mails(&self, address: &str) -> Vec<(String, String)> {
        let answer = web::get(&self.runtime, &format!("{}/_ministack/ses/messages", self.address)).unwrap();
        let messages = answer.json()["messages"].clone();
        let of_all_accounts = messages.as_object().into_iter().flat_map(|accounts| accounts.values());
        of_all_accounts
            .flat_map(|mails| mails.as_array().cloned().unwrap_or_default())
            .filter(|mail| mail["To"].as_array().is_some_and(|to| to.iter().any(|to| to == address)))
            .map(|mail| (text(&mail["Subject"]), text(&mail["BodyText"])))
            .collect()
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("emulator.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// The functions' debug binaries without their symbols, which is all of a build that CI has to make.
pub(crate) fn functions() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = target().join("emulator-functions");
        fs::create_dir_all(&folder).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let built = env::var_os("FUNCTIONS").map_or(target.join("debug"), PathBuf::from);
        for function in APP.functions {
            let binary = built.join(function.name);
            assert!(
                binary.exists(),
                "{} is missing: run infra/cloud/test, which builds it",
                binary.display()
            );
            let stripped = folder.join(function.name);
            let status = Command::new("strip").arg("-o").arg(&stripped).arg(&binary).status().unwrap();
            assert!(status.success(), "strip could not strip {}", binary.display());
        }
        folder
    })
}
