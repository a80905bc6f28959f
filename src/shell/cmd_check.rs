//! `retain check`: shows what is wrong with a definition, or what it guarantees.

use std::io::{self, Write};

/// Writes every finding; for a definition without errors also its guarantees. The texts are ready to be shown:
/// findings with `FILE:LINE`, guarantees as sentences. `guarantees` is `None` when the definition cannot be used.
///
/// # Errors
/// Those of `out`.
pub fn print(
    file_name: &str,
    findings: &[String],
    guarantees: Option<&[String]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    let Some(guarantees) = guarantees else {
        let count = findings.len();
        let word = if count == 1 { "error" } else { "errors" };
        return writeln!(out, "{file_name}: {count} {word}");
    };
    writeln!(out, "{file_name}: ok")?;
    guarantees.iter().try_for_each(|sentence| writeln!(out, "  {sentence}"))
}
