//! Descriptors that this program was started with.

use std::ffi::OsString;

/// Keeps what this program has open from the programs that it starts, but for their standard streams: whoever started it may have left
/// a file open there, with a secret in it. Those that the command line names, as shells do for `<(COMMAND)`, are meant for a program.
pub(crate) fn keep_inherited() {
    close_fds::set_fds_cloexec(3, &named(std::env::args_os()));
}

/// The descriptors that words name as `/dev/fd/N`.
fn named(words: impl Iterator<Item = OsString>) -> Vec<i32> {
    const FOLDERS: [&str; 2] = ["/dev/fd/", "/proc/self/fd/"];
    let mut all: Vec<i32> = Vec::new();
    for word in words {
        let word = word.to_string_lossy();
        for rest in FOLDERS.iter().flat_map(|folder| word.split(folder).skip(1)) {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            all.extend(digits.parse::<i32>());
        }
    }
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_named_by_their_paths() {
        let words = [
            "serve",
            "--config=/dev/fd/63",
            "/proc/self/fd/7",
            "a:/dev/fd/12,/dev/fd/x",
            "/dev/fd/99999999999",
        ];
        assert_eq!(named(words.into_iter().map(OsString::from)), [7, 12, 63]);
    }
}
