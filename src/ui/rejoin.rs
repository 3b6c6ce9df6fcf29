//! Joining finished outputs anew, on a thread beside the window: the newest wish wins.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::doc::Picture;
use crate::doc::job::BlendSpec;
use crate::engine::Cancel;
use crate::pipeline::event::Joining;

/// A wish: which output, what it was made of, how it is to be joined.
struct Wish {
    output: u64,
    joining: Arc<Joining>,
    blend: BlendSpec,
    cancel: Arc<Cancel>,
}

#[derive(Default)]
struct Shared {
    wish: Option<Wish>,
    /// What is being computed, so that it can be given up.
    running: Option<(u64, BlendSpec, Arc<Cancel>)>,
    answers: Vec<Joined>,
    closed: bool,
}

/// An output that was joined anew.
#[derive(Debug)]
pub struct Joined {
    /// Which.
    pub output: u64,
    /// How.
    pub blend: BlendSpec,
    /// The picture.
    pub picture: Arc<Picture>,
}

/// The worker. Dropping it ends its thread.
pub struct Rejoin {
    shared: Arc<(Mutex<Shared>, Condvar)>,
}

fn lock(mutex: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // The state is valid between any two statements, so a panic elsewhere does not matter.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rejoin {
    /// Starts the thread; `wake` is called whenever an answer is ready.
    pub fn start(wake: impl Fn() + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Shared::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let started = thread::Builder::new()
            .name("join".to_owned())
            .spawn(move || work(&theirs, wake));
        if let Err(error) = started {
            tracing::warn!("results can't be joined anew: {error}");
        }
        Self { shared }
    }

    /// Asks for an output to be joined so; an older wish that still waits is forgotten.
    pub fn ask(&self, output: u64, joining: &Arc<Joining>, blend: BlendSpec) {
        let (mutex, news) = &*self.shared;
        let mut shared = lock(mutex);
        let waits = shared.wish.as_ref();
        if waits.is_some_and(|wish| (wish.output, wish.blend) == (output, blend)) {
            return;
        }
        // What runs is finished: while a slider is dragged the artist sees where it goes.
        if let Some((running, as_so, _)) = &shared.running
            && shared.wish.is_none()
            && (*running, *as_so) == (output, blend)
        {
            return;
        }
        shared.wish = Some(Wish {
            output,
            joining: Arc::clone(joining),
            blend,
            cancel: Arc::default(),
        });
        news.notify_one();
    }

    /// Takes the answers.
    pub fn take(&self) -> Vec<Joined> {
        std::mem::take(&mut lock(&self.shared.0).answers)
    }

    /// Whether nothing is asked or waits to be taken.
    pub fn is_idle(&self) -> bool {
        let shared = lock(&self.shared.0);
        shared.wish.is_none() && shared.running.is_none() && shared.answers.is_empty()
    }
}

impl Drop for Rejoin {
    fn drop(&mut self) {
        let (mutex, news) = &*self.shared;
        let mut shared = lock(mutex);
        shared.closed = true;
        if let Some((_, _, cancel)) = &shared.running {
            cancel.cancel();
        }
        news.notify_one();
    }
}

fn work(shared: &(Mutex<Shared>, Condvar), wake: impl Fn()) {
    let (mutex, news) = shared;
    loop {
        let wish = {
            let mut shared = lock(mutex);
            loop {
                if shared.closed {
                    return;
                }
                if let Some(wish) = shared.wish.take() {
                    let running = (wish.output, wish.blend, Arc::clone(&wish.cancel));
                    shared.running = Some(running);
                    break wish;
                }
                shared = news.wait(shared).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let joined = wish.joining.joined(&wish.blend, &wish.cancel);
        {
            let mut shared = lock(mutex);
            shared.running = None;
            if let Ok(picture) = joined {
                shared.answers.push(Joined {
                    output: wish.output,
                    blend: wish.blend,
                    picture: Arc::new(picture),
                });
            }
        }
        wake();
    }
}
