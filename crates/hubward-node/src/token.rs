//! `hubward token`: mints a development token.

use std::io::Write;
use std::time::{Duration, SystemTime};

use hubward::auth::DevelopmentIssuer;

use crate::command::TokenOptions;
use crate::failure::Failure;

/// The issuer and audience of development tokens.
const ISSUER: &str = "https://hubward.invalid/development";
const AUDIENCE: &str = "hubward-development";

/// Returns what mints and accepts the development tokens of a key.
pub(crate) fn issuer(key: &str) -> Result<DevelopmentIssuer, Failure> {
    Ok(DevelopmentIssuer::new(key, ISSUER, AUDIENCE)?)
}

pub(crate) fn run(options: TokenOptions) -> Result<(), Failure> {
    let issuer = issuer(options.key.expose())?;
    let lifetime = Duration::from_secs(options.lifetime);
    let token = issuer.mint(&options.user, &options.roles, &options.claims, lifetime, SystemTime::now())?;
    // The one place where a token is printed: that is what the command is for.
    writeln!(std::io::stdout(), "{}", token.expose())?;
    Ok(())
}
