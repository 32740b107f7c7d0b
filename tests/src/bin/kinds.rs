//! The server with every kind of argument, on standard streams: what clients of other projects say of its schemas.

use std::future::pending;

use anyport::{stdio, with_legacy_clients};
use anyport_tests::{cross_transport::Fault, kinds};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    stdio::serve(with_legacy_clients(kinds::server()?), stdio::Config::default(), pending()).await?;
    Ok(())
}
