//! Every example keeps to the specification, in every revision, as the testing kit reads it.
//!
//! Invariant: The conformance rules for users' servers pass for all examples and for the server that has
//! everything.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyport_testing::{
    Link, Lost,
    conformance::{Conformance, assert_none},
};
use tokio::{net::TcpStream, process::Command};

/// Holds a program on standard streams against the specification.
async fn conforms(program: &str, arguments: &[&str]) {
    let check = Conformance::new().patience(Duration::from_secs(20));
    let start = || {
        let mut command = Command::new(program);
        command.args(arguments).stderr(Stdio::null());
        Link::command(command)
    };
    assert_none(&check.breaches(async || start()).await);
}

macro_rules! conform {
    ($($example:ident),*) => {$(
        #[tokio::test]
        async fn $example() {
            conforms(env!(concat!("CARGO_BIN_EXE_", stringify!($example))), &[]).await;
        }
    )*};
}

conform!(
    hello_server,
    tools,
    structured_output,
    errors,
    state,
    resources,
    change_notifications,
    prompts,
    ask_the_user,
    once,
    progress,
    long_blocking,
    start_and_stop,
    middleware,
    compose,
    mount,
    dynamic_tools,
    in_memory_test,
    builder_twin,
    raw_schema,
    tour
);

#[tokio::test]
async fn transports() {
    let socket = std::env::temp_dir().join(format!("anyport-conforms-{}.sock", std::process::id()));
    conforms(env!("CARGO_BIN_EXE_transports"), &["0", socket.to_str().unwrap()]).await;
}

#[tokio::test]
async fn axum_embedding() {
    // A port that was free a moment ago: the example says where it listens to nobody but its user.
    let address: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum_embedding"));
    let example =
        command.arg(address.port().to_string()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reach = async || -> Result<Link, Lost> { Ok(Link::connect(address, "/mcp")) };
    assert_none(&Conformance::new().breaches(reach).await);
    drop(example);
}
