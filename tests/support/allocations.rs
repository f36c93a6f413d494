//! The system's allocator, with counters for each thread.

#![allow(unsafe_code, reason = "a global allocator is unsafe to implement")]
#![allow(dead_code, reason = "no user needs both counters")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    // Types without a destructor can be used while a thread ends.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations of this thread.
///
/// A reallocation is an allocation, because the trait's provided functions call `alloc` for each.
pub(crate) fn allocations() -> usize {
    ALLOCATIONS.get()
}

/// The bytes that this thread has allocated and not freed. A thread that frees the memory of others has less than 0.
pub(crate) fn held_bytes() -> isize {
    HELD_BYTES.get()
}

// SAFETY: the system's allocator does all the work. Counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        HELD_BYTES.set(HELD_BYTES.get() + layout.size() as isize);
        // SAFETY: the caller upholds the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD_BYTES.set(HELD_BYTES.get() - layout.size() as isize);
        // SAFETY: the caller upholds the same contract.
        unsafe { System.dealloc(memory, layout) }
    }
}
