//! The fast way over the lines of a purchase. Whatever is out of the ordinary is left to `serde_json`.

use super::items::{EMPTY, ITEMS_MAX, ItemField, Lines};
use super::object::Raw;
use super::scan::Walk;
use crate::model::event::Item;

/// Reads an array of objects without escapes. `None` leaves it to `serde_json`, with the batch spoilt.
pub fn scan_lines(raw: Raw<'_>, lines: &mut Lines<'_>) -> Option<()> {
    let mut walk = Walk::new(raw.bytes);
    let mut at = walk.blanks(walk.mark(0, b'[')?);
    if walk.byte(at) == b']' {
        return Some(());
    }
    for _ in 0..ITEMS_MAX {
        let mut item = EMPTY;
        let end = line(raw, &mut walk, at, &mut item, lines)?;
        lines.batch.push_item(item);
        at = walk.blanks(end);
        match walk.byte(at) {
            b',' => at = walk.blanks(at + 1),
            b']' => return Some(()),
            _ => return None,
        }
    }
    None
}

/// Reads the object that begins at `at`; gives its end.
fn line(
    raw: Raw<'_>,
    walk: &mut Walk<'_>,
    at: usize,
    item: &mut Item,
    lines: &mut Lines<'_>,
) -> Option<usize> {
    let mut at = walk.blanks(walk.mark(at, b'{')?);
    if walk.byte(at) == b'}' {
        return Some(at + 1);
    }
    let mut seen = 0;
    loop {
        let close = walk.text_end(at)?;
        let name = ItemField::parse(raw.bytes.get(at + 1..close - 1)?);
        let begin = walk.value_after(close)?;
        let end = walk.value_end(begin, 0)?;
        match name {
            Some(name) if seen & name.bit() == 0 => {
                seen |= name.bit();
                let value =
                    Raw { bytes: raw.bytes.get(begin..end)?, at: raw.at + begin, escapes: false };
                lines.read(name.label(), name, value, item).ok()?;
            }
            Some(_) => return None,
            None => lines.unknown += 1,
        }
        at = walk.blanks(end);
        match walk.byte(at) {
            b',' => at = walk.blanks(at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}
