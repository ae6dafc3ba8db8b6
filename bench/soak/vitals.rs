//! How the process is: its memory, its tasks, its open files, every few seconds.

use std::fs;
use std::io;

use crate::payers::gateway::Gateway;

/// How it is at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sign {
    /// Seconds since the beginning.
    pub(crate) at: f64,
    /// Bytes in memory.
    pub(crate) memory: f64,
    pub(crate) tasks: f64,
    pub(crate) files: f64,
}

impl Sign {
    /// How the gateway is now. The task and the connection that tell it are counted as well, each time.
    pub(crate) async fn of(gateway: &Gateway, at: f64) -> io::Result<Self> {
        let gone = || io::Error::other("the gateway has ended");
        let id = gateway.id().ok_or_else(gone)?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or_else(gone)?;
        let kilobytes: f64 = kilobytes.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
        let files = fs::read_dir(format!("/proc/{id}/fd"))?.count() as f64;
        let metrics = gateway.metrics().await.ok_or_else(|| io::Error::other("there are no metrics"))?;
        let tasks = metrics.lines().find_map(|line| line.strip_prefix("crm_gateway_tasks "));
        let tasks = tasks.ok_or_else(|| io::Error::other("no metric tells the tasks"))?;
        Ok(Self { at, memory: kilobytes * 1024.0, tasks: tasks.parse().map_err(io::Error::other)?, files })
    }
}

/// All of a run.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    signs: Vec<Sign>,
}

/// Memory by the straight line that fits best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    pub(crate) middle: f64,
    pub(crate) end: f64,
}

impl Memory {
    /// The part of what it was by which it grew.
    pub(crate) fn growth(self) -> f64 {
        (self.end - self.middle) / self.middle
    }
}

impl Vitals {
    pub(crate) fn add(&mut self, sign: Sign) {
        self.signs.push(sign);
    }

    pub(crate) fn most_tasks(&self) -> f64 {
        self.signs.iter().map(|sign| sign.tasks).fold(0.0, f64::max)
    }

    /// The second half of the run: in the first one the cache fills up, and it shall.
    pub(crate) fn memory(&self) -> Memory {
        let half = &self.signs[self.signs.len() / 2..];
        let count = half.len() as f64;
        let mean = |value: fn(&Sign) -> f64| half.iter().map(value).sum::<f64>() / count;
        let (at, memory) = (mean(|sign| sign.at), mean(|sign| sign.memory));
        let both: f64 = half.iter().map(|sign| (sign.at - at) * (sign.memory - memory)).sum();
        let one: f64 = half.iter().map(|sign| (sign.at - at).powi(2)).sum();
        let slope = if one > 0.0 { both / one } else { 0.0 };
        let line = |sign: &Sign| memory + slope * (sign.at - at);
        Memory {
            middle: line(half.first().expect("somebody looked")),
            end: line(half.last().expect("somebody looked")),
        }
    }
}
