//! PING, ECHO, TIME, LOLWUT: commands that need neither data nor the connection's state.

use super::{CommandError, Context};

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

/// LOLWUT [VERSION n]: no art, but its last line, which tells people which server answers.
pub fn lolwut(context: &mut Context<'_>) -> Result<(), CommandError> {
    let text = concat!("torc ver. ", env!("CARGO_PKG_VERSION"), "\n");
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
