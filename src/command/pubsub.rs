//! Rows of the commands of publishing and subscribing. What they do is about connections, not about keys: the server layer carries them out
//! (`server/commands/pubsub.rs`).

use super::ServerCommand::{Publish, Pubsub, Subscribe, Unsubscribe};
use super::docs::{Argument, ArgumentKind};
use super::table::flags::*;
use super::table::key_flags as key;
use super::table::{Command, KeySpec};

/// What a client subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// A channel, by its name.
    Channel,
    /// All channels whose names match a glob pattern.
    Pattern,
    /// A channel of SPUBLISH, by its name; patterns do not see it.
    ShardChannel,
}

impl Subscription {
    /// All of them.
    pub const ALL: [Subscription; 3] = [
        Subscription::Channel,
        Subscription::Pattern,
        Subscription::ShardChannel,
    ];

    /// The word that confirms it.
    pub fn subscribed(self) -> &'static [u8] {
        match self {
            Subscription::Channel => b"subscribe",
            Subscription::Pattern => b"psubscribe",
            Subscription::ShardChannel => b"ssubscribe",
        }
    }

    /// The word that confirms its end.
    pub fn unsubscribed(self) -> &'static [u8] {
        match self {
            Subscription::Channel => b"unsubscribe",
            Subscription::Pattern => b"punsubscribe",
            Subscription::ShardChannel => b"sunsubscribe",
        }
    }
}

const CHANNEL: Argument = Argument::new("channel", ArgumentKind::String);
const MESSAGE: Argument = Argument::new("message", ArgumentKind::String);
const PATTERN: Argument = Argument::new("pattern", ArgumentKind::Pattern);
const SHARD_CHANNEL: Argument = Argument::new("shardchannel", ArgumentKind::String);

const SUBSCRIBING: u32 = PUBSUB | NOSCRIPT | LOADING | STALE;
const ASKING_ABOUT: u32 = PUBSUB | LOADING | STALE;
const EVERY_CHANNEL: &[KeySpec] = &[KeySpec::new(key::NOT_KEY, 1, -1, 1, "")];

/// The rows.
pub const ROWS: &[Command] = &[
    Command::server("subscribe", -2, Subscribe(Subscription::Channel))
        .flags(SUBSCRIBING, 0)
        .docs(
            "2.0.0",
            "pubsub",
            "O(N) in the channels",
            "Receives what is published to channels",
            &[CHANNEL.multiple()],
        ),
    Command::server("unsubscribe", -1, Unsubscribe(Subscription::Channel))
        .flags(SUBSCRIBING, 0)
        .docs(
            "2.0.0",
            "pubsub",
            "O(N) in the channels",
            "Receives no more of what is published to channels, or to any",
            &[CHANNEL.optional().multiple()],
        ),
    Command::server("psubscribe", -2, Subscribe(Subscription::Pattern))
        .flags(SUBSCRIBING, 0)
        .docs(
            "2.0.0",
            "pubsub",
            "O(N) in the patterns",
            "Receives what is published to channels that match patterns",
            &[Argument::new("pattern", ArgumentKind::Block)
                .multiple()
                .arguments(&[PATTERN])],
        ),
    Command::server("punsubscribe", -1, Unsubscribe(Subscription::Pattern))
        .flags(SUBSCRIBING, 0)
        .docs(
            "2.0.0",
            "pubsub",
            "O(N) in the patterns",
            "Receives no more of what patterns matched, or any did",
            &[PATTERN.optional().multiple()],
        ),
    Command::server("ssubscribe", -2, Subscribe(Subscription::ShardChannel))
        .flags(SUBSCRIBING, 0)
        .keys(1, -1, 1, EVERY_CHANNEL)
        .docs(
            "7.0.0",
            "pubsub",
            "O(N) in the channels",
            "Receives what is published to shard channels",
            &[SHARD_CHANNEL.multiple()],
        ),
    Command::server("sunsubscribe", -1, Unsubscribe(Subscription::ShardChannel))
        .flags(SUBSCRIBING, 0)
        .keys(1, -1, 1, EVERY_CHANNEL)
        .docs(
            "7.0.0",
            "pubsub",
            "O(N) in the channels",
            "Receives no more of what is published to shard channels, or to any",
            &[SHARD_CHANNEL.optional().multiple()],
        ),
    Command::server("publish", 3, Publish(Subscription::Channel))
        .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, 0)
        .docs(
            "2.0.0",
            "pubsub",
            "O(N+M) in the subscribers of the channel and the patterns that begin as it does",
            "Sends a message to all who subscribed to a channel or to a pattern that it matches",
            &[CHANNEL, MESSAGE],
        ),
    Command::server("spublish", 3, Publish(Subscription::ShardChannel))
        .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, 0)
        .keys(1, 1, 1, &[KeySpec::new(key::NOT_KEY, 1, 0, 1, "")])
        .docs(
            "7.0.0",
            "pubsub",
            "O(N) in the subscribers of the channel",
            "Sends a message to all who subscribed to a shard channel",
            &[SHARD_CHANNEL, MESSAGE],
        ),
    Command::server("pubsub", -2, Pubsub)
        .flags(0, 0)
        .docs(
            "2.8.0",
            "pubsub",
            "Depends on the subcommand",
            "Commands on channels, patterns and their subscribers",
            &[],
        )
        .subcommands(&[
            Command::server("pubsub|channels", -2, Pubsub)
                .flags(ASKING_ABOUT, 0)
                .docs(
                    "2.8.0",
                    "pubsub",
                    "O(N) in the channels",
                    "Lists the channels that have subscribers",
                    &[PATTERN.optional()],
                ),
            Command::server("pubsub|help", 2, Pubsub)
                .flags(LOADING | STALE, 0)
                .docs("6.2.0", "pubsub", "O(1)", "Lists the subcommands", &[]),
            Command::server("pubsub|numpat", 2, Pubsub)
                .flags(ASKING_ABOUT, 0)
                .docs(
                    "2.8.0",
                    "pubsub",
                    "O(1)",
                    "Counts the patterns that have subscribers, each once",
                    &[],
                ),
            Command::server("pubsub|numsub", -2, Pubsub)
                .flags(ASKING_ABOUT, 0)
                .docs(
                    "2.8.0",
                    "pubsub",
                    "O(N) in the channels",
                    "Counts the subscribers of channels, those of patterns not among them",
                    &[CHANNEL.optional().multiple()],
                ),
            Command::server("pubsub|shardchannels", -2, Pubsub)
                .flags(ASKING_ABOUT, 0)
                .docs(
                    "7.0.0",
                    "pubsub",
                    "O(N) in the shard channels",
                    "Lists the shard channels that have subscribers",
                    &[PATTERN.optional()],
                ),
            Command::server("pubsub|shardnumsub", -2, Pubsub)
                .flags(ASKING_ABOUT, 0)
                .docs(
                    "7.0.0",
                    "pubsub",
                    "O(N) in the shard channels",
                    "Counts the subscribers of shard channels",
                    &[SHARD_CHANNEL.optional().multiple()],
                ),
        ]),
];
