use proptest::prelude::*;

use super::*;

pub(crate) fn spec() -> JobSpec {
    let input = |role, kind| JobInput {
        role,
        kind,
        hash: String::new(),
        source: None,
    };
    JobSpec {
        version: JOB_VERSION,
        model: "unireal-nano".to_owned(),
        model_hash: String::new(),
        inputs: vec![input(Role::Canvas, None), input(Role::Asset, None)],
        regions: vec![JobRegion {
            level: Level::Blob,
            asset: Some(1),
            hash: String::new(),
            mask_png: String::new(),
        }],
        prompt: "Put IMG2 at IMG3".to_owned(),
        tags: None,
        outputs: 4,
        joint: 1,
        seed: 7,
        steps: 12,
        guidance_text: 1.0,
        guidance_image: 1.5,
        solver: Solver::Euler,
        size: None,
        crop: Some([0, 0, 8, 8]),
        vary: false,
        blend: BlendSpec::default(),
        masked: MaskedSpec::default(),
    }
}

#[test]
fn outputs_after_the_first_vary_around_what_the_artist_set() {
    let text = serde_json::to_string(&spec()).unwrap();
    assert!(!text.contains("vary"), "{text}");
    assert!((0..8).all(|at| spec().blend_of(at) == spec().blend));
    let mut seen = Vec::new();
    for seed in 0..50 {
        let spec = JobSpec {
            vary: true,
            seed: seed * 977,
            blend: BlendSpec {
                brightness: 1.2,
                shadow: 0.5,
                feather: 0.11,
                ..BlendSpec::default()
            },
            ..spec()
        };
        assert_eq!(
            serde_json::from_str::<JobSpec>(&serde_json::to_string(&spec).unwrap()).unwrap(),
            spec
        );
        assert_eq!(spec.blend_of(0), spec.blend);
        let others: Vec<BlendSpec> = (1..8).map(|at| spec.blend_of(at)).collect();
        for (at, blend) in others.iter().enumerate() {
            assert!((0.8..=1.8).contains(&blend.brightness), "{blend:?}");
            assert!((0.27..=0.92).contains(&blend.shadow), "{blend:?}");
            assert_eq!((blend.feather, blend.relight), (0.11, 1.0));
            // No two of a job are alike.
            let alike = |other: &&BlendSpec| {
                (other.brightness - blend.brightness).abs() < 0.03
                    && (other.shadow - blend.shadow).abs() < 0.03
            };
            assert_eq!(others.iter().filter(alike).count(), 1, "{seed} {at}");
        }
        seen.extend(others);
    }
    // To both sides, as often.
    let brighter = seen.iter().filter(|blend| blend.brightness > 1.2).count();
    let stronger = seen.iter().filter(|blend| blend.shadow > 0.5).count();
    assert!(
        (140..210).contains(&brighter) && (140..210).contains(&stronger),
        "{brighter} {stronger}"
    );
}

fn job() -> Job {
    Job {
        spec: spec(),
        pictures: vec![
            Arc::new(Picture::filled(10, 8, [1, 2, 3, 255])),
            Arc::new(Picture::filled(4, 4, [9, 9, 9, 0])),
        ],
        masks: vec![Arc::new(Plane::filled(10, 8, 255))],
    }
}

/// Applies a change and gives the sentence it leads to.
fn sentence(change: impl FnOnce(&mut Job)) -> String {
    let mut job = job();
    change(&mut job);
    job.validate().unwrap_err().to_string()
}

#[test]
fn a_good_job_is_valid_and_compiles() {
    assert_eq!(job().validate(), Ok(()));
    assert_eq!(
        spec().compile().unwrap().text,
        "Realistic style; static scenario; with reference object. Put IMG2 at IMG3"
    );
}

#[test]
fn each_fault_has_its_sentence() {
    let wrong: Vec<(String, &str)> = vec![
        (
            sentence(|job| job.spec.inputs[1].role = Role::Canvas),
            "IMG1 and IMG2 are both the canvas: make one of them an object",
        ),
        (
            sentence(|job| job.spec.inputs[1].role = Role::Control),
            "IMG2 is a control of no kind: say whether it is a mask, edges, depth, a scribble or a placement",
        ),
        (
            sentence(|job| job.spec.inputs[0].kind = Some(ControlKind::Edge)),
            "IMG1 has a kind of control but is no control: change its role or drop the kind",
        ),
        (
            sentence(|job| job.spec.regions[0].asset = Some(0)),
            "mask 1 places a picture that is no object: choose one of the objects, or none",
        ),
        (
            sentence(|job| job.spec.regions = vec![job.spec.regions[0].clone(); 7]),
            "a job takes 8 inputs at most, masks included, and this one has 9: remove a picture or a mask",
        ),
        (
            sentence(|job| job.spec.inputs[0].role = Role::Asset),
            "a mask needs a canvas to lie on: add a canvas or remove the mask",
        ),
        (
            sentence(|job| job.spec.outputs = 9),
            "the number of outputs is 9: use 1 to 8",
        ),
        (
            sentence(|job| job.spec.guidance_text = f32::NAN),
            "text guidance is NaN: use 0 to 50",
        ),
        (
            sentence(|job| job.spec.crop = Some([4, 0, 7, 8])),
            "the context rectangle does not lie inside the canvas: draw it again or let it be chosen",
        ),
        (
            sentence(|job| job.spec.crop = Some([u32::MAX, 0, 7, 8])),
            "the context rectangle does not lie inside the canvas: draw it again or let it be chosen",
        ),
        (
            sentence(|job| job.masks[0] = Arc::new(Plane::filled(8, 8, 255))),
            "mask 1 is 8×8 pixels and the canvas 10×8: make them the same size",
        ),
        (
            sentence(|job| job.masks[0] = Arc::new(Plane::filled(10, 8, 90))),
            "mask 1 is empty: paint where the object goes, or remove the mask",
        ),
        (
            sentence(|job| job.pictures.truncate(1)),
            "the recipe names 2 pictures and 1 were given: give them in the recipe's order",
        ),
        (
            sentence(|job| job.spec.prompt = "IMG4".to_owned()),
            "IMG4 is not there: this job has 3 inputs",
        ),
        (
            sentence(|job| {
                job.spec.inputs.clear();
                job.spec.regions.clear();
                job.spec.prompt.clear();
            }),
            "there is nothing to make: add a picture or write what to make",
        ),
    ];
    for (found, expected) in wrong {
        assert_eq!(found, expected);
    }
}

#[test]
fn newer_versions_are_refused() {
    let newer = JobSpec {
        version: JOB_VERSION + 1,
        ..spec()
    };
    assert_eq!(
        newer.validate().unwrap_err().to_string(),
        "this recipe was made by a newer version of Inlay (its format is 2, this program reads up to 1): update Inlay"
    );
}

#[test]
fn hashes_are_blake3_of_size_and_bytes() {
    let bytes = [2, 0, 0, 0, 1, 0, 0, 0, 5, 5];
    assert_eq!(
        hash_mask(&Plane::filled(2, 1, 5)),
        blake3::hash(&bytes).to_hex().to_string()
    );
    let picture = Picture::filled(1, 1, [1, 2, 3, 4]);
    let bytes = [1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(
        hash_picture(&picture),
        blake3::hash(&bytes).to_hex().to_string()
    );
}

#[test]
fn a_recipe_holds_the_masks() {
    let recipe = job()
        .recipe(|mask| Ok::<_, ()>(format!("{}", mask.width())))
        .unwrap();
    assert_eq!(recipe.regions[0].mask_png, "10");
}

fn any_spec() -> impl Strategy<Value = JobSpec> {
    let purpose = prop::sample::select(vec![
        (Role::Canvas, None),
        (Role::Asset, None),
        (Role::Control, Some(ControlKind::Placement)),
        (Role::Control, None),
    ]);
    let input = (purpose, "[0-9a-f]{0,8}", prop::option::of(".{0,9}")).prop_map(
        |((role, kind), hash, source)| JobInput {
            role,
            kind,
            hash,
            source,
        },
    );
    let region = (
        prop::sample::select(Level::ALL.to_vec()),
        prop::option::of(0usize..9),
    )
        .prop_map(|(level, asset)| JobRegion {
            level,
            asset,
            hash: String::new(),
            mask_png: "aGk=".to_owned(),
        });
    let pictures = (
        prop::collection::vec(input, 0..4),
        prop::collection::vec(region, 0..3),
    );
    let words = (
        ".{0,20}",
        prop::option::of(prop::collection::vec(".{0,9}", 0..3)),
    );
    let numbers = (any::<u32>(), any::<u64>(), any::<u32>(), -1e9_f32..1e9);
    let places = (
        prop::option::of(any::<[u32; 2]>()),
        prop::option::of(any::<[u32; 4]>()),
    );
    (pictures, words, numbers, places).prop_map(
        |((inputs, regions), (prompt, tags), (outputs, seed, steps, guidance), (size, crop))| {
            JobSpec {
                inputs,
                regions,
                prompt,
                tags,
                outputs,
                seed,
                steps,
                guidance_text: guidance,
                solver: Solver::Heun,
                size,
                crop,
                ..spec()
            }
        },
    )
}

proptest! {
    #[test]
    fn any_recipe_round_trips_and_is_judged_without_panic(spec in any_spec()) {
        let json = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(&serde_json::from_str::<JobSpec>(&json).unwrap(), &spec);
        let _ = spec.validate();
    }
}

#[test]
fn regions_are_worked_on_as_chosen_or_as_the_job_asks() {
    let mut spec = spec();
    assert_eq!(spec.masked_mode(), MaskedMode::Context);
    // An object is placed: nothing of what was there is kept.
    spec.regions[0].level = Level::Exact;
    spec.regions[0].asset = Some(1);
    assert_eq!(spec.strength(), 1.0);
    // Words modify what is selected exactly.
    spec.regions[0].asset = None;
    assert_eq!(spec.strength(), 0.75);
    spec.regions[0].level = Level::Outline;
    assert_eq!(spec.strength(), 1.0);
    spec.masked = MaskedSpec {
        mode: Some(MaskedMode::Insert),
        strength: Some(0.5),
    };
    assert_eq!(spec.masked_mode(), MaskedMode::Insert);
    assert_eq!(spec.strength(), 0.5);
    spec.masked = MaskedSpec::default();
    spec.regions.clear();
    assert_eq!(
        (spec.masked_mode(), spec.strength()),
        (MaskedMode::Edit, 1.0)
    );
}

#[test]
fn what_was_not_chosen_about_regions_is_not_written() {
    let mut spec = spec();
    let text = serde_json::to_string(&spec).unwrap();
    assert!(!text.contains("masked"), "{text}");
    spec.masked.mode = Some(MaskedMode::Insert);
    let text = serde_json::to_string(&spec).unwrap();
    assert!(text.contains(r#""masked":{"mode":"insert"}"#), "{text}");
    assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    let weak = sentence(|job| job.spec.masked.strength = Some(0.0));
    assert_eq!(weak, "the strength is 0: use 0.05 to 1");
}

#[test]
fn objects_are_relit_wholly_unless_the_artist_says_how_far() {
    let mut spec = spec();
    // As recipes from before there was a choice.
    let text = serde_json::to_string(&spec).unwrap();
    assert!(!text.contains("relight"), "{text}");
    assert_eq!(spec.blend.relight, 1.0);
    spec.blend.relight = 0.25;
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    let much = sentence(|job| job.spec.blend.relight = 1.5);
    assert_eq!(much, "the relighting is 1.5: use 0 to 1");
}

#[test]
fn objects_are_as_bright_as_found_unless_the_artist_says_how_bright() {
    let mut spec = spec();
    let text = serde_json::to_string(&spec).unwrap();
    assert!(!text.contains("brightness"), "{text}");
    spec.blend.brightness = 1.5;
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    let dark = sentence(|job| job.spec.blend.brightness = 0.0);
    assert_eq!(dark, "the brightness is 0: use 0.25 to 3");
}

#[test]
fn shadows_are_as_found_unless_the_artist_says_how_strong() {
    let mut spec = spec();
    let text = serde_json::to_string(&spec).unwrap();
    assert!(!text.contains("\"shadow\""), "{text}");
    assert_eq!(spec.blend.shadow, 1.0);
    spec.blend.shadow = 1.5;
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    let much = sentence(|job| job.spec.blend.shadow = 3.5);
    assert_eq!(much, "the shadow is 3.5: use 0 to 3");
}

#[test]
fn recipes_that_say_nothing_of_light_beyond_the_region_keep_it_within() {
    let spec = spec();
    assert_eq!(spec.blend.cast, 1.0);
    let mut told = serde_json::to_value(&spec).unwrap();
    assert_eq!(told["blend"]["cast"], 1.0);
    told["blend"].as_object_mut().unwrap().remove("cast");
    let old: JobSpec = serde_json::from_value(told).unwrap();
    assert_eq!(old.blend.cast, 0.0);
    let less = sentence(|job| job.spec.blend.cast = -0.5);
    assert_eq!(less, "the shadow beyond the region is -0.5: use 0 to 1");
}
