//! The real program as a child process: what it says, how it ends. Nothing here sleeps: lines are waited for as they come,
//! and whoever says nothing for too long fails the test.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a line, an answer or the end may take to come. Only a failing test ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a finished program left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    out: Lines,
    err: Lines,
}

#[derive(Debug)]
struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
    reader: Option<JoinHandle<()>>,
}

/// Starts the program with nothing of our own environment.
pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crm-gateway"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let out = Lines::of(child.stdout.take().expect("it is piped"));
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    Program { child, out, err }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    start(arguments, environment).end()
}

impl Program {
    /// The first line on stdout, seen already or still to come, that `find` can use.
    pub(crate) fn line<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        self.out.find(find)
    }

    /// All lines on stdout up to the first one that `is_last`.
    pub(crate) fn lines_to(&mut self, is_last: impl Fn(&str) -> bool) -> String {
        self.out.find(|line| is_last(line).then_some(()));
        let last = self.out.seen.iter().position(|line| is_last(line)).unwrap_or_default();
        self.out.seen[..=last].join("\n") + "\n"
    }

    /// The same as [`Program::line`] on stderr.
    pub(crate) fn word<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        self.err.find(find)
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("/bin/sh").arg("-c").arg(script).status().expect("there is a shell");
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Outcome {
        let (out, err) = (self.out.rest(), self.err.rest());
        let status = self.child.wait().expect("a child can be waited for");
        Outcome { code: status.code().expect("it ended by itself"), out, err }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, coming) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { coming, seen: Vec::new(), reader: Some(reader) }
    }

    fn find<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        if let Some(found) = self.seen.iter().find_map(|line| find(line)) {
            return found;
        }
        loop {
            let Ok(line) = self.coming.recv_timeout(PATIENCE) else {
                panic!("the line did not come; there was:\n{}", self.seen.join("\n"));
            };
            self.seen.push(line);
            if let Some(found) = self.seen.last().and_then(|line| find(line)) {
                return found;
            }
        }
    }

    fn rest(&mut self) -> String {
        while let Ok(line) = self.coming.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        if let Some(reader) = self.reader.take().filter(JoinHandle::is_finished) {
            let _ = reader.join();
        }
        self.seen.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The text between two others.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(if after.is_empty() { rest } else { &rest[..rest.find(after)?] })
}

/// A request under way over a socket.
#[derive(Debug)]
pub(crate) struct Request(TcpStream);

/// Sends a GET to `address` (`127.0.0.1:8080`) and does not wait for the answer.
pub(crate) fn send(address: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
    let mut text = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).expect("the request can be sent");
    Request(stream)
}

impl Request {
    /// Status, head and body.
    pub(crate) fn answer(mut self) -> (u16, String) {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("the answer can be read");
        let status = between(&text, "HTTP/1.1 ", " ").and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no answer: {text:?}")), text)
    }
}

/// Sends a GET and waits for the answer.
pub(crate) fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    send(address, path, headers).answer()
}

/// A file for a test, gone with it.
#[derive(Debug)]
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let name = format!("crm-gateway-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("a temporary file can be written");
        Self(path)
    }

    pub(crate) fn append(&self, text: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.0).expect("it is there");
        file.write_all(text.as_bytes()).expect("a temporary file can be written");
    }

    pub(crate) fn path(&self) -> &str {
        self.0.as_os_str().to_str().unwrap_or_default()
    }
}

impl AsRef<OsStr> for File {
    fn as_ref(&self) -> &OsStr {
        self.0.as_os_str()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A directory for a test, gone with it and all that is in it.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// Its name; the program makes it.
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("crm-gateway-{}-{name}", std::process::id())))
    }

    pub(crate) fn path(&self) -> &str {
        self.0.as_os_str().to_str().unwrap_or_default()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
