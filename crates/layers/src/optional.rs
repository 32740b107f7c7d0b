use anyport_service::{Context, Reply, Request, Service};
use tower_layer::Layer;

/// A layer that may be absent: with `None`, the service stays as it is.
pub fn optional<L>(layer: Option<L>) -> OptionalLayer<L> {
    OptionalLayer(layer)
}

/// A layer that may be absent; [`optional`] makes it.
#[derive(Clone, Debug)]
pub struct OptionalLayer<L>(Option<L>);

impl<S, L: Layer<S>> Layer<S> for OptionalLayer<L> {
    type Service = Either<L::Service, S>;

    fn layer(&self, inner: S) -> Self::Service {
        match &self.0 {
            Some(layer) => Either::Layered(layer.layer(inner)),
            None => Either::Plain(inner),
        }
    }
}

/// A service with an [`optional`] layer.
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// The service within the layer.
    Layered(A),
    /// The service alone.
    Plain(B),
}

impl<A: Service, B: Service> Service for Either<A, B> {
    fn call(&self, request: Request, context: Context) -> Reply {
        match self {
            Self::Layered(service) => service.call(request, context),
            Self::Plain(service) => service.call(request, context),
        }
    }
}
