//! SMOVE: a member from one set to another.
//! Never: partly done. What could fail at the destination is found before anything leaves the source, but for memory: the member is added first.

use crate::command::{CommandError, Context, key_at};
use crate::engine::value::Stored;
use crate::engine::value::set::Set;
use crate::engine::{EventClass, Touch};

/// SMOVE source destination member.
pub fn smove(context: &mut Context<'_>) -> Result<(), CommandError> {
    let Some(source) = context.find_write(1) else {
        context.reply.integer(0);
        return Ok(());
    };
    let member = context.args.get(3);
    let is_member = context.engine.view::<Set>(source)?.contains(member);
    let to = key_at!(context, 2);
    if let Some(destination) = context.engine.find(&to, Touch::No) {
        context.engine.view::<Set>(destination)?;
    }
    let same = context.args.get(1) == context.args.get(2);
    if is_member && !same {
        let added = context
            .engine
            .edit_collection::<Set, _>(&to, true, |set, editing| {
                let limits = &editing.limits.set;
                if set.is_empty() {
                    *set = Set::for_members(member, 1, limits);
                }
                let is_new = set.add(member, limits);
                *editing.is_unchanged = !is_new;
                is_new
            })?;
        let from = key_at!(context, 1);
        context
            .engine
            .edit_collection::<Set, _>(&from, false, |set, _| set.remove(member))?;
        context
            .engine
            .notify_removal(EventClass::Set, "srem", &from);
        if added == Some(true) {
            context.engine.notify(EventClass::Set, "sadd", &to);
        }
        context.stats.changes += 1 + u64::from(added == Some(true));
    }
    context.reply.integer(i64::from(is_member));
    Ok(())
}
