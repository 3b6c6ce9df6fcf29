//! Joint outputs: the mask of what is put in, given as a second picture.

use super::super::baseline::{layer, object};
use super::super::case::{Case, Settings};
use super::super::command::generate_joint;
use super::perception::{grey, mask_iou};
use super::table::{Column, Entry, Measures, Plan};
use crate::doc::Plane;
use crate::pipeline::generator::Generator;

/// Asks for the mask, in words of training.
const ALSO: &str = "Also give its mask as RES2.";

/// The overlap of the mask that comes with a masked insertion with the true one, beside what needs no model: the mask
/// that is given, and the cut-out's outline where pasting lays it.
///
/// # Errors
/// As for the model itself.
pub fn entries(
    case: &Case,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<Entry>> {
    let Some(given) = &case.mask else {
        return Ok(Vec::new());
    };
    let mut told = case.told();
    if told.joint() < 2 {
        told.prompt = format!("{} {ALSO}", told.prompt);
    }
    let made = generate_joint(&told, settings, generator)?;
    let pasted = object(case).and_then(|object| layer(&object, &case.canvas, given));
    let pasted: Option<Vec<u8>> =
        pasted.map(|layer| layer.pixels().iter().skip(3).step_by(4).copied().collect());
    let masks = [
        ("given mask", Some(given.values().to_vec())),
        ("pasted outline", pasted),
        ("RES2", made.get(1).map(|picture| grey(picture))),
    ];
    let entry = |(method, mask): (&'static str, Option<Vec<u8>>)| {
        let measures = Measures::from([("IoU", mask_iou(&mask?, Plane::values(&case.object)))]);
        Some(Entry {
            case: case.name.clone(),
            level: case.level_name(),
            scene: "",
            method,
            measures,
        })
    };
    Ok(masks.into_iter().filter_map(entry).collect())
}

/// The table.
pub const PLAN: Plan<'static> = Plan {
    title: "The object's mask as a second picture",
    note: "Intersection over union of RES2 with what is seen of the true object, at a half. Given mask: the one that \
           says where the object goes. Pasted outline: the cut-out's, pasted into it.",
    columns: &[Column::more("IoU", 3)],
    methods: &["given mask", "pasted outline", "RES2"],
    pairs: &[("RES2", "given mask"), ("RES2", "pasted outline")],
    all: true,
};
