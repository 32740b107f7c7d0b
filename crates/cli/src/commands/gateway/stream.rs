//! What running gateways send line by line, as it comes.

use std::{io::BufRead as _, os::unix::net::UnixStream, sync::mpsc, thread};

use anyhow::Result;
use serde_json::Value;

use crate::{exit::Exit, user_error::UserError};

/// What waits for a slow terminal. Then the gateways wait, or leave out what they must.
const WAITING: usize = 64;

/// Calls `each` with every line of `streams`, until all have ended, or `each` returns `false` because the output has no reader any more.
///
/// # Errors
/// Those of `each`; and that the gateways have ended, if the lines should have no end.
pub(super) fn each_line(
    streams: Vec<std::io::BufReader<UnixStream>>,
    is_endless: bool,
    mut each: impl FnMut(&Value) -> Result<bool>,
) -> Result<()> {
    let (send, receive) = mpsc::sync_channel(WAITING);
    for stream in streams {
        let send = send.clone();
        thread::spawn(move || {
            let values =
                stream.lines().map_while(Result::ok).map_while(|line| serde_json::from_str(&line).ok());
            for value in values {
                if send.send(value).is_err() {
                    return;
                }
            }
        });
    }
    drop(send);
    for value in receive {
        if !each(&value)? {
            return Ok(());
        }
    }
    match is_endless {
        true => {
            Err(UserError::new(Exit::Unreachable, "the gateway has ended", "start it again: anyport serve")
                .into())
        }
        false => Ok(()),
    }
}
