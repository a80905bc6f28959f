//! A subject's id as the store holds it.

/// Bytes of the longest key that lies in its slot.
const SHORT: usize = 14;

/// A subject's id: a short one, as most are, lies in the slot, so that finding a profile reads nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Length and bytes.
    Short(u8, [u8; SHORT]),
    /// Elsewhere; behind two pointers, so that the slot pays for one.
    #[allow(clippy::box_collection)]
    Long(Box<Box<[u8]>>),
}

impl Key {
    /// Whether the bytes lie elsewhere.
    pub fn is_long(&self) -> bool {
        matches!(self, Self::Long(_))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Key {
    fn from(id: &[u8]) -> Self {
        if id.len() > SHORT {
            return Self::Long(Box::new(id.into()));
        }
        let mut bytes = [0; SHORT];
        bytes[..id.len()].copy_from_slice(id);
        Self::Short(id.len() as u8, bytes)
    }
}
