//! The browser of the user who signs in.

use std::{
    future::Future,
    io::{self, BufRead as _, IsTerminal as _},
    pin::Pin,
    process::{Command, Stdio},
};

use anyport_auth::UserAgent;

use crate::logging;

/// How the pages are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Browser {
    /// By the system's browser.
    Opened,
    /// As a URL, which the user opens anywhere. Where the browser is on another machine, the URL that it ends at is pasted here.
    Printed,
}

impl UserAgent for Browser {
    fn visit<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>> {
        Box::pin(async move {
            match self {
                Self::Opened => {
                    logging::notice(format!("sign in with your browser; if it does not open, go to:\n{url}"));
                    // Whoever has no browser here has the URL.
                    if let Err(why) = open(url) {
                        // Nobody reads it, nobody comes.
                        if !io::stderr().is_terminal() {
                            return Err(why);
                        }
                        logging::notice(why);
                    }
                    Ok(None)
                }
                Self::Printed => {
                    logging::notice(format!(
                        "sign in at:\n{url}\nIf the browser then shows a page that it cannot open, paste its URL here:"
                    ));
                    Ok(tokio::task::spawn_blocking(pasted).await.unwrap_or_default())
                }
            }
        })
    }
}

/// A line of standard input; `None` at its end.
fn pasted() -> Option<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).ok()?;
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// Opens `url` by the program of the system for that, without a shell, to which a URL could give commands.
fn open(url: &str) -> Result<(), String> {
    let (program, arguments): (_, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(url);
    // What a browser writes is not for the terminal of this program.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => {
            // It may run for as long as the browser does.
            std::thread::spawn(move || child.wait());
            Ok(())
        }
        Err(error) => Err(format!("no browser was opened: {program}: {error}")),
    }
}
