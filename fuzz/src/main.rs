//! `fuzz SECONDS [TARGET...]`: runs every target, or these, for so long each.

// A command speaks to the person who typed it.
#![allow(clippy::print_stdout)]

use std::{env, error::Error, process::ExitCode, time::Duration};

use anyport_fuzz::{runner, targets::TARGETS};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((seconds, names)) = arguments.split_first() else {
        return Err("fuzz SECONDS [TARGET...]".into());
    };
    let time = Duration::from_secs(seconds.parse()?);
    let known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return Err(format!("there is no target `{unknown}`; there are {}", known.join(", ")).into());
    }
    let mut code = ExitCode::SUCCESS;
    for target in
        TARGETS.iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
    {
        let seed = fastrand::u64(..);
        let run = runner::run(target, time, seed)?;
        println!("{:<14} {:>10} inputs, seed {seed:x}", target.name, run.inputs);
        if let Some(path) = run.crash {
            println!("{:<14} FAILED at {}", target.name, path.display());
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
