//! Secrets of receivers: read from their files, never shown.

use crate::shell::settings::Secret;

/// Longest secret, bytes: a file that is longer is the wrong one.
const BYTES_MAX: u64 = 16_384;

/// The secret in a file, without the line's end. `whose` is the receiver's name and the key of its file.
///
/// # Errors
/// When it cannot be read or is empty; the message names the file, never what is in it.
pub fn read(path: &str, whose: &str) -> Result<Secret, String> {
    let wrong = |why: String| format!("receiver {whose}: {path}: {why}");
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > BYTES_MAX {
        return Err(wrong(format!(
            "a secret has at most {BYTES_MAX} bytes, this file has {length}"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let text = text.trim();
    if text.is_empty() || text.contains(['\n', '\r']) {
        return Err(wrong("expected one line with the secret".to_owned()));
    }
    Ok(Secret::new(text))
}
