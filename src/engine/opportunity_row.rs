//! The row of a proposal, column by column in the order of the table.

use super::profile::Profile;
use super::said::Field;
use crate::signal::situation::Opportunity;
use crate::signal::tier_moves::Tier;
use crate::wire::rows::Row;

/// A proposal on its way into a row.
#[derive(Clone, Copy, Debug)]
pub struct OpportunityRow<'a> {
    /// The customer's id.
    pub customer: &'a [u8],
    /// The customer.
    pub profile: &'a Profile,
    /// What was found.
    pub opportunity: &'a Opportunity,
    /// When.
    pub at_ms: i64,
    /// Whether the customer is to be left alone.
    pub held_out: bool,
    /// What a cross-sale is about; empty for other goals.
    pub category: &'a str,
    /// The tier at that moment.
    pub tier: Option<Tier>,
    /// The churn risk at that moment.
    pub risk: Option<f64>,
    /// The lifetime value at that moment, reporting currency.
    pub clv: Option<f64>,
}

/// Writes all columns.
pub(super) fn write(row: &mut Row<'_>, shard: u16, version: u64, o: &OpportunityRow<'_>) {
    let said = |field| o.profile.said.get_bytes(field);
    row.text(o.customer)
        .text(o.opportunity.goal.name().as_bytes())
        .i64(o.at_ms)
        .u64(version)
        .u8(0)
        .u16(shard)
        .text(o.opportunity.reason.name().as_bytes())
        .f64(o.opportunity.score)
        .u8(u8::from(o.held_out))
        .i64(o.opportunity.until_ms)
        .text(o.category.as_bytes())
        .text(said(Field::AccountId))
        .text(said(Field::OwnerId))
        .text(said(Field::Region))
        .text(o.tier.map_or("", Tier::name).as_bytes())
        .text(o.profile.lifecycle().name().as_bytes())
        .maybe_f64(o.risk)
        .maybe_f64(o.clv);
}
