use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_sdk_lambda::types::Environment;

use crate::emulator::{Emulator, REGION, functions};

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) worked: bool,
    /// On standard output.
    pub(crate) out: String,
    /// On standard error.
    pub(crate) err: String,
}

impl Said {
    /// It worked, and this is what it said.
    #[track_caller]
    pub(crate) fn worked(self) -> String {
        assert!(self.worked, "it failed:\n{}\n{}", self.out, self.err);
        self.out
    }

    /// It failed, and its last line is this one sentence on why.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert!(!self.worked, "it worked:\n{}", self.out);
        let sentence = self.err.lines().last().unwrap_or_default().to_owned();
        assert!(sentence.starts_with("error: "), "{}", self.err);
        sentence
    }
}

/// `cargo cloud` with nothing in its environment but the way to the tools, and what is added.
pub(crate) fn bare(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Said {
    let mut process = start(arguments, environment);
    // A command that fails before it reads closes its end.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    Said {
        worked: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The same, while it runs.
pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_infra-cloud"));
    command
        .args(arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .env("AWS_EC2_METADATA_DISABLED", "true");
    if !arguments.contains(&"--stages") {
        command.arg("--stages").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/stages"));
    }
    if !arguments.contains(&"--stage") {
        command.args(["--stage", "emulator"]);
    }
    command.envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

impl Emulator {
    /// `cargo cloud` on this emulator.
    pub(crate) fn cloud(&self, arguments: &[&str]) -> Said {
        self.cloud_with_input(arguments, "")
    }

    pub(crate) fn cloud_with_input(&self, arguments: &[&str], input: &str) -> Said {
        self.cloud_with(arguments, &[], input)
    }

    /// With more in its environment, and this on standard input.
    pub(crate) fn cloud_with(&self, arguments: &[&str], more: &[(&str, &str)], input: &str) -> Said {
        let home = self.home();
        bare(
            &[arguments, &["--stage", self.stage]].concat(),
            &[&self.environment(&home), more].concat(),
            input,
        )
    }

    /// `cargo cloud` on this emulator, while it runs.
    pub(crate) fn cloud_at_work(&self, arguments: &[&str]) -> Child {
        let home = self.home();
        start(&[arguments, &["--stage", self.stage]].concat(), &self.environment(&home))
    }

    fn environment<'a>(&'a self, home: &'a str) -> [(&'static str, &'a str); 5] {
        [
            ("AWS_ENDPOINT_URL", self.address.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", REGION),
            ("HOME", home),
        ]
    }

    fn home(&self) -> String {
        let home = self.folder.path().join("home");
        fs::create_dir_all(&home).unwrap();
        home.to_str().unwrap().to_owned()
    }

    /// Deploys everything with the functions that the other tests use.
    pub(crate) fn deploy(&self) -> Said {
        self.cloud(&["deploy", "--yes", "--functions", functions().to_str().unwrap()])
    }

    /// The environment of a function.
    pub(crate) fn variables(&self, function: &str) -> HashMap<String, String> {
        let lambda = aws_sdk_lambda::Client::new(&self.config());
        let found = self.block_on(lambda.get_function_configuration().function_name(function).send());
        found.unwrap().environment.unwrap().variables.unwrap()
    }

    /// Gives a function another environment, behind the stack's back.
    pub(crate) fn set_variables(&self, function: &str, variables: HashMap<String, String>) {
        let lambda = aws_sdk_lambda::Client::new(&self.config());
        let environment = Environment::builder().set_variables(Some(variables)).build();
        let update = lambda.update_function_configuration().function_name(function).environment(environment);
        self.block_on(update.send()).unwrap();
    }
}
