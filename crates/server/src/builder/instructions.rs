use std::fmt::Write as _;

use crate::core::Mounted;

/// The most bytes that the instructions of one mounted server contribute, and that all contribute together.
const MAX_INSTRUCTIONS: usize = 4 << 10;
const MAX_ALL_INSTRUCTIONS: usize = 32 << 10;

/// The instructions of a server with those of what is mounted in it, each under its title, in the order of mounting.
pub(super) fn instructions(own: Option<&str>, mounts: &[Mounted]) -> Option<String> {
    let mut all = own.unwrap_or_default().to_owned();
    let limit = all.len() + MAX_ALL_INSTRUCTIONS;
    instruct(&mut all, limit, "", mounts);
    (!all.is_empty()).then_some(all)
}

fn instruct(all: &mut String, limit: usize, outer: &str, mounts: &[Mounted]) {
    for mounted in mounts.iter().filter(|mounted| mounted.instructions) {
        let core = mounted.core();
        let prefix = format!("{outer}{}", mounted.prefix);
        if let Some(text) = core.about.instructions.as_deref() {
            let room = limit.saturating_sub(all.len()).min(MAX_INSTRUCTIONS);
            let end = (0..=room.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            if end < text.len() {
                let server = &core.about.name;
                tracing::warn!(server, "the instructions of a mounted server are too long, and cut");
            }
            let title = core.about.title.as_ref().unwrap_or(&core.about.name);
            let _ = writeln!(all, "{}## {title}", if all.is_empty() { "" } else { "\n\n" });
            if !prefix.is_empty() {
                let _ = write!(all, "\nNames of its tools and prompts begin with `{prefix}` here.\n");
            }
            let _ = write!(all, "\n{}", &text[..end]);
        }
        instruct(all, limit, &prefix, &core.mounts);
    }
}
