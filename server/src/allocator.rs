//! What allocates memory natively: a cluster is millions of small strings and maps that come and go, which mimalloc gives and
//! takes back in half the time that glibc needs.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_long, c_void};

use libmimalloc_sys as mimalloc;

/// For a program's `#[global_allocator]`; the benches have the one that `podarium` has.
pub struct Allocator;

/// As every block of mimalloc's is aligned. Nearly all that Rust asks for needs no more. It must not be asked for even that much:
/// of a size that is no power of two it would take a larger block, and look for it the slow way.
const ALIGN: usize = size_of::<usize>();

// Of mimalloc.h; the crate names them only together with much else.
unsafe extern "C" {
    fn mi_option_set(option: c_int, value: c_long);
    #[cfg(test)]
    fn mi_option_get(option: c_int) -> c_long;
}

/// Its `mi_option_purge_delay`.
const PURGE_DELAY: c_int = 15;
/// How long what was freed is kept before the system gets it back, in milliseconds; 1,000 if nothing is said. What a cluster frees in a burst
/// it asks for again soon, and pages that the system has taken cost as much as all else that is done to allocate.
const KEPT_MS: c_long = 10_000;

/// Sets the allocator up for clusters. To be called when a program begins.
pub fn set_up() {
    // SAFETY: an option may be set at any time, and this one to any number.
    unsafe { mi_option_set(PURGE_DELAY, KEPT_MS) }
}

// SAFETY: mimalloc's functions keep malloc's promises, and so `GlobalAlloc`'s: blocks don't overlap, stay where they are until they
// are given back, are as large as was asked for, and are aligned to a word or as was asked for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size will do, and an alignment is a power of two.
        unsafe { if align <= ALIGN { mimalloc::mi_malloc(size) } else { mimalloc::mi_malloc_aligned(size, align) } }
            .cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as above.
        unsafe { if align <= ALIGN { mimalloc::mi_zalloc(size) } else { mimalloc::mi_zalloc_aligned(size, align) } }
            .cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller gives back what it got here.
        unsafe { mimalloc::mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (block, align) = (block.cast::<c_void>(), layout.align());
        // SAFETY: the caller passes what it got here, with the alignment that it had.
        unsafe {
            if align <= ALIGN {
                mimalloc::mi_realloc(block, size)
            } else {
                mimalloc::mi_realloc_aligned(block, size, align)
            }
        }
        .cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_that_is_set_is_the_one_that_is_meant() {
        // SAFETY: reading and setting an option.
        unsafe {
            assert_eq!(mi_option_get(PURGE_DELAY), 1_000, "what mimalloc says where nobody said anything");
            set_up();
            assert_eq!(mi_option_get(PURGE_DELAY), KEPT_MS);
        }
    }

    #[test]
    fn blocks_are_aligned_and_keep_what_they_hold() {
        for (size, align) in [(1, 1), (9, 8), (48, 8), (48, 16), (24, 32), (3208, 8), (1 << 20, 4096)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the layouts have a size, and each block is used within it and given back once.
            unsafe {
                let block = Allocator.alloc_zeroed(layout);
                assert!(!block.is_null() && block.addr().is_multiple_of(align), "{layout:?}");
                assert_eq!((block.read(), block.add(size - 1).read()), (0, 0), "{layout:?}");
                block.write(7);
                let block = Allocator.realloc(block, layout, size * 3);
                assert!(block.addr().is_multiple_of(align), "{layout:?}");
                assert_eq!(block.read(), 7, "{layout:?}");
                Allocator.dealloc(block, Layout::from_size_align(size * 3, align).unwrap());
            }
        }
    }
}
