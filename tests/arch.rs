//! The invariants of ARCHITECTURE.md that can be read off the source text: which module may use which, what no
//! module may use, how long files may get, and that no file tells where it was written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every module of the crate and the modules it may use. `cli` and `main.rs` may use all of them.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("doc", &[]),
    ("io", &["doc"]),
    ("model", &["doc"]),
    ("sampler", &["doc"]),
    ("pipeline", &["doc", "model", "sampler"]),
    ("engine", &["doc", "model", "pipeline"]),
    ("gpu", &["doc"]),
    // Of models it reads headers only, and estimates.
    ("hub", &["io", "model"]),
    // Of the pipeline the window uses the events, of the hub the messages and the threads behind them: plain data.
    (
        "ui",
        &[
            "doc",
            "engine",
            "gpu",
            "hub::message",
            "hub::service",
            "io",
            "pipeline::event",
        ],
    ),
    ("world", &["io"]),
    ("data", &["doc", "io", "world"]),
    ("eval", &["data", "doc", "io", "model", "pipeline", "world"]),
    (
        "cli",
        &[
            "data", "doc", "engine", "eval", "gpu", "hub", "io", "model", "pipeline", "sampler",
            "ui", "world",
        ],
    ),
];

/// Names that do not occur in a module's code.
const NEVER: [(&str, &[&str]); 10] = [
    (
        "doc",
        &[
            "candle_core",
            "candle_nn",
            "egui",
            "image",
            "rayon",
            "std::env",
            "std::fs",
            "std::io",
            "std::net",
            "std::process",
            "std::thread",
            "tokio",
            "wgpu",
        ],
    ),
    ("io", &["candle_core", "egui", "wgpu"]),
    ("model", &["egui", "eframe", "std::thread", "wgpu"]),
    ("sampler", &["egui", "std::fs", "std::thread", "wgpu"]),
    ("pipeline", &["egui", "std::fs", "std::thread", "wgpu"]),
    ("engine", &["egui", "eframe", "wgpu"]),
    ("gpu", &["candle_core", "candle_nn"]),
    (
        "hub",
        &["candle_core", "candle_nn", "egui", "eframe", "wgpu"],
    ),
    ("ui", &["candle_core", "candle_nn", "candle_transformers"]),
    ("data", &["candle_core", "egui", "wgpu"]),
];

/// What no code outside tests contains: what panics on purpose, or when the other end of stderr is gone, and what grows
/// or runs without a name.
const BANNED: [&str; 11] = [
    ".unwrap()",
    ".expect(",
    "todo!",
    "unimplemented!",
    "dbg!",
    "panic!(",
    "unbounded_channel",
    "mpsc::channel(",
    "thread::spawn(",
    "println!(",
    "print!(",
];

/// What only `io` may do: files are written beside their places and renamed.
const WRITES: [&str; 3] = ["File::create", "fs::write(", ".save("];

/// Where those words stand for something else: methods of the window's own, and models for tests, which are written
/// into new folders by a module that may not use `io`.
const OWN_WRITES: [(&str, &str); 2] =
    [("src/ui/", ".save("), ("src/model/random.rs", "fs::write(")];

/// No source file is longer than this.
const MAX_LINES: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file below `src`.
struct Source {
    /// Below the repository's root, with `/`.
    path: String,
    /// `["doc", "level"]` for `src/doc/level.rs`; `["doc"]` for `src/doc/mod.rs`.
    module: Vec<String>,
    /// The code outside of tests; comments and the contents of strings are blanks.
    code: String,
}

fn sources() -> Vec<Source> {
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

fn relative(file: &Path) -> String {
    let below = file.strip_prefix(root()).unwrap_or(file);
    below.to_string_lossy().replace('\\', "/")
}

/// All files below a folder, but none of build outputs and the like.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
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
fn repository() -> Vec<PathBuf> {
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
fn blank_out(text: &str) -> String {
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
fn without_tests(code: &str) -> String {
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

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths below the crate that a file's code names: "doc::Level" for `crate::doc::Level`.
fn crate_paths(source: &Source) -> Vec<String> {
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

fn contains_name(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let after = code[at + name.len()..].chars().next().unwrap_or(' ');
        !is_name(before) && before != ':' && before != '.' && !is_name(after)
    })
}

#[test]
fn the_table_names_every_module() {
    let lib = blank_out(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let mut declared: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mut listed: Vec<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(declared, listed);
}

#[test]
fn modules_use_only_what_they_may() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((module, may)) = MAY_USE.iter().find(|(name, _)| *name == source.module[0]) else {
            continue;
        };
        for path in crate_paths(&source) {
            let first = path.split("::").next().unwrap_or_default();
            if first == *module || !MAY_USE.iter().any(|(name, _)| *name == first) {
                continue;
            }
            let allowed = may
                .iter()
                .any(|may| path == *may || path.starts_with(&format!("{may}::")));
            if !allowed {
                wrong.push(format!("{} uses {path}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_modules_may_use_they_use() {
    for (module, may) in MAY_USE.iter().filter(|(module, _)| *module != "cli") {
        let sources = sources();
        let own = sources.iter().filter(|source| source.module[0] == *module);
        let paths: Vec<String> = own.flat_map(crate_paths).collect();
        for may in may.iter() {
            let below = format!("{may}::");
            let used = |path: &String| path == may || path.starts_with(&below);
            assert!(paths.iter().any(used), "{module} does not use {may}");
        }
    }
}

#[test]
fn the_map_says_what_is_tested() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (module, may) in MAY_USE.iter().filter(|(module, _)| *module != "cli") {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| `{module}` |")));
        let cell = row.unwrap().trim_end_matches('|').rsplit('|').next();
        // Every second part stands between backquotes.
        let mut told: Vec<&str> = cell.unwrap().split('`').skip(1).step_by(2).collect();
        told.sort_unstable();
        assert_eq!(told, *may, "{module}");
    }
}

#[test]
fn modules_name_nothing_that_is_kept_from_them() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (_, names) in NEVER.iter().filter(|(m, _)| *m == source.module[0]) {
            for name in names.iter() {
                // A crate is named by a path, as opposed to a variable of the same name.
                let named = match name.contains("::") {
                    true => contains_name(&source.code, name),
                    false => {
                        source.code.contains(&format!("{name}::"))
                            && contains_name(&source.code.replace("::", " :: "), name)
                    }
                };
                let grouped = name
                    .strip_prefix("std::")
                    .is_some_and(|rest| std_group_has(&source.code, rest));
                if named || grouped {
                    wrong.push(format!("{} names {name}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `use std::{…}` names a module of the standard library.
fn std_group_has(code: &str, module: &str) -> bool {
    code.match_indices("use std::{").any(|(at, start)| {
        let group = &code[at + start.len()..];
        let group = &group[..group.find(';').unwrap_or(group.len())];
        contains_name(group, module)
    })
}

#[test]
fn code_outside_tests_does_not_panic_on_purpose() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            for banned in BANNED.iter().filter(|banned| line.contains(*banned)) {
                wrong.push(format!(
                    "{}: {banned} (line {} or later)",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_io_writes_files() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module[0] != "io") {
        for word in WRITES.iter().filter(|word| source.code.contains(*word)) {
            let own = |(place, own): &(&str, &str)| source.path.starts_with(place) && own == word;
            if !OWN_WRITES.iter().any(own) {
                wrong.push(format!("{}: {word}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_is_run() {
    let ignored = format!("#[{}", "ignore");
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    walk(&root().join("tests"), &mut files);
    let wrong: Vec<String> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "rs"))
        .filter(|file| fs::read_to_string(file).unwrap().contains(&ignored))
        .map(|file| relative(file))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_package_is_complete() {
    for file in [
        ".ci/run",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.lock",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "clippy.toml",
        "deny.toml",
        "scripts/test",
        "training/README.md",
    ] {
        assert!(root().join(file).is_file(), "{file} is missing");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for line in [
        "license = \"MIT OR Apache-2.0\"",
        "edition = \"2024\"",
        "rust-version = \"1.95\"",
        "default = []",
    ] {
        assert!(manifest.contains(line), "Cargo.toml lacks {line}");
    }
    // What is not in a registry cannot be built elsewhere.
    for source in ["git = ", "[patch", "path = \"../"] {
        assert!(!manifest.contains(source), "Cargo.toml has {source}");
    }
}

#[test]
fn files_stay_readable() {
    let wrong: Vec<String> = repository()
        .into_iter()
        .filter(|file| {
            file.extension()
                .is_some_and(|e| ["rs", "wgsl", "py"].iter().any(|known| e == *known))
        })
        .filter_map(|file| {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            (lines > MAX_LINES).then(|| format!("{}: {lines} lines", relative(&file)))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "split these at {MAX_LINES} lines:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_file_tells_where_it_was_written() {
    // Put together here, so that this file does not hold them.
    let folders = ["home", "root", "tmp", "work", "Users"].map(|name| format!("/{name}/"));
    let mut wrong = Vec::new();
    for file in repository() {
        // Only texts that people write; a vocabulary of a model may hold anything.
        let large = fs::metadata(&file).is_ok_and(|data| data.len() > 1 << 20);
        let Some(text) = (!large).then(|| fs::read_to_string(&file).ok()).flatten() else {
            continue;
        };
        if relative(&file).ends_with("tokenizer.json") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for folder in &folders {
                let absolute = line.match_indices(folder.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back().unwrap_or(' ');
                    !is_name(before) && !"./-}~$".contains(before)
                });
                if absolute {
                    wrong.push(format!("{}:{}: {folder}", relative(&file), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_code_sees_what_it_should() {
    let source = |module: &[&str], text: &str| Source {
        path: String::new(),
        module: module.iter().map(|part| (*part).to_owned()).collect(),
        code: without_tests(&blank_out(text)),
    };
    let text = r##"
        //! See [`crate::ui`].
        use crate::doc::{Level, plane::Plane};
        use crate::{
            io,
            gpu::{self, stage::Stage},
        };
        const TEXT: &str = "crate::eval";
        const RAW: &str = r#"crate::eval " "#;
        fn f<'a>(x: &'a str) -> char { crate::pipeline::event::go(x); '"' }
        #[cfg(test)]
        mod tests { use crate::world::X; }
        use super::super::model::T;
    "##;
    let mut paths = crate_paths(&source(&["cli", "plan"], text));
    paths.sort();
    assert_eq!(
        paths,
        [
            "doc::Level",
            "doc::plane::Plane",
            "gpu::self",
            "gpu::stage::Stage",
            "io",
            "model::T",
            "pipeline::event::go"
        ]
    );
    assert_eq!(
        crate_paths(&source(&["doc"], "use super::ui::X;")),
        ["ui::X"]
    );
    assert!(std_group_has("use std::{fmt, fs};", "fs"));
    assert!(!std_group_has("use std::{fmt};", "fs"));
}
