//! A server on one channel for each connection, a message a line.

use std::sync::atomic::AtomicU64;

use anyport_transport::client::Dial;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf},
    sync::{mpsc, watch},
};

use super::{
    Setup,
    peer::{Back, Heard, Opened, Out, Peer, opening},
};

/// What fits into a pipe before its writer waits.
const PIPE: usize = 1 << 20;

pub(super) fn dial(setup: Setup, connected: mpsc::UnboundedSender<Peer>) -> Dial {
    Dial::new(move || {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        serve(setup.clone(), theirs, connected.clone());
        async { Ok(ours) }
    })
}

fn serve(setup: Setup, stream: DuplexStream, connected: mpsc::UnboundedSender<Peer>) {
    let (input, mut output) = tokio::io::split(stream);
    let (say, mut said) = mpsc::unbounded_channel::<String>();
    let writing = tokio::spawn(async move {
        while let Some(line) = said.recv().await {
            if output.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let (hear, inbox) = mpsc::unbounded_channel();
    let (left, gone) = watch::channel(false);
    let (begin, begun) = tokio::sync::oneshot::channel();
    let opens = setup.opens;
    let reading = Reading { setup, hear, say: say.clone(), left, begin: Some(begin) };
    let reading = tokio::spawn(reading.run(input)).abort_handle();
    let tasks = vec![reading, writing.abort_handle()];
    let peer =
        move |opened| Peer { opened, inbox, out: Out::Lines(say), last_id: AtomicU64::new(0), tasks, gone };
    if opens {
        tokio::spawn(async move {
            if let Ok(opened) = begun.await {
                let _ = connected.send(peer(opened));
            }
        });
    } else {
        let _ = connected.send(peer(Value::Null));
    }
}

struct Reading {
    setup: Setup,
    hear: mpsc::UnboundedSender<Heard>,
    say: mpsc::UnboundedSender<String>,
    left: watch::Sender<bool>,
    /// Where the opening's params go once the dialogue is open; taken then.
    begin: Option<tokio::sync::oneshot::Sender<Value>>,
}

impl Reading {
    async fn run(mut self, input: ReadHalf<DuplexStream>) {
        let mut lines = BufReader::new(input).lines();
        let mut opened = Value::Null;
        while let Ok(Some(text)) = lines.next_line().await {
            let message: Value = serde_json::from_str(&text).unwrap_or_default();
            let step = self.begin.as_ref().and_then(|_| opening(&self.setup, &message));
            if step.is_some() && message.get("id").is_some() {
                opened = message.get("params").cloned().unwrap_or_default();
            }
            match step {
                Some(Opened::Answer(answer)) => drop(self.say.send(answer)),
                Some(Opened::Agreed(answer)) => {
                    let _ = self.say.send(answer);
                    self.begun(&opened);
                }
                Some(Opened::Done) => self.begun(&opened),
                None => {
                    let back = Back::Lines(self.say.clone());
                    let (verb, headers) = (String::new(), ::http::HeaderMap::new());
                    let _ = self.hear.send(Heard { text, message, verb, headers, back });
                }
            }
        }
        self.left.send_replace(true);
    }

    fn begun(&mut self, opened: &Value) {
        if let Some(begin) = self.begin.take() {
            let _ = begin.send(opened.clone());
        }
    }
}
