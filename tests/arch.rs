//! The invariants of ARCHITECTURE.md that can be read off the source text: which module may use which, what no
//! module may use, how long files may get, and that no file tells where it was written.

#[path = "arch/source.rs"]
mod source;

use std::fs;

use source::{
    Source, blank_out, contains_name, crate_paths, is_name, relative, repository, root, sources,
    walk, without_tests,
};

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
