//! `retain config`: the effective settings with their origin, and the reference page of all keys.

use std::io::{self, Write};

use super::origin::{Effective, SECRET_KEYS};

/// Writes every effective value with its origin as a table; secrets are masked already.
///
/// # Errors
/// Those of `out`.
pub fn print(effective: &[Effective], out: &mut dyn Write) -> io::Result<()> {
    let keys = effective.iter().map(|e| e.key.len()).max().unwrap_or(0);
    let values = effective.iter().map(|e| e.value.len()).max().unwrap_or(0).min(40);
    for Effective { key, value, origin } in effective {
        let value = if value.is_empty() { "-" } else { value };
        writeln!(out, "{key:keys$}  {value:values$}  {origin}")?;
    }
    Ok(())
}

/// The reference page (docs/settings.md), made from the default file: its comments are the meanings.
pub fn reference(default_file: &str) -> String {
    let mut page = String::from(
        "# Settings\n\n\
         Made from `config/default.toml` by `retain config --reference`; a test holds the two together.\n\
         `retain config` shows the effective values and where each comes from.\n\n",
    );
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in default_file.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name.to_owned();
            page.push_str(&format!("## {section}\n\n"));
            if !comment.is_empty() {
                page.push_str(&format!("{}\n\n", comment.join("\n")));
            }
            if section != "kafka.properties" {
                page.push_str("| key | default | environment | meaning |\n|---|---|---|---|\n");
            }
            comment.clear();
        } else if let Some((name, value)) = line.split_once(" = ") {
            let key = format!("{section}.{name}");
            page.push_str(&row(&key, value, &comment.join(" ")));
            comment.clear();
        } else {
            // An empty line ends the head of the file, or the table of a section.
            if section.is_empty() {
                page.push_str(&comment.join("\n"));
            }
            page.push('\n');
            if section.is_empty() {
                page.push('\n');
                comment.clear();
            }
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn row(key: &str, value: &str, meaning: &str) -> String {
    let name = format!("RETAIN__{}", key.to_uppercase().replace('.', "__"));
    let shown = if value == "\"\"" { "not set".to_owned() } else { format!("`{value}`") };
    let file =
        if SECRET_KEYS.contains(&key) { format!(" or `{name}_FILE`") } else { String::new() };
    format!("| `{key}` | {shown} | `{name}`{file} | {meaning} |\n")
}
