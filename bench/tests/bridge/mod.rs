//! The bridge, as the program puts it together.

use std::net::SocketAddr;

use anyport::{
    layer::{CatchPanicLayer, Quota, ServiceBuilder},
    stack::{EdgeLimits, edge},
};
use anyport_adapters::ParkLimits;
use anyport_gateway::Bridge;
use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_seal::{Key, Sealer};
use anyport_service::Service;
use anyport_transport::client::{ConnectOptions, Target, http::Endpoint};
use anyport_upstream::{TransportConnector, Upstream};

/// What `anyport bridge` puts between its client and the server at `address`, with which it speaks `revision`.
pub(crate) fn bridge(address: SocketAddr, revision: Revision) -> impl Service {
    let endpoint = Endpoint::new(&format!("http://{address}/mcp")).unwrap();
    let opening = ConnectOptions::default().revision(revision);
    let (metrics, sealer) = (Metrics::new(), Sealer::new(&Key::random().unwrap()));
    let upstream = Upstream::builder("bench", TransportConnector::new(Target::Http(endpoint), opening))
        .park(sealer, ParkLimits::default())
        .metrics(&metrics)
        .build();
    let unlimited =
        Quota::default().per_second(1_000_000.try_into().unwrap()).burst(1_000_000.try_into().unwrap());
    let limits = EdgeLimits::default().quota(unlimited);
    ServiceBuilder::new().layer(edge(&limits, &metrics)).layer(CatchPanicLayer).service(Bridge::new(
        upstream,
        Revision::ALL.into(),
        None,
    ))
}
