//! A run of decoded events of one source partition: their texts and items lie in arenas, so that no event allocates.

use super::event::{Event, Item, ItemRange, Span};

/// How far a batch is filled: what [`EventBatch::truncate`] goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    text: usize,
    items: usize,
}

/// Texts and items of decoded events. Offsets are `u32`: a batch is cut long before 4 GiB.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    text: Vec<u8>,
    items: Vec<Item>,
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

    /// Adds an item of the purchase that is being decoded; the items of one purchase stand in a row.
    pub fn push_item(&mut self, item: Item) {
        self.items.push(item);
    }

    /// Every item added since `mark`.
    pub fn items_since(&self, mark: Mark) -> ItemRange {
        let (start, len) = (mark.items, self.items.len().saturating_sub(mark.items));
        ItemRange { start: start as u32, len: len as u32 }
    }

    /// The items of a range; none for one of another batch.
    pub fn items(&self, range: ItemRange) -> &[Item] {
        let start = range.start as usize;
        self.items.get(start..start + range.len as usize).unwrap_or(&[])
    }

    /// The bytes held, for the memory budget.
    pub fn len_bytes(&self) -> usize {
        self.text.len() + self.items.len() * size_of::<Item>()
    }

    /// How far the batch is filled now.
    pub fn mark(&self) -> Mark {
        Mark { text: self.text.len(), items: self.items.len() }
    }

    /// Takes everything after `mark` back: a record was refused half way.
    pub fn truncate(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.items.truncate(mark.items);
    }

    /// Forgets all texts and items, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.items.clear();
        self.unknown_fields = 0;
        self.unknown_sample = None;
    }

    /// The subject of the event when the definition keys by customer.
    pub fn customer(&self, event: &Event) -> &[u8] {
        self.bytes(event.customer_id)
    }
}
