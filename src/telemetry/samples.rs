//! The metrics as numbers again. A family of metrics cannot tell which labels it has, and a histogram not what is in it;
//! their text can. So whoever shows them shows what Prometheus is told, and nothing is counted twice.

/// One line of the exposition text.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    /// The number.
    pub value: f64,
}

impl Sample {
    /// The value of a label; empty if there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The number of what is counted.
    pub fn count(&self) -> u64 {
        // Counters are whole and never negative.
        self.value as u64
    }
}

/// How many of the observed values were at most as large as each bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread {
    /// The bounds, rising; the last one is infinite and left out.
    pub bounds: Vec<f64>,
    /// For each bound how many values were not above it, and then how many there were.
    pub counts: Vec<u64>,
}

/// All numbers at one moment.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Reads an exposition text, as [`super::Metrics::text`] writes it.
    pub(super) fn read(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// Those of a metric, by its whole name.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The histograms of a metric of which `fits` holds, added up.
    pub fn spread(&self, name: &str, fits: impl Fn(&Sample) -> bool) -> Spread {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        for sample in self.of(&format!("{name}_bucket")).filter(|sample| fits(sample)) {
            let bound = sample.label("le").parse().unwrap_or(f64::INFINITY);
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, count)) => *count += sample.count(),
                None => buckets.push((bound, sample.count())),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Spread {
            bounds: buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect(),
            counts: buckets.iter().map(|(_, count)| *count).collect(),
        }
    }
}

/// `name{label="value"} 1`.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, behind) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            labels.push((label.to_owned(), value));
            rest = behind;
        }
        rest = &rest[1..];
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// A text up to its closing quote, and what comes after.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_labels_and_a_number() {
        let text = "# HELP a Words.\na_total{b=\"c \\\"d\\\", \\\\e}\",f=\"\"} 7\ng 0.25\n# EOF\n";
        let samples = Samples::read(text);
        let a = samples.of("a_total").next().unwrap();
        assert_eq!((a.label("b"), a.label("f"), a.label("x"), a.count()), ("c \"d\", \\e}", "", "", 7));
        assert_eq!(samples.of("g").next().unwrap().value, 0.25);
        assert_eq!(samples.0.len(), 2);
    }

    #[test]
    fn histograms_are_added_up_bound_by_bound() {
        let text = "t_bucket{le=\"0.1\",a=\"x\"} 1\nt_bucket{le=\"10.0\",a=\"x\"} 3\nt_bucket{le=\"+Inf\",a=\"x\"} 4\n\
                    t_bucket{le=\"0.1\",a=\"y\"} 2\nt_bucket{le=\"10.0\",a=\"y\"} 2\nt_bucket{le=\"+Inf\",a=\"y\"} 2\n";
        let samples = Samples::read(text);
        let all = samples.spread("t", |_| true);
        assert_eq!(all, Spread { bounds: vec![0.1, 10.0], counts: vec![3, 5, 6] });
        let y = samples.spread("t", |sample| sample.label("a") == "y");
        assert_eq!(y.counts, [2, 2, 2]);
        assert_eq!(samples.spread("t", |_| false), Spread::default());
    }
}
