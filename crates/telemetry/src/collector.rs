//! One request to the collector (OTLP Specification, OTLP/HTTP).

use std::time::Duration;

use anyport_transport::client::http::{Endpoint, Fault, SideRequest};
use prost::Message;
use tokio::time::sleep;

use crate::Target;

/// Takes one signal.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    endpoint: Endpoint,
    timeout: Duration,
}

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("the collector answers {0}")]
    Status(u16),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How often a request is sent that may be repeated, and the pause before the first repetition, which doubles.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// The most bytes of an answer that are read.
const ANSWER: usize = 64 << 10;

impl Collector {
    /// # Errors
    /// When the URL is none, or a header cannot be sent.
    pub(crate) fn new(target: &Target) -> Result<Self, Fault> {
        let endpoint = Endpoint::new(&target.url)?.redirects(0).connect_timeout(target.timeout);
        let endpoint =
            target.headers.iter().try_fold(endpoint, |it, (name, value)| it.header(name, value))?;
        Ok(Self { endpoint, timeout: target.timeout })
    }

    /// Sends `message`, again if that may help.
    pub(crate) async fn send(&self, message: &impl Message) -> Result<(), Rejected> {
        let body = bytes(message);
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.send_once(body.clone()).await {
                Err(rejected) if rejected.is_temporary() => sleep(pause).await,
                done => return done,
            }
            pause *= 2;
        }
        self.send_once(body).await
    }

    async fn send_once(&self, body: Vec<u8>) -> Result<(), Rejected> {
        let request = SideRequest::post("application/x-protobuf", body, ANSWER, self.timeout);
        let answer = self.endpoint.ask(request).await?;
        if (200..300).contains(&answer.status) { Ok(()) } else { Err(Rejected::Status(answer.status)) }
    }
}

impl Rejected {
    /// "The requests that receive a response status code listed in following table SHOULD be retried": 429, 502, 503, 504.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 429 | 502 | 503 | 504),
            Self::Fault(fault) => !fault.is_certificate(),
        }
    }
}

fn bytes(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}
