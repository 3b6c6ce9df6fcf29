//! Records in order, made by several threads.

use std::io::Write;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::record::{Record, header};
use super::sample::Maker;

/// How many records each worker may be ahead of the writer.
const AHEAD: usize = 8;

/// Makes `count` records with `workers` threads and hands them to `take` in order; a `take` that fails ends the work.
///
/// # Errors
/// The first error of `take` or of [`Maker::record`], or if there are no threads to be had.
pub fn each(
    maker: &Maker,
    count: u64,
    workers: usize,
    mut take: impl FnMut(Record) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let workers = workers.max(1) as u64;
    thread::scope(|scope| {
        // Worker k makes every `workers`-th record, so the order never depends on who is faster.
        let mut lanes: Vec<Receiver<anyhow::Result<Record>>> = Vec::new();
        for worker in 0..workers {
            let (send, receive) = sync_channel(AHEAD);
            lanes.push(receive);
            thread::Builder::new()
                .name(format!("sample-{worker}"))
                .spawn_scoped(scope, move || {
                    let mut index = worker;
                    while index < count {
                        if send.send(maker.record(index)).is_err() {
                            return;
                        }
                        index += workers;
                    }
                })?;
        }
        for index in 0..count {
            let lane = &lanes[(index % workers) as usize];
            let record = lane
                .recv()
                .map_err(|_| anyhow::anyhow!("a sample worker ended early"))??;
            take(record)?;
        }
        Ok(())
    })
}

/// Writes the header and `count` records.
///
/// # Errors
/// As [`each`], and if `out` can't be written.
pub fn write(
    maker: &Maker,
    count: u64,
    workers: usize,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    out.write_all(&header(maker.size()))?;
    each(maker, count, workers, |record| {
        out.write_all(&record.to_bytes(maker.size()))?;
        Ok(())
    })?;
    out.flush()?;
    Ok(())
}
