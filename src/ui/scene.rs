//! What a pane shows: from the session to the things that the GPU draws.

use std::sync::Arc;

use eframe::egui::{self, Rect};

use super::regions::Regions;
use super::state::{Compare, Output, Session};
use super::theme::{HANDLE, Palette};
use super::view::Viewport;
use crate::doc::document::Target;
use crate::doc::{Mask, Picture};
use crate::gpu::{Clip, Item, LatentPreview, MaskPixels, Pane, View};

/// Side of a checkerboard square in points.
const CHECKER: f32 = 8.0;
/// Half the width of mask lines in points.
const LINE: f32 = 1.0;

/// A pane that shows `items` through a view.
pub fn pane(ui: &egui::Ui, id: u64, rect: Rect, view: &Viewport, items: Vec<Item>) -> Pane {
    let points = ui.ctx().pixels_per_point();
    Pane {
        id,
        rect,
        view: View {
            scale: view.points_per_pixel(points),
            offset: view.offset(rect, points),
        },
        items,
        frame: ui.ctx().cumulative_pass_nr(),
    }
}

/// The checkerboard, if the picture can be seen through.
fn checker(palette: &Palette, size: [u32; 2]) -> Item {
    Item::Checker {
        size,
        colours: palette.checker,
        cell: CHECKER,
    }
}

/// A finished or running output, or `original` its canvas.
pub fn output(session: &Session, palette: &Palette, output: &Output, original: bool) -> Vec<Item> {
    let mut items = Vec::new();
    let shown = if original {
        output.base.as_ref()
    } else {
        output.picture.as_ref()
    };
    if let Some(picture) = shown {
        items.push(checker(palette, [picture.width(), picture.height()]));
        items.push(Item::Picture(Arc::clone(picture), Clip::ALL));
        return items;
    }
    if let Some(base) = &output.base {
        items.push(checker(palette, [base.width(), base.height()]));
        items.push(Item::Picture(Arc::clone(base), Clip::ALL));
    }
    if !original {
        items.extend(preview(session, output, Clip::ALL));
    }
    items
}

/// The matrix that gives colours as they are.
const UNCHANGED: [[f32; 3]; 4] = [
    [1.0, 0.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, 0.0, 1.0],
    [0.0, 0.0, 0.0],
];

/// The running output's newest estimate.
fn preview(session: &Session, output: &Output, clip: Clip) -> Option<Item> {
    let job = session.job.as_ref().filter(|job| job.id == output.job)?;
    let preview = &job.preview.as_ref()?.preview;
    let at = output.preview_place();
    let latents = preview.outputs.get(at)?.as_ref()?;
    let crop = preview.crop;
    // A quick look is three channels that are colours already.
    let (shape, latents, matrix) = match preview.look.as_ref().filter(|look| look.of == at) {
        Some(look) => {
            let [height, width] = look.size;
            (
                [3, height, width],
                Arc::clone(&look.rgb),
                Arc::new(UNCHANGED.to_vec()),
            )
        }
        None => (
            preview.shape,
            Arc::clone(latents),
            Arc::clone(&preview.latent_rgb),
        ),
    };
    Some(Item::Preview(
        LatentPreview {
            key: output.id,
            generation: job.generation,
            shape,
            latents,
            matrix,
            crop: [crop.x, crop.y, crop.width, crop.height],
            alpha: preview.alpha.clone(),
        },
        clip,
    ))
}

/// The canvas pane: the canvas or the shown output, the compare wipe, the masks.
pub fn canvas(session: &Session, regions: &Regions, palette: &Palette) -> Vec<Item> {
    let canvas = session.canvas();
    let shown = session.shown();
    let mut items = Vec::new();
    match (shown, canvas) {
        (Some(output), _) if !session.original => match (session.compare, &output.base) {
            (Some(Compare::Wipe(at)), Some(base)) => {
                items.extend(wiped(session, palette, output, base, at));
            }
            (Some(Compare::Difference), Some(base)) => {
                items.extend(difference(session, palette, output, base));
            }
            _ => items.extend(self::output(session, palette, output, false)),
        },
        (Some(output), _) if output.base.is_some() => {
            items.extend(self::output(session, palette, output, true));
        }
        (_, Some(canvas)) => {
            items.push(checker(palette, [canvas.width(), canvas.height()]));
            items.push(Item::Picture(Arc::clone(canvas), Clip::ALL));
        }
        _ => {}
    }
    let finished = shown.is_some_and(|output| output.picture.is_some());
    let running = shown.is_some() && !finished;
    if let Some(canvas) = canvas
        && session.shows_masks()
        && !session.original
        && !finished
    {
        masks(session, regions, palette, canvas, running, &mut items);
    }
    items
}

/// How much differences are enlarged, so that faint ones show.
pub const GAIN: f32 = 4.0;

/// Where a finished output differs from its canvas; one that runs is shown as it is.
fn difference(
    session: &Session,
    palette: &Palette,
    output: &Output,
    base: &Arc<Picture>,
) -> Vec<Item> {
    match &output.picture {
        Some(picture) if (picture.width(), picture.height()) == (base.width(), base.height()) => {
            vec![Item::Difference(
                Arc::clone(base),
                Arc::clone(picture),
                GAIN,
            )]
        }
        _ => self::output(session, palette, output, false),
    }
}

fn wiped(
    session: &Session,
    palette: &Palette,
    output: &Output,
    base: &Arc<Picture>,
    at: f32,
) -> Vec<Item> {
    let left = Clip { from: 0.0, to: at };
    let right = Clip { from: at, to: 1.0 };
    let mut items = vec![checker(palette, [base.width(), base.height()])];
    items.push(Item::Picture(Arc::clone(base), left));
    match &output.picture {
        Some(picture) => items.push(Item::Picture(Arc::clone(picture), right)),
        None => {
            items.push(Item::Picture(Arc::clone(base), right));
            items.extend(preview(session, output, right));
        }
    }
    items.push(Item::Wipe {
        at,
        colour: HANDLE[0],
        casing: HANDLE[1],
    });
    items
}

/// Every mask with its tint and line, and the region that the model may change as a dashed line. While an
/// output runs only the line is drawn, so that the estimate can be judged.
fn masks(
    session: &Session,
    regions: &Regions,
    palette: &Palette,
    canvas: &Arc<Picture>,
    running: bool,
    items: &mut Vec<Item>,
) {
    let tinted = |key: u64, mask: &Mask, number: usize| {
        let (x0, y0, x1, y1) = mask.bounds(1)?;
        Some(Item::Mask {
            key,
            pixels: MaskPixels::Mask(Arc::new(mask.clone())),
            beneath: Arc::clone(canvas),
            bounds: [x0, y0, x1, y1],
            tint: if running {
                egui::Color32::TRANSPARENT
            } else {
                palette.mask_tint(number)
            },
            dashed: false,
            line: LINE,
        })
    };
    let live = session.live.as_ref();
    for region in session.document.regions() {
        let mask = live
            .filter(|live| live.region == Some(region.id))
            .map_or(&region.mask, |live| &live.mask);
        if (mask.width(), mask.height()) != (canvas.width(), canvas.height()) {
            continue;
        }
        let number = session.document.number(Target::Region(region.id));
        if let Some(answer) = regions.get(region.id)
            && let Some(bounds) = answer.bounds
            && answer.level == region.level
            && (answer.plane.width(), answer.plane.height()) == (canvas.width(), canvas.height())
            && !running
        {
            items.push(Item::Mask {
                key: region.id.0 * 2 + 1,
                pixels: MaskPixels::Plane(Arc::clone(&answer.plane)),
                beneath: Arc::clone(canvas),
                bounds,
                tint: egui::Color32::TRANSPARENT,
                dashed: true,
                line: LINE,
            });
        }
        items.extend(tinted(region.id.0 * 2, mask, number.unwrap_or(1)));
    }
    // The first stroke has no region yet; no region's id is 0.
    if let Some(live) = live.filter(|live| live.region.is_none()) {
        let number = session.document.targets().len() + 1;
        items.extend(tinted(0, &live.mask, number));
    }
}
