//! Many principals at one gateway, see [`anyport_tests::canaries`]: `canaries run CALLS PROGRAM [SEED]`. It starts itself as the
//! servers behind it: `canaries serve ERA [ADDRESS]`.

// A command speaks to the person who typed it.
#![allow(clippy::print_stdout)]

use std::{env, path::PathBuf, process::ExitCode};

use anyport_tests::{
    canaries::{Plan, Report, run, serve},
    cross_transport::Fault,
    soak::revisions,
};

#[tokio::main]
async fn main() -> Result<ExitCode, Fault> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", era, address @ ..] => {
            let revisions = revisions(era).ok_or_else(|| format!("`{era}`: modern, legacy or both"))?;
            let address = address.first().map(|address| address.parse()).transpose()?;
            serve(revisions.into(), address).await?;
        }
        ["run", calls, program, seed @ ..] => {
            let seed = seed.first().map_or_else(|| Ok(fastrand::u64(..)), |seed| seed.parse())?;
            println!("seed {seed}");
            let plan = Plan { program: PathBuf::from(program), ..Plan::new(calls.parse()?, seed) };
            let Report { text, violations } = run(&plan).await?;
            println!("{text}");
            for violation in &violations {
                println!("VIOLATION: {violation}");
            }
            if !violations.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        other => return Err(format!("{other:?}: run CALLS PROGRAM [SEED], or serve ERA [ADDRESS]").into()),
    }
    Ok(ExitCode::SUCCESS)
}
