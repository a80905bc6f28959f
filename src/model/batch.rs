//! A run of decoded events of one source partition: their texts lie in one arena, so that no event allocates.

use super::event::{Event, Span};

/// Texts of decoded events. Offsets are `u32`: a batch is cut long before 4 GiB.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    text: Vec<u8>,
    /// Fields the contract does not know, counted over all records decoded into this batch.
    pub unknown_fields: u64,
    /// One name of such a field, as a sample for the operator (at most 64 bytes).
    pub unknown_sample: Option<String>,
}

impl EventBatch {
    /// Copies `text` into the arena. An empty text is the absent one.
    pub fn push(&mut self, text: &[u8]) -> Span {
        if text.is_empty() {
            return Span::NONE;
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text);
        Span { start, len: text.len() as u32 }
    }

    /// The bytes of a span; empty for the absent one.
    pub fn bytes(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.text.get(start..start + span.len as usize).unwrap_or(&[])
    }

    /// The text of a span. Spans are pushed from UTF-8; anything else reads as empty.
    pub fn str(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or("")
    }

    /// The bytes held, for the memory budget.
    pub fn len_bytes(&self) -> usize {
        self.text.len()
    }

    /// Takes everything after `len_bytes` back: a record was refused half way.
    pub fn truncate(&mut self, len_bytes: usize) {
        self.text.truncate(len_bytes);
    }

    /// Forgets all texts, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.unknown_fields = 0;
        self.unknown_sample = None;
    }

    /// The subject of the event when the definition keys by customer.
    pub fn customer(&self, event: &Event) -> &[u8] {
        self.bytes(event.customer_id)
    }
}
