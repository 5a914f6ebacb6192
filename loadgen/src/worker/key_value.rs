//! Loads of keys and values: which operation is next, on which key, with which value; reads of several keys; traces and the writes that follow their misses.

use super::{Connection, Load, Next, Slot, State};
use crate::protocol::{Asked, KeyValue, Operation};
use crate::random::mix;
use crate::trace::Key;
use crate::verify::{Expectation, Ledger};

impl<P: KeyValue> Load for P {
    #[inline]
    fn next(state: &State<P>, connection: usize) -> Next {
        let Connection { fills, to_read, .. } = &state.connections[connection];
        if fills.is_empty() && to_read.is_empty() {
            Next::Share
        } else {
            Next::Own
        }
    }

    fn write_prefill(
        state: &mut State<P>,
        connection: usize,
        key: u64,
        _step: u64,
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        state.write(connection, Operation::Set, key, 0, now_ns, out);
    }

    fn write_own(state: &mut State<P>, connection: usize, out: &mut Vec<u8>) {
        for _ in 0..state.plan.args.pipeline {
            // What a loss has left comes before anything else.
            if let Some(key) = state.connections[connection].to_read.pop() {
                state.write(connection, Operation::Get, key, 0, 0, out);
            }
        }
        // There are as many as the last batch had misses.
        let mut fills = std::mem::take(&mut state.connections[connection].fills);
        for request in fills.drain(..) {
            state.stats.fills += 1;
            state.write_traced(connection, Operation::Set, request, 0, out);
        }
        state.connections[connection].fills = fills;
    }

    #[inline]
    fn write_next(
        state: &mut State<P>,
        connection: usize,
        request: u64,
        due_ns: u64,
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        if let Some(trace) = &state.plan.trace {
            let operation = trace.request(request as usize).operation;
            return state.write_traced(connection, operation, request, due_ns, out);
        }
        let [set, get, _] = state.plan.ratio.map(u64::from);
        let part = state.random.below(state.ratio_total);
        let operation = if part < set {
            Operation::Set
        } else if part < set + get {
            Operation::Get
        } else {
            Operation::Delete
        };
        if operation == Operation::Get && state.plan.args.multi_get > 1 {
            return state.write_many(connection, request, due_ns, out);
        }
        let key = state.pick(connection, request);
        state.write(connection, operation, key, due_ns, now_ns, out);
    }
}

impl<P: KeyValue> State<P> {
    /// The key that belongs to a number, for a connection.
    #[inline]
    fn pick(&mut self, connection: usize, number: u64) -> u64 {
        let key = self.picker.pick(&mut self.random, number);
        match &self.connections[connection].ledger {
            Some(ledger) => ledger.own(key),
            None => key,
        }
    }

    /// Writes a read of several keys.
    fn write_many(&mut self, connection: usize, request: u64, due_ns: u64, out: &mut Vec<u8>) {
        let keys = self.plan.args.multi_get;
        self.many.clear();
        for place in 0..u64::from(keys) {
            let number = request.wrapping_mul(u64::from(keys)).wrapping_add(place);
            let key = self.pick(connection, number);
            self.many.push(key);
        }
        let format = &self.plan.key_format;
        self.protocol.write_get_many(&self.many, format, out);
        let asked = Asked {
            operation: Operation::Get,
            keys,
        };
        let Connection { slots, ledger, .. } = &mut self.connections[connection];
        slots.extend(self.many.iter().map(|key| Slot {
            asked,
            answered: false,
            key: *key,
            due_ns,
            expected: expected(ledger, *key),
        }));
    }

    /// Writes a request for a key of the keyspace.
    #[inline]
    fn write(
        &mut self,
        connection: usize,
        operation: Operation,
        key: u64,
        due_ns: u64,
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        let format = &self.plan.key_format;
        let key_size = format.size();
        let write_key = |out: &mut Vec<u8>| format.write(key, out);
        let connection = &mut self.connections[connection];
        match operation {
            Operation::Get => self.protocol.write_get(write_key, key_size, out),
            Operation::Delete => {
                self.protocol.write_delete(write_key, key_size, out);
                if let Some(ledger) = &mut connection.ledger {
                    ledger.delete(key);
                }
            }
            Operation::Set => {
                let bits = self.random.bits();
                let size = self.plan.value_sizes.size(bits);
                let (pool, ledger) = (&self.pool, &mut connection.ledger);
                let value = |out: &mut Vec<u8>| match ledger {
                    Some(ledger) => ledger.write(key, size, now_ns, out),
                    None => pool.write(size, mix(bits), out),
                };
                self.protocol
                    .write_set(write_key, key_size, value, size, self.plan.ttl_ms, out);
            }
            Operation::Command(_) | Operation::Prefill | Operation::Login => {
                unreachable!("a load of keys and values has no others")
            }
        }
        let slot = Slot {
            asked: Asked { operation, keys: 1 },
            answered: false,
            key,
            due_ns,
            expected: expected(&connection.ledger, key),
        };
        connection.slots.push(slot);
    }

    /// Writes a request of the trace, or the write that follows its miss.
    #[inline]
    fn write_traced(
        &mut self,
        connection: usize,
        operation: Operation,
        number: u64,
        due_ns: u64,
        out: &mut Vec<u8>,
    ) {
        let trace = self.plan.trace.as_ref().expect("only called with a trace");
        let request = trace.request(number as usize);
        let format = &self.plan.key_format;
        let (key_size, bits) = match request.key {
            Key::Number(key) => (format.size(), key),
            Key::Bytes(key) => (key.len(), hash(key)),
        };
        let write_key = |out: &mut Vec<u8>| match request.key {
            Key::Number(key) => format.write(key, out),
            Key::Bytes(key) => out.extend_from_slice(key),
        };
        match operation {
            Operation::Get => self.protocol.write_get(write_key, key_size, out),
            Operation::Delete => self.protocol.write_delete(write_key, key_size, out),
            Operation::Set => {
                // An object has the same size whenever it is written.
                let bits = mix(bits ^ self.plan.args.seed);
                let size = request
                    .value_size
                    .unwrap_or_else(|| self.plan.value_sizes.size(bits));
                let ttl_ms = match request.ttl_seconds {
                    0 => self.plan.ttl_ms,
                    seconds => u64::from(seconds) * 1_000,
                };
                let pool = &self.pool;
                let value = |out: &mut Vec<u8>| pool.write(size, mix(bits), out);
                self.protocol
                    .write_set(write_key, key_size, value, size, ttl_ms, out);
            }
            Operation::Command(_) | Operation::Prefill | Operation::Login => {
                unreachable!("a trace has no others")
            }
        }
        let slot = Slot {
            asked: Asked { operation, keys: 1 },
            answered: false,
            key: number,
            due_ns,
            expected: Expectation::Anything,
        };
        self.connections[connection].slots.push(slot);
    }
}

/// What a read sent now must find.
#[inline]
fn expected(ledger: &Option<Ledger>, key: u64) -> Expectation {
    ledger
        .as_ref()
        .map_or(Expectation::Anything, |ledger| ledger.expected(key))
}

fn hash(key: &[u8]) -> u64 {
    key.chunks(8).fold(key.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    })
}
