//! The modules of a target as its files declare them, each with what it defines, imports and names. What is for tests
//! only is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// `a::b::C`, in parts.
pub(crate) type Segments = Vec<String>;

/// A module: a file, or a part of one.
#[derive(Default)]
pub(crate) struct Module {
    /// The file it stands in.
    pub(crate) file: String,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// What it defines, with its types apart.
    pub(crate) items: BTreeSet<String>,
    pub(crate) types: Vec<Type>,
    /// What macros that stand among its items are given: some of it may be names that they define.
    pub(crate) given_to_macros: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths that its code names.
    pub(crate) paths: BTreeSet<Segments>,
}

/// A struct, enum, union, trait or alias.
pub(crate) struct Type {
    pub(crate) name: String,
    /// Visible outside of its module.
    pub(crate) is_shared: bool,
}

/// One name of a `use`.
pub(crate) struct Import {
    /// The name it gets here; absent for `*`.
    pub(crate) name: Option<String>,
    pub(crate) path: Segments,
    /// Passed on to other modules.
    pub(crate) is_reexport: bool,
}

/// Reads a target from its first file. `read` finds the text of a file.
pub(crate) fn modules(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<Module> {
    let mut reader = Reader { read, modules: Vec::new(), current: 0, folder: String::new(), blocks: 0 };
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let text = read(root).unwrap_or_else(|| panic!("{root} is missing"));
    reader.read_file(root.to_owned(), &text, folder.to_owned(), None);
    reader.modules
}

struct Reader<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    modules: Vec<Module>,
    current: usize,
    /// Where the files of the current module's children are.
    folder: String,
    /// How many blocks of code are around: what is defined in one is no item of the module.
    blocks: usize,
}

impl Reader<'_> {
    fn read_file(&mut self, file: String, text: &str, folder: String, parent: Option<usize>) -> usize {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.within(file, folder, parent, |reader| reader.visit_file(&syntax))
    }

    /// Reads a module, and returns its number.
    fn within(
        &mut self,
        file: String,
        folder: String,
        parent: Option<usize>,
        read: impl FnOnce(&mut Self),
    ) -> usize {
        let number = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        let before = (self.current, std::mem::replace(&mut self.folder, folder));
        self.current = number;
        read(self);
        (self.current, self.folder) = before;
        number
    }

    fn module(&mut self) -> &mut Module {
        &mut self.modules[self.current]
    }

    fn define(&mut self, name: &syn::Ident) {
        if self.blocks == 0 {
            self.module().items.insert(name.to_string());
        }
    }

    fn define_type(&mut self, name: &syn::Ident, visibility: &Visibility) {
        self.define(name);
        if self.blocks == 0 {
            let is_shared = !matches!(visibility, Visibility::Inherited);
            self.module().types.push(Type { name: name.to_string(), is_shared });
        }
    }

    fn import(&mut self, tree: &UseTree, path: &mut Segments, is_reexport: bool) {
        let (last, name) = match tree {
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, &mut path.clone(), is_reexport);
                }
                return;
            }
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                return self.import(&step.tree, path, is_reexport);
            }
            UseTree::Name(name) => (Some(name.ident.to_string()), None),
            UseTree::Rename(name) => (Some(name.ident.to_string()), Some(name.rename.to_string())),
            UseTree::Glob(_) => (None, None),
        };
        let is_glob = last.is_none();
        path.extend(last.filter(|last| last != "self" || path.is_empty()));
        let name = if is_glob { None } else { name.or_else(|| path.last().cloned()) };
        self.module().imports.push(Import { name, path: path.clone(), is_reexport });
    }

    /// Finds paths in what a macro is given, which is not parsed.
    fn paths_of(&mut self, tokens: TokenStream) {
        let mut path: Segments = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(colon) if colon.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    self.end_path(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.paths_of(group.stream());
                    }
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Segments) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.module().paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            Item::Const(item) => self.define(&item.ident),
            Item::Static(item) => self.define(&item.ident),
            Item::Fn(item) => self.define(&item.sig.ident),
            Item::Struct(item) => self.define_type(&item.ident, &item.vis),
            Item::Enum(item) => self.define_type(&item.ident, &item.vis),
            Item::Union(item) => self.define_type(&item.ident, &item.vis),
            Item::Trait(item) => self.define_type(&item.ident, &item.vis),
            Item::Type(item) => self.define_type(&item.ident, &item.vis),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let (name, parent) = (item.ident.to_string(), self.current);
        let folder = format!("{}/{name}", self.folder).trim_start_matches('/').to_owned();
        let child = match &item.content {
            Some((_, items)) => {
                let file = self.module().file.clone();
                self.within(file, folder, Some(parent), |reader| {
                    items.iter().for_each(|item| reader.visit_item(item));
                })
            }
            None => {
                let file = format!("{folder}.rs");
                // A file with a `path` of its own is not followed.
                let Some(text) = (self.read)(&file) else { return };
                self.read_file(file, &text, folder, Some(parent))
            }
        };
        self.module().children.insert(name, child);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, &mut Vec::new(), is_reexport);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        match &item.ident {
            Some(name) => self.define(name),
            None if self.blocks == 0 => {
                let given = names_of(item.mac.tokens.clone());
                self.module().given_to_macros.extend(given);
            }
            None => {}
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.blocks += 1;
        visit::visit_block(self, block);
        self.blocks -= 1;
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.paths_of(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.module().paths.insert(segments);
        }
        visit::visit_path(self, path);
    }

    // Neither names anything that is used: `pub(in crate::a)`, and what attributes say.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Only `cfg(test)` itself: what a feature brings besides is code.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg_test = || attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test");
        attribute.path().is_ident("test") || (attribute.path().is_ident("cfg") && is_cfg_test())
    })
}

fn names_of(tokens: TokenStream) -> Vec<String> {
    let names = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Ident(name) => vec![name.to_string()],
        TokenTree::Group(group) => names_of(group.stream()),
        _ => Vec::new(),
    });
    names.collect()
}
