use std::{collections::HashMap, sync::Arc};

use anyport_transport::http::{ConnectInfo, Endpoint};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use tokio::{sync::mpsc, task::AbortHandle};

use super::{Arrival, Exchange, http::Pump};

/// A client of an HTTP endpoint in the same process: requests are values, and no socket is there.
#[derive(Debug)]
pub(super) struct Within {
    endpoint: Endpoint,
    path: Arc<str>,
    out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    open: HashMap<Exchange, AbortHandle>,
    last: u64,
}

impl Within {
    pub(super) fn new(endpoint: Endpoint, out: mpsc::UnboundedSender<(Exchange, Arrival)>) -> Self {
        let path = endpoint.config().path.as_str().into();
        Self { endpoint, path, out, open: HashMap::new(), last: 0 }
    }

    pub(super) fn post(&mut self, text: &str, mut headers: Vec<(String, String)>) -> Exchange {
        headers.push((header::CONTENT_TYPE.to_string(), "application/json".into()));
        headers.push((header::ACCEPT.to_string(), "application/json, text/event-stream".into()));
        self.begin(Method::POST, headers, Bytes::copy_from_slice(text.as_bytes()))
    }

    pub(super) fn get(&mut self, mut headers: Vec<(String, String)>) -> Exchange {
        headers.push((header::ACCEPT.to_string(), "text/event-stream".into()));
        self.begin(Method::GET, headers, Bytes::new())
    }

    /// Dropping the response is how a client goes away.
    pub(super) fn cut(&mut self, exchange: Exchange) -> bool {
        self.open.remove(&exchange).map(|task| task.abort()).is_some()
    }

    fn begin(&mut self, method: Method, headers: Vec<(String, String)>, body: Bytes) -> Exchange {
        self.open.retain(|_, task| !task.is_finished());
        self.last += 1;
        let exchange = Exchange(self.last);
        let pump = Pump { exchange, out: self.out.clone() };
        let mut request =
            Request::builder().method(method).uri(&*self.path).header(header::HOST, "localhost");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let endpoint = self.endpoint.clone();
        let carrying = tokio::spawn(async move {
            let carried = match request.body(Full::new(body)) {
                Ok(request) => pump.response(endpoint.handle(request, ConnectInfo::default()).await).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = carried {
                pump.say(Arrival::Garbage(format!("the HTTP request failed: {error}")));
            }
            pump.say(Arrival::End);
        });
        self.open.insert(exchange, carrying.abort_handle());
        exchange
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        self.open.values().for_each(AbortHandle::abort);
    }
}
