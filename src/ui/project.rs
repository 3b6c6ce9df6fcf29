//! The document as a file: where it is saved, what would be lost, and what the artist is asked about that.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::files::Arrived;
use super::journal::Lost;
use super::state::{Output, Session};
use crate::doc::{Document, Picture};
use crate::engine::message::JobId;
use crate::io::project::Kept;

/// What the artist says about changes that are not saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Save them first.
    Save,
    /// They may be lost.
    Discard,
    /// Go on as if nothing was asked.
    Stay,
}

/// What is to become of a lost session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It is opened.
    Open,
    /// It is removed.
    Remove,
    /// It is offered again at the next start.
    Later,
}

/// What takes the document's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An empty document.
    New,
    /// The sample.
    Sample,
    /// A project that the artist chooses.
    Choose,
    /// This project.
    Open(PathBuf),
    /// The document that was read meanwhile.
    Arrived,
    /// Nothing: the window closes.
    Quit,
}

/// The document as a file.
#[derive(Debug, Default)]
pub struct Project {
    /// Where it is saved; `None` until it was.
    pub path: Option<PathBuf>,
    /// The document as it was when it was saved or opened.
    pub saved: Document,
    /// The pictures of the results that its file holds.
    pub kept: Vec<Weak<Picture>>,
    /// Counts the session's documents: what was written late may be another one's.
    pub which: u64,
    /// Whether it is being written, and whether it is to be written again after that.
    pub saving: bool,
    /// A change was saved while an older one was being written.
    pub again: bool,
    /// What the artist wants to do next, when the changes are saved.
    pub next: Option<Next>,
    /// The document that was read and waits for an answer.
    pub arrived: Option<Arrived>,
    /// What the artist has agreed to lose for what comes next.
    pub agreed: Stakes,
    /// Whether the artist is being asked about what would be lost.
    pub asking: bool,
    /// Whether the window may close.
    pub leaving: bool,
    /// Projects that were opened last, newest first.
    pub recent: Vec<PathBuf>,
    /// Sessions that did not end as they should.
    pub lost: Vec<Lost>,
}

impl Project {
    /// Another document begins, which counts as saved as far as `saved` tells.
    pub fn replace(&mut self, saved: Document) {
        self.saved = saved;
        self.kept.clear();
        self.path = None;
        self.which += 1;
        self.saving = false;
        self.again = false;
        self.agreed = Stakes::default();
    }

    /// Nothing takes the document's place after all.
    pub fn stay(&mut self) {
        self.next = None;
        self.arrived = None;
        self.agreed = Stakes::default();
    }
}

/// What would be lost if something took the document's place.
#[derive(Clone, Debug, Default)]
pub struct Stakes {
    /// The document, if it differs from its file.
    pub changes: Option<Document>,
    /// Starred outputs that are neither saved, nor accepted, nor in the project's file. The others are thrown away all day.
    pub results: Vec<u64>,
    /// Jobs that run or wait.
    pub jobs: Vec<JobId>,
}

impl Stakes {
    /// Whether nothing would be lost.
    pub fn is_none(&self) -> bool {
        self.changes.is_none() && self.results.is_empty() && self.jobs.is_empty()
    }

    /// Whether losing `agreed` is no more than that.
    pub fn is_within(&self, agreed: &Stakes) -> bool {
        let same = |changed: &Document| {
            let known = agreed.changes.as_ref();
            known.is_some_and(|known| known.is_same(changed))
        };
        self.changes.as_ref().is_none_or(same)
            && self.results.iter().all(|id| agreed.results.contains(id))
            && self.jobs.iter().all(|id| agreed.jobs.contains(id))
    }
}

impl Session {
    /// Whether the document differs from its file.
    pub fn is_modified(&self) -> bool {
        !self.document.is_same(&self.project.saved)
    }

    /// Starred results that are in no file and not in the document, as they are or as they are about to be joined.
    pub(super) fn dear(&self) -> impl Iterator<Item = &Output> {
        let kept = |picture: &Arc<Picture>| {
            let mut kept = self.project.kept.iter();
            let slots = self.document.slots();
            kept.any(|known| known.as_ptr() == Arc::as_ptr(picture))
                || slots.iter().any(|slot| Arc::ptr_eq(&slot.picture, picture))
        };
        self.outputs.iter().filter(move |output| {
            let picture = output.picture.as_ref().filter(|_| output.saved.is_none());
            output.starred && picture.is_some_and(|p| output.is_joining() || !kept(p))
        })
    }

    /// The starred results, which are kept with the document.
    pub(super) fn results(&self) -> Vec<Kept> {
        let starred = self.outputs.iter().filter(|output| output.starred);
        let kept = starred.filter_map(|output| {
            Some(Kept {
                number: output.number,
                picture: output.picture.clone()?,
                base: output.base.clone(),
                spec: Arc::clone(&output.spec),
                output: output.index,
                joint: output.joint,
                seed: output.seed,
                map: output.map,
            })
        });
        kept.collect()
    }

    /// Shows results that were kept with the document.
    pub(super) fn show_kept(&mut self, results: Vec<Kept>) {
        let group = self.fresh_id();
        for kept in results {
            self.numbered = self.numbered.max(kept.number);
            let output = Output {
                id: self.fresh_id(),
                number: kept.number,
                // Of no job that there is.
                job: JobId(self.fresh_id()),
                group,
                level: None,
                index: kept.output,
                joint: kept.joint,
                seed: kept.seed,
                picture: Some(kept.picture),
                joining: None,
                blend: kept.spec.blend,
                base: kept.base,
                spec: kept.spec,
                map: kept.map,
                starred: true,
                saved: None,
            };
            self.outputs.push(output);
        }
    }

    /// What would be lost if something took the document's place now.
    pub fn stakes(&self) -> Stakes {
        let jobs = self.job.iter().chain(&self.waiting);
        Stakes {
            changes: self.is_modified().then(|| self.document.clone()),
            results: self.dear().map(|output| output.id).collect(),
            jobs: jobs.map(|job| job.id).collect(),
        }
    }
}
