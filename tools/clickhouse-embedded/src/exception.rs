//! ClickHouse exceptions as clients know them: code, text, HTTP status, and the form at the end of a broken answer.

use crate::engine::EngineError;
use axum::http::StatusCode;

/// Code of an exception whose text carries none (ClickHouse: UNKNOWN_EXCEPTION).
const UNKNOWN: u32 = 1002;

/// One exception: "Code: 60. DB::Exception: ... (UNKNOWN_TABLE)".
#[derive(Debug)]
pub struct Exception {
    code: u32,
    text: String,
}

impl Exception {
    /// An exception of this layer, with ClickHouse's code and name for its kind.
    pub fn new(code: u32, name: &str, message: impl std::fmt::Display) -> Self {
        Exception { code, text: format!("Code: {code}. DB::Exception: {message}. ({name})") }
    }

    /// Code 36: the request makes no sense.
    pub fn bad_arguments(message: impl std::fmt::Display) -> Self {
        Exception::new(36, "BAD_ARGUMENTS", message)
    }

    /// Code 62: the statement cannot be read.
    pub fn syntax(message: impl std::fmt::Display) -> Self {
        Exception::new(62, "SYNTAX_ERROR", message)
    }

    /// Code 210: the request could not be read to its end.
    pub fn network(message: impl std::fmt::Display) -> Self {
        Exception::new(210, "NETWORK_ERROR", message)
    }

    /// Code 1001: a fault of this program.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Exception::new(1001, "STD_EXCEPTION", message)
    }

    /// ClickHouse's number for the kind of exception.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The body of an answer: the text with the version, which clients look for at its end.
    pub fn body(&self, version: &str) -> String {
        format!("{} (version {version} (official build))\n", self.text)
    }

    /// What is put behind rows already sent (ClickHouse 25.11 and newer). `tag` was told in a header before, so
    /// that no row can be taken for it.
    pub fn trailer(&self, version: &str, tag: &str) -> String {
        let body = self.body(version);
        let length = body.len();
        format!("\r\n__exception__\r\n{tag}\r\n{body}{length} {tag}\r\n__exception__\r\n")
    }

    /// The status ClickHouse's HTTP handler gives to the code.
    pub fn status(&self) -> StatusCode {
        match self.code {
            6 | 8 | 10 | 15 | 25 | 26 | 27 | 33 | 36 | 38 | 41 | 43 | 44 | 53 | 57 | 62 | 70
            | 72 | 76 | 117 | 167 | 168 | 376 | 427 | 457 => StatusCode::BAD_REQUEST,
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 336 => StatusCode::NOT_FOUND,
            159 => StatusCode::REQUEST_TIMEOUT,
            48 => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<EngineError> for Exception {
    /// Reads the code out of the engine's text and takes a version off its end, if there is one.
    fn from(error: EngineError) -> Self {
        let text = error.0.trim_end();
        let text = match text.rfind(" (version ") {
            Some(at) if text.ends_with(')') => &text[..at],
            _ => text,
        };
        let digits = text.find("Code: ").map(|at| &text[at + "Code: ".len()..]);
        let code =
            digits.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        match code {
            Some(code) => Exception { code, text: text.to_string() },
            None => Exception::new(UNKNOWN, "UNKNOWN_EXCEPTION", text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_from_the_engines_text() {
        let text =
            "Code: 60. DB::Exception: no t. (UNKNOWN_TABLE) (version 26.7.2.1 (official build))\n";
        let exception = Exception::from(EngineError(text.into()));
        assert_eq!((exception.code(), exception.status().as_u16()), (60, 404));
        assert_eq!(exception.body("26.7.2.1"), text);
    }

    #[test]
    fn a_text_without_code_becomes_an_unknown_exception() {
        let exception = Exception::from(EngineError("it broke".into()));
        assert_eq!((exception.code(), exception.status().as_u16()), (1002, 500));
        assert!(
            exception
                .body("1")
                .starts_with("Code: 1002. DB::Exception: it broke. (UNKNOWN_EXCEPTION)")
        );
    }
}
