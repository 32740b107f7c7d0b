//! Calls a tool so often behind an audit log: `anyport_bench_audit bare|on|required COUNT`. The benchmark counts its instructions.

use std::{env, process::ExitCode};

use anyport_bench::audited::{Case, call};

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let case: Option<Case> = words.next().and_then(|case| case.parse().ok());
    let count: Option<u32> = words.next().and_then(|count| count.parse().ok());
    let (Some(case), Some(count)) = (case, count) else { return ExitCode::from(2) };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    match runtime.block_on(call(case, count)) {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
