//! CLIENT.

use super::super::connection::ReplyMode;
use super::super::server_operation::{Call, ClientFilter, ClientKind, Finish, Kill};
use super::super::service::{Pause, Service};
use super::session::{INVALID_NAME, name_is_valid};
use super::tracking::{redirection, write_tracking};
use super::{Answered, Outcome, integer, lower};
use crate::command::introspect::write_help;
use crate::config::AppendFsync;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

const SYNTAX: &str = "ERR syntax error";

fn on_or_off(word: &[u8]) -> Result<bool, String> {
    match &lower(word)[..] {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(SYNTAX.into()),
    }
}

fn kind(word: &[u8]) -> Result<ClientKind, String> {
    match &lower(word)[..] {
        "normal" => Ok(ClientKind::Normal),
        "pubsub" => Ok(ClientKind::Pubsub),
        "master" | "slave" | "replica" => Ok(ClientKind::Other),
        _ => Err(format!(
            "ERR Unknown client type '{}'",
            String::from_utf8_lossy(word)
        )),
    }
}

impl Service {
    pub(super) fn client(&mut self, index: u32, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let subcommand = lower(args.get(1));
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Now);
        };
        let session = &mut connection.session;
        match &subcommand[..] {
            "id" => {
                reply.integer(session.id as i64);
            }
            "getname" => {
                if session.name.is_empty() {
                    reply.null()
                } else {
                    reply.bulk(&session.name)
                }
            }
            "setname" => {
                if !name_is_valid(args.get(2)) {
                    return Err(INVALID_NAME.into());
                }
                session.name = args.get(2).to_vec();
                reply.ok();
            }
            "setinfo" => {
                let place = match &lower(args.get(2))[..] {
                    "lib-name" => 0,
                    "lib-ver" => 1,
                    option => return Err(format!("ERR Unrecognized option '{option}'")),
                };
                if !name_is_valid(args.get(3)) {
                    let option = lower(args.get(2));
                    return Err(format!(
                        "ERR {option} cannot contain spaces, newlines or special characters."
                    ));
                }
                session.library[place] = args.get(3).to_vec();
                reply.ok();
            }
            "reply" => {
                session.reply_mode = match &lower(args.get(2))[..] {
                    "on" => ReplyMode::On,
                    "off" => ReplyMode::Off,
                    "skip" if session.reply_mode == ReplyMode::Off => ReplyMode::Off,
                    "skip" => ReplyMode::SkipNext,
                    _ => return Err(SYNTAX.into()),
                };
                reply.ok();
            }
            "no-evict" => {
                session.no_evict = on_or_off(args.get(2))?;
                reply.ok();
            }
            "durability" => {
                session.durability = Some(match &lower(args.get(2))[..] {
                    "always" => AppendFsync::Always,
                    "everysec" => AppendFsync::EverySecond,
                    "no" => AppendFsync::No,
                    _ => return Err(SYNTAX.into()),
                });
                reply.ok();
            }
            "no-touch" => {
                session.no_touch = on_or_off(args.get(2))?;
                reply.ok();
            }
            "tracking" => return self.client_tracking(index, args, reply),
            "caching" => return self.client_caching(index, args, reply),
            "getredir" => reply.integer(redirection(session.tracking.as_deref())),
            "trackinginfo" => write_tracking(session.tracking.as_deref(), reply),
            "unblock" => {
                if args.len() > 4 {
                    return Err(SYNTAX.into());
                }
                let error = match &lower(if args.len() == 4 {
                    args.get(3)
                } else {
                    b"timeout"
                })[..]
                {
                    "timeout" => false,
                    "error" => true,
                    _ => return Err("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR".into()),
                };
                let id =
                    integer(args.get(2)).ok_or("ERR value is not an integer or out of range")?;
                return Ok(Answered::AskAll(
                    Call::Unblock { id, error },
                    Finish::Unblocked,
                ));
            }
            "info" => {
                let id = session.id;
                let line = self.client_line(index).unwrap_or_default();
                debug_assert!(line.starts_with(&format!("id={id} ")));
                reply.verbatim("txt", format!("{line}\n").as_bytes());
            }
            "list" => return client_list(args),
            "kill" => return self.client_kill(index, args),
            "pause" => return self.client_pause(args),
            "unpause" => {
                return Ok(Answered::AskAll(Call::Pause(None), Finish::Ok));
            }
            "help" => {
                write_help(reply, "CLIENT");
            }
            other => unreachable!("CLIENT {other} is not in the command table"),
        }
        Ok(Answered::Now)
    }

    fn client_pause(&mut self, args: &Args<'_>) -> Outcome {
        if args.len() > 4 {
            return Err(SYNTAX.into());
        }
        let writes_only = match args.len() {
            3 => false,
            _ => match &lower(args.get(3))[..] {
                "write" => true,
                "all" => false,
                _ => return Err("ERR CLIENT PAUSE mode must be WRITE or ALL".into()),
            },
        };
        let timeout =
            integer(args.get(2)).ok_or("ERR timeout is not an integer or out of range")?;
        if timeout < 0 {
            return Err("ERR timeout is negative".into());
        }
        let until_ms = self
            .now_ms
            .checked_add(timeout)
            .ok_or("ERR timeout is out of range")?;
        Ok(Answered::AskAll(
            Call::Pause(Some(Pause {
                until_ms,
                writes_only,
            })),
            Finish::Ok,
        ))
    }

    fn client_kill(&mut self, index: u32, args: &Args<'_>) -> Outcome {
        let own = self
            .connection_at(index)
            .map_or(0, |connection| connection.session.id);
        if args.len() == 3 {
            let address = String::from_utf8_lossy(args.get(2)).into_owned();
            let filter = ClientFilter {
                address: Some(address),
                ..ClientFilter::default()
            };
            return Ok(Answered::AskAll(
                Call::Kill(Kill {
                    filter,
                    own,
                    skip_own: false,
                }),
                Finish::KilledOne,
            ));
        }
        let mut filter = ClientFilter::default();
        let mut skip_own = true;
        let mut at = 2;
        while at < args.len() {
            if at + 1 == args.len() {
                return Err(SYNTAX.into());
            }
            let value = args.get(at + 1);
            let text = || String::from_utf8_lossy(value).into_owned();
            match &lower(args.get(at))[..] {
                "id" => {
                    let id = integer(value)
                        .filter(|&id| id > 0)
                        .ok_or("ERR client-id should be greater than 0")?;
                    filter.ids.get_or_insert_with(Vec::new).push(id as u64);
                }
                "type" => filter.kind = Some(kind(value)?),
                "addr" => filter.address = Some(text()),
                "laddr" => filter.local_address = Some(text()),
                "user" => {
                    if value != b"default" {
                        return Err(format!("ERR No such user '{}'", text()));
                    }
                }
                "maxage" => {
                    let age =
                        integer(value).ok_or("ERR maxage is not an integer or out of range")?;
                    filter.age_seconds_min = Some(age.max(0));
                }
                "skipme" => {
                    skip_own = match &lower(value)[..] {
                        "yes" => true,
                        "no" => false,
                        _ => return Err(SYNTAX.into()),
                    }
                }
                _ => return Err(SYNTAX.into()),
            }
            at += 2;
        }
        Ok(Answered::AskAll(
            Call::Kill(Kill {
                filter,
                own,
                skip_own,
            }),
            Finish::KilledMany,
        ))
    }
}

fn client_list(args: &Args<'_>) -> Outcome {
    let mut filter = ClientFilter::default();
    if args.len() == 4 && args.get(2).eq_ignore_ascii_case(b"type") {
        filter.kind = Some(kind(args.get(3))?);
    } else if args.len() > 3 && args.get(2).eq_ignore_ascii_case(b"id") {
        let ids = (3..args.len()).map(|at| integer(args.get(at)).map(|id| id as u64));
        filter.ids = Some(
            ids.collect::<Option<Vec<u64>>>()
                .ok_or("ERR Invalid client ID")?,
        );
    } else if args.len() != 2 {
        return Err(SYNTAX.into());
    }
    Ok(Answered::AskAll(Call::Clients(filter), Finish::ClientLines))
}
