//! The sample project that opens on the first run: a coffee cup, a cookie, a mask that says where it goes.
//! Its pictures are inside the program; `assets/sample/ATTRIBUTION.md` names their authors.

use std::path::Path;
use std::sync::Arc;

use crate::doc::document::{Document, Edit, Settings};
use crate::doc::mask::{Brush, Sample};
use crate::doc::{Level, Mask, Picture, Purpose};
use crate::io;

const CANVAS: &[u8] = include_bytes!("../../assets/sample/coffee.jpg");

/// The objects: name and PNG.
const OBJECTS: [(&str, &[u8]); 3] = [
    ("cookie", include_bytes!("../../assets/sample/cookie.png")),
    (
        "croissant",
        include_bytes!("../../assets/sample/croissant.png"),
    ),
    ("teddy", include_bytes!("../../assets/sample/teddy.png")),
];

/// The names of the sample objects.
pub fn object_names() -> [&'static str; 3] {
    OBJECTS.map(|(name, _)| name)
}

/// A sample object, cut to its visible part.
pub fn object(index: usize) -> Option<(Arc<Picture>, &'static str)> {
    let (name, bytes) = OBJECTS.get(index)?;
    let picture = decode(bytes, name)?;
    let cut = io::cutout::crop_to_alpha(&picture).unwrap_or(picture);
    Some((Arc::new(cut), name))
}

fn decode(bytes: &[u8], name: &str) -> Option<Picture> {
    io::picture::decode(bytes, Path::new(name))
        .ok()
        .map(|loaded| loaded.picture)
}

/// The sample document; `None` only if the program itself is damaged.
pub fn document() -> Option<Document> {
    let canvas = decode(CANVAS, "coffee")?;
    let (cookie, name) = object(0)?;
    let mask = scribble(canvas.width(), canvas.height());
    let mut document = Document::new();
    let mut edits = vec![
        Edit::AddSlot {
            picture: Arc::new(canvas),
            name: "coffee".to_owned(),
            source: None,
            purpose: Some(Purpose::Canvas),
        },
        Edit::AddSlot {
            picture: cookie,
            name: name.to_owned(),
            source: None,
            purpose: None,
        },
    ];
    for edit in edits.drain(..) {
        document.apply(edit).ok()?;
    }
    let asset = document.slots().get(1).map(|slot| slot.id);
    let settings = Settings {
        seed: 1,
        ..document.settings().clone()
    };
    for edit in [
        Edit::AddRegion {
            mask: Some(mask),
            level: Level::Blob,
            asset,
        },
        Edit::SetPrompt("Put the cookie from IMG2 into IMG1 at the place of IMG3.".to_owned()),
        Edit::SetSettings(settings),
    ] {
        document.apply(edit).ok()?;
    }
    Some(document)
}

/// A coarse scribble on the table, right of the saucer, as an artist would paint it.
fn scribble(width: u32, height: u32) -> Mask {
    let mut mask = Mask::new(width, height);
    let brush = Brush {
        size: 46.0,
        hardness: 0.9,
        ..Brush::default()
    };
    let path = [
        [500.0, 296.0],
        [516.0, 282.0],
        [542.0, 280.0],
        [560.0, 296.0],
        [558.0, 318.0],
        [536.0, 330.0],
        [510.0, 322.0],
        [500.0, 300.0],
        [530.0, 304.0],
    ];
    let samples = path.map(|[x, y]| Sample::at(x, y));
    mask.stroke(brush, &samples);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::job::ModelChoice;

    #[test]
    fn the_sample_makes_a_valid_job() {
        let document = document().unwrap();
        let model = ModelChoice {
            name: "unireal-nano",
            hash: "",
            default_steps: 8,
            default_guidance: 1.0,
        };
        let job = document.to_job(model).unwrap();
        assert_eq!((job.pictures.len(), job.masks.len()), (2, 1));
        assert_eq!(job.spec.regions[0].asset, Some(1));
        let text = document.compile().unwrap().text;
        assert_eq!(
            text,
            "Realistic style; static scenario; with reference object. \
             Put the cookie from IMG2 into IMG1 at the place of IMG3."
        );
    }

    #[test]
    fn every_object_has_a_shape() {
        for (i, name) in object_names().into_iter().enumerate() {
            let (picture, found) = object(i).unwrap();
            assert_eq!(found, name);
            assert!(picture.has_alpha() && picture.width() > 100);
        }
        assert!(object(3).is_none());
    }
}
