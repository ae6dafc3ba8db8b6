//! What things take in memory, so that what is bounded by weight takes what it may and no more.

/// What an allocation of so many bytes takes: glibc's allocator keeps eight bytes of its own with each and gives them out
/// in steps of sixteen, at least 32. Others differ by less than what else is not known.
pub const fn allocated(bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    let whole = (bytes + 8).next_multiple_of(16);
    if whole < 32 { 32 } else { whole }
}

/// What a value behind an [`std::sync::Arc`] takes: two counts and itself.
pub const fn shared<T>() -> usize {
    allocated(2 * size_of::<usize>() + size_of::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_rounded_up_as_the_allocator_does() {
        for (bytes, taken) in [(0, 0), (1, 32), (24, 32), (25, 48), (40, 48), (41, 64), (1000, 1008)] {
            assert_eq!(allocated(bytes), taken, "{bytes}");
        }
        assert_eq!(shared::<[u8; 100]>(), 128);
    }
}
