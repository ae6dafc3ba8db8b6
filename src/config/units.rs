//! Durations and sizes as people write them: `"30s"`, `"1h30m"`, `"256MiB"`. A unit is always required,
//! because a bare `30` has meant seconds to one reader and milliseconds to the next. What is written back
//! by `show_*` reads to the same value.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `250ms`, `30s`, `14m`, `72h`, `1d` or several in a row (`1h30m`). The error is a hint.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut total: u64 = 0;
    loop {
        let (amount, unit, after) = number_and_unit(rest, DURATION_UNITS)?;
        let millis = scale(&DURATIONS, unit, DURATION_UNITS)?;
        total =
            amount.checked_mul(millis).and_then(|part| total.checked_add(part)).ok_or("it is too long")?;
        if after.is_empty() {
            return Ok(Duration::from_millis(total));
        }
        rest = after;
    }
}

/// Reads `256MiB`, `64KiB` (powers of 1024) or `10MB` (powers of 1000). The error is a hint.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (amount, unit, after) = number_and_unit(text, SIZE_UNITS)?;
    if !after.is_empty() {
        return Err("one number and one unit are enough".into());
    }
    let bytes = scale(&SIZES, unit, SIZE_UNITS)?;
    Ok(amount.checked_mul(bytes).ok_or("it is too large")?)
}

const DURATION_UNITS: &str = "ms, s, m, h or d";
const SIZE_UNITS: &str = "B, KiB, MiB, GiB, KB, MB or GB";

/// Splits the first number and its unit from the rest.
fn number_and_unit<'t>(text: &'t str, units: &str) -> Result<(u64, &'t str, &'t str), String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return Err("it must start with a whole number".into());
    }
    let (number, rest) = text.split_at(digits);
    let unit_len = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_len);
    if unit.is_empty() {
        return Err(format!("the unit is missing ({units})"));
    }
    let number = number.parse().map_err(|_| "the number is too large".to_owned())?;
    Ok((number, unit, rest))
}

fn scale(table: &[(&str, u64)], unit: &str, units: &str) -> Result<u64, String> {
    let known = table.iter().find(|(name, _)| *name == unit);
    known.map(|(_, factor)| *factor).ok_or_else(|| format!("the unit must be {units}"))
}

/// Writes a duration in the largest unit that holds it whole, to the millisecond.
pub(super) fn show_duration(value: Duration) -> String {
    show(u64::try_from(value.as_millis()).unwrap_or(u64::MAX), &DURATIONS, "0s")
}

/// Writes a size in the largest unit that holds it whole.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES, "0B")
}

fn show(value: u64, table: &[(&str, u64)], zero: &str) -> String {
    if value == 0 {
        return zero.to_owned();
    }
    let unit = table.iter().find(|(_, factor)| value.is_multiple_of(*factor));
    let (name, factor) = unit.copied().unwrap_or(("", 1));
    format!("{}{name}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_written() {
        for (text, millis) in [
            ("250ms", 250),
            ("0s", 0),
            ("30s", 30_000),
            ("14m", 840_000),
            ("72h", 259_200_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1m500ms", 60_500),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn bad_durations_say_why() {
        for (text, hint) in [
            ("", "it must start with a whole number"),
            ("s", "it must start with a whole number"),
            ("-5s", "it must start with a whole number"),
            ("30", "the unit is missing (ms, s, m, h or d)"),
            ("1h30", "the unit is missing (ms, s, m, h or d)"),
            ("30 s", "the unit must be ms, s, m, h or d"),
            ("1.5s", "the unit must be ms, s, m, h or d"),
            ("30sec", "the unit must be ms, s, m, h or d"),
            ("5M", "the unit must be ms, s, m, h or d"),
            ("99999999999999999999s", "the number is too large"),
            ("18446744073709551615d", "it is too long"),
        ] {
            assert_eq!(parse_duration(text), Err(hint.into()), "{text}");
        }
    }

    #[test]
    fn sizes_read_as_written() {
        for (text, bytes) in [
            ("512B", 512),
            ("64KiB", 65_536),
            ("1MiB", 1_048_576),
            ("256MiB", 268_435_456),
            ("2GiB", 2_147_483_648),
            ("10MB", 10_000_000),
            ("3KB", 3_000),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn bad_sizes_say_why() {
        for (text, hint) in [
            ("", "it must start with a whole number"),
            ("1024", "the unit is missing (B, KiB, MiB, GiB, KB, MB or GB)"),
            ("1mib", "the unit must be B, KiB, MiB, GiB, KB, MB or GB"),
            ("1MiB2B", "one number and one unit are enough"),
            ("99999999999GiB", "it is too large"),
        ] {
            assert_eq!(parse_size(text), Err(hint.into()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0..u64::MAX / 2, text in ".*") {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_size(&show_size(millis)), Ok(millis));
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
