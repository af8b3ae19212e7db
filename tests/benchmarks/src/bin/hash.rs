//! The argon2 hash of a sign-in and nothing else: for each line of its input it checks one password as the auth
//! function does, on the same kind of runtime, and writes a line.

use std::io::{self, BufRead, Write};

use shared::clock::Random;
use shared::error::Error;
use shared::password::{Hasher, Password};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let hasher = Hasher::new(Random::system());
    let password = Password::presented("orbit velvet canyon seven");
    let hash = hasher.hash(&password).await?;
    for line in io::stdin().lock().lines() {
        line.map_err(Error::internal)?;
        let fits = hasher.verify(&password, Some(&hash)).await?;
        let mut output = io::stdout().lock();
        writeln!(output, "{fits}").and_then(|()| output.flush()).map_err(Error::internal)?;
    }
    Ok(())
}
