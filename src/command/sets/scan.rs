//! SSCAN.
//! Never: more than about COUNT members a call, however many match; but for a packed set, which is shown whole.

use crate::command::scan::{ScanOptions, parse_cursor, write_page};
use crate::command::{CommandError, Context};
use crate::engine::value::set::Set;
use crate::protocol::resp::Reply;

/// SSCAN key cursor [MATCH pattern] [COUNT count].
pub fn sscan(context: &mut Context<'_>) -> Result<(), CommandError> {
    let cursor = parse_cursor(context.args.get(2))?;
    let mut elements = Reply::new(context.reply.protocol);
    let mut found = 0;
    let mut next = 0;
    if let Some(item) = context.find_read(1) {
        let set = context.engine.view::<Set>(item)?;
        let options = ScanOptions::parse(&context.args, 3, |_, _| 0)?;
        next = set.scan(cursor, options.count, |entry| {
            let mut buffer = [0; 20];
            let member = entry.as_bytes(&mut buffer);
            if options.wants(member) {
                elements.bulk(member);
                found += 1;
            }
        });
    }
    write_page(context.reply, next, found, &elements);
    Ok(())
}
