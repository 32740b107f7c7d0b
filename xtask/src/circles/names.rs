//! Which definition a path means, and so which file knows which.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Import, Module, Modules, Shape};

/// Who knows whom, and by which names.
pub(super) type Edges = BTreeMap<(usize, usize), BTreeSet<String>>;

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Meant {
    /// A module itself.
    Module(usize),
    /// Something that is defined in a module.
    In(usize),
    /// What another crate has.
    Elsewhere,
}

/// Whom each file of a crate knows.
pub(super) fn edges(crate_: &Modules) -> Edges {
    let mut edges = Edges::new();
    for (place, module) in crate_.modules.iter().enumerate() {
        let mut knows = |path: &[String], meant: BTreeSet<Meant>| {
            for meant in meant {
                let Meant::In(other) = meant else { continue };
                let to = crate_.modules[other].file;
                if to != module.file {
                    edges.entry((module.file, to)).or_default().extend(spoken(path).cloned());
                }
            }
        };
        for Import { path, shape, public } in &module.said.imports {
            let meant = crate_.resolve(place, path, &mut BTreeSet::new());
            // Whoever imports a module says next what of it is meant. What is passed on as a whole is all of it.
            match shape {
                Shape::Glob if *public => knows(path, meant.into_iter().map(Meant::whole).collect()),
                Shape::Glob => {}
                Shape::Named(_) | Shape::Unnamed => knows(path, meant),
            }
        }
        for path in &module.said.paths {
            knows(path, crate_.resolve(place, path, &mut BTreeSet::new()));
        }
    }
    edges
}

/// What people would call the end of a path: the type, not its function or variant.
fn spoken(path: &[String]) -> Option<&String> {
    path.iter().find(|name| name.starts_with(char::is_uppercase)).or(path.last())
}

impl Meant {
    /// What is meant where all of it is passed on.
    fn whole(self) -> Self {
        match self {
            Self::Module(module) => Self::In(module),
            other => other,
        }
    }
}

/// What is being looked up: who asks itself has no answer.
type Open<'a> = BTreeSet<(usize, &'a str)>;

impl Modules {
    /// What `path` means in a module: nothing where it leads out of the crate.
    fn resolve<'a>(&'a self, module: usize, path: &'a [String], open: &mut Open<'a>) -> BTreeSet<Meant> {
        let mut at = module;
        let mut rest = path;
        while let [first, others @ ..] = rest {
            at = match first.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => match self.modules[at].parent {
                    Some(parent) => parent,
                    None => return BTreeSet::new(),
                },
                _ => break,
            };
            rest = others;
        }
        let [first, others @ ..] = rest else { return BTreeSet::from([Meant::Module(at)]) };
        let mut meant = self.lookup(at, first, module, open);
        // A macro has made it.
        if meant.is_empty() && rest.len() < path.len() {
            return BTreeSet::from([Meant::In(at)]);
        }
        for name in others {
            let next = meant.into_iter().flat_map(|meant| match meant {
                Meant::Module(inner) => {
                    let found = self.lookup(inner, name, module, open);
                    if found.is_empty() { BTreeSet::from([Meant::In(inner)]) } else { found }
                }
                // A variant, a method: it stands where its type does.
                defined => BTreeSet::from([defined]),
            });
            meant = next.collect();
        }
        meant
    }

    /// What `name` means in a module, for who asks in the module `asked`.
    fn lookup<'a>(
        &'a self,
        place: usize,
        name: &'a str,
        asked: usize,
        open: &mut Open<'a>,
    ) -> BTreeSet<Meant> {
        if !open.insert((place, name)) {
            return BTreeSet::from([Meant::Elsewhere]);
        }
        let Module { children, said, .. } = &self.modules[place];
        let mut meant: BTreeSet<Meant> =
            children.get(name).map(|child| Meant::Module(*child)).into_iter().collect();
        if said.defined.contains(name) {
            meant.insert(Meant::In(place));
        }
        let inside = self.is_within(asked, place);
        let imports = || said.imports.iter().filter(|import| import.public || inside);
        for import in imports() {
            if matches!(&import.shape, Shape::Named(imported) if imported == name) {
                let named = self.resolve(place, &import.path, open);
                meant.extend(if named.is_empty() { BTreeSet::from([Meant::Elsewhere]) } else { named });
            }
        }
        if meant.is_empty() {
            for import in imports().filter(|import| import.shape == Shape::Glob) {
                for of in self.resolve(place, &import.path, open) {
                    if let Meant::Module(inner) = of {
                        meant.extend(self.lookup(inner, name, place, open));
                    }
                }
            }
        }
        open.remove(&(place, name));
        // A function may bear the name of a module; a variable that does so is not told from it. The module is meant.
        if meant.iter().any(|it| matches!(it, Meant::Module(_))) {
            meant.retain(|it| matches!(it, Meant::Module(_)));
        }
        meant
    }

    /// Whether a module is `outer` or stands in it, and so sees what is private there.
    fn is_within(&self, module: usize, outer: usize) -> bool {
        std::iter::successors(Some(module), |&inner| self.modules[inner].parent).any(|inner| inner == outer)
    }
}
