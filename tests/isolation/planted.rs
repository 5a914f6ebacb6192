//! Histories made by hand, each with one fault of a name, to show that the checkers find it; sound ones next to them, to show that they find nothing
//! else; and random ones, on which both checkers must agree.

use crate::history::{How, NEVER, Order, Outcome, Transaction};
use crate::lists;
use crate::model::Keyspace;
use crate::search::{Verdict, judge};
use crate::step::{Answer, End, Key, Step};
use crate::support::random::{Random, seed};

const X: Key = 0;
const Y: Key = 1;

fn names() -> Vec<String> {
    vec!["x".to_string(), "y".to_string()]
}

/// A transaction of a connection of its own, with times of its own.
fn at(invoke_ns: u64, return_ns: u64, steps: &[(Step, Answer)]) -> Transaction {
    Transaction {
        connection: invoke_ns as u32,
        invoke_ns,
        return_ns,
        how: if steps.len() == 1 {
            How::Plain
        } else {
            How::Exec
        },
        steps: steps.iter().map(|(step, _)| step.clone()).collect(),
        outcome: Outcome::Happened(steps.iter().map(|(_, answer)| answer.clone()).collect()),
    }
}

fn unknown(mut transaction: Transaction) -> Transaction {
    transaction.return_ns = NEVER;
    transaction.outcome = Outcome::Unknown;
    transaction
}

fn refused(mut transaction: Transaction) -> Transaction {
    transaction.return_ns = NEVER;
    transaction.outcome = Outcome::Refused;
    transaction
}

fn of(connection: u32, mut transaction: Transaction) -> Transaction {
    transaction.connection = connection;
    transaction
}

fn many(numbers: &[i64]) -> Answer {
    Answer::Many(
        numbers
            .iter()
            .map(|number| Answer::Number(*number))
            .collect(),
    )
}

/// RPUSH, after which the list is so long.
fn push(key: Key, element: i64, length: i64) -> (Step, Answer) {
    (Step::Push(key, End::Right, element), Answer::Number(length))
}

fn range(key: Key, elements: &[i64]) -> (Step, Answer) {
    (Step::Range(key), many(elements))
}

fn set(key: Key, value: i64) -> (Step, Answer) {
    (Step::Set(key, value), Answer::Ok)
}

fn mset(first: i64, second: i64) -> (Step, Answer) {
    (Step::SetMany(vec![(X, first), (Y, second)]), Answer::Ok)
}

/// MGET of both; zero stands for a key that is not there.
fn mget(first: i64, second: i64) -> (Step, Answer) {
    let answer = |value: i64| {
        if value == 0 {
            Answer::Null
        } else {
            Answer::Number(value)
        }
    };
    (
        Step::GetMany(vec![X, Y]),
        Answer::Many(vec![answer(first), answer(second)]),
    )
}

fn get(key: Key, value: i64) -> (Step, Answer) {
    let answer = if value == 0 {
        Answer::Null
    } else {
        Answer::Number(value)
    };
    (Step::Get(key), answer)
}

/// The history with a read of both lists at the end.
fn with_ends(mut history: Vec<Transaction>, x: &[i64], y: &[i64]) -> Vec<Transaction> {
    history.push(at(1_000_000, 1_000_001, &[range(X, x)]));
    history.push(at(1_000_002, 1_000_003, &[range(Y, y)]));
    history
}

/// The checker of lists says this of it, and the search agrees that there is no order.
fn is_found(history: &[Transaction], what: &str) {
    let report = lists::violation(history, &names(), Order::All)
        .unwrap_or_else(|| panic!("{what} is not found"));
    assert!(
        report.contains(what),
        "{what} is not what is found:\n{report}"
    );
    search_finds(history);
}

fn search_finds(history: &[Transaction]) {
    match judge(history, &names(), Order::All) {
        Verdict::Violated(report) => println!("{report}"),
        Verdict::Serializable => panic!("an order was found where there is none"),
        Verdict::Undecided => panic!("a short history is decided"),
    }
}

fn is_sound(history: &[Transaction]) {
    if let Some(report) = lists::violation(history, &names(), Order::All) {
        panic!("a sound history: {report}");
    }
    search_accepts(history);
}

fn search_accepts(history: &[Transaction]) {
    match judge(history, &names(), Order::All) {
        Verdict::Serializable => {}
        Verdict::Violated(report) => panic!("a sound history: {report}"),
        Verdict::Undecided => panic!("a short history is decided"),
    }
}

#[test]
fn concurrent_transactions_may_take_effect_in_any_order() {
    for (x, y) in [([1, 2], [3, 4]), ([2, 1], [4, 3])] {
        let place = |list: &[i64], element: i64| {
            list.iter()
                .position(|other| *other == element)
                .expect("it is there") as i64
                + 1
        };
        let one = at(
            10,
            50,
            &[push(X, 1, place(&x, 1)), push(Y, 3, place(&y, 3))],
        );
        let other = at(
            20,
            40,
            &[push(X, 2, place(&x, 2)), push(Y, 4, place(&y, 4))],
        );
        is_sound(&with_ends(vec![one, other], &x, &y));
    }
}

#[test]
fn a_write_cycle_is_found() {
    let one = at(10, 50, &[push(X, 1, 1), push(Y, 3, 2)]);
    let other = at(20, 40, &[push(X, 2, 2), push(Y, 4, 1)]);
    is_found(&with_ends(vec![one, other], &[1, 2], &[4, 3]), "G0");
}

#[test]
fn circular_information_is_found() {
    let one = at(10, 50, &[push(X, 1, 1), range(Y, &[2])]);
    let other = at(20, 40, &[push(Y, 2, 1), range(X, &[1])]);
    is_found(&with_ends(vec![one, other], &[1], &[2]), "G1c");
}

#[test]
fn an_aborted_write_that_is_seen_is_found() {
    let aborted = refused(at(10, 20, &[push(X, 1, 1), push(Y, 2, 1)]));
    is_sound(&with_ends(vec![aborted.clone()], &[], &[]));
    is_found(&with_ends(vec![aborted], &[1], &[]), "G1a");
}

#[test]
fn a_lost_update_is_found() {
    let one = at(10, 50, &[range(X, &[]), push(X, 1, 1)]);
    let other = at(20, 40, &[range(X, &[]), push(X, 2, 2)]);
    is_found(
        &with_ends(vec![one.clone(), other], &[1, 2], &[]),
        "G-single",
    );
    // Without the contradiction: one of them does not write what it read.
    let reader = at(20, 40, &[range(X, &[]), push(Y, 2, 1)]);
    let after = at(60, 70, &[push(X, 3, 2)]);
    is_sound(&with_ends(vec![one, reader, after], &[1, 3], &[2]));
    let forgetful = at(10, 50, &[push(X, 1, 1), range(X, &[])]);
    is_found(&with_ends(vec![forgetful], &[1], &[]), "internal");
    let lost = at(10, 50, &[push(X, 1, 1)]);
    is_found(&with_ends(vec![lost], &[], &[]), "lost");
}

#[test]
fn a_torn_read_is_found() {
    let writer = at(10, 50, &[push(X, 1, 1), push(Y, 2, 1)]);
    let reader = at(20, 40, &[range(X, &[1]), range(Y, &[])]);
    is_found(
        &with_ends(vec![writer.clone(), reader], &[1], &[2]),
        "G-single",
    );
    let intermediate = at(20, 40, &[range(X, &[1])]);
    let twice = at(10, 50, &[push(X, 1, 1), push(X, 3, 2)]);
    is_found(
        &with_ends(vec![twice, intermediate], &[1, 3], &[]),
        "G-single",
    );
    let sound = at(20, 40, &[range(X, &[1]), range(Y, &[2])]);
    is_sound(&with_ends(vec![writer, sound], &[1], &[2]));
}

#[test]
fn write_skew_is_found() {
    let one = at(10, 50, &[range(Y, &[]), push(X, 1, 1)]);
    let other = at(20, 40, &[range(X, &[]), push(Y, 2, 1)]);
    is_found(&with_ends(vec![one, other], &[1], &[2]), "G2");
}

#[test]
fn a_long_fork_is_found() {
    let writers = [at(10, 100, &[push(X, 1, 1)]), at(11, 100, &[push(Y, 2, 1)])];
    let readers = [
        at(20, 90, &[range(X, &[1]), range(Y, &[])]),
        at(21, 90, &[range(X, &[]), range(Y, &[2])]),
    ];
    is_found(&with_ends([writers, readers].concat(), &[1], &[2]), "G2");
}

#[test]
fn a_stale_read_is_found() {
    let writer = at(10, 20, &[push(X, 1, 1)]);
    is_found(
        &with_ends(
            vec![writer.clone(), at(21, 30, &[range(X, &[])])],
            &[1],
            &[],
        ),
        "real time",
    );
    is_sound(&with_ends(
        vec![writer, at(19, 30, &[range(X, &[])])],
        &[1],
        &[],
    ));
    // Over a third, which no value connects with them.
    let chain = vec![
        at(10, 20, &[push(X, 1, 1)]),
        at(15, 25, &[push(Y, 2, 1)]),
        at(26, 30, &[range(X, &[])]),
    ];
    is_found(&with_ends(chain, &[1], &[2]), "real time");
}

#[test]
fn the_order_of_a_connection_is_kept() {
    let pipeline = [
        of(7, at(10, 50, &[push(X, 1, 1)])),
        of(7, at(11, 51, &[push(Y, 2, 1)])),
    ];
    let readers = [
        of(8, at(12, 40, &[range(Y, &[2])])),
        of(8, at(13, 41, &[range(X, &[])])),
    ];
    is_found(
        &with_ends([pipeline.clone(), readers].concat(), &[1], &[2]),
        "order of a connection",
    );
    let readers = [
        of(8, at(12, 40, &[range(X, &[1])])),
        of(8, at(13, 41, &[range(Y, &[])])),
    ];
    is_sound(&with_ends([pipeline, readers].concat(), &[1], &[2]));
}

#[test]
fn writes_keep_their_order_where_reads_need_not() {
    let weak = |history: &[Transaction]| {
        let by_graph = lists::violation(history, &names(), Order::Writes).is_some();
        let by_search = matches!(
            judge(history, &names(), Order::Writes),
            Verdict::Violated(_)
        );
        assert_eq!(by_graph, by_search, "both checkers say the same");
        by_graph
    };
    let pipeline = vec![
        of(7, at(10, 50, &[push(X, 1, 1)])),
        of(7, at(11, 51, &[push(Y, 2, 1)])),
    ];
    let reads = |connections: [u32; 2]| {
        let reads = vec![
            of(connections[0], at(12, 40, &[range(Y, &[2])])),
            of(connections[1], at(13, 41, &[range(X, &[])])),
        ];
        with_ends([pipeline.clone(), reads].concat(), &[1], &[2])
    };
    // Two reads of one pipeline may take effect in any order; reads one after the other may not.
    assert!(!weak(&reads([8, 8])));
    let mut one_by_one = reads([8, 9]);
    (one_by_one[3].invoke_ns, one_by_one[3].return_ns) = (41, 45);
    assert!(weak(&one_by_one));
    // On the same key even a read waits for the write before it.
    let own = vec![
        of(7, at(10, 50, &[push(X, 1, 1)])),
        of(7, at(11, 51, &[range(X, &[])])),
    ];
    assert!(weak(&with_ends(own, &[1], &[])));
}

#[test]
fn what_is_unknown_happened_wholly_or_not_at_all() {
    let torn = unknown(at(10, 0, &[push(X, 1, 1), push(Y, 2, 1)]));
    is_sound(&with_ends(vec![torn.clone()], &[], &[]));
    is_sound(&with_ends(vec![torn.clone()], &[1], &[2]));
    is_found(&with_ends(vec![torn.clone()], &[1], &[]), "real time");
    // It may happen between the last reads.
    is_sound(&with_ends(vec![torn], &[], &[2]));
}

#[test]
fn lists_that_contradict_each_other_are_found() {
    let writers = vec![at(10, 50, &[push(X, 1, 1)]), at(11, 50, &[push(X, 2, 2)])];
    let reads =
        |elements: &[i64]| [writers.clone(), vec![at(20, 60, &[range(X, elements)])]].concat();
    is_found(&with_ends(reads(&[2]), &[1, 2], &[]), "disagree");
    is_found(&with_ends(reads(&[1, 2]), &[1, 1, 2], &[]), "twice");
    is_found(
        &with_ends(reads(&[1, 2]), &[1, 2, 9], &[]),
        "nobody appended",
    );
    is_found(&with_ends(reads(&[1, 2]), &[2, 1], &[]), "disagree");
    let mut wrong_length = reads(&[1]);
    wrong_length[1].outcome = Outcome::Happened(vec![Answer::Number(1)]);
    is_found(
        &with_ends(wrong_length, &[1, 2], &[]),
        "elements are before it",
    );
}

#[test]
fn a_torn_mset_is_found() {
    let writers = vec![at(10, 20, &[mset(1, 2)]), at(30, 60, &[mset(3, 4)])];
    for (first, second, sound) in [
        (1, 2, true),
        (3, 4, true),
        (3, 2, false),
        (1, 4, false),
        (0, 0, false),
    ] {
        let history = [writers.clone(), vec![at(40, 50, &[mget(first, second)])]].concat();
        if sound {
            search_accepts(&history)
        } else {
            search_finds(&history)
        }
    }
}

#[test]
fn faults_of_registers_are_found() {
    // An increment is lost.
    let increase = |sum: i64| (Step::Increase(X, 1), Answer::Number(sum));
    search_finds(&[at(10, 50, &[increase(1)]), at(20, 60, &[increase(1)])]);
    search_accepts(&[at(10, 50, &[increase(2)]), at(20, 60, &[increase(1)])]);
    // Compare-and-set twice from the same value.
    let change = |value: i64| [get(X, 1), set(X, value)];
    search_finds(&[
        at(1, 2, &[set(X, 1)]),
        at(10, 50, &change(2)),
        at(20, 60, &change(3)),
    ]);
    // Write skew.
    search_finds(&[
        at(10, 50, &[get(X, 0), set(Y, 1)]),
        at(20, 60, &[get(Y, 0), set(X, 1)]),
    ]);
    // A renamed key is in neither place.
    let rename = || (Step::Rename(X, Y), Answer::Ok);
    search_finds(&[
        at(1, 2, &[set(X, 1)]),
        at(10, 50, &[rename()]),
        at(20, 40, &[mget(0, 0)]),
    ]);
    search_accepts(&[
        at(1, 2, &[set(X, 1)]),
        at(10, 50, &[rename()]),
        at(20, 40, &[mget(0, 1)]),
    ]);
    // It is gone although it was never answered: that may be, but not come back.
    let lost = unknown(at(10, 0, &[rename()]));
    search_accepts(&[
        at(1, 2, &[set(X, 1)]),
        lost.clone(),
        at(20, 40, &[mget(0, 1)]),
    ]);
    search_finds(&[
        at(1, 2, &[set(X, 1)]),
        lost,
        at(20, 40, &[mget(0, 1)]),
        at(50, 60, &[mget(1, 0)]),
    ]);
    // Refused means without effect.
    search_finds(&[refused(at(10, 0, &[set(X, 1)])), at(20, 30, &[get(X, 1)])]);
}

#[test]
fn what_expired_stays_so() {
    let brief = || (Step::SetFor(X, 1, 1), Answer::Ok);
    let long = (Step::SetFor(X, 1, 100_000), Answer::Ok);
    let second = 1_000_000_000;
    search_accepts(&[
        at(1, 2, &[brief()]),
        at(10, 20, &[get(X, 1)]),
        at(30, 40, &[get(X, 0)]),
    ]);
    search_finds(&[
        at(1, 2, &[brief()]),
        at(10, 20, &[get(X, 0)]),
        at(30, 40, &[get(X, 1)]),
    ]);
    search_finds(&[at(1, 2, &[long]), at(10, 20, &[get(X, 0)])]);
    search_finds(&[at(1, 2, &[brief()]), at(second, second + 1, &[get(X, 1)])]);
    // A later value without a lifetime does not vanish.
    search_finds(&[
        at(1, 2, &[brief()]),
        at(3, 4, &[set(X, 2)]),
        at(second, second + 1, &[get(X, 0)]),
    ]);
}

/// A history that really took place: every transaction at a point of its own within its time.
fn random_history(random: &mut Random) -> Vec<Transaction> {
    let mut keyspace = Keyspace::new(2);
    let (mut history, mut element, mut lengths): (Vec<Transaction>, i64, [i64; 2]) =
        (Vec::new(), 0, [0, 0]);
    for number in 0..3 + random.below(6) {
        let point = (number + 1) * 100;
        let (before, after) = (random.below(250).min(point - 1), 1 + random.below(250));
        let steps = (0..1 + random.below(3)).map(|_| {
            let key = random.below(2) as Key;
            if random.chance(50) {
                element += 1;
                lengths[key as usize] += 1;
                Step::Push(key, End::Right, element)
            } else {
                Step::Range(key)
            }
        });
        let steps: Vec<Step> = steps.collect();
        let answered = steps
            .into_iter()
            .map(|step| (step.clone(), keyspace.apply(&step, 0, 0)));
        let mut transaction = at(point - before, point + after, &answered.collect::<Vec<_>>());
        transaction.connection = number as u32;
        history.push(transaction);
    }
    for key in [X, Y] {
        let answer = keyspace.apply(&Step::Range(key), 0, 0);
        let mut last = at(
            100_000 + u64::from(key) * 10,
            100_001 + u64::from(key) * 10,
            &[(Step::Range(key), answer)],
        );
        last.connection = 100 + key;
        history.push(last);
    }
    history
}

/// Spoils one answer: a read that misses its last element, or has them in another order; or one transaction's time.
fn spoil(random: &mut Random, history: &mut [Transaction]) {
    let ends = history.len() - 2;
    let transaction = &mut history[random.below(ends as u64) as usize];
    if random.chance(40) {
        // Earlier or later than it was.
        let moved = random.below(600);
        let length = transaction.return_ns - transaction.invoke_ns;
        transaction.invoke_ns = moved;
        transaction.return_ns = moved + length;
        return;
    }
    let Outcome::Happened(answers) = &mut transaction.outcome else {
        return;
    };
    for answer in answers {
        if let Answer::Many(elements) = answer {
            match random.below(3) {
                0 => drop(elements.pop()),
                1 => elements.truncate(elements.len() / 2),
                _ => elements.reverse(),
            }
        }
    }
}

#[test]
fn both_checkers_agree_on_random_histories() {
    let seed = seed("agreement");
    let mut random = Random::new(seed);
    let (mut sound, mut unsound) = (0, 0);
    for round in 0..3000 {
        let mut history = random_history(&mut random);
        is_sound(&history);
        spoil(&mut random, &mut history);
        let by_graph = lists::violation(&history, &names(), Order::All);
        let by_search = match judge(&history, &names(), Order::All) {
            Verdict::Serializable => None,
            Verdict::Violated(report) => Some(report),
            Verdict::Undecided => panic!("a short history is decided"),
        };
        match (&by_graph, &by_search) {
            (Some(_), Some(_)) => unsound += 1,
            (None, None) => sound += 1,
            _ => panic!(
                "TORC_TEST_SEED={seed}, round {round}: the graph says {by_graph:?}, the search {by_search:?}"
            ),
        }
    }
    assert!(
        sound > 300 && unsound > 300,
        "{sound} sound and {unsound} unsound ones show both sides"
    );
}
