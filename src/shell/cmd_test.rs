//! `retain test`: reads the alert rules of a folder and the definitions beside it, and runs the cases.

use std::io::{self, Write};
use std::path::Path;

use crate::scenario::suite::{Report, suite};

/// The files of rules in a folder with their texts, in the order of their names.
///
/// # Errors
/// Those of reading; with the name of the file.
pub fn read(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let named = |path: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| named(folder, error))? {
        let path = entry.map_err(|error| named(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let text = |path: &Path| std::fs::read_to_string(path).map_err(|error| named(path, error));
    paths.iter().map(|path| Ok((path.display().to_string(), text(path)?))).collect()
}

/// The definitions beside a folder of rules, by name without `.toml`, with their texts.
///
/// # Errors
/// Those of reading; with the name of the file.
pub fn definitions(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let stem = |name: &str| {
        let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        stem.unwrap_or_default()
    };
    let files = read(&folder.join(".."))?;
    Ok(files.into_iter().map(|(name, text)| (stem(&name), text)).collect())
}

/// Checks the rules and runs their cases; `out` gets every finding, every difference, and the count.
///
/// # Errors
/// Those of `out`.
pub fn test(
    files: &[(String, String)],
    definitions: &[(String, String)],
    out: &mut dyn Write,
) -> io::Result<Report> {
    let report = suite(files, definitions);
    out.write_all(report.text.as_bytes())?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_folder_has_its_definitions_beside_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/alerts");
        let definitions = definitions(&folder).unwrap();
        let names: Vec<&str> = definitions.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"customers") && names.contains(&"accounts"), "{names:?}");
        let mut out = Vec::new();
        let report = test(&read(&folder).unwrap(), &[], &mut out).unwrap();
        assert_eq!(out, report.text.into_bytes());
        assert!(!report.holds, "cases from events need a definition");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = read(Path::new("no/such/folder")).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"));
    }
}
