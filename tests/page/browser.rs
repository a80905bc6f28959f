//! Shows every page to Chromium: accessibility, both colour schemes, wide and narrow, and what the script does.
//! `tests/browser/` says how; RETAIN_PAGES names a folder in which the pages are kept, to be looked at.

use std::path::{Path, PathBuf};
use std::process::Command;

use retain::page::CONTENT_SECURITY_POLICY;
use retain::page::assets::{ICON, SCRIPT, STYLE};

use crate::views;

/// Writes every page and its files as the browser's server wants them.
fn write(folder: &Path) {
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for (name, html) in views::all() {
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
    for asset in [&*STYLE, &*SCRIPT, &*ICON] {
        std::fs::write(folder.join(asset.path.trim_start_matches('/')), asset.content).unwrap();
    }
    std::fs::write(folder.join("policy.txt"), CONTENT_SECURITY_POLICY).unwrap();
}

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(name)
}

#[test]
fn chromium_finds_nothing_wrong() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("RETAIN_PAGES").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    write(folder);
    let fetched = Command::new(tool("fetch.sh")).output().unwrap();
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let modules = String::from_utf8(fetched.stdout).unwrap();
    let looked = Command::new("node")
        .arg(tool("check.mjs"))
        .args([modules.trim()])
        .arg(folder)
        .output()
        .unwrap();
    let (said, trouble) =
        (String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr));
    assert!(looked.status.success(), "{said}\n{trouble}");
}
