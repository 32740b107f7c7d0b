//! How far a call is: a bar on a terminal, lines elsewhere when they are wanted.

use std::{
    io::{IsTerminal as _, stderr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyport_client::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use super::waiting::Waiting;
use crate::{logging, render::safe};

/// Shows progress on standard error. Clones are the same bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    shown: How,
    bar: Arc<OnceLock<ProgressBar>>,
    /// What is waited for, until there is progress.
    pub(crate) waiting: Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Bar,
    Lines,
    Not,
}

/// Steps of a bar: what servers count in may be a fraction.
const STEPS: f64 = 1000.0;

impl Bar {
    /// As standard error and `-q`, `-v` want it.
    pub(crate) fn new(quiet: bool, verbose: bool, waiting: Waiting) -> Self {
        let shown = match (quiet, stderr().is_terminal(), verbose) {
            (true, ..) => How::Not,
            (false, true, _) => How::Bar,
            (false, false, true) => How::Lines,
            (false, false, false) => How::Not,
        };
        Self { shown, bar: Arc::default(), waiting }
    }

    /// Shows how far it is.
    pub(crate) fn show(&self, step: &Progress) {
        match self.shown {
            How::Not => {}
            How::Lines => logging::notice(line(step)),
            How::Bar => {
                self.waiting.end();
                let bar = self.bar.get_or_init(|| {
                    let bar = ProgressBar::no_length();
                    bar.enable_steady_tick(Duration::from_millis(100));
                    bar
                });
                let message = step.message.as_deref().map(safe::line).unwrap_or_default();
                match step.total.filter(|total| *total > 0.0) {
                    Some(total) => {
                        bar.set_style(style("{spinner} {bar:30} {percent:>3}% {wide_msg}"));
                        bar.set_length(STEPS as u64);
                        #[expect(
                            clippy::cast_possible_truncation,
                            clippy::cast_sign_loss,
                            reason = "from 0 to 1000"
                        )]
                        bar.set_position((step.progress / total * STEPS).clamp(0.0, STEPS) as u64);
                    }
                    None => bar.set_style(style("{spinner} {wide_msg}")),
                }
                bar.set_message(match message.is_empty() && step.total.is_none() {
                    true => step.progress.to_string(),
                    false => message,
                });
            }
        }
    }

    /// Does something on the terminal without the bar in its way.
    pub(crate) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.waiting.paused(|| match self.bar.get() {
            Some(bar) => bar.suspend(work),
            None => work(),
        })
    }

    /// Takes the bar away, and what is waited for.
    pub(crate) fn clear(&self) {
        self.waiting.end();
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn line(step: &Progress) -> String {
    let total = step.total.map(|total| format!("/{total}")).unwrap_or_default();
    let message = step.message.as_deref().map(|message| format!(" {}", safe::line(message)));
    format!("progress {}{total}{}", step.progress, message.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_line_that_commands_no_terminal() {
        let step = |total, message: Option<&str>| {
            line(&Progress { progress: 2.5, total, message: message.map(str::to_owned) })
        };
        assert_eq!(step(None, None), "progress 2.5");
        assert_eq!(step(Some(10.0), Some("half\r\u{1b}[A")), "progress 2.5/10 half\\r\\u{1b}[A");
    }
}
