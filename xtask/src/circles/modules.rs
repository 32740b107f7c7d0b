//! The modules of a crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::Failure;

use super::scan;

/// Finds the text of a file below `src/`; there need be none.
pub(super) type Read<'a> = &'a dyn Fn(&Path) -> Result<Option<String>, Failure>;

/// A crate as a tree of modules. The first one is its root.
#[derive(Default)]
pub(super) struct Modules {
    pub(super) files: Vec<PathBuf>,
    pub(super) modules: Vec<Module>,
}

/// A module, in a file of its own or within another one.
pub(super) struct Module {
    /// The place of its file in [`Modules::files`].
    pub(super) file: usize,
    pub(super) parent: Option<usize>,
    /// The modules in it, by their places in [`Modules::modules`].
    pub(super) children: BTreeMap<String, usize>,
    pub(super) said: Said,
}

/// What the code of a module says, without its tests.
#[derive(Default)]
pub(super) struct Said {
    /// The names that it defines.
    pub(super) defined: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// The paths that its code says, and single names.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// The modules that it declares.
    pub(super) declared: Vec<Declared>,
}

/// One name of a `use`.
pub(super) struct Import {
    pub(super) path: Vec<String>,
    pub(super) shape: Shape,
    /// Whether others can use it from here.
    pub(super) public: bool,
}

/// What an import brings into scope.
#[derive(PartialEq, Eq)]
pub(super) enum Shape {
    /// What it names, under this name.
    Named(String),
    /// The methods of a trait.
    Unnamed,
    /// Everything in it.
    Glob,
}

/// A module that is declared: within its parent, or in a file.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) within: Option<Said>,
}

impl Modules {
    /// Reads a crate from its root, which is `lib.rs` or `main.rs`.
    pub(super) fn read(root: &Path, read: Read<'_>) -> Result<Self, Failure> {
        let mut modules = Self::default();
        let text = read(root)?.ok_or_else(|| format!("there is no {}", root.display()))?;
        modules.file(root.into(), Path::new(""), &text, None, read)?;
        Ok(modules)
    }

    /// Adds the module in the file `path`, whose own modules stand in `folder`, and all below it.
    fn file(
        &mut self,
        path: PathBuf,
        folder: &Path,
        text: &str,
        parent: Option<usize>,
        read: Read<'_>,
    ) -> Result<usize, Failure> {
        let said = scan::file(text).map_err(|error| format!("cannot parse {}: {error}", path.display()))?;
        self.files.push(path);
        self.module(self.files.len() - 1, folder, said, parent, read)
    }

    fn module(
        &mut self,
        file: usize,
        folder: &Path,
        mut said: Said,
        parent: Option<usize>,
        read: Read<'_>,
    ) -> Result<usize, Failure> {
        let declared = std::mem::take(&mut said.declared);
        let place = self.modules.len();
        self.modules.push(Module { file, parent, children: BTreeMap::new(), said });
        for Declared { name, within } in declared {
            let below = folder.join(&name);
            let child = match within {
                Some(said) => self.module(file, &below, said, Some(place), read)?,
                None => {
                    let (path, text) = find(&below, read)?;
                    self.file(path, &below, &text, Some(place), read)?
                }
            };
            self.modules[place].children.insert(name, child);
        }
        Ok(place)
    }
}

/// The file of a module whose own modules stand in `folder`.
fn find(folder: &Path, read: Read<'_>) -> Result<(PathBuf, String), Failure> {
    for path in [folder.with_extension("rs"), folder.join("mod.rs")] {
        if let Some(text) = read(&path)? {
            return Ok((path, text));
        }
    }
    Err(format!("no file of the module {}", folder.display()).into())
}
