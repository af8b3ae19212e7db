//! What the figures were measured on.

use std::fs;
use std::process::Command;
use std::thread;

use jiff::Timestamp;

use crate::binaries::Workspace;

/// One paragraph: when, what, and where.
pub(crate) fn describe(workspace: &Workspace) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&workspace.root).output();
        let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        output.unwrap_or_else(|_| format!("no {program}"))
    };
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "{} · commit {} · {} × {} · Linux {} · {} · Node.js {}\n",
        Timestamp::now().strftime("%F"),
        said("git", &["describe", "--always", "--dirty"]),
        thread::available_parallelism().map_or(1, usize::from),
        processor.map_or("unknown processor", |(_, name)| name),
        said("uname", &["-r"]),
        said("rustc", &["--version"]),
        said("node", &["--version"]),
    )
}
