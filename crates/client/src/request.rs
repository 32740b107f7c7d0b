//! Requests of a client: answered from its cache, or sent, and sent once more where that is safe.

use std::sync::OnceLock;

use anyport_protocol::{Method, Raw, jsonrpc::code, types::DiscoverResult};
use bytestring::ByteString;

use crate::{
    Error,
    core::Core,
    decode::decode,
    exchange::{Answered, Options},
    handler::server_name,
};

impl Core {
    /// Asks who the server is. A service that knows no discovery offers what it offers all the same.
    pub(crate) async fn discover(&mut self) -> Result<(), Error> {
        let method = ByteString::from_static(Method::Discover.as_str());
        let answered = self.exchange(&method, Raw::EMPTY_OBJECT, &mut Options::default()).await;
        match answered {
            Ok(answered) => self.learn(&answered.result),
            Err(error) if error.code() == Some(code::METHOD_NOT_FOUND) => {
                self.discovered = OnceLock::from(DiscoverResult::default());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes in what the server says of itself.
    pub(crate) fn learn(&mut self, result: &Raw) -> Result<(), Error> {
        let discovered: DiscoverResult = decode(Method::Discover.as_str(), result)?;
        self.server = server_name(&discovered);
        self.discovered = OnceLock::from(discovered);
        Ok(())
    }

    /// The answer to a request, kept or new, and whether it was kept.
    pub(crate) async fn cached(
        &self,
        method: &ByteString,
        params: Raw,
        options: &mut Options,
    ) -> Result<(Raw, bool), Error> {
        let Some(cacheable) = Method::named(method).filter(|method| method.is_cacheable()) else {
            return Ok((self.send(method, params, options, is_safe(method)).await?.result, false));
        };
        if !options.fresh
            && let Some(kept) = self.cache.get(cacheable, &params)
        {
            return Ok((kept, true));
        }
        let mark = self.cache.mark();
        let Answered { result, asked } = self.send(method, params.clone(), options, true).await?;
        // 2026-07-28, caching §Cache Key: results of requests with answers to questions "MUST NOT be cached".
        if !asked {
            self.cache.put(mark, cacheable, &params, &result);
        }
        Ok((result, false))
    }

    /// Sends a request, and once more if it is safe and the connection was lost under it. The upstream of a client that
    /// connects by itself has done so already.
    pub(crate) async fn send(
        &self,
        method: &ByteString,
        params: Raw,
        options: &mut Options,
        safe: bool,
    ) -> Result<Answered, Error> {
        match self.exchange(method, params.clone(), options).await {
            Err(Error::Closed { sent, .. }) if !self.is_connecting() && (safe || !sent) => {
                self.exchange(method, params, options).await
            }
            answered => answered,
        }
    }
}

/// Whether a request only asks. What nobody here knows may do anything.
pub(crate) fn is_safe(method: &str) -> bool {
    Method::named(method).is_some_and(Method::only_reads)
}
