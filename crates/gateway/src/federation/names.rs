//! The assignment of names to the items of all members, without collisions.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::naming::{NAME_MAX, NameKind, Naming, fitted, hashed};

/// The items of one member: their own names, in the order of its list.
pub(super) struct Items<'a> {
    pub(super) member: &'a str,
    pub(super) naming: &'a Naming,
    pub(super) own: Vec<&'a str>,
    /// The numbers of those that are quarantined since nobody has accepted them yet.
    pub(super) new: HashSet<usize>,
}

/// The names of all items.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The name of each item, by the numbers of its member and of the item; `None` if clients do not see it.
    pub(super) items: Vec<Vec<Option<String>>>,
    /// Further names, with the numbers of member and item.
    pub(super) aliases: Vec<(String, usize, usize)>,
    pub(super) collisions: Vec<Collision>,
}

/// Two items that wanted one name, or one URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Collision {
    /// The name, or the URI.
    pub name: String,
    /// The member that has it.
    pub kept_by: String,
    /// The member that wanted it, too.
    pub member: String,
    /// What that member calls its item.
    pub own_name: String,
    /// The name that the item has instead; `None` if clients do not see the item under a name of its own.
    pub renamed: Option<String>,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kept_by, member, own_name, renamed } = self;
        write!(f, "{own_name:?} of {member} cannot be called {name:?}, which is an item of {kept_by}: ")?;
        match renamed {
            Some(renamed) => write!(f, "it is called {renamed:?}"),
            None => f.write_str("it is left out"),
        }
    }
}

/// Names the items of all members, which are in the order of the configuration.
///
/// Of two items that want one name, the earlier member's has it. The later gets the prefix of its member if it has none,
/// else a hash. So names depend on the lists and on the configuration alone, and not on the order in which the lists came.
///
/// 2026-07-28, server/tools §Tool Names: proxies "SHOULD implement a disambiguation strategy such as prefixing tool names
/// with a server identifier"; the server's own name "SHOULD NOT be relied upon for disambiguation".
pub(super) fn assign(kind: NameKind, members: &[Items<'_>]) -> Names {
    let unnamed = members.iter().map(|items| vec![None; items.own.len()]).collect();
    let mut names = Names { items: unnamed, ..Names::default() };
    // Each name with the numbers of its member and its item.
    let mut taken: HashMap<String, (usize, usize)> = HashMap::new();
    name_items(kind, members, false, &mut taken, &mut names);
    if members.iter().any(|items| !items.new.is_empty()) {
        // What nobody has accepted yet takes no name from what is known.
        name_items(kind, members, true, &mut taken, &mut names);
    }
    add_aliases(kind, members, &mut taken, &mut names);
    names
}

/// Names the items that nobody has accepted yet, or the others.
fn name_items(
    kind: NameKind,
    members: &[Items<'_>],
    are_new: bool,
    taken: &mut HashMap<String, (usize, usize)>,
    names: &mut Names,
) {
    for (number, items) in members.iter().enumerate() {
        let mut seen: HashSet<&str> = HashSet::with_capacity(items.own.len());
        for (item, own) in items.own.iter().enumerate() {
            let is_first = seen.insert(own);
            if items.new.contains(&item) != are_new {
                continue;
            }
            if !is_first {
                names.collisions.push(collision(own, items.member, (items.member, own), None));
            }
            if !is_first || !items.naming.offers(kind, own) {
                continue;
            }
            let wanted = items.naming.name(kind, items.member, own);
            let name = free_name(&wanted, (items.member, own), taken);
            if let Some((other, _)) = taken.get(&wanted) {
                let kept_by = members[*other].member;
                let renamed = Some(name.clone());
                names.collisions.push(collision(&wanted, kept_by, (items.member, own), renamed));
            }
            taken.insert(name.clone(), (number, item));
            names.items[number][item] = Some(name);
        }
    }
}

/// `wanted`, or the first name instead of it that is free.
fn free_name(wanted: &str, (member, own): (&str, &str), taken: &HashMap<String, (usize, usize)>) -> String {
    let prefixed = fitted(&format!("{member}_{own}"), (member, own));
    let hashes = (0..).map(|attempt| hashed(&wanted[..wanted.len().min(NAME_MAX)], (member, own), attempt));
    let mut names = [wanted.to_owned(), prefixed].into_iter().chain(hashes);
    // There are more hashes than names that are taken.
    names.find(|name| !taken.contains_key(name)).unwrap_or_default()
}

/// Aliases come after all names: none takes a name from an item.
fn add_aliases(
    kind: NameKind,
    members: &[Items<'_>],
    taken: &mut HashMap<String, (usize, usize)>,
    names: &mut Names,
) {
    for (number, items) in members.iter().enumerate() {
        for (item, own) in items.own.iter().enumerate() {
            if names.items[number][item].is_none() {
                continue;
            }
            let aliases = items.naming.item(kind, own).map(|item| item.aliases()).unwrap_or_default();
            for alias in aliases {
                match taken.get(alias) {
                    Some((other, _)) => {
                        let kept_by = members[*other].member;
                        names.collisions.push(collision(alias, kept_by, (items.member, own), None));
                    }
                    None => {
                        taken.insert(alias.clone(), (number, item));
                        names.aliases.push((alias.clone(), number, item));
                    }
                }
            }
        }
    }
}

/// A collision of the item `own` of `member`.
pub(super) fn collision(
    name: &str,
    kept_by: &str,
    (member, own): (&str, &str),
    renamed: Option<String>,
) -> Collision {
    Collision {
        name: name.to_owned(),
        kept_by: kept_by.to_owned(),
        member: member.to_owned(),
        own_name: own.to_owned(),
        renamed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::federation::ItemOverride;

    fn named(members: &[(&str, &Naming, &[&str])]) -> Names {
        let items = members.iter().map(|(member, naming, own)| Items {
            member,
            naming,
            own: own.to_vec(),
            new: HashSet::new(),
        });
        assign(NameKind::Tool, &items.collect::<Vec<_>>())
    }

    #[test]
    fn what_nobody_has_accepted_takes_no_name() {
        let bare = Naming::default().prefix("");
        let items = |member: &'static str, own: &[&'static str], new: &[usize]| Items {
            member,
            naming: &bare,
            own: own.to_vec(),
            new: new.iter().copied().collect(),
        };
        let names = |new: &[usize]| {
            let members = [items("p1", &["echo", "p2_echo"], new), items("p2", &["echo"], &[])];
            flat(&assign(NameKind::Tool, &members)).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let accepted = names(&[]);
        assert_eq!(accepted[..2], ["echo", "p2_echo"]);
        let quarantined = names(&[1]);
        assert_eq!(
            (&*quarantined[0], &*quarantined[2]),
            ("echo", "p2_echo"),
            "the accepted one keeps its name"
        );
        assert_ne!(quarantined[1], "p2_echo");
    }

    fn flat(names: &Names) -> Vec<&str> {
        names.items.iter().flatten().map(|name| name.as_deref().unwrap_or("-")).collect()
    }

    #[test]
    fn the_earlier_member_keeps_the_name() {
        let (bare, prefixed) = (Naming::default().prefix(""), Naming::default());
        let names =
            named(&[("a", &bare, &["read", "b_read"]), ("b", &bare, &["read"]), ("c", &bare, &["read"])]);
        // The prefixed name of the second is an item of the first.
        assert_eq!(flat(&names)[..2], ["read", "b_read"]);
        assert!(flat(&names)[2].starts_with("read_"), "{names:?}");
        assert_eq!(flat(&names)[3], "c_read");
        assert_eq!(names.collisions.len(), 2);
        assert_eq!(
            names.collisions[1].to_string(),
            r#""read" of c cannot be called "read", which is an item of a: it is called "c_read""#
        );
        let apart = named(&[("a", &prefixed, &["read"]), ("b", &prefixed, &["read"])]);
        assert_eq!((flat(&apart), apart.collisions.len()), (vec!["a_read", "b_read"], 0));
    }

    #[test]
    fn an_alias_takes_no_name_from_an_item() {
        let aliased = ItemOverride::default().alias("get").alias("b_read");
        let first = Naming::default().tool("read", aliased);
        let names = named(&[("a", &first, &["read"]), ("b", &Naming::default(), &["read"])]);
        assert_eq!(names.aliases, [("get".to_owned(), 0, 0)]);
        assert_eq!(names.collisions.len(), 1);
    }

    #[test]
    fn a_member_that_lists_an_item_twice_has_it_once() {
        let names = named(&[("a", &Naming::default(), &["x", "x"])]);
        assert_eq!((flat(&names), names.collisions.len()), (vec!["a_x", "-"], 1));
    }

    proptest! {
        #[test]
        fn names_are_unique_and_the_same_each_time(
            lists in prop::collection::vec((prop::bool::ANY, prop::collection::vec("[a-c._]{0,4}", 0..8)), 1..5),
        ) {
            let (bare, prefixed) = (Naming::default().prefix(""), Naming::default());
            let members: Vec<String> = (0..lists.len()).map(|number| "abcdefgh"[number..=number].to_owned()).collect();
            let items = || {
                let items = lists.iter().zip(&members).map(|((is_bare, own), member)| Items {
                    member,
                    naming: if *is_bare { &bare } else { &prefixed },
                    own: own.iter().map(|own| &**own).collect(),
                    new: HashSet::new(),
                });
                items.collect::<Vec<_>>()
            };
            let names = assign(NameKind::Tool, &items());
            let given: Vec<&String> = names.items.iter().flatten().flatten().collect();
            let distinct: HashSet<_> = given.iter().collect();
            prop_assert_eq!(distinct.len(), given.len());
            prop_assert!(given.iter().all(|name| name.len() <= NAME_MAX && !name.is_empty()));
            let again = assign(NameKind::Tool, &items());
            prop_assert_eq!(again.items, names.items);
        }
    }
}
