//! What is written: whole or not at all, with the recipe in it.

mod files;

use std::path::Path;

use inlay::doc::job::{BlendSpec, JobInput, JobRegion, JobSpec, MaskedSpec, Solver};
use inlay::doc::{Level, Picture, Plane, Role};
use inlay::io::metadata::{self, Recipe};
use inlay::io::{SaveError, load, mask, png_text, save};

fn spec() -> JobSpec {
    JobSpec {
        version: 1,
        model: "unireal-nano".into(),
        model_hash: "0123456789abcdef".into(),
        inputs: vec![
            JobInput {
                role: Role::Canvas,
                kind: None,
                hash: "aa".into(),
                source: Some("photo: one, two.png".into()),
            },
            JobInput {
                role: Role::Asset,
                kind: None,
                hash: "bb".into(),
                source: None,
            },
        ],
        regions: vec![JobRegion {
            level: Level::Outline,
            asset: Some(1),
            hash: "cc".into(),
            mask_png: String::new(),
        }],
        prompt: "a cup: blue, IMG2\non the table\n".into(),
        tags: Some(vec!["realistic style".into(), "static scenario".into()]),
        outputs: 4,
        joint: 1,
        seed: 7,
        steps: 12,
        guidance_text: 2.5,
        guidance_image: 1.0,
        solver: Solver::Euler,
        size: None,
        crop: None,
        vary: false,
        blend: BlendSpec::default(),
        masked: MaskedSpec::default(),
    }
}

fn picture() -> Picture {
    let ramp = image::DynamicImage::from(files::ramp(40, 30)).into_rgba8();
    Picture::from_rgba(40, 30, ramp.into_raw()).expect("a picture")
}

#[test]
fn a_result_returns_its_pixels_and_its_recipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.png");
    let recipe = Recipe::new(spec(), 2, 0, 9);
    metadata::write(&path, &picture(), Some(&recipe)).expect("saved");
    assert_eq!(load(&path).expect("opens").picture, picture());
    assert_eq!(metadata::read(&path).expect("a recipe"), recipe);
    assert_eq!(files::listing(folder.path()), ["out.png"]);

    let again = folder.path().join("again.png");
    metadata::write(&again, &picture(), Some(&recipe)).expect("saved");
    assert_eq!(
        std::fs::read(&path).expect("read"),
        std::fs::read(&again).expect("read")
    );
}

#[test]
fn the_line_for_other_programs_is_in_their_grammar() {
    let recipe = Recipe::new(spec(), 0, 0, 7);
    let bytes = metadata::encode_png(&picture(), Some(&recipe)).expect("encodes");
    let texts = png_text::read(&bytes);
    let keys: Vec<&str> = texts.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["parameters", "inlay", "XML:com.adobe.xmp"]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        texts[0].1,
        format!(
            "a cup: blue, IMG2\non the table\nSteps: 12, Sampler: Euler, CFG scale: 2.5, \
             Image CFG scale: 1, Seed: 7, Size: 40x30, Model: unireal-nano, \
             Model hash: 0123456789, Mask level: outline, \
             Context: realistic style; static scenario, Version: Inlay {version}"
        )
    );
}

#[test]
fn values_with_commas_colons_and_line_breaks_are_quoted() {
    let mut job = spec();
    job.model = "my \"own\", model: v2\n".into();
    job.regions.push(job.regions[0].clone());
    let text = Recipe::new(job, 0, 0, 7).parameters((1, 2));
    assert!(
        text.contains(r#"Model: "my \"own\", model: v2\n", "#),
        "{text}"
    );
    assert!(
        text.contains(r#"Mask level: "outline, outline", "#),
        "{text}"
    );
    let (prompt, pairs) = metadata::parse_parameters(&text);
    assert_eq!(prompt, "a cup: blue, IMG2\non the table");
    let value = |key: &str| {
        let pair = pairs.iter().find(|(name, _)| name == key);
        pair.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("Model"), Some("my \"own\", model: v2\n"));
    assert_eq!(value("Mask level"), Some("outline, outline"));
    assert_eq!(value("Seed"), Some("7"));
    assert_eq!(value("Size"), Some("1x2"));
}

#[test]
fn provenance_tells_composites_from_new_pictures() {
    let composite = Recipe::new(spec(), 0, 0, 7);
    let at = "http://cv.iptc.org/newscodes/digitalsourcetype/";
    assert!(composite.xmp().contains(&format!(
        "DigitalSourceType=\"{at}compositeWithTrainedAlgorithmicMedia\""
    )));
    let mut job = spec();
    job.inputs.remove(0);
    assert!(Recipe::new(job, 0, 0, 7).xmp().contains(&format!(
        "DigitalSourceType=\"{at}trainedAlgorithmicMedia\""
    )));
}

#[test]
fn a_jpeg_carries_the_line_and_the_provenance() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.jpg");
    let recipe = Recipe::new(spec(), 0, 0, 7);
    metadata::write(&path, &picture(), Some(&recipe)).expect("saved");
    let loaded = load(&path).expect("opens").picture;
    assert_eq!((loaded.width(), loaded.height()), (40, 30));
    let bytes = std::fs::read(&path).expect("read");
    let mut comment = b"UNICODE\0".to_vec();
    let text = recipe.parameters((40, 30));
    comment.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    assert!(bytes.windows(comment.len()).any(|window| window == comment));
    let packet = recipe.xmp();
    assert!(
        bytes
            .windows(packet.len())
            .any(|window| window == packet.as_bytes())
    );
    assert_eq!(
        metadata::read(&path).expect_err("refused").to_string(),
        format!(
            "recipes are kept in PNG files, name the PNG that Inlay saved: {}",
            path.display()
        )
    );
}

#[test]
fn files_without_a_usable_recipe_say_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = files::put(folder.path(), "plain.png", &files::png(3, 3));
    assert_eq!(
        metadata::read(&plain).expect_err("refused").to_string(),
        format!(
            "this picture holds no recipe, it was not made by Inlay or was saved again by another program: {}",
            plain.display()
        )
    );
    let text = |json: &str| {
        let good = files::png(3, 3);
        let mut data = b"inlay\0\0\0\0\0".to_vec();
        data.extend_from_slice(json.as_bytes());
        let mut bytes = good[..33].to_vec();
        bytes.extend(files::chunk(b"iTXt", &data));
        bytes.extend_from_slice(&good[33..]);
        bytes
    };
    let path = files::put(
        folder.path(),
        "newer.png",
        &text(r#"{"job":{"version":99}}"#),
    );
    assert_eq!(
        metadata::read(&path).expect_err("refused").to_string(),
        format!(
            "the recipe in this picture is of a newer Inlay (format 99), update Inlay first: {}",
            path.display()
        )
    );
    let path = files::put(folder.path(), "bad.png", &text("{"));
    let message = metadata::read(&path).expect_err("refused").to_string();
    assert!(
        message.starts_with("the recipe in this picture can't be read ("),
        "{message}"
    );
}

#[test]
fn alpha_is_kept_where_there_is_any() {
    let mut see_through = picture();
    see_through.pixels_mut()[3] = 17;
    let bytes = metadata::encode_png(&see_through, None).expect("encodes");
    let loaded = inlay::io::picture::decode(&bytes, Path::new("x")).expect("opens");
    assert_eq!(loaded.picture, see_through);
}

#[test]
fn a_failed_write_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = files::put(folder.path(), "old.png", b"old");
    let error = save::replace_with(&path, |file| {
        file.write_all(b"half of the new")?;
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
    });
    assert_eq!(
        error.expect_err("fails").to_string(),
        format!(
            "the disk is full, free some space or choose another folder: {}",
            path.display()
        )
    );
    assert_eq!(std::fs::read(&path).expect("read"), b"old");
    assert_eq!(files::listing(folder.path()), ["old.png"]);
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = files::put(folder.path(), "file", b"x");
    let none = folder.path().join("none/out.png");
    assert!(
        matches!(save::replace(&none, b""), Err(SaveError::NoFolder(at)) if at == folder.path().join("none"))
    );
    assert!(
        matches!(save::replace(&file.join("out.png"), b""), Err(SaveError::NotAFolder(at)) if at == file)
    );
    assert!(matches!(
        save::replace(folder.path(), b""),
        Err(SaveError::IsAFolder(_))
    ));
    assert!(matches!(
        save::create(&file, b""),
        Err(SaveError::Exists(_))
    ));
    assert!(matches!(
        save::make_folder(&file),
        Err(SaveError::NotAFolder(_))
    ));
    assert!(matches!(
        save::check_folder(&file),
        Err(SaveError::NotAFolder(_))
    ));
    assert_eq!(std::fs::read(&file).expect("read"), b"x");
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let full = Path::new("/dev/full");
    assert!(matches!(save::replace(full, b"x"), Err(SaveError::Full(_))));
    let kind = std::fs::metadata(full).expect("a device").file_type();
    assert!(kind.is_char_device());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_its_file_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = files::put(folder.path(), "real.png", b"old");
    let link = folder.path().join("link.png");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    save::replace(&link, b"new").expect("saved");
    assert_eq!(std::fs::read(&file).expect("read"), b"new");
    assert!(
        std::fs::symlink_metadata(&link)
            .expect("a link")
            .is_symlink()
    );
}

#[test]
fn masks_come_from_light_or_from_alpha() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = files::put(folder.path(), "m.png", &files::mask_png(6, 4, (1, 1, 3, 2)));
    let grey = mask::load(&path).expect("opens").mask;
    assert_eq!(grey.bounds(), Some((1, 1, 3, 2)));
    assert_eq!(grey.get(1, 1), 255);

    // One colour with alpha: the shape is in the alpha.
    let mut stencil = Picture::filled(2, 1, [0, 0, 0, 0]);
    stencil.pixels_mut()[3] = 200;
    assert_eq!(mask::from_picture(&stencil).values(), [200, 0]);
    // Colours with alpha: the light counts, over black.
    let seen = Picture::from_rgba(2, 1, vec![255, 255, 255, 128, 0, 0, 0, 255]).expect("a picture");
    assert_eq!(mask::from_picture(&seen).values(), [128, 0]);
}

#[test]
fn masks_return_from_files_and_from_recipes() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = (0..35).map(|i| (i * 7) as u8).collect();
    let plane = Plane::from_values(7, 5, values).expect("a mask");
    let path = folder.path().join("m.png");
    mask::write(&path, &plane).expect("saved");
    assert_eq!(mask::load(&path).expect("opens").mask, plane);
    assert_eq!(mask::from_text(&mask::to_text(&plane)), Some(plane.clone()));
    assert_eq!(mask::from_text("bm90IGEgcGljdHVyZQ=="), None);
}

#[test]
fn a_mask_of_another_size_is_refused_or_stretched() {
    let plane = Plane::filled(10, 4, 255);
    assert_eq!(
        mask::check_size(&plane, ("canvas", 40, 30), Path::new("m.png"))
            .expect_err("refused")
            .to_string(),
        "the mask has 10×4 pixels and the canvas 40×30, make them the same size: m.png"
    );
    let stretched = mask::resized(&plane, 40, 30);
    assert_eq!(stretched, Plane::filled(40, 30, 255));
}
