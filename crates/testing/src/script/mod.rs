//! A peer that says what stands in a text: see [`Script`].

mod client;
mod ends;
mod http;
mod lines;
mod pipe;
mod talk;
#[cfg(test)]
mod tests;

use std::{fmt, net::SocketAddr, time::Duration};

use anyport_protocol::Revision;
use futures_util::FutureExt as _;
use tokio::{
    io::DuplexStream,
    sync::oneshot,
    task::AbortHandle,
    time::{sleep, timeout},
};

use ends::Ends;
pub use lines::Unreadable;
use lines::{Act, Line, Side};
use talk::Talk;

use crate::{Link, Wire};

/// A dialogue of a client and a server, of which one is played and the other is under test.
///
/// ```text
/// # What the client says begins with >, what the server says with <, a question of its with ?, an error with !
/// > initialize {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": "*"}
/// < {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
/// > notifications/initialized
/// > {"jsonrpc": "2.0", "id": "$call", "method": "tools/call", "params": {"name": "slow", "...": "*"}}
/// pause 5s
/// < {"jsonrpc": "2.0", "id": "$call", "result": {"content": []}}
/// exit
/// ```
///
/// A line has a whole message, or what a [`Transcript`](crate::Transcript) writes: the method and its params, and for an
/// answer the result alone, which is that of the oldest request that is open. Ids are made and found then, and `_meta` is not
/// looked at unless it is written.
///
/// In what is expected, `"*"` is any value, `"$name"` is any value the first time and the same one from then on, and a member
/// `"..."` stands for whatever other members there are. In what is played, `"$name"` is what was heard.
/// `pause 5s` and `pause 200ms` wait by tokio's clock, `close` ends what the played side says, and `exit` breaks off both ways.
#[derive(Clone, Debug)]
pub struct Script {
    lines: Vec<Line>,
    me: Side,
    revision: Revision,
    patience: Duration,
}

/// Where a dialogue is not what its script says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line, counted from 1; one past the last when more was said.
    pub line: usize,
    /// The line as it stands in the script.
    pub expected: String,
    /// The message that arrived instead.
    pub got: String,
    /// Where the two differ: a JSON pointer and words.
    pub what: String,
    /// The messages that came before it, the last of them last.
    pub before: Vec<String>,
}

/// A script that is being played. Dropping it breaks the connection off.
#[derive(Debug)]
#[must_use = "whether the script was kept to is said by `finish`"]
pub struct Playing {
    played: oneshot::Receiver<Result<(), Difference>>,
    playing: AbortHandle,
}

impl Script {
    /// Plays the server of this dialogue.
    ///
    /// # Errors
    /// The line that cannot be read.
    pub fn server(text: &str) -> Result<Self, Unreadable> {
        Self::read(text, Side::Server)
    }

    /// Plays the client of this dialogue.
    ///
    /// # Errors
    /// The line that cannot be read.
    pub fn client(text: &str) -> Result<Self, Unreadable> {
        Self::read(text, Side::Client)
    }

    fn read(text: &str, me: Side) -> Result<Self, Unreadable> {
        let (revision, patience) = (Revision::NEWEST, Duration::from_secs(5));
        Ok(Self { lines: lines::read(text)?, me, revision, patience })
    }

    /// The client's revision: its requests get the `_meta` and the headers of this revision. The newest by default,
    /// until a line has `initialize`.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self
    }

    /// Waits for each message at most this long, by tokio's clock. Unless set, 5 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Plays the server on one end of a pair of pipes, and returns the other: a message a line, as on standard streams.
    /// Tokio's clock can be paused.
    pub fn pipe(self) -> (DuplexStream, Playing) {
        let (theirs, ours) = tokio::io::duplex(64 * 1024);
        (theirs, self.start(pipe::Pipe::new(ours)))
    }

    /// Plays the server over Streamable HTTP, at any path of a free port of loopback. An answer comes as JSON, or
    /// on an event stream if something was said before it.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn http(self) -> std::io::Result<(SocketAddr, Playing)> {
        let http = http::Http::listen().await?;
        let address = http.address();
        Ok((address, self.start(http)))
    }

    fn start(self, mut ends: impl Ends + 'static) -> Playing {
        let (told, played) = oneshot::channel();
        let playing = tokio::spawn(async move {
            let result = self.play(&mut ends).await;
            // After a difference nothing more can be said. Else what was said last may still be on its way: the connection
            // stays until nobody plays any more.
            let kept = result.is_ok().then_some(ends);
            let _ = told.send(result);
            std::future::pending::<()>().await;
            drop(kept);
        });
        Playing { played, playing: playing.abort_handle() }
    }

    /// Plays the client on `link`, to the end of the script. Standard streams and sockets do without a paused clock.
    ///
    /// # Errors
    /// The first difference.
    pub async fn over(self, link: Link) -> Result<(), Difference> {
        let mut client = client::Client::new(Wire::over(link).patience(self.patience), self.revision);
        self.play(&mut client).await?;
        // What was said last arrives. A server that does not end with its client is left alone.
        let _ = timeout(self.patience, client.close()).await;
        Ok(())
    }

    async fn play(&self, ends: &mut impl Ends) -> Result<(), Difference> {
        let mut talk = Talk::new(self.me, self.revision);
        let mut before = Vec::new();
        for line in &self.lines {
            let done = self.step(line, &mut talk, ends, &mut before).await;
            done.map_err(|(got, what)| Difference {
                line: line.number,
                expected: line.text.clone(),
                got,
                what,
                before: before.clone(),
            })?;
        }
        let line = self.lines.last().map_or(1, |line| line.number + 1);
        // What the other side has sent by now had time to come.
        tokio::task::yield_now().await;
        match ends.receive().now_or_never() {
            Some(Some(got)) => {
                let (what, expected) = ("more was said".to_owned(), "nothing more".to_owned());
                let got = got.map_or_else(|garbage| garbage, |message| message.to_string());
                Err(Difference { line, expected, got, what, before })
            }
            None | Some(None) => Ok(()),
        }
    }

    /// Does what a line says. Fails with what came, and what is wrong with it.
    async fn step(
        &self,
        line: &Line,
        talk: &mut Talk,
        ends: &mut impl Ends,
        before: &mut Vec<String>,
    ) -> Result<(), (String, String)> {
        let nothing = |what: String| ("nothing".to_owned(), what);
        match &line.act {
            Act::Pause(length) => sleep(*length).await,
            Act::Close => ends.close().await,
            Act::Exit => ends.exit().await,
            Act::Say(side, what) if *side == self.me => {
                let message = talk.write(what).map_err(nothing)?;
                ends.send(&message).await.map_err(nothing)?;
                before.push(format!("{} {message}", side.mark()));
            }
            Act::Say(side, what) => {
                let heard = timeout(self.patience, ends.receive()).await;
                let heard = heard.map_err(|_| nothing(format!("nothing came within {:?}", self.patience)))?;
                let heard = heard.ok_or_else(|| nothing("the other side has closed".to_owned()))?;
                let message = heard.map_err(|garbage| (garbage, "it is no JSON".to_owned()))?;
                talk.read(what, &message).map_err(|fault| (message.to_string(), fault))?;
                before.push(format!("{} {message}", side.mark()));
            }
        }
        Ok(())
    }
}

impl Side {
    fn mark(self) -> char {
        if self == Self::Client { '>' } else { '<' }
    }
}

impl Playing {
    /// Waits until the script has been played.
    ///
    /// # Errors
    /// The first difference.
    pub async fn finish(mut self) -> Result<(), Difference> {
        (&mut self.played).await.unwrap_or_else(|_| {
            let what = "the runtime that played the script has ended".to_owned();
            Err(Difference { line: 0, expected: String::new(), got: String::new(), what, before: Vec::new() })
        })
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.playing.abort();
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, expected, got, what, before } = self;
        write!(f, "line {line} differs: {what}\n  expected {expected}\n  got      {got}")?;
        if !before.is_empty() {
            write!(f, "\n  before it")?;
        }
        before.iter().try_for_each(|said| write!(f, "\n    {said}"))
    }
}

impl std::error::Error for Difference {}
