//! Documents behind a gateway.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use anyport::layer::{Layer as _, TimeoutLayer};
use anyport_audit::UpstreamLayer;
use anyport_config::gateway::{GatewayConfig, KnowledgeConfig};
use anyport_gateway::federation::{Member, Naming};
use anyport_knowledge::{Folders, Knowledge, Options, folder::FolderError};
use anyport_server::Server;
use anyport_service::Service;

use super::offer::MemberLimits;
#[cfg(unix)]
use crate::gateway::direct::DirectConnections;
use crate::{
    gateway::file::GatewayFile, listen::Limits, serve::Arguments, state_dir, traffic::ObservedService,
    upstream_factory::UpstreamFactory, user_error::UserError,
};

/// Documents behind the gateway.
#[derive(Clone)]
pub(super) struct DocumentsMember {
    pub(super) config: KnowledgeConfig,
    limits: MemberLimits,
    knowledge: Knowledge,
    pub(super) server: Server,
    pub(super) service: Arc<dyn Service>,
    #[cfg(unix)]
    pub(super) direct: Arc<DirectConnections>,
}

impl DocumentsMember {
    /// Reads the documents. Nothing is started.
    ///
    /// # Errors
    /// A folder that cannot be read, and what to do.
    pub(super) fn new(
        file: &GatewayFile,
        (name, config): (&str, &KnowledgeConfig),
        arguments: &Arguments,
        factory: &UpstreamFactory,
    ) -> Result<Self> {
        let mut folders = config.docs.iter().map(|folder| file.surroundings.cwd.join(folder));
        let Some(first) = folders.next() else {
            let problem = format!("the documents {name} in {} have no `docs`", file.path.display());
            return Err(UserError::usage(problem, "name a folder of documents"));
        };
        let loading = factory.limits.of_documents(Folders::new(first));
        let loading = folders.fold(loading, |loading, folder| loading.and(folder));
        let state = state_dir::folder(arguments.listen.state_dir.clone());
        let index = state.map(|folder| folder.join("index"));
        let opened = Knowledge::open(loading, factory.limits.of_knowledge(index));
        let knowledge = opened.map_err(|error| {
            let help = format!("{}: `docs` of [knowledge.{name}]", FolderError::help(&error));
            UserError::failed(error.to_string(), help)
        })?;
        let options = Options::default().max_answer_chars(factory.limits.documents.max_answer_chars);
        let server = anyport_knowledge::builder_with(&knowledge, name, factory.supported(), None, options);
        let server = factory.limits.of_server(server).build().context("the documents cannot be served")?;
        let timeout = TimeoutLayer::new(arguments.silent_timeout(), &factory.metrics);
        Ok(Self {
            config: config.clone(),
            limits: MemberLimits::of(&file.config, None, &factory.limits),
            knowledge,
            service: Arc::new(UpstreamLayer::new(name).layer(ObservedService::new(
                timeout.layer(server.clone()),
                name,
                factory.traffic.clone(),
            ))),
            #[cfg(unix)]
            direct: Arc::default(),
            server,
        })
    }

    /// They as they are configured now, with what was read of them.
    pub(super) fn configured(&self, config: &KnowledgeConfig, file: &GatewayConfig, limits: &Limits) -> Self {
        Self { config: config.clone(), limits: MemberLimits::of(file, None, limits), ..self.clone() }
    }

    /// They as a member of a federation.
    pub(super) fn member(&self, name: &str) -> Member {
        let naming = match &self.config.prefix {
            Some(prefix) => Naming::default().prefix(prefix),
            None => Naming::default(),
        };
        self.limits.limit(Member::new(name, self.service.clone()).naming(naming))
    }

    /// Ends what was started.
    pub(super) async fn stop(&self) {
        self.server.stop().await;
        self.knowledge.close();
    }
}
