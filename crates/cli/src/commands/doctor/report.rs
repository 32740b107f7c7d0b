//! The findings, step by step: printed as they come, or as JSON at the end.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    render::{lists::Detail, safe},
    target::{Server, Target, redacted},
};

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// It leads on.
    Ok,
    /// It leads on, but something is not as it should be.
    Doubtful,
    /// It does not.
    Failed,
    /// It was not gone.
    Skipped,
}

#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    verdict: Verdict,
    ms: u128,
    detail: String,
    help: Option<String>,
}

/// The finding.
pub(super) struct Report {
    name: String,
    transport: &'static str,
    /// The steps of the way, in order.
    plan: &'static [&'static str],
    steps: Vec<Step>,
    exit: Exit,
    since: Instant,
    output: Output,
}

impl Report {
    pub(super) fn new(target: &Target, options: &output::Options) -> Self {
        let plan: &[&str] = match &target.server {
            Server::Http { url, .. } | Server::WebSocket { url, .. } => match is_secure(url) {
                true => &[
                    "dns",
                    "tcp",
                    "tls",
                    "well-known",
                    "issuer",
                    "auth",
                    "speak",
                    "revision",
                    "list",
                    "call",
                ],
                false => &["dns", "tcp", "well-known", "issuer", "auth", "speak", "revision", "list", "call"],
            },
            Server::Command { .. } => &["path", "start", "speak", "revision", "list", "call"],
            Server::Gateway(_) => &["gateway", "connect", "speak", "revision", "list", "call"],
            Server::Unix(_) => &["socket", "connect", "speak", "revision", "list", "call"],
        };
        Self {
            name: target.name.clone(),
            transport: target.server.transport(),
            plan,
            steps: Vec::new(),
            exit: Exit::Done,
            since: Instant::now(),
            output: Output::stdout(options),
        }
    }

    /// The next step begins now, not when the last one ended.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// The next step took this long.
    pub(super) fn took(&mut self, time: Duration) {
        self.since = Instant::now().checked_sub(time).unwrap_or(self.since);
    }

    /// How the program ends, where the step does not say it.
    pub(super) fn ends_with(&mut self, exit: Exit) {
        self.exit = exit;
    }

    /// The step leads on.
    pub(super) fn ok(&mut self, step: &'static str, detail: impl Into<String>) -> Result<()> {
        self.add(step, Verdict::Ok, detail.into(), None)
    }

    /// The step leads on, with something to mend.
    pub(super) fn doubtful(
        &mut self,
        step: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Result<()> {
        self.add(step, Verdict::Doubtful, detail.into(), Some(help.into()))
    }

    /// There was no reason to go the step.
    pub(super) fn skipped(&mut self, step: &'static str, detail: impl Into<String>) -> Result<()> {
        self.add(step, Verdict::Skipped, detail.into(), None)
    }

    /// The way ends at this step.
    pub(super) fn failed(
        &mut self,
        step: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Result<()> {
        self.exit = exit_of(step);
        self.add(step, Verdict::Failed, detail.into(), Some(help.into()))
    }

    /// The tool that was to be called said that it failed.
    pub(super) fn tool_failed(&mut self, detail: impl Into<String>) -> Result<()> {
        let help = "call it with other arguments; that it answered shows that the way to it is free";
        self.add("call", Verdict::Failed, detail.into(), Some(help.into()))?;
        self.ends_with(Exit::Tool);
        Ok(())
    }

    fn add(
        &mut self,
        step: &'static str,
        verdict: Verdict,
        detail: String,
        help: Option<String>,
    ) -> Result<()> {
        let shown = |text: &str| safe::text(&redacted(text));
        let ms = self.since.elapsed().as_millis();
        let step = Step { step, verdict, ms, detail: shown(&detail), help: help.as_deref().map(shown) };
        self.since = Instant::now();
        let quiet = self.output.detail == Detail::Name && matches!(verdict, Verdict::Ok | Verdict::Skipped);
        // Skipped steps are listed together at the end.
        let later = verdict == Verdict::Skipped && step.detail.is_empty();
        if !(self.output.json || quiet || later) {
            let text = self.text(&step);
            self.output.text(&text)?;
        }
        self.steps.push(step);
        Ok(())
    }

    /// Says what was not tried, and how the program ends.
    pub(super) fn finish(mut self) -> Result<Exit> {
        let failed = self.steps.iter().find(|step| step.verdict == Verdict::Failed).map(|step| step.step);
        let gone: Vec<&str> = self.steps.iter().map(|step| step.step).collect();
        for step in self.plan.iter().filter(|step| !gone.contains(step)) {
            self.begin();
            self.skipped(step, "")?;
        }
        if self.output.json {
            let found = json!({
                "name": safe::line(&self.name),
                "transport": self.transport,
                "failed": failed,
                "exit": self.exit.code(),
                "steps": self.steps,
            });
            self.output.value(&found)?;
        } else if self.output.detail != Detail::Name {
            let screen = self.output.screen;
            let untried =
                self.steps.iter().filter(|step| step.verdict == Verdict::Skipped && step.detail.is_empty());
            let untried: Vec<&str> = untried.map(|step| step.step).collect();
            let mut text = match untried.is_empty() {
                true => String::new(),
                false => format!("{}\n", screen.faint(format!("skipped   {}", untried.join(", ")))),
            };
            text += &match failed {
                Some(step) => format!("{} at {step}\n", screen.bad("failed")),
                None => format!("{}\n", screen.good("all steps passed")),
            };
            self.output.text(&text)?;
        }
        Ok(self.exit)
    }

    fn text(&self, step: &Step) -> String {
        let screen = self.output.screen;
        let verdict = match step.verdict {
            Verdict::Ok => screen.good("ok      "),
            Verdict::Doubtful => screen.doubtful("doubtful"),
            Verdict::Failed => screen.bad("failed  "),
            Verdict::Skipped => screen.faint("skipped "),
        };
        let name = format!("{:<10}", step.step);
        let mut lines = step.detail.lines();
        let mut text = format!("{verdict}  {}  {}", screen.strong(name), lines.next().unwrap_or_default());
        text.truncate(text.trim_end().len());
        if step.ms > 0 {
            text += &screen.faint(format!(" ({} ms)", step.ms));
        }
        text.push('\n');
        for line in lines {
            text += &format!("{:22}{line}\n", "");
        }
        for line in step.help.iter().flat_map(|help| help.lines()) {
            text += &format!("{:22}{} {line}\n", "", screen.strong("help:"));
        }
        text
    }
}

/// Whether the URL asks for TLS.
pub(super) fn is_secure(url: &str) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// How a step ends the program when it fails.
fn exit_of(step: &str) -> Exit {
    match step {
        "well-known" | "issuer" | "auth" => Exit::Auth,
        "revision" | "list" | "call" => Exit::Failed,
        _ => Exit::Unreachable,
    }
}
