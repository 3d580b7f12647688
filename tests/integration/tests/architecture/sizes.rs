//! Files and functions stay small enough to be read at one sitting, and each file says at its top what it is.

use syn::visit::{self, Visit};

use crate::assert_none;
use crate::workspace::{Source, sources};

const FILE_LINES: usize = 400;

/// As clippy's `too_many_lines` counts them: between the braces, without comments and blank lines.
const FUNCTION_LINES: usize = 60;

#[test]
fn files_and_functions_are_small_and_each_file_says_what_it_is() {
    let problems: Vec<String> = sources(".rs").iter().flat_map(problems).collect();
    assert_none(
        &format!(
            "a file has at most {FILE_LINES} lines, a function {FUNCTION_LINES}, and files begin with //!"
        ),
        &problems,
    );
}

fn problems(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES {
        problems.push(format!("{}: {lines} lines", source.path));
    }
    if !source.text.starts_with("//!") {
        problems.push(format!("{}: does not begin with //!", source.path));
    }
    match syn::parse_file(&source.text) {
        Ok(file) => Functions { source, problems: &mut problems }.visit_file(&file),
        Err(error) => problems.push(format!("{}: {error}", source.path)),
    }
    problems
}

struct Functions<'a> {
    source: &'a Source,
    problems: &'a mut Vec<String>,
}

impl Functions<'_> {
    fn check(&mut self, name: &syn::Ident, body: &syn::Block) {
        let first = body.brace_token.span.open().end().line;
        let last = body.brace_token.span.close().start().line;
        let between = self.source.text.lines().take(last - 1).skip(first).map(str::trim);
        let lines = between.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        if lines > FUNCTION_LINES {
            self.problems.push(format!("{}:{first}: `{name}` has {lines} lines", self.source.path));
        }
    }
}

impl Visit<'_> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &syn::ItemFn) {
        self.check(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &syn::ImplItemFn) {
        self.check(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.check(&function.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn what_is_too_long_is_found() {
    let check = |text: String, expected: &[&str]| {
        assert_eq!(problems(&Source { path: "a.rs".into(), text }), expected);
    };
    let body = |lines: usize| "    work();\n\n    // Why.\n".repeat(lines);
    check(format!("//! A.\nfn f() {{\n{}}}\n", body(60)), &[]);
    check(format!("//! A.\nfn f() {{\n{}}}\n", body(61)), &["a.rs:2: `f` has 61 lines"]);
    check(
        format!(
            "//! A.\nimpl A {{\nfn f() {{\n{}}}\n}}\ntrait B {{\nfn g() {{\n{}}}\n}}\n",
            body(61),
            body(62)
        ),
        &["a.rs:3: `f` has 61 lines", "a.rs:190: `g` has 62 lines"],
    );
    check("//! A.\n".repeat(400), &[]);
    check("//! A.\n".repeat(401), &["a.rs: 401 lines"]);
    check("// A.\nfn f() {}\n".into(), &["a.rs: does not begin with //!"]);
}
