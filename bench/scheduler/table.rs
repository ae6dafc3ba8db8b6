//! The table: what was measured, and beside it what it should be.

use std::process::ExitCode;

/// Prints line by line and remembers what was missed.
pub(crate) struct Table {
    missed: usize,
    targets: usize,
}

impl Table {
    pub(crate) fn begin() -> Self {
        line("figure", "measured", "target", "");
        say(&format!("|{:-<74}|{:-<18}|{:-<25}|{:-<8}|", "", "", "", ""));
        Self { missed: 0, targets: 0 }
    }

    /// What the next lines are about.
    pub(crate) fn chapter(&self, name: &str) {
        line(&format!("**{name}**"), "", "", "");
    }

    /// A figure to look at.
    pub(crate) fn note(&self, what: &str, measured: &str) {
        line(what, measured, "", "");
    }

    /// A figure that should be so.
    pub(crate) fn must(&mut self, what: &str, measured: &str, target: &str, met: bool) {
        self.targets += 1;
        self.missed += usize::from(!met);
        line(what, measured, target, if met { "yes" } else { "**NO**" });
    }

    pub(crate) fn at_most(&mut self, what: &str, measured: f64, unit: &str, limit: f64) {
        let target = format!("at most {}", with_unit(limit, unit));
        self.must(what, &with_unit(measured, unit), &target, measured <= limit);
    }

    pub(crate) fn at_least(&mut self, what: &str, measured: f64, unit: &str, limit: f64) {
        let target = format!("at least {}", with_unit(limit, unit));
        self.must(what, &with_unit(measured, unit), &target, measured >= limit);
    }

    pub(crate) fn end(self) -> ExitCode {
        let met = self.targets - self.missed;
        say(&format!("\n{met} of {} targets are met.", self.targets));
        if self.missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Three digits that count.
pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 || large.fract() == 0.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    let space = if unit.is_empty() { "" } else { " " };
    format!("{value:.digits$}{space}{unit}")
}

/// The value that a part of all does not exceed. They are sorted on the way.
pub(crate) fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() - 1) as f64 * part).round();
    values[at as usize]
}

fn line(what: &str, measured: &str, target: &str, met: &str) {
    say(&format!("| {what:<72} | {measured:<16} | {target:<23} | {met:<6} |"));
}

#[expect(clippy::print_stdout, reason = "the table is the benchmark's data")]
fn say(line: &str) {
    println!("{line}");
}
