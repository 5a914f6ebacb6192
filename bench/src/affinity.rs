//! Which cores a thread may use.

use std::io;

fn set_of(cores: &[usize]) -> libc::cpu_set_t {
    assert!(
        cores.iter().all(|&core| core < libc::CPU_SETSIZE as usize),
        "a core number fits the set"
    );
    // SAFETY: all-zero is the empty set, and every number lies within it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &core in cores {
            libc::CPU_SET(core, &mut set);
        }
        set
    }
}

/// The cores this thread may use, ascending.
pub fn allowed() -> io::Result<Vec<usize>> {
    // SAFETY: all-zero is a valid set, and the call writes no more than its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((0..libc::CPU_SETSIZE as usize)
            .filter(|&core| libc::CPU_ISSET(core, &set))
            .collect())
    }
}

/// Confines this thread, and what it starts from now on, to these cores. Allocates nothing: it may be called between fork and exec.
pub fn confine(cores: &[usize]) -> io::Result<()> {
    let set = set_of(cores);
    // SAFETY: a live set and its size.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The cores of a server with several shards: its own first, then others, the client's only when there are no more.
pub fn spread(allowed: &[usize], first: usize, client: usize, count: usize) -> Vec<usize> {
    let others = allowed
        .iter()
        .copied()
        .filter(|&core| core != first && core != client);
    let mut cores: Vec<usize> = [first].into_iter().chain(others).chain([client]).collect();
    cores.dedup();
    cores.truncate(count);
    cores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confining_shows() {
        let before = allowed().unwrap();
        confine(&before[..1]).unwrap();
        assert_eq!(allowed().unwrap(), before[..1]);
        confine(&before).unwrap();
        assert_eq!(allowed().unwrap(), before);
    }

    #[test]
    fn the_client_shares_its_core_last() {
        assert_eq!(spread(&[0, 1, 2, 3], 0, 3, 2), [0, 1]);
        assert_eq!(spread(&[0, 1, 2, 3], 0, 3, 4), [0, 1, 2, 3]);
        assert_eq!(spread(&[0, 1], 0, 1, 2), [0, 1]);
        assert_eq!(spread(&[5], 5, 5, 2), [5]);
    }
}
