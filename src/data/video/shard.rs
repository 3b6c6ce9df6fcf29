//! WebDataset shards: tar files in which every sample is a few files of one key, and a JSON index of the shards.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::data::record::{Record, header};
use crate::io::SaveError;
use crate::io::save::{self, Pending};

/// Writes records as shards `NAME-000000.tar`, … and `index.json` into a folder. Each sample is `KEY.record` (the bytes
/// of the record format) and `KEY.json` (task and text); `header.bin` in the folder describes the record format.
pub struct Shards {
    folder: PathBuf,
    name: String,
    size: usize,
    per_shard: usize,
    open: Option<Pending>,
    counts: Vec<usize>,
}

impl Shards {
    /// Shards of `per_shard` samples of pictures of `size` pixels on each side.
    ///
    /// # Errors
    /// The folder can't be made or written to.
    pub fn create(
        folder: &Path,
        name: &str,
        size: usize,
        per_shard: usize,
    ) -> anyhow::Result<Self> {
        save::make_folder(folder)?;
        save::replace(&folder.join("header.bin"), &header(size))?;
        Ok(Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            size,
            per_shard: per_shard.max(1),
            open: None,
            counts: Vec::new(),
        })
    }

    fn file_name(&self, at: usize) -> String {
        format!("{}-{at:06}.tar", self.name)
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// The disk is full or the folder gone.
    pub fn add(&mut self, key: &str, record: &Record) -> anyhow::Result<()> {
        if self.counts.last().is_some_and(|&n| n >= self.per_shard) {
            self.close()?;
        }
        let mut out = match self.open.take() {
            Some(out) => out,
            None => {
                let path = self.folder.join(self.file_name(self.counts.len()));
                self.counts.push(0);
                Pending::new(&path)?
            }
        };
        entry(
            &mut out,
            &format!("{key}.record"),
            &record.to_bytes(self.size),
        )?;
        let about =
            json!({"task": record.task, "text": record.text, "inputs": record.inputs.len()});
        entry(
            &mut out,
            &format!("{key}.json"),
            about.to_string().as_bytes(),
        )?;
        self.open = Some(out);
        if let Some(count) = self.counts.last_mut() {
            *count += 1;
        }
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<()> {
        if let Some(mut out) = self.open.take() {
            // Two empty blocks end an archive.
            add(&mut out, &[0; 1024])?;
            out.finish()?;
        }
        Ok(())
    }

    /// Ends the last shard and writes the index; gives the number of samples.
    ///
    /// # Errors
    /// The disk is full or the folder gone.
    pub fn finish(mut self) -> anyhow::Result<usize> {
        self.close()?;
        let shards: Vec<_> = self
            .counts
            .iter()
            .enumerate()
            .map(|(i, count)| json!({"url": self.file_name(i), "nsamples": count}))
            .collect();
        let index =
            json!({"wids_version": 1, "name": self.name, "size": self.size, "shardlist": shards});
        let path = self.folder.join("index.json");
        save::replace(&path, index.to_string().as_bytes())?;
        Ok(self.counts.iter().sum())
    }
}

/// One file of a tar archive (POSIX ustar): a header block, the bytes, zeros up to a whole block.
fn entry(out: &mut Pending, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    anyhow::ensure!(
        name.len() <= 100,
        "{name} is too long a name for a shard; rename the film"
    );
    let mut block = [0u8; 512];
    let mut put = |at: usize, text: &str| {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", bytes.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    add(out, &block)?;
    add(out, bytes)?;
    let padding = bytes.len().next_multiple_of(512) - bytes.len();
    Ok(add(out, &[0; 512][..padding])?)
}

fn add(out: &mut Pending, bytes: &[u8]) -> Result<(), SaveError> {
    out.write_all(bytes)
        .map_err(|error| SaveError::from_write(&error, out.path()))
}
