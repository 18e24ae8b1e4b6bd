//! A parked container's state: the pieces of its memory that differ from a fresh instance's, and its globals.
//!
//! Guest calls run to completion, so between them this is all there is to a process, and a few live
//! instances serve any number of containers. Pieces with the same bytes are kept once: ten thousand
//! containers that started alike are one image and ten thousand pointers to it.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::rc::Rc;

use rustc_hash::FxHasher;

/// The size of a piece. Small ones share better, large ones cost less to list.
pub(super) const CHUNK: usize = 512;

/// The size of a WebAssembly page.
pub(super) const PAGE: usize = 64 << 10;

/// Some bytes of memory.
pub(super) type Chunk = [u8; CHUNK];

/// A piece of nothing.
pub(super) const ZERO: Chunk = [0; CHUNK];

/// What a fresh instance of a module holds.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) memory: Vec<u8>,
    pub(super) globals: Vec<u64>,
}

impl Template {
    /// A piece of the fresh memory; zeros beyond its end, as in pages that were grown.
    pub(super) fn chunk(&self, index: usize) -> &Chunk {
        self.memory.as_chunks::<CHUNK>().0.get(index).unwrap_or(&ZERO)
    }
}

/// A process's state between two calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) pages: u32,
    /// By number, ascending.
    pub(super) chunks: Vec<(u32, Rc<Chunk>)>,
    pub(super) globals: Vec<u64>,
}

/// Keeps one copy of each piece and of each image.
#[derive(Debug, Default)]
pub(super) struct Pool {
    chunks: BTreeMap<u64, Vec<Rc<Chunk>>>,
    images: BTreeMap<u64, Vec<Rc<Image>>>,
    /// Insertions until the next sweep.
    until_sweep: usize,
    held: usize,
    /// What memories are read into, one after another.
    pub(super) buffer: Vec<u8>,
}

/// A buffer larger than this is not kept.
const BUFFER_BYTES_MAX: usize = 64 * PAGE;

impl Pool {
    /// The state that differs from `template` as `memory` and `globals` say.
    pub(super) fn image(&mut self, template: &Template, memory: &[u8], globals: Vec<u64>) -> Rc<Image> {
        let mut hash = FxHasher::default();
        let mut chunks = Vec::new();
        for (index, bytes) in memory.as_chunks::<CHUNK>().0.iter().enumerate() {
            if !same(bytes, template.chunk(index)) {
                let chunk = self.chunk(bytes);
                hash.write_u32(index as u32);
                hash.write_u64(Rc::as_ptr(&chunk).addr() as u64);
                chunks.push((index as u32, chunk));
            }
        }
        globals.iter().for_each(|value| hash.write_u64(*value));
        let pages = (memory.len() / PAGE) as u32;
        let known = self.images.entry(hash.finish()).or_default();
        let found = known.iter().find(|image| {
            image.pages == pages
                && image.globals == globals
                && image.chunks.len() == chunks.len()
                && image.chunks.iter().zip(&chunks).all(|(a, b)| a.0 == b.0 && Rc::ptr_eq(&a.1, &b.1))
        });
        if let Some(image) = found {
            return image.clone();
        }
        let image = Rc::new(Image { pages, chunks, globals });
        known.push(image.clone());
        self.added();
        image
    }

    /// Keeps the buffer for the next.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= BUFFER_BYTES_MAX {
            self.buffer = buffer;
        }
    }

    fn chunk(&mut self, bytes: &Chunk) -> Rc<Chunk> {
        let mut hash = FxHasher::default();
        for word in bytes.as_chunks::<8>().0 {
            hash.write_u64(u64::from_le_bytes(*word));
        }
        let known = self.chunks.entry(hash.finish()).or_default();
        if let Some(chunk) = known.iter().find(|chunk| same(chunk, bytes)) {
            return chunk.clone();
        }
        let chunk = Rc::new(*bytes);
        known.push(chunk.clone());
        self.added();
        chunk
    }

    /// Now and then drops what nobody holds any more.
    fn added(&mut self) {
        self.held += 1;
        if self.until_sweep > 0 {
            self.until_sweep -= 1;
            return;
        }
        let mut held = 0;
        self.images.retain(|_, images| {
            images.retain(|image| Rc::strong_count(image) > 1);
            held += images.len();
            !images.is_empty()
        });
        self.chunks.retain(|_, chunks| {
            chunks.retain(|chunk| Rc::strong_count(chunk) > 1);
            held += chunks.len();
            !chunks.is_empty()
        });
        self.held = held;
        self.until_sweep = held.max(4_096);
    }
}

/// Whether two pieces are equal. In the browser there is no faster comparison than a word at a time.
pub(super) fn same(a: &Chunk, b: &Chunk) -> bool {
    if cfg!(target_family = "wasm") {
        a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).all(|(a, b)| a == b)
    } else {
        a == b
    }
}

/// What to write over memory that holds `from` so that it holds `to`: offsets and bytes, neighbours
/// joined.
pub(super) fn transition(template: &Template, from: &[u32], to: &Image) -> Vec<(usize, Vec<u8>)> {
    let mut writes: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut add = |index: u32, bytes: &Chunk| {
        let offset = index as usize * CHUNK;
        match writes.last_mut() {
            Some((start, run)) if *start + run.len() == offset => run.extend_from_slice(bytes),
            _ => writes.push((offset, bytes.to_vec())),
        }
    };
    let mut stale = from.iter().peekable();
    for (index, chunk) in &to.chunks {
        while let Some(old) = stale.next_if(|old| *old < index) {
            add(*old, template.chunk(*old as usize));
        }
        stale.next_if_eq(&index);
        add(*index, chunk);
    }
    stale.for_each(|old| add(*old, template.chunk(*old as usize)));
    writes
}
