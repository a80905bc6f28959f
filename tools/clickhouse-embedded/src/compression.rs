//! Request bodies back to plain bytes: ClickHouse's native frames (`decompress=1`) and gzip, piece by piece.

use crate::exception::Exception;
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use std::io::Write;

/// Frame: CityHash128 of the rest (16), method (1), size from the method on (4), size of the content (4), content.
const CHECKSUM: usize = 16;
const HEADER: usize = 9;
/// Largest content of one frame; ClickHouse's clients cut at 1 MiB, its server refuses above 1 GiB.
const FRAME_MAX: usize = 256 << 20;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;

/// Turns the pieces of a body, cut anywhere, into plain bytes.
pub enum Decoder {
    /// Nothing to do.
    Plain,
    /// Native frames; holds the beginning of the next one.
    Frames(BytesMut),
    /// Gzip, also several members one after another.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Decoder {
    /// The decoder for a request with this `Content-Encoding` and, or, `decompress=1`.
    ///
    /// # Errors
    /// Encodings that are not built in, and both at once.
    pub fn new(content_encoding: &str, frames: bool) -> Result<Decoder, Exception> {
        match (content_encoding, frames) {
            ("" | "identity", false) => Ok(Decoder::Plain),
            ("" | "identity", true) => Ok(Decoder::Frames(BytesMut::new())),
            ("gzip", false) => Ok(Decoder::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            _ => Err(Exception::new(
                48,
                "NOT_IMPLEMENTED",
                format!(
                    "Content-Encoding {content_encoding} with decompress={} is not built in",
                    u8::from(frames)
                ),
            )),
        }
    }

    /// Takes the next piece and hands everything that is complete to `out`.
    ///
    /// # Errors
    /// Damaged or unknown content.
    pub fn push(&mut self, piece: Bytes, out: &mut Vec<Bytes>) -> Result<(), Exception> {
        match self {
            Decoder::Plain => out.push(piece),
            Decoder::Frames(buffer) => {
                buffer.extend_from_slice(&piece);
                while let Some(content) = next_frame(buffer)? {
                    out.push(content);
                }
            }
            Decoder::Gzip(decoder) => {
                decoder.write_all(&piece).and_then(|()| decoder.flush()).map_err(gzip_error)?;
                out.push(std::mem::take(decoder.get_mut()).into());
            }
        }
        Ok(())
    }

    /// The body is at its end.
    ///
    /// # Errors
    /// When it ends in the middle of a frame or of a gzip member.
    pub fn finish(self, out: &mut Vec<Bytes>) -> Result<(), Exception> {
        match self {
            Decoder::Plain => Ok(()),
            Decoder::Frames(rest) if rest.is_empty() => Ok(()),
            Decoder::Frames(rest) => Err(damaged(format!(
                "the body ends inside a compressed block, after {} bytes of it",
                rest.len()
            ))),
            Decoder::Gzip(decoder) => {
                out.push(decoder.finish().map_err(gzip_error)?.into());
                Ok(())
            }
        }
    }
}

fn damaged(message: impl std::fmt::Display) -> Exception {
    Exception::new(271, "CANNOT_DECOMPRESS", message)
}

fn gzip_error(error: std::io::Error) -> Exception {
    damaged(format!("gzip: {error}"))
}

/// Cuts the first frame off, None when it is not complete yet.
fn next_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, Exception> {
    let Some(header) = buffer.get(CHECKSUM..CHECKSUM + HEADER) else {
        return Ok(None);
    };
    let &[method, c0, c1, c2, c3, p0, p1, p2, p3] = header else {
        return Ok(None);
    };
    let compressed = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
    let plain = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
    if !(HEADER..=FRAME_MAX).contains(&compressed) || plain > FRAME_MAX {
        return Err(damaged("the header of a compressed block is not one"));
    }
    if buffer.len() < CHECKSUM + compressed {
        return Ok(None);
    }
    let frame = buffer.split_to(CHECKSUM + compressed).freeze();
    if frame[..CHECKSUM] != checksum(&frame[CHECKSUM..]) {
        return Err(Exception::new(
            40,
            "CHECKSUM_DOESNT_MATCH",
            "Checksum doesn't match: corrupted data",
        ));
    }
    let content = frame.slice(CHECKSUM + HEADER..);
    match method {
        METHOD_NONE => Ok(Some(content)),
        METHOD_LZ4 => match lz4_flex::block::decompress(&content, plain) {
            Ok(bytes) if bytes.len() == plain => Ok(Some(bytes.into())),
            Ok(bytes) => Err(damaged(format!("lz4: {} bytes instead of {plain}", bytes.len()))),
            Err(error) => Err(damaged(format!("lz4: {error}"))),
        },
        _ => Err(Exception::new(
            89,
            "UNKNOWN_COMPRESSION_METHOD",
            format!("compression method {method:#x} is not built in, use LZ4"),
        )),
    }
}

/// CityHash128 as ClickHouse writes it: version 1.0.2, the two halves exchanged, little-endian.
fn checksum(data: &[u8]) -> [u8; CHECKSUM] {
    cityhash_rs::cityhash_102_128(data).rotate_right(64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn frame(data: &[u8]) -> Vec<u8> {
        let packed = lz4_flex::block::compress(data);
        let mut rest = vec![METHOD_LZ4];
        rest.extend_from_slice(&(packed.len() as u32 + 9).to_le_bytes());
        rest.extend_from_slice(&(data.len() as u32).to_le_bytes());
        rest.extend_from_slice(&packed);
        [&checksum(&rest)[..], &rest].concat()
    }

    fn decode(mut decoder: Decoder, body: &[u8], step: usize) -> Result<Vec<u8>, Exception> {
        let mut out = vec![];
        for piece in body.chunks(step) {
            decoder.push(Bytes::copy_from_slice(piece), &mut out)?;
        }
        decoder.finish(&mut out)?;
        Ok(out.concat())
    }

    fn frames() -> Decoder {
        Decoder::new("", true).unwrap()
    }

    #[test]
    fn frames_come_back_however_they_are_cut() {
        let (a, b) = (b"row".repeat(1000), b"\n\n".to_vec());
        let body = [frame(&a), frame(&b)].concat();
        for step in [1, 7, 25, body.len()] {
            assert_eq!(
                decode(frames(), &body, step).unwrap(),
                [&a[..], &b].concat(),
                "cut at {step}"
            );
        }
    }

    #[test]
    fn damaged_frames_are_refused() {
        let body = frame(b"some rows");
        for at in 0..body.len() {
            let mut bad = body.clone();
            bad[at] ^= 1;
            assert!(decode(frames(), &bad, 64).is_err(), "a wrong byte at {at} was not seen");
        }
        assert_eq!(decode(frames(), &body[..body.len() - 1], 64).unwrap_err().code(), 271);
    }

    #[test]
    fn gzip_comes_back_and_a_cut_body_is_refused() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&b"1\tx\n".repeat(500)).unwrap();
        let body = encoder.finish().unwrap();
        let gzip = || Decoder::new("gzip", false).unwrap();
        assert_eq!(decode(gzip(), &body, 3).unwrap(), b"1\tx\n".repeat(500));
        assert!(decode(gzip(), &body[..body.len() / 2], 3).is_err());
    }

    #[test]
    fn unknown_encodings_are_refused() {
        assert_eq!(Decoder::new("zstd", false).err().unwrap().code(), 48);
    }
}
