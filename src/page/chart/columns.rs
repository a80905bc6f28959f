//! Columns by day, each parted: how much of what came when.

use maud::{Markup, html};

use super::at;

/// A day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name below the picture and in its tip.
    pub label: String,
    /// How much of each part, in the order of the classes.
    pub values: Vec<u64>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 34.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Columns side by side; `parts` are name and class of each part, drawn from the bottom up. Nothing without any value.
pub fn columns(columns: &[Column], parts: &[(&str, &str)], title: &str, summary: &str) -> Markup {
    let sums = columns.iter().map(|c| c.values.iter().sum::<u64>());
    let most = sums.max().unwrap_or(0);
    if most == 0 {
        return html! {};
    }
    let top = round_up(most);
    let each = (WIDTH - LEFT) / columns.len() as f64;
    let thick = (each * 0.72).min(40.0);
    let height = |value: u64| (HEIGHT - TOP - BOTTOM) * value as f64 / top as f64;
    let ground = HEIGHT - BOTTOM;
    html! {
        svg .chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" {
            title { (title) }
            desc { (summary) }
            @for tick in [0, top / 2, top] {
                line .grid x1=(at(LEFT)) x2=(at(WIDTH)) y1=(at(ground - height(tick))) y2=(at(ground - height(tick))) {}
                text x=(at(LEFT - 8.0)) y=(at(ground - height(tick) + 4.0)) text-anchor="end" { (tick) }
            }
            @for (i, column) in columns.iter().enumerate() {
                @let x = LEFT + each * i as f64 + (each - thick) / 2.0;
                @for (part, (name, class)) in parts.iter().enumerate() {
                    @let below: u64 = column.values.iter().take(part).sum();
                    @let value = column.values.get(part).copied().unwrap_or(0);
                    @if value > 0 {
                        rect class=(class) x=(at(x)) y=(at(ground - height(below + value))) width=(at(thick)) height=(at(height(value))) {
                            title { (column.label) ", " (name) ": " (value) }
                        }
                    }
                }
            }
            @if let (Some(first), Some(last)) = (columns.first(), columns.last()) {
                text x=(at(LEFT)) y=(at(HEIGHT - 6.0)) { (first.label) }
                @if columns.len() > 1 {
                    text x=(at(WIDTH)) y=(at(HEIGHT - 6.0)) text-anchor="end" { (last.label) }
                }
            }
        }
    }
}

/// The next even number of one digit and zeros, so that the half is a number too.
fn round_up(most: u64) -> u64 {
    let mut unit = 1_u64;
    while most > unit.saturating_mul(10) {
        unit = unit.saturating_mul(10);
    }
    [2, 4, 6, 8, 10]
        .into_iter()
        .map(|digit| unit.saturating_mul(digit))
        .find(|&top| top >= most)
        .unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        for (most, top) in [(1, 2), (2, 2), (3, 4), (9, 10), (11, 20), (95, 100), (101, 200)] {
            assert_eq!(round_up(most), top, "{most}");
        }
    }

    #[test]
    fn parts_stand_on_each_other() {
        let days = [Column { label: "1 Mar".to_owned(), values: vec![1, 1] }];
        let svg = columns(&days, &[("high", "s3"), ("critical", "s5")], "t", "s").into_string();
        assert!(svg.contains(r#"y="78" "#) && svg.contains(r#"y="10" "#), "{svg}");
        assert!(svg.contains("<title>1 Mar, critical: 1</title>"), "{svg}");
        assert_eq!(columns(&[], &[], "t", "s").into_string(), "");
    }
}
