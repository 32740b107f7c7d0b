/// A user who has signed in at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedInUser {
    /// Who vouches for the user: the issuer of the provider.
    pub issuer: String,
    /// The user's id there: never a name or an e-mail address, which may be somebody else's tomorrow.
    pub subject: String,
    /// The user's domain, if the provider has verified it.
    pub domain: Option<String>,
    /// A name to show; it proves nothing.
    pub name: Option<String>,
}
