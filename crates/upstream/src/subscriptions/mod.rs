//! Listening to a server: each listener has a stream of its own, and all of them cost the server one subscription.
//!
//! A legacy server notifies of its lists on the connection as a whole, and of a resource after `resources/subscribe`.
//! [`Listen`] counts which listener wants what, subscribes once, and gives every listener a stream in the newest vocabulary.
//! A modern server has streams of `subscriptions/listen`: [`ListenStreams`] has those that legacy sessions share.
//! `resubscribe` keeps a listener at the server for as long as the listener wants, whatever becomes of its connections.

mod interruption;
mod listen;
mod listen_streams;
mod manager;
pub(crate) mod resubscribe;

pub(crate) use self::{
    listen::Listen,
    listen_streams::{ListenStreams, StreamLink},
    manager::Offers,
};
