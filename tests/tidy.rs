//! Keeps the house in order: walks the files that git tracks and reports everything that breaks a written rule, at once.
//! The rules: imports between layers point down, headers, lengths, banned words, nothing private, links that lead somewhere.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/text.rs"]
mod text;

use std::path::Path;
use std::process::Command;

/// Written by tools, from which the names of registries cannot be kept out.
const LOCK_FILES: [&str; 2] = ["Cargo.lock", "package-lock.json"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Tracked files and those that would be added next, relative to the repository.
fn repository_files() -> Vec<String> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is needed to list the files; install it: apt-get install -y git");
    assert!(
        listing.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&listing.stderr)
    );
    let mut files: Vec<String> = String::from_utf8(listing.stdout)
        .unwrap()
        .split_terminator('\0')
        .map(str::to_string)
        .collect();
    // A file may be deleted and not yet staged.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files
}

fn violations_of(path: &str, content: &str) -> text::Violations {
    let mut wrong = Vec::new();
    if !LOCK_FILES.contains(&Path::new(path).file_name().unwrap().to_str().unwrap()) {
        wrong.extend(text::private(content));
    }
    if path.ends_with(".rs") {
        wrong.extend(text::rust(path, content));
        if path.starts_with("src/") {
            wrong.extend(layers::check(path, content));
        }
    }
    if path.ends_with(".md") {
        wrong.extend(text::links(path, content, |target| root().join(target).exists()));
    }
    wrong
}

#[test]
fn the_repository_is_tidy() {
    let files = repository_files();
    for expected in ["Cargo.toml", "src/lib.rs", "tests/tidy.rs"] {
        assert!(
            files.iter().any(|file| file == expected),
            "{expected} is not among the files; is this the repository?"
        );
    }
    let mut report = Vec::new();
    for path in files {
        let bytes = std::fs::read(root().join(&path)).unwrap();
        let mut wrong = violations_of(&path, &String::from_utf8_lossy(&bytes));
        wrong.sort();
        report.extend(wrong.into_iter().map(|(line, message)| format!("{path}:{line}: {message}")));
    }
    assert!(report.is_empty(), "{} violations:\n{}", report.len(), report.join("\n"));
}
