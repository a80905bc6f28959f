//! Alerts at the edge of the shard: what people say comes in by mail, what happened goes out as records and rows.

use std::collections::BTreeMap;

use super::{ClockReading, Machine};
use crate::alert::command::{DONE, Refused};
use crate::model::effects::{AlertRecord, Effects, HeardCommand};
use crate::model::registry::Subject;
use crate::model::time::{HOUR_MS, MINUTE_MS};
use crate::snapshot::{StateKey, write};
use crate::wire::mail::{Acted, Said};

impl Machine {
    /// In a rebuild: what a person has done about an alert in the generation before. It takes effect at its moment of event time, if
    /// the alert is on then, else at once; once, however often it is told.
    pub fn expect(&mut self, acted: Acted) {
        match self.book {
            // their alerts begin at other moments in a rebuild
            Some(_) => {}
            None if !acted.said.customer.is_empty() => self.engine.expect(acted),
            None if self.is_about_staff(&acted.said) => self.staff.expect(acted),
            None if self.engine.demand.telling.is_on() => self.market.expect(acted),
            None => {}
        }
    }

    /// How many of them were not taken in: so many customers are still to come that there was no room.
    pub fn acts_unheard(&self) -> u64 {
        self.engine.acts.unheard()
    }

    /// Whether what has no customer is about an employee; else it is about a segment.
    fn is_about_staff(&self, said: &Said) -> bool {
        let rule = self.plan.alerts.find(&said.rule);
        rule.is_some_and(|rule| rule.subject == Subject::Employee)
    }

    /// The records of acts that wait for their customers.
    pub(super) fn save_acts(&mut self, effects: &mut Effects) {
        for (customer, acts) in self.engine.acts.take_changed() {
            let key = StateKey::Acted(&customer);
            match acts {
                Some(acts) => effects.state.put(|out| key.write(out), |out| write(acts, out)),
                None => effects.state.delete(|out| key.write(out)),
            }
        }
    }

    /// Does what a person says; what came of it is told with the cycle.
    pub(super) fn hear_command(&mut self, said: &Said) {
        let about_staff = self.is_about_staff(said);
        let Self { engine, book, market, staff, watermark, .. } = self;
        let done = match book {
            Some(book) => book.command(said, watermark.at_ms),
            // what has no customer is a segment or an employee
            None if said.customer.is_empty() && about_staff => {
                staff.command(&engine.cx, said, &mut engine.alerted)
            }
            None if said.customer.is_empty() => {
                market.command(&engine.cx, said, &mut engine.alerted)
            }
            None => engine.command(said, watermark.at_ms),
        };
        let refused = done.err();
        self.commands.push(HeardCommand {
            id: said.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            by: said.by.clone(),
            rule: said.rule.clone(),
            episode: said.episode,
            outcome: refused.map_or(DONE, Refused::name),
            why: refused.map(Refused::words),
        });
    }

    /// Everything that happened to alerts: each transition a record and a row of history, the last of each alert its row.
    pub(super) fn collect_alerts(
        &mut self,
        effects: &mut Effects,
        clock: ClockReading,
        version: u64,
    ) {
        effects.commands = std::mem::take(&mut self.commands);
        let in_time_ms = self.plan.disorder_ms.saturating_add(self.idle_ms(clock.now_ms));
        let mut last = BTreeMap::new();
        let told = match &mut self.book {
            Some(book) => std::mem::take(&mut book.alerted),
            None => std::mem::take(&mut self.engine.alerted),
        };
        let ruled = match &self.book {
            Some(book) => book.ruled(),
            None => &self.engine.cx.alerts,
        };
        for mut word in told {
            word.generation = self.identity.generation;
            word.cycle = self.state.meta.cycle;
            word.detected_ms = clock.now_ms;
            let late_ms = clock.now_ms.saturating_sub(word.at_ms);
            // segments and employees are looked at by full hours, when every shard's letter is there
            let hourly = [Subject::Segment, Subject::Employee].map(Subject::name);
            let by_hours = hourly.contains(&word.subject_kind.as_str());
            let wait_ms = if by_hours { HOUR_MS + MINUTE_MS } else { 0 };
            word.catch_up =
                word.by_kind != "person" && late_ms > in_time_ms.saturating_add(wait_ms);
            if word.call {
                word.due_ms = ruled.loud_from_ms(&word.rule, clock.now_ms);
            }
            self.engine.rows.alert_history(&word, version);
            let key = word.alert_id.clone().into_bytes();
            effects.alerts.push(AlertRecord { key, value: word.encode() });
            last.insert(word.alert_id.clone(), word);
        }
        last.values().for_each(|word| self.engine.rows.alert(word, version));
    }
}
