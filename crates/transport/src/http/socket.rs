//! The way to a WebSocket. Host and Origin have been checked by now, as for every request; a browser names its origin
//! on every one it opens, and asks nobody before (WHATWG Fetch has no preflight for them).

use std::sync::Arc;

use anyport_protocol::{Error, jsonrpc::Reason};
use anyport_service::Network;
use http::{HeaderValue, StatusCode, header, request::Parts};

use super::{
    authenticate::Caller,
    body::Response,
    credential_watch::CredentialWatch,
    response::{self, method_not_allowed},
    state::State,
};
use crate::{
    dialogue::ConnectionConfig,
    websocket::{NoUpgrade, Upgrade},
};

/// Checks the handshake, and makes the connection of an authenticated caller a WebSocket.
pub(super) fn open(state: &Arc<State>, parts: Parts, caller: Caller) -> Response {
    let Some(config) = &state.config.websocket else { return response::empty(StatusCode::NOT_FOUND) };
    let upgrade = match Upgrade::of(parts) {
        Ok(upgrade) => upgrade,
        Err(refused) => return refuse(refused),
    };
    if state.sockets.is_closing() {
        let error = Error::internal("the server stops").with_reason(Reason::ShuttingDown);
        return response::error(StatusCode::SERVICE_UNAVAILABLE, &error);
    }
    let limits = &state.config.limits;
    let Caller { authorization, credential } = caller;
    let watch =
        credential.and_then(|credential| CredentialWatch::new(state, credential, authorization.clone()));
    let connection = ConnectionConfig {
        authorization,
        network: Some(Network::WEBSOCKET),
        supported: state.config.supported.clone(),
        limits: limits.message,
        max_open_requests: limits.max_open_requests,
        drain: limits.drain,
        first_message: Some(config.first_message),
        idle: Some(config.connection_idle),
        buffers: state.config.buffers.clone(),
        observer: state.config.observer.clone(),
    };
    let mut response = response::empty(StatusCode::SWITCHING_PROTOCOLS);
    let (service, config) = (state.service.clone(), config.clone());
    response.headers_mut().extend(state.sockets.open(
        upgrade,
        service,
        connection,
        config,
        limits.write_timeout,
        async {
            match watch {
                Some(watch) => watch.ended().await,
                None => std::future::pending().await,
            }
        },
    ));
    response
}

fn refuse(refused: NoUpgrade) -> Response {
    let error = Error::invalid_request(refused.to_string());
    match refused {
        NoUpgrade::Method => method_not_allowed("GET"),
        NoUpgrade::Key | NoUpgrade::Http | NoUpgrade::Body => {
            response::error(StatusCode::BAD_REQUEST, &error)
        }
        NoUpgrade::Required => {
            // RFC 9110 §15.5.22 and RFC 6455 §4.2.2: what to upgrade to.
            let mut response = response::error(StatusCode::UPGRADE_REQUIRED, &error);
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            response
        }
    }
}
