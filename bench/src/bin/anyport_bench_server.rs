//! Serves the tools of the benchmark over Streamable HTTP until it is killed; without a port on standard input and output,
//! until these end.
//!
//! Usage: `anyport_bench_server [--port P] [--tools N] [--written functions|builder] [--threads T] [--large BYTES]`
//!
//! One thread is the runtime that a process with one core would choose, and that of the servers compared with.

use std::{error::Error, future::pending};

use anyport::stdio;
use anyport_bench::Written;
use tokio::runtime::{Builder, Runtime};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug)]
struct Options {
    port: Option<u16>,
    tools: usize,
    written: Written,
    threads: usize,
    /// How much the tool `large` says, if there is to be one.
    large: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { port, tools, written, threads, large } = Options::parse(std::env::args().skip(1))?;
    let server = anyport_bench::server_with(tools, written, large.map(anyport_bench::large))?;
    runtime(threads)?.block_on(async {
        match port {
            Some(port) => anyport_bench::listen(port).await?.serve(server, pending()).await?,
            None => stdio::serve(server, stdio::Config::default(), pending()).await?,
        }
        Ok(())
    })
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self { port: None, tools: 2, written: Written::Functions, threads: 1, large: None };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--port" => options.port = Some(value.parse()?),
                "--tools" => options.tools = value.parse()?,
                "--written" => {
                    options.written = match value.as_str() {
                        "functions" => Written::Functions,
                        "builder" => Written::Builder,
                        _ => return Err(format!("written how? not {value}").into()),
                    }
                }
                "--threads" => options.threads = value.parse()?,
                "--large" => options.large = Some(value.parse()?),
                _ => return Err(format!("unknown option {option}").into()),
            }
        }
        Ok(options)
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
