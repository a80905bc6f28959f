//! Mail: letters from other shards wait here until a cycle begins, and are taken in before anything else of it.
//!
//! How far they are taken is part of the cycle's fixed input: the ledger and meta keep it. Mail has no place in merge
//! and watermark.

use std::collections::VecDeque;

use super::Machine;
use crate::model::record::Record;
use crate::wire::mail::Mail;

/// Letters that came since the cycle began.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    letters: VecDeque<(i64, Vec<u8>)>,
    bytes: usize,
    /// Next offset to fetch.
    read_to: i64,
    /// The cycle has begun: what comes waits for the next one.
    begun: bool,
    /// Letters of the cycle that could not be read.
    unread: u64,
}

/// Memory that a waiting letter takes beside its bytes.
const LETTER_BYTES: usize = size_of::<(i64, Vec<u8>)>();

impl Mailbox {
    /// Reading begins at `offset`.
    pub fn start(&mut self, offset: i64) {
        *self = Self { read_to: offset, ..Self::default() };
    }

    /// The next cycle may begin.
    pub fn reopen(&mut self) {
        self.begun = false;
        self.unread = 0;
    }

    /// Whether letters wait for a cycle.
    pub fn is_waiting(&self) -> bool {
        !self.letters.is_empty()
    }

    /// Letters of the cycle that could not be read.
    pub fn unread(&self) -> u64 {
        self.unread
    }
}

impl Machine {
    /// Takes letters of the shard's partition of the mail topic, in offset order (offsets below the read position are
    /// ignored). They wait until a cycle begins.
    pub fn offer_mail(&mut self, letters: &mut dyn Iterator<Item = Record<'_>>) {
        let mailbox = &mut self.mailbox;
        for letter in letters {
            if letter.offset < mailbox.read_to {
                continue;
            }
            let bytes = letter.payload.unwrap_or_default().to_vec();
            mailbox.read_to = letter.offset + 1;
            mailbox.bytes += bytes.len() + LETTER_BYTES;
            mailbox.letters.push_back((letter.offset, bytes));
        }
    }

    /// Next offset to fetch of the mail.
    pub fn mail_position(&self) -> i64 {
        self.mailbox.read_to
    }

    /// Bytes of letters that wait for a cycle to begin.
    pub fn mail_waiting_bytes(&self) -> usize {
        self.mailbox.bytes
    }

    /// Begins the cycle, unless it has begun: what came by mail is taken in first, in offset order.
    pub(super) fn begin(&mut self) {
        if self.mailbox.begun {
            return;
        }
        self.mailbox.begun = true;
        self.mailbox.bytes = 0;
        for (offset, bytes) in std::mem::take(&mut self.mailbox.letters) {
            self.state.meta.mail_to = offset + 1;
            match Mail::decode(&bytes) {
                Some((sender, Mail::Histogram(told))) => self.hear_histogram(sender, &told),
                Some((_, Mail::CutOffs(cut_offs))) => self.hear_cut_offs(&cut_offs),
                Some((_, Mail::Command(said))) => self.hear_command(&said),
                Some((sender, Mail::AtRisk(told))) => self.hear_at_risk(sender, &told),
                Some((sender, Mail::Demand(told))) => self.hear_demand(sender, &told),
                Some((sender, Mail::Reads(told))) => self.hear_reads(sender, &told),
                Some((_, Mail::OwnerCutOffs(cut_offs))) => self.hear_owner_cut_offs(cut_offs),
                Some((_, Mail::Acted(acted))) => self.expect(acted),
                None => self.mailbox.unread += 1,
            }
        }
    }
}
