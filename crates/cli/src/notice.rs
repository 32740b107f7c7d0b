use std::{
    fmt,
    io::{self, Write as _},
};

/// Tells the person who started the program something, on standard error, in one piece.
///
/// That nobody is there to read it, or that the disk of a log is full, is no reason to stop serving; `eprintln!`
/// would panic.
pub(crate) fn say(text: impl fmt::Display) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
