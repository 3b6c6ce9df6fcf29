//! Objects cut out of photographs, off the window's thread: it takes up to seconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Files, Outcome};
use crate::doc::{Picture, Plane, SlotId};
use crate::io::cutout;

/// What is to be cut out of what.
#[derive(Clone, Debug)]
pub struct Cutting {
    /// Which of the session's documents it is for.
    pub which: u64,
    /// The object's slot; `None` for a new one.
    pub slot: Option<SlotId>,
    /// The photograph.
    pub picture: Arc<Picture>,
    /// Where the object is; `None` if it is what the photograph is of.
    pub mask: Option<Arc<Plane>>,
    /// What the photograph is called.
    pub name: String,
    /// Whether the artist asked for it: if not, only what is sure to be right counts.
    pub asked: bool,
}

/// What is being cut out or waits for its turn, the first of them first.
#[derive(Clone, Default)]
pub(super) struct Cuttings {
    underway: Arc<Mutex<Vec<Underway>>>,
    /// One at a time: several large photographs would take each other's memory.
    pub(super) turn: Arc<Mutex<()>>,
}

struct Underway {
    cutting: Cutting,
    stopped: Arc<AtomicBool>,
}

impl Cuttings {
    fn list(&self) -> MutexGuard<'_, Vec<Underway>> {
        // The list is valid between any two statements, so a panic elsewhere does not matter.
        self.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them, until it is dropped.
struct Held(Cuttings, Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        let done = |one: &Underway| Arc::ptr_eq(&one.stopped, &self.1);
        self.0.list().retain(|one| !done(one));
    }
}

impl Files {
    /// Cuts an object out. What is stopped has no outcome.
    pub fn cut(&mut self, cutting: Cutting) {
        let stopped = Arc::new(AtomicBool::new(false));
        self.cuttings.list().push(Underway {
            cutting: cutting.clone(),
            stopped: Arc::clone(&stopped),
        });
        let held = Held(self.cuttings.clone(), stopped);
        self.errand("cut out", move |tell| {
            let Held(cuttings, stopped) = &held;
            let _turn = cuttings.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let stop = || stopped.load(Ordering::Acquire);
            if stop() {
                return;
            }
            let picture = &*cutting.picture;
            let object = match (&cutting.mask, cutting.asked) {
                (Some(mask), _) => {
                    cutout::object_in(picture, mask, &stop).map(|(object, _)| object)
                }
                (None, true) => cutout::object_of(picture, &stop).map(|(object, _)| object),
                (None, false) => cutout::sure_object_of(picture, &stop),
            };
            if !stop() {
                tell(Outcome::Cut(Box::new(cutting), object.map(Arc::new)));
            }
        });
    }

    /// The slots of all that is being cut out, or is to be, for `which` of the session's documents.
    pub fn cutting(&self, which: u64) -> Vec<Option<SlotId>> {
        let list = self.cuttings.list();
        let all = list.iter().map(|one| &one.cutting);
        let own = all.filter(|cutting| cutting.which == which);
        own.map(|cutting| cutting.slot).collect()
    }

    /// Stops cutting out what is not `wanted`.
    pub fn stop_cutting(&mut self, wanted: impl Fn(&Cutting) -> bool) {
        self.cuttings.list().retain(|one| {
            let wanted = wanted(&one.cutting);
            one.stopped.fetch_or(!wanted, Ordering::AcqRel);
            wanted
        });
    }
}
