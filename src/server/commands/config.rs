//! CONFIG and INFO.

use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::{Answered, Outcome};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

impl Service {
    pub(super) fn config_command(&mut self, _args: &Args<'_>, reply: &mut Reply) -> Outcome {
        reply.array(0);
        Ok(Answered::Now)
    }
    pub(super) fn info(&mut self, args: &Args<'_>) -> Outcome {
        let sections = (1..args.len()).map(|at| super::lower(args.get(at))).collect();
        Ok(Answered::AskAll(Call::Snapshot, Finish::Info(sections)))
    }
}
