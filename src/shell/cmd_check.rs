//! `retain check`: shows what is wrong with a definition, or what it guarantees.

use std::io::{self, Write};
use std::sync::Arc;

use crate::engine::context::{Context, LIFECYCLE_HORIZON_D};
use crate::plan::Plan;
use crate::signal::days;
use crate::signal::silence::History;

/// Writes every finding; for a definition without errors also its guarantees. The texts are ready to be shown:
/// findings with `FILE:LINE`, guarantees as sentences. `guarantees` is `None` when the definition cannot be used.
///
/// # Errors
/// Those of `out`.
pub fn print(
    file_name: &str,
    findings: &[String],
    guarantees: Option<&[String]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    let Some(guarantees) = guarantees else {
        let count = findings.len();
        let word = if count == 1 { "error" } else { "errors" };
        return writeln!(out, "{file_name}: {count} {word}");
    };
    writeln!(out, "{file_name}: ok")?;
    guarantees.iter().try_for_each(|sentence| writeln!(out, "  {sentence}"))
}

/// What the model and the bands mean for somebody who has bought once: after how many days they count as dormant, and
/// as lost.
pub fn one_time_buyer(plan: &Plan) -> String {
    let cx = Context::new(Arc::new(plan.clone()));
    let curve = cx.model.curve(History { x: 0, t_x_d: 0.0 }, LIFECYCLE_HORIZON_D);
    let after = |band: f64| match curve.p_silent_due_ms(0, 0, band) {
        Some(age_ms) => format!("after {:.1} days", days(age_ms)),
        None => "never".to_owned(),
    };
    format!(
        "a customer who buys once and never again is new at first, dormant {} and lost {}",
        after(cx.bands.dormant),
        after(cx.bands.lost)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_time_buyer_is_first_dormant_then_lost() {
        let text = include_str!("../../pipelines/customers.toml");
        let sentence = one_time_buyer(&crate::plan::parse(text).0.unwrap());
        let found: Vec<f64> = sentence.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert_eq!(found.len(), 2, "{sentence}");
        assert!(found[0] > 0.0 && found[0] < found[1], "{sentence}");
    }
}
