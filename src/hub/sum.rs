//! The two checksums by which the hub names contents: SHA-256 for large files, git's object id for small ones.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::error::{HubError, Result};

/// Bytes that are read at once.
pub(super) const CHUNK: usize = 1 << 18;

/// A checksum, hexadecimal in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sum {
    /// SHA-256 of the content.
    Sha256(String),
    /// SHA-1 of `blob LENGTH\0` and the content: how git names a file.
    GitSha1(String),
}

/// A checksum in the making.
pub(super) enum Hasher {
    Sha256(Sha256),
    GitSha1(Sha1),
}

impl Sum {
    /// The checksum that a hub's ETag is: 64 digits are a SHA-256, 40 a git id.
    pub fn from_etag(etag: &str) -> Option<Self> {
        let digits = etag.trim_matches('"').to_ascii_lowercase();
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        match digits.len() {
            64 => Some(Self::Sha256(digits)),
            40 => Some(Self::GitSha1(digits)),
            _ => None,
        }
    }

    /// Its digits.
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitSha1(digits) => digits,
        }
    }

    /// Begins a checksum of the same kind, for a content of this length.
    pub(super) fn hasher(&self, length: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Self::GitSha1(_) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {length}\0").as_bytes());
                Hasher::GitSha1(hasher)
            }
        }
    }

    /// Whether a file has this checksum. `tell` gets the bytes of every chunk that was read.
    ///
    /// # Errors
    /// If the file can't be read, or the caller asked to stop.
    pub fn matches(
        &self,
        path: &Path,
        cancel: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(u64),
    ) -> Result<bool> {
        let failed = |error: std::io::Error| HubError::read(&error, path);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut hasher = self.hasher(length);
        let mut chunk = vec![0; CHUNK];
        loop {
            if cancel() {
                return Err(HubError::Cancelled);
            }
            match file.read(&mut chunk).map_err(failed)? {
                0 => break,
                n => {
                    hasher.update(&chunk[..n]);
                    tell(n as u64);
                }
            }
        }
        Ok(hasher.finish() == *self)
    }
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::GitSha1(hasher) => hasher.update(bytes),
        }
    }

    pub fn finish(self) -> Sum {
        match self {
            Self::Sha256(hasher) => Sum::Sha256(hex(&hasher.finalize())),
            Self::GitSha1(hasher) => Sum::GitSha1(hex(&hasher.finalize())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_hub_and_of_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"abc").unwrap();
        // FIPS 180-2, appendix B.1; and `printf abc | git hash-object --stdin`.
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let git = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";
        for digits in [sha, git] {
            let sum = Sum::from_etag(&format!("\"{digits}\"")).unwrap();
            assert_eq!(sum.digits(), digits);
            let mut read = 0;
            assert!(sum.matches(&path, &|| false, &mut |n| read += n).unwrap());
            assert_eq!(read, 3);
        }
        std::fs::write(&path, b"abd").unwrap();
        let sum = Sum::from_etag(sha).unwrap();
        assert!(!sum.matches(&path, &|| false, &mut |_| {}).unwrap());
        let stopped = sum.matches(&path, &|| true, &mut |_| {});
        assert!(matches!(stopped, Err(HubError::Cancelled)));
        assert_eq!(Sum::from_etag("W/\"abc\""), None);
        assert_eq!(Sum::from_etag(&"g".repeat(64)), None);
    }
}
