//! A server as a child process: where it listens, what it has to say, and the CPU time it used.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
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

    fn command(&self, program: &Path) -> Command {
        if !self.available {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program);
        command
    }
}

/// A server that listens. Dropping it ends it.
pub(crate) struct Child {
    pub(crate) address: SocketAddr,
    process: process::Child,
    input: RefCell<ChildStdin>,
    output: RefCell<BufReader<ChildStdout>>,
    log: (PathBuf, File),
    /// What it keeps on disk.
    folder: Option<PathBuf>,
}

impl Child {
    /// Starts this program in another role. What it logs goes to a file, as in operation.
    pub(crate) fn start(role: &str, pins: &Pins) -> io::Result<Self> {
        let mut child = Self::spawn(role, pins.command(&std::env::current_exe()?).arg(role), None)?;
        child.address = child.line()?.parse().map_err(io::Error::other)?;
        Ok(child)
    }

    /// Starts another program that listens on `address` and keeps what it needs in `folder`.
    pub(crate) fn peer(
        program: &str,
        arguments: &[String],
        address: SocketAddr,
        folder: PathBuf,
        pins: &Pins,
    ) -> io::Result<Self> {
        let mut child = Self::running(program, arguments, folder, pins)?;
        child.address = address;
        for _ in 0..200 {
            if TcpStream::connect(address).is_ok() {
                return Ok(child);
            }
            if child.process.try_wait()?.is_some() {
                break;
            }
            pause(Duration::from_millis(50));
        }
        Err(io::Error::other(format!("{program} does not listen: {}", fs::read_to_string(&child.log.0)?)))
    }

    /// Starts another program that keeps what it needs in `folder`. Whether it listens is not waited for.
    pub(crate) fn running(
        program: &str,
        arguments: &[String],
        folder: PathBuf,
        pins: &Pins,
    ) -> io::Result<Self> {
        Self::spawn(program, pins.command(Path::new(program)).args(arguments), Some(folder))
    }

    fn spawn(name: &str, command: &mut Command, folder: Option<PathBuf>) -> io::Result<Self> {
        let name = Path::new(name).file_name().unwrap_or_default().display().to_string();
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}-{}.log", process::id()));
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .spawn()
            .map_err(|error| io::Error::other(format!("{name} cannot be started: {error}")))?;
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        Ok(Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            process,
            input: RefCell::new(input),
            output: RefCell::new(output),
            log: (path, log),
            folder,
        })
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

    /// Processor time it used so far, in user and system mode, all its threads and the processes it started together.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let id = self.process.id();
        let started = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut ticks = 0;
        for process in std::iter::once(id.to_string().as_str()).chain(started.split_whitespace()) {
            let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
            // The name in brackets may hold spaces; behind it `utime` and `stime` are the 12th and 13th fields.
            let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
            ticks += fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum::<u32>();
        }
        Ok(TICK * ticks)
    }

    /// Bytes that it has in memory.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().map_err(io::Error::other)?;
        Ok(kilobytes * 1024)
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> io::Result<String> {
        fs::read_to_string(&self.log.0)
    }

    /// Empties its log, which would fill the disk of a small machine.
    pub(crate) fn forget_log(&self) -> io::Result<()> {
        self.log.1.set_len(0)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Asked first, so that it ends what it started; one that has ended already is as good.
        let _ = Command::new("kill").arg(self.process.id().to_string()).stderr(Stdio::null()).status();
        for _ in 0..100 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                break;
            }
            pause(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.log.0);
        let _ = self.folder.as_ref().map(fs::remove_dir_all);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing else runs on this thread while a child starts or ends"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
