//! Writes values of one answer: amounts in its currency, moments in the reader's zone, ages by the answer's clock.

use maud::{Markup, html};

use super::frame::Frame;
use super::words;
use crate::api::answer::{Standing, Time};

/// Frame and standing of the page that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen<'a> {
    pub(super) frame: &'a Frame,
    pub(super) standing: &'a Standing,
}

/// What stands where nothing is known.
pub(super) fn unknown() -> Markup {
    html! { span .quiet { span aria-hidden="true" { "–" } span .unseen { "not known" } } }
}

impl Pen<'_> {
    /// The present of the answer, milliseconds.
    pub(super) fn present(&self) -> Option<i64> {
        self.standing.clock.or(self.standing.complete_to).map(|time| time.0)
    }

    /// An amount at a glance.
    pub(super) fn money(&self, minor: i64) -> String {
        words::money(minor, &self.standing.currency, self.standing.minor_digits)
    }

    /// An amount to the minor unit.
    pub(super) fn money_exact(&self, minor: i64) -> String {
        words::money_exact(minor, &self.standing.currency, self.standing.minor_digits)
    }

    /// The day.
    pub(super) fn day(&self, time: Time) -> Markup {
        html! { time datetime=(words::rfc3339(time.0)) { (words::day(time.0, &self.frame.zone)) } }
    }

    /// Day and minute.
    pub(super) fn minute(&self, time: Time) -> Markup {
        html! { time datetime=(words::rfc3339(time.0)) { (words::minute(time.0, &self.frame.zone)) } }
    }

    /// To the second; the day only when it is another one.
    pub(super) fn second(&self, time: Time) -> Markup {
        html! { time datetime=(words::rfc3339(time.0)) { (words::second(time.0, self.present(), &self.frame.zone)) } }
    }

    /// How long ago, with the moment as its tip.
    pub(super) fn ago(&self, time: Time) -> Markup {
        let said = self
            .present()
            .map_or_else(|| words::day(time.0, &self.frame.zone), |now| words::ago(time.0, now));
        html! {
            time datetime=(words::rfc3339(time.0)) title=(words::minute(time.0, &self.frame.zone)) { (said) }
        }
    }

    /// The same, or that nobody knows.
    pub(super) fn ago_or(&self, time: Option<Time>) -> Markup {
        time.map_or_else(unknown, |time| self.ago(time))
    }

    /// The day, or that nobody knows.
    pub(super) fn day_or(&self, time: Option<Time>) -> Markup {
        time.map_or_else(unknown, |time| self.day(time))
    }
}
