//! The authorization server as clients, browsers and attackers see it.

mod assertions;
mod attacks;
mod clients;
mod documents;
mod flow;
mod limits;
mod proxy;
mod published_clients;
mod support;
