//! PING, ECHO, TIME, LOLWUT: commands that need neither data nor the connection's state.

use super::number::parse_i64;
use super::{CommandError, Context};
use crate::protocol::args::Args;

/// `PING [message]`. (A subscribed RESP2 connection answers it in another form; that is the connection's business.)
pub fn ping(context: &mut Context<'_>) -> Result<(), CommandError> {
    match context.args.len() {
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(context.args.get(1)),
        _ => return Err(CommandError::arity("ping")),
    }
    Ok(())
}

/// ECHO message.
pub fn echo(context: &mut Context<'_>) -> Result<(), CommandError> {
    context.reply.bulk(context.args.get(1));
    Ok(())
}

/// TIME: seconds and microseconds. The turn's clock has milliseconds, and no command may see a later time than those of its turn.
pub fn time(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    context.reply.array(2);
    context.reply.bulk_integer(now_ms.div_euclid(1000));
    context.reply.bulk_integer(now_ms.rem_euclid(1000) * 1000);
    Ok(())
}

/// `WAIT replicas timeout`: there are no replicas, so none has what was written, and waiting would not help.
pub fn wait(context: &mut Context<'_>) -> Result<(), CommandError> {
    parse_i64(context.args.get(1)).ok_or(CommandError::NotInteger)?;
    wait_ms(context.args.get(2))?;
    context.reply.integer(0);
    Ok(())
}

/// What WAITAOF asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogWish {
    /// The log of this machine has everything.
    pub needs_log: bool,
    /// Logs of replicas have it too, and there are no replicas.
    pub needs_replicas: bool,
    /// How long at most, in milliseconds; 0 for ever.
    pub timeout_ms: u64,
}

/// Reads `WAITAOF local replicas timeout`.
pub fn log_wish(args: &Args<'_>) -> Result<LogWish, CommandError> {
    let local = parse_i64(args.get(1)).ok_or(CommandError::NotInteger)?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::fixed(
            "ERR value is out of range, value must between 0 and 1",
        ));
    }
    let replicas = parse_i64(args.get(2)).filter(|replicas| *replicas >= 0);
    let replicas = replicas.ok_or(CommandError::fixed(
        "ERR value is out of range, must be positive",
    ))?;
    Ok(LogWish {
        needs_log: local == 1,
        needs_replicas: replicas > 0,
        timeout_ms: wait_ms(args.get(3))?,
    })
}

/// A time to wait in milliseconds.
fn wait_ms(word: &[u8]) -> Result<u64, CommandError> {
    let number = parse_i64(word).ok_or(CommandError::fixed(
        "ERR timeout is not an integer or out of range",
    ))?;
    u64::try_from(number).map_err(|_| CommandError::fixed("ERR timeout is negative"))
}

/// LOLWUT [VERSION n]: no art, but its last line, which tells people which server answers.
pub fn lolwut(context: &mut Context<'_>) -> Result<(), CommandError> {
    let text = concat!("torc ver. ", env!("CARGO_PKG_VERSION"), "\n");
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
