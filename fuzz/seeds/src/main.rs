//! Writes where the fuzz targets start from: for each a folder `corpus/TARGET` of inputs and a file `corpus/TARGET.dict`
//! of words. The inputs are the recorded answers in `tests/fixtures`, as each resource may be answered with them, and
//! the parameters of the API document.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

/// At least as many as a CRM has resources; each recording is tried with all of them.
const RESOURCES: u8 = 6;
/// The configurations of the Crypto CRM, in the upper bits of the circumstances.
const TENANTS: u8 = 4;
/// Longer words are no words.
const LONGEST_WORD: usize = 40;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fixtures = root.join("tests/fixtures");
    let corpus = root.join("fuzz/corpus");
    alfa(&fixtures.join("alfacrm"), &mut Seeds::new(&corpus, "alfa")?)?;
    crypto(&fixtures.join("cryptocrm"), &mut Seeds::new(&corpus, "crypto")?)?;
    query(&root.join("openapi/openapi.json"), &mut Seeds::new(&corpus, "query")?)?;
    cursor(&mut Seeds::new(&corpus, "cursor")?)
}

/// AlfaCRM's answers: the files as they are, with the status that the index names.
fn alfa(fixtures: &Path, seeds: &mut Seeds) -> io::Result<()> {
    let index = json(&fixtures.join("_index.json"))?;
    for entry in index["files"].as_array().into_iter().flatten() {
        let name = entry["file"].as_str().unwrap_or_default();
        let body = fs::read(fixtures.join(name))?;
        let status = entry["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        seeds.words_of(&body);
        for resource in 0..RESOURCES {
            seeds.answer(&format!("{name}-{resource}"), resource, status, 0, &body)?;
        }
    }
    seeds.finish()
}

/// The Crypto CRM's answers: the recorded one of each file, its variants, and the refusals.
fn crypto(fixtures: &Path, seeds: &mut Seeds) -> io::Result<()> {
    for file in files(fixtures)? {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let recording = json(&file)?;
        let variants = recording["variants"].as_array().into_iter().flatten();
        let cases = recording["cases"].as_array().into_iter().flatten();
        let recorded = recording.get("response").into_iter();
        for (number, answer) in recorded.chain(variants).chain(cases).enumerate() {
            let status =
                answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
            let body = answer["body"].as_str().map_or_else(|| answer["body"].to_string(), str::to_owned);
            seeds.words_of(body.as_bytes());
            for resource in 0..RESOURCES {
                let circumstances = (resource % TENANTS) << 5 | (resource & 1) << 3;
                seeds.answer(
                    &format!("{name}-{number}-{resource}"),
                    resource,
                    status,
                    circumstances,
                    body.as_bytes(),
                )?;
            }
        }
    }
    seeds.finish()
}

/// Queries: all parameters of each list, and each alone.
fn query(document: &Path, seeds: &mut Seeds) -> io::Result<()> {
    let document = json(document)?;
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        let mut pairs = Vec::new();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap_or_default();
            seeds.word(&format!("{name}="));
            for value in values(&document, parameter) {
                seeds.word(&value);
                pairs.push(format!("{name}={value}"));
            }
        }
        for (number, pair) in pairs.iter().enumerate() {
            seeds.input(&format!("{}-{number}", path.replace('/', "-")), pair.as_bytes())?;
        }
        if !pairs.is_empty() {
            seeds.input(&format!("{}-all", path.replace('/', "-")), pairs.join("&").as_bytes())?;
        }
    }
    seeds.input("field", b"field[client_id]=7&field%5Btags%5D=%D0%9F%D1%91&condition=OR")?;
    seeds.finish()
}

/// Values that a parameter may have, by its example and its schema.
fn values(document: &Value, parameter: &Value) -> Vec<String> {
    let mut schema = &parameter["schema"];
    for _ in 0..3 {
        if let Some(reference) = schema["$ref"].as_str() {
            schema = document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        }
        if schema.get("items").is_some() {
            schema = &schema["items"];
        }
    }
    let words = schema["enum"].as_array().into_iter().flatten();
    let examples = schema["examples"].as_array().into_iter().flatten();
    let found = words.chain(examples).chain(parameter.get("example"));
    let texts: Vec<String> =
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
    if texts.is_empty() { vec!["1".to_owned(), "true".to_owned(), "alfa-1".to_owned()] } else { texts }
}

/// Cursors: the sequences of each list, at its start, in its middle and at its end.
fn cursor(seeds: &mut Seeds) -> io::Result<()> {
    let middle = r#""p":1,"i":1,"b":2,"t":5,"g":7,"l":["alfa-1","alfa-2","alfa-3"]"#;
    let inner = r#""p":2,"i":0,"b":2,"l":["crypto-1-1","crypto-1-2"],"u":1"#;
    let outer = r#""o":{"p":0,"i":1,"b":0,"g":7,"l":["crypto-1"]}"#;
    let lists = [
        (0, format!(r#"[{{"n":"alfa",{middle}}}]"#)),
        (1, format!(r#"[{{"n":"alfa s3","d":true}},{{"n":"alfa s1",{middle}}},{{"n":"alfa s2"}}]"#)),
        (2, format!(r#"[{{"n":"alfa b1",{middle}}},{{"n":"crypto",{inner},{outer}}}]"#)),
        (3, format!(r#"[{{"n":"alfa b1",{middle},"z":true}},{{"n":"crypto",{outer}}}]"#)),
        (4, r#"[{"n":"crypto","p":2,"i":1,"b":2,"l":["crypto-1","crypto-2","crypto-3"]}]"#.to_owned()),
    ];
    for (list, lanes) in lists {
        let mut input = vec![list * 2 + 1];
        input.extend_from_slice(lanes.as_bytes());
        seeds.words_of(lanes.as_bytes());
        seeds.input(&format!("list-{list}"), &input)?;
    }
    seeds.word("18446744073709551615");
    // "", without sequences, with its check.
    seeds.input("text", b"\0cGxaZjV6eyJxIjoicSIsImwiOltdfQ")?;
    seeds.finish()
}

/// The inputs and words of one target.
struct Seeds {
    folder: PathBuf,
    words: BTreeSet<String>,
}

impl Seeds {
    fn new(corpus: &Path, target: &str) -> io::Result<Self> {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, words: BTreeSet::new() })
    }

    /// An answer to a call for a resource.
    fn answer(
        &self,
        name: &str,
        resource: u8,
        status: u16,
        circumstances: u8,
        body: &[u8],
    ) -> io::Result<()> {
        let [high, low] = status.to_be_bytes();
        let mut input = vec![resource, high, low, circumstances];
        input.extend_from_slice(body);
        self.input(name, &input)
    }

    fn input(&self, name: &str, input: &[u8]) -> io::Result<()> {
        fs::write(self.folder.join(format!("seed-{name}")), input)
    }

    /// All keys and short texts of a JSON document, if it is one.
    fn words_of(&mut self, text: &[u8]) {
        if let Ok(value) = serde_json::from_slice::<Value>(text) {
            self.gather(&value);
        }
    }

    fn gather(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.word(&format!("\"{key}\":"));
                    self.gather(value);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.gather(value)),
            other => self.word(&other.to_string()),
        }
    }

    fn word(&mut self, word: &str) {
        if (2..=LONGEST_WORD).contains(&word.len()) {
            self.words.insert(word.to_owned());
        }
    }

    /// Writes the words in the format of libFuzzer: a quoted text on each line.
    fn finish(&self) -> io::Result<()> {
        let quoted = |word: &String| {
            let escape = |byte: u8| match byte {
                b'"' | b'\\' => format!("\\{}", char::from(byte)),
                b' '..=b'~' => char::from(byte).to_string(),
                other => format!("\\x{other:02X}"),
            };
            format!("\"{}\"\n", word.bytes().map(escape).collect::<String>())
        };
        fs::write(self.folder.with_extension("dict"), self.words.iter().map(quoted).collect::<String>())
    }
}

fn json(file: &Path) -> io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
