use std::path::Path;

use tokio::net::UnixStream;

use super::{
    ConnectError,
    duplex::{Channel, Open, Opening},
    stream::drive,
};

/// A server on a Unix socket.
pub(super) struct Socket<'a>(pub(super) &'a Path);

impl Open for Socket<'_> {
    async fn open(&self, opening: Opening) -> Result<Channel, ConnectError> {
        let stream = UnixStream::connect(self.0).await.map_err(|source| ConnectError::Unreachable {
            at: format!("the socket {}", self.0.display()),
            source,
        })?;
        let (input, output) = stream.into_split();
        Ok(drive(opening, "socket", input, output))
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Method, Raw, Revision};
    use anyport_service::{Context, Event, Outcome, Principal, Request, Service};
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::UnixListener,
    };

    use crate::client::{CloseReason, ConnectError, ConnectOptions, Target, connect};

    #[tokio::test]
    async fn a_server_on_a_socket_is_called_and_its_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sock");
        let target = Target::Unix(path.clone());
        let nobody = connect(&target, &ConnectOptions::default()).await.unwrap_err();
        assert!(matches!(nobody, ConnectError::Unreachable { .. }), "{nobody}");
        let listener = UnixListener::bind(&path).unwrap();
        // Answers the probe and a call, then goes.
        let server = tokio::spawn(async move {
            let (input, mut output) = listener.accept().await.unwrap().0.into_split();
            let mut lines = BufReader::new(input).lines();
            for (id, result) in [
                (1, r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#),
                (2, r#"{"resultType":"complete","tools":[]}"#),
            ] {
                assert!(lines.next_line().await.unwrap().unwrap().contains(&format!(r#""id":{id},"#)));
                let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n");
                output.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let connection = connect(&target, &ConnectOptions::default()).await.unwrap();
        assert_eq!(connection.revision(), Revision::NEWEST);
        let context = Context::new(Principal::local(), Revision::NEWEST);
        let mut reply = connection.call(Request::new(Method::ToolsList, Raw::EMPTY_OBJECT), context);
        assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
        server.await.unwrap();
        let CloseReason::Lost(why) = connection.closed().await else { panic!() };
        assert!(why.contains("closed the socket") || why.contains("broke"), "{why}");
    }
}
