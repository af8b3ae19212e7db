//! The connection to AWS: whose account, which region, which address.

use std::error::Error as _;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::config::ProvideCredentials as _;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::failure::{Failure, Result};

/// An account and a region of it, with the right to work there.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    pub(crate) config: SdkConfig,
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Aws {
    /// With the credentials that the AWS CLI would use, in this region.
    pub(crate) async fn connect(region: &str) -> Result<Self> {
        let client = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .region(Region::new(region.to_owned()))
            .load()
            .await;
        let missing = || {
            Failure::new(
                "there are no AWS credentials here: sign in with `aws login` or `aws sso login`, or set \
                 AWS_PROFILE to a profile that has some",
            )
        };
        let credentials = config.credentials_provider().ok_or_else(missing)?;
        if let Err(error) = credentials.provide_credentials().await {
            if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
                return Err(missing());
            }
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            return Err(Failure::new(format!("your AWS credentials are no use; sign in again ({cause})")));
        }
        let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
        let identity = identity.map_err(|error| Failure::aws("asking AWS who you are", &error))?;
        let account = identity.account().unwrap_or_default().to_owned();
        Ok(Self { config, account, region: region.to_owned() })
    }

    pub(crate) fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config)
    }

    pub(crate) fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.config)
    }

    pub(crate) fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    /// An emulator has no host name for each bucket, so there the bucket is part of the path.
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.config.endpoint_url().is_some())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}
