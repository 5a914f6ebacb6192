//! `torc check-log`: the command line of [`check`], which looks at a directory of logs.
//!
//! Never: makes a directory or a lock. The decision worth knowing: an end that a crash has torn off counts as a problem, though a server would load what is
//! before, so that a script can tell a stop in good order from another.

use super::exit;
use crate::persist::check::{Healthy, check};
use crate::server::load::LOCK;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const USAGE: &str = "\
Usage: torc check-log [--repair] DIRECTORY

Says what is in each file of a log and whether a server would load it. DIRECTORY is appenddirname in dir.

  --repair  ends a damaged log before the damage; what is cut off is kept in files beside, NAME.cut-OFFSET

Exit codes: 0 all is sound, or repaired; 1 there are problems; 2 unusable arguments.
";

fn unusable(text: &str) -> u8 {
    eprintln!("torc check-log: {text}");
    exit::UNUSABLE
}

/// Runs it with the words behind its name.
pub fn run(args: &[OsString]) -> u8 {
    let mut repair = false;
    let mut directory = None;
    for arg in args {
        match arg.to_str() {
            Some("-h" | "--help") => {
                print!("{USAGE}");
                return exit::GOOD;
            }
            Some("--repair") => repair = true,
            Some(option) if option.starts_with('-') => {
                return unusable(&format!("there is no option '{option}'\n\n{USAGE}"));
            }
            _ if directory.is_none() => directory = Some(Path::new(arg)),
            _ => return unusable(&format!("one directory at a time\n\n{USAGE}")),
        }
    }
    let Some(directory) = directory else {
        return unusable(&format!("which directory?\n\n{USAGE}"));
    };
    // Held until the end. Without the file, no server has ever used the directory.
    let _lock = match File::options().write(true).open(directory.join(LOCK)) {
        Err(_) => None,
        Ok(file) => match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                let directory = directory.display();
                return unusable(&format!(
                    "{directory}: a server uses it; stop that one first"
                ));
            }
            _ => Some(file),
        },
    };
    let mut output = io::stdout().lock();
    let healthy = match check(directory, repair, &mut output) {
        Ok(healthy) => healthy,
        Err(error) => return unusable(&error.to_string()),
    };
    let (text, code) = match healthy {
        Healthy::Yes => ("all is sound", exit::GOOD),
        Healthy::Repaired => ("repaired: a server loads what is left", exit::GOOD),
        Healthy::Cut => (
            "a server would load this without the end that is named above",
            exit::BAD,
        ),
        Healthy::No => ("not loadable as it is", exit::BAD),
    };
    let _ = writeln!(output, "{text}");
    code
}
