//! How far a long task is, and how fast it goes.

use std::time::{Duration, Instant};

use super::message::{Phase, Progress};

/// Seconds over which the speed of a download is averaged.
const SPEED: f64 = 4.0;

/// Adds up how far a task is, and how fast it goes.
pub(super) struct Meter<'a> {
    tell: &'a mut dyn FnMut(Progress),
    name: String,
    /// Bytes of files that are done.
    pub finished: u64,
    /// Bytes of all files.
    pub total: u64,
    /// When and where the present average began.
    since: Option<(Instant, u64)>,
    speed: f64,
}

impl<'a> Meter<'a> {
    pub fn new(name: &str, tell: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            tell,
            name: name.to_owned(),
            finished: 0,
            total: 0,
            since: None,
            speed: 0.0,
        }
    }

    /// So many bytes of a file are done.
    pub fn tell(&mut self, phase: Phase, file: &str, have: u64) {
        let done = self.finished + have;
        match self.since {
            Some((began, from)) if phase == Phase::Downloading && done >= from => {
                let seconds = began.elapsed().as_secs_f64();
                if seconds > 0.5 {
                    self.speed = (done - from) as f64 / seconds;
                }
                if seconds > SPEED {
                    // The newer half counts on.
                    let half = (done - from) / 2;
                    let ago = Duration::from_secs_f64(seconds / 2.0);
                    let then = Instant::now().checked_sub(ago).unwrap_or(began);
                    self.since = Some((then, from + half));
                }
            }
            _ => {
                self.since = (phase == Phase::Downloading).then(|| (Instant::now(), done));
                self.speed = 0.0;
            }
        }
        (self.tell)(Progress {
            name: self.name.clone(),
            phase,
            file: file.to_owned(),
            done,
            total: self.total,
            speed: self.speed,
        });
    }
}
