//! What is to be said beside the numbers: what is no longer held, not known, or to be read with care.

use super::effects::{EVENTS_MAX, VISITS_MAX};
use super::input::{Reading, Stored};
use super::replay::Replay;
use super::report::{At, Note, RowCheck, ToldFrom};
use crate::engine::context::Context;
use crate::engine::profile::Profile;
use crate::model::event::Body;

/// Everything that notes are told from.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub cx: &'a Context,
    pub replay: &'a Replay,
    pub stored: &'a Stored,
    pub reading: Reading,
    pub row: &'a RowCheck,
    /// What the events add up to that the row had seen.
    pub folded: Option<&'a Profile>,
    pub told_from: ToldFrom,
    pub at_ms: i64,
    /// Whether a moment was asked for.
    pub asked: bool,
    /// Whether not all events were left out one by one.
    pub capped: bool,
}

/// The notes, the gravest first.
pub(super) fn notes(f: &Facts<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    disagreement(f, &mut notes);
    moments(f, &mut notes);
    no_longer_held(f, &mut notes);
    always(f, &mut notes);
    notes
}

fn note(notes: &mut Vec<Note>, code: &'static str, text: String) {
    notes.push(Note { code, text });
}

fn disagreement(f: &Facts<'_>, notes: &mut Vec<Note>) {
    match f.row.agrees {
        Some(true) => {}
        None => note(
            notes,
            "other_model",
            format!(
                "the row was judged by model version {}, the definition is version {}: scores are told by the \
                 definition; the row follows when the pipeline runs under it",
                f.row.model_version, f.cx.model_version
            ),
        ),
        Some(false) => {
            let told = match f.told_from {
                ToldFrom::Row => {
                    "scores and points are those of the row; what single events are worth is told from \
                                  the events that are held, so it is only about right"
                }
                ToldFrom::Events => {
                    "everything here is told from the events that are held, so it is only about right"
                }
            };
            note(
                notes,
                "row_differs",
                format!(
                    "the events that are held do not give the scores of the row of {} (they differ by up to {:.3} \
                     log-odds): {told}",
                    f.row.judged_at, f.row.largest_difference
                ),
            );
        }
    }
}

fn moments(f: &Facts<'_>, notes: &mut Vec<Note>) {
    let at = At(f.at_ms);
    match f.stored.complete_to_ms {
        Some(to_ms) if f.at_ms > to_ms && f.asked => note(
            notes,
            "incomplete",
            format!(
                "the pipeline is complete up to {} only: events before {at} may still come",
                At(to_ms)
            ),
        ),
        None if f.asked => note(
            notes,
            "incomplete",
            format!(
                "how far the pipeline is complete is not known yet: events before {at} may still come"
            ),
        ),
        _ => {}
    }
    if f.asked && f.at_ms < f.stored.judged_ms {
        let text =
            "as known today: events that came later than their time are counted at their time";
        note(notes, "as_known_today", text.to_owned());
    }
}

fn no_longer_held(f: &Facts<'_>, notes: &mut Vec<Note>) {
    if let Some(ms) = f.reading.cut_before_ms {
        note(
            notes,
            "too_many",
            format!("only the newest events were read, from {} on: there are too many", At(ms)),
        );
    }
    let kept = match f.reading.kept_days {
        0 => String::new(),
        days => format!(" (events are kept for {days} days: clickhouse.events_ttl_days)"),
    };
    let counts = [
        (
            "orders",
            f.stored.orders,
            f.folded.and_then(|p| p.purchases.as_ref()).map_or(0, |p| p.orders()),
        ),
        (
            "refunds",
            f.stored.refunds,
            f.folded.and_then(|p| p.purchases.as_ref()).map_or(0, |p| p.refunds),
        ),
        (
            "tickets",
            f.stored.tickets,
            f.folded.and_then(|p| p.more()?.care.as_ref()).map_or(0, |care| care.count()),
        ),
        (
            "visits",
            f.stored.visits,
            f.folded.and_then(|p| p.web.as_ref()).map_or(0, |web| web.visits()),
        ),
    ];
    for (name, counted, held) in counts {
        if held < counted {
            let text = format!(
                "{} of {counted} {name} are no longer held as events{kept}",
                counted - held
            );
            note(notes, "no_longer_held", text);
        }
    }
    let first_ms = f.folded.map(|profile| profile.t_born_ms());
    match first_ms {
        Some(ms) if ms <= f.stored.born_ms => {}
        Some(ms) => note(
            notes,
            "no_longer_held",
            format!(
                "known since {}, but nothing is held of before {}{kept}",
                At(f.stored.born_ms),
                At(ms)
            ),
        ),
        None => note(
            notes,
            "no_longer_held",
            format!("no event of this customer is held any more{kept}"),
        ),
    }
    if f.replay.unreadable > 0 {
        let text = format!(
            "{} held events cannot be read by this definition: their source or currency is not in it",
            f.replay.unreadable
        );
        note(notes, "unreadable", text);
    }
}

fn always(f: &Facts<'_>, notes: &mut Vec<Note>) {
    for known in &f.replay.events {
        if let Body::Opening { n_days, orders, t_first_ms, t_last_ms, .. } = known.event.body {
            note(
                notes,
                "opening",
                format!(
                    "from {} to {} only totals are known ({orders} orders on {n_days} days), as the opening at {}/{}@{} says",
                    At(t_first_ms),
                    At(t_last_ms),
                    known.topic,
                    known.partition,
                    known.position.offset
                ),
            );
        }
    }
    if f.replay.events.iter().any(|known| known.session) {
        let text = "of the web only the beginning of each visit and intents (cart, leaving, refusing messages, export) are \
                    held, not every page; a visit whose first page came late stands at the page that came first";
        note(notes, "visits", text.to_owned());
    }
    if f.capped {
        let text = format!(
            "only the newest {EVENTS_MAX} events and {VISITS_MAX} visits were left out one by one: older ones count, but are \
             not shown behind a contribution"
        );
        note(notes, "newest_only", text);
    }
    let text = "what an event is worth is told by leaving it out alone; such effects need not add up to the contribution \
                (those since an earlier moment do, with what time alone brought)";
    note(notes, "left_out", text.to_owned());
    if !f.stored.tier.is_empty() {
        let text = "tier and class come from comparing all customers, not from this one's events: they are the row's";
        note(notes, "by_comparison", text.to_owned());
    }
}
