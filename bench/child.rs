//! A server as a child process: where it listens, what it has to say, and the CPU time it used.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A tick of the times in `/proc`: hundredths of a second on every common Linux.
const TICK: Duration = Duration::from_millis(10);

/// Which processors are used: one for the servers and one for the load, so that they do not disturb each other.
pub(crate) struct Pins {
    available: bool,
}

impl Pins {
    pub(crate) fn find() -> Self {
        let works = |cpu: &str| {
            let tried = Command::new("taskset").args(["-c", cpu, "true"]).stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        };
        Self { available: works("0") && works("1") }
    }

    pub(crate) fn describe(&self) -> &'static str {
        if self.available {
            "servers on processor 0, load on processor 1"
        } else {
            "not pinned: `taskset` is missing, or there is one processor"
        }
    }

    /// Keeps this process away from the servers.
    pub(crate) fn pin_load(&self) {
        if self.available {
            // Not being pinned makes the figures worse, not wrong.
            let _ = Command::new("taskset")
                .args(["-acp", "1", &process::id().to_string()])
                .stdout(Stdio::null())
                .status();
        }
    }

    fn command(&self) -> io::Result<Command> {
        let program = std::env::current_exe()?;
        if !self.available {
            return Ok(Command::new(program));
        }
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        Ok(command)
    }
}

/// A server that listens. Dropping it ends it.
pub(crate) struct Child {
    pub(crate) address: SocketAddr,
    process: process::Child,
    input: RefCell<ChildStdin>,
    output: RefCell<BufReader<ChildStdout>>,
    log: (PathBuf, File),
}

impl Child {
    /// Starts this program in another role. What it logs goes to a file, as in operation.
    pub(crate) fn start(role: &str, pins: &Pins) -> io::Result<Self> {
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{role}-{}.log", process::id()));
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut process = pins
            .command()?
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .spawn()?;
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut child = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            process,
            input: RefCell::new(input),
            output: RefCell::new(output),
            log: (path, log),
        };
        child.address = child.line()?.parse().map_err(io::Error::other)?;
        Ok(child)
    }

    /// The next line it prints.
    pub(crate) fn line(&self) -> io::Result<String> {
        let mut line = String::new();
        if self.output.borrow_mut().read_line(&mut line)? == 0 {
            return Err(io::Error::other(format!("a server ended: {}", fs::read_to_string(&self.log.0)?)));
        }
        Ok(line.trim_end().to_owned())
    }

    /// Sends it a line and waits until it says that it has taken it.
    pub(crate) fn tell(&self, line: &str) -> io::Result<()> {
        writeln!(self.input.borrow_mut(), "{line}")?;
        self.line().map(drop)
    }

    /// Processor time it used so far, in user and system mode, all its threads together.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name in brackets may hold spaces; behind it `utime` and `stime` are the 12th and 13th fields.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }

    /// Empties its log, which would fill the disk of a small machine.
    pub(crate) fn forget_log(&self) -> io::Result<()> {
        self.log.1.set_len(0)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.log.0);
    }
}
