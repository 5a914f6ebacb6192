//! CONFIG and INFO.

use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::{Answered, Outcome, lower};
use crate::command::introspect::write_help;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use std::fs;
use std::io;
use std::path::Path;

impl Service {
    pub(super) fn config_command(&mut self, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        match &lower(args.get(1))[..] {
            "get" => {
                let patterns: Vec<&[u8]> = (2..args.len()).map(|at| args.get(at)).collect();
                let found = self.shared.config().get(&patterns);
                reply.map(found.len());
                for (name, value) in found {
                    reply.bulk(name.as_bytes());
                    reply.bulk(value.as_bytes());
                }
                Ok(Answered::Now)
            }
            "set" => {
                let words: Vec<&[u8]> = (2..args.len()).map(|at| args.get(at)).collect();
                let (pairs, rest) = words.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err("ERR wrong number of arguments for 'config|set' command".into());
                }
                let pairs: Vec<(&[u8], &[u8])> =
                    pairs.iter().map(|pair| (pair[0], pair[1])).collect();
                let mut begins_log = false;
                let changed = self.shared.change_config(|config| {
                    let changed = config.with(&pairs)?;
                    super::super::start::check_memory(&changed)
                        .map_err(|error| format!("ERR CONFIG SET failed (possibly related to argument 'maxmemory') - {error}"))?;
                    if changed.appendonly && !config.appendonly {
                        let identity = super::super::start::random_identity();
                        let begun = self.shared.log_home.begin(&changed, self.shards(), identity);
                        begun.map_err(|error| format!("ERR CONFIG SET failed (possibly related to argument 'appendonly') - {error}"))?;
                    } else if !changed.appendonly {
                        self.shared.log_home.give_up();
                    }
                    begins_log = changed.appendonly && !config.appendonly;
                    Ok::<_, String>(changed)
                })?;
                if begins_log {
                    self.begin_logs();
                }
                Ok(Answered::AskAll(Call::Configure(changed), Finish::Ok))
            }
            "resetstat" => Ok(Answered::AskAll(Call::ResetStats, Finish::Ok)),
            "rewrite" => {
                let config = self.shared.config();
                let Some(path) = &config.file else {
                    return Err("ERR The server is running without a config file".into());
                };
                replace(path, |text| config.rewritten(text))
                    .map_err(|error| format!("ERR Rewriting config file: {error}"))?;
                reply.ok();
                Ok(Answered::Now)
            }
            "help" => {
                write_help(reply, "CONFIG");
                Ok(Answered::Now)
            }
            other => unreachable!("CONFIG {other} is not in the command table"),
        }
    }

    pub(super) fn info(&mut self, args: &Args<'_>) -> Outcome {
        let sections = (1..args.len()).map(|at| lower(args.get(at))).collect();
        Ok(Answered::AskAll(Call::Snapshot, Finish::Info(sections)))
    }
}

/// Replaces a file by what `change` makes of its text, whole or not at all.
fn replace(path: &Path, change: impl FnOnce(&str) -> String) -> io::Result<()> {
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = fs::File::create(&temporary)?;
    io::Write::write_all(&mut file, change(&old).as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
