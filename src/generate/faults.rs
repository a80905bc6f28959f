//! What goes wrong between a producer and Kafka: repeats, delays, disorder, broken records.

use std::collections::BTreeMap;

use super::events::Made;
use super::random::SplitMix64;
use super::{Fault, Generated, Options};

/// Most records under way at once. Beyond it the earliest arrive before their time, which is still an order.
const UNDER_WAY_MAX: usize = 1 << 20;

/// Records under way, by the moment they arrive and the order they were sent in.
#[derive(Debug)]
pub struct Transit {
    random: SplitMix64,
    under_way: BTreeMap<(i64, u64), Generated>,
    sent: u64,
    latest_ms: i64,
}

impl Transit {
    /// Nothing under way. The draws are independent of those of the events.
    pub fn new(seed: u64) -> Self {
        let random = SplitMix64::new(seed ^ 0x6661_756c_7473_2e31);
        Self { random, under_way: BTreeMap::new(), sent: 0, latest_ms: i64::MIN }
    }

    /// Sends an event on its way.
    pub fn send(&mut self, options: &Options, event: Made, now_ms: i64) {
        let key = event.customer.id();
        let partition = options.partition(key.as_bytes());
        let fault = self.fault(options);
        let (delay_ms, value) = match fault {
            Fault::Shuffled => (1 + self.within(options.disorder_ms), event.value),
            Fault::Late => (options.late_by_ms + self.within(options.late_by_ms), event.value),
            Fault::Malformed => (0, self.break_value(&event.value)),
            Fault::None | Fault::Duplicate => (0, event.value),
        };
        let record = Generated { stream: event.stream, partition, kafka_ms: 0, key, value, fault };
        // Drawn for every event, so that a share changes only its own fault.
        let repeated = self.random.chance(options.duplicates);
        let repeat_delay_ms = 1 + self.within(options.duplicate_delay_ms);
        if repeated && fault != Fault::Malformed {
            let repeat = Generated { fault: Fault::Duplicate, ..record.clone() };
            self.put(now_ms + delay_ms + repeat_delay_ms, repeat);
        }
        self.put(now_ms + delay_ms, record);
    }

    /// The next record that has arrived by `now_ms`; with `all`, any that is still under way.
    pub fn arrived(&mut self, now_ms: i64, all: bool) -> Option<Generated> {
        let (&(arrival_ms, _), _) = self.under_way.first_key_value()?;
        // An event made now arrives before one made at the next moment: strictly earlier times are over.
        if !all && arrival_ms >= now_ms && self.under_way.len() <= UNDER_WAY_MAX {
            return None;
        }
        let (_, mut record) = self.under_way.pop_first()?;
        // Kafka's time never falls here; an early arrival (see UNDER_WAY_MAX) keeps the time of the last.
        self.latest_ms = self.latest_ms.max(arrival_ms);
        record.kafka_ms = self.latest_ms;
        Some(record)
    }

    fn put(&mut self, arrival_ms: i64, record: Generated) {
        self.under_way.insert((arrival_ms, self.sent), record);
        self.sent += 1;
    }

    fn within(&mut self, ms: i64) -> i64 {
        self.random.below(ms.unsigned_abs()) as i64
    }

    fn fault(&mut self, options: &Options) -> Fault {
        let at = self.random.unit();
        if at < options.malformed {
            Fault::Malformed
        } else if at < options.malformed + options.late {
            Fault::Late
        } else if at < options.malformed + options.late + options.shuffle {
            Fault::Shuffled
        } else {
            Fault::None
        }
    }

    /// A text that breaks the contract in one of the ways seen in practice.
    fn break_value(&mut self, value: &str) -> String {
        match self.random.below(7) {
            // Cut off on the way; the generator writes ASCII, so every cut is a character border.
            0 => value[..value.len() / 2].to_owned(),
            1 => String::new(),
            2 => "not json".to_owned(),
            3 => format!("[{value}]"),
            4 => value.replacen("\"customer_id\":", "\"customer\":", 1),
            5 => value.replacen("\"ts\":\"", "\"ts\":\"yesterday ", 1),
            _ => value.replacen("\"type\":\"", "\"type\":\"un", 1),
        }
    }
}
