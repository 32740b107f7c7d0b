//! The store: missing, damaged, of another program, and backups that are none.

use super::{Case, check};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a store that was never made",
        words: &["store", "check"],
        what: &["has no store"],
        place: &["{home}/state/anyport/store"],
        next: &["--state-dir DIR"],
        ..Case::NEW
    },
    Case {
        name: "a backup of a store that was never made",
        words: &["store", "backup", "backup.db"],
        what: &["has no store"],
        place: &["{home}/state/anyport/store"],
        next: &["--state-dir DIR"],
        ..Case::NEW
    },
    Case {
        name: "a store that is no database",
        files: &[(
            "state/anyport/store/anyport.db",
            "this is no database, and it is longer than the head of one is: a hundred bytes.....",
        )],
        words: &["store", "check"],
        what: &["file is not a database"],
        place: &["{home}/state/anyport/store"],
        next: &["anyport store restore FILE"],
        ..Case::NEW
    },
    Case {
        name: "a backup that is not there",
        words: &["store", "restore", "backup.db"],
        what: &["No such file"],
        place: &["backup.db"],
        next: &["anyport store backup FILE"],
        ..Case::NEW
    },
    Case {
        name: "a backup that is something else",
        files: &[(
            "notes.txt",
            "these are notes, and they are longer than the head of a database is: a hundred bytes...",
        )],
        words: &["store", "restore", "notes.txt"],
        what: &["is no whole backup", "file is not a database"],
        place: &["notes.txt"],
        next: &["anyport store backup FILE"],
        ..Case::NEW
    },
    Case {
        name: "a store in memory, which no command can reach",
        words: &["store", "check", "--store", "memory"],
        exit: 2,
        what: &["ends with its process"],
        place: &["in memory"],
        next: &["--store URL"],
        ..Case::NEW
    },
    Case {
        name: "a key in a store in memory",
        words: &["key", "create", "robot", "--store", "memory"],
        exit: 2,
        what: &["in one process alone"],
        place: &["in memory"],
        next: &["sqlite:FOLDER"],
        ..Case::NEW
    },
    Case {
        name: "a store that is none, with a password",
        words: &["store", "check", "--store", "http://me:hidden-4711@127.0.0.1"],
        exit: 2,
        what: &["it is no store"],
        place: &["--store"],
        next: &["nats://HOST:PORT"],
        never: &["hidden-4711"],
        ..Case::NEW
    },
    Case {
        name: "a store at a port where nobody listens",
        words: &["store", "check", "--store", "nats://me:hidden-4711@127.0.0.1:{port}"],
        what: &["the store cannot be reached"],
        place: &["nats://127.0.0.1:{port}"],
        next: &["JetStream"],
        never: &["hidden-4711"],
        ..Case::NEW
    },
    Case {
        name: "a copy of a store onto itself",
        words: &["store", "copy", "sqlite:a", "sqlite:a"],
        exit: 2,
        what: &["the same store"],
        place: &["FROM and TO"],
        next: &["name two stores"],
        ..Case::NEW
    },
    Case {
        name: "a copy of a store that is not there",
        words: &["store", "copy", "sqlite:a", "sqlite:b"],
        what: &["has no store"],
        place: &["{home}/a"],
        next: &["--store URL"],
        ..Case::NEW
    },
    Case {
        name: "a store of NATS without a key",
        words: &["serve", "--port", "0", "--store", "nats://127.0.0.1:{port}"],
        exit: 2,
        what: &["need one key"],
        place: &["a store of NATS"],
        next: &["--state-key state.key", "openssl rand -base64 32"],
        ..Case::NEW
    },
    Case {
        name: "a state key that is none",
        files: &[("state.key", "no key")],
        words: &["serve", "--port", "0", "--state-key", "state.key"],
        exit: 2,
        what: &["its line 1 is not Base64 of 32 bytes"],
        place: &["state.key"],
        next: &["openssl rand -base64 32"],
        never: &["no key\""],
        ..Case::NEW
    },
    Case {
        name: "a password in the file of a gateway",
        files: &[(
            "anyport.toml",
            "[store]\nurl = \"nats://a\"\nuser = \"me\"\npassword = \"hidden-4711\"\n[knowledge.a]\ndocs = [\".\"]\n",
        )],
        words: &["config", "check"],
        exit: 2,
        what: &["never the secret itself"],
        place: &["anyport.toml:4", "password of [store]"],
        next: &["correct the file"],
        never: &["hidden-4711"],
        ..Case::NEW
    },
    Case {
        name: "a command of the store that there is not",
        words: &["store", "chekc"],
        exit: 2,
        what: &["chekc"],
        place: &["chekc"],
        next: &["check"],
        ..Case::NEW
    },
];

#[test]
fn faults_of_the_store_say_what_where_and_what_next() {
    check(CASES);
}
