use anyport_protocol::settings;

settings! {
    /// What a server says of itself as a protected resource (RFC 9728), and what each of its requests needs.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ProtectedResource {
        /// The issuers of the authorization servers whose tokens are accepted. Without one, there is no metadata.
        #[default("those of the verifier" = Vec::new())]
        #[set(into)]
        pub authorization_servers: Vec<String>,
        /// The scopes that a client asks for at first: those that its basic use needs.
        #[default("none" = Vec::new())]
        #[set(into)]
        pub scopes_supported: Vec<String>,
        /// The scopes that every request needs.
        #[default("none" = Vec::new())]
        #[set(into)]
        pub required_scopes: Vec<String>,
        /// The name of the server, for people.
        #[default("none" = None)]
        #[set(into)]
        pub name: Option<String>,
    }
}
