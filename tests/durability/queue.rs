//! Elements that one client puts into two queues and others take, some of them waiting for it: after a crash each element that was acknowledged is in its queue, or
//! with who took it, and never in two places. Never reads another's reply.

use crate::model::{State, Value};
use crate::support::client::{Client, request};
use crate::support::reply::Reply;
use crate::support::slots::name_in;
use std::io;
use std::net::SocketAddr;
use std::thread::Scope;

/// One producer, one who takes with BLPOP, and one who moves with BLMOVE.
pub struct Queue {
    producer: Producer,
    taker: Taker,
    mover: Mover,
}

/// Pushes numbers to both queues in turn, in one transaction.
struct Producer {
    queues: [String; 2],
    /// The last number whose push was answered.
    last: u64,
    is_in_flight: bool,
}

/// Takes from the first queue.
struct Taker {
    queues: [String; 2],
    /// The last number it was given.
    last: u64,
    is_in_flight: bool,
    taken: u64,
}

/// Moves from the second queue to a third list, on another shard.
struct Mover {
    from: String,
    to: String,
    /// The last number it was told of.
    last: u64,
    is_in_flight: bool,
}

impl Queue {
    /// Empty queues on different shards.
    pub fn new() -> Queue {
        let queues = [name_in("q.taken", 1, 3), name_in("q.moved", 2, 3)];
        Queue {
            taker: Taker {
                queues: [name_in("q.nothing", 0, 3), queues[0].clone()],
                last: 0,
                is_in_flight: false,
                taken: 0,
            },
            mover: Mover {
                from: queues[1].clone(),
                to: name_in("q.done", 0, 3),
                last: 0,
                is_in_flight: false,
            },
            producer: Producer {
                queues,
                last: 0,
                is_in_flight: false,
            },
        }
    }

    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let queues = self.producer.queues.iter().map(String::as_str);
        queues.chain([self.mover.to.as_str()])
    }

    /// How many elements have been taken.
    pub fn taken(&self) -> u64 {
        self.taker.taken
    }

    /// Starts its clients; they end with the server.
    pub fn spawn<'scope>(&'scope mut self, scope: &'scope Scope<'scope, '_>, address: SocketAddr) {
        // An error is the end of the server.
        let Queue {
            producer,
            taker,
            mover,
        } = self;
        scope.spawn(move || drop(producer.run(address)));
        scope.spawn(move || drop(taker.run(address)));
        scope.spawn(move || drop(mover.run(address)));
    }

    /// Compares with what is there, and goes on from that.
    pub fn check(&mut self, found: &State) -> Result<(), String> {
        let [taken, moved] = self
            .producer
            .queues
            .each_ref()
            .map(|name| list(found, name));
        let done = list(found, &self.mover.to);
        let (low, high) = (
            self.producer.last,
            self.producer.last + u64::from(self.producer.is_in_flight),
        );
        let all = format!(
            "to be taken {}, to be moved {}, moved {}; pushed {low} to {high}",
            shown(&taken),
            shown(&moved),
            shown(&done)
        );
        if found.contains_key(&self.taker.queues[0]) {
            return Err(format!("the queue that nobody filled is there; {all}"));
        }
        // Whatever is still in a queue are the last numbers that were pushed.
        let pushed = match (moved.last(), taken.last()) {
            (Some(last), _) | (None, Some(last)) => *last,
            // Both are empty: all that was pushed was taken.
            (None, None) => done.last().copied().unwrap_or(0),
        };
        if !(low..=high).contains(&pushed) {
            return Err(format!(
                "{pushed} is the last number that was pushed; {all}"
            ));
        }
        // The mover's list has every number from 1 to what was moved, and the queue the rest.
        let together: Vec<u64> = done.iter().chain(&moved).copied().collect();
        if !together.iter().copied().eq(1..=pushed) {
            return Err(format!(
                "what was to be moved is not each number once; {all}"
            ));
        }
        let moves = done.last().copied().unwrap_or(0);
        let most = self.mover.last + u64::from(self.mover.is_in_flight);
        if !(self.mover.last..=most).contains(&moves) {
            return Err(format!(
                "{moves} were moved, and {} known; {all}",
                self.mover.last
            ));
        }
        let first = taken.first().copied().unwrap_or(pushed + 1);
        if !taken.iter().copied().eq(first..=pushed) {
            return Err(format!("what was to be taken has a gap; {all}"));
        }
        let most = self.taker.last + u64::from(self.taker.is_in_flight);
        if !(self.taker.last..=most).contains(&(first - 1)) {
            return Err(format!(
                "{} were taken, and {} known; {all}",
                first - 1,
                self.taker.last
            ));
        }
        self.producer.last = pushed;
        self.mover.last = moves;
        self.taker.last = first - 1;
        Ok(())
    }
}

/// The ends of a list, and what is out of order.
fn shown(numbers: &[u64]) -> String {
    let jumps = numbers.windows(2).filter(|pair| pair[0] + 1 != pair[1]);
    let jumps = Vec::from_iter(jumps.take(5));
    format!(
        "{:?} to {:?} with jumps {jumps:?}",
        numbers.first(),
        numbers.last()
    )
}

fn list(found: &State, name: &str) -> Vec<u64> {
    let of_element = |element: &Vec<u8>| {
        let text = String::from_utf8_lossy(element);
        text.parse().expect("the queues hold numbers")
    };
    match found.get(name) {
        Some((Value::List(elements), None)) => elements.iter().map(of_element).collect(),
        None => Vec::new(),
        other => panic!("{name} is no list: {other:?}"),
    }
}

fn call(client: &mut Client, words: &[&str]) -> io::Result<Reply> {
    client.send(&request(words))?;
    client.read()
}

impl Producer {
    fn run(&mut self, address: SocketAddr) -> io::Result<()> {
        self.is_in_flight = false;
        let mut client = Client::connect(address)?;
        loop {
            let number = (self.last + 1).to_string();
            let [first, second] = self.queues.each_ref().map(String::as_str);
            let bytes = [
                request(&["MULTI"]),
                request(&["RPUSH", first, &number]),
                request(&["RPUSH", second, &number]),
                request(&["EXEC"]),
            ];
            self.is_in_flight = true;
            client.send(&bytes.concat())?;
            for _ in 0..3 {
                client.read()?;
            }
            let reply = client.read()?;
            assert!(matches!(reply, Reply::Array(_)), "EXEC: {reply:?}");
            self.last += 1;
            self.is_in_flight = false;
        }
    }
}

impl Taker {
    fn run(&mut self, address: SocketAddr) -> io::Result<()> {
        self.is_in_flight = false;
        let mut client = Client::connect(address)?;
        loop {
            self.is_in_flight = true;
            let [first, second] = self.queues.each_ref().map(String::as_str);
            let reply = call(&mut client, &["BLPOP", first, second, "0"])?;
            let number: u64 = reply.elements()[1].text().parse().expect("a number");
            assert_eq!(number, self.last + 1, "elements come in order");
            self.last = number;
            self.taken += 1;
            self.is_in_flight = false;
        }
    }
}

impl Mover {
    fn run(&mut self, address: SocketAddr) -> io::Result<()> {
        self.is_in_flight = false;
        let mut client = Client::connect(address)?;
        loop {
            self.is_in_flight = true;
            let reply = call(
                &mut client,
                &["BLMOVE", &self.from, &self.to, "LEFT", "RIGHT", "0"],
            )?;
            let number: u64 = reply.text().parse().expect("a number");
            assert_eq!(number, self.last + 1, "elements come in order");
            self.last = number;
            self.is_in_flight = false;
        }
    }
}
