//! Where the answer of a command goes: standard output, as text or as JSON.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use crate::{
    logging::status,
    render::{Colour, Screen, lists::Detail},
};

/// How the answer is written.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Output")]
#[group(skip)]
pub(crate) struct Options {
    /// Write the answer as JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours.
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum)]
    pub(crate) color: Colour,
    /// Print results only.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more: whole descriptions, the server's log messages, progress; twice for each message with
    /// its time, and the program's own log.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Options {
    /// How much is shown of each entry of a list.
    pub(crate) fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Name,
            (false, 0) => Detail::Usual,
            (false, _) => Detail::All,
        }
    }
}

/// Standard output, or what stands for it in a test.
pub(crate) struct Output {
    to: Box<dyn Write>,
    pub(crate) json: bool,
    pub(crate) detail: Detail,
    pub(crate) screen: Screen,
    is_closed: bool,
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout(options: &Options) -> Self {
        let screen = Screen::stdout(options.color);
        Self {
            to: Box::new(io::stdout()),
            json: options.json,
            detail: options.detail(),
            screen,
            is_closed: false,
        }
    }

    /// Writes text.
    ///
    /// # Errors
    /// Returns an error if stdout cannot be written. A closed pipe (`anyport tools | head`) is not an error.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        match status::answer(&mut *self.to, text) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            Err(_) => {
                self.is_closed = true;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether the output has a reader, as far as it is known.
    pub(crate) fn is_read(&self) -> bool {
        !self.is_closed
    }

    /// Writes the value for a program, or the text for a person; only that one is made.
    ///
    /// # Errors
    /// When the text cannot be made, or it cannot be written.
    pub(crate) fn show<V: Serialize>(
        &mut self,
        value: impl FnOnce() -> V,
        text: impl FnOnce(&Self) -> Result<String>,
    ) -> Result<()> {
        match self.json {
            true => self.value(&value()),
            false => text(self).and_then(|text| self.text(&text)),
        }
    }

    /// Writes a value as JSON, on one line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)?;
        self.text(&(escaped(&text) + "\n"))
    }
}

/// JSON with escaped control characters: a terminal may read it.
pub(crate) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Such signs stand only within texts, where every sign may be written by its number.
        if crate::render::safe::is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out += &format!("\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The written text.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(crate) fn output(&self, json: bool) -> Output {
            let to = Box::new(self.clone());
            Output { to, json, detail: Detail::Usual, screen: Screen::PLAIN, is_closed: false }
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_is_one_line_that_commands_no_terminal_and_says_the_same() {
        let written = Written::default();
        let value = serde_json::json!({"a": "\u{1b}[2J\u{9b}\n\u{202e}\u{e0041}ü"});
        written.output(true).value(&value).unwrap();
        let text = written.text();
        assert_eq!(text, "{\"a\":\"\\u001b[2J\\u009b\\n\\u202e\\udb40\\udc41ü\"}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
