use std::{env, fmt, fs, io, path::Path};

use anyport_protocol::meta::key;
use serde_json::{Map, Value};

use crate::Answer;

/// The messages of a client and its server, as text: one line a message, stable from run to run.
///
/// ```text
/// > tools/call {"name":"book","arguments":{}}
/// ? elicitation/create trip {"mode":"form",...}
/// < notifications/progress {"progress":1}
/// < {"resultType":"complete","content":[{"type":"text","text":"Booked"}]}
/// ```
///
/// `>` is what the client calls, `<` what the server says, `?` what it asks, `!` an error. What differs in every run is
/// left out: progress tokens, states, and who the server says it is. Of lists, only the page is shown, not the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript(String);

/// Set this variable to write golden files instead of comparing with them.
const UPDATE: &str = "UPDATE_GOLDEN";

impl Transcript {
    /// Compares with the file at `path`; with `UPDATE_GOLDEN=1` in the environment, writes it.
    ///
    /// # Errors
    /// The first line that differs, in words; or that the file cannot be read or written.
    pub fn check(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        if env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0") {
            return fs::write(path, &self.0);
        }
        let golden = fs::read_to_string(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}; {UPDATE}=1 writes it", path.display()))
        })?;
        match self.difference(&golden) {
            None => Ok(()),
            Some(difference) => Err(io::Error::other(format!(
                "{}: {difference}\n{UPDATE}=1 takes what was said as right",
                path.display()
            ))),
        }
    }

    /// The first line in which this is not `golden`, in words.
    pub(super) fn difference(&self, golden: &str) -> Option<String> {
        let (mut said, mut expected) = (self.0.lines(), golden.lines());
        for line in 1.. {
            match (said.next(), expected.next()) {
                (None, None) => return None,
                (said, expected) if said == expected => {}
                (said, expected) => {
                    let shown = |line: Option<&str>| line.unwrap_or("nothing more").to_owned();
                    return Some(format!(
                        "line {line} differs\n  expected {}\n  was said {}",
                        shown(expected),
                        shown(said)
                    ));
                }
            }
        }
        None
    }

    pub(super) fn record(&mut self, method: &str, params: &Value, answer: &Answer) {
        self.line('>', method, params);
        for notification in &answer.notifications {
            self.told(notification);
        }
        for question in &answer.questions {
            let what = format!("{} {}", question.method, question.key.as_deref().unwrap_or_default());
            self.line('?', what.trim_end(), &question.params);
        }
        match &answer.outcome {
            Ok(result) => self.line('<', "", result),
            Err(refusal) => self.line('!', "", &refusal.write()),
        }
    }

    pub(super) fn told(&mut self, notification: &Value) {
        self.line('<', notification["method"].as_str().unwrap_or_default(), &notification["params"]);
    }

    fn line(&mut self, mark: char, what: &str, value: &Value) {
        self.0.push(mark);
        for part in [what, &stable(value).to_string()] {
            if !part.is_empty() && part != "null" {
                self.0.push(' ');
                self.0.push_str(part);
            }
        }
        self.0.push('\n');
    }
}

/// `value` without what differs from run to run.
fn stable(value: &Value) -> Value {
    const RANDOM: [&str; 5] =
        ["progressToken", "requestState", "nextCursor", key::SERVER_INFO, key::SUBSCRIPTION_ID];
    match value {
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, value) in members.iter().filter(|(name, _)| !RANDOM.contains(&name.as_str())) {
                let value = stable(value);
                if name != "_meta" || value.as_object().is_none_or(|meta| !meta.is_empty()) {
                    kept.insert(name.clone(), value);
                }
            }
            kept.into()
        }
        Value::Array(elements) => elements.iter().map(stable).collect(),
        other => other.clone(),
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Transcript> for String {
    fn from(transcript: Transcript) -> Self {
        transcript.0
    }
}
