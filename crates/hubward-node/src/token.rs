//! `hubward token`: mints a development token.

use std::io::Write;
use std::time::{Duration, SystemTime};

use hubward::AccessToken;
use hubward::auth::DevelopmentIssuer;

use crate::command::{DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER, TokenOptions};
use crate::failure::Failure;

/// Returns what mints and accepts the demo's tokens of a key.
pub(crate) fn issuer(key: &str) -> Result<DevelopmentIssuer, Failure> {
    Ok(DevelopmentIssuer::new(key, DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE)?)
}

pub(crate) fn run(options: TokenOptions) -> Result<(), Failure> {
    // The one place where a token is printed: that is what the command is for.
    writeln!(std::io::stdout(), "{}", mint(&options)?.expose())?;
    Ok(())
}

fn mint(options: &TokenOptions) -> Result<AccessToken, Failure> {
    let issuer = DevelopmentIssuer::new(options.key.expose(), &*options.issuer, &*options.audience)?;
    let lifetime = Duration::from_secs(options.lifetime);
    Ok(issuer.mint(&options.user, &options.roles, &options.claims, lifetime, SystemTime::now())?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use hubward::auth::{Authenticator, JwtConfig, JwtKey};

    use super::*;
    use crate::command::{Command, CommandLine};

    const KEY: &str = "a-development-secret-of-32-bytes-or-more";

    fn minted(arguments: &[&str]) -> AccessToken {
        let all = [&["hubward", "token", "--key", KEY, "--user", "alice"], arguments].concat();
        match CommandLine::parse_from(all).command {
            Command::Token(options) => mint(&options).unwrap(),
            Command::Demo(_) | Command::Check(_) => panic!("it is a token"),
        }
    }

    #[test]
    fn a_token_is_for_the_demo_or_for_the_issuer_and_audience_that_are_given() {
        let jwt = JwtConfig {
            issuers: vec!["https://issuer.example".into()],
            audiences: vec!["hubs".into()],
            ..JwtConfig::new([JwtKey::hmac(KEY).unwrap()])
        };
        let (program, demo) = (Authenticator::jwt(jwt).unwrap(), issuer(KEY).unwrap().authenticator());
        let is_alice = |by: &Authenticator, token: &AccessToken| {
            let found = by.authenticate(Some(token), SystemTime::now());
            found.is_ok_and(|found| found.user_id().is_some_and(|id| id.as_str() == "alice"))
        };
        let token = minted(&["--issuer", "https://issuer.example", "--audience", "hubs"]);
        assert!(is_alice(&program, &token) && !is_alice(&demo, &token));
        let token = minted(&[]);
        assert!(is_alice(&demo, &token) && !is_alice(&program, &token));
    }
}
