//! Long runs through bridges whose servers fail, see [`anyport_tests::soak`]: `soak run SECONDS PROGRAM [SEED]`. It starts itself
//! as those servers: `soak serve ERA [ADDRESS]`.

// A command speaks to the person who typed it.
#![allow(clippy::print_stdout)]

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use anyport_tests::{
    cross_transport::Fault,
    soak::{Plan, Report, revisions, run, serve},
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
        ["run", seconds, program, seed @ ..] => {
            let seed = seed.first().map_or_else(|| Ok(fastrand::u64(..)), |seed| seed.parse())?;
            println!("seed {seed}");
            let time = Duration::from_secs(seconds.parse()?);
            let plan = Plan { time, program: PathBuf::from(program), seed, loopback: Plan::own_loopback() };
            let Report { text, violations } = run(&plan).await?;
            println!("{text}");
            for violation in &violations {
                println!("VIOLATION: {violation}");
            }
            if !violations.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        other => return Err(format!("{other:?}: run SECONDS PROGRAM [SEED], or serve ERA [ADDRESS]").into()),
    }
    Ok(ExitCode::SUCCESS)
}
