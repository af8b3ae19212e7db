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
    /// The app's own, in the model's order.
    pub(crate) own: Vec<Function>,
    /// The auth function's sign-in on Node.js.
    pub(crate) node: Function,
}

impl Functions {
    pub(crate) fn of(workspace: &Workspace, platform: &Platform) -> Result<Self> {
        let log = |name: &str| workspace.scratch.join(format!("logs/{name}.log"));
        let rust = |name: &'static str, environment_of: &str| -> Result<Function> {
            let command = vec![workspace.binary(name).into_os_string()];
            let environment = platform.environment_of(environment_of)?;
            Ok(Function { name, command, environment, log: log(name) })
        };
        let app = infra_model::APP.functions.iter();
        let own = app.map(|function| rust(function.name, function.name)).collect::<Result<_>>()?;
        let hello = rust("hello", "api")?;
        let node = Function {
            name: "Node.js",
            command: node_command(workspace.node_function.clone()),
            environment: platform.environment_of("auth")?,
            log: log("node"),
        };
        Ok(Self { hello, own, node })
    }

    /// The app's function of that name.
    pub(crate) fn own(&self, name: &str) -> &Function {
        self.own.iter().find(|function| function.name == name).expect("the model has it")
    }
}

fn node_command(bundle: PathBuf) -> Vec<OsString> {
    vec!["node".into(), bundle.into_os_string()]
}
