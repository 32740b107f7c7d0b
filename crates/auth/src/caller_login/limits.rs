use std::time::Duration;

use anyport_protocol::limits;

limits! {
    /// The limits of the logins of callers at servers behind a gateway.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CallerLoginLimits {
        /// How long the address of a page to connect at is good, and how long a login that was begun there may take.
        #[default(10 minutes)]
        #[limit(
            Seconds "connect_lifetime", note = " of a page at which a caller connects a server, and of the login there",
            beyond = "403: the caller calls again, and gets another one"
        )]
        pub lifetime: Duration,
        /// The number of logins of one caller that are under way at once.
        #[default(4)]
        #[limit(Count "max_open_connects", note = " logins of one caller that are under way", beyond = "429")]
        pub max_open: usize,
        /// How long a call waits for the login of its caller before the caller is asked again.
        #[default(50 s)]
        #[limit(
            Seconds "connect_wait", note = " that a call waits for the login of its caller",
            beyond = "the caller is asked again"
        )]
        pub wait: Duration,
        /// How long the tool to sign in waits for the lists of its server, after a login.
        #[default(5 s)]
        #[limit(
            Seconds "connect_list_wait", note = " that the tool to sign in waits for the tools of its server",
            beyond = "it answers, and list-changed follows with the tools"
        )]
        pub list_wait: Duration,
    }
}
