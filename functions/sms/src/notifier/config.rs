use shared::aws::Aws;
use shared::env;

use crate::routes::Countries;

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// The connection to AWS.
    pub aws: Aws,
    /// The table: `TABLE_NAME`.
    pub table_name: String,
    /// Where links lead: `PUBLIC_ORIGIN`, such as `https://example.com`.
    pub origin: String,
    /// The app's name, as the reader of a text knows it: `APP_NAME`.
    pub app: String,
    /// The parameter that holds the key of codes' hashes: `CODE_KEY_PARAMETER`.
    pub code_key_parameter: String,
    /// The countries that texts go to: `SMS_COUNTRIES`, such as `DE,US`.
    pub countries: Countries,
    /// The most texts in an hour, to all numbers together: `SMS_BUDGET_PER_HOUR`.
    pub budget: u32,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// If a variable is missing or not valid.
    pub fn from_env() -> Result<Self, env::Error> {
        Ok(Self {
            aws: Aws::from_env()?,
            table_name: env::required("TABLE_NAME")?,
            origin: env::origin("PUBLIC_ORIGIN")?,
            app: env::required("APP_NAME")?,
            code_key_parameter: env::required("CODE_KEY_PARAMETER")?,
            countries: env::parsed("SMS_COUNTRIES")?,
            budget: env::parsed("SMS_BUDGET_PER_HOUR")?,
        })
    }
}
