//! What a thread has allocated, and its peak: so that a case that takes too much memory fails instead of the machine.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with a count a thread. A test binary makes it its own by `#[global_allocator]`.
pub struct Counting;

thread_local! {
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(change: isize) {
    // A thread that ends may free after its counts are gone.
    let _ = HELD.try_with(|h| {
        let (now, peak) = h.get();
        let now = now + change;
        h.set((now, peak.max(now)));
    });
}

// SAFETY: everything is passed on to the system's allocator; counting touches no memory of its callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps alloc_zeroed's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps dealloc's contract, and it all came from System.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: the caller keeps realloc's contract, and it all came from System.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

/// What this thread holds now; its peak begins anew.
pub fn begin() -> isize {
    HELD.with(|h| {
        let (now, _) = h.get();
        h.set((now, now));
        now
    })
}

/// By how much the thread's peak went above what it held.
pub fn peak_above(held: isize) -> usize {
    HELD.with(|h| usize::try_from(h.get().1 - held).unwrap_or(0))
}
