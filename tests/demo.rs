//! `retain demo` as people run it: a process, from its first line to the totals, with nothing left behind.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Real time is at most a few seconds for each run at this speed, days per second.
const SPEED: &str = "40";

/// Starts the demo with its temporary files below `folder`.
fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_retain"))
        .args(["--set", "log.level=warn", "demo", "--exit", "--speed", SPEED])
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Command lines of all processes that name `folder`: the demo's engine does.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

fn assert_nothing_is_left(folder: &Path) {
    assert_eq!(processes_of(folder), Vec::<String>::new());
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(files.is_empty(), "{files:?}");
}

#[test]
fn the_totals_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path());
    let mut output = String::new();
    demo.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(demo.wait().unwrap().success(), "{output}");

    // The file's own figures, counted with other tools when it was added.
    let totals = [
        ("purchases applied", "6,919"),
        ("orders of all customers", "6,919"),
        ("purchases in events", "6,919"),
        ("customers who bought", "2,357"),
        ("revenue by customer", "$244,091.94"),
        ("revenue by minute", "$244,091.94"),
        ("offsets missing", "0"),
        ("offsets read twice", "0"),
    ];
    for (what, expected) in totals {
        let line = output.lines().find(|line| line.trim_start().starts_with(what));
        let line = line.unwrap_or_else(|| panic!("no line for {what} in\n{output}"));
        let words: Vec<&str> = line.trim_start()[what.len()..].split_whitespace().collect();
        assert_eq!(words, [expected, expected, "equal"], "{line}");
    }
    assert_eq!(output.matches("curl 'http://127.0.0.1:").count(), 5, "{output}");
    assert_nothing_is_left(folder.path());
}

#[test]
fn an_interrupt_ends_it_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path());
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let under_way = lines.find(|line| line.contains("complete to 199"));
    assert!(under_way.is_some(), "the demo ended before it had begun");
    assert_eq!(processes_of(folder.path()).len(), 1, "the engine is not where the test looks");

    let interrupt = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(demo.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("stopped before the end")), "{rest:?}");
    assert_nothing_is_left(folder.path());
}
