use shared::aws::Aws;
use shared::env;

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// The connection to AWS.
    pub aws: Aws,
    /// The bus that events are put on: `BUS_NAME`.
    pub bus_name: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// If a variable is missing.
    pub fn from_env() -> Result<Self, env::Error> {
        Ok(Self { aws: Aws::from_env()?, bus_name: env::required("BUS_NAME")? })
    }
}
