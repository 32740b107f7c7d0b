//! The REST interface, in front of real servers: on a listener of ours, and within an application.

mod calls;
mod codes;
mod endpoints;
mod lists;
mod nonsense;

use anyport::{Service, http};
use anyport_tests::{plain::Plain, site::Site};

fn config() -> http::Config {
    http::Config::default().rest(true)
}

/// `service` in both places, each with a client.
async fn sites<S: Service>(service: impl Fn() -> S, config: http::Config) -> [(Site, Plain); 2] {
    let sites = [
        Site::listen(service(), config.clone()).await.unwrap(),
        Site::mount(service(), config).await.unwrap(),
    ];
    sites.map(|site| {
        let plain = Plain::of(&site);
        (site, plain)
    })
}
