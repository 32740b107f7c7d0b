//! The large answers that are being read from servers over HTTP.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The large answers that are being read, by the server that they come from.
#[derive(Default)]
pub(super) struct Reads {
    servers: HashMap<Arc<str>, ServerAnswers>,
    last_number: u64,
}

/// The large answers that are being read from one server.
#[derive(Default)]
struct ServerAnswers {
    bytes: usize,
    /// The numbers of the answers; the oldest has the smallest.
    numbers: BTreeSet<u64>,
}

impl Reads {
    /// Another answer of `server` is being read; returns its number.
    pub(super) fn begin(&mut self, server: &Arc<str>) -> u64 {
        self.last_number += 1;
        self.servers.entry(server.clone()).or_default().numbers.insert(self.last_number);
        self.last_number
    }

    /// An answer of `server` has `bytes` bytes in memory, where it had `before`.
    pub(super) fn count(&mut self, server: &str, before: usize, bytes: usize) {
        if let Some(of_server) = self.servers.get_mut(server) {
            of_server.bytes = of_server.bytes - before + bytes;
        }
    }

    /// An answer of `server`, which has no bytes in memory any more, is not read on.
    pub(super) fn end(&mut self, server: &str, number: u64) {
        let Some(of_server) = self.servers.get_mut(server) else { return };
        of_server.numbers.remove(&number);
        if of_server.numbers.is_empty() {
            self.servers.remove(server);
        }
    }

    /// Whether an answer of `server` may be read on while `free` bytes are free for all servers.
    ///
    /// A server may have as much as it leaves free: alone it gets half, each of two a third, and there is always room for
    /// one more. The oldest answer of each server is read even so: otherwise none of them would come to its end.
    pub(super) fn may_go_on(&self, server: &str, number: u64, free: usize) -> bool {
        self.servers
            .get(server)
            .is_none_or(|of_server| of_server.numbers.first() == Some(&number) || of_server.bytes < free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_gets_as_much_as_it_leaves_free() {
        const ALL: usize = 1_200;
        let (mut reads, mut used) = (Reads::default(), 0);
        let servers: Vec<Arc<str>> = (0..3).map(|number| format!("http://{number}").into()).collect();
        // The oldest answer of each is there, and reads nothing.
        servers.iter().for_each(|server| _ = reads.begin(server));
        let mut shares = Vec::new();
        for server in &servers {
            let number = reads.begin(server);
            let mut bytes = 0;
            while reads.may_go_on(server, number, ALL - used) {
                reads.count(server, bytes, bytes + 1);
                (bytes, used) = (bytes + 1, used + 1);
            }
            shares.push(bytes);
        }
        assert_eq!(shares, [600, 300, 150], "one that comes later finds room");
        assert!(reads.may_go_on(&servers[0], 1, 0), "its oldest answer comes to an end");
        assert!(!reads.may_go_on(&servers[0], 4, 0));
        for (server, (number, bytes)) in servers.iter().zip([(4, 600), (5, 300), (6, 150)]) {
            reads.count(server, bytes, 0);
            reads.end(server, number);
        }
        (1..).zip(&servers).for_each(|(number, server)| reads.end(server, number));
        assert!(reads.servers.is_empty());
    }
}
