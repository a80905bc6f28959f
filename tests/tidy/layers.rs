//! Knows the layers of the library and which of them a file may import: only lower ones, never a sibling.

use crate::scan::{code_only, identifier, line_of, matching_brace, words};

/// The modules directly below `src/`, lowest layer first; those in one row are siblings.
/// ARCHITECTURE.md explains them; a new module is entered here when its place is decided.
const LAYERS: [&[&str]; 9] = [
    &["model"],
    &["rule"],
    &["wire", "decode", "plan", "signal", "generate", "api"],
    &["alert"],
    &["flow", "engine", "account", "notify", "page"],
    &["snapshot", "invariants", "explain"],
    &["machine"],
    &["scenario"],
    &["shell"],
];

/// The roots of the two crates: they join everything.
const ROOTS: [&str; 2] = ["lib", "main"];

/// A reference to a top-level module: where (1-based line) and to which.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    line: usize,
    module: String,
}

/// What is wrong with the imports of the file `path` (relative to the repository, below `src/`): line and message.
pub fn check(path: &str, text: &str) -> Vec<(usize, String)> {
    let modules = module_path(path);
    let own = modules[0].as_str();
    if ROOTS.contains(&own) {
        return Vec::new();
    }
    let Some(own_rank) = rank(own) else {
        return vec![(
            1,
            format!("module {own} has no layer; enter it in LAYERS of tests/tidy/layers.rs"),
        )];
    };
    let mut wrong = Vec::new();
    for Import { line, module } in imports(text, depth(&modules)) {
        let message = match rank(&module) {
            _ if module == own => continue,
            Some(other) if other < own_rank => continue,
            Some(other) if other == own_rank => {
                format!("{own} imports its sibling {module}; let the layer above join them")
            }
            Some(_) => {
                format!("{own} imports {module}, a layer above it; hand it the value instead")
            }
            None => format!(
                "{own} imports `crate::{module}`, which is no layer; name the module that defines it"
            ),
        };
        wrong.push((line, message));
    }
    wrong
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// `src/engine/shard/mod.rs` and `src/engine/shard.rs` are `[engine, shard]`.
fn module_path(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.trim_end_matches("/mod").split('/').map(str::to_string).collect()
}

fn depth(modules: &[String]) -> usize {
    if modules.len() == 1 && ROOTS.contains(&modules[0].as_str()) { 0 } else { modules.len() }
}

/// Every `crate::x`, `crate::{x, y::z}`, and every `super::…` that climbs up to the crate's root.
fn imports(text: &str, depth: usize) -> Vec<Import> {
    let code = code_only(text);
    let inline = inline_modules(&code);
    let mut found = Vec::new();
    for at in words(&code, "crate") {
        if let Some(next) = after_colons(&code, at + "crate".len()) {
            found.extend(roots(&code, next));
        }
    }
    for at in words(&code, "super") {
        // Only the first of `super::super::x`; the rest of the run is climbed from there.
        if code[..at].trim_end().ends_with("super::") {
            continue;
        }
        let (mut next, mut left) = (at, depth + inline.iter().filter(|m| m.contains(&at)).count());
        while code[next..].starts_with("super") && left > 0 {
            let Some(after) = after_colons(&code, next + "super".len()) else {
                break;
            };
            next = after;
            left -= 1;
        }
        if left == 0 {
            found.extend(roots(&code, next));
        }
    }
    found.sort_by_key(|import| import.line);
    found
}

/// The bodies of `mod x { … }`: a `super` inside one climbs a step less.
fn inline_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for at in words(code, "mod") {
        let rest = &code[at + 3..];
        let Some(open) = rest.find(['{', ';']).filter(|&o| rest.as_bytes()[o] == b'{') else {
            continue;
        };
        let open = at + 3 + open;
        found.push(open..matching_brace(code.as_bytes(), open));
    }
    found
}

/// Past `::` and blanks, where they follow.
fn after_colons(code: &str, at: usize) -> Option<usize> {
    let rest = code[at..].trim_start().strip_prefix("::")?.trim_start();
    Some(code.len() - rest.len())
}

/// The names at `at`: one, or the heads of a group `{a::b, c}`; a glob counts as the module `*`.
fn roots(code: &str, at: usize) -> Vec<Import> {
    let bytes = code.as_bytes();
    let mut starts = vec![at];
    if bytes.get(at) == Some(&b'{') {
        starts[0] = at + 1;
        let mut nesting = 0_i32;
        let close = matching_brace(bytes, at);
        for (inner, &byte) in bytes.iter().enumerate().take(close).skip(at + 1) {
            match byte {
                b'{' => nesting += 1,
                b'}' => nesting -= 1,
                b',' if nesting == 0 => starts.push(inner + 1),
                _ => {}
            }
        }
    }
    let import = |start: usize| {
        let name = identifier(code, start);
        let glob = code[start..].trim_start().starts_with('*');
        let blank = code[start..].len() - code[start..].trim_start().len();
        let module = if glob { "*".to_string() } else { name };
        (!module.is_empty()).then(|| Import { line: line_of(code, start + blank), module })
    };
    starts.into_iter().filter_map(import).collect()
}

#[cfg(test)]
fn seen(text: &str, depth: usize) -> Vec<(usize, String)> {
    imports(text, depth).into_iter().map(|i| (i.line, i.module)).collect()
}

#[test]
fn sees_every_way_to_name_a_module() {
    let named = |line: usize, module: &str| (line, module.to_string());
    assert_eq!(
        seen("use crate::model::Time;\nlet x = crate::plan::f();", 1),
        [named(1, "model"), named(2, "plan")]
    );
    let group = "use crate::{\n  flow::{merge::A, B},\n  signal, wire::*,\n};";
    assert_eq!(seen(group, 1), [named(2, "flow"), named(3, "signal"), named(3, "wire")]);
    assert_eq!(seen("// crate::a::b\n\"crate::c::d\";", 1), []);
    assert_eq!(seen("pub(crate) fn f() {}\nuse crate::*;", 1), [named(2, "*")]);
}

#[test]
fn sees_super_that_reaches_the_root() {
    let named = |module: &str| [(1, module.to_string())];
    assert_eq!(seen("use super::engine::X;", 1), named("engine"));
    assert_eq!(seen("use super::engine::X;", 2), []);
    assert_eq!(seen("use super::super::{shell};", 2), named("shell"));
    assert_eq!(seen("mod tests { use super::*; }", 1), []);
    assert_eq!(seen("mod tests { use super::super::lab::X; }", 1), named("lab"));
}

#[test]
fn imports_point_down_only() {
    let count = |path: &str, text: &str| check(path, text).len();
    assert_eq!(count("src/engine/apply.rs", "use crate::{model::A, signal::B, engine::C};"), 0);
    assert_eq!(count("src/engine/apply.rs", "use crate::flow::A;"), 1);
    assert_eq!(count("src/plan/mod.rs", "use crate::wire::A;"), 1);
    assert_eq!(count("src/model/time.rs", "fn f() { super::super::engine::g() }"), 1);
    assert_eq!(count("src/snapshot.rs", "use crate::engine::A;"), 0);
    assert_eq!(count("src/snapshot.rs", "use crate::invariants::A;"), 1);
    assert_eq!(count("src/machine.rs", "use crate::{flow::A, engine::B, snapshot::C};"), 0);
    assert_eq!(count("src/lab/fit.rs", "use crate::shell::A;"), 1);
    assert_eq!(count("src/flow/merge.rs", "use crate::Record;"), 1);
    assert_eq!(count("src/helpers.rs", ""), 1);
    assert_eq!(count("src/main.rs", "use crate::anything::A;"), 0);
}
