//! Errors of the HTTP interface as problem details (RFC 9457): what went wrong, and what to do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of problem it is: decides the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A parameter, header or body that cannot be used.
    BadRequest,
    /// A cursor that was not made for this question, or is no cursor.
    BadCursor,
    /// No token, or one that is not known.
    Unauthorized,
    /// The role may not do that, or the form's token is wrong.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The method is not one of the address.
    MethodNotAllowed,
    /// It cannot be done as things stand.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is of another type.
    UnsupportedMediaType,
    /// Too many requests.
    TooMany,
    /// What the answer is read from, or written to, is away.
    Unavailable,
    /// What the answer is read from has not been made yet.
    NotReady,
    /// It took too long.
    Timeout,
    /// A mistake of ours.
    Internal,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::BadRequest,
        Self::BadCursor,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::TooMany,
        Self::Unavailable,
        Self::NotReady,
        Self::Timeout,
        Self::Internal,
    ];

    /// Status, name and title.
    fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BadRequest => (400, "bad_request", "The request cannot be used"),
            Self::BadCursor => (400, "bad_cursor", "The cursor cannot be used"),
            Self::Unauthorized => (401, "unauthorized", "A token is needed"),
            Self::Forbidden => (403, "forbidden", "This is not allowed"),
            Self::NotFound => (404, "not_found", "There is no such thing"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "This cannot be done here"),
            Self::Conflict => (409, "conflict", "It cannot be done as things stand"),
            Self::TooLarge => (413, "too_large", "The body is too large"),
            Self::UnsupportedMediaType => {
                (415, "unsupported_media_type", "The body is of another type")
            }
            Self::TooMany => (429, "too_many_requests", "Too many requests"),
            Self::Unavailable => (503, "unavailable", "Something this needs is away"),
            Self::NotReady => (503, "not_ready", "It has not been made yet"),
            Self::Timeout => (504, "timeout", "It took too long"),
            Self::Internal => (500, "internal", "Something went wrong here"),
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().0
    }
}

/// The body of an answer that is an error (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// Names the kind of problem: `urn:retain:problem:` and a word.
    #[serde(rename = "type")]
    #[schema(example = "urn:retain:problem:bad_request")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, name, title) = kind.row();
        Self {
            kind: format!("urn:retain:problem:{name}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
        }
    }

    /// Whether it is a problem of that kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind.strip_prefix("urn:retain:problem:") == Some(kind.row().1)
    }

    /// A parameter, header or body that cannot be used.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, detail)
    }

    /// There is no such thing.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} {id:?}, or no row of it yet"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_an_error_status_of_its_own() {
        let mut names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.row().1).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| (400..600).contains(&kind.status())));
    }
}
