//! The authorization server as clients, browsers and attackers see it.

mod attacks;
mod clients;
mod flow;
mod limits;
mod published_clients;
mod support;
