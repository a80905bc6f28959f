//! Cases from events: the shipped ones hold, every rule has them, a rule broken on purpose fails them, and what is wrong
//! with one is told at its place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use retain::scenario::suite::{Report, suite};

/// Every file of a folder, by name.
fn folder(path: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut files: Vec<(String, String)> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            (format!("{path}/{name}"), std::fs::read_to_string(&file).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn definitions() -> Vec<(String, String)> {
    let stem = |path: String| Path::new(&path).file_stem().unwrap().to_str().unwrap().to_owned();
    folder("pipelines").into_iter().map(|(path, text)| (stem(path), text)).collect()
}

fn shipped() -> Vec<(String, String)> {
    folder("pipelines/alerts")
}

fn ran(files: &[(String, String)]) -> Report {
    suite(files, &definitions())
}

#[test]
fn every_shipped_case_holds() {
    let report = ran(&shipped());
    assert!(report.holds, "{}", report.text);
    assert!(report.text.ends_with(" 0 failed\n"), "{}", report.text);
}
