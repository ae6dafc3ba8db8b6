//! Dice that always fall the same way for one seed, project and question (SplitMix64).

/// What a throw is for. Each question has dice of its own, so that a new question does not change old answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    Project = 1,
    Steps,
    Actions,
    Checklists,
    Goods,
    Payments,
    Tasks,
}

/// A sequence of throws.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The dice for one question about one project.
    pub(super) fn new(seed: u64, project: u64, question: Question) -> Self {
        let mut start = Self(seed);
        for part in [project, question as u64] {
            start = Self(start.next() ^ part);
        }
        start
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to just below `bound`; 0 when `bound` is not positive.
    pub(super) fn below(&mut self, bound: i64) -> i64 {
        match u64::try_from(bound) {
            Ok(bound) if bound > 0 => i64::try_from(self.next() % bound).unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether something happens that does so in `percent` of 100 cases.
    pub(super) fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub(super) fn pick<'t, T>(&mut self, several: &'t [T]) -> &'t T {
        let at = self.below(i64::try_from(several.len()).unwrap_or(1));
        &several[usize::try_from(at).unwrap_or(0)]
    }
}
