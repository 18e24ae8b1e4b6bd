//! The worker's allocator: small blocks come from lists by size, all else from the standard one.
//!
//! A cluster is millions of small strings and maps that come and go. A list by size gives one and takes it back in a few
//! instructions, and a block has no header, since whoever frees it says how large it is. What a size once needed stays with
//! that size: a cluster's mix of objects hardly changes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// Sizes are rounded up to this, which is also how blocks are aligned.
const STEP: usize = 8;
/// Larger blocks, and those that are aligned more strictly, come from the standard allocator.
const SMALL_MAX: usize = 1024;
/// How much is taken from the standard allocator at once.
const CHUNK: usize = 128 << 10;
/// Memory grows by an eighth, within these bounds: each time costs the browser a third of a millisecond, however little it is.
#[cfg(target_arch = "wasm32")]
const GROWTH: std::ops::RangeInclusive<usize> = 4 << 20..=64 << 20;

/// A block that is free holds the address of the next.
struct Free {
    next: *mut Free,
}

struct Lists {
    /// Free blocks of 8, 16, .. bytes.
    free: [*mut Free; SMALL_MAX / STEP],
    /// What is left of the last chunk.
    rest: *mut u8,
    rest_bytes: usize,
    /// How large memory was when it was looked at last, in pages.
    #[cfg(target_arch = "wasm32")]
    pages: usize,
}

/// An allocator for one thread.
pub struct Allocator(UnsafeCell<Lists>);

// SAFETY: WebAssembly without atomics has one thread, and nothing below calls out while it holds the lists. Tests use an
// allocator of their own in one thread.
unsafe impl Sync for Allocator {}

#[cfg(target_feature = "atomics")]
compile_error!("this allocator is for one thread");

impl Allocator {
    /// An allocator that has nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Allocator(UnsafeCell::new(Lists {
            free: [null_mut(); SMALL_MAX / STEP],
            rest: null_mut(),
            rest_bytes: 0,
            #[cfg(target_arch = "wasm32")]
            pages: 0,
        }))
    }
}

impl Default for Allocator {
    fn default() -> Self {
        Self::new()
    }
}

/// Which list a layout's blocks come from; `None` for the standard allocator's.
#[inline(always)]
const fn class(layout: &Layout) -> Option<usize> {
    if layout.size() > SMALL_MAX || layout.align() > STEP || layout.size() == 0 {
        return None;
    }
    Some((layout.size() - 1) / STEP)
}

impl Lists {
    /// A block for which no free one was there.
    #[cold]
    fn cut(&mut self, class: usize) -> *mut u8 {
        let bytes = (class + 1) * STEP;
        if self.rest_bytes < bytes {
            self.refill();
            if self.rest_bytes < bytes {
                return null_mut();
            }
        }
        let block = self.rest;
        // SAFETY: `bytes` are left behind `rest`.
        self.rest = unsafe { block.add(bytes) };
        self.rest_bytes -= bytes;
        block
    }

    /// Takes a new chunk; what was left of the last becomes a free block.
    fn refill(&mut self) {
        if self.rest_bytes >= STEP {
            let block = self.rest.cast::<Free>();
            let list = &mut self.free[self.rest_bytes / STEP - 1];
            // SAFETY: the block lies in a chunk, is aligned, belongs to nobody and has room for an address.
            unsafe { block.write(Free { next: *list }) };
            *list = block;
        }
        // SAFETY: the size isn't zero.
        let chunk = unsafe { System.alloc(Layout::from_size_align_unchecked(CHUNK, STEP)) };
        (self.rest, self.rest_bytes) = (chunk, if chunk.is_null() { 0 } else { CHUNK });
        #[cfg(target_arch = "wasm32")]
        self.reserve();
    }

    /// Once memory has grown, makes it grow by a good deal more: the standard allocator keeps what is freed.
    #[cfg(target_arch = "wasm32")]
    fn reserve(&mut self) {
        const PAGE_BYTES: usize = 65_536;
        let pages = core::arch::wasm32::memory_size::<0>();
        if pages == self.pages {
            return;
        }
        let bytes = (pages * PAGE_BYTES / 8).clamp(*GROWTH.start(), *GROWTH.end());
        // SAFETY: the size isn't zero, and the block is freed as it was allocated.
        unsafe {
            let layout = Layout::from_size_align_unchecked(bytes, STEP);
            let block = System.alloc(layout);
            if !block.is_null() {
                System.dealloc(block, layout);
            }
        }
        self.pages = core::arch::wasm32::memory_size::<0>();
    }
}

// SAFETY: blocks of a list are as large as its class says and aligned to STEP; each is on a list or with its owner, never
// both. Everything else is passed on.
unsafe impl GlobalAlloc for Allocator {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(&layout) else {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: one thread, and no other borrow is alive.
        let lists = unsafe { &mut *self.0.get() };
        let block = lists.free[class];
        if block.is_null() {
            return lists.cut(class);
        }
        // SAFETY: what is on a list is a free block.
        lists.free[class] = unsafe { (*block).next };
        block.cast()
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(&layout) else {
            // SAFETY: as the caller promises.
            return unsafe { System.dealloc(block, layout) };
        };
        // SAFETY: one thread, and no other borrow is alive.
        let lists = unsafe { &mut *self.0.get() };
        let block = block.cast::<Free>();
        // SAFETY: the block came from `alloc` with this layout, so it is aligned and has room for an address.
        unsafe { block.write(Free { next: lists.free[class] }) };
        lists.free[class] = block;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is valid with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
        match (class(&layout), class(&wanted)) {
            // SAFETY: as the caller promises.
            (None, None) => unsafe { System.realloc(block, layout, bytes) },
            (Some(a), Some(b)) if a == b => block,
            _ => {
                // SAFETY: both blocks are as large as their layouts say, and apart.
                unsafe {
                    let new = self.alloc(wanted);
                    if !new.is_null() {
                        new.copy_from_nonoverlapping(block, layout.size().min(bytes));
                        self.dealloc(block, layout);
                    }
                    new
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of all sizes, each filled with a byte of its own, freed and grown in a scrambled order.
    #[test]
    fn blocks_do_not_touch_each_other() {
        let allocator = Allocator::new();
        let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut random = 88_172_645_463_325_252u64;
        for turn in 0..200_000u32 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = (random >> 20) as usize % (blocks.len() + 1);
            let size = 1 + (random >> 40) as usize % if turn % 16 == 0 { 5_000 } else { 300 };
            let align = 1 << (random & 3);
            let byte = turn as u8;
            // SAFETY: layouts are valid, and each block is used while it is there, within its size.
            unsafe {
                match blocks.get(at).copied() {
                    Some((block, layout, filled)) => {
                        let bytes = std::slice::from_raw_parts(block, layout.size());
                        assert!(bytes.iter().all(|b| *b == filled), "a block of {} was overwritten", layout.size());
                        if random & 4 == 0 {
                            let grown = allocator.realloc(block, layout, size);
                            let kept = std::slice::from_raw_parts(grown, size.min(layout.size()));
                            assert!(kept.iter().all(|b| *b == filled), "growing lost bytes");
                            grown.write_bytes(byte, size);
                            blocks[at] = (grown, Layout::from_size_align(size, layout.align()).expect("valid"), byte);
                        } else {
                            allocator.dealloc(block, layout);
                            blocks.swap_remove(at);
                        }
                    }
                    None => {
                        let layout = Layout::from_size_align(size, align).expect("valid");
                        let block = allocator.alloc(layout);
                        assert!(!block.is_null() && block.addr().is_multiple_of(align));
                        block.write_bytes(byte, size);
                        blocks.push((block, layout, byte));
                    }
                }
            }
            if blocks.len() < 500 {
                let layout = Layout::from_size_align(size, align).expect("valid");
                // SAFETY: as above.
                unsafe {
                    let block = allocator.alloc(layout);
                    block.write_bytes(byte, size);
                    blocks.push((block, layout, byte));
                }
            }
        }
        for (block, layout, _) in blocks {
            // SAFETY: each is still there.
            unsafe { allocator.dealloc(block, layout) };
        }
    }
}
