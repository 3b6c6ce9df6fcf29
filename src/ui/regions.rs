//! The region that the model may change, computed on a thread of its own: the newest mask wins.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::doc::document::RegionId;
use crate::doc::mask::dirty_tiles;
use crate::doc::{Level, Mask, Plane};

/// A mask and the region that the model may change for it.
#[derive(Clone, Debug)]
pub struct Interpreted {
    /// The mask that was asked about.
    pub mask: Arc<Mask>,
    /// How strictly it is meant.
    pub level: Level,
    /// 255 where the model may change the picture.
    pub plane: Arc<Plane>,
    /// The rectangle around it; `None` if it is empty.
    pub bounds: Option<[u32; 4]>,
}

struct Question {
    region: RegionId,
    mask: Arc<Mask>,
    level: Level,
}

#[derive(Default)]
struct Shared {
    question: Option<Question>,
    busy: bool,
    answers: Vec<(RegionId, Interpreted)>,
    closed: bool,
}

/// The worker. Dropping it ends its thread.
pub struct Regions {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    known: Vec<(RegionId, Interpreted)>,
}

fn lock(mutex: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // The state is valid between any two statements, so a panic elsewhere does not matter.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Regions {
    /// Starts the thread; `wake` is called whenever an answer is ready. Without a thread (the system has no more)
    /// regions are not shown, and nothing else is lost.
    pub fn start(wake: impl Fn() + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Shared::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let started = thread::Builder::new()
            .name("regions".to_owned())
            .spawn(move || work(&theirs, wake));
        if let Err(error) = started {
            tracing::warn!("regions are not shown: {error}");
        }
        Self {
            shared,
            known: Vec::new(),
        }
    }

    /// Asks about a mask unless the answer is known already.
    pub fn ask(&mut self, region: RegionId, mask: &Mask, level: Level) {
        let same = |known: &Mask, known_level: Level| {
            known_level == level
                && (known.width(), known.height()) == (mask.width(), mask.height())
                && dirty_tiles(known, mask).is_empty()
        };
        if let Some((_, known)) = self.known.iter().find(|(id, _)| *id == region)
            && same(&known.mask, known.level)
        {
            return;
        }
        let (mutex, wakes) = &*self.shared;
        let mut shared = lock(mutex);
        if let Some(asked) = &shared.question
            && asked.region == region
            && same(&asked.mask, asked.level)
        {
            return;
        }
        shared.question = Some(Question {
            region,
            mask: Arc::new(mask.clone()),
            level,
        });
        wakes.notify_one();
    }

    /// Takes the answers in.
    pub fn collect(&mut self) {
        let answers = std::mem::take(&mut lock(&self.shared.0).answers);
        for (region, answer) in answers {
            self.known.retain(|(id, _)| *id != region);
            self.known.push((region, answer));
        }
    }

    /// The newest answer about a region; perhaps of a slightly older mask.
    pub fn get(&self, region: RegionId) -> Option<&Interpreted> {
        self.known
            .iter()
            .find(|(id, _)| *id == region)
            .map(|(_, answer)| answer)
    }

    /// Whether nothing is being computed or waits to be.
    pub fn is_idle(&self) -> bool {
        let shared = lock(&self.shared.0);
        shared.question.is_none() && !shared.busy && shared.answers.is_empty()
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        let (mutex, wakes) = &*self.shared;
        lock(mutex).closed = true;
        wakes.notify_one();
    }
}

fn work(shared: &(Mutex<Shared>, Condvar), wake: impl Fn()) {
    let (mutex, wakes) = shared;
    loop {
        let question = {
            let mut shared = lock(mutex);
            loop {
                if shared.closed {
                    return;
                }
                if let Some(question) = shared.question.take() {
                    shared.busy = true;
                    break question;
                }
                shared = wakes.wait(shared).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let mask = question.mask.to_plane();
        let plane = crate::doc::level::editable_region(&mask, question.level);
        let answer = Interpreted {
            bounds: plane.bounds().map(|(a, b, c, d)| [a, b, c, d]),
            plane: Arc::new(plane),
            mask: question.mask,
            level: question.level,
        };
        {
            let mut shared = lock(mutex);
            shared.busy = false;
            shared.answers.push((question.region, answer));
        }
        wake();
    }
}
