//! The api function's parts, put together.

use api::{Api, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    shared::log::init();
    let api = Api::new(&Config::from_env()?);
    api.warm();
    shared::http::run(api::router(api)).await
}
