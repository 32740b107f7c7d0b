use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Body, ConnectInfo, Endpoint};

/// The endpoint for whatever takes services of tower. It is always ready: what is bounded is answered with 503 or 429.
///
/// An [`ConnectInfo`] among the request's extensions says how the request came; without one that is not known.
impl<B> Service<Request<B>> for Endpoint
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let info = request.extensions().get::<ConnectInfo>().copied().unwrap_or_default();
        let answer = self.handle(request, info);
        Box::pin(async move { Ok(answer.await) })
    }
}
