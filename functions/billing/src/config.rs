use shared::aws::Aws;
use shared::env;

/// What the environment says to the function with the routes.
#[derive(Debug)]
pub struct Config {
    /// Where subscriptions are kept, and the payment provider.
    pub ledger: LedgerConfig,
    /// The origin that browsers use: `PUBLIC_ORIGIN`.
    pub origin: String,
    /// The parameter that holds the public keys: `PUBLIC_KEYS_PARAMETER`.
    pub public_keys_parameter: String,
}

/// What the environment says to whoever reads the ledger.
#[derive(Debug)]
pub struct LedgerConfig {
    /// The connection to AWS.
    pub aws: Aws,
    /// The table: `TABLE_NAME`.
    pub table_name: String,
    /// The parameter that holds the payment provider's secret key: `STRIPE_SECRET_KEY_PARAMETER`.
    pub stripe_key_parameter: String,
    /// Where the payment provider is, if not where it is in the world: `STRIPE_API_BASE`.
    pub stripe_base: Option<String>,
}

/// What the environment says to the function that hears the payment provider.
#[derive(Debug)]
pub struct WebhookConfig {
    /// The connection to AWS.
    pub aws: Aws,
    /// The table: `TABLE_NAME`.
    pub table_name: String,
    /// The parameter that holds the secrets that webhooks are signed with: `WEBHOOK_SECRETS_PARAMETER`.
    pub secrets_parameter: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// If a variable is missing or not valid.
    pub fn from_env() -> Result<Self, env::Error> {
        Ok(Self {
            ledger: LedgerConfig::from_env()?,
            origin: env::origin("PUBLIC_ORIGIN")?,
            public_keys_parameter: env::required("PUBLIC_KEYS_PARAMETER")?,
        })
    }
}

impl LedgerConfig {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// If a variable is missing or not valid.
    pub fn from_env() -> Result<Self, env::Error> {
        Ok(Self {
            aws: Aws::from_env()?,
            table_name: env::required("TABLE_NAME")?,
            stripe_key_parameter: env::required("STRIPE_SECRET_KEY_PARAMETER")?,
            stripe_base: env::optional("STRIPE_API_BASE")?,
        })
    }
}

impl WebhookConfig {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// If a variable is missing or not valid.
    pub fn from_env() -> Result<Self, env::Error> {
        Ok(Self {
            aws: Aws::from_env()?,
            table_name: env::required("TABLE_NAME")?,
            secrets_parameter: env::required("WEBHOOK_SECRETS_PARAMETER")?,
        })
    }
}
