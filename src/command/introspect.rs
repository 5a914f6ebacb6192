//! COMMAND and its subcommands: everything is read from the table. HELP texts come from it too.

use super::docs::{Argument, ArgumentKind};
use super::key_positions::key_positions;
use super::rows::COMMANDS;
use super::table::{Command, KeySpec, categories, flags, key_flags, lookup};
use super::{CommandError, Context};
use crate::glob;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

/// Writes the names of the bits that are set as a set of status replies.
fn write_names(reply: &mut Reply, bits: u32, names: &[&str], prefix: &str) {
    reply.set(bits.count_ones() as usize);
    for (bit, name) in names.iter().enumerate() {
        if bits >> bit & 1 == 1 {
            if prefix.is_empty() {
                reply.simple(name)
            } else {
                reply.simple(&format!("{prefix}{name}"))
            }
        }
    }
}

fn write_pair(reply: &mut Reply, name: &str, text: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
}

fn write_key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(3 + usize::from(!spec.notes.is_empty()));
    if !spec.notes.is_empty() {
        write_pair(reply, "notes", spec.notes);
    }
    reply.bulk(b"flags");
    write_names(reply, spec.flags, key_flags::NAMES, "");
    if spec.step < 0 {
        for part in ["begin_search", "find_keys"] {
            reply.bulk(part.as_bytes());
            reply.map(2);
            write_pair(reply, "type", "unknown");
            reply.bulk(b"spec");
            reply.map(0);
        }
        return;
    }
    reply.bulk(b"begin_search");
    reply.map(2);
    if spec.keyword.is_empty() {
        write_pair(reply, "type", "index");
        reply.bulk(b"spec");
        reply.map(1);
        reply.bulk(b"index");
    } else {
        write_pair(reply, "type", "keyword");
        reply.bulk(b"spec");
        reply.map(2);
        write_pair(reply, "keyword", spec.keyword);
        reply.bulk(b"startfrom");
    }
    reply.integer(spec.first.into());
    reply.bulk(b"find_keys");
    reply.map(2);
    let (kind, fields) = if spec.step == 0 {
        let fields = [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)];
        ("keynum", fields)
    } else {
        // Half of what follows a word are keys, unless there is one key only.
        let limit = if spec.keyword.is_empty() || spec.last == 0 {
            0
        } else {
            2
        };
        let fields = [
            ("lastkey", spec.last),
            ("keystep", spec.step),
            ("limit", limit),
        ];
        ("range", fields)
    };
    write_pair(reply, "type", kind);
    reply.bulk(b"spec");
    reply.map(3);
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.integer(value.into());
    }
}

fn write_info(reply: &mut Reply, command: &Command) {
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.integer(command.arity.into());
    write_names(reply, command.flags, flags::NAMES, "");
    reply.integer(command.first_key.into());
    reply.integer(command.last_key.into());
    reply.integer(command.key_step.into());
    // A container has no rights of its own.
    let bits = if command.subcommands.is_empty() {
        command.categories()
    } else {
        categories::SLOW
    };
    write_names(reply, bits, categories::NAMES, "@");
    reply.set(command.tips.len());
    for tip in command.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(command.key_specs.len());
    for spec in command.key_specs {
        write_key_spec(reply, spec);
    }
    reply.set(command.subcommands.len());
    for subcommand in command.subcommands {
        write_info(reply, subcommand);
    }
}

/// Finds a row by name; subcommands are `container|name`.
fn find(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|&byte| byte == b'|') {
        None => lookup(name),
        Some(bar) => lookup(&name[..bar])?.subcommand(&name[bar + 1..]),
    }
}

/// COMMAND.
pub fn command(context: &mut Context<'_>) -> Result<(), CommandError> {
    context.reply.array(COMMANDS.len());
    COMMANDS
        .iter()
        .for_each(|command| write_info(context.reply, command));
    Ok(())
}

/// COMMAND COUNT.
pub fn count(context: &mut Context<'_>) -> Result<(), CommandError> {
    context.reply.integer(COMMANDS.len() as i64);
    Ok(())
}

/// COMMAND INFO [name ...].
pub fn info(context: &mut Context<'_>) -> Result<(), CommandError> {
    if context.args.len() == 2 {
        return command(context);
    }
    context.reply.array(context.args.len() - 2);
    for index in 2..context.args.len() {
        match find(context.args.get(index)) {
            Some(command) => write_info(context.reply, command),
            None => context.reply.null(),
        }
    }
    Ok(())
}

/// COMMAND DOCS [name ...].
pub fn docs(context: &mut Context<'_>) -> Result<(), CommandError> {
    let found: Vec<&Command> = if context.args.len() == 2 {
        COMMANDS.iter().collect()
    } else {
        (2..context.args.len())
            .filter_map(|index| find(context.args.get(index)))
            .collect()
    };
    context.reply.map(found.len());
    for command in found {
        context.reply.bulk(command.name.as_bytes());
        write_docs(context.reply, command);
    }
    Ok(())
}

fn write_docs(reply: &mut Reply, command: &Command) {
    let optional = [
        command.complexity.is_empty(),
        command.arguments.is_empty(),
        command.subcommands.is_empty(),
    ];
    let deprecated = if command.deprecated.is_some() { 3 } else { 0 };
    reply.map(3 + deprecated + optional.iter().filter(|absent| !**absent).count());
    write_pair(reply, "summary", command.summary);
    write_pair(reply, "since", command.since);
    write_pair(reply, "group", command.group);
    if !command.complexity.is_empty() {
        write_pair(reply, "complexity", command.complexity);
    }
    if let Some((since, replacement)) = command.deprecated {
        reply.bulk(b"doc_flags");
        reply.set(1);
        reply.simple("deprecated");
        write_pair(reply, "deprecated_since", since);
        write_pair(reply, "replaced_by", replacement);
    }
    if !command.arguments.is_empty() {
        reply.bulk(b"arguments");
        write_arguments(reply, command.arguments);
    }
    if !command.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(command.subcommands.len());
        for subcommand in command.subcommands {
            reply.bulk(subcommand.name.as_bytes());
            write_docs(reply, subcommand);
        }
    }
}

fn write_arguments(reply: &mut Reply, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        let flags = [
            (argument.optional, "optional"),
            (argument.multiple, "multiple"),
            (argument.multiple_token, "multiple_token"),
        ];
        let flags = flags.iter().filter(|(set, _)| *set);
        let present = [
            argument.key_spec.is_some(),
            !argument.token.is_empty(),
            !argument.since.is_empty(),
            flags.clone().count() != 0,
            !argument.arguments.is_empty(),
        ];
        reply.map(2 + present.iter().filter(|present| **present).count());
        write_pair(reply, "name", argument.name);
        write_pair(reply, "type", argument.kind.name());
        if let Some(spec) = argument.key_spec {
            reply.bulk(b"key_spec_index");
            reply.integer(spec.into());
        }
        if !argument.token.is_empty() {
            // The token that stands for nothing is written as an empty string.
            write_pair(
                reply,
                "token",
                if argument.token == "\"\"" {
                    ""
                } else {
                    argument.token
                },
            );
        }
        if !argument.since.is_empty() {
            write_pair(reply, "since", argument.since);
        }
        if flags.clone().count() != 0 {
            reply.bulk(b"flags");
            reply.set(flags.clone().count());
            flags.for_each(|(_, name)| reply.simple(name));
        }
        if !argument.arguments.is_empty() {
            reply.bulk(b"arguments");
            write_arguments(reply, argument.arguments);
        }
    }
}

/// Visits every row and every subcommand.
fn for_each_row(visit: &mut dyn FnMut(&'static Command)) {
    for command in COMMANDS {
        visit(command);
        command.subcommands.iter().for_each(&mut *visit);
    }
}

/// COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern].
pub fn list(context: &mut Context<'_>) -> Result<(), CommandError> {
    let mut names: Vec<&str> = Vec::new();
    match context.args.len() {
        2 => for_each_row(&mut |command| {
            if !command.name.contains('|') {
                names.push(command.name);
            }
        }),
        5 if context.args.get(2).eq_ignore_ascii_case(b"FILTERBY") => {
            let value = context.args.get(4);
            match context.args.get(3).to_ascii_lowercase().as_slice() {
                // There are no modules.
                b"module" => {}
                b"aclcat" => {
                    let bit = categories::NAMES
                        .iter()
                        .position(|name| value.eq_ignore_ascii_case(name.as_bytes()));
                    if let Some(bit) = bit {
                        for_each_row(&mut |command| {
                            if command.subcommands.is_empty()
                                && command.categories() >> bit & 1 == 1
                            {
                                names.push(command.name);
                            }
                        });
                    }
                }
                b"pattern" => {
                    let pattern = value.to_ascii_lowercase();
                    for_each_row(&mut |command| {
                        if glob::matches(&pattern, command.name.as_bytes()) {
                            names.push(command.name);
                        }
                    });
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        _ => return Err(CommandError::Syntax),
    }
    context.reply.set(names.len());
    names
        .iter()
        .for_each(|name| context.reply.bulk(name.as_bytes()));
    Ok(())
}

/// The row of the request behind COMMAND GETKEYS and where its keys are; an error unless it is complete and has keys.
fn request_with_keys(args: &mut Args<'_>) -> Result<(&'static Command, Vec<usize>), CommandError> {
    const UNKNOWN: CommandError = CommandError::fixed("ERR Invalid command specified");
    let mut command = lookup(args.get(2)).ok_or(UNKNOWN)?;
    if !command.subcommands.is_empty() && args.len() > 3 {
        command = command.subcommand(args.get(3)).ok_or(UNKNOWN)?;
    }
    if !command.names_keys() {
        return Err(CommandError::fixed("ERR The command has no key arguments"));
    }
    if !command.accepts(args.len() - 2) {
        return Err(CommandError::fixed(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let request = Args {
        buffer: args.buffer,
        ranges: &args.ranges[2..],
        large: &mut *args.large,
    };
    let positions: Vec<usize> = key_positions(command, &request).collect();
    if positions.is_empty() {
        return Err(CommandError::fixed(
            "ERR Invalid arguments specified for command",
        ));
    }
    Ok((command, positions))
}

/// COMMAND GETKEYS name [argument ...].
pub fn getkeys(context: &mut Context<'_>) -> Result<(), CommandError> {
    let (_, positions) = request_with_keys(&mut context.args)?;
    context.reply.array(positions.len());
    for position in positions {
        context.reply.bulk(context.args.get(position + 2));
    }
    Ok(())
}

/// COMMAND GETKEYSANDFLAGS name [argument ...].
pub fn getkeysandflags(context: &mut Context<'_>) -> Result<(), CommandError> {
    let (command, positions) = request_with_keys(&mut context.args)?;
    context.reply.array(positions.len());
    for position in positions {
        // With several specifications each has one key, but the last may have more.
        let specs = command.key_specs;
        let spec = specs
            .iter()
            .rev()
            .find(|spec| spec.first as usize <= position)
            .unwrap_or(&specs[0]);
        context.reply.array(2);
        context.reply.bulk(context.args.get(position + 2));
        let bits = if spec.flags & key_flags::VARIABLE_FLAGS != 0 {
            flags_of_request(command, &context.args)
        } else {
            spec.flags
        };
        write_names(context.reply, bits, key_flags::NAMES, "");
    }
    Ok(())
}

/// What SET and BITFIELD do with their key depends on the words of the request, which begins at argument 2.
fn flags_of_request(command: &Command, args: &Args<'_>) -> u32 {
    use key_flags::{ACCESS, OW, RO, RW, UPDATE};
    let any = |first: usize, name: &[u8]| {
        (first..args.len()).any(|index| args.get(index).eq_ignore_ascii_case(name))
    };
    match command.name {
        "set" if any(5, b"GET") => RW | ACCESS | UPDATE,
        "set" => OW | UPDATE,
        _ if any(4, b"SET") || any(4, b"INCRBY") => RW | ACCESS | UPDATE,
        _ => RO | ACCESS,
    }
}

/// COMMAND HELP.
pub fn help(context: &mut Context<'_>) -> Result<(), CommandError> {
    write_help(context.reply, "COMMAND");
    Ok(())
}

/// Writes the help of a command with subcommands, in the form of Redis: a heading, then for each the usage and, indented, what it does.
///
/// Panics for a command without subcommands.
pub fn write_help(reply: &mut Reply, container: &str) {
    let command = lookup(container.as_bytes()).expect("a command of the table");
    assert!(
        !command.subcommands.is_empty(),
        "{container} has no subcommands"
    );
    reply.array(1 + 2 * command.subcommands.len());
    reply.simple(&format!(
        "{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for subcommand in command.subcommands {
        let mut usage = subcommand.name[command.name.len() + 1..].to_ascii_uppercase();
        write_usage(&mut usage, subcommand.arguments);
        reply.simple(&usage);
        reply.simple(&format!("    {}.", subcommand.summary));
    }
}

/// Appends arguments to a usage line: tokens upper case, values in angle brackets, what may be left out in square ones.
fn write_usage(usage: &mut String, arguments: &[Argument]) {
    for argument in arguments {
        usage.push(' ');
        let mut text = argument.token.to_owned();
        let mut inner = String::new();
        match argument.kind {
            ArgumentKind::PureToken => {}
            ArgumentKind::OneOf => {
                let choices: Vec<String> = argument
                    .arguments
                    .iter()
                    .map(|choice| {
                        let mut text = String::new();
                        write_usage(&mut text, std::slice::from_ref(choice));
                        text.trim().to_owned()
                    })
                    .collect();
                inner = choices.join("|");
                if !argument.optional {
                    inner = format!("({inner})");
                }
            }
            ArgumentKind::Block => {
                write_usage(&mut inner, argument.arguments);
                inner = inner.trim().to_owned();
            }
            _ => inner = format!("<{}>", argument.name),
        }
        if !text.is_empty() && !inner.is_empty() {
            text.push(' ');
        }
        text.push_str(&inner);
        if argument.multiple {
            text = format!("{text} [{inner} ...]");
        }
        usage.push_str(&if argument.optional {
            format!("[{text}]")
        } else {
            text
        });
    }
}
