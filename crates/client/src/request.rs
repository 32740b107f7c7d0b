//! Requests of a client: answered from its cache, or sent, and sent once more where that is safe.

use std::sync::OnceLock;

use anyport_protocol::{Method, Raw, jsonrpc::code, types::DiscoverResult};
use anyport_service::Request;

use crate::{
    Error,
    core::Core,
    decode::decode,
    exchange::{Answered, Options},
    handler::server_name,
};

impl Core {
    /// Requests the server's description. A service without `server/discover` has an empty one.
    pub(crate) async fn discover(&mut self) -> Result<(), Error> {
        let request = Request::new(Method::Discover, Raw::EMPTY_OBJECT);
        match self.exchange(&request, &mut Options::default()).await {
            Ok(answered) => self.learn(&answered.result),
            Err(error) if error.code() == Some(code::METHOD_NOT_FOUND) => {
                self.discovered = OnceLock::from(DiscoverResult::default());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the server's description.
    pub(crate) fn learn(&mut self, result: &Raw) -> Result<(), Error> {
        let discovered: DiscoverResult = decode(Method::Discover.as_str(), result)?;
        self.server = server_name(&discovered);
        self.discovered = OnceLock::from(discovered);
        Ok(())
    }

    /// The result of a request, from the cache or from the server, and whether it is from the cache.
    pub(crate) async fn cached(
        &self,
        request: &Request,
        options: &mut Options,
    ) -> Result<(Raw, bool), Error> {
        let Some(cacheable) = request.known().filter(|method| method.is_cacheable()) else {
            return Ok((self.send(request, options).await?.result, false));
        };
        if !options.fresh
            && let Some(cached) = self.cache.get(cacheable, request.params.raw())
        {
            return Ok((cached, true));
        }
        let mark = self.cache.mark();
        let Answered { result, asked } = self.send(request, options).await?;
        // 2026-07-28, caching §Cache Key: results of requests with answers to questions "MUST NOT be cached".
        if !asked {
            self.cache.put(mark, cacheable, request.params.raw(), &result);
        }
        Ok((result, false))
    }

    /// Sends a request, and once more if its connection is lost and it was not sent or is idempotent. An upstream does that
    /// by itself.
    pub(crate) async fn send(&self, request: &Request, options: &mut Options) -> Result<Answered, Error> {
        match self.exchange(request, options).await {
            Err(Error::Closed { sent, .. })
                if !self.is_connecting() && (!sent || self.tools.is_idempotent(request)) =>
            {
                self.exchange(request, options).await
            }
            answered => answered,
        }
    }
}
