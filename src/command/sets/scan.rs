//! SSCAN.
//! Never: more than about COUNT members a call, however many match; but for a packed set, which is shown whole.

use crate::command::number::integer;
use crate::command::{CommandError, Context, cursor};
use crate::engine::value::set::Set;
use crate::glob;
use crate::protocol::resp::Reply;

/// COUNT unless it is said.
const COUNT_DEFAULT: i64 = 10;

/// SSCAN key cursor [MATCH pattern] [COUNT count].
pub fn sscan(context: &mut Context<'_>) -> Result<(), CommandError> {
    let cursor =
        cursor::parse(context.args.get(2)).ok_or(CommandError::fixed("ERR invalid cursor"))?;
    let mut elements = Reply::new(context.reply.protocol);
    let mut found = 0;
    let mut next = 0;
    if let Some(item) = context.find_read(1) {
        let set = context.engine.view::<Set>(item)?;
        let mut count = COUNT_DEFAULT;
        let mut pattern: Option<&[u8]> = None;
        for index in (3..context.args.len()).step_by(2) {
            if index + 1 == context.args.len() {
                return Err(CommandError::Syntax);
            }
            let value = context.args.get(index + 1);
            match context.args.get(index).to_ascii_lowercase().as_slice() {
                b"count" => {
                    count = integer(value)?;
                    if count < 1 {
                        return Err(CommandError::Syntax);
                    }
                }
                b"match" => pattern = (value != b"*").then_some(value),
                _ => return Err(CommandError::Syntax),
            }
        }
        next = set.scan(cursor, count as usize, |entry| {
            let mut buffer = [0; 20];
            let member = entry.as_bytes(&mut buffer);
            if pattern.is_none_or(|pattern| glob::matches(pattern, member)) {
                elements.bulk(member);
                found += 1;
            }
        });
    }
    context.reply.array(2);
    context.reply.bulk(next.to_string().as_bytes());
    context.reply.array(found);
    context.reply.bytes.extend_from_slice(&elements.bytes);
    Ok(())
}
