//! Addresses of the pages, and the fields of their forms: what the shell routes and what pages name are the same words.

use crate::api::answer::Act;

/// The accounts at risk.
pub const TODAY: &str = "/";
/// Accounts, a page at a time.
pub const ACCOUNTS: &str = "/accounts";
/// Customers, a page at a time.
pub const CUSTOMERS: &str = "/customers";
/// What marketing looks at.
pub const MARKETING: &str = "/marketing";
/// Whether the numbers can be trusted.
pub const PIPELINE: &str = "/pipeline";
/// Alerts, a page at a time.
pub const ALERTS: &str = "/alerts";
/// Where a token is traded for a session: GET the form, POST [`field::TOKEN`] and [`field::BACK`].
pub const SIGN_IN: &str = "/sign-in";
/// POST with [`field::CSRF`] ends the session.
pub const SIGN_OUT: &str = "/sign-out";

/// Names of the fields that forms send.
pub mod field {
    /// The session's token against forged forms; in every form that changes something.
    pub const CSRF: &str = "csrf";
    /// The page to return to: a path of ours.
    pub const BACK: &str = "back";
    /// The bearer token, at sign-in.
    pub const TOKEN: &str = "token";
    /// The episode of the alert that an action is about.
    pub const EPISODE: &str = "episode";
    /// The command's id: sent again with the same one it takes effect once.
    pub const COMMAND_ID: &str = "command_id";
    /// What the person notes.
    pub const NOTE: &str = "note";
    /// For how many days an alert is put off, counted from the pipeline's clock.
    pub const DAYS: &str = "days";
    /// What is looked for in a list: an id or a part of a name.
    pub const TEXT: &str = "text";
}

/// An account.
pub fn account(id: &str) -> String {
    format!("{ACCOUNTS}/{}", escaped(id))
}

/// A customer.
pub fn customer(id: &str) -> String {
    format!("{CUSTOMERS}/{}", escaped(id))
}

/// An alert.
pub fn alert(id: &str) -> String {
    format!("{ALERTS}/{}", escaped(id))
}

/// Where an action is sent to (POST).
pub fn act(alert_id: &str, act: Act) -> String {
    format!("{ALERTS}/{}/{}", escaped(alert_id), act.name())
}

/// A text as a part of a path or a query: everything but letters, digits and `-._~` is escaped byte by byte.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                for half in [byte >> 4, byte & 15] {
                    out.extend(
                        char::from_digit(u32::from(half), 16).map(|c| c.to_ascii_uppercase()),
                    );
                }
            }
        }
    }
    // a path of dots would be taken for a folder
    if matches!(text, "." | "..") { text.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place() {
        assert_eq!(account("a/b?c#d"), "/accounts/a%2Fb%3Fc%23d");
        assert_eq!(customer("../x"), "/customers/..%2Fx");
        assert_eq!(customer(".."), "/customers/%2E%2E");
        assert_eq!(alert("Zoë"), "/alerts/Zo%C3%AB");
        assert_eq!(act("9f", Act::Snooze), "/alerts/9f/snooze");
    }
}
