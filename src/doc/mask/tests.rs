use proptest::prelude::*;

use super::*;

/// An edit of a mask, for random sequences.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Stroke(Brush, Vec<Sample>),
    Box([f32; 2], [f32; 2], Combine),
    Lasso(Vec<[f32; 2]>, Combine),
    Flood(u32, u32),
    FillAll,
    Clear,
    Invert,
    Grow(f32),
    Shrink(f32),
    Feather(f32),
}

impl Op {
    pub(in crate::doc) fn apply(&self, mask: &mut Mask) {
        match self {
            Op::Stroke(brush, samples) => mask.stroke(*brush, samples),
            Op::Box(a, b, combine) => mask.fill_box(*a, *b, *combine),
            Op::Lasso(points, combine) => mask.fill_polygon(points, *combine),
            Op::Flood(x, y) => mask.flood(*x, *y),
            Op::FillAll => mask.fill_all(),
            Op::Clear => mask.clear(),
            Op::Invert => mask.invert(),
            Op::Grow(radius) => mask.grow(*radius),
            Op::Shrink(radius) => mask.shrink(*radius),
            Op::Feather(radius) => mask.feather(*radius),
        }
    }
}

fn any_point() -> impl Strategy<Value = [f32; 2]> {
    [-40.0_f32..240.0, -40.0_f32..200.0]
}

fn any_brush() -> impl Strategy<Value = Brush> {
    (1.0_f32..60.0, 0.0_f32..=1.0, 0.0_f32..=1.0, any::<bool>()).prop_map(
        |(size, hardness, opacity, erase)| Brush {
            size,
            hardness,
            opacity,
            pressure_size: true,
            mode: if erase {
                BrushMode::Erase
            } else {
                BrushMode::Paint
            },
        },
    )
}

fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let sample =
        (any_point(), prop::option::of(0.0_f32..=1.0)).prop_map(|(pos, pressure)| Sample {
            pos,
            t: 0.0,
            pressure,
        });
    prop::collection::vec(sample, 1..6)
}

pub(in crate::doc) fn any_op() -> impl Strategy<Value = Op> {
    let combine = || prop::sample::select(vec![Combine::Add, Combine::Subtract, Combine::Replace]);
    prop_oneof![
        4 => (any_brush(), any_samples()).prop_map(|(b, s)| Op::Stroke(b, s)),
        2 => (any_point(), any_point(), combine()).prop_map(|(a, b, c)| Op::Box(a, b, c)),
        2 => (prop::collection::vec(any_point(), 0..9), combine())
            .prop_map(|(p, c)| Op::Lasso(p, c)),
        2 => (0u32..220, 0u32..180).prop_map(|(x, y)| Op::Flood(x, y)),
        1 => Just(Op::FillAll),
        1 => Just(Op::Clear),
        2 => Just(Op::Invert),
        1 => (0.0_f32..9.0).prop_map(Op::Grow),
        1 => (0.0_f32..9.0).prop_map(Op::Shrink),
        1 => (0.0_f32..9.0).prop_map(Op::Feather),
    ]
}

fn hard(size: f32) -> Brush {
    Brush {
        size,
        hardness: 1.0,
        ..Brush::default()
    }
}

/// What every mask keeps to: canonical tiles and nothing beyond the picture.
fn check(mask: &Mask) {
    for (index, tile) in mask.present() {
        assert_ne!(&**tile, &EMPTY, "an empty tile is stored");
        let full = **tile == **full_tile();
        assert_eq!(
            full,
            Arc::ptr_eq(tile, full_tile()),
            "a full tile is a copy"
        );
        let (columns, rows) = mask.inside(index);
        for (at, &value) in tile.iter().enumerate() {
            assert!(at % SIDE < columns && at / SIDE < rows || value == 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_edit_keeps_the_tiles_canonical_and_touches_only_dirty_tiles(
        width in 1u32..200,
        height in 1u32..170,
        ops in prop::collection::vec(any_op(), 1..8),
    ) {
        let mut mask = Mask::new(width, height);
        for op in &ops {
            let before = mask.clone();
            op.apply(&mut mask);
            check(&mask);
            let dirty = dirty_tiles(&before, &mask);
            for index in Mask::touched(mask.whole()) {
                if !dirty.contains(&index) {
                    prop_assert_eq!(before.tile(index), mask.tile(index));
                }
            }
            let patch = MaskPatch::between(&before, &mask).unwrap();
            let mut again = mask.clone();
            patch.undo(&mut again);
            prop_assert_eq!(&again, &before);
            patch.redo(&mut again);
            prop_assert_eq!(&again, &mask);
            prop_assert_eq!(&Mask::from_plane(&mask.to_plane()), &mask);
        }
    }

    #[test]
    fn strokes_stay_within_their_reach_and_opacity(brush in any_brush(), samples in any_samples()) {
        let brush = Brush { mode: BrushMode::Paint, ..brush };
        let mut mask = Mask::new(200, 160);
        mask.stroke(brush, &samples);
        let limit = (brush.opacity * 255.0).round() as u8;
        let reach = brush.size.max(1.0) / 2.0 + 0.5;
        for y in 0..160 {
            for x in 0..200 {
                let value = mask.get(x, y);
                prop_assert!(value <= limit);
                if value > 0 {
                    let centre = [x as f32 + 0.5, y as f32 + 0.5];
                    let near = samples.iter().zip(samples.iter().skip(1).chain(samples.last()))
                        .map(|(a, b)| distance(centre, a.pos, b.pos))
                        .fold(f32::INFINITY, f32::min);
                    prop_assert!(near <= reach + 0.01, "{} > {}", near, reach);
                }
            }
        }
    }

    #[test]
    fn painting_and_erasing_are_monotone(ops in prop::collection::vec(any_op(), 0..3), brush in any_brush(), samples in any_samples()) {
        let mut mask = Mask::new(200, 160);
        ops.iter().for_each(|op| op.apply(&mut mask));
        let before = mask.clone();
        mask.stroke(brush, &samples);
        for (old, new) in before.to_plane().values().iter().zip(mask.to_plane().values()) {
            match brush.mode {
                BrushMode::Paint => prop_assert!(new >= old),
                BrushMode::Erase => prop_assert!(new <= old),
            }
        }
    }

    #[test]
    fn inverting_twice_is_the_identity(ops in prop::collection::vec(any_op(), 0..4)) {
        let mut mask = Mask::new(130, 70);
        ops.iter().for_each(|op| op.apply(&mut mask));
        let before = mask.clone();
        mask.invert();
        mask.invert();
        prop_assert_eq!(mask, before);
    }

    #[test]
    fn flood_fills_what_a_pixel_by_pixel_flood_fills(
        ops in prop::collection::vec(any_op(), 0..4), x in 0u32..150, y in 0u32..100,
    ) {
        let mut mask = Mask::new(150, 100);
        ops.iter().for_each(|op| op.apply(&mut mask));
        let mut expected = mask.to_plane();
        let mut stack = vec![(i64::from(x), i64::from(y))];
        while let Some((x, y)) = stack.pop() {
            let inside = (0..150).contains(&x) && (0..100).contains(&y);
            if inside && expected.get(x, y) < 128 {
                expected.values_mut()[(y * 150 + x) as usize] = 255;
                stack.extend([(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]);
            }
        }
        mask.flood(x, y);
        prop_assert_eq!(mask.to_plane(), expected);
    }
}

/// Distance of a point to a segment, computed apart from the brush's own.
fn distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (d, e) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let length = d[0].hypot(d[1]);
    let along = if length > 0.0 {
        ((d[0] * e[0] + d[1] * e[1]) / length).clamp(0.0, length) / length
    } else {
        0.0
    };
    (e[0] - along * d[0]).hypot(e[1] - along * d[1])
}

#[test]
fn a_dab_has_its_shape() {
    let mut mask = Mask::new(100, 100);
    mask.stroke(hard(21.0), &[Sample::at(50.5, 50.5)]);
    assert_eq!(mask.get(50, 50), 255);
    assert_eq!(mask.get(60, 50), 255);
    assert_eq!(mask.get(61, 50), 0);
    assert_eq!(mask.bounds(1), Some((40, 40, 61, 61)));
    let mut soft = Mask::new(100, 100);
    let brush = Brush {
        size: 40.0,
        hardness: 0.5,
        ..Brush::default()
    };
    soft.stroke(brush, &[Sample::at(50.5, 50.5)]);
    assert_eq!(soft.get(60, 50), 255);
    assert_eq!(soft.get(65, 50), 128);
    assert_eq!(soft.get(70, 50), 0);
}

#[test]
fn overlaps_within_a_stroke_do_not_build_up_but_strokes_do() {
    let brush = Brush {
        opacity: 0.5,
        ..hard(20.0)
    };
    let there_and_back = [
        Sample::at(20.0, 50.0),
        Sample::at(80.0, 50.0),
        Sample::at(20.0, 50.0),
    ];
    let mut mask = Mask::new(100, 100);
    mask.stroke(brush, &there_and_back);
    assert_eq!(mask.get(50, 50), 128);
    mask.stroke(brush, &there_and_back);
    assert_eq!(mask.get(50, 50), 192);
    let erase = Brush {
        mode: BrushMode::Erase,
        ..brush
    };
    mask.stroke(erase, &there_and_back);
    assert_eq!(mask.get(50, 50), 96);
}

#[test]
fn a_stroke_sample_by_sample_equals_one_at_once_and_can_be_given_up() {
    let samples = [
        Sample::at(10.0, 10.0),
        Sample::at(90.0, 30.0),
        Sample::at(20.0, 90.0),
    ];
    let mut at_once = Mask::new(100, 100);
    at_once.stroke(hard(9.0), &samples);
    let mut mask = Mask::new(100, 100);
    let mut stroke = Stroke::begin(&mask, hard(9.0));
    for sample in samples {
        stroke.add(&mut mask, sample);
    }
    assert_eq!(mask, at_once);
    assert!(stroke.base().is_empty());
}

#[test]
fn pressure_scales_the_size_and_its_absence_changes_nothing() {
    let dab = |pressure| {
        let mut mask = Mask::new(64, 64);
        let sample = Sample {
            pressure,
            ..Sample::at(32.0, 32.0)
        };
        mask.stroke(hard(40.0), &[sample]);
        mask.bounds(128)
    };
    assert_eq!(dab(None), Some((12, 12, 52, 52)));
    assert_eq!(dab(Some(1.0)), dab(None));
    assert_eq!(dab(Some(0.5)), Some((22, 22, 42, 42)));
}

#[test]
fn the_brush_paints_at_edges_and_from_outside() {
    let mut mask = Mask::new(70, 50);
    mask.stroke(
        hard(20.0),
        &[Sample::at(-30.0, 25.0), Sample::at(200.0, 25.0)],
    );
    assert_eq!(mask.get(0, 25), 255);
    assert_eq!(mask.get(69, 25), 255);
    assert_eq!(mask.bounds(1), Some((0, 15, 70, 35)));
    let before = mask.clone();
    for pos in [[-100.0, -100.0], [1e30, 5.0], [f32::NAN, 5.0]] {
        let sample = Sample {
            pos,
            ..Sample::at(0.0, 0.0)
        };
        mask.stroke(hard(20.0), &[sample]);
    }
    assert_eq!(mask, before);
}

#[test]
fn a_sparse_mask_of_the_largest_size_is_small() {
    let mut mask = Mask::new(16384, 16384);
    mask.stroke(
        hard(100.0),
        &[Sample::at(8000.0, 8000.0), Sample::at(8400.0, 8100.0)],
    );
    assert!(mask.bytes() < 1 << 20, "{} bytes", mask.bytes());
    mask.invert();
    assert!(mask.bytes() < 1 << 20, "{} bytes", mask.bytes());
    assert_eq!(mask.get(8000, 8000), 0);
    assert_eq!(mask.get(16383, 16383), 255);
    mask.flood(8000, 8000);
    assert!(mask.bytes() <= mask.grid_bytes() + 100 * 4096);
    mask.grow(2.0);
    let mut full = Mask::new(16384, 16384);
    full.fill_all();
    assert_eq!(mask, full);
    let mut flooded = Mask::new(16384, 16384);
    flooded.flood(3, 16000);
    assert_eq!(flooded, full);
}

#[test]
fn clones_share_tiles_until_written() {
    let mut mask = Mask::new(300, 300);
    mask.fill_box([10.0, 10.0], [290.0, 290.0], Combine::Add);
    let old = mask.clone();
    assert!(old.shares_grid(&mask));
    assert_eq!(dirty_tiles(&old, &mask), []);
    mask.stroke(
        Brush {
            mode: BrushMode::Erase,
            ..hard(4.0)
        },
        &[Sample::at(100.0, 100.0)],
    );
    assert_eq!(dirty_tiles(&old, &mask), [TileIndex { column: 1, row: 1 }]);
    assert_eq!(old.get(100, 100), 255);
    let shared = (old.tiles.iter().zip(mask.tiles.iter()))
        .filter(|(a, b)| same_tile(a, b))
        .count();
    assert_eq!(shared, mask.tiles.len() - 1);
    assert_eq!(dirty_tiles(&old, &Mask::new(300, 301)).len(), 25);
}

#[test]
fn shapes_cover_their_pixels() {
    let mut mask = Mask::new(100, 80);
    mask.fill_box([70.4, 60.0], [9.6, 20.0], Combine::Add);
    assert_eq!(mask.bounds(255), Some((10, 20, 70, 60)));
    mask.fill_box([-5.0, -5.0], [30.0, 30.0], Combine::Subtract);
    assert_eq!(mask.get(29, 29), 0);
    assert_eq!(mask.get(30, 29), 255);
    mask.fill_box([200.0, 0.0], [300.0, 10.0], Combine::Replace);
    assert!(mask.is_empty());

    mask.fill_polygon(
        &[[10.0, 10.0], [20.5, 10.0], [20.5, 20.25], [10.0, 20.25]],
        Combine::Add,
    );
    assert_eq!(mask.get(10, 10), 255);
    assert_eq!(mask.get(20, 15), 128);
    assert_eq!(mask.get(15, 20), 64);
    assert_eq!(mask.get(21, 15), 0);
    // A star drawn at one stroke has a hole in its middle.
    let star: Vec<[f32; 2]> = (0..5)
        .map(|i| {
            let angle = i as f32 * 2.0 * std::f32::consts::TAU / 5.0;
            [60.0 + 30.0 * angle.sin(), 40.0 - 30.0 * angle.cos()]
        })
        .collect();
    mask.fill_polygon(&star, Combine::Replace);
    assert_eq!(mask.get(60, 40), 0);
    assert_eq!(mask.get(60, 15), 255);
    mask.fill_polygon(&[[1.0, 1.0], [f32::NAN, 3.0]], Combine::Add);
    mask.fill_polygon(&[], Combine::Replace);
    assert!(mask.is_empty());
}

#[test]
fn grow_shrink_and_feather_do_what_they_say() {
    let mut mask = Mask::new(1200, 200);
    mask.fill_box([1000.0, 80.0], [1060.0, 120.0], Combine::Add);
    let start = mask.clone();
    mask.grow(5.0);
    assert_eq!(mask.bounds(1), Some((995, 75, 1065, 125)));
    assert_eq!(mask.get(996, 76), 88, "corners are round");
    mask.shrink(5.0);
    assert_eq!(mask.bounds(128), start.bounds(128));
    mask = start.clone();
    mask.shrink(3.0);
    assert_eq!(mask.bounds(1), Some((1003, 83, 1057, 117)));
    mask.shrink(40.0);
    assert!(mask.is_empty());

    // Across the border of two blocks the blur goes on without a seam.
    mask = start.clone();
    mask.feather(8.0);
    // Half a pixel inside the edge: Φ(0.5 / 4) = 0.55.
    assert!((136..=144).contains(&mask.get(1000, 100)));
    let row: Vec<u8> = (980..1030).map(|x| mask.get(x, 100)).collect();
    assert!(row.is_sorted(), "{row:?}");
    assert_eq!(mask.get(985, 100), 0);
    assert_eq!(mask.get(1030, 100), 255);

    let mut full = Mask::new(90, 90);
    full.fill_all();
    let before = full.clone();
    full.shrink(7.0);
    full.feather(7.0);
    assert_eq!(full, before, "the picture's edge is no edge of the mask");
    full.grow(f32::NAN);
    assert_eq!(full, before);
}

#[test]
fn resizing_scales_the_selection() {
    let mut mask = Mask::new(300, 200);
    mask.fill_box([30.0, 20.0], [150.0, 100.0], Combine::Add);
    let half = mask.resized(150, 100);
    assert_eq!(half.bounds(128), Some((15, 10, 75, 50)));
    let double = mask.resized(600, 400);
    assert_eq!(double.bounds(128), Some((60, 40, 300, 200)));
    check(&double);
    let mut full = Mask::new(100, 100);
    full.fill_all();
    assert_eq!(full.resized(33, 257).bounds(255), Some((0, 0, 33, 257)));
    assert_eq!(mask.resized(300, 200), mask);
}

#[test]
fn alpha_becomes_a_mask() {
    let mut picture = Picture::filled(3, 1, [9, 9, 9, 255]);
    picture.pixels_mut()[7] = 40;
    let mask = Mask::from_alpha(&picture);
    assert_eq!([0, 1, 2].map(|x| mask.get(x, 0)), [255, 40, 255]);
}

proptest! {
    /// Every pixel goes the same way, and there and back is what stayed inside.
    #[test]
    fn a_moved_mask_has_its_pixels_elsewhere(
        size in (1u32..200, 1u32..200),
        by in (-250i64..250, -250i64..250),
        boxed in ([-20f32..220.0, -20f32..220.0], [-20f32..220.0, -20f32..220.0]),
    ) {
        let mut mask = Mask::new(size.0, size.1);
        mask.fill_box(boxed.0, boxed.1, Combine::Add);
        let moved = mask.moved(by.0, by.1);
        check(&moved);
        for y in 0..i64::from(size.1) {
            for x in 0..i64::from(size.0) {
                prop_assert_eq!(moved.get(x, y), mask.get(x - by.0, y - by.1));
            }
        }
        prop_assert_eq!(mask.moved(0, 0), mask);
    }
}
