//! `hubward token`: mints a token for development.

use std::io::Write;
use std::time::{Duration, SystemTime};

use hubward::auth::DevelopmentIssuer;

use crate::Failure;
use crate::command::TokenOptions;

/// The issuer and audience of development tokens.
const ISSUER: &str = "https://hubward.invalid/development";
const AUDIENCE: &str = "hubward-development";

/// What mints and accepts development tokens under a key.
pub(crate) fn issuer(key: &str) -> Result<DevelopmentIssuer, Failure> {
    Ok(DevelopmentIssuer::new(key, ISSUER, AUDIENCE)?)
}

pub(crate) fn run(options: TokenOptions) -> Result<(), Failure> {
    let issuer = issuer(options.key.expose())?;
    let lifetime = Duration::from_secs(options.lifetime);
    let token = issuer.mint(&options.user, &options.roles, &options.claims, lifetime, SystemTime::now())?;
    // The one place where a token is printed: it was asked for.
    writeln!(std::io::stdout(), "{}", token.expose())?;
    Ok(())
}
