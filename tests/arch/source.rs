//! Source text as the rules see it: without comments, strings and tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file below `src`.
pub struct Source {
    /// Below the repository's root, with `/`.
    pub path: String,
    /// `["doc", "level"]` for `src/doc/level.rs`; `["doc"]` for `src/doc/mod.rs`.
    pub module: Vec<String>,
    /// The code outside of tests; comments and the contents of strings are blanks.
    pub code: String,
}

pub fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "rs"))
        .map(|file| {
            let path = relative(&file);
            let mut module: Vec<String> = path
                .trim_start_matches("src/")
                .trim_end_matches(".rs")
                .split('/')
                .map(str::to_owned)
                .collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let text = fs::read_to_string(&file).unwrap();
            let code = if module.iter().any(|part| part == "tests") {
                String::new()
            } else {
                without_tests(&blank_out(&text))
            };
            Source { path, module, code }
        })
        .collect()
}

pub fn relative(file: &Path) -> String {
    let below = file.strip_prefix(root()).unwrap_or(file);
    below.to_string_lossy().replace('\\', "/")
}

/// All files below a folder, but none of build outputs and the like.
pub fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let skipped = [".git", "target", "runs", "out", "__pycache__"];
        if skipped.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The files of the repository: the tracked and the new ones if git can tell, else all.
pub fn repository() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success() && !output.stdout.is_empty());
    match listed {
        Some(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| root().join(line))
            .filter(|path| path.is_file())
            .collect(),
        None => {
            let mut files = Vec::new();
            walk(root(), &mut files);
            files
        }
    }
}

/// Replaces comments and the contents of strings and characters by blanks; lines stay where they are.
pub fn blank_out(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while at < chars.len() {
        let rest = &chars[at..];
        let before = at.checked_sub(1).map_or(' ', |i| chars[i]);
        let end = match rest {
            ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => quoted(rest),
            ['r', '"' | '#', ..] | ['b', 'r', '"' | '#', ..]
                if !before.is_alphanumeric() && before != '_' =>
            {
                raw_string(rest)
            }
            ['\'', '\\', ..] => {
                2 + rest[2..]
                    .iter()
                    .skip(1)
                    .position(|&c| c == '\'')
                    .map_or(1, |i| i + 2)
            }
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if end == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            let end = end.min(rest.len());
            out.extend(rest[..end].iter().map(|&c| blank(c)));
            at += end;
        }
    }
    out
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a raw string, or 0 if it is none (such as `r#type`).
fn raw_string(rest: &[char]) -> usize {
    let prefix = rest.iter().take_while(|&&c| c == 'r' || c == 'b').count();
    let hashes = rest[prefix..].iter().take_while(|&&c| c == '#').count();
    let start = prefix + hashes;
    if rest.get(start) != Some(&'"') {
        return 0;
    }
    let mut at = start + 1;
    while at < rest.len() {
        let closes = rest[at] == '"' && rest[at + 1..].iter().take(hashes).all(|&c| c == '#');
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    rest.len()
}

/// Cuts out what stands under `#[cfg(test)]`: the next item, up to its `;` or its closing brace.
pub fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let mut depth = 0;
        let end = item
            .char_indices()
            .find_map(|(i, c)| {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                let ends = depth == 0 && (c == '}' || c == ';');
                ends.then_some(i + 1)
            })
            .unwrap_or(item.len());
        rest = &item[end..];
    }
    out.push_str(rest);
    out
}

pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths below the crate that a file's code names: "doc::Level" for `crate::doc::Level`.
pub fn crate_paths(source: &Source) -> Vec<String> {
    let compact: String = source.code.split_whitespace().collect::<Vec<_>>().join(" ");
    let compact = compact
        .replace(" ::", "::")
        .replace(":: ", "::")
        .replace("{ ", "{");
    let climb = "super::".repeat(source.module.len());
    let mut paths = Vec::new();
    for prefix in ["crate::", climb.as_str()] {
        for (at, _) in compact.match_indices(prefix) {
            let before = compact[..at].chars().next_back().unwrap_or(' ');
            if is_name(before) || before == ':' {
                continue;
            }
            collect_paths("", &compact[at + prefix.len()..], &mut paths);
        }
    }
    paths
}

/// Reads a path or a `{…}` group of paths.
fn collect_paths(parent: &str, text: &str, paths: &mut Vec<String>) {
    if let Some(group) = text.strip_prefix('{') {
        let (mut depth, mut start) = (0, 0);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    let item = group[start..i].trim();
                    if !item.is_empty() {
                        collect_paths(parent, item, paths);
                    }
                    start = i + 1;
                    if c == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
    let path = if parent.is_empty() {
        text[..end].to_owned()
    } else {
        format!("{parent}::{}", &text[..end])
    };
    match text[end..].strip_prefix("::") {
        Some(rest) => collect_paths(&path, rest, paths),
        None => paths.push(path),
    }
}

pub fn contains_name(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let after = code[at + name.len()..].chars().next().unwrap_or(' ');
        !is_name(before) && before != ':' && before != '.' && !is_name(after)
    })
}
