//! Names of the locks by which processes elect one of them for a duty.

use oqron_core::{LockName, TopicName};

/// One lock for each duty and set of topics: processes that work on others must not keep these from it.
pub(crate) fn lock_name(duty: &str, topics: &[TopicName]) -> LockName {
    let mut names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
    names.sort_unstable();
    // FNV-1a: the same in every process and version. A collision would leave a set without the duty while the other runs.
    let hash = names
        .join("/")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    LockName::new(format!("{duty}-{hash:016x}")).expect("letters, dashes and digits are a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_topics_in_any_order_share_one_lock_and_others_do_not() {
        let topics = |names: &[&str]| -> Vec<TopicName> {
            names.iter().map(|name| TopicName::new(name).unwrap()).collect()
        };
        let name = |names: &[&str]| lock_name("sweeper", &topics(names));
        assert_eq!(name(&["a", "b"]), name(&["b", "a"]));
        assert_ne!(name(&["a", "b"]), name(&["ab"]));
        assert_ne!(name(&["a"]), name(&["b"]));
        assert_ne!(name(&["a"]), lock_name("watcher-0", &topics(&["a"])));
    }
}
