//! Servers as they are measured: each once for every protocol it speaks, and which of them a load is for.

use crate::case::{CONSTANT, Load, Protocol};
use crate::server::Plan;

/// A server as it is measured over one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its place among the plans.
    pub place: usize,
    /// The protocol.
    pub protocol: Protocol,
    /// Its name in reports: the server's, and the protocol's where a server is measured over two.
    pub name: String,
}

/// Every server over every protocol it speaks.
pub fn endpoints(plans: &[Plan]) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for (place, plan) in plans.iter().enumerate() {
        for protocol in &plan.protocols {
            let suffix = match protocol {
                Protocol::Text if plan.protocols.len() > 1 => " text",
                _ => "",
            };
            endpoints.push(Endpoint {
                place,
                protocol: *protocol,
                name: format!("{}{suffix}", plan.name),
            });
        }
    }
    endpoints
}

/// Those that a load is for. The server that only answers is a yardstick of RESP alone.
pub fn takes_part<'a>(
    load: &Load,
    endpoints: &'a [Endpoint],
) -> impl Iterator<Item = &'a Endpoint> {
    let load = *load;
    let speaks = endpoints
        .iter()
        .any(|endpoint| load.is_memcache() && endpoint.protocol == Protocol::Text);
    endpoints.iter().filter(move |endpoint| {
        load.protocols.contains(&endpoint.protocol)
            && (!load.is_memcache() || (speaks && endpoint.name != CONSTANT))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{LOADS, TORC};

    #[test]
    fn servers_take_part_over_the_protocols_of_a_load() {
        let torc = |memcached| Plan::torc(TORC.into(), "torc".into(), memcached, vec![0]);
        let redis = Plan::redis_like("redis-server".into(), "redis".into(), Vec::new(), vec![0]);
        let memcached = Plan::memcached("memcached".into(), 1, 1, vec![0]);
        let constant = Plan::constant(vec![0]).unwrap();
        let all = endpoints(&[redis.clone(), memcached, torc(true), constant.clone()]);
        let few = endpoints(&[redis, torc(false), constant]);
        let names = |name: &str, endpoints: &[Endpoint]| -> Vec<String> {
            let load = LOADS.iter().find(|load| load.name == name).unwrap();
            let part = takes_part(load, endpoints);
            part.map(|endpoint| endpoint.name.clone()).collect()
        };
        assert_eq!(
            names("pipeline-1", &all),
            ["redis-server", "torc", "constant"]
        );
        let both = ["redis-server", "memcached", "torc", "torc text"];
        assert_eq!(names("memcache-16", &all), both);
        assert_eq!(
            names("memcache-multiget-32", &all),
            ["memcached", "torc text"]
        );
        assert!(names("memcache-1", &few).is_empty());
        // The budgets speak of servers by the names they have here.
        for load in LOADS {
            let part = names(load.name, &all);
            for name in [load.budget.name, load.budget.against] {
                assert!(part.iter().any(|other| other == name), "{name}");
            }
        }
    }
}
