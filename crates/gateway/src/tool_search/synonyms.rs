//! Words that users and the authors of tools take for one another.
//!
//! A tool's text is a name and a sentence or two, so it seldom repeats itself in other words, as documents do: who wants to
//! "remove a folder" finds no `delete_directory` by its words. The classes are of two kinds: what one does with things of any
//! kind, and names of things that most servers have. They have no words of a single product or trade.

use anyport_ranking::stem;

/// The other words of the classes of a word, as stems. A word may be in several classes.
pub(super) fn synonyms(word: &str) -> Vec<String> {
    let stem_of_word = stem(word);
    let classes = CLASSES.iter().map(|class| class.split(' '));
    let of_word = classes.filter(|class| class.clone().any(|other| stem(other) == stem_of_word));
    let mut others: Vec<String> = of_word.flatten().map(|other| stem(other).into_owned()).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|other| *other != *stem_of_word);
    others
}

/// The classes, as words with a space between them.
const CLASSES: &[&str] = &[
    // What one does with things.
    "create add new make open setup submit",
    "delete remove erase trash drop",
    "list show display view",
    "get read fetch retrieve show view",
    "search find look lookup query google",
    "update change edit modify set",
    "move rename",
    "copy duplicate clone fork",
    "send post tell mail",
    "reply answer respond",
    "start run launch begin trigger execute invoke",
    "stop cancel end abort terminate kill",
    "undo revert restore rollback",
    "upload put push",
    "download save fetch",
    "close resolve finish done",
    "publish release share public",
    "schedule plan",
    "mute silence snooze",
    "compare diff",
    "check validate verify test",
    "include contain content",
    "give grant assign",
    "lock unlock",
    "sell sale",
    "clean vacuum hoover",
    // Names of things.
    "email mail message",
    "message chat dm",
    "direct dm",
    "issue ticket bug task",
    "folder directory dir",
    "repo repository",
    "picture image photo screenshot",
    "song track music playback",
    "meeting event appointment",
    "person people user member",
    "customer client buyer",
    "payment charge pay bill money",
    "discount coupon voucher",
    "error crash exception failure",
    "log record",
    "row entry record item",
    "page document doc article",
    "website site page url link",
    "domain dns host",
    "access permission privilege right",
    "db database",
    "build pipeline job",
    "vm instance machine server",
    "cost price amount",
    "size big large",
    "stock inventory",
    "shop store",
    "job task",
    "energy power electricity",
    "usage use consumption",
    "temperature heat warm cold",
    "weather rain snow",
    "latest last recent",
    "unread new",
    "k8s kubernetes",
    "pr pull",
    "bucket s3",
];

/// The plain form of an irregular verb's past, which no stem has; other words are their own.
pub(super) fn plain_form(word: &str) -> &str {
    IRREGULAR.iter().find(|(past, _)| *past == word).map_or(word, |(_, plain)| plain)
}

/// The verbs that tools are asked for with.
const IRREGULAR: &[(&str, &str)] = &[
    ("bought", "buy"),
    ("broke", "break"),
    ("broken", "break"),
    ("built", "build"),
    ("found", "find"),
    ("gave", "give"),
    ("given", "give"),
    ("got", "get"),
    ("kept", "keep"),
    ("left", "leave"),
    ("lost", "lose"),
    ("made", "make"),
    ("paid", "pay"),
    ("ran", "run"),
    ("sent", "send"),
    ("shown", "show"),
    ("sold", "sell"),
    ("spent", "spend"),
    ("taken", "take"),
    ("told", "tell"),
    ("took", "take"),
    ("went", "go"),
    ("written", "write"),
    ("wrote", "write"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_others_of_its_classes() {
        assert_eq!(synonyms("removed"), ["delet", "drop", "eras", "trash"]);
        assert!(synonyms("message").contains(&"chat".to_owned()));
        assert!(synonyms("message").contains(&"email".to_owned()));
        assert!(synonyms("postgres").is_empty());
    }

    #[test]
    fn irregular_verbs_are_known_by_their_plain_form() {
        assert_eq!((plain_form("sent"), plain_form("send"), plain_form("table")), ("send", "send", "table"));
    }
}
