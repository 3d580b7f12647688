//! `ARCHITECTURE.md` in sections, and the paths that it names.

/// A heading with what follows it, or a paragraph that begins with a name in bold: **`hubward-server`**.
pub(crate) struct Section {
    /// What is between backticks in the heading; without any, the heading.
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
    /// Between ``` and ```.
    pub(crate) is_fenced: bool,
}

impl Line {
    /// The paths that the line names, braces expanded: `a/{b,c}.rs` names two.
    pub(crate) fn paths(&self) -> Vec<String> {
        let words: Vec<&str> =
            if self.is_fenced { self.text.split_whitespace().collect() } else { quoted(&self.text) };
        words.into_iter().flat_map(expand).filter(|word| is_path(word)).collect()
    }

    /// The cells of a table's row; none on other lines, and on the line under a table's head.
    pub(crate) fn cells(&self) -> Option<Vec<&str>> {
        let row = self.text.strip_prefix('|')?.trim_end().strip_suffix('|')?;
        (!row.contains("--")).then(|| row.split('|').map(str::trim).collect())
    }
}

pub(crate) fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section { title: String::new(), lines: Vec::new() }];
    let mut is_fenced = false;
    for (index, text) in text.lines().enumerate() {
        if text.starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        if !is_fenced && (text.starts_with('#') || text.starts_with("**`")) {
            let title = quoted(text).first().copied().unwrap_or(text.trim_start_matches('#').trim());
            sections.push(Section { title: title.to_owned(), lines: Vec::new() });
        }
        let line = Line { number: index + 1, text: text.to_owned(), is_fenced };
        sections.last_mut().unwrap().lines.push(line);
    }
    sections
}

fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn expand(word: &str) -> Vec<String> {
    let braces = word.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (choices, after))) = braces else { return vec![word.to_owned()] };
    choices.split(',').flat_map(|choice| expand(&format!("{before}{choice}{after}"))).collect()
}

/// What has a slash or a file's ending and nothing else in it; not what begins with a slash, as paths of URLs do.
fn is_path(word: &str) -> bool {
    let endings = [".rs", ".md", ".toml", ".sh", ".mjs", ".json"];
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let has_mark = word.contains('/') || endings.iter().any(|ending| word.ends_with(ending));
    has_mark && !word.starts_with('/') && word.chars().all(is_name)
}

#[test]
fn paths_are_distinguished_from_other_code() {
    let check = |text: &str, is_fenced: bool, expected: &[&str]| {
        assert_eq!(Line { number: 1, text: text.into(), is_fenced }.paths(), expected, "{text}");
    };
    check("`a/` holds `b.rs` and `c/d.md`, not e/f.", false, &["a/", "b.rs", "c/d.md"]);
    check("`a/{b,c}.rs` `{d,e}/f.rs`", false, &["a/b.rs", "a/c.rs", "d/f.rs", "e/f.rs"]);
    check("`cx.user()` `/hubs/chat` `HubError::text` `cargo run x/y`", false, &[]);
    check(
        "hub.rs  connection/{input,output}.rs",
        true,
        &["hub.rs", "connection/input.rs", "connection/output.rs"],
    );
}
