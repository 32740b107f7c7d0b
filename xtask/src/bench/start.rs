//! How long it takes from the start of the process to its first correct answer.

use super::{
    figures::{Figures, median},
    subject::Subject,
};
use crate::{Failure, workspace::Workspace};

/// Starts each server `times` times, in turns: what slows the machine for a while slows all of them.
pub(super) fn measure(
    workspace: &Workspace,
    subjects: &[Subject],
    times: usize,
    figures: &mut [Figures],
) -> Result<(), Failure> {
    eprintln!("starting every server, {times} times in turns");
    let mut starts = vec![Vec::new(); subjects.len()];
    for _ in 0..times {
        for (subject, starts) in subjects.iter().zip(&mut starts) {
            let first_answer = subject.start(workspace, &[])?.first_answer;
            starts.push(first_answer.as_secs_f64() * 1e3);
        }
    }
    for (figures, starts) in figures.iter_mut().zip(starts) {
        figures.start = median(starts);
    }
    Ok(())
}
