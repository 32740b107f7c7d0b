//! The output: its width, and whether it shows colours.

use std::{
    fmt::Display,
    io::{IsTerminal as _, stderr, stdout},
};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal that shows them, unless `NO_COLOR` or `CLICOLOR=0` is set; everywhere with `CLICOLOR_FORCE`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns; `None` if the output is not a terminal.
    pub(crate) width: Option<usize>,
    /// Whether styles are written.
    pub(crate) colours: bool,
}

/// Narrower than this nothing is readable; what is wider runs on.
const NARROWEST: usize = 40;

impl Screen {
    /// Standard output, as it is.
    pub(crate) fn stdout(colour: Colour) -> Self {
        let colours = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never,
        };
        let width = stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        Self { width: width.map(|(width, _)| usize::from(width.0).max(NARROWEST)), colours }
    }

    /// Standard error, as it is.
    pub(crate) fn stderr(colour: Colour) -> Self {
        let colours = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never,
        };
        Self { width: None, colours }
    }

    /// Without colours or width, as a file is.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { width: None, colours: false };

    /// The most important part of a line.
    pub(crate) fn strong(&self, text: impl Display) -> String {
        self.styled(Style::new().bold(), text)
    }

    /// A less important part.
    pub(crate) fn faint(&self, text: impl Display) -> String {
        self.styled(Style::new().dimmed(), text)
    }

    /// A success.
    pub(crate) fn good(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Green.on_default(), text)
    }

    /// A warning.
    pub(crate) fn doubtful(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Yellow.on_default(), text)
    }

    /// An error.
    pub(crate) fn bad(&self, text: impl Display) -> String {
        self.styled(AnsiColor::Red.on_default().bold(), text)
    }

    fn styled(&self, style: Style, text: impl Display) -> String {
        match self.colours {
            true => format!("{style}{text}{style:#}"),
            false => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_written_only_where_they_are_shown() {
        let coloured = Screen { width: None, colours: true };
        assert_eq!(coloured.strong("a"), "\u{1b}[1ma\u{1b}[0m");
        assert_eq!(Screen::PLAIN.strong("a"), "a");
        assert!(Screen::stdout(Colour::Always).colours);
        assert!(!Screen::stdout(Colour::Never).colours);
    }
}
