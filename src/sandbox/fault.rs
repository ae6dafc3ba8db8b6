//! What can go wrong on the way to a CRM, on demand: rules, each for some operations and some calls, and chances, by
//! which a part of the calls goes wrong at random and yet the same way every time.

use std::sync::Mutex;
use std::time::Duration;

use super::world::dice::Dice;

/// One way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer after this long.
    Latency(Duration),
    /// Carry the operation out after this long and answer then; it is carried out also when the caller has left, as
    /// a program behind a front server goes on when nobody waits any more.
    Late(Duration),
    /// Never answer; the connection stays open.
    Hang,
    /// Carry the operation out, then never answer; the connection stays open.
    HangAfter,
    /// Close the connection without an answer, before the operation had any effect.
    DropBefore,
    /// Carry the operation out, then close the connection without an answer.
    DropAfter,
    /// Answer with this status and body instead, without effect.
    Status { code: u16, body: String, content_type: &'static str, retry_after: Option<String> },
    /// Carry the operation out, then answer with this status all the same.
    StatusAfter { code: u16 },
    /// The right answer, cut in the middle of its body with the connection closed.
    DropMidBody,
    /// The right answer cut short, but ended as if it were whole: truncated JSON.
    Truncated,
    /// A login page with status 200.
    LoginPage,
    /// A redirect to this address.
    Redirect(String),
    /// The right answer behind a UTF-8 byte order mark.
    ByteOrderMark,
    /// The right answer behind a line of warning text, as a PHP back end prints it.
    WarningText,
    /// A body that never ends, in small pieces.
    Endless,
}

/// A fault for some calls.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The operation it is for (`customer/index`); `None` for all.
    pub operation: Option<String>,
    /// How many matching calls go through before it strikes.
    pub after: usize,
    /// How often it strikes, `usize::MAX` for always.
    pub times: usize,
    /// What happens.
    pub fault: Fault,
}

/// What goes wrong at random.
#[derive(Debug)]
struct Chance {
    operation: Option<String>,
    odds: Vec<(f64, Fault)>,
    dice: Dice,
}

/// The rules and chances in force. The first rule that fits a call is used up by one. Of the calls that no rule takes,
/// the first chance that fits decides.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Causes>);

#[derive(Debug, Default)]
struct Causes {
    rules: Vec<Rule>,
    chances: Vec<Chance>,
}

impl Faults {
    /// Adds a rule behind those there are.
    pub fn inject(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Makes the next `times` calls of `operation` (all operations for `None`) go wrong.
    pub fn next(&self, operation: Option<&str>, times: usize, fault: Fault) {
        self.inject(Rule { operation: operation.map(str::to_owned), after: 0, times, fault });
    }

    /// From now on such a part of the calls of `operation` (all operations for `None`) goes wrong in each of these ways:
    /// `(0.1, Fault::DropAfter)` is one in ten. The same seed strikes the same calls, counted from here.
    pub fn at_random(&self, operation: Option<&str>, seed: u64, odds: &[(f64, Fault)]) {
        let operation = operation.map(str::to_owned);
        let dice = Dice::new(seed, TOPIC);
        self.lock().chances.push(Chance { operation, odds: odds.to_vec(), dice });
    }

    /// Removes all rules and chances.
    pub fn clear(&self) {
        *self.lock() = Causes::default();
    }

    /// The fault for a call of `operation` that arrives now, if any.
    pub fn strike(&self, operation: &str) -> Option<Fault> {
        let fits = |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == operation);
        let mut causes = self.lock();
        for rule in &mut causes.rules {
            if !fits(&rule.operation) || rule.times == 0 {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
                continue;
            }
            if rule.times != usize::MAX {
                rule.times -= 1;
            }
            return Some(rule.fault.clone());
        }
        causes.chances.iter_mut().find(|chance| fits(&chance.operation)).and_then(Chance::strike)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Causes> {
        self.0.lock().expect("no code panics while it holds the causes")
    }
}

/// Keeps these dice apart from those of the invented data.
const TOPIC: u64 = 0xFA17;

impl Chance {
    /// One throw for each call, whatever comes of it, so that the odds of one fault do not move the others' calls.
    fn strike(&mut self) -> Option<Fault> {
        const SIDES: usize = 1_000_000_000;
        let mut thrown = self.dice.below(SIDES) as f64 / SIDES as f64;
        for (part, fault) in &self.odds {
            if thrown < *part {
                return Some(fault.clone());
            }
            thrown -= part;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODDS: [(f64, Fault); 2] = [(0.1, Fault::DropAfter), (0.05, Fault::StatusAfter { code: 502 })];

    fn struck(faults: &Faults, operation: &str, calls: usize) -> Vec<Option<Fault>> {
        (0..calls).map(|_| faults.strike(operation)).collect()
    }

    #[test]
    fn chances_strike_such_a_part_of_the_calls() {
        let faults = Faults::default();
        faults.at_random(Some("pay/create"), 1, &ODDS);
        let struck = struck(&faults, "pay/create", 10_000);
        for (part, fault) in ODDS {
            let found = struck.iter().filter(|struck| struck.as_ref() == Some(&fault)).count() as f64;
            assert!((found / 10_000.0 - part).abs() < 0.01, "{fault:?} struck {found} of 10,000");
        }
        assert_eq!(faults.strike("pay/index"), None);
    }

    #[test]
    fn the_same_seed_strikes_the_same_calls_and_another_one_others() {
        let with = |seed| {
            let faults = Faults::default();
            faults.at_random(None, seed, &ODDS);
            struck(&faults, "pay/create", 200)
        };
        assert_eq!(with(7), with(7));
        assert_ne!(with(7), with(8));
    }

    #[test]
    fn calls_of_other_operations_and_of_rules_do_not_move_the_throws() {
        let alone = Faults::default();
        alone.at_random(Some("pay/create"), 3, &ODDS);
        let among = Faults::default();
        among.at_random(Some("pay/create"), 3, &ODDS);
        among.at_random(None, 4, &[(1.0, Fault::Hang)]);
        among.next(Some("pay/create"), 2, Fault::DropBefore);
        assert_eq!(struck(&among, "pay/create", 2), [Some(Fault::DropBefore), Some(Fault::DropBefore)]);
        for call in 0..200 {
            assert_eq!(among.strike("pay/index"), Some(Fault::Hang));
            assert_eq!(among.strike("pay/create"), alone.strike("pay/create"), "call {call}");
        }
        among.clear();
        assert_eq!(struck(&among, "pay/create", 200), vec![None; 200]);
    }
}
