//! Writing the binary format: numbers, vectors and sections.

/// An unsigned LEB128 number.
pub(super) fn unsigned(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// A signed LEB128 number.
pub(super) fn signed(out: &mut Vec<u8>, mut value: i32) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// A length-prefixed name.
pub(super) fn name(out: &mut Vec<u8>, name: &str) {
    unsigned(out, name.len() as u32);
    out.extend_from_slice(name.as_bytes());
}

/// A section with its header.
pub(super) fn section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    unsigned(out, body.len() as u32);
    out.extend_from_slice(body);
}

/// Entries of a section that is a vector.
#[derive(Default)]
pub(super) struct Entries {
    count: u32,
    bytes: Vec<u8>,
}

impl Entries {
    /// Entries as they stand in another module: a section's contents with its count.
    pub(super) fn raw(count: u32, section: &[u8]) -> Self {
        let digits = section.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        Entries { count, bytes: section.get(digits..).unwrap_or_default().to_vec() }
    }

    /// Adds an entry and answers its number.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u32 {
        write(&mut self.bytes);
        self.count += 1;
        self.count - 1
    }

    /// Writes the section, unless it is empty.
    pub(super) fn finish(self, out: &mut Vec<u8>, id: u8) {
        if self.count > 0 {
            let mut body = Vec::with_capacity(self.bytes.len() + 5);
            unsigned(&mut body, self.count);
            body.extend_from_slice(&self.bytes);
            section(out, id, &body);
        }
    }
}

/// Instructions of added code.
pub(super) mod op {
    use super::{signed, unsigned};

    pub(in super::super) const UNREACHABLE: u8 = 0x00;
    pub(in super::super) const BLOCK: u8 = 0x02;
    pub(in super::super) const IF: u8 = 0x04;
    pub(in super::super) const END: u8 = 0x0b;
    pub(in super::super) const BR: u8 = 0x0c;
    pub(in super::super) const RETURN: u8 = 0x0f;
    pub(in super::super) const I32_EQ: u8 = 0x46;
    pub(in super::super) const I32_LT_S: u8 = 0x48;
    pub(in super::super) const I32_GT_S: u8 = 0x4a;
    pub(in super::super) const I32_GT_U: u8 = 0x4b;
    pub(in super::super) const I32_ADD: u8 = 0x6a;
    pub(in super::super) const I32_SUB: u8 = 0x6b;
    pub(in super::super) const I32_MUL: u8 = 0x6c;
    pub(in super::super) const I32_SHR_U: u8 = 0x76;
    pub(in super::super) const EMPTY: u8 = 0x40;

    pub(in super::super) fn call(out: &mut Vec<u8>, function: u32) {
        out.push(0x10);
        unsigned(out, function);
    }

    pub(in super::super) fn local_get(out: &mut Vec<u8>, local: u32) {
        out.push(0x20);
        unsigned(out, local);
    }

    pub(in super::super) fn global_get(out: &mut Vec<u8>, global: u32) {
        out.push(0x23);
        unsigned(out, global);
    }

    pub(in super::super) fn global_set(out: &mut Vec<u8>, global: u32) {
        out.push(0x24);
        unsigned(out, global);
    }

    pub(in super::super) fn i32_const(out: &mut Vec<u8>, value: i32) {
        out.push(0x41);
        signed(out, value);
    }

    /// `if (top of stack) trap`.
    pub(in super::super) fn trap_if(out: &mut Vec<u8>) {
        out.extend_from_slice(&[IF, EMPTY, UNREACHABLE, END]);
    }
}
