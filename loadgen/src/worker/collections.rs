//! Loads of a workload: hands the workload what it draws from, and keeps its requests as slots. Connections that push what others wait for rest while
//! nobody waits, and are woken by the next wait.

use super::{Load, Next, Slot, State};
use crate::protocol::{Asked, Operation};
use crate::verify::Expectation;
use crate::workload::{Notes, Pen, Ready, Workload};

impl Load for Workload {
    fn prefill_steps(&self) -> u64 {
        Workload::prefill_steps(self)
    }

    fn requests_each(&self) -> u64 {
        Workload::requests_each(self)
    }

    fn must_finish(&self) -> bool {
        self.owes()
    }

    #[inline]
    fn next(state: &State<Self>, connection: usize) -> Next {
        match state.protocol.ready(connection) {
            Ready::Share => Next::Share,
            Ready::Owed => Next::Own,
            Ready::Nothing => Next::Nothing,
        }
    }

    fn write_prefill(
        state: &mut State<Self>,
        connection: usize,
        key: u64,
        step: u64,
        _now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        state.draw(connection, 0, 0, out, |workload, _, pen| {
            workload.write_prefill(key, step, pen);
            Operation::Prefill
        });
    }

    fn write_own(state: &mut State<Self>, connection: usize, out: &mut Vec<u8>) {
        for _ in 0..state.plan.args.pipeline {
            if !state.protocol.owes() {
                break;
            }
            state.draw(connection, 0, 0, out, |workload, notes, pen| {
                Operation::Command(workload.write(connection, notes, pen))
            });
        }
    }

    #[inline]
    fn write_next(
        state: &mut State<Self>,
        connection: usize,
        request: u64,
        due_ns: u64,
        _now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        state.draw(connection, request, due_ns, out, |workload, notes, pen| {
            Operation::Command(workload.write(connection, notes, pen))
        });
        if state.protocol.owes() {
            state.idle.extend(state.resting.drain(..));
        }
    }
}

impl State<Workload> {
    /// Lets the workload write a request for a connection.
    #[inline]
    fn draw(
        &mut self,
        connection: usize,
        request: u64,
        due_ns: u64,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Workload, &mut Notes, &mut Pen<'_>) -> Operation,
    ) {
        let connection = &mut self.connections[connection];
        let mut pen = Pen {
            out,
            random: &mut self.random,
            picker: &self.picker,
            format: &self.plan.key_format,
            sizes: &self.plan.value_sizes,
            pool: &self.pool,
            request,
        };
        let operation = write(&mut self.protocol, &mut connection.reader.notes, &mut pen);
        connection.slots.push(Slot {
            asked: Asked { operation, keys: 1 },
            answered: false,
            key: 0,
            due_ns,
            expected: Expectation::Anything,
        });
    }
}
