//! Something over time: a step for each day on which it changed, for between them it stayed.

use jiff::civil::Date;
use maud::{Markup, html};

use super::{at, path};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;
/// So many dates stand below.
const DATES: i64 = 4;

/// A line of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is, as the legend says.
    pub label: &'static str,
    /// Whether people call it a number of 100, not a share in percent.
    pub of_100: bool,
    /// How it stood from that day on, in the order of time; `None`: it was not known.
    pub points: Vec<(Date, Option<f64>)>,
}

/// The numbers at the side.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// The least value.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// Values with a line and their text.
    pub ticks: Vec<(f64, String)>,
}

/// The curves (the first two are told apart by colour and by dashes). Nothing when all lie within one day.
pub fn line(curves: &[Curve], scale: &Scale, title: &str, summary: &str) -> Markup {
    let days = curves.iter().flat_map(|c| c.points.iter().map(|p| p.0));
    let (Some(first), Some(last)) = (days.clone().min(), days.max()) else {
        return html! {};
    };
    let span = days_between(first, last);
    if span == 0 || scale.high <= scale.low {
        return html! {};
    }
    let x =
        |day: Date| LEFT + (WIDTH - LEFT - RIGHT) * days_between(first, day) as f64 / span as f64;
    let y = |value: f64| {
        let share = ((value - scale.low) / (scale.high - scale.low)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let dates = (0..=DATES).filter_map(|i| {
        let day = first.checked_add(jiff::Span::new().days(span * i / DATES)).ok()?;
        Some((x(day), day, i))
    });
    html! {
        svg .chart.wide viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" {
            title { (title) }
            desc { (summary) }
            @for (value, text) in &scale.ticks {
                line .grid x1=(at(LEFT)) x2=(at(WIDTH - RIGHT)) y1=(at(y(*value))) y2=(at(y(*value))) {}
                text x=(at(LEFT - 8.0)) y=(at(y(*value) + 4.0)) text-anchor="end" { (text) }
            }
            @for (x, day, i) in dates {
                text x=(at(x)) y=(at(HEIGHT - 6.0))
                    text-anchor=(if i == 0 { "start" } else if i == DATES { "end" } else { "middle" })
                    { (day.strftime("%-d %b %Y")) }
            }
            @for (i, curve) in curves.iter().enumerate() {
                @for steps in runs(curve, last) {
                    @let drawn: Vec<_> = steps.iter().map(|(day, v)| (x(*day), y(*v))).collect();
                    path class=(if i == 0 { "curve" } else { "curve second" }) d=(path(&drawn)) {}
                }
                @if let Some((_, Some(value))) = curve.points.last() {
                    circle class=(if i == 0 { "end" } else { "end second" }) cx=(at(x(last))) cy=(at(y(*value))) r="4" {}
                }
            }
        }
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// The corners of the steps, a run for each stretch of known values; the last value holds up to `end`.
fn runs(curve: &Curve, end: Date) -> Vec<Vec<(Date, f64)>> {
    let mut runs = Vec::new();
    let mut run: Vec<(Date, f64)> = Vec::new();
    for (day, value) in &curve.points {
        if let Some((_, before)) = run.last().copied() {
            run.push((*day, before));
        }
        match value {
            Some(value) => run.push((*day, *value)),
            None if !run.is_empty() => runs.push(std::mem::take(&mut run)),
            None => {}
        }
    }
    if let Some((_, value)) = run.last().copied() {
        run.push((end, value));
        runs.push(run);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(d: i8) -> Date {
        Date::constant(2026, 3, d)
    }

    fn scale() -> Scale {
        Scale { low: 0.0, high: 1.0, ticks: vec![(0.5, "50 %".to_owned())] }
    }

    #[test]
    fn values_hold_until_the_next_one() {
        let curve = Curve {
            label: "risk",
            of_100: false,
            points: vec![
                (day(1), Some(0.2)),
                (day(3), Some(0.4)),
                (day(5), None),
                (day(7), Some(0.1)),
            ],
        };
        assert_eq!(
            runs(&curve, day(9)),
            [
                vec![(day(1), 0.2), (day(3), 0.2), (day(3), 0.4), (day(5), 0.4)],
                vec![(day(7), 0.1), (day(9), 0.1)],
            ]
        );
    }

    #[test]
    fn a_day_alone_is_no_picture() {
        let curve = Curve { label: "risk", of_100: false, points: vec![(day(1), Some(0.2))] };
        assert_eq!(line(&[curve], &scale(), "t", "s").into_string(), "");
        assert_eq!(line(&[], &scale(), "t", "s").into_string(), "");
    }

    #[test]
    fn says_what_it_shows_and_where_it_ends() {
        let curve = Curve {
            label: "risk",
            of_100: false,
            points: vec![(day(1), Some(0.0)), (day(31), Some(1.0))],
        };
        let svg = line(&[curve], &scale(), "Risk", "from 0 to 100 %").into_string();
        assert!(svg.contains("<title>Risk</title><desc>from 0 to 100 %</desc>"), "{svg}");
        assert!(svg.contains(r#"cx="706" cy="12""#), "{svg}");
        assert!(svg.contains(">1 Mar 2026<") && svg.contains(">31 Mar 2026<"), "{svg}");
    }
}
