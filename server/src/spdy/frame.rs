//! Frames as bytes.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Frames longer than this are refused.
const FRAME_BYTES_MAX: usize = 1 << 20;

const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const FLAG_FIN: u8 = 1;

/// A frame. Header blocks are still compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A stream begins.
    SynStream { stream: u32, fin: bool, block: Bytes },
    /// The other side takes it.
    SynReply { stream: u32, fin: bool, block: Bytes },
    /// It is broken off.
    RstStream { stream: u32, status: u32 },
    /// To be sent back.
    Ping { id: u32 },
    /// No more streams.
    GoAway { last: u32 },
    /// More headers.
    Headers { stream: u32, fin: bool, block: Bytes },
    /// Bytes.
    Data { stream: u32, fin: bool, bytes: Bytes },
    /// Something that changes nothing here: settings, windows.
    Other,
}

/// What is no SPDY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Frame {
    /// Takes the next frame off what has arrived; `None` if it is not all there.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
        let Some(head) = buffer.first_chunk::<8>().copied() else { return Ok(None) };
        let length = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
        if length > FRAME_BYTES_MAX {
            return Err(Malformed);
        }
        if buffer.len() < 8 + length {
            return Ok(None);
        }
        buffer.advance(8);
        let body = buffer.split_to(length).freeze();
        let word = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let fin = head[4] & FLAG_FIN != 0;
        if word >> 31 == 0 {
            return Ok(Some(Frame::Data { stream: word, fin, bytes: body }));
        }
        if (word >> 16) as u16 & 0x7fff != VERSION {
            return Err(Malformed);
        }
        Self::control(word as u16, fin, body).map(Some).ok_or(Malformed)
    }

    fn control(kind: u16, fin: bool, mut body: Bytes) -> Option<Frame> {
        let mut number = || body.try_get_u32().ok().map(|n| n & 0x7fff_ffff);
        Some(match kind {
            SYN_STREAM => {
                // The associated stream, then priority and slot, mean nothing here.
                let (stream, _) = (number()?, number()?);
                body.try_get_u16().ok()?;
                Frame::SynStream { stream, fin, block: body }
            }
            SYN_REPLY => Frame::SynReply { stream: number()?, fin, block: body },
            HEADERS => Frame::Headers { stream: number()?, fin, block: body },
            RST_STREAM => Frame::RstStream { stream: number()?, status: body.try_get_u32().ok()? },
            PING => Frame::Ping { id: body.try_get_u32().ok()? },
            GOAWAY => Frame::GoAway { last: number()? },
            _ => Frame::Other,
        })
    }

    /// The frame's bytes.
    pub fn write(&self, out: &mut BytesMut) {
        let mut control = |kind: u16, fin: bool, length: usize| {
            out.put_u16(0x8000 | VERSION);
            out.put_u16(kind);
            out.put_u32(u32::from(fin) << 24 | length as u32 & 0xff_ffff);
        };
        match self {
            Frame::SynStream { stream, fin, block } => {
                control(SYN_STREAM, *fin, 10 + block.len());
                out.put_u32(*stream);
                out.put_u32(0);
                out.put_u16(0);
                out.put_slice(block);
            }
            Frame::SynReply { stream, fin, block } => {
                control(SYN_REPLY, *fin, 4 + block.len());
                out.put_u32(*stream);
                out.put_slice(block);
            }
            Frame::Headers { stream, fin, block } => {
                control(HEADERS, *fin, 4 + block.len());
                out.put_u32(*stream);
                out.put_slice(block);
            }
            Frame::RstStream { stream, status } => {
                control(RST_STREAM, false, 8);
                out.put_u32(*stream);
                out.put_u32(*status);
            }
            Frame::Ping { id } => {
                control(PING, false, 4);
                out.put_u32(*id);
            }
            Frame::GoAway { last } => {
                control(GOAWAY, false, 8);
                out.put_u32(*last);
                out.put_u32(0);
            }
            Frame::Data { stream, fin, bytes } => {
                out.put_u32(stream & 0x7fff_ffff);
                out.put_u32(u32::from(*fin) << 24 | bytes.len() as u32 & 0xff_ffff);
                out.put_slice(bytes);
            }
            Frame::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let block = Bytes::from_static(b"block");
        let frames = [
            Frame::SynStream { stream: 1, fin: false, block: block.clone() },
            Frame::SynReply { stream: 1, fin: true, block: block.clone() },
            Frame::Headers { stream: 3, fin: false, block },
            Frame::RstStream { stream: 5, status: 3 },
            Frame::Ping { id: 7 },
            Frame::GoAway { last: 5 },
            Frame::Data { stream: 1, fin: false, bytes: Bytes::from(vec![7; 70_000]) },
            Frame::Data { stream: 1, fin: true, bytes: Bytes::new() },
        ];
        let mut bytes = BytesMut::new();
        for f in &frames {
            f.write(&mut bytes);
        }
        // It comes in pieces.
        let (mut arrived, mut read) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(1_000) {
            arrived.extend_from_slice(piece);
            while let Some(f) = Frame::take(&mut arrived).unwrap() {
                read.push(f);
            }
        }
        assert_eq!(read, frames);
        assert!(arrived.is_empty());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let check = |bytes: &[u8], expected: Result<Option<Frame>, Malformed>| {
            assert_eq!(Frame::take(&mut BytesMut::from(bytes)), expected, "{bytes:?}");
        };
        check(b"GET / HT", Err(Malformed));
        check(&[0x80, 2, 0, 1, 0, 0, 0, 0], Err(Malformed));
        check(&[0x80, 3, 0, 1, 0, 0, 0, 3, 1, 2, 3], Err(Malformed));
        check(&[0x80, 3, 0, 4, 0, 0, 0, 1, 0], Ok(Some(Frame::Other)));
        check(&[0x80, 3, 0, 1], Ok(None));
        check(&[0, 0, 0, 1, 0, 0xff, 0xff, 0xff], Err(Malformed));
    }
}
