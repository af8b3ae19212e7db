use shared::aws::Aws;
use shared::env;

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
    /// The parameter that holds the key of what ends a kind of mail by one click: `UNSUBSCRIBE_KEY_PARAMETER`.
    pub unsubscribe_key_parameter: String,
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
            unsubscribe_key_parameter: env::required("UNSUBSCRIBE_KEY_PARAMETER")?,
        })
    }
}
