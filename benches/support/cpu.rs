//! CPU time from /proc: of this process by groups of threads, and of its descendants by program.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Sub;
use std::time::Duration;

/// A clock tick of /proc/PID/stat on Linux.
const TICK: Duration = Duration::from_millis(10);

/// What was used until a moment, or between two.
#[derive(Clone, Debug, Default)]
pub struct Cpu(pub BTreeMap<String, Duration>);

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let used = |(name, at): (String, Duration)| {
            let since = before.0.get(&name).copied().unwrap_or_default();
            (name, at.saturating_sub(since))
        };
        Self(self.0.into_iter().map(used).collect())
    }
}

/// The group of a thread by its name: librdkafka's own, the machines', the carrier's, the commit's, all others.
fn group(thread: &str) -> &'static str {
    let starts = |prefix| thread.starts_with(prefix);
    match () {
        () if starts("rdk:") => "librdkafka",
        () if starts("retain-work") => "machines",
        () if starts("retain-commit") => "commit",
        () if starts("retain-carrier") || starts("tokio") => "carrier",
        () => "other",
    }
}

/// What the threads of this process have used so far, those that are still there.
pub fn threads() -> Cpu {
    let mut cpu = Cpu::default();
    for task in fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok) {
        // A thread may end between the listing and the reading.
        let read = |file: &str| fs::read_to_string(task.path().join(file));
        let (Ok(name), Ok(stat)) = (read("comm"), read("schedstat")) else { continue };
        let ns = stat.split_whitespace().next().unwrap().parse().unwrap();
        *cpu.0.entry(group(name.trim()).to_owned()).or_default() += Duration::from_nanos(ns);
    }
    cpu
}

struct Process {
    name: String,
    parent: u32,
    used: Duration,
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks = fields[11].parse::<u32>().ok()? + fields[12].parse::<u32>().ok()?;
    let name = head.split_once('(')?.1.to_owned();
    Some(Process { name, parent: fields[1].parse().ok()?, used: TICK * ticks })
}

/// What this process and those it has started, and they in turn, have used so far, by program.
pub fn processes() -> Cpu {
    let pids = fs::read_dir("/proc").unwrap().map_while(Result::ok);
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: BTreeMap<u32, Process> = pids.filter_map(|pid| Some((pid, process(pid)?))).collect();
    let own = std::process::id();
    let mut cpu = Cpu::default();
    for (pid, process) in &all {
        let mut at = *pid;
        while at != own
            && let Some(process) = all.get(&at)
        {
            at = process.parent;
        }
        if at == own {
            let name = match process.name.as_str() {
                _ if *pid == own => "ours",
                "java" => "broker",
                name if name.starts_with("clickhouse") => "engine",
                name if name.starts_with("pipeline") => "receiver",
                _ => "scripts",
            };
            *cpu.0.entry(name.to_owned()).or_default() += process.used;
        }
    }
    cpu
}
