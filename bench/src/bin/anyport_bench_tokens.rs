//! Verifies one token so often: `anyport_bench_tokens CASE COUNT`. The benchmark counts its instructions.

use std::{env, hint::black_box, process::ExitCode};

use anyport_bench::tokens::Presenter;

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let case = words.next().and_then(|case| case.parse().ok());
    let count: Option<u32> = words.next().and_then(|count| count.parse().ok());
    let (Some(presenter), Some(count)) = (case.and_then(Presenter::new), count) else {
        return ExitCode::from(2);
    };
    let is_good = (0..count).all(|_| black_box(presenter.present()));
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
