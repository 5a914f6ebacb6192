//! Elements that go from one list to another, or to the other end of their own: LMOVE, RPOPLPUSH.

use super::{end, pop_event, push_event};
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::engine::value::list::{Direction, List};

/// Moves an element from the list at key argument 1 to that at argument 2 and replies with it. False: there is no element, and nothing was replied.
pub(super) fn move_element(
    context: &mut Context<'_>,
    from: Direction,
    to: Direction,
) -> Result<bool, CommandError> {
    let Some(item) = context.find_write(1) else {
        return Ok(false);
    };
    let list = context.engine.view::<List>(item)?;
    let at = match from {
        Direction::Forward => 0,
        Direction::Backward => list.len() - 1,
    };
    let element = list.get(at).expect("a list that is there has an element");
    let element = element.to_vec();
    if let Some(item) = context.find_write(2) {
        context.engine.view::<List>(item)?;
    }
    let source = key_at!(context, 1);
    let destination = key_at!(context, 2);
    if source.bytes == destination.bytes {
        context
            .engine
            .edit_collection::<List, _>(&source, false, |list, editing| {
                list.pop(from, editing.limits.list, |_| ());
                list.push(to, &element, editing.limits.list);
            })?;
    } else {
        // What can fail for want of memory comes first, and is undone should the other fail.
        context
            .engine
            .edit_collection::<List, _>(&destination, true, |list, editing| {
                list.push(to, &element, editing.limits.list);
            })?;
        let popped = context
            .engine
            .edit_collection::<List, _>(&source, false, |list, editing| {
                list.pop(from, editing.limits.list, |_| ())
            });
        if let Err(error) = popped {
            context
                .engine
                .edit_collection::<List, _>(&destination, false, |list, editing| {
                    list.pop(to, editing.limits.list, |_| ())
                })?;
            return Err(error.into());
        }
    }
    let (list, pushed, popped) = (EventClass::List, push_event(to), pop_event(from));
    context.engine.notify(list, pushed, &destination);
    context.engine.notify_removal(list, popped, &source);
    context.stats.changes += 1;
    context.reply.bulk(&element);
    Ok(true)
}

/// LMOVE source destination LEFT|RIGHT LEFT|RIGHT.
pub fn lmove(context: &mut Context<'_>) -> Result<(), CommandError> {
    let from = end(context.args.get(3))?;
    let to = end(context.args.get(4))?;
    if !move_element(context, from, to)? {
        context.reply.null();
    }
    Ok(())
}

/// RPOPLPUSH source destination.
pub fn rpoplpush(context: &mut Context<'_>) -> Result<(), CommandError> {
    if !move_element(context, Direction::Backward, Direction::Forward)? {
        context.reply.null();
    }
    Ok(())
}
