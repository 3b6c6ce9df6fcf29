//! Objects that are cut out of photographs.

use std::sync::Arc;

use super::{Env, Session};
use crate::doc::document::Edit;
use crate::doc::{Picture, Purpose, SlotId, Target};
use crate::ui::files::Cutting;
use crate::ui::toasts::Kind;

impl Session {
    /// Cuts the object out of a slot's picture. If nobody `asked`, only where that is sure to be right, and for models that
    /// need it: those that are told in words look at the whole picture.
    pub(super) fn cut_out(&mut self, slot: SlotId, asked: bool, env: &mut Env<'_>) {
        if !asked && self.retells() {
            return;
        }
        let Some(slot) = self.document.slot(slot) else {
            return;
        };
        env.files.cut(Cutting {
            which: self.project.which,
            slot: Some(slot.id),
            picture: Arc::clone(&slot.picture),
            mask: None,
            name: slot.name.clone(),
            asked,
        });
    }

    /// Cuts what is under the chosen mask out of the canvas, and makes it an object.
    pub(super) fn object_from_mask(&mut self, env: &mut Env<'_>) {
        let mask = self.active_mask().filter(|(_, mask)| !mask.is_empty());
        let Some(mask) = mask.map(|(_, mask)| mask.to_plane()) else {
            return self.say("paint over the object first");
        };
        let Some(canvas) = self.document.canvas() else {
            return self.say("add a canvas first, the object is cut out of it");
        };
        env.files.cut(Cutting {
            which: self.project.which,
            slot: None,
            picture: Arc::clone(&canvas.picture),
            mask: Some(Arc::new(mask)),
            name: format!("part of {}", canvas.name),
            asked: true,
        });
    }

    /// Whether what is being cut out still has a place here.
    pub(in crate::ui) fn wants(&self, cutting: &Cutting) -> bool {
        let has_place = |slot| {
            let is_object = self.document.purpose(slot) == Some(Purpose::Asset);
            let slot = self.document.slot(slot).filter(|_| is_object);
            slot.is_some_and(|slot| Arc::ptr_eq(&slot.picture, &cutting.picture))
        };
        // What was asked for in a document that is closed says so in the end.
        let closed = cutting.which != self.project.which;
        (closed && cutting.asked) || (!closed && cutting.slot.is_none_or(has_place))
    }

    /// Takes an object in that was cut out.
    pub(in crate::ui) fn on_cut(&mut self, cutting: Cutting, object: Option<Arc<Picture>>) {
        let told = cutting.which == self.project.which;
        match (cutting.slot, object) {
            _ if !told => {
                if cutting.asked {
                    let text = "the object was cut out too late: its document is closed";
                    self.toasts.add(Kind::Warning, text);
                }
            }
            (None, Some(picture)) => {
                let added = self.edit(Edit::AddSlot {
                    picture,
                    name: cutting.name,
                    source: None,
                    purpose: Some(Purpose::Asset),
                });
                if added {
                    // It stays where it is in the picture: the mask is not its place.
                    self.slot = self.document.slots().iter().map(|slot| slot.id).max();
                }
            }
            (Some(slot), Some(picture)) => {
                let Some(now) = self.document.slot(slot) else {
                    return;
                };
                let is_object = self.document.purpose(slot) == Some(Purpose::Asset);
                if !Arc::ptr_eq(&now.picture, &cutting.picture) || !is_object {
                    return;
                }
                // What nobody asked for takes nothing away: an edit would end what redo and undo can bring back.
                let holds = self.history.redo_label().is_some() || !self.removed.is_empty();
                if !cutting.asked && (holds || self.retells()) {
                    return;
                }
                let edit = Edit::ReplacePicture {
                    slot,
                    picture,
                    name: now.name.clone(),
                    source: now.source.clone(),
                };
                self.history.seal();
                if self.edit(edit) && !cutting.asked {
                    let number = self.document.number(Target::Slot(slot)).unwrap_or(1);
                    let text = format!("IMG{number} was cut out; undo for the whole picture");
                    self.toasts.add(Kind::Info, text);
                }
            }
            (_, None) if !cutting.asked => {}
            (None, None) => self.say("nothing stands out under the mask: paint over all of the object and a little around it"),
            (Some(_), None) => self.say(
                "nothing stands out in this picture: in a new project make it the canvas, paint over the object and choose Mask, Object from mask",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::ControlKind;

    #[test]
    fn what_has_no_place_any_more_is_not_cut_out() {
        let mut session = Session::default();
        let picture = Arc::new(Picture::filled(9, 9, [1, 2, 3, 255]));
        for purpose in [Purpose::Canvas, Purpose::Asset] {
            let edit = Edit::AddSlot {
                picture: Arc::clone(&picture),
                name: "cup".into(),
                source: None,
                purpose: Some(purpose),
            };
            assert!(session.edit(edit));
        }
        let slot = session.document.slots()[1].id;
        let cutting = Cutting {
            which: session.project.which,
            slot: Some(slot),
            picture: Arc::clone(&picture),
            mask: None,
            name: "cup".into(),
            asked: false,
        };
        assert!(session.wants(&cutting));
        // Another picture or role, or none of it there.
        let edits = [
            Edit::ReplacePicture {
                slot,
                picture: Arc::new((*picture).clone()),
                name: "lamp".into(),
                source: None,
            },
            Edit::SetPurpose(slot, Some(Purpose::Control(ControlKind::Depth))),
            Edit::RemoveSlot(slot),
        ];
        for edit in edits {
            let before = session.document.clone();
            assert!(session.edit(edit));
            assert!(!session.wants(&cutting));
            session.document = before;
        }
        // Of a document that is closed only what was asked for is told about.
        session.project.which += 1;
        assert!(!session.wants(&cutting));
        assert!(session.wants(&Cutting {
            asked: true,
            ..cutting
        }));
    }
}
