//! Tokens of callers, and scopes of tools.
//!
//! ```sh
//! export JWT_SECRET=$(openssl rand -hex 32)
//! cargo run -p anyport-examples --bin protected_server
//! ```
//!
//! Callers present a token that is signed with the secret (HS256) and names its user (`user_id`) and what the user may do
//! (`permissions`): `anyport token` makes one. Put `Jwt::discover("https://login.example.com")` in the place of
//! `SharedSecretJwt`, and the tokens of that authorization server are accepted instead: clients find it by themselves and ask
//! their users to sign in.

use std::{env, error::Error};

use anyport::{Authorization, Principal, Server, auth::resource_server::SharedSecretJwt, serve, tool};

/// Reads data of the caller.
#[tool(read_only, require = "data:read")]
fn read_data(who: Principal, query: String) -> String {
    format!("data of {} for {query}", who.subject().unwrap_or("nobody"))
}

/// Says what the caller may do.
#[tool(read_only)]
fn scopes(authorization: &Authorization) -> Vec<String> {
    authorization.scopes().into_iter().flatten().map(str::to_owned).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = env::var("JWT_SECRET").map_err(|_| "set JWT_SECRET to at least 32 random bytes")?;
    let address = env::args().nth(1).unwrap_or("127.0.0.1:3020".to_owned());
    let server = Server::builder("protected", "1.0.0").add(read_data).add(scopes).build()?;
    let serving = serve(server).http(&*address).auth(SharedSecretJwt::new(secret.as_bytes())?);
    serving.on_listening(|address| eprintln!("{address}")).await?;
    Ok(())
}
