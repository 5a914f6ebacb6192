//! One client: sends transactions, several at once or one at a time, and records what it saw of each. It can die in the middle of a request, and it
//! can be told to cheat: to send as several requests what should be one, as a server without isolation would carry it out. Never judges an answer.

use crate::history::{Clock, How, NEVER, Outcome, Transaction};
use crate::step::{Answer, Step};
use crate::support::client::{Client, request};
use crate::support::reply::Reply;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs the commands in its arguments, each with the number of its words before it, and returns their replies.
const SCRIPT: &str = "local replies, at = {}, 1 \
    while at <= #ARGV do \
        local count = tonumber(ARGV[at]) \
        replies[#replies + 1] = redis.pcall(unpack(ARGV, at + 1, at + count)) \
        at = at + count + 1 \
    end \
    return replies";

/// How a client cheats; what a test that must fail is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cheat {
    /// MSET as one SET after the other.
    TornMset,
    /// RENAME as COPY and DEL.
    TornRename,
    /// SMOVE as SREM and SADD.
    TornMove,
    /// The commands of MULTI and EXEC one by one.
    TornExec,
    /// The commands of a script one by one.
    TornScript,
    /// WATCH is left out.
    BlindExec,
    /// Now and then a read gets the answer that the same read got before.
    StaleRead,
    /// Requests sent at once are carried out last first.
    Reordered,
}

/// How a connection dies in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Before the last request is whole.
    Cut,
    /// When so many answers were read.
    Unread(usize),
}

/// A transaction to be.
#[derive(Clone, Debug)]
pub struct Plan {
    pub how: How,
    pub steps: Vec<Step>,
}

/// What all clients of a history share.
pub struct Party<'a> {
    pub address: SocketAddr,
    pub clock: Clock,
    pub names: &'a [String],
    pub cheat: Option<Cheat>,
    /// How many connections there have been.
    pub connections: &'a AtomicU32,
}

/// One client, on one connection after the other.
pub struct Session {
    client: Client,
    connection: u32,
    resp3: bool,
    /// How many it sent alone.
    transactions: u64,
    /// For [`Cheat::StaleRead`]: earlier answers by command.
    seen: HashMap<String, Reply>,
    reads: u64,
}

impl Session {
    /// Connects, speaking RESP2 or RESP3.
    pub fn connect(party: &Party<'_>, resp3: bool) -> Session {
        let mut client = Client::connect(party.address).expect("the server accepts");
        if resp3 {
            let greeting = client.words("HELLO 3");
            assert!(matches!(greeting, Reply::Map(_)), "HELLO 3: {greeting:?}");
        }
        Session {
            client,
            connection: party.connections.fetch_add(1, Ordering::Relaxed),
            resp3,
            transactions: 0,
            seen: HashMap::new(),
            reads: 0,
        }
    }

    fn read(&mut self) -> Reply {
        self.client.read().expect("the server answers")
    }

    fn send(&mut self, bytes: &[u8]) {
        self.client.send(bytes).expect("the server receives");
    }

    /// Sends transactions at once and reads their answers, or dies and connects anew.
    pub fn run(
        &mut self,
        party: &Party<'_>,
        plans: Vec<Plan>,
        death: Option<Death>,
    ) -> Vec<Transaction> {
        if party.cheat.is_some_and(|cheat| cheats(cheat, &plans)) {
            return self.run_cheating(party, plans);
        }
        if death.is_none() && plans.len() == 1 && plans[0].how == How::Exec {
            self.transactions += 1;
            if self.transactions.is_multiple_of(3) {
                return self.run_slowly(party, plans);
            }
        }
        let encoded: Vec<Vec<u8>> = plans.iter().map(|plan| encode(plan, party.names)).collect();
        let mut bytes = encoded.concat();
        let answered = match death {
            None => plans.len(),
            Some(Death::Unread(count)) => count.min(plans.len()),
            Some(Death::Cut) => {
                // Without its last byte a plain request or script is nothing; MULTI without EXEC is nothing either.
                let last = encoded.last().expect("there is a plan").len();
                let exec = request(&["EXEC"]).len();
                let is_exec = plans[plans.len() - 1].how == How::Exec;
                bytes.truncate(bytes.len() - if is_exec { exec } else { last.div_ceil(2) });
                plans.len() - 1
            }
        };
        let invoke_ns = party.clock.now_ns();
        self.send(&bytes);
        let mut transactions = Vec::new();
        for (number, plan) in plans.into_iter().enumerate() {
            let (return_ns, outcome) = if number < answered {
                let outcome = self.read_outcome(&plan);
                (party.clock.now_ns(), outcome)
            } else if death == Some(Death::Cut) {
                (NEVER, Outcome::Refused)
            } else {
                (NEVER, Outcome::Unknown)
            };
            transactions.push(self.record(plan, invoke_ns, return_ns, outcome));
        }
        if death.is_some() {
            *self = Session::connect(party, self.resp3);
        }
        transactions
    }

    /// MULTI, each command and EXEC one after the other, as most client programs send them.
    fn run_slowly(&mut self, party: &Party<'_>, plans: Vec<Plan>) -> Vec<Transaction> {
        let run = |plan: Plan| {
            self.send(&request(&["MULTI"]));
            assert_eq!(self.read().text(), "OK");
            for step in &plan.steps {
                self.send(&request(&step.words(party.names)));
                assert_eq!(self.read().text(), "QUEUED", "{step:?}");
            }
            let invoke_ns = party.clock.now_ns();
            self.send(&request(&["EXEC"]));
            let outcome = self.read_end(&plan);
            self.record(plan, invoke_ns, party.clock.now_ns(), outcome)
        };
        plans.into_iter().map(run).collect()
    }

    fn record(&self, plan: Plan, invoke_ns: u64, return_ns: u64, outcome: Outcome) -> Transaction {
        Transaction {
            connection: self.connection,
            invoke_ns,
            return_ns,
            how: plan.how,
            steps: plan.steps,
            outcome,
        }
    }

    fn read_outcome(&mut self, plan: &Plan) -> Outcome {
        if plan.how == How::Plain {
            let reply = self.read();
            return Outcome::Happened(vec![plan.steps[0].answer(&reply)]);
        }
        if plan.how == How::Exec || plan.how == How::Watched {
            assert_eq!(self.read().text(), "OK");
            for step in &plan.steps {
                assert_eq!(self.read(), Reply::Simple(b"QUEUED".to_vec()), "{step:?}");
            }
        }
        self.read_end(plan)
    }

    /// The reply of EXEC or of a script.
    fn read_end(&mut self, plan: &Plan) -> Outcome {
        match self.read() {
            Reply::Null if plan.how == How::Watched => Outcome::Refused,
            Reply::Array(replies) => Outcome::Happened(answers(&plan.steps, &replies)),
            other => panic!("{plan:?} is answered by {other:?}"),
        }
    }

    /// WATCH of the keys that `reads` name, the reads, then what `write` makes of their answers within MULTI and EXEC. The reads are in the history
    /// alone too, since they tell something even if EXEC is refused.
    pub fn run_watched(
        &mut self,
        party: &Party<'_>,
        reads: Vec<Step>,
        write: impl FnOnce(&[Answer]) -> Vec<Step>,
    ) -> Vec<Transaction> {
        let names = party.names;
        let mut bytes = Vec::new();
        let keys: Vec<String> = reads
            .iter()
            .flat_map(Step::keys)
            .map(|key| names[key as usize].clone())
            .collect();
        let watches = party.cheat != Some(Cheat::BlindExec);
        if watches {
            bytes = request(&[vec!["WATCH".to_string()], keys].concat());
        }
        for read in &reads {
            bytes.extend(request(&read.words(names)));
        }
        let invoke_ns = party.clock.now_ns();
        self.send(&bytes);
        if watches {
            assert_eq!(self.read().text(), "OK");
        }
        let mut transactions = Vec::new();
        let mut seen = Vec::new();
        for step in &reads {
            let answer = step.answer(&self.read());
            seen.push(answer.clone());
            let plan = Plan {
                how: How::Plain,
                steps: vec![step.clone()],
            };
            let outcome = Outcome::Happened(vec![answer]);
            transactions.push(self.record(plan, invoke_ns, party.clock.now_ns(), outcome));
        }
        let writes = Plan {
            how: How::Watched,
            steps: write(&seen),
        };
        let invoke_ns = party.clock.now_ns();
        self.send(&encode(&writes, names));
        let outcome = match self.read_outcome(&writes) {
            Outcome::Happened(answers) => Outcome::Happened([seen, answers].concat()),
            other => other,
        };
        let return_ns = match &outcome {
            Outcome::Happened(_) => party.clock.now_ns(),
            _ => NEVER,
        };
        let whole = Plan {
            how: How::Watched,
            steps: [reads, writes.steps].concat(),
        };
        transactions.push(self.record(whole, invoke_ns, return_ns, outcome));
        transactions
    }

    /// Carries transactions out one command at a time, and records them as if they had been sent as they should.
    fn run_cheating(&mut self, party: &Party<'_>, plans: Vec<Plan>) -> Vec<Transaction> {
        let cheat = party.cheat.expect("it cheats");
        let mut transactions = Vec::new();
        let invoke_ns = party.clock.now_ns();
        let mut numbers: Vec<usize> = (0..plans.len()).collect();
        if cheat == Cheat::Reordered {
            numbers.reverse();
        }
        for number in numbers {
            let plan = &plans[number];
            let is_torn = cheats(cheat, std::slice::from_ref(plan)) && cheat != Cheat::Reordered;
            let outcome = if is_torn {
                let answers = plan
                    .steps
                    .iter()
                    .map(|step| self.run_torn(step, cheat, party.names));
                Outcome::Happened(answers.collect())
            } else {
                self.send(&encode(plan, party.names));
                self.read_outcome(plan)
            };
            transactions.push((number, outcome));
        }
        transactions.sort_by_key(|(number, _)| *number);
        let outcomes = transactions.into_iter().map(|(_, outcome)| outcome);
        let with_plans = plans.into_iter().zip(outcomes);
        with_plans
            .map(|(plan, outcome)| self.record(plan, invoke_ns, party.clock.now_ns(), outcome))
            .collect()
    }

    fn run_torn(&mut self, step: &Step, cheat: Cheat, names: &[String]) -> Answer {
        let parts: Vec<Step> = match (cheat, step) {
            (Cheat::TornMset, Step::SetMany(pairs)) => pairs
                .iter()
                .map(|(key, value)| Step::Set(*key, *value))
                .collect(),
            (Cheat::TornRename, Step::Rename(from, to)) => {
                vec![Step::Copy(*from, *to), Step::Delete(vec![*from])]
            }
            (Cheat::TornMove, Step::MoveMember(from, to, member)) => {
                vec![
                    Step::RemoveMember(*from, *member),
                    Step::AddMember(*to, *member),
                ]
            }
            (Cheat::StaleRead, read) => {
                self.reads += 1;
                let words = read.words(names);
                let command = words.join(" ");
                if self.reads.is_multiple_of(50)
                    && let Some(reply) = self.seen.get(&command)
                {
                    return read.answer(reply);
                }
                self.send(&request(&words));
                let reply = self.read();
                let answer = read.answer(&reply);
                self.seen.insert(command, reply);
                return answer;
            }
            (_, other) => vec![other.clone()],
        };
        let mut answers = Vec::new();
        for part in parts {
            self.send(&request(&part.words(names)));
            let reply = self.read();
            answers.push(part.answer(&reply));
            // What is not there is not moved.
            if cheat == Cheat::TornMove && answers[0] == Answer::Number(0) {
                break;
            }
        }
        match (cheat, step) {
            (Cheat::TornRename, _) if answers[0] == Answer::Number(0) => Answer::NoSuchKey,
            (Cheat::TornRename, _) => Answer::Ok,
            _ => answers.swap_remove(0),
        }
    }
}

/// Whether a cheat is about any of these.
fn cheats(cheat: Cheat, plans: &[Plan]) -> bool {
    let has = |wanted: fn(&Step) -> bool| {
        plans
            .iter()
            .any(|plan| plan.how == How::Plain && wanted(&plan.steps[0]))
    };
    match cheat {
        Cheat::TornMset => has(|step| matches!(step, Step::SetMany(_))),
        Cheat::TornRename => has(|step| matches!(step, Step::Rename(from, to) if from != to)),
        Cheat::TornMove => has(|step| matches!(step, Step::MoveMember(from, to, _) if from != to)),
        Cheat::TornExec => plans.iter().any(|plan| plan.how == How::Exec),
        Cheat::TornScript => plans
            .iter()
            .any(|plan| matches!(plan.how, How::Script | How::ScriptUndeclared)),
        Cheat::StaleRead => {
            has(|step| matches!(step, Step::Get(_) | Step::Range(_) | Step::GetMany(_)))
        }
        Cheat::Reordered => plans.len() > 1,
        Cheat::BlindExec => false,
    }
}

fn answers(steps: &[Step], replies: &[Reply]) -> Vec<Answer> {
    assert_eq!(
        steps.len(),
        replies.len(),
        "{steps:?} are answered by {replies:?}"
    );
    steps
        .iter()
        .zip(replies)
        .map(|(step, reply)| step.answer(reply))
        .collect()
}

/// The requests of a transaction.
fn encode(plan: &Plan, names: &[String]) -> Vec<u8> {
    let commands = plan.steps.iter().map(|step| step.words(names));
    match plan.how {
        How::Plain => request(&plan.steps[0].words(names)),
        How::Exec | How::Watched => {
            let mut bytes = request(&["MULTI"]);
            commands.for_each(|words| bytes.extend(request(&words)));
            bytes.extend(request(&["EXEC"]));
            bytes
        }
        How::Script | How::ScriptUndeclared => {
            let mut keys: Vec<&String> = Vec::new();
            if plan.how == How::Script {
                let named = plan.steps.iter().flat_map(Step::keys);
                keys = named.map(|key| &names[key as usize]).collect();
                keys.sort();
                keys.dedup();
            }
            let mut words = vec![
                "EVAL".to_string(),
                SCRIPT.to_string(),
                keys.len().to_string(),
            ];
            words.extend(keys.into_iter().cloned());
            for command in commands {
                words.push(command.len().to_string());
                words.extend(command);
            }
            request(&words)
        }
    }
}
