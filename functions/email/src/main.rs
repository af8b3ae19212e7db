//! The email function's parts, put together.

use email::{Config, Email, Mailer};
use shared::clock::{Clock, Random};
use shared::store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::log::init();
    let config = Config::from_env()?;
    let store = Store::connect(&config.aws, config.table_name);
    let mailer = Mailer::new(&config.aws, &config.sender);
    shared::aws::warm(email::warm(store.clone(), mailer.clone()));
    email::run(Email {
        store,
        mailer,
        sender: config.sender,
        origin: config.origin,
        budget: config.budget,
        clock: Clock::system(),
        random: Random::system(),
    })
    .await
}
