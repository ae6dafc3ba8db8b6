//! What a user of the configuration may count on, checked through its front door.

mod errors;
mod example;
mod layers;
mod properties;

use super::{Config, Problems};

/// The least that loads: one CRM and its credentials.
const ALFA: &str = r#"
[alfacrm]
base_url = "https://school.example"
email = "api@school.example"
api_key = "opensesame"
"#;

const CRYPTO: &str = r#"
[cryptocrm]
base_url = "crm.example"
token = "opensesame"
secret = "simsalabim"
"#;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::read(text, "gateway.toml".to_owned(), env)
}

fn good(text: &str, env: &[(&str, &str)]) -> Config {
    load(text, env).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems as lines.
fn problems(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let problems = load(text, env).expect_err("this configuration is wrong");
    problems.0.iter().map(ToString::to_string).collect()
}

/// A file of the system's temporary directory that goes with the test.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("crm-gateway-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
