//! Memory from the first page on, in blocks of powers of two, zeroed when they are freed.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::UnsafeCell;
use core::ptr;

const PAGE: usize = 64 << 10;
/// The smallest block, 16 bytes, holds the link to the next free one.
const SHIFT_MIN: u32 = 4;
const CLASSES: usize = 28;

unsafe extern "C" {
    static __heap_base: u8;
}

struct State {
    /// Where memory begins that was never handed out, and where it ends; 0 before the first use.
    next: usize,
    end: usize,
    free: [*mut u8; CLASSES],
}

struct Allocator(UnsafeCell<State>);

// There is one thread.
unsafe impl Sync for Allocator {}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(State { next: 0, end: 0, free: [ptr::null_mut(); CLASSES] }));

fn class(layout: Layout) -> usize {
    let size = layout.size().max(layout.align()).max(1 << SHIFT_MIN);
    (size.next_power_of_two().trailing_zeros() - SHIFT_MIN) as usize
}

impl State {
    fn fresh(&mut self, size: usize, align: usize) -> *mut u8 {
        if self.end == 0 {
            self.next = (&raw const __heap_base).addr();
            self.end = wasm32::memory_size(0) * PAGE;
        }
        let start = self.next.next_multiple_of(align);
        let Some(end) = start.checked_add(size) else { return ptr::null_mut() };
        if end > self.end {
            let pages = (end - self.end).div_ceil(PAGE);
            if wasm32::memory_grow(0, pages) == usize::MAX {
                return ptr::null_mut();
            }
            self.end += pages * PAGE;
        }
        self.next = end;
        ptr::with_exposed_provenance_mut(start)
    }
}

// Blocks come from memory that nothing else uses, are as large and as aligned as their class, and go back
// to their class's list.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let state = unsafe { &mut *self.0.get() };
        let class = class(layout);
        let Some(head) = state.free.get_mut(class) else { return ptr::null_mut() };
        if head.is_null() {
            return state.fresh(1 << (class as u32 + SHIFT_MIN), layout.align().max(16));
        }
        let block = *head;
        unsafe {
            *head = *block.cast::<*mut u8>();
            *block.cast::<*mut u8>() = ptr::null_mut();
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let state = unsafe { &mut *self.0.get() };
        unsafe { ptr::write_bytes(block, 0, layout.size()) };
        if let Some(head) = state.free.get_mut(class(layout)) {
            unsafe { *block.cast::<*mut u8>() = *head };
            *head = block;
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // Free and fresh memory is zero.
        unsafe { self.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        if class(new) == class(layout) {
            if size < layout.size() {
                unsafe { ptr::write_bytes(block.add(size), 0, layout.size() - size) };
            }
            return block;
        }
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
