//! What is kept between requests: encoded texts and pictures, and their keys and values.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;

/// How often work was done, and how often it was saved. Tests count with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// Prompts that went through the text encoder.
    pub text_encodes: u64,
    /// Pictures that went through the autoencoder's encoder.
    pub image_encodes: u64,
    /// Texts whose keys and values (or, with full attention, tokens) were computed.
    pub text_segments: u64,
    /// Pictures whose keys and values (or, with full attention, tokens) were computed.
    pub image_segments: u64,
    /// Times the parts of a branch were joined.
    pub contexts: u64,
    /// Lookups that found something.
    pub hits: u64,
}

struct Entry<V> {
    value: Arc<V>,
    bytes: usize,
    used: u64,
}

/// A map that forgets what was not used for longest when its values outgrow a number of bytes.
pub(crate) struct Lru<K, V> {
    entries: HashMap<K, Entry<V>>,
    limit: usize,
    bytes: usize,
    clock: u64,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    /// Empty, with room for `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            entries: HashMap::new(),
            limit,
            bytes: 0,
            clock: 0,
        }
    }

    /// The value of a key.
    pub fn get(&mut self, key: &K) -> Option<Arc<V>> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(entry.value.clone())
    }

    /// Keeps a value, and forgets others if need be. A value larger than the limit is not kept.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) -> Arc<V> {
        let value = Arc::new(value);
        if bytes > self.limit {
            return value;
        }
        self.clock += 1;
        let entry = Entry {
            value: value.clone(),
            bytes,
            used: self.clock,
        };
        if let Some(old) = self.entries.insert(key, entry) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        while self.bytes > self.limit {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, e)| e.used)
                .map(|(k, _)| k.clone());
            match oldest.and_then(|key| self.entries.remove(&key)) {
                Some(entry) => self.bytes -= entry.bytes,
                None => break,
            }
        }
        value
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_least_recently_used() {
        let mut lru = Lru::new(10);
        for key in 0..3 {
            lru.insert(key, key * 10, 4);
            lru.get(&0);
        }
        assert_eq!(lru.bytes, 8);
        assert_eq!(lru.get(&0).as_deref(), Some(&0));
        assert_eq!(lru.get(&1), None);
        assert_eq!(lru.get(&2).as_deref(), Some(&20));
    }

    #[test]
    fn replacing_counts_once() {
        let mut lru = Lru::new(10);
        lru.insert(1, 1, 6);
        lru.insert(1, 2, 8);
        assert_eq!(lru.bytes, 8);
        assert_eq!(lru.get(&1).as_deref(), Some(&2));
    }

    #[test]
    fn what_is_too_large_is_given_but_not_kept() {
        let mut lru = Lru::new(10);
        lru.insert(1, 1, 6);
        assert_eq!(*lru.insert(2, 2, 11), 2);
        assert_eq!(lru.get(&2), None);
        assert_eq!(lru.bytes, 6);
        lru.clear();
        assert_eq!((lru.bytes, lru.get(&1)), (0, None));
    }
}
