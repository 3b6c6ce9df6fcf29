use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

fn disc(width: u32, height: u32, cx: f32, cy: f32, radius: f32) -> Plane {
    let values = (0..width * height)
        .map(|i| {
            let (x, y) = ((i % width) as f32 - cx, (i / width) as f32 - cy);
            if x * x + y * y <= radius * radius {
                255
            } else {
                0
            }
        })
        .collect();
    Plane::from_values(width, height, values).unwrap()
}

fn any_mask() -> impl Strategy<Value = Plane> {
    let rect = (0u32..48, 0u32..40, 1u32..30, 1u32..30);
    (
        1u32..50,
        1u32..42,
        prop::collection::vec((rect, 0u8..=255), 0..4),
    )
        .prop_map(|(width, height, rects)| {
            let mut plane = Plane::filled(width, height, 0);
            for ((x, y, w, h), value) in rects {
                for y in y..(y + h).min(height) {
                    for x in x..(x + w).min(width) {
                        plane.values_mut()[(y * width + x) as usize] = value;
                    }
                }
            }
            plane
        })
}

fn holds(outer: &Plane, inner: &Plane) -> bool {
    outer
        .values()
        .iter()
        .zip(inner.values())
        .all(|(&outer, &inner)| inner < 128 || outer >= 128)
}

fn is_rectangle(plane: &Plane) -> bool {
    let area = plane.values().iter().filter(|&&v| v >= 128).count();
    plane.bounds().map_or(area == 0, |(x0, y0, x1, y1)| {
        area == ((x1 - x0) * (y1 - y0)) as usize
    })
}

proptest! {
    #[test]
    fn regions_are_nested_and_hold_the_mask(mask in any_mask()) {
        let regions = Level::ALL.map(|level| editable_region(&mask, level));
        prop_assert!(holds(&regions[0], &mask));
        for pair in regions.windows(2) {
            prop_assert!(holds(&pair[1], &pair[0]));
        }
        prop_assert!(is_rectangle(&regions[3]));
        for region in &regions {
            prop_assert_eq!(region.bounds().is_none(), mask.bounds().is_none());
            prop_assert!(region.values().iter().all(|&v| v == 0 || v == 255));
        }
    }

    #[test]
    fn coarse_masks_stay_where_they_belong(mask in any_mask(), seed in any::<u64>()) {
        for level in Level::ALL {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let coarse = coarsen(&mask, level, &mut rng);
            prop_assert_eq!((coarse.width(), coarse.height()), (mask.width(), mask.height()));
            prop_assert_eq!(coarse.bounds().is_none(), mask.bounds().is_none());
            prop_assert!(coarse.values().iter().all(|&v| v == 0 || v == 255));
            match level {
                Level::Blob => prop_assert!(holds(&coarse, &mask)),
                Level::Box => {
                    prop_assert!(holds(&coarse, &mask));
                    prop_assert!(is_rectangle(&coarse));
                }
                _ => {}
            }
            let again = coarsen(&mask, level, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(again, coarse);
        }
    }
}

#[test]
fn empty_stays_empty_and_full_stays_full() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for level in Level::ALL {
        for value in [0, 255] {
            let plane = Plane::filled(33, 21, value);
            assert_eq!(editable_region(&plane, level), plane, "{level}");
            assert_eq!(coarsen_plainly(&plane, level), plane, "{level}");
            assert_eq!(coarsen(&plane, level, &mut rng), plane, "{level}");
        }
    }
}

#[test]
fn exact_moves_edges_by_one_pixel_at_most() {
    let mask = disc(64, 64, 31.0, 30.0, 14.0);
    let (inner, outer) = (
        disc(64, 64, 31.0, 30.0, 12.5),
        disc(64, 64, 31.0, 30.0, 15.5),
    );
    let mut differs = 0;
    for seed in 0..8 {
        let coarse = coarsen(&mask, Level::Exact, &mut ChaCha8Rng::seed_from_u64(seed));
        assert!(holds(&coarse, &inner) && holds(&outer, &coarse));
        differs += usize::from(coarse != mask);
    }
    assert!(differs >= 7);
    assert_eq!(coarsen_plainly(&mask, Level::Exact), mask);
}

#[test]
fn coarse_discs_grow_by_what_the_thresholds_say() {
    // A straight edge blurred with σ falls to .25 at .674 σ and to .12 at 1.175 σ.
    let mask = disc(256, 256, 128.0, 128.0, 50.0);
    let d = object_size(&mask);
    for (level, sigma, reach) in [
        (Level::Outline, 0.04 * d, 0.674),
        (Level::Blob, 0.12 * d, 1.175),
    ] {
        let (x0, _, x1, _) = coarsen_plainly(&mask, level).bounds().unwrap();
        let radius = (x1 - x0) as f32 / 2.0;
        assert!(
            (radius - 50.5 - reach * sigma).abs() < 2.0,
            "{level}: {radius}"
        );
    }
}

#[test]
fn warped_blobs_differ() {
    let mask = disc(128, 128, 60.0, 60.0, 25.0);
    let plain = coarsen_plainly(&mask, Level::Blob);
    let warped = (0..40)
        .filter(|&seed| coarsen(&mask, Level::Blob, &mut ChaCha8Rng::seed_from_u64(seed)) != plain)
        .count();
    assert!((10..=30).contains(&warped), "{warped} of 40");
}

#[test]
fn shadows_have_room_beside_and_below_but_not_above() {
    let mask = disc(400, 400, 200.0, 150.0, 60.0);
    let d = object_size(&mask);
    for level in [Level::Exact, Level::Outline, Level::Blob] {
        let (_, top, _, bottom) = editable_region(&mask, level).bounds().unwrap();
        let (above, below) = (90 - top, bottom - 211);
        assert!(below as f32 >= 0.12 * d, "{level}: {below} below");
        assert!(above < below, "{level}: {above} above, {below} below");
        let region = editable_region(&mask, level);
        assert_eq!(region.get(200 + 60 + (0.2 * d) as i64, 170), 255, "{level}");
    }
}

#[test]
fn a_scribble_is_shown_as_its_box_at_box_only() {
    let mut scribble = Plane::filled(40, 30, 0);
    for i in 5..20 {
        scribble.values_mut()[i * 40 + i + 3] = 200;
    }
    for level in [Level::Exact, Level::Outline, Level::Blob] {
        assert_eq!(shown_mask(&scribble, level), scribble);
    }
    let shown = shown_mask(&scribble, Level::Box);
    assert_eq!(shown.bounds(), Some((8, 5, 23, 20)));
    assert!(is_rectangle(&shown));
    let empty = Plane::filled(4, 4, 0);
    assert_eq!(shown_mask(&empty, Level::Box), empty);
}

#[test]
fn reduced_grids_stay_nested() {
    let mask = disc(3000, 2600, 1500.0, 1200.0, 900.0);
    let regions = Level::ALL.map(|level| editable_region(&mask, level));
    assert!(holds(&regions[0], &mask));
    for pair in regions.windows(2) {
        assert!(holds(&pair[1], &pair[0]));
    }
    assert!(is_rectangle(&regions[3]));
}

#[test]
fn names_round_trip() {
    for level in Level::ALL {
        assert_eq!(level.name().parse(), Ok(level));
        assert_eq!(
            serde_json::to_string(&level).unwrap(),
            format!("\"{level}\"")
        );
    }
    assert_eq!(
        "round".parse::<Level>().unwrap_err().to_string(),
        "“round” is no mask level: use exact, outline, blob or box"
    );
}

#[test]
fn levels_are_drawn_in_their_shares() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut counts = [0; 4];
    (0..20_000).for_each(|_| counts[Level::sample(&mut rng).index()] += 1);
    for (count, share) in counts.into_iter().zip([0.15, 0.25, 0.3, 0.3]) {
        assert!((count as f64 / 20_000.0 - share).abs() < 0.02);
    }
}
