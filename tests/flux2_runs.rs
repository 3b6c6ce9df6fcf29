//! Whole runs of FLUX.2 [klein] against diffusers, with our own sampler: every step's latents and the pictures.

mod flux2;

use std::sync::Arc;

use candle_core::Tensor;
use flux2::{Goldens, check, folder, model, none};
use inlay::doc::job::{ModelChoice, Solver};
use inlay::doc::mask::Combine;
use inlay::doc::retold::{self, Asked};
use inlay::doc::{Document, Edit, Level, Mask, Picture};
use inlay::model::flux2::{
    Compute, Files, Klein, Residency, RopeTable, Transformer, Vae, from_tokens, mu, picture_places,
    reference_time, text_places, to_tokens,
};
use inlay::pipeline::flux2::Flux2Generator;
use inlay::pipeline::generator::Cancel;
use inlay::pipeline::{self, event::JobEvent};
use inlay::sampler::guidance::mix;
use inlay::sampler::{Guidance, Masked, first_step, integrate, times};

/// Absolute, of latents after several steps in f32.
const LATENTS: f32 = 2e-4;
/// Absolute, of pictures in 0..1.
const PICTURES: f32 = 1e-3;
/// Rows and columns of the output's tokens.
const ROWS: usize = 4;
const COLUMNS: usize = 5;
const TOKENS: usize = ROWS * COLUMNS;

/// The model with a text and perhaps references, ready for steps.
struct Case<'a> {
    net: &'a Transformer,
    texts: Vec<Tensor>,
    references: Option<Tensor>,
    rope: RopeTable,
}

impl<'a> Case<'a> {
    fn new(net: &'a Transformer, g: &Goldens, references: bool) -> Self {
        let texts = ["prompt.embeds", "empty.embeds"].map(|e| net.embed_text(&g[e]).unwrap());
        let mut places = text_places(80);
        places.extend(picture_places(0, ROWS, COLUMNS));
        if references {
            places.extend(picture_places(reference_time(0), 4, 5));
            places.extend(picture_places(reference_time(1), 4, 4));
        }
        let references = references.then(|| {
            let canvas = to_tokens(&g["canvas.latent"]).unwrap();
            let asset = to_tokens(&g["asset.latent"]).unwrap();
            let both = Tensor::cat(&[&canvas, &asset], 1).unwrap();
            net.embed_tokens(&both).unwrap()
        });
        Self {
            net,
            texts: texts.to_vec(),
            references,
            rope: net.rope(&places).unwrap(),
        }
    }

    fn velocity(&self, z: &Tensor, t: f64, text: usize) -> Tensor {
        let modulation = self.net.modulation(t, None).unwrap();
        self.net
            .velocity(
                z,
                self.references.as_ref(),
                &self.texts[text],
                &self.rope,
                &modulation,
                &none,
                None,
            )
            .unwrap()
    }
}

/// Runs from `start` over the last times of a schedule of `steps`, checks every step, gives the last latents.
#[expect(clippy::too_many_arguments, reason = "a test's description")]
fn run(
    name: &str,
    g: &Goldens,
    case: &Case,
    start: &Tensor,
    steps: usize,
    strength: f64,
    guidance: f64,
    masked: Option<&Masked>,
) -> Tensor {
    let times = times(steps as u32, mu(TOKENS, steps).exp());
    let times = &times[first_step(steps as u32, strength)..];
    let weights = Guidance {
        text: guidance,
        image: 1.0,
    }
    .weights();
    let end = integrate::<candle_core::Error>(
        start,
        times,
        Solver::Euler,
        masked,
        &mut |z, t| {
            let mut terms = vec![(weights.full, case.velocity(z, t, 0))];
            if weights.no_text != 0.0 {
                terms.push((weights.no_text, case.velocity(z, t, 1)));
            }
            Ok(mix(terms)?.unwrap())
        },
        &mut |state| {
            check(
                &format!("{name}.step.{}", state.step - 1),
                state.z,
                g,
                LATENTS,
            );
            Ok(())
        },
    )
    .unwrap();
    // Every golden step was seen.
    let last = format!("{name}.step.{}", times.len() - 2);
    check(&last, &end, g, LATENTS);
    end
}

fn net() -> Transformer {
    let path = model("transformer/diffusion_pytorch_model.safetensors");
    let compute = Compute::on_processor();
    Transformer::load(&[path], &compute, &none, &mut |_| ()).unwrap()
}

fn decoded(latents: &Tensor) -> Tensor {
    let path = model("vae/diffusion_pytorch_model.safetensors");
    let vae = Vae::load(&[path], &Compute::on_processor()).unwrap();
    let planes = from_tokens(latents, ROWS, COLUMNS).unwrap();
    vae.decode(&planes, &none).unwrap()
}

#[test]
fn klein_with_two_references_and_two_outputs() {
    let g = Goldens::load();
    let net = net();
    let case = Case::new(&net, &g, true);
    let end = run("klein", &g, &case, &g.noise_tokens(2), 2, 1.0, 1.0, None);
    check("klein.image", &decoded(&end), &g, PICTURES);
}

#[test]
fn klein_base_with_guidance() {
    let g = Goldens::load();
    let net = net();
    let case = Case::new(&net, &g, true);
    run("cfg", &g, &case, &g.noise_tokens(2), 2, 1.0, 4.0, None);
}

#[test]
fn words_alone() {
    let g = Goldens::load();
    let net = net();
    let case = Case::new(&net, &g, false);
    run("words", &g, &case, &g.noise_tokens(2), 2, 1.0, 1.0, None);
}

fn masked(name: &str, g: &Goldens) -> Masked {
    let noise = &g[&format!("{name}.noise")];
    let clean = to_tokens(&g["canvas.latent"]).unwrap();
    check(&format!("{name}.clean"), &clean, g, 0.0);
    Masked::new(&g["inpaint.tokens"], &clean, noise).unwrap()
}

#[test]
fn masked_insertion() {
    let g = Goldens::load();
    let net = net();
    let case = Case::new(&net, &g, true);
    let masked = masked("inpaint", &g);
    let start = &g["inpaint.noise"];
    check("inpaint.start", start, &g, 0.0);
    let end = run("inpaint", &g, &case, start, 4, 1.0, 1.0, Some(&masked));
    check("inpaint.image", &decoded(&end), &g, PICTURES);
    // Where the mask is 0, the canvas's latent is left exactly.
    let open: Vec<f32> = g["inpaint.tokens"]
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    assert!(open.contains(&0.5));
    let (found, clean) = (
        end.squeeze(0).unwrap().to_vec2::<f32>().unwrap(),
        g["inpaint.clean"]
            .squeeze(0)
            .unwrap()
            .to_vec2::<f32>()
            .unwrap(),
    );
    for (i, open) in open.iter().enumerate() {
        assert_eq!(found[i] == clean[i], *open == 0.0, "token {i}");
    }
}

#[test]
fn masked_modification_starts_later() {
    let g = Goldens::load();
    let net = net();
    let case = Case::new(&net, &g, true);
    let masked = masked("modify", &g);
    let times = times(4, mu(TOKENS, 4).exp());
    let t = times[first_step(4, 0.75)];
    let clean = to_tokens(&g["canvas.latent"]).unwrap();
    let start = ((&g["modify.noise"] * t).unwrap() + (clean * (1.0 - t)).unwrap()).unwrap();
    check("modify.start", &start, &g, 1e-6);
    run("modify", &g, &case, &start, 4, 0.75, 1.0, Some(&masked));
}

#[test]
fn an_output_of_a_batch_equals_the_output_alone() {
    let g = Goldens::load();
    let net = net();
    let case = Case::new(&net, &g, true);
    let both = case.velocity(&g.noise_tokens(2), 0.7, 0);
    let second = to_tokens(&g["noise"].narrow(0, 1, 1).unwrap()).unwrap();
    let alone = case.velocity(&second, 0.7, 0);
    let second = both.narrow(0, 1, 1).unwrap();
    assert!(flux2::differences(&alone, &second) < 1e-5);
}

#[test]
fn what_a_document_promises_to_send_is_sent() {
    let mut document = Document::default();
    let picture = |side, colour| Arc::new(Picture::filled(side, side, colour));
    for (name, picture) in [
        ("room", picture(64, [90, 120, 150, 255])),
        ("chair", picture(32, [200, 60, 40, 255])),
    ] {
        let edit = Edit::AddSlot {
            picture,
            name: name.to_owned(),
            source: None,
            purpose: None,
        };
        document.apply(edit).unwrap();
    }
    let prompt = "Put IMG2 into IMG1".to_owned();
    document.apply(Edit::SetPrompt(prompt)).unwrap();
    let mut settings = document.settings().clone();
    settings.steps = Some(1);
    settings.outputs = 1;
    document.apply(Edit::SetSettings(settings)).unwrap();
    let mut part = document.clone();
    let mut settings = part.settings().clone();
    settings.crop = Some([0, 0, 32, 32]);
    part.apply(Edit::SetSettings(settings)).unwrap();
    let mut masked = document.clone();
    let mut mask = Mask::new(64, 64);
    let corners = [[10.0, 10.0], [50.0, 10.0], [50.0, 50.0], [10.0, 50.0]];
    mask.fill_polygon(&corners, Combine::Add);
    let asset = masked.slots()[1].id;
    let region = Edit::AddRegion {
        mask: Some(mask),
        level: Level::Blob,
        asset: Some(asset),
    };
    masked.apply(region).unwrap();
    let mut wordless = masked.clone();
    wordless.apply(Edit::SetPrompt(String::new())).unwrap();
    let files = Files::find(&folder().join("model")).unwrap();
    let compute = Compute::on_processor();
    let klein = Klein::load(files, compute, Residency::All, &none, &mut |_, _| ()).unwrap();
    let mut generator = Flux2Generator::new("tiny", klein, 64);
    for document in [document, part, masked, wordless] {
        let compiled = document.compile().unwrap();
        let promised = retold::sent(&Asked::of(&document, &compiled, [0, 0, 64, 64]));
        let model = ModelChoice {
            name: "tiny",
            hash: "",
            default_steps: 1,
            default_guidance: 1.0,
        };
        let job = document.to_job(model).unwrap();
        let mut told = Vec::new();
        pipeline::run(&job, &mut generator, &Cancel::default(), &mut |event| {
            if let JobEvent::Sent(text) = event {
                told.push(text);
            }
        })
        .unwrap();
        assert_eq!(told, [promised]);
    }
}
