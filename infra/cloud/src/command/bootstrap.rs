use super::cdk::Cdk;
use super::failure::{Failure, Result};
use super::stack;
use super::target::{Place, Target};

/// The stack that `cdk bootstrap` makes: the bucket of the assets and the roles of the deployment.
const TOOLKIT: &str = "CDKToolkit";

pub(crate) async fn run(target: &Target) -> Result<()> {
    let place = target.connect().await?;
    let cdk = Cdk::ready()?;
    let environment = format!("aws://{}/{}", place.aws.account, place.aws.region);
    cdk.run(&place.aws, &["bootstrap", &environment], None)
}

/// The bucket that assets are put into.
pub(crate) async fn asset_bucket(place: &Place) -> Result<String> {
    match stack::find(&place.aws, TOOLKIT).await? {
        Some(toolkit) => toolkit.output("BucketName"),
        None => Err(Failure::new(format!(
            "account {} is not bootstrapped in {}: run cargo cloud bootstrap --stage {} once",
            place.aws.account, place.aws.region, place.stage.name
        ))),
    }
}
