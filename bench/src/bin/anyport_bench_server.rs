//! Serves the tools of the benchmark over Streamable HTTP until it is killed.
//!
//! Usage: `anyport_bench_server --port P [--tools N] [--written functions|builder] [--threads T]`
//!
//! One thread is the runtime that a process with one core would choose, and that of the servers compared with.

use std::{error::Error, future::pending};

use anyport_bench::Written;
use tokio::runtime::{Builder, Runtime};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug)]
struct Options {
    port: u16,
    tools: usize,
    written: Written,
    threads: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { port, tools, written, threads } = Options::parse(std::env::args().skip(1))?;
    let server = anyport_bench::server(tools, written)?;
    runtime(threads)?.block_on(async {
        anyport_bench::listen(port).await?.serve(server, pending()).await?;
        Ok(())
    })
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut port, mut tools, mut written, mut threads) = (None, 2, Written::Functions, 1);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--port" => port = Some(value.parse()?),
                "--tools" => tools = value.parse()?,
                "--written" => {
                    written = match value.as_str() {
                        "functions" => Written::Functions,
                        "builder" => Written::Builder,
                        _ => return Err(format!("written how? not {value}").into()),
                    }
                }
                "--threads" => threads = value.parse()?,
                _ => return Err(format!("unknown option {option}").into()),
            }
        }
        Ok(Self { port: port.ok_or("which port? use --port P")?, tools, written, threads })
    }
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let mut builder = match threads {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}
