//! The demo's picture: redrawn in place on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::story::{BEGIN_MS, END_MS};
use super::summary::{SourceLine, Summary};

/// Lifecycles in the order of the picture.
const LIFECYCLES: [&str; 7] =
    ["prospect", "new", "active", "slipping", "dormant", "lost", "won_back"];
/// Cells of the bar.
const BAR: i64 = 28;
/// Columns of the picture: longer lines would break its redrawing on a narrow terminal.
const WIDTH: usize = 79;
/// How often a line is written where nothing can be redrawn.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Where the summary is shown.
pub struct Screen {
    in_place: bool,
    /// Lines of the last picture.
    drawn: usize,
    line_due: Instant,
}

impl Screen {
    /// Standard output, as it is.
    pub fn new() -> Self {
        Self { in_place: io::stdout().is_terminal(), drawn: 0, line_due: Instant::now() }
    }

    /// Writes lines that stay. An output that is closed is no reason to stop.
    pub fn say(&mut self, text: &str) {
        self.drawn = 0;
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Shows how things stand; `rows` were carried so far, `trouble` is the last thing that went wrong.
    pub fn show(&mut self, summary: &Summary, rows: u64, trouble: Option<&str>) {
        if self.in_place {
            self.redraw(&picture(summary, rows, trouble));
        } else if Instant::now() >= self.line_due {
            self.line_due = Instant::now() + LINE_INTERVAL;
            self.say(&line(summary, rows, trouble));
        }
    }

    /// Shows the last state in full, wherever it is shown.
    pub fn show_last(&mut self, summary: &Summary, rows: u64) {
        let picture = picture(summary, rows, None);
        if self.in_place {
            self.redraw(&picture);
            self.drawn = 0;
        } else {
            self.say(&picture.join("\n"));
        }
    }

    fn redraw(&mut self, picture: &[String]) {
        let mut text = String::new();
        if self.drawn > 0 {
            // Up to the first line of the last picture, and clear what follows.
            text.push_str(&format!("\x1b[{}A\x1b[0J", self.drawn));
        }
        for line in picture {
            text.extend(line.chars().take(WIDTH));
            text.push('\n');
        }
        self.drawn = picture.len();
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// A time as its day; `-` when it is not known.
pub fn day(at_ms: Option<i64>) -> String {
    let time = at_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// A number with its thousands set apart.
pub fn grouped(number: impl Into<i128>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Cents as dollars.
pub fn dollars(minor: i64) -> String {
    format!("${}.{:02}", grouped(minor / 100), (minor % 100).abs())
}

fn line(summary: &Summary, rows: u64, trouble: Option<&str>) -> String {
    if summary.clock_ms.is_none() {
        return "starting the pipeline".to_owned();
    }
    let consumed: i64 = summary.sources.iter().map(|s| s.consumed).sum();
    let (missing, twice) = summary.faults();
    let mut text = format!(
        "{}  complete to {}  {} events, {} rows carried, missing {missing}, twice {twice}",
        day(summary.clock_ms),
        day(summary.complete_to_ms),
        grouped(consumed),
        grouped(rows)
    );
    for name in ["active", "slipping", "dormant", "lost"] {
        text.push_str(&format!(", {} {name}", grouped(count(summary, name))));
    }
    let [open, raised] = summary.alerts.map(grouped);
    text.push_str(&format!(", alerts {open} open of {raised} raised"));
    if let Some(trouble) = trouble {
        text.push_str(&format!("; trouble: {trouble}"));
    }
    text
}

fn count(summary: &Summary, lifecycle: &str) -> u64 {
    summary.lifecycle.iter().find(|(name, _)| name == lifecycle).map_or(0, |(_, count)| *count)
}

fn picture(summary: &Summary, rows: u64, trouble: Option<&str>) -> Vec<String> {
    if summary.clock_ms.is_none() {
        let mut lines = vec![String::new(), "  starting the pipeline".to_owned()];
        lines.extend(trouble.map(|trouble| format!("  trouble: {trouble}")));
        return lines;
    }
    let done = summary.clock_ms.map_or(0, |ms| (ms - BEGIN_MS) * BAR / (END_MS - BEGIN_MS));
    let done = done.clamp(0, BAR) as usize;
    let bar = format!("{}{}", "█".repeat(done), "░".repeat(BAR as usize - done));
    let mut lines = vec![
        String::new(),
        format!("  {}  {bar}  complete to {}", day(summary.clock_ms), day(summary.complete_to_ms)),
        String::new(),
        "  source         events    applied  duplicate   late  filtered  rejected".to_owned(),
    ];
    lines.extend(summary.sources.iter().map(source_line));
    lines.push(String::new());
    let customers = |name: &&str| format!("{name} {}", grouped(count(summary, name)));
    let (first, second) = LIFECYCLES.split_at(4);
    let row = |names: &[&str]| names.iter().map(customers).collect::<Vec<_>>().join("   ");
    lines.push(format!("  customers      {}", row(first)));
    lines.push(format!("                 {}", row(second)));
    let [slipping, dormant, lost, won_back] = summary.moved;
    lines.push(format!(
        "  in 30 days     +{slipping} slipping   +{dormant} dormant   +{lost} lost   +{won_back} won back"
    ));
    let [open, raised] = summary.alerts.map(grouped);
    let [accounts, at_risk] = summary.accounts.map(grouped);
    lines.push(format!("  alerts         {open} open, {raised} raised so far"));
    lines.push(format!(
        "  accounts       {at_risk} of {accounts} at risk, {} in 90 days",
        dollars(summary.at_risk_minor)
    ));
    lines.push(String::new());
    lines.push("  slipping, worth most     spent      last bought    silent 90 d".to_owned());
    for customer in &summary.slipping {
        let complaint = if customer.open_complaints > 0 { "complaint" } else { "" };
        lines.push(format!(
            "  {} {:<6} {:<5} {:>12} {:>8.0} days ago {:>12.0} %   {complaint}",
            customer.customer_id,
            customer.region,
            customer.owner,
            dollars(customer.revenue_minor),
            customer.recency_d,
            customer.p_silent_90 * 100.0
        ));
    }
    lines.push(String::new());
    let (missing, twice) = summary.faults();
    lines.push(format!(
        "  {} rows carried to ClickHouse; offsets missing {missing}, read twice {twice}",
        grouped(rows)
    ));
    lines.extend(trouble.map(|trouble| format!("  trouble: {trouble}")));
    lines
}

fn source_line(source: &SourceLine) -> String {
    let [applied, duplicate, late, filtered, rejected] = source.outcomes.map(grouped);
    format!(
        "  {:<11} {:>9} {applied:>10} {duplicate:>10} {late:>6} {filtered:>9} {rejected:>9}",
        source.source,
        grouped(source.consumed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(-1_234_567), "-1,234,567");
        assert_eq!(grouped(-123), "-123");
        assert_eq!(dollars(24_409_194), "$244,091.94");
        assert_eq!(day(Some(BEGIN_MS)), "1997-01-01");
        assert_eq!(day(None), "-");
    }
}
