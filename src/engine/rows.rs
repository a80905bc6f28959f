//! Rows of customers, events, activity and segments, from profiles and events.

use super::context::Context;
use super::credit::Statement;
use super::customer_row;
use super::history::{self, Scores};
use super::opportunity_row::{self, OpportunityRow};
use super::owed;
use super::shard::activity::Tally;
use super::shard::segments::{Flow, Grouping, hour_begins_ms};
use super::shard::words::Words;
use super::store::Slot;
use super::tiers::TierColumns;
use crate::model::batch::EventBatch;
use crate::model::effects::RowBlock;
use crate::model::event::{Amount, Body, Event, Span, TicketAction, WebAction};
use crate::model::record::{Position, SourceIndex};
use crate::model::table::Table;
use crate::model::time::{MINUTE_MS, minute_of};
use crate::plan::Plan;
use crate::wire::alert::AlertWord;
use crate::wire::rows::TableRows;

/// An applied event on its way into rows.
#[derive(Clone, Copy, Debug)]
pub struct EventRow<'a> {
    /// Its texts.
    pub batch: &'a EventBatch,
    /// The event.
    pub event: &'a Event,
    /// Where it came from.
    pub origin: Position,
    /// Whether it began a visit.
    pub visit: bool,
    /// Version of the cycle.
    pub version: u64,
}

/// One minute's cell, for the `activity` table.
#[derive(Clone, Copy, Debug)]
pub struct ActivityRow<'a> {
    /// Source.
    pub source: &'a str,
    /// Minutes since the epoch.
    pub minute: i64,
    /// Event type.
    pub event_type: &'a str,
    /// Channel.
    pub channel: &'a str,
    /// -1, or the offset of the event that came after its minute was sealed.
    pub late_offset: i64,
    /// Version of the cycle.
    pub version: u64,
    /// The counts.
    pub tally: Tally,
}

/// One hour of a group, for the `segments` table.
#[derive(Clone, Copy, Debug)]
pub struct SegmentRow<'a> {
    /// By what is grouped.
    pub grouping: Grouping,
    /// The group.
    pub value: &'a str,
    /// Hours since the epoch.
    pub hour: i64,
    /// 0, or the version of the cycle that came after the hour was sealed.
    pub late_version: u64,
    /// Version of the cycle.
    pub version: u64,
    /// What happened.
    pub flow: Flow,
}

/// Rows of the open cycle.
#[derive(Debug)]
pub struct Rows {
    shard: u16,
    opportunities: TableRows,
    customers: TableRows,
    history: TableRows,
    activity: TableRows,
    events: TableRows,
    credit: TableRows,
    segments: TableRows,
    alerts: TableRows,
    alert_history: TableRows,
}

impl Rows {
    /// No rows yet.
    pub fn new(shard: u16) -> Self {
        Self {
            shard,
            opportunities: TableRows::new(Table::Opportunities),
            customers: TableRows::new(Table::Customers),
            history: TableRows::new(Table::CustomerHistory),
            activity: TableRows::new(Table::Activity),
            events: TableRows::new(Table::Events),
            credit: TableRows::new(Table::Credit),
            segments: TableRows::new(Table::Segments),
            alerts: TableRows::new(Table::Alerts),
            alert_history: TableRows::new(Table::AlertHistory),
        }
    }

    /// Bytes collected.
    pub fn len_bytes(&self) -> usize {
        let all = [
            &self.customers,
            &self.history,
            &self.activity,
            &self.events,
            &self.opportunities,
            &self.credit,
            &self.segments,
            &self.alerts,
            &self.alert_history,
        ];
        all.iter().map(|rows| rows.len_bytes()).sum()
    }

    /// Moves everything into `out`.
    pub fn take_into(&mut self, out: &mut Vec<RowBlock>) {
        self.customers.take_into(out);
        self.history.take_into(out);
        self.activity.take_into(out);
        self.events.take_into(out);
        self.credit.take_into(out);
        self.opportunities.take_into(out);
        self.segments.take_into(out);
        self.alerts.take_into(out);
        self.alert_history.take_into(out);
    }

    /// The last transition of an alert in a cycle.
    pub fn alert(&mut self, word: &AlertWord, version: u64) {
        word.put(&mut self.alerts.row(), self.shard, version);
    }

    /// A transition of an alert.
    pub fn alert_history(&mut self, word: &AlertWord, version: u64) {
        word.put(&mut self.alert_history.row(), self.shard, version);
    }

    /// Takes the memory of a written block back.
    pub fn recycle(&mut self, block: RowBlock) {
        match block.table {
            Table::Customers => self.customers.recycle(block.bytes),
            Table::CustomerHistory => self.history.recycle(block.bytes),
            Table::Activity => self.activity.recycle(block.bytes),
            Table::Events => self.events.recycle(block.bytes),
            Table::Credit => self.credit.recycle(block.bytes),
            Table::Opportunities => self.opportunities.recycle(block.bytes),
            Table::Segments => self.segments.recycle(block.bytes),
            Table::Alerts => self.alerts.recycle(block.bytes),
            Table::AlertHistory => self.alert_history.recycle(block.bytes),
            _ => {}
        }
    }

    /// One activity row.
    pub fn activity(&mut self, a: &ActivityRow<'_>) {
        self.activity
            .row()
            .u16(self.shard)
            .text(a.source.as_bytes())
            .i64(a.minute * MINUTE_MS)
            .text(a.event_type.as_bytes())
            .text(a.channel.as_bytes())
            .i64(a.late_offset)
            .u64(a.version)
            .u8(0)
            .u64(a.tally.events)
            .i64(a.tally.revenue_minor)
            .u64(a.tally.tickets);
    }

    /// One row of segments.
    pub fn segment(&mut self, s: &SegmentRow<'_>) {
        let mut row = self.segments.row();
        row.u16(self.shard)
            .text(s.grouping.name().as_bytes())
            .text(s.value.as_bytes())
            .i64(hour_begins_ms(s.hour))
            .u64(s.late_version)
            .u64(s.version)
            .u8(0);
        let flow = &s.flow;
        for change in flow.customers {
            row.i64(change);
        }
        row.u64(flow.new)
            .u64(flow.activated)
            .u64(flow.lost)
            .u64(flow.won_back)
            .u64(flow.orders)
            .i64(flow.revenue_minor)
            .u64(flow.tickets)
            .u64(flow.ratings)
            .u64(flow.rating_sum)
            .u64(flow.nps_answers)
            .u64(flow.promoters)
            .u64(flow.detractors);
    }

    /// The row of an event whose minute is sealed.
    pub fn late_activity(&mut self, plan: &Plan, row: &EventRow<'_>, channel: &str, tally: Tally) {
        self.activity(&ActivityRow {
            source: source_name(plan, row.origin.source),
            minute: minute_of(row.event.ts_ms),
            event_type: row.event.event_type().name(),
            channel,
            late_offset: row.origin.offset,
            version: row.version,
            tally,
        });
    }

    /// The row of an event.
    pub fn event(&mut self, plan: &Plan, row: &EventRow<'_>, channel: &str, origin: &str) {
        let (batch, event) = (row.batch, row.event);
        let source = usize::from(row.origin.source);
        let topic = plan.sources.get(source).map_or("", |s| &s.topic);
        let (kind, action) = words(event, row.visit);
        let amount = amount(&event.body);
        let currency = amount.map(|a| a.currency);
        let payload: &[u8] = if kind == "session" { &[] } else { batch.bytes(event.raw) };
        self.events
            .row()
            .text(batch.bytes(event.customer_id))
            .i64(event.ts_ms)
            .text(source_name(plan, row.origin.source).as_bytes())
            .text(topic.as_bytes())
            .u16(self.shard)
            .i64(row.origin.offset)
            .u64(row.version)
            .u8(0)
            .text(kind.as_bytes())
            .text(action.as_bytes())
            .text(batch.bytes(event.event_id))
            .text(batch.bytes(event.account_id))
            .text(batch.bytes(event.legal_entity_id))
            .text(origin.as_bytes())
            .i64(amount.map_or(0, |a| a.minor))
            .i64(amount.map_or(0, |a| a.original_minor))
            .text(currency.as_ref().map_or("", |c| c.as_str()).as_bytes())
            .text(batch.bytes(reference(&event.body)))
            .text(channel.as_bytes())
            .u8(u8::from(row.visit))
            .text(payload);
    }

    /// The row of a proposal.
    pub fn opportunity(&mut self, o: &OpportunityRow<'_>, version: u64) {
        opportunity_row::write(&mut self.opportunities.row(), self.shard, version, o);
    }

    /// The row of a customer. Returns the scores it says.
    pub fn customer(
        &mut self,
        cx: &Context,
        words: &Words,
        slot: &Slot,
        tier: TierColumns,
        version: u64,
    ) -> Scores {
        let mut row = self.customers.row();
        row.text(slot.key.bytes()).u16(self.shard).u64(version).u8(0);
        customer_row::write(&mut row, cx, words, &slot.profile, tier)
    }

    /// The row of a customer's day; `known` are scores that were judged anyway.
    pub fn history(
        &mut self,
        cx: &Context,
        slot: &Slot,
        tier: TierColumns,
        known: Option<Scores>,
        day: u16,
        version: u64,
    ) {
        let mut row = self.history.row();
        row.text(slot.key.bytes()).u16(day).u16(self.shard).u64(version).u8(0);
        history::write(&mut row, cx, &slot.profile, tier, known);
    }

    /// The row of what a customer owes through one legal entity.
    pub fn credit(
        &mut self,
        customer: &[u8],
        version: u64,
        as_of_ms: i64,
        statement: &Statement<'_>,
        deleted: bool,
    ) {
        let mut row = self.credit.row();
        row.text(customer).text(statement.entity.as_bytes());
        row.u16(self.shard).u64(version).u8(u8::from(deleted));
        owed::write(&mut row, as_of_ms, statement);
    }
}

/// The name of a source.
pub fn source_name(plan: &Plan, source: SourceIndex) -> &str {
    plan.sources.get(usize::from(source)).map_or("", |s| &s.name)
}

fn amount(body: &Body) -> Option<Amount> {
    match body {
        Body::Purchase { amount, .. }
        | Body::Refund { amount, .. }
        | Body::Invoice { amount, .. }
        | Body::Payment { amount, .. } => Some(*amount),
        Body::Opening { revenue, .. } => Some(*revenue),
        _ => None,
    }
}

fn reference(body: &Body) -> Span {
    match body {
        Body::Purchase { order_id, .. }
        | Body::Refund { order_id, .. }
        | Body::Delivery { order_id, .. } => *order_id,
        Body::Invoice { invoice_id, .. }
        | Body::Payment { invoice_id, .. }
        | Body::ExtensionRequest { invoice_id } => *invoice_id,
        Body::Support { ticket_id, .. } => *ticket_id,
        Body::Web { session_id, .. } => *session_id,
        _ => Span::NONE,
    }
}

/// The words of the columns `type` and `action`.
fn words(event: &Event, visit: bool) -> (&'static str, &'static str) {
    let name = event.event_type().name();
    match event.body {
        Body::Support { action, .. } => (name, ticket_word(action)),
        Body::Web { action, .. } if action.is_intent() => (name, web_word(action)),
        Body::Web { .. } if visit => ("session", ""),
        _ => (name, ""),
    }
}

fn ticket_word(action: TicketAction) -> &'static str {
    match action {
        TicketAction::Opened => "opened",
        TicketAction::Replied => "replied",
        TicketAction::Resolved => "resolved",
        TicketAction::Reopened => "reopened",
        TicketAction::Rated => "rated",
    }
}

fn web_word(action: WebAction) -> &'static str {
    match action {
        WebAction::PageView => "page_view",
        WebAction::Search => "search",
        WebAction::Compare => "compare",
        WebAction::CartAdd => "cart_add",
        WebAction::Login => "login",
        WebAction::CancelPage => "cancel_page",
        WebAction::OptOut => "opt_out",
        WebAction::ExportData => "export_data",
        WebAction::Other => "other",
    }
}

/// Which bodies the `events` table keeps one by one: all but web events without an intent.
pub(super) fn keeps_row(body: &Body) -> bool {
    match body {
        Body::Web { action, .. } => action.is_intent(),
        _ => true,
    }
}
