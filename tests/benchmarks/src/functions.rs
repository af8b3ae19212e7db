//! The functions that are measured, with the environment that the platform gives them.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Result;
use crate::binaries::Workspace;
use crate::instance::Function;
use crate::platform::Platform;

/// The functions that are measured.
pub(crate) struct Functions {
    /// The least that a function can be.
    pub(crate) hello: Function,
    pub(crate) api: Function,
    pub(crate) auth: Function,
    pub(crate) publisher: Function,
    pub(crate) email: Function,
    /// The auth function's sign-in on Node.js.
    pub(crate) node: Function,
}

impl Functions {
    /// Each has had an instance on this platform before.
    pub(crate) fn of(workspace: &Workspace, platform: &Platform) -> Result<Self> {
        platform.connect()?.send("GET", "/api/health", &[], b"")?.expect(200)?;
        let log = |name: &str| workspace.scratch.join(format!("logs/{name}.log"));
        let rust = |name: &'static str, environment_of: &str| -> Result<Function> {
            let command = vec![workspace.binary(name).into_os_string()];
            let environment = platform.environment_of(environment_of)?;
            Ok(Function { name, command, environment, log: log(name) })
        };
        let auth = rust("auth", "auth")?;
        Ok(Self {
            hello: rust("hello", "api")?,
            api: rust("api", "api")?,
            publisher: rust("publisher", "publisher")?,
            email: rust("email", "email")?,
            node: Function {
                name: "Node.js",
                command: node_command(workspace.node_function.clone()),
                environment: auth.environment.clone(),
                log: log("node"),
            },
            auth,
        })
    }
}

fn node_command(bundle: PathBuf) -> Vec<OsString> {
    vec!["node".into(), bundle.into_os_string()]
}
