use super::*;

/// Noise that is the same every time, -1..1.
fn noise(x: u32, y: u32) -> f32 {
    let mut v = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    v = (v ^ (v >> 15)).wrapping_mul(0x2c1b_3c6d);
    v ^= v >> 12;
    (v & 0xffff) as f32 / 32768.0 - 1.0
}

/// A red disc with a light side on a ground of two greens.
fn photo(width: u32, height: u32, radius: f32) -> (Picture, Vec<bool>) {
    let mut picture = Picture::filled(width, height, [0, 0, 0, 255]);
    let (cx, cy) = (width as f32 * 0.52, height as f32 * 0.55);
    let mut truth = Vec::new();
    for (at, pixel) in picture.pixels_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (at as u32 % width, at as u32 / width);
        let away = (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy);
        let inside = (radius - away + 0.5).clamp(0.0, 1.0);
        truth.push(inside >= 0.5);
        let n = 14.0 * noise(x, y);
        let ground = if y < height / 2 {
            [110.0, 140.0, 90.0]
        } else {
            [60.0, 100.0, 50.0]
        };
        let object = if (x as f32) < cx {
            [190.0, 50.0, 40.0]
        } else {
            [120.0, 25.0, 30.0]
        };
        for c in 0..3 {
            let v = inside * object[c] + (1.0 - inside) * ground[c] + n;
            pixel[c] = v.round().clamp(0.0, 255.0) as u8;
        }
    }
    (picture, truth)
}

fn iou(found: &Plane, truth: &[bool]) -> f64 {
    let pairs = found.values().iter().map(|v| *v >= 128).zip(truth);
    let (both, any) = pairs.fold((0, 0), |(both, any), (a, b)| {
        (both + usize::from(a && *b), any + usize::from(a || *b))
    });
    f64::from(both as u32) / f64::from(any as u32)
}

#[test]
fn what_a_photo_is_of_is_found() {
    // Smaller than the copy, and more than twice its size.
    for (width, height, radius) in [(160, 120, 36.0), (600, 450, 130.0)] {
        let (picture, truth) = photo(width, height, radius);
        let found = object(&picture, None, &|| false).unwrap();
        let iou = iou(&found.alpha(&picture, &|| false).unwrap(), &truth);
        assert!(iou > 0.97, "{width}: {iou}");
        assert!(found.told > 0.97 && found.touching == 0.0, "{}", found.told);
        let share = truth.iter().filter(|t| **t).count() as f64 / truth.len() as f64;
        assert!((found.share - share).abs() < 0.01);
    }
}

#[test]
fn a_mask_says_which_object_is_meant() {
    let (mut picture, _) = photo(200, 150, 0.0);
    let mut truth = vec![false; 200 * 150];
    // Two of one colour.
    for y in 50..100u32 {
        for x in (20..70).chain(130..180) {
            let at = (y * 200 + x) as usize;
            picture.pixels_mut()[at * 4..at * 4 + 3].copy_from_slice(&[30, 40, 200]);
            truth[at] = x > 100;
        }
    }
    let mut mask = Plane::filled(200, 150, 0);
    for y in 40..110 {
        mask.values_mut()[y * 200 + 115..y * 200 + 195].fill(255);
    }
    let found = object(&picture, Some(&mask), &|| false).unwrap();
    let iou = iou(&found.alpha(&picture, &|| false).unwrap(), &truth);
    assert!(iou > 0.96, "{iou}");
    // Nothing beyond the mask.
    let alpha = found.alpha(&picture, &|| false).unwrap();
    let beyond = alpha.values().iter().zip(mask.values());
    let far = beyond.filter(|(a, m)| **a >= 128 && **m == 0).count();
    assert_eq!(far, 0);
}

#[test]
fn edges_are_soft_and_lose_the_ground() {
    let (picture, _) = photo(400, 300, 80.0);
    let found = object(&picture, None, &|| false).unwrap();
    let freed = found.freed(&picture, &|| false).unwrap();
    let partly: Vec<_> = freed
        .pixels()
        .chunks_exact(4)
        .filter(|p| (64..224).contains(&p[3]))
        .collect();
    // About a pixel all around, and not a broad rim.
    assert!((150..1500).contains(&partly.len()), "{}", partly.len());
    // As red as the object: a mean of both would be at 115 and 80.
    let mean = |c: usize| partly.iter().map(|p| f64::from(p[c])).sum::<f64>() / partly.len() as f64;
    assert!(mean(0) > 140.0 && mean(1) < 60.0, "{} {}", mean(0), mean(1));
    assert_eq!(freed.pixel(5, 5)[3], 0);
    let middle = freed.pixel(208, 165);
    assert_eq!(
        (middle[3], &middle[..3]),
        (255, &picture.pixel(208, 165)[..3])
    );
}

#[test]
fn nothing_is_found_where_there_is_nothing_and_stopping_stops() {
    let plain = Picture::filled(60, 40, [90, 90, 90, 255]);
    let found = object(&plain, None, &|| false);
    assert!(
        found.is_none_or(|f| f.told < 0.9),
        "an even picture has no object"
    );
    let (picture, _) = photo(100, 80, 20.0);
    assert!(object(&picture, None, &|| true).is_none());
    // Within the cut, too.
    let asked = std::cell::Cell::new(0);
    let later = || asked.replace(asked.get() + 1) > 0;
    assert!(object(&picture, None, &later).is_none() && asked.get() == 2);
    assert!(object(&picture, Some(&Plane::filled(100, 80, 0)), &|| false).is_none());
    // As small as can be.
    let _ = object(&Picture::filled(1, 1, [1, 2, 3, 255]), None, &|| false);
    let _ = object(&Picture::filled(3, 700, [1, 2, 3, 255]), None, &|| false);
}
