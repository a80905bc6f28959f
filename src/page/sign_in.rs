//! Signing in: a token is traded for a session.

use maud::html;

use super::frame::{brand, document};
use super::icon::{Icon, icon};
use super::links::{self, field};

/// What the form is to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Where to go afterwards: a path of ours.
    pub back: String,
    /// Why it did not work; empty at first.
    pub refused: String,
}

/// The form.
pub fn sign_in(asked: &SignIn) -> String {
    let wrong = !asked.refused.is_empty();
    let body = html! {
        main #main .door tabindex="-1" {
            div .card.door-card {
                (brand())
                div { h1 { "Sign in" } p .quiet { "With the token that whoever runs retain gave you." } }
                @if wrong {
                    div .notice.critical role="alert" { (icon(Icon::Critical)) p #refused { (asked.refused) } }
                }
                form .stack method="post" action=(links::SIGN_IN) {
                    input type="hidden" name=(field::BACK) value=(asked.back);
                    div .field {
                        label for="token" { "Token" }
                        input #token type="password" name=(field::TOKEN) autocomplete="current-password" required maxlength="512"
                            aria-invalid=[wrong.then_some("true")] aria-describedby=[wrong.then_some("refused")];
                    }
                    button .button.primary type="submit" { "Sign in" }
                }
                p .small.quiet {
                    "The token stays between you and this server: the session is a cookie that scripts cannot read."
                }
            }
        }
    };
    document("Sign in", &body)
}
