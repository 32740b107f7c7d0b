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
