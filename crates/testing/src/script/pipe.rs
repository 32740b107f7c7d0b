//! A server on standard streams in memory.

use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, Split, WriteHalf, split,
};

use super::ends::Ends;

/// Its input and output, as long as they are open.
pub(super) struct Pipe {
    input: Option<Split<BufReader<ReadHalf<DuplexStream>>>>,
    output: Option<WriteHalf<DuplexStream>>,
}

impl Pipe {
    pub(super) fn new(stream: DuplexStream) -> Self {
        let (input, output) = split(stream);
        Self { input: Some(BufReader::new(input).split(b'\n')), output: Some(output) }
    }
}

impl Ends for Pipe {
    async fn send(&mut self, message: &Value) -> Result<(), String> {
        let output = self.output.as_mut().ok_or("the script has closed its output")?;
        let line = format!("{message}\n");
        output.write_all(line.as_bytes()).await.map_err(|error| error.to_string())
    }

    async fn receive(&mut self) -> Option<Result<Value, String>> {
        let line = self.input.as_mut()?.next_segment().await.ok()??;
        Some(serde_json::from_slice(&line).map_err(|_| String::from_utf8_lossy(&line).into_owned()))
    }

    async fn close(&mut self) {
        if let Some(mut output) = self.output.take() {
            let _ = output.shutdown().await;
        }
    }

    async fn exit(&mut self) {
        self.close().await;
        self.input = None;
    }
}
