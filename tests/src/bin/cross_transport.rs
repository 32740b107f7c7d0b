//! Serves on standard streams, for tests that need a process of its own: `cross_transport serve REVISION` the server that they
//! call, `cross_transport bridge URL` and `cross_transport bridge PROGRAM ARGUMENTS` a bridge.

use std::{env, future::pending, sync::Arc};

use anyport::{
    Revision,
    client::{Command, IntoEndpoint as _, Target},
    stdio, with_legacy_clients,
};
use anyport_tests::cross_transport::{Fault, bridge, server};

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", revision] => {
            let supported: Arc<[Revision]> = [revision.parse()?].into();
            let config = stdio::Config::default().supported(supported);
            stdio::serve(with_legacy_clients(server()?), config, pending()).await?;
        }
        ["bridge", url] => between((*url).into_endpoint()?).await?,
        ["bridge", program, behind @ ..] => {
            between(Target::Command(Command::new(program).args(behind.iter().copied()))).await?;
        }
        other => return Err(format!("{other:?}: serve REVISION, or bridge URL or PROGRAM").into()),
    }
    Ok(())
}

async fn between(target: Target) -> Result<(), Fault> {
    let bridge = bridge(target)?;
    let upstream = bridge.upstream().clone();
    stdio::serve(bridge, stdio::Config::default(), pending()).await?;
    // What was started ends with us.
    upstream.shut_down().await;
    Ok(())
}
