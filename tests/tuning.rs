//! The scripts of `tuning/`, on machines made of files: a fake sysfs and procfs stand in for the real ones.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A machine made of files.
struct Machine(PathBuf);

impl Machine {
    /// A machine of CPUs `0..cpus`, all in one domain and on one node until told otherwise.
    fn new(name: &str, cpus: usize) -> Machine {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("tuning-{name}-{}", std::process::id()));
        let machine = Machine(root);
        machine.set(
            "sys/devices/system/cpu/online",
            format!("0-{}", cpus.saturating_sub(1)),
        );
        machine
    }

    /// Two nodes with two L3 domains each, of two cores with two threads: CPU n and n + 8 share a core.
    fn large(name: &str) -> Machine {
        let machine = Machine::new(name, 16);
        for cpu in 0..16 {
            let core = cpu % 8;
            let domain = core / 2 * 2;
            let directory = format!("sys/devices/system/cpu/cpu{cpu}");
            machine.set(
                &format!("{directory}/topology/thread_siblings_list"),
                format!("{core},{}", core + 8),
            );
            machine.set(&format!("{directory}/cache/index3/level"), 3);
            machine.set(
                &format!("{directory}/cache/index3/shared_cpu_list"),
                format!("{domain}-{},{}-{}", domain + 1, domain + 8, domain + 9),
            );
            machine.set(&format!("{directory}/node{}/present", core / 4), 1);
        }
        machine.set("sys/devices/system/node/node0/cpulist", "0-3,8-11");
        machine.set("sys/devices/system/node/node1/cpulist", "4-7,12-15");
        machine
    }

    fn set(&self, path: &str, text: impl Display) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a writable directory");
        fs::write(path, format!("{text}\n")).expect("a writable file");
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tuning")
            .join(script);
        Command::new(path)
            .arg("--sysfs")
            .arg(self.0.join("sys"))
            .arg("--proc")
            .arg(self.0.join("proc"))
            .args(arguments)
            .output()
            .expect("the script starts")
    }

    fn cpu_list(&self, arguments: &[&str]) -> Result<String, (Option<i32>, String)> {
        let output = self.run("cpu-list", arguments);
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err((output.status.code(), text(&output.stderr)))
        }
    }

    fn report(&self) -> String {
        let output = self.run("report", &[]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_string()
}

#[test]
fn one_thread_of_each_core_and_one_domain_after_the_other() {
    let machine = Machine::large("domains");
    assert_eq!(machine.cpu_list(&[]), Ok("0-7".into()));
    assert_eq!(machine.cpu_list(&["--shards", "2"]), Ok("0-1".into()));
    assert_eq!(machine.cpu_list(&["--shards", "5"]), Ok("0-4".into()));
    assert_eq!(
        machine.cpu_list(&["--shards", "3", "--node", "1"]),
        Ok("4-6".into())
    );
    assert_eq!(
        machine.cpu_list(&["--shards", "6", "--node", "1"]),
        Ok("4-7,0-1".into())
    );
}

#[test]
fn second_threads_come_last_and_only_when_asked_for() {
    let machine = Machine::large("siblings");
    let (code, said) = machine.cpu_list(&["--shards", "9"]).expect_err("8 cores");
    assert_eq!(code, Some(1));
    assert!(said.contains("--with-siblings"), "{said}");
    assert_eq!(
        machine.cpu_list(&["--shards", "10", "--with-siblings"]),
        Ok("0-9".into())
    );
    let (code, said) = machine
        .cpu_list(&["--shards", "17", "--with-siblings"])
        .expect_err("16 threads");
    assert_eq!(code, Some(1));
    assert!(said.contains("there are 16"), "{said}");
}

#[test]
fn the_fullest_domain_of_the_fullest_node_comes_first() {
    let machine = Machine::large("offline");
    // CPUs 0 and 8 are one core, of node 0's first domain; 4 and 12 are one of node 1's.
    machine.set("sys/devices/system/cpu/online", "1-7,9-15");
    assert_eq!(machine.cpu_list(&[]), Ok("4-7,2-3,1".into()));
    machine.set("sys/devices/system/cpu/online", "1-3,5,7,9-11,13,15");
    assert_eq!(machine.cpu_list(&[]), Ok("2-3,1,5,7".into()));
}

#[test]
fn only_what_the_process_may_use_is_named() {
    let machine = Machine::large("allowed");
    machine.set(
        "proc/self/status",
        "Name:\tbash\nCpus_allowed:\tc0c\nCpus_allowed_list:\t2-3,10-11",
    );
    assert_eq!(machine.cpu_list(&[]), Ok("2-3".into()));
    let (code, said) = machine.cpu_list(&["--node", "1"]).expect_err("node 0 only");
    assert_eq!(code, Some(1));
    assert!(said.contains("NUMA node 1"), "{said}");
    // When a core's first thread is not allowed, its second one stands for it.
    machine.set("proc/self/status", "Cpus_allowed_list:\t3,10");
    assert_eq!(machine.cpu_list(&[]), Ok("3,10".into()));
}

#[test]
fn a_machine_that_describes_nothing_still_has_cores() {
    let machine = Machine::new("bare", 3);
    assert_eq!(machine.cpu_list(&[]), Ok("0-2".into()));
    let report = machine.report();
    assert!(
        report.contains("CPUs 0-2 online: 3 physical cores, 3 threads"),
        "{report}"
    );
    assert!(!report.contains("change"), "{report}");
}

#[test]
fn wrong_arguments_are_named() {
    let machine = Machine::new("arguments", 1);
    for script in ["cpu-list", "report"] {
        for arguments in [
            &["--shards", "0"][..],
            &["--shards", "many"],
            &["--shards"],
            &["--what"],
        ] {
            let output = machine.run(script, arguments);
            assert_eq!(output.status.code(), Some(2), "{script} {arguments:?}");
            assert!(
                text(&output.stderr).starts_with(script),
                "{script} {arguments:?}"
            );
        }
        let help = machine.run(script, &["--help"]);
        assert_eq!(help.status.code(), Some(0), "{script}");
        assert!(text(&help.stdout).starts_with(&format!("Usage: tuning/{script}")));
    }
}

#[test]
fn a_machine_in_order_needs_no_change() {
    let machine = Machine::new("good", 2);
    machine.set("proc/sys/kernel/osrelease", "6.12.9-amd64");
    machine.set("proc/sys/kernel/io_uring_disabled", 0);
    machine.set("proc/sys/net/core/somaxconn", 4096);
    machine.set("proc/sys/vm/overcommit_memory", 0);
    machine.set(
        "proc/self/limits",
        "Max open files            1024                 524288               files     \n\
         Max locked memory         8388608              8388608              bytes     ",
    );
    machine.set(
        "sys/kernel/mm/transparent_hugepage/enabled",
        "always [madvise] never",
    );
    machine.set(
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
        "performance",
    );
    let report = machine.report();
    assert!(!report.contains("change"), "{report}");
    for finding in [
        "kernel 6.12.9-amd64",
        "io_uring is allowed",
        "at most 524288",
        "locked memory: 8388608",
        "net.core.somaxconn is 4096",
        "[madvise]",
        "vm.overcommit_memory is 0",
        "governor is performance",
    ] {
        let line = report.lines().find(|line| line.contains(finding));
        assert!(
            line.is_some_and(|line| line.starts_with("ok ")),
            "{finding}: {report}"
        );
    }
}

#[test]
fn every_finding_comes_with_its_command() {
    let machine = Machine::large("bad");
    machine.set("proc/sys/kernel/osrelease", "5.15.0-generic");
    machine.set("proc/sys/kernel/io_uring_disabled", 2);
    machine.set("proc/sys/kernel/numa_balancing", 1);
    machine.set("proc/sys/net/core/somaxconn", 128);
    machine.set("proc/sys/vm/overcommit_memory", 2);
    machine.set(
        "proc/self/limits",
        "Max open files            1024                 4096                 files     \n\
         Max locked memory         65536                65536                bytes     ",
    );
    machine.set(
        "sys/kernel/mm/transparent_hugepage/enabled",
        "[always] madvise never",
    );
    for cpu in 0..16 {
        machine.set(
            &format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"),
            "powersave",
        );
    }
    machine.set("sys/class/net/eth7/device/numa_node", 1);
    machine.set("sys/class/net/lo/queues/rx-0/present", 1);
    for queue in 0..2 {
        machine.set(&format!("sys/class/net/eth7/queues/rx-{queue}/present"), 1);
        let irq = 40 + queue;
        machine.set(&format!("sys/class/net/eth7/device/msi_irqs/{irq}"), "msix");
        machine.set(&format!("proc/irq/{irq}/smp_affinity_list"), "0");
    }
    let report = machine.report();
    for command in [
        "sysctl -w kernel.io_uring_disabled=0",
        "torc --cpu-list 0-7",
        "sysctl -w kernel.numa_balancing=0",
        "echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        "ethtool -L eth7 combined 8",
        "echo 4 > /proc/irq/40/smp_affinity_list",
        "echo 5 > /proc/irq/41/smp_affinity_list",
        "ulimit -Hn 10576",
        "ulimit -l unlimited",
        "sysctl -w net.core.somaxconn=1024",
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        "sysctl -w vm.overcommit_memory=0",
    ] {
        assert!(
            report.lines().any(|line| line.trim() == command),
            "{command}: {report}"
        );
    }
    assert!(report.contains("5.15.0-generic is too old"), "{report}");
    assert!(!report.contains("lo:"), "{report}");
}
