//! What `/proc` tells of a process.

use std::fs;
use std::io;
use std::time::Duration;

/// The CPU time of all its threads that live. Tokio's blocking threads live for ten idle seconds, so between two calls
/// in quick succession none is lost.
pub(crate) fn cpu(pid: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between its listing and its reading.
        let Ok(statistics) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanoseconds += statistics.split(' ').next().and_then(|on_cpu| on_cpu.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory, in MiB: now, and the most there was.
pub(crate) fn memory_mib(pid: u32) -> io::Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    let mib = |name| field(name).map(|kib: f64| kib / 1024.0).ok_or(io::ErrorKind::InvalidData);
    Ok((mib("VmRSS:")?, mib("VmHWM:")?))
}

/// Its environment as it was started with.
pub(crate) fn environment(pid: u32) -> io::Result<Vec<(String, String)>> {
    let variables = fs::read(format!("/proc/{pid}/environ"))?;
    let variables = String::from_utf8_lossy(&variables);
    let pairs = variables.split('\0').filter_map(|variable| variable.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The processes that it started and that still run.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}
