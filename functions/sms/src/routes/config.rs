use shared::aws::Aws;
use shared::env;

use super::Countries;

/// What the environment says.
#[derive(Debug)]
pub struct Config {
    /// The connection to AWS.
    pub aws: Aws,
    /// The table: `TABLE_NAME`.
    pub table_name: String,
    /// The origin that browsers use: `PUBLIC_ORIGIN`.
    pub origin: String,
    /// The parameter that holds the public keys: `PUBLIC_KEYS_PARAMETER`.
    pub public_keys_parameter: String,
    /// The parameter that holds the key of codes' hashes: `CODE_KEY_PARAMETER`.
    pub code_key_parameter: String,
    /// The countries whose numbers are taken: `SMS_COUNTRIES`, such as `DE,US`.
    pub countries: Countries,
    /// The most codes in an hour, to all numbers together: `SMS_CODES_PER_HOUR`.
    pub codes_per_hour: u32,
    /// The most codes in an hour to the numbers of one country: `SMS_CODES_PER_HOUR_AND_COUNTRY`.
    pub codes_per_hour_and_country: u32,
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
            public_keys_parameter: env::required("PUBLIC_KEYS_PARAMETER")?,
            code_key_parameter: env::required("CODE_KEY_PARAMETER")?,
            countries: env::parsed("SMS_COUNTRIES")?,
            codes_per_hour: env::parsed("SMS_CODES_PER_HOUR")?,
            codes_per_hour_and_country: env::parsed("SMS_CODES_PER_HOUR_AND_COUNTRY")?,
        })
    }
}
